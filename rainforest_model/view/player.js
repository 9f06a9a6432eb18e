/* Plays a recorded run; stands in one script behind machine_view.js, whose names it uses. */

const FRAMES_A_SECOND = [2, 5, 10, 20];
const USUAL = 10;

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(plain).json();
}

/** Points of the chart, each once, in the order of time: what was there before, and what the frames bring. */
function pointsOf({ frames, history }) {
  const points = new Map();
  const brought = frames.map(({ window }) => window).filter(Boolean);
  for (const point of [...history, ...brought]) points.set(point.time, point);
  return [...points.values()].sort((a, b) => a.time - b.time);
}

function play(record) {
  const { layout, frames } = record, points = pointsOf(record);
  let at = 0, timer = null, rate = USUAL;

  const traits = { machine: { ...layout, can_move: false }, frame: { ...frames[0], running: false } };
  const model = new Model(traits, (message) => {
    if (message.type === "run") start();
    else if (message.type === "pause") stop();
    else if (message.type === "step") show(at + 1);
  });

  const slider = html("input",
    { type: "range", min: 0, max: frames.length - 1, value: 0, "aria-label": "moment of the run" });
  const moment = html("output", {});
  const rates = html("select", { "aria-label": "frames a second" }, ...FRAMES_A_SECOND.map(
    (each) => html("option", { value: each, selected: each === USUAL }, `${each} frames/s`)));
  slider.addEventListener("input", () => show(Number(slider.value)));
  rates.addEventListener("change", () => {
    rate = Number(rates.value);
    if (timer) start();
  });

  function start() {
    clearInterval(timer);
    timer = setInterval(() => show(at + 1), 1000 / rate);
    show(at >= frames.length - 1 ? 0 : at);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    show(at);
  }

  function show(wanted) {
    at = Math.min(wanted, frames.length - 1);
    if (at === frames.length - 1) {
      clearInterval(timer);
      timer = null;
    }
    const frame = frames[at], words = duration(frame.time);
    slider.value = at;
    slider.setAttribute("aria-valuetext", `${words}, frame ${at + 1} of ${frames.length}`);
    moment.textContent = words;
    model.set("frame", { ...frame, window: null, running: timer !== null });
    model.set("history", points.filter(({ time }) => time <= frame.time));
  }

  document.getElementById("bar").append(controls(model), html("label", { class: "seek" }, slider, moment), rates);
  machineView({ model, el: document.getElementById("machine") });
  show(0);
}

unpack(document.getElementById("record").textContent).then(play, () => {
  document.getElementById("fault").textContent =
    "The recording in this file cannot be read: the file is damaged, or the browser older than 2024.";
});
