/* One machine, drawn: sockets and cores by what each is doing, borders of OS instances, the tail of latencies.
 *
 * `machineView({model, el})` draws it, `controls(model)` makes Step, Run and Pause, `Model` stands in for a notebook's
 * model outside of one.  The default export is a widget for notebooks (anywidget's convention).
 * Colours are Okabe and Ito's (2008); every state also has a pattern and a letter.
 */

// --- elements and words ---------------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** An HTML element; strings among its children become text, never markup. */
export function html(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

/** Write a text only where it changed, so that a frame costs what it changes. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function attribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A number to three significant figures; a dash where there is none. */
export function figures(value) {
  if (!isNumber(value)) return "–";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

const UNITS = { us: "µs" };
export const unitName = (unit) => UNITS[unit] ?? unit ?? "";

const TIMES = [[1e6, "s"], [1e3, "ms"], [1, "µs"]];

/** Simulated time, which counts in µs, in words. */
export function duration(us, digits = 4) {
  const [size, name] = TIMES.find(([size]) => Math.abs(us) >= size) ?? TIMES[2];
  return `${Number((us / size).toPrecision(digits))} ${name}`;
}

const percent = (share) => `${Math.round(100 * share)} %`;

// --- models ---------------------------------------------------------------------------------------------------------

/** What a notebook's model does, for a page and a player: traits, their changes, messages both ways. */
export class Model {
  #traits;
  #listeners = new Map();

  constructor(traits, send) {
    this.#traits = { history: [], ...traits };
    this.send = send;
    accumulate(this);
  }

  get(name) {
    return this.#traits[name];
  }

  set(name, value) {
    this.#traits[name] = value;
    this.emit(`change:${name}`, value);
  }

  save_changes() {}

  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
  }

  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
  }

  emit(event, ...values) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(...values);
  }
}

/** Append each frame's window to the model's history, once for all views of it. */
function accumulate(model) {
  let last = model.get("frame")?.serial;
  model.on("change:machine", () => (last = undefined));
  model.on("change:frame", () => {
    const frame = model.get("frame");
    if (frame?.window && frame.serial !== last) model.get("history").push(frame.window);
    last = frame?.serial;
  });
}

// --- states and instances -------------------------------------------------------------------------------------------

const LOOKS = {
  computing: ["computing", "C"],
  "in a lock": ["locked", "L"],
  spinning: ["spinning", "S"],
  "waiting for a shootdown": ["waiting", "W"],
  idle: ["idle", "·"],
  off: ["off", "×"],
};

function lookOf(state) {
  const [look, letter] = LOOKS[state] ?? ["other", state.slice(0, 1).toUpperCase()];
  return { state, look, letter };
}

const POOL = -1;
const LANDS = 6;

function instancesOf(layout) {
  const known = layout.instances.map(({ number, name }) => ({ number, name }));
  return isAlone(layout) ? known : [...known, { number: POOL, name: "pool" }];
}

const landOf = (owner) => (owner === POOL ? "transparent" : `var(--land-${owner % LANDS})`);
const signOf = (owner) => (owner === POOL ? "–" : String(owner));
const isAlone = (layout) => !layout.can_move && layout.instances.length === 1;

function nameOf(layout, number) {
  if (number === POOL) return "the pool";
  return layout.instances.find((instance) => instance.number === number)?.name ?? `instance ${number}`;
}

// --- the cores ------------------------------------------------------------------------------------------------------

const columnsOf = (cores) => (cores <= 12 ? Math.ceil(cores / 2) : Math.ceil(Math.sqrt(1.6 * cores)));

const SIDES = { t: [-1, 0], r: [0, 1], b: [1, 0], l: [0, -1] };
const CORNERS = ["tr", "br", "bl", "tl"];

/** Where each core of a socket lies on a border: sides with another instance beyond, corners that only touch one. */
function bordersOf(socket, columns, owner) {
  return socket.map((core, place) => {
    const row = Math.floor(place / columns), column = place % columns;
    const beyond = (steps) => {
      const [down, right] = steps.reduce((sum, [down, right]) => [sum[0] + down, sum[1] + right], [row, column]);
      const inside = right >= 0 && right < columns && down >= 0 && down * columns + right < socket.length;
      return !inside || owner[socket[down * columns + right]] !== owner[core];
    };
    const sides = Object.keys(SIDES).filter((side) => beyond([SIDES[side]]));
    const corners = CORNERS.filter((corner) => ![...corner].some((side) => sides.includes(side))
      && beyond([...corner].map((side) => SIDES[side])));
    return { sides, corners };
  });
}

