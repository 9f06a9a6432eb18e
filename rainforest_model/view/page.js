/* The page: two machines over one WebSocket, choices, controls, and the link that restores the state.
 *
 * Of the server's "choices" it uses `systems`, `workloads` and, where they are there, `cores` and `speed`
 * ({low, high, value} each) and `session`; of a layout also `load` and `cores`, so that a restored form is right.
 */

import { Model, controls, figures, html, machineView, speed, unitName } from "./machine_view.js";

const SPEED = { low: 1, high: 1e6, value: 1000 };
const LINK_EVERY_MS = 500;
const IN_US = { us: 1, ms: 1e3, s: 1e6 };

const byId = (id) => document.getElementById(id);

// --- the connection -------------------------------------------------------------------------------------------------

let socket = null, restoring = false, choices = null, link = location.hash.slice(1);

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function connect() {
  const address = new URL("live", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  address.hash = "";
  const mine = new WebSocket(address);
  const previous = socket;
  socket = mine;
  previous?.close();
  say("connecting …");
  mine.onopen = () => {
    byId("lost").hidden = true;
    restoring = true;
    say(link ? "computing the link's state …" : "connected");
    send({ type: "open", state: link });
  };
  mine.onmessage = ({ data }) => {
    if (mine === socket) hear(JSON.parse(data));
  };
  mine.onclose = () => {
    if (mine !== socket) return;
    say("not connected");
    byId("lost").hidden = false;
  };
}

const HEARD = {
  choices: offer,
  layout: ({ side, layout }) => sides[side].show(layout),
  history: ({ side, history }) => sides[side].model.set("history", history),
  frame: ({ side, frame }) => sides[side].model.set("frame", frame),
  state: (message) => remember(message.link),
  error: (message) => {
    if (sides[message.side]) sides[message.side].model.emit("msg:custom", message);
    else complain(message.text);
  },
};

function hear(message) {
  HEARD[message.type]?.(message);
}

// --- words ----------------------------------------------------------------------------------------------------------

function say(text) {
  byId("status").textContent = text;
}

function complain(text) {
  byId("error").hidden = false;
  byId("error").querySelector("span").textContent = text;
}

// --- the link -------------------------------------------------------------------------------------------------------

let renewing = 0;

/** Keep the address and the field in step with the state, but not at every frame: browsers limit that. */
function remember(latest) {
  link = latest;
  if (restoring) say("connected");
  restoring = false;
  renewing ||= setTimeout(() => {
    renewing = 0;
    history.replaceState(null, "", `#${link}`);
    byId("link").value = location.href;
  }, LINK_EVERY_MS);
}

async function copy() {
  const field = byId("link");
  if (link) field.value = new URL(`#${link}`, location.href).href;
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    field.select();
    document.execCommand("copy");
  }
  say("link copied");
}

// --- the two sides --------------------------------------------------------------------------------------------------

const sides = [0, 1].map((side) => makeSide(side));
const both = new Model({}, (message) => {
  byId("error").hidden = true;
  send({ side: null, ...message });
});

