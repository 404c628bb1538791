// One study: its films on a stage, what was found beside them, and a prior beside both if somebody wants it.

import { get } from "./api.js";
import { panel } from "./panel.js";
import { picture } from "./pictures.js";
import { choosePrior } from "./prior.js";
import { button, element, say } from "./dom.js";
import { neighbour } from "./worklist.js";
import { Stage } from "./stage.js";
import { resetWindow, setWindow } from "./tools.js";
import { shortUid, STATES } from "./words.js";

const PAN_PX = 60;
const ZOOM = 1.25;
const LAYERS = [["boxes", "Boxes", "b"], ["curves", "Joint", "c"], ["minima", "Minimum", "m"], ["heat", "Heat", "h"]];
/** How the reader has set the viewer; it stays from film to film, but for window and invert. */
const state = { width: 1, level: 0.5, invert: false, tool: "pan", layers: { boxes: true, curves: true, minima: true, heat: false }, changed() {} };

/** The view at `#/study/UID`. `go(hash)` goes elsewhere. */
export function studyView(uid, go, release) {
  let report = null;
  let film = null;
  let nearest = null;
  const stages = [];
  const area = element("div", { class: "stages" });
  const side = element("aside", { class: "panel", "aria-label": "What was found", tabindex: "0" });
  const films = element("div", { class: "films", role: "group", hidden: true, "aria-label": "Films of this study" });
  const toggles = LAYERS.map(([name, text, key]) => button(text, () => toggle(name), { key, "aria-pressed": state.layers[name], "data-layer": name }));
  const invert = button("Invert", () => { state.invert = !state.invert; state.changed(); }, { key: "i", "aria-pressed": "false" });
  const tool = button("Window", () => { state.tool = state.tool === "window" ? "pan" : "window"; state.changed(); }, { key: "v", title: "Drag sets window and level, as the right button does", "aria-pressed": "false" });
  const told = element("output", { class: "told", "aria-label": "Window and level" });
  const step = (by) => { const other = neighbour(uid, by); other === null ? say("There is no further study in the list.") : go(`#/study/${other}`); };
  const compare = button("Compare", () => (stages.length > 1 ? single() : choosePrior(uid, film, report, beside)), { key: "s", title: "Beside a prior film", "aria-pressed": "false" });
  const bar = element("div", { class: "tools", role: "toolbar", "aria-label": "Viewer" },
    button("‹ List", () => go("#/"), { key: "Esc", class: "quiet" }), button("Previous", () => step(-1), { key: "p" }), button("Next", () => step(1), { key: "n" }),
    element("span", { class: "gap" }), button("Fit", () => each((stage) => stage.view.fit()), { key: "f" }), button("1:1", () => exact(), { key: "1", title: "One pixel of the film on one of the monitor" }),
    button("+", () => zoom(ZOOM), { key: "+", title: "Zoom in" }), button("−", () => zoom(1 / ZOOM), { key: "-", title: "Zoom out" }), tool, invert, button("Reset", () => resetWindow(state), { key: "r", title: "Window as it came" }), told,
    element("span", { class: "gap" }), toggles, element("span", { class: "gap" }), compare, button("Report", () => go(`#/report/${uid}`), { key: "o", title: "A page to print" }));
  const view = element("section", { class: "study", "aria-label": "Study" }, element("h1", { class: "unseen" }, `Study ${shortUid(uid)}`), bar, films, area, side);

  state.changed = () => {
    invert.setAttribute("aria-pressed", state.invert);
    tool.setAttribute("aria-pressed", state.tool === "window");
    area.classList.toggle("windowing", state.tool === "window");
    told.textContent = `W ${Math.round(state.width * 100)} % · L ${Math.round(state.level * 100)} %`;
    toggles.forEach((node) => node.setAttribute("aria-pressed", state.layers[node.dataset.layer]));
    stages.forEach((stage) => stage.draw());
  };

  const active = () => stages.find((stage) => stage.node.contains(document.activeElement)) ?? stages[0];
  const each = (act) => stages.forEach((stage) => { act(stage); stage.draw(); });
  const exact = () => each((stage) => stage.view.oneToOne(window.devicePixelRatio || 1));
  const zoom = (factor) => each((stage) => stage.view.zoom(factor, stage.view.width / 2, stage.view.height / 2));
  const pan = (dx, dy) => { const stage = active(); stage.view.pan(dx, dy); stage.draw(); };

  function toggle(name) {
    if (name === "heat" && film?.release && release() && film.release.sha256 !== release()) {
      say("This result is another release's: its heat map cannot be drawn any more. Grade the film again first.", "bad");
      return;
    }
    state.layers[name] = !state.layers[name];
    state.changed();
    if (name === "heat" && state.layers.heat) stages.forEach((stage) => stage.warmUp());
  }

  function stageFor(name) {
    const stage = new Stage(state, name);
    stages.push(stage);
    area.append(stage.node);
    area.dataset.stages = stages.length;
    return stage;
  }

  function single() {
    stages.splice(1).forEach((stage) => { stage.end(); stage.node.remove(); });
    area.dataset.stages = stages.length;
    compare.setAttribute("aria-pressed", "false");
  }

  async function beside(study, other, name) {
    single();
    compare.setAttribute("aria-pressed", "true");
    const stage = stageFor(name);
    await stage.show(study, other);
    // A knee from near beside a film of both legs cannot be compared: the knee that both show is brought near on both.
    const common = boxed(film).filter((knee) => boxed(other).some((one) => one.side === knee.side));
    stages.forEach((one) => one.resize()); // both have half the room now
    if (stages.includes(stage) && common.length === 1) near(common[0]);
  }

  function showFilm(wanted) {
    film = wanted;
    nearest = null;
    resetWindow(state);
    drawFilms();
    stages[0].show(uid, film);
    side.replaceChildren(...panel(uid, report, film, near, kept));
    side.scrollTop = 0;
  }

  /** Shows a knee from near, and the prior's knee of that side beside it. */
  function near(knee) {
    nearest = knee.side;
    for (const stage of stages) {
      const { box } = stage === stages[0] ? knee : boxed(stage.report).find((one) => one.side === knee.side) ?? {};
      if (box) stage.view.near(box.row + box.height / 2, box.column + box.width / 2, box.width * 1.15);
      stage.draw();
    }
  }

  /** The next knee from near; after the last one the whole film. */
  function nextKnee() {
    const knees = boxed(film);
    const next = knees[knees.findIndex((knee) => knee.side === nearest) + 1];
    if (next !== undefined) near(next);
    else { nearest = null; each((stage) => stage.view.fit()); }
  }

  function drawFilms() {
    films.hidden = report.films.length < 2;
    films.replaceChildren(...report.films.map((one, place) => button(`Film ${place + 1} · ${one.refusal ? STATES.refused : STATES[one.state]}`, () => showFilm(one), { "aria-pressed": one === film })));
  }

  /** After a correction: the next key is one of the viewer's, such as n. */
  function kept() {
    stages[0].node.focus({ preventScroll: true });
    return reload();
  }

  /** Reads the study anew, and keeps the film that is looked at. */
  async function reload() {
    const last = film?.film_id;
    try {
      report = await get(`/v1/studies/${uid}`);
    } catch (error) {
      if (report !== null) { say(error.message, "bad"); return; } // what is shown, and written, stays
      films.hidden = true;
      stages[0].say(error.message);
      side.replaceChildren(element("p", { class: "bad" }, error.message));
      return;
    }
    const headline = report.knees[0]?.film_id;
    const found = report.films.find((one) => one.film_id === (last ?? headline)) ?? report.films[0];
    if (found === undefined) side.replaceChildren(element("p", {}, "This study has no film any more."));
    else if (last === undefined) showFilm(found);
    else {
      const graded = !film.knees && found.knees;
      film = found;
      drawFilms();
      keepingPlace(side, () => side.replaceChildren(...panel(uid, report, film, near, kept)));
      if (graded || stages[0].bitmap === null) stages[0].show(uid, film);
    }
  }

  stageFor("This study");
  state.changed();
  reload().then(() => {
    const next = neighbour(uid, 1);
    if (next !== null) ahead(next);
  });
  return {
    node: view, focus: stages[0].node, again: reload, reload: (event) => event.study_uid === uid && reload(),
    keys: {
      Escape: () => (stages.length > 1 ? single() : go("#/")), n: () => step(1), p: () => step(-1), f: () => { nearest = null; each((stage) => stage.view.fit()); }, k: nextKnee, 1: exact,
      "+": () => zoom(ZOOM), "=": () => zoom(ZOOM), "-": () => zoom(1 / ZOOM), i: () => invert.click(), v: () => tool.click(), r: () => resetWindow(state),
      "[": () => setWindow(state, -0.1, 0), "]": () => setWindow(state, 0.1, 0), ",": () => setWindow(state, 0, -0.03), ".": () => setWindow(state, 0, 0.03),
      ArrowLeft: () => pan(PAN_PX, 0), ArrowRight: () => pan(-PAN_PX, 0), ArrowUp: () => pan(0, PAN_PX), ArrowDown: () => pan(0, -PAN_PX),
      ...Object.fromEntries(LAYERS.map(([name, , key]) => [key, () => toggle(name)])),
      s: () => compare.click(), o: () => go(`#/report/${uid}`), e: () => side.querySelector("[name=side], [name=grade]")?.focus(),
    },
    end() { stages.forEach((stage) => stage.end()); state.changed = () => {}; },
  };
}

const boxed = (film) => (film?.knees ?? []).filter((knee) => knee.box);

/** Draws anew what is in `place`; who wrote there goes on writing, and sees the same part of it. */
function keepingPlace(place, draw) {
  const { activeElement: at } = document;
  const within = place.contains(at) && at.name;
  const { scrollTop } = place;
  draw();
  place.scrollTop = scrollTop;
  const same = within && [...place.querySelectorAll("[name]")].find((field) => field.name === at.name && (field.type !== "radio" || field.value === at.value));
  same?.focus?.({ preventScroll: true });
  if (same && at.type !== "radio") same.setSelectionRange(at.selectionStart, at.selectionEnd);
}

/** Fetches the film that the reader will most likely see next. */
async function ahead(uid) {
  try {
    const report = await get(`/v1/studies/${uid}`);
    const film = report.knees[0]?.film_id ?? report.films[0]?.film_id;
    if (film) await picture(uid, film, "film");
  } catch { /* it is fetched again when it is asked for */ }
}