/** The board of sockets and cores. `choose(core)` is called as a core is chosen, `move(core, to)` as it shall move. */
function board(layout, { choose, move }) {
  const looks = layout.states.map(lookOf);
  const cells = new Map();
  const shown = new Map();
  let chosen = null, reachable = layout.sockets[0]?.[0], owners = null;

  const node = html("div",
    { class: "board", role: "group", "aria-label": `cores of ${layout.machine}`, "aria-describedby": "help" });
  const grids = layout.sockets.map((socket, number) => {
    const columns = columnsOf(socket.length);
    const grid = html("div", { class: "cores", style: `--columns: ${columns}; --narrow: ${columns > 3 ? 56 : 42}px` });
    for (const core of socket) {
      const letter = html("span", { class: "letter" }), tag = html("span", { class: "tag" });
      const tile = html("button", { type: "button", class: "tile", "data-core": core, tabindex: -1 },
        html("span", { class: "core" }, String(core)), letter, tag);
      const cell = html("div", { class: "cell", "data-owner": POOL }, tile);
      cells.set(core, { cell, tile, letter, tag });
      grid.append(cell);
    }
    const name = `socket ${number}`;
    node.append(html("div", { class: "socket", role: "group", "aria-label": name },
      grid, html("div", { class: "caption" }, name)));
    return { socket, columns };
  });
  if (cells.size) cells.get(reachable).tile.tabIndex = 0;
  if (isAlone(layout)) {
    node.classList.add("one");
    node.prepend(html("p", { class: "owner" }, `${layout.instances[0].name}: one kernel for ${cells.size} cores`));
  }

  function reach(core) {
    cells.get(reachable).tile.tabIndex = -1;
    reachable = core;
    cells.get(core).tile.tabIndex = 0;
    cells.get(core).tile.focus();
  }

  function chooseCore(core) {
    if (chosen !== null) cells.get(chosen).tile.setAttribute("aria-pressed", "false");
    chosen = core;
    if (core !== null) cells.get(core).tile.setAttribute("aria-pressed", "true");
    choose(core);
  }

  /** The nearest core in a direction, as the eye sees it: sockets wrap on a narrow screen. */
  function neighbour(from, right, down) {
    const middle = ({ tile }) => {
      const box = tile.getBoundingClientRect();
      return [box.left + box.width / 2, box.top + box.height / 2];
    };
    const [x, y] = middle(cells.get(from));
    let best = null, least = Infinity;
    for (const [core, cell] of cells) {
      const [otherX, otherY] = middle(cell);
      const along = (otherX - x) * right + (otherY - y) * down;
      const aside = Math.abs((otherX - x) * down) + Math.abs((otherY - y) * right);
      const distance = along + 3 * aside;
      if (along > 2 && distance < least) [best, least] = [core, distance];
    }
    return best;
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const typed = digits(layout, move);

  node.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const focused = event.target.closest(".tile");
    if (!focused) return;
    const core = Number(focused.dataset.core);
    if (event.key in ARROWS) {
      const next = neighbour(core, ...ARROWS[event.key]);
      if (next !== null) reach(next);
    } else if (event.key === "Home") reach(layout.sockets[0][0]);
    else if (event.key === "End") reach(layout.sockets.at(-1).at(-1));
    else if (event.key === "Escape") chooseCore(null);
    else if (/^[0-9]$/.test(event.key)) typed(core, event.key);
    else if (event.key === "+") move(core, next(owners?.[core] ?? POOL));
    else if (["-", "Delete", "Backspace"].includes(event.key)) move(core, POOL);
    else return;
    event.preventDefault();
  });

  function next(owner) {
    const numbers = layout.instances.map(({ number }) => number);
    return numbers[(numbers.indexOf(owner) + 1) % numbers.length];
  }

  node.addEventListener("focusin", (event) => {
    const core = Number(event.target.closest(".tile")?.dataset.core);
    if (!cells.has(core) || core === reachable) return;
    cells.get(reachable).tile.tabIndex = -1;
    reachable = core;
    cells.get(core).tile.tabIndex = 0;
  });

  node.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const core = Number(tile.dataset.core);
    chooseCore(core === chosen ? null : core);
  });

  if (layout.can_move) dragging(node, (core, to) => move(core, to));

  function paintBorders(owner) {
    for (const { socket, columns } of grids) {
      const borders = bordersOf(socket, columns, owner);
      socket.forEach((core, place) => {
        const { cell, tile, tag } = cells.get(core);
        attribute(cell, "data-borders", borders[place].sides.join(" "));
        while (tile.nextSibling) tile.nextSibling.remove();  // the tile stays where it is, and keeps the focus
        cell.append(...borders[place].corners.map((corner) => html("i", { class: `nook ${corner}` })));
        attribute(cell, "data-owner", owner[core]);
        cell.style.setProperty("--land", landOf(owner[core]));
        write(tag, signOf(owner[core]));
      });
    }
  }

  function update(frame) {
    const moved = !owners || frame.owner.some((owner, core) => owner !== owners[core]);
    if (moved) {
      owners = [...frame.owner];
      paintBorders(owners);
    }
    for (const [core, { tile, letter }] of cells) {
      const state = frame.state[core], owner = frame.owner[core];
      const key = `${state} ${owner}`;
      if (shown.get(core) === key) continue;
      shown.set(core, key);
      const { look, letter: sign, state: words } = looks[state] ?? lookOf("?");
      attribute(tile, "data-look", look);
      write(letter, sign);
      tile.setAttribute("aria-label", `core ${core}, ${nameOf(layout, owner)}: ${words}`);
      tile.title = `core ${core}, ${nameOf(layout, owner)}: ${words}`;
    }
    return moved;
  }

  return {
    node,
    update,
    chosen: () => chosen,
    choose: chooseCore,
    owners: () => owners,
    pending: (core, on) => cells.get(core)?.tile.classList.toggle("pending", on),
    calm: () => cells.forEach(({ tile }) => tile.classList.remove("pending")),
  };
}

const TYPING_MS = 700;

/** Digits typed on a core to an instance's number; waits for a further digit only where one could follow. */
function digits(layout, settle) {
  const numbers = layout.instances.map(({ number }) => String(number));
  let text = "", on = null, timer;
  function finish() {
    const to = Number(text);
    text = "";
    settle(on, to);
  }
  return (core, digit) => {
    clearTimeout(timer);
    text = core === on ? text + digit : digit;
    on = core;
    if (numbers.some((number) => number.startsWith(text) && number !== text)) timer = setTimeout(finish, TYPING_MS);
    else finish();
  };
}

const FAR_ENOUGH_PX = 6;