function makeSide(side) {
  const section = document.querySelector(`[data-side="${side}"]`);
  section.append(byId("form").content.cloneNode(true));
  const form = section.querySelector("form"), { system, workload, load, cores } = form.elements;
  const model = new Model({}, (message) => send({ side, ...message }));
  machineView({ model, el: section.querySelector(".machine") });

  /** Fill a field, unless somebody is typing into it. */
  function put(field, value) {
    if (field !== document.activeElement) field.value = value;
  }

  const offered = () => choices.workloads.find(({ id }) => id === workload.value);

  /** Name, unit and bounds of the load, which each workload has its own of. */
  function describeLoad(value) {
    const { name, unit, low, high, value: usual } = offered()?.load ?? {};
    form.querySelector(".what").textContent = name ?? "load";
    form.querySelector(".unit").textContent = unit ?? "";
    Object.assign(load, { min: low ?? "", max: high ?? "" });
    put(load, value ?? usual ?? "");
  }

  workload.addEventListener("change", () => describeLoad());
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => {
    if (!form.reportValidity()) return;
    byId("error").hidden = true;
    send({
      type: "configure", side, system: system.value, workload: workload.value,
      load: load.valueAsNumber, cores: cores.valueAsNumber,
    });
  });

  model.on("change:frame", () => compare());

  return {
    model,
    offer() {
      for (const [select, items] of [[system, choices.systems], [workload, choices.workloads]]) {
        const chosen = select.value;
        select.replaceChildren(...items.map(({ id, title }) => html("option", { value: id }, title)));
        if (chosen) select.value = chosen;
      }
      const { low, high, value } = choices.cores ?? { low: 1 };
      Object.assign(cores, { min: low, max: high ?? "" });
      put(cores, value ?? cores.value);
      describeLoad();
    },
    show(layout) {
      const before = model.get("machine");
      system.value = layout.system;
      workload.value = layout.workload;
      describeLoad(layout.load ?? (before?.workload === layout.workload ? load.value : undefined));
      put(cores, layout.cores ?? layout.sockets.flat().length);
      const anew = { history: [], reach: null, span: null, machine: layout };
      for (const [name, value] of Object.entries(anew)) model.set(name, value);
    },
  };
}

let pace = null;

function offer(message) {
  choices = message;
  for (const side of sides) side.offer();
  const bounds = choices.speed ?? SPEED;
  if (!pace) {
    pace = speed(both, bounds);
    byId("controls").append(controls(both), pace.node);
  }
  pace.show(bounds.value);
  byId("controls").dataset.session = choices.session ?? "";
}

// --- the two compared -----------------------------------------------------------------------------------------------

let comparing = 0;

function compare() {
  comparing ||= requestAnimationFrame(() => {
    comparing = 0;
    const [first, second] = sides.map(({ model }) => ({ layout: model.get("machine"), frame: model.get("frame") }));
    if (!first.frame) return;
    both.set("frame", { running: first.frame.running || Boolean(second.frame?.running) });
    if (second.frame) byId("verdict").replaceChildren(...verdict(first, second));
    share(first.layout, second.layout);
  });
}

/** Whose tail is longer, and how many times: words and nodes. */
function verdict(first, second) {
  const tails = [first, second].map(({ layout, frame }) => frame.total?.p99 * IN_US[layout?.unit]);
  if (!tails.every((tail) => tail > 0)) return [];
  const [left, right] = [first, second].map(({ layout, frame }) => [
    `${layout.title} `, html("b", {}, `${figures(frame.total.p99)} ${unitName(layout.unit)}`)]);
  const worse = tails[1] >= tails[0] ? 1 : 0, times = tails[worse] / tails[1 - worse];
  const longer = `the ${worse ? "second" : "first"} tail is ${figures(times)} times as long`;
  const outcome = times < 1.01 ? "the same tail" : longer;
  return ["99th percentile so far: ", ...left, ", ", ...right, ": ", html("b", {}, outcome), "."];
}

/** One scale for both charts, where they have one unit. */
function share(first, second) {
  const reaches = sides.map(({ model }) => model.get("reach")).filter(Boolean);
  const union = { low: Math.min(...reaches.map(({ low }) => low)), high: Math.max(...reaches.map(({ high }) => high)) };
  const span = first?.unit === second?.unit && reaches.length === sides.length ? union : null;
  for (const { model } of sides) {
    const before = model.get("span");
    if (before?.low !== span?.low || before?.high !== span?.high) model.set("span", span);
  }
}

// --- start ----------------------------------------------------------------------------------------------------------

byId("error").querySelector("button").addEventListener("click", () => (byId("error").hidden = true));
byId("again").addEventListener("click", connect);
byId("copy").addEventListener("click", copy);
byId("link").addEventListener("focus", (event) => event.target.select());
window.addEventListener("hashchange", () => {
  link = location.hash.slice(1);
  byId("error").hidden = true;
  connect();
});
connect();
