// What the report knows of places, as vectors over the film: boxes, the joint's edges, the place of the minimum.

import { drawn } from "./dom.js";

/** The corners of what the network was shown, going round: the box turned about its middle, (row, column). */
export function corners(knee) {
  const turn = ((knee.angle_degrees ?? 0) * Math.PI) / 180;
  const half = knee.box.width / 2;
  const row = knee.box.row + knee.box.height / 2;
  const column = knee.box.column + half;
  return [[-half, -half], [half, -half], [half, half], [-half, half]].map(([x, y]) =>
    [row - Math.sin(turn) * x + Math.cos(turn) * y, column + Math.cos(turn) * x + Math.sin(turn) * y]);
}

const LETTER = 0.62; // the mean width of a letter, in shares of its size

const points = (list) => list.map(([row, column]) => `${column + 0.5},${row + 0.5}`).join(" ");

function line(kind, list, closed = false) {
  return drawn(closed ? "polygon" : "polyline", { class: kind, points: points(list), "vector-effect": "non-scaling-stroke" });
}

/** `reach` is how far, in film pixels, what is named extends to the right and down; `unit` follows where there is room. */
function label(kind, row, column, text, { reach = 0, unit = "", room = 0, refused = false } = {}) {
  return { kind, row, column, text, reach, unit, room, refused };
}

function widthOf(part) {
  if (part.contact) return "0";
  if (part.minimum_mm !== null) return part.minimum_mm.toFixed(1);
  return part.minimum_percent_of_plateau === null ? "" : `${part.minimum_percent_of_plateau.toFixed(1)} %`;
}

/** All layers of a film's report: groups in film coordinates, and labels that keep their size on the screen. */
export function layersOf(report) {
  const boxes = drawn("g", { class: "layer boxes" });
  const curves = drawn("g", { class: "layer curves" });
  const minima = drawn("g", { class: "layer minima" });
  const labels = [];
  for (const knee of report.knees ?? []) {
    if (knee.box) {
      const around = corners(knee);
      boxes.append(line(knee.kl ? "box" : "box refused", around, true));
      const [row, column] = around.reduce((best, corner) => (corner[0] + corner[1] < best[0] + best[1] ? corner : best));
      labels.push(label("boxes", row, column, `${knee.side === "unknown" ? "?" : knee.side}  ${knee.kl ? `KL ${knee.kl.grade}` : "not graded"}`, { reach: knee.box.width, refused: !knee.kl }));
    }
    for (const part of Object.values(knee.joint_space ?? {})) {
      if (part.femur_edge.length > 1) curves.append(line("femur", part.femur_edge));
      if (part.tibia_edge.length > 1) curves.append(line("tibia", part.tibia_edge));
      if (part.minimum_at.length === 2) {
        minima.append(line("minimum", part.minimum_at));
        labels.push(label("minima", part.minimum_at[1][0], part.minimum_at[1][1], widthOf(part), { unit: part.minimum_mm === null || part.contact ? "" : " mm", room: knee.box?.width ?? 0 }));
      }
    }
  }
  return { groups: { boxes, curves, minima }, labels };
}

/** The same as one drawing over a part of the film, `{row, column, height, width}` in its pixels, for print. */
export function drawingOf(report, part) {
  const { groups, labels } = layersOf(report);
  const size = Math.max(part.height, part.width) / 22;
  const near = report.knees.every((knee) => !knee.box);
  const texts = labels.filter(({ kind }) => kind === "boxes" || near).map(({ kind, row, column, text, unit, refused }) => kind === "boxes"
    ? drawn("text", { class: refused ? "tag refused" : "tag", x: Math.max(part.column, Math.min(column, part.column + part.width - text.length * size * LETTER)), y: Math.max(part.row + size, row - size * 0.4), "font-size": size, "stroke-width": size / 6 }, text)
    : drawn("text", { class: "width", x: column, y: row + size * 1.3, "font-size": size * 0.9, "stroke-width": size / 6, "text-anchor": "middle" }, text + unit));
  return drawn("svg", { viewBox: `${part.column} ${part.row} ${part.width} ${part.height}`, class: "overlay", "aria-hidden": "true" }, groups.boxes, groups.curves, groups.minima, texts);
}