/** Drag a core with mouse or pen onto another instance's cores or card; a finger scrolls, and taps instead. */
function dragging(node, drop) {
  let from = null, ghost = null, over = null, suppress = false;

  function aim(target) {
    if (target === over) return;
    over?.classList.remove("aimed");
    over = target;
    over?.classList.add("aimed");
  }

  function end() {
    aim(null);
    ghost?.remove();
    from = ghost = null;
  }

  node.addEventListener("pointerdown", (event) => {
    const tile = event.target.closest(".tile");
    suppress = false;
    if (!tile || event.button !== 0 || event.pointerType === "touch") return;
    from = { tile, x: event.clientX, y: event.clientY };
  });
  node.addEventListener("pointermove", (event) => {
    if (from && !event.buttons) end();  // it was let go where nobody heard of it
    if (!from) return;
    if (!ghost) {
      if (Math.hypot(event.clientX - from.x, event.clientY - from.y) < FAR_ENOUGH_PX) return;
      ghost = from.tile.cloneNode(true);
      ghost.classList.add("ghost");
      ghost.setAttribute("aria-hidden", "true");
      node.getRootNode().append(ghost);
      node.setPointerCapture(event.pointerId);
    }
    ghost.style.left = `${event.clientX}px`;
    ghost.style.top = `${event.clientY}px`;
    aim(node.getRootNode().elementFromPoint(event.clientX, event.clientY)?.closest("[data-owner]") ?? null);
  });
  node.addEventListener("pointerup", () => {
    if (ghost && over) {
      const core = Number(from.tile.dataset.core), to = Number(over.dataset.owner);
      if (to !== Number(from.tile.closest(".cell").dataset.owner)) drop(core, to);
    }
    suppress = ghost !== null;
    end();
  });
  node.addEventListener("pointercancel", end);
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape") end();
  });
  node.addEventListener("click", (event) => {
    if (suppress) event.stopImmediatePropagation();
    suppress = false;
  }, { capture: true });
}

// --- the instances' cards -------------------------------------------------------------------------------------------

/** A card for each instance: how many cores it has, buttons to add and take one, a target for a chosen core.
 *
 * A core that is `pending` has a move before it already, so a second click takes the next one.
 */
function cards(layout, { move, chosen, owners, pending }) {
  const node = html("div", { class: "cards", role: "group", "aria-label": "OS instances", hidden: isAlone(layout) });
  const made = instancesOf(layout).map(({ number, name }) => {
    const count = html("span", { class: "count" });
    const head = html("span", { class: "swatch", "aria-hidden": "true" }, signOf(number));
    const card = html("div", { class: "card", "data-owner": number, role: "group", "aria-label": name,
      style: `--land: ${landOf(number)}` }, head, html("span", { class: "name" }, name), count);
    const here = html("button", { type: "button", class: "here", hidden: true, onclick: () => move(chosen(), number) });
    const less = html("button", { type: "button", class: "less", "aria-label": `take a core from ${name}`,
      title: "take a core: it goes to the pool", onclick: () => move(staying(number).at(-1), POOL) }, "−");
    const more = html("button", { type: "button", class: "more", "aria-label": `add a core to ${name}`,
      title: "add a core from the pool", onclick: () => move(nearest(number), number) }, "+");
    if (layout.can_move && number !== POOL) card.append(less, more);
    if (layout.can_move) card.append(here);
    node.append(card);
    return { number, name, count, here, less, more, card };
  });

  const cores = (number) => layout.sockets.flat().filter((core) => owners()?.[core] === number);
  const staying = (number) => cores(number).filter((core) => !pending(core));

  /** A core of the pool, of a socket where the instance already is if there is one. */
  function nearest(number) {
    const free = staying(POOL);
    const home = layout.sockets.find((socket) => socket.some((core) => owners()[core] === number)) ?? [];
    return free.find((core) => home.includes(core)) ?? free[0];
  }

  function update() {
    const core = chosen(), free = cores(POOL).length;
    for (const { number, name, count, here, less, more } of made) {
      const own = cores(number).length;
      write(count, own === 1 ? "1 core" : `${own} cores`);
      less.disabled = own === 0;
      more.disabled = free === 0;
      here.hidden = core === null || owners()?.[core] === number;
      if (!here.hidden) write(here, number === POOL ? `return core ${core}` : `move core ${core} here`);
      here.setAttribute("aria-label", `move core ${core} to ${number === POOL ? "the pool" : name}`);
    }
  }
  return { node, update };
}

// --- shares of time -------------------------------------------------------------------------------------------------

/** A bar of what all cores did since the last frame, and the legend, which holds the numbers. */
function shares(layout) {
  const bar = html("div", { class: "shares", "aria-hidden": "true" });
  const legend = html("ul", { class: "legend", "aria-label": "share of time of all cores since the last frame" });
  const rows = layout.states.map((state) => {
    const { look, letter } = lookOf(state);
    const part = html("div", { class: "part", "data-look": look });
    const value = html("span", { class: "value" }, "–");
    bar.append(part);
    const key = html("span", { class: "key", "data-look": look, "aria-hidden": "true" },
      html("span", { class: "letter" }, letter));
    legend.append(html("li", { "data-state": state }, key, html("span", { class: "name" }, state), value));
    return { part, value };
  });
  function update(frame) {
    rows.forEach(({ part, value }, index) => {
      const share = frame.share?.[index] ?? 0;
      part.style.flexGrow = share;
      attribute(value, "data-value", share);
      write(value, percent(share));
    });
  }
  return { nodes: [bar, legend], update };
}

// --- the tail chart -------------------------------------------------------------------------------------------------

const HEIGHT = 216;
const MARGIN = { left: 48, right: 14, top: 10, bottom: 22 };
const COLUMN_PX = 2;
const MARKED = 40;
const LABEL_PX = 13;

const COARSE = [1, 2, 5], FINE = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
const NARROW = 4;

/** Steps of a logarithmic axis, finer on a narrow one, from that at or below `low` to that at or above `high`. */
function logSteps(low, high) {
  const steps = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of high / low < NARROW ? FINE : COARSE) steps.push(Number(`${factor}e${power}`));
  }
  const first = steps.findLastIndex((step) => step <= low), last = steps.findIndex((step) => step >= high);
  return steps.slice(first, last + 1);
}

function linearSteps(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const steps = [];
  for (let k = Math.ceil(low / step); k * step <= high * (1 + 1e-9); k++) steps.push(k * step);
  return steps;
}

