// One film on the screen: a canvas for its grey values, a drawing over it for what the report knows.

import { drawn, element } from "./dom.js";
import { layersOf } from "./layers.js";
import { picture } from "./pictures.js";
import { attachTools } from "./tools.js";
import { View } from "./view.js";

let number = 0;
const LETTER_PX = 9;
/** A knee that is shown larger than this has room for units beside its numbers. */
const ROOM_PX = 170;

export class Stage {
  /** `state` is shared by all stages: window, invert, tool and layers. `name` is what the film is called. */
  constructor(state, name) {
    this.state = state;
    this.view = new View();
    this.bitmap = this.heat = this.shown = null;
    const id = `window-${(number += 1)}`;
    this.ramps = ["R", "G", "B"].map((channel) => drawn(`feFunc${channel}`, { type: "linear" }));
    const filter = drawn("filter", { id, "color-interpolation-filters": "sRGB", x: 0, y: 0, width: 1, height: 1 }, drawn("feComponentTransfer", {}, this.ramps));
    this.canvas = element("canvas", { role: "img", "aria-label": name });
    this.canvas.style.filter = `url(#${id})`;
    this.warm = element("canvas", { class: "warm", "aria-hidden": "true" });
    this.world = drawn("g");
    this.texts = drawn("g");
    this.overlay = drawn("svg", { class: "overlay", "aria-hidden": "true" }, drawn("defs", {}, filter), this.world, this.texts);
    this.note = element("p", { class: "stage-note" });
    this.caption = element("p", { class: "stage-caption" }, name);
    this.node = element("div", { class: "stage", tabindex: "0", role: "group", "aria-label": `${name}: arrows move it, plus and minus zoom` }, this.canvas, this.warm, this.overlay, this.caption, this.note);
    this.size = new ResizeObserver(() => this.resize());
    this.size.observe(this.node);
    attachTools(this);
  }

  /** Shows a film of a study; `report` is its own. */
  async show(study, report) {
    this.study = study;
    this.report = report;
    this.full = false;
    this.heat = null;
    this.bitmap = null;
    const { groups, labels } = layersOf(report);
    this.labels = labels;
    this.world.replaceChildren(...Object.values(groups));
    this.say("Loading the film");
    this.canvas.dataset.film = "";
    this.draw();
    const wanted = (this.shown = report.film_id);
    try {
      const bitmap = await picture(study, report.film_id, "film");
      if (this.shown !== wanted) return;
      this.bitmap = bitmap;
      this.view.show(report.film?.rows ?? bitmap.height, report.film?.columns ?? bitmap.width);
      this.say("");
      this.canvas.dataset.film = wanted;
    } catch (error) {
      if (this.shown === wanted) this.say(error.message);
    }
    this.draw();
    if (this.state.layers.heat) await this.warmUp();
  }

  /** Fetches the heat map, which the running release draws anew. */
  async warmUp() {
    const wanted = this.shown;
    if (this.heat !== null || wanted === null) return;
    try {
      this.say("Drawing the heat map");
      const heat = await picture(this.study, wanted, "heat");
      if (this.shown === wanted) this.heat = heat;
      this.say("");
    } catch (error) {
      this.say(error.message);
    }
    this.draw();
  }

  say(text) {
    this.note.textContent = text;
  }

  resize() {
    const { width, height } = this.node.getBoundingClientRect();
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.canvas, this.warm]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    this.view.resize(width, height);
    this.paint();
  }

  /** Has everything drawn at the next frame. */
  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = null; this.paint(); });
  }

  paint() {
    const { view, state } = this;
    const ratio = window.devicePixelRatio || 1;
    const slope = (state.invert ? -1 : 1) / state.width;
    const intercept = state.invert ? 0.5 + state.level / state.width : 0.5 - state.level / state.width;
    for (const ramp of this.ramps) {
      ramp.setAttribute("slope", slope);
      ramp.setAttribute("intercept", intercept);
    }
    this.lay(this.canvas, this.bitmap, ratio);
    this.lay(this.warm, state.layers.heat ? this.heat : null, ratio);
    this.world.setAttribute("transform", `matrix(${view.scale} 0 0 ${view.scale} ${view.x} ${view.y})`);
    for (const name of ["boxes", "curves", "minima"]) this.overlay.classList.toggle(`no-${name}`, !state.layers[name]);
    this.texts.replaceChildren(...(this.bitmap ? this.labels ?? [] : []).filter((label) => state.layers[label.kind]).map((label) => this.label(label)).filter(Boolean));
    this.world.classList.toggle("hidden", this.bitmap === null);
    this.node.dataset.scale = view.scale.toFixed(4);
    if (this.bitmap && !this.full && view.scale * ratio > 1.02 * (this.bitmap.width / view.columns)) this.sharpen();
  }

  lay(canvas, bitmap, ratio) {
    const { view } = this;
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (bitmap === null) return;
    context.imageSmoothingEnabled = view.scale * ratio < 3;
    context.imageSmoothingQuality = "high";
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.drawImage(bitmap, view.x, view.y, view.columns * view.scale, view.rows * view.scale);
  }

  /** All the film's pixels, once somebody looks closely. */
  async sharpen() {
    this.full = true;
    const wanted = this.shown;
    try {
      const bitmap = await picture(this.study, wanted, "full");
      if (this.shown !== wanted) return;
      this.bitmap = bitmap;
      this.canvas.dataset.full = wanted;
      this.draw();
    } catch { /* the smaller picture stays */ }
  }

  label({ kind, row, column, text, reach, unit, room, refused }) {
    const [x, y] = this.view.place(row, column);
    const far = reach * this.view.scale;
    if (x + far < 0 || y + far < 0 || x > this.view.width || y > this.view.height) return null;
    return kind === "boxes"
      ? drawn("text", { class: refused ? "tag refused" : "tag", x: Math.max(4, Math.min(x, this.view.width - text.length * LETTER_PX)), y: Math.max(18, y - 7) }, text)
      : drawn("text", { class: "width", x, y: y + 20, "text-anchor": "middle" }, room * this.view.scale > ROOM_PX ? text + unit : text);
  }

  end() {
    this.shown = null;
    this.size.disconnect();
    cancelAnimationFrame(this.frame);
  }
}