/** Lines' labels, moved apart so that none covers another; from top to bottom, in pixels. */
function apart(wanted, top, bottom) {
  const order = wanted.map((y, index) => ({ y, index })).sort((a, b) => a.y - b.y);
  let most = bottom;
  for (const label of order.toReversed()) most = (label.y = Math.min(label.y, most)) - LABEL_PX;
  let least = top;
  for (const label of order) least = (label.y = Math.max(label.y, least)) + LABEL_PX;
  const found = [];
  for (const { y, index } of order) found[index] = y;
  return found;
}

/** At most one point for each column of pixels: the one with the largest tail, since means of tails mean nothing. */
function thinned(points, xOf) {
  const kept = [];
  let column = null;
  for (const point of points) {
    const here = Math.floor(xOf(point.time) / COLUMN_PX);
    if (here !== column) kept.push(point);
    else if (!(kept.at(-1).p99 >= point.p99)) kept[kept.length - 1] = point;
    column = here;
  }
  return kept;
}

/** The chart; `reached({low, high})` hears how far its values go, and `span` makes its axis reach further. */
function tailChart(layout, reached) {
  const unit = unitName(layout.unit);
  const paper = (layout.paper ?? []).filter(({ value }) => isNumber(value) && value > 0);
  const [grid, marks, labels, lines, hover] = ["grid", "paper", "paper", "lines", "hover"].map(
    (name) => svg("g", { class: name }));
  const picture = svg("svg", { class: "chart", role: "img", height: HEIGHT, "aria-label": "tail chart" },
    grid, marks, labels, lines, hover);
  const rows = html("tbody");
  const columns = ["until", `99th percentile (${unit})`, `median (${unit})`, "calls"];
  const head = html("thead", {}, html("tr", {}, ...columns.map((name) => html("th", { scope: "col" }, name))));
  const table = html("details", {}, html("summary", {}, "The chart as a table"), html("table", {}, head, rows));
  const node = html("figure", {},
    html("figcaption", {},
      html("span", {}, `latency of each window (${unit})`),
      html("span", { class: "line p99" }, "99th percentile"), html("span", { class: "line p50" }, "median"),
      ...(paper.length ? [html("span", { class: "line paper" }, "the paper's number")] : [])),
    picture, table);

  let width = 0, points = [], measured = 0, stale = true, scale = null;
  let own = { low: Infinity, high: 0 }, further = null;

  function grow(value) {
    if (isNumber(value) && value > 0) own = { low: Math.min(own.low, value), high: Math.max(own.high, value) };
  }
  for (const { value } of paper) grow(value);

  /** The axis only grows, so that the picture does not jump. */
  function axisSteps() {
    const before = own;
    for (const { p50, p99 } of points.slice(measured)) [p50, p99].forEach(grow);
    measured = points.length;
    if (own.low !== before.low || own.high !== before.high || !measured) reached(own);
    const low = Math.min(own.low, further?.low ?? Infinity), high = Math.max(own.high, further?.high ?? 0);
    return high > 0 ? logSteps(low / 1.1, high * 1.1) : [1, 10, 100];
  }

  function draw() {
    if (!width) return;
    const steps = axisSteps();
    const [bottom, top] = [steps[0], steps.at(-1)];
    const start = points[0]?.time ?? 0, end = points.at(-1)?.time ?? 0;
    const from = points.length > 1 ? start : 0, until = end > from ? end : from + 1;
    const inner = { right: width - MARGIN.right, bottom: HEIGHT - MARGIN.bottom };
    const x = (time) => MARGIN.left + ((time - from) / (until - from)) * (inner.right - MARGIN.left);
    const decades = Math.log10(top / bottom);
    const y = (value) => inner.bottom - (Math.log10(value / bottom) / decades) * (inner.bottom - MARGIN.top);

    const labelled = decades > 3 ? steps.filter((step) => step.toExponential().startsWith("1e")) : steps;
    const across = (value) => svg("line", { x1: MARGIN.left, x2: inner.right, y1: y(value), y2: y(value) });
    const axis = [...steps.map(across), ...labelled.map((step) => svg("text",
      { x: MARGIN.left - 6, y: y(step) + 4, "text-anchor": "end" }, figures(step)))];
    const size = TIMES.find(([size]) => until >= size)?.[0] ?? 1, name = TIMES.find(([each]) => each === size)[1];
    const ticks = points.length ? linearSteps(from / size, until / size, Math.max(3, Math.floor(width / 110))) : [];
    axis.push(...ticks.map((tick) => svg("text", { x: x(tick * size), y: inner.bottom + 17, "text-anchor": "middle" },
      `${Number(tick.toPrecision(6))} ${name}`)));
    grid.replaceChildren(...axis);

    marks.replaceChildren(...paper.map(({ value }) => across(value)));
    labelPaper(y, inner);
    const drawn = thinned(points, x);
    lines.replaceChildren(...["p50", "p99"].flatMap((which) => curve(drawn, which, x, y)));
    if (!points.length) {
      const middle = { x: (MARGIN.left + inner.right) / 2, y: HEIGHT / 2, "text-anchor": "middle" };
      lines.replaceChildren(svg("text", { class: "empty", ...middle }, "no window has ended yet: step or run"));
    }
    scale = { x, y, inner };
    stale = true;
    describe();
  }

  function curve(drawn, which, x, y) {
    const valid = drawn.filter((point) => isNumber(point[which]) && point[which] > 0);
    const places = valid.map((point) => [x(point.time), y(point[which])]);
    const path = places.map(([right, down], index) => `${index ? "L" : "M"}${right.toFixed(1)} ${down.toFixed(1)}`);
    const dots = places.length <= MARKED ? places : places.slice(-1);
    return [svg("path", { class: which, d: path.join("") }),
      ...dots.map(([cx, cy]) => svg("circle", { class: which, cx, cy, r: which === "p99" ? 3 : 2.2 }))];
  }

  function labelPaper(y, inner) {
    const heights = apart(paper.map(({ value }) => y(value) - 4), MARGIN.top + 9, inner.bottom - 3);
    labels.replaceChildren(...paper.map(({ claim, label, value }, index) => {
      const room = Math.floor((inner.right - MARGIN.left) / 6.4);
      const words = `${label}: ${figures(value)} ${unit}`;
      const place = { x: inner.right - 2, y: heights[index], "text-anchor": "end" };
      const text = svg("text", { ...place, "data-claim": claim, "data-value": value },
        words.length > room ? `${words.slice(0, room - 1)}…` : words);
      text.append(svg("title", {}, `${words} (claim ${claim})`));
      return text;
    }));
  }

  const tailWords = ({ time, p99, p50, n }) => [
    `until ${duration(time)}`, `99th percentile ${figures(p99)} ${unit}`, `median ${figures(p50)} ${unit}`, `${n} calls`];

  function describe() {
    const last = points.at(-1);
    const windows = last ? `last window, ${tailWords(last).join(", ")}` : "no window has ended yet";
    const overlays = paper.map(({ label, value }) => `${label}: ${figures(value)} ${unit}`);
    attribute(picture, "aria-label", [`tail chart, ${windows}`, ...overlays].join("; "));
    if (table.open) fill();
  }

  const NEWEST = 30;
  function fill() {
    if (!stale) return;
    stale = false;
    rows.replaceChildren(...points.slice(-NEWEST).reverse().map(({ time, p50, p99, n }) => html("tr", {},
      html("th", { scope: "row", "data-value": time }, duration(time)), html("td", { "data-value": p99 }, figures(p99)),
      html("td", { "data-value": p50 }, figures(p50)), html("td", { "data-value": n }, figures(n)))));
  }
  table.addEventListener("toggle", () => table.open && fill());

  picture.addEventListener("pointermove", (event) => {
    if (!scale || !points.length) return;
    const at = event.clientX - picture.getBoundingClientRect().left;
    const { x, inner } = scale;
    const away = (point) => Math.abs(x(point.time) - at);
    const nearest = points.reduce((best, point) => (away(point) < away(best) ? point : best));
    const here = x(nearest.time);
    const place = here > width / 2 ? { x: here - 7, "text-anchor": "end" } : { x: here + 7, "text-anchor": "start" };
    hover.replaceChildren(svg("line", { x1: here, x2: here, y1: MARGIN.top, y2: inner.bottom }),
      ...tailWords(nearest).map((words, row) => svg("text", { ...place, y: MARGIN.top + 12 + 14 * row }, words)));
  });
  picture.addEventListener("pointerleave", () => hover.replaceChildren());

  const observer = new ResizeObserver(([entry]) => {
    const wide = Math.floor(entry.contentRect.width);
    if (wide === width || !wide) return;
    width = wide;
    picture.setAttribute("width", width);
    draw();
  });
  observer.observe(node);

  return {
    node,
    update(history) {
      const same = history === points && history.length === measured;
      if (same) return;
      if (history.length < measured) measured = 0;
      points = history;
      draw();
    },
    span(wider) {
      further = wider;
      draw();
    },
    remove: () => observer.disconnect(),
  };
}

// --- the numbers ----------------------------------------------------------------------------------------------------

/** Time and the tail since the beginning, as large figures. */
function numbers(layout) {
  const unit = unitName(layout.unit);
  const cell = (name, id, title) => {
    const value = html("dd", { class: "value", "data-id": id }, "–");
    return { value, node: html("div", { class: "number", title }, html("dt", { class: "name" }, name), value) };
  };
  const made = {
    p99: cell("99th percentile", "p99", "of all calls since the measurement began"),
    p50: cell("median", "p50", "of all calls since the measurement began"),
    n: cell("calls", "n", "finished since the measurement began"),
    time: cell("simulated time", "time", "since the machine was switched on"),
  };
  const node = html("dl", { class: "numbers" }, ...Object.values(made).map(({ node }) => node));
  function put(id, value, text) {
    attribute(made[id].value, "data-value", value ?? "");
    write(made[id].value, text);
  }
  function update(frame) {
    const total = frame.total ?? {};
    put("p99", total.p99, `${figures(total.p99)} ${unit}`);
    put("p50", total.p50, `${figures(total.p50)} ${unit}`);
    put("n", total.n, figures(total.n));
    put("time", frame.time, duration(frame.time));
  }
  return { node, update };
}

// --- the whole view -------------------------------------------------------------------------------------------------

const TELL_MS = 5000;
const HELP = "Drag a core across a border, or choose it and then where it goes. Keys: arrows go to a core, a number moves "
  + "it to that instance, + to the next one, − to the pool.";

/** Draw one machine into an element; returns what undoes it.
 *
 * Of the model's traits, `machine` says what there is (sockets, instances, states, unit, the paper's numbers), `frame`
 * what each core does now, `history` holds the points of the chart, and `span` may widen its axis.
 * The view sends "move", and leaves in `reach` how far its chart goes.
 */
export function machineView({ model, el }) {
  const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const unfollow = followTheme(el);

  let parts = null, waiting = 0, told = 0;
  const moves = new Map();

  function build() {
    parts?.chart.remove();
    moves.clear();
    const layout = model.get("machine");
    if (!layout?.sockets) return;
    const words = html("p", { class: "words", role: "status" }), alarm = html("p", { class: "alarm", role: "alert" });
    const spoken = html("p", { class: "unseen", role: "status" });
    const cores = board(layout, { choose: chooseCore, move });
    const instances = cards(layout, {
      move, chosen: cores.chosen, owners: cores.owners, pending: (core) => moves.has(core) });
    const share = shares(layout), figures = numbers(layout);
    const chart = tailChart(layout, (reach) => model.set("reach", reach));
    const help = html("p", { id: "help", class: "help" }, layout.can_move ? HELP : "Arrow keys go from core to core.");
    const where = `${layout.workload} on ${layout.machine}`;
    const view = html("section", { class: "view", "aria-label": `${layout.title}, ${where}` },
      html("header", {}, html("h2", {}, layout.title), html("p", {}, where)),
      html("div", { class: "machine" }, cores.node, instances.node, help, words, alarm),
      ...share.nodes, figures.node, chart.node, spoken);
    root.replaceChildren(view);
    parts = { layout, view, cores, instances, share, chart, figures, words, alarm, spoken };
    schedule();
  }

  function chooseCore(core) {
    write(parts.alarm, "");
    if (core === null) write(parts.words, "");
    else if (parts.layout.can_move) write(parts.words, `Core ${core} is chosen: where shall it go? (Esc: nowhere)`);
    else write(parts.words, `Core ${core} belongs to ${nameOf(parts.layout, parts.cores.owners()?.[core])}.`);
    parts.instances.update();
  }

  function move(core, to) {
    const { layout, cores, words, alarm } = parts;
    if (core === null || core === undefined) return;
    const amiss = obstacle(core, to);
    write(alarm, amiss);
    if (amiss) return;
    cores.choose(null);
    cores.pending(core, true);
    moves.set(core, to);
    write(words, `Core ${core} goes to ${nameOf(layout, to)} …`);
    model.send({ type: "move", core, to });
  }

  /** Why a core cannot move, as far as the view knows; else nothing. */
  function obstacle(core, to) {
    const { layout, cores } = parts;
    if (isAlone(layout)) return "One kernel has all cores: none can move.";
    if (!layout.can_move) return "In a recording no core can be moved.";
    if (to !== POOL && !layout.instances.some(({ number }) => number === to)) return `There is no instance ${to}.`;
    return cores.owners()?.[core] === to ? `Core ${core} is already with ${nameOf(layout, to)}.` : "";
  }

  function settleMoves(owner) {
    for (const [core, to] of moves) {
      if (owner[core] !== to) continue;
      moves.delete(core);
      parts.cores.pending(core, false);
      write(parts.words, `Core ${core} is now with ${nameOf(parts.layout, to)}.`);
    }
  }

  function tell(frame) {
    const now = performance.now();
    if (frame.running && now - told < TELL_MS) return;
    told = now;
    const { layout, spoken } = parts, unit = unitName(layout.unit);
    const busy = layout.states.map((state, index) => `${state} ${percent(frame.share?.[index] ?? 0)}`).join(", ");
    const tails = [["99th percentile", "p99"], ["median", "p50"]].map(
      ([name, which]) => `${name} ${figures(frame.total?.[which])} ${unit}`);
    write(spoken, `${duration(frame.time)}: ${tails.join(", ")}; ${busy}`);
  }

  function paint() {
    waiting = 0;
    const frame = model.get("frame");
    if (!parts || !frame?.state) return;
    if (parts.cores.update(frame)) parts.instances.update();
    settleMoves(frame.owner);
    parts.share.update(frame);
    parts.figures.update(frame);
    parts.chart.update(model.get("history") ?? []);
    parts.view.dataset.serial = frame.serial;
    tell(frame);
  }

  function schedule() {
    waiting ||= requestAnimationFrame(paint);
  }

  function heard(message) {
    if (message?.type !== "error" || !parts) return;
    moves.clear();
    parts.cores.calm();
    write(parts.words, "");
    write(parts.alarm, String(message.text));
  }

  const listeners = [["change:machine", build], ["change:frame", schedule], ["change:history", schedule],
    ["change:span", () => parts?.chart.span(model.get("span"))], ["msg:custom", heard]];
  for (const [event, listener] of listeners) model.on(event, listener);
  build();
  return () => {
    for (const [event, listener] of listeners) model.off(event, listener);
    cancelAnimationFrame(waiting);
    parts?.chart.remove();
    unfollow();
  };
}

/** JupyterLab's theme where there is one, else what the reader's system prefers. */
function followTheme(el) {
  const follow = () => {
    const light = document.body.dataset.jpThemeLight;
    el.style.colorScheme = light === undefined ? "" : light === "true" ? "light" : "dark";
  };
  const observer = new MutationObserver(follow);
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  follow();
  return () => observer.disconnect();
}

// --- controls -------------------------------------------------------------------------------------------------------

/** Buttons for Step and for Run or Pause, which follow the model's frames. */
export function controls(model) {
  const step = html("button", { type: "button", class: "step", onclick: () => model.send({ type: "step" }) }, "Step");
  const run = html("button", { type: "button", class: "run", onclick: () => toggle() }, "Run");
  let running = false;
  function show(now) {
    running = now;
    write(run, running ? "Pause" : "Run");
    attribute(run, "aria-pressed", running);
    step.disabled = running;
  }
  function toggle() {
    const type = running ? "pause" : "run";
    show(!running);
    model.send({ type });
  }
  model.on("change:frame", () => {
    const now = Boolean(model.get("frame")?.running);
    if (now !== running) show(now);
  });
  show(Boolean(model.get("frame")?.running));
  return html("div", { class: "buttons", role: "group", "aria-label": "simulation" }, step, run);
}

const NOTCHES = 100;

/** A slider, logarithmic, of how much simulated time passes in a frame. */
export function speed(model, { low, high, value }) {
  const at = (us) => Math.round((NOTCHES * Math.log(us / low)) / Math.log(high / low));
  const input = html("input",
    { type: "range", min: 0, max: NOTCHES, step: 1, "aria-label": "simulated time in a frame" });
  const output = html("output", {});
  function show(us) {
    input.value = at(us);
    tell(us);
  }
  function tell(us) {
    write(output, `${duration(us, 2)} a frame`);
    input.setAttribute("aria-valuetext", `${duration(us, 2)} a frame`);
  }
  const chosen = () => Number((low * (high / low) ** (Number(input.value) / NOTCHES)).toPrecision(2));
  input.addEventListener("input", () => tell(chosen()));
  input.addEventListener("change", () => model.send({ type: "speed", value: chosen() }));
  show(value);
  return { node: html("label", { class: "speed" }, "speed ", input, output), show };
}

// --- a notebook's widget --------------------------------------------------------------------------------------------

/** The view with its controls; asks for the next frame once one is painted, so that a closed tab ends a run. */
function render({ model, el }) {
  const bar = html("div", { class: "bar" }, controls(model), speed(model, model.get("speed")).node);
  const machine = html("div");
  el.append(html("style", {}, NOTEBOOK_STYLE), html("div", { class: "rainforest-machine" }, bar, machine));
  const painted = () => {
    const { running, serial } = model.get("frame");
    if (running) requestAnimationFrame(() => model.send({ type: "painted", serial }));
  };
  model.on("change:frame", painted);
  const remove = machineView({ model, el: machine });
  return () => {
    model.off("change:frame", painted);
    remove();
  };
}

export default { initialize: ({ model }) => accumulate(model), render };

const NOTEBOOK_STYLE = `
.rainforest-machine { max-width: 760px; font-family: system-ui, sans-serif; }
.rainforest-machine .bar { display: flex; flex-wrap: wrap; gap: 12px; align-items: center; padding: 4px 0 8px; }
.rainforest-machine .buttons { display: flex; gap: 6px; }
.rainforest-machine button { font: inherit; padding: 4px 14px; border: 1px solid #00573f; border-radius: 6px;
  background: #00573f; color: #fff; }
.rainforest-machine button:disabled { opacity: .45; }
.rainforest-machine .speed { display: flex; gap: 6px; align-items: center; }
`;

// --- style ----------------------------------------------------------------------------------------------------------

const STYLE = `
:host {
  display: flex; --ink: light-dark(#1d2421, #e9eeea); --faint: light-dark(#5b6660, #a3aea8);
  --paper: light-dark(#ffffff, #18201c); --rule: light-dark(#dfe4e0, #34403a); --border: light-dark(#26312c, #cfd8d2);
  --accent: light-dark(#00573f, #4cc9a0); --alarm: light-dark(#a33b00, #ff9a5c);
  --computing: #009e73; --locked: #0072b2; --spinning: #d55e00; --waiting: #cc79a7;
  --idle: light-dark(#e6e9e6, #3a453f); --off: light-dark(#ffffff, #18201c);
  --p99: light-dark(#d55e00, #ff8f3f); --p50: light-dark(#0072b2, #56b4e9);
  --land-0: light-dark(#cfe9fa, #17425c); --land-1: light-dark(#fbe3b3, #5d4206);
  --land-2: light-dark(#e4dcf3, #41355c);
  --land-3: light-dark(#faf3a6, #575310); --land-4: light-dark(#d9ead2, #2c4a26);
  --land-5: light-dark(#f7d9d0, #5c3226);
  color: var(--ink); font: 14px/1.4 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
p, h2, ul, dl, dd, figure { margin: 0; padding: 0; }
button { font: inherit; color: inherit; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.view { position: relative; display: flex; flex: 1; flex-direction: column; gap: 10px; min-width: 0;
  background: var(--paper);
  container-type: inline-size; }
.machine { display: grid; flex: 1; gap: 10px; align-content: start; }
header { display: flex; flex-wrap: wrap; gap: 0 10px; align-items: baseline; }
h2 { font-size: 17px; font-weight: 650; }
header p, .help, .caption { color: var(--faint); font-size: 12.5px; }

.board { display: flex; flex-wrap: wrap; gap: 10px; justify-content: center; }
.socket { padding: 6px 6px 2px; border: 1px solid var(--rule); border-radius: 10px; flex: 0 1 auto; min-width: 0; }
.caption { text-align: center; padding-top: 2px; }
.cores { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 56px)); }
.cell { position: relative; padding: 5px; background: var(--land); border: 0 solid var(--border);
  background-clip: padding-box; }
.cell[data-borders~="t"] { margin-top: 1px; border-top-width: 2px; padding-top: 2px; }
.cell[data-borders~="r"] { margin-right: 1px; border-right-width: 2px; padding-right: 2px; }
.cell[data-borders~="b"] { margin-bottom: 1px; border-bottom-width: 2px; padding-bottom: 2px; }
.cell[data-borders~="l"] { margin-left: 1px; border-left-width: 2px; padding-left: 2px; }
.cell[data-borders~="t"][data-borders~="l"] { border-top-left-radius: 9px; }
.cell[data-borders~="t"][data-borders~="r"] { border-top-right-radius: 9px; }
.cell[data-borders~="b"][data-borders~="l"] { border-bottom-left-radius: 9px; }
.cell[data-borders~="b"][data-borders~="r"] { border-bottom-right-radius: 9px; }
.nook { position: absolute; width: 3px; height: 3px; border: 0 solid var(--border); }
.nook.tr, .nook.br { right: 0; border-left-width: 2px; }
.nook.tl, .nook.bl { left: 0; border-right-width: 2px; }
.nook.tr, .nook.tl { top: 0; border-bottom-width: 2px; }
.nook.br, .nook.bl { bottom: 0; border-top-width: 2px; }
.one .nook { display: none; }
.cell[data-owner="-1"] { border-style: dashed; border-color: var(--faint); }
.one { background: var(--land-0); border: 2px solid var(--border); border-radius: 14px; padding: 10px; }
.one .owner { flex: 0 0 100%; text-align: center; font-weight: 600; }
.one .socket { background: var(--paper); }
.one .cell { background: none; border-color: transparent; }
.one .tag { display: none; }
.tile { position: relative; contain: layout style; display: block; width: 100%; height: 44px; padding: 0;
  border: 1px solid rgb(0 0 0 / .25); border-radius: 6px;
  cursor: pointer; touch-action: manipulation; user-select: none; }
.tile .letter, .key .letter { display: inline-block; min-width: 20px; padding: 0 3px; border-radius: 5px;
  background: var(--look); color: var(--on);
  font-weight: 750; font-size: 16px; line-height: 20px; text-align: center; }
.tile .core, .tile .tag { position: absolute; top: 1px; font-size: 10px; line-height: 12px; padding: 0 2px;
  border-radius: 3px;
  background: var(--look); color: var(--on); }
.tile .core { left: 1px; }
.tile .tag { right: 1px; background: var(--paper); color: var(--ink); font-weight: 650; }
.tile[aria-pressed="true"] { outline: 3px solid var(--accent); outline-offset: 1px; z-index: 1; }
.tile.pending { outline: 3px dashed var(--accent); outline-offset: 1px; }
.aimed { box-shadow: inset 0 0 0 3px var(--accent); }
.ghost { position: fixed; z-index: 10; width: 46px; margin: -22px 0 0 -23px; pointer-events: none; opacity: .9;
  box-shadow: 0 4px 12px rgb(0 0 0 / .35); }

[data-look] { --on: #000; background: var(--look); }
[data-look="computing"] { --look: var(--computing); }
[data-look="locked"] { --look: var(--locked); --on: #fff;
  background: repeating-linear-gradient(90deg, transparent 0 6px, rgb(255 255 255 / .45) 6px 8px) var(--look); }
[data-look="spinning"] { --look: var(--spinning);
  background: repeating-linear-gradient(45deg, transparent 0 5px, rgb(0 0 0 / .38) 5px 8px) var(--look); }
[data-look="waiting"] { --look: var(--waiting);
  background: radial-gradient(rgb(0 0 0 / .5) 1.4px, transparent 1.8px) 0 0 / 7px 7px var(--look); }
[data-look="idle"] { --look: var(--idle); --on: var(--ink); }
[data-look="off"] { --look: var(--off); --on: var(--faint);
  background: repeating-linear-gradient(135deg, transparent 0 5px, var(--rule) 5px 6.5px) var(--look); }
[data-look="other"] { --look: #f0e442; }

.cards { display: flex; flex-wrap: wrap; gap: 6px; }
.card { display: flex; flex-wrap: wrap; gap: 2px 6px; align-items: center; padding: 3px 6px 3px 4px;
  border: 1.5px solid var(--border); border-radius: 8px; background: var(--land); }
.card[data-owner="-1"] { border-style: dashed; border-color: var(--faint); }
.card .name { font-weight: 600; }
.card .count { font-size: 12.5px; min-width: 4.2em; }
.swatch { min-width: 18px; padding: 0 3px; text-align: center; font-size: 12px; font-weight: 650;
  background: var(--paper); border-radius: 4px; }
.card button { min-width: 28px; min-height: 28px; padding: 0 8px; border: 1px solid var(--border); border-radius: 6px;
  background: var(--paper); cursor: pointer; }
.card button:disabled { opacity: .4; cursor: default; }
.card .here { background: var(--accent); border-color: var(--accent); color: light-dark(#fff, #06130d); }
.words, .alarm { font-size: 13px; }
.words { min-height: 1.4em; }
.alarm:empty { display: none; }
.alarm { color: var(--alarm); font-weight: 600; }

.shares { display: flex; height: 16px; border-radius: 4px; overflow: hidden; background: var(--rule); }
.part { flex: 0 0 0; min-width: 0; }
.legend { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 220px), 1fr)); gap: 4px 24px;
  list-style: none; font-size: 13px; }
.legend li { display: flex; gap: 6px; align-items: center; }
.legend .name { flex: 1; }
.key { display: inline-grid; place-items: center; width: 30px; height: 22px; border-radius: 5px;
  border: 1px solid rgb(0 0 0 / .25); }
.key .letter { font-size: 13px; line-height: 15px; min-width: 14px; padding: 0 2px; }
.value { font-variant-numeric: tabular-nums; }

.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(104px, 1fr));
  border-block: 1px solid var(--rule); }
.number { display: grid; padding: 6px 2px; }
.number .name { color: var(--faint); font-size: 12px; }
.number .value { font-size: 18px; font-weight: 600; white-space: nowrap; }
.number [data-id="p99"] { color: var(--p99); }
.number [data-id="p50"] { color: var(--p50); }

figure { min-width: 0; }
figcaption { display: flex; flex-wrap: wrap; gap: 0 14px; font-size: 12.5px; color: var(--faint); }
.line::before { content: ""; display: inline-block; width: 20px; margin-right: 5px; vertical-align: middle;
  border-top: 2.5px solid var(--p99); }
.line.p50::before { border-top: 2.5px dashed var(--p50); }
.line.paper::before { border-top: 1.5px dotted var(--ink); }
.chart { display: block; overflow: visible; font-size: 11.5px; font-variant-numeric: tabular-nums; }
.chart text { fill: var(--ink); }
.grid line { stroke: var(--rule); }
.grid text { fill: var(--faint); }
.chart path { fill: none; stroke-width: 2; stroke-linejoin: round; }
path.p99 { stroke: var(--p99); }
path.p50 { stroke: var(--p50); stroke-dasharray: 5 3; }
circle.p99 { fill: var(--p99); }
circle.p50 { fill: var(--p50); }
.chart .paper line { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 2 3; }
.chart .paper text, .hover text { paint-order: stroke; stroke: var(--paper); stroke-width: 5px;
  stroke-linejoin: round; }
.chart .empty { fill: var(--faint); }
.hover line { stroke: var(--faint); }
details { font-size: 12.5px; }
summary { cursor: pointer; color: var(--faint); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 1px 14px 1px 0; text-align: right; font-weight: normal; }
thead th { color: var(--faint); }
@container (max-width: 420px) {
  .cores { grid-template-columns: repeat(var(--columns), minmax(0, var(--narrow))); }
  .numbers { grid-template-columns: 1fr 1fr; }
  .card:has(.here:not([hidden])) :is(.less, .more) { display: none; }
}
@media (forced-colors: active) { .tile, .part, .key, .swatch, .cell, .card { forced-color-adjust: none; } }
`;
