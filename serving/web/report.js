// One page to print: the film with what was found on it, the numbers, the words, and what it is not.

import { get } from "./api.js";
import { correctionLine } from "./correction.js";
import { gradeChip } from "./columns.js";
import { button, element } from "./dom.js";
import { drawingOf } from "./layers.js";
import { filmRemarks, flagList, measurements, probabilities } from "./panel.js";
import { picture, pictureAddress } from "./pictures.js";
import { SIDES, SIDE_SOURCES, timeWords } from "./words.js";

const FIGURE_MM = 62;
const CUT_PX = 720;

/** The view at `#/report/UID`. */
export function reportView(uid, go) {
  const addresses = [];
  const page = element("article", { class: "page", "aria-label": "Report" });
  const print = button("Print", () => window.print(), { key: "Ctrl+P", class: "main" });
  const back = button("‹ Study", () => go(`#/study/${uid}`), { key: "Esc", class: "quiet" });
  const view = element("section", { class: "report" }, element("div", { class: "tools", role: "toolbar", "aria-label": "Report" }, back, print), page);
  fill(uid, page, addresses).catch((error) => page.replaceChildren(element("p", { class: "bad" }, error.message)));
  return {
    node: view, focus: print, keys: { Escape: () => go(`#/study/${uid}`) },
    end() { addresses.forEach((address) => URL.revokeObjectURL(address)); },
  };
}

async function fill(uid, page, addresses) {
  const [study, corrections] = await Promise.all([get(`/v1/studies/${uid}`), get(`/v1/studies/${uid}/corrections`)]);
  const leading = [...new Set(study.knees.map((knee) => knee.film_id))];
  const films = leading.length ? study.films.filter((film) => leading.includes(film.film_id)) : study.films.slice(0, 1);
  const figures = [...await Promise.all(films.slice(0, 2).map((film) => figure(uid, film, addresses))),
    ...await Promise.all(study.knees.slice(0, 2).map((knee) => near(uid, films.find((film) => film.film_id === knee.film_id), knee)))];
  const shape = element("div", { class: "figures" }, figures);
  shape.style.maxWidth = `${figures.reduce((sum, one) => sum + Number(one.style.flexGrow), 0) * FIGURE_MM}mm`;
  const release = study.films.find((film) => film.release)?.release;
  const refused = study.films.flatMap((film) => [film, ...(film.knees ?? [])].filter((one) => one.refusal).map((one) => ({ ...one.refusal, message: one.side ? `${SIDES[one.side]}: ${one.refusal.message}` : one.refusal.message })));
  const distinct = [...new Map(refused.map((refusal) => [refusal.message, refusal])).values()];
  const filmFlags = [...new Set(films.flatMap(filmRemarks))];
  page.replaceChildren(
    element("header", {}, element("h1", {}, "KneeOA pre-read"), element("p", {}, `Printed ${timeWords(Date.now() / 1000)}`)),
    element("p", { class: "not-a-device" }, "Research and decision support for trained readers. Not a cleared medical device; not for sole diagnosis."),
    element("p", { class: "uid" }, `Study ${uid}, ${study.films.length === 1 ? "1 film" : `${study.films.length} films`}`),
    shape,
    element("div", { class: "knees" }, study.knees.map(kneePart)),
    filmFlags.length ? flagList(filmFlags) : "",
    distinct.length ? element("section", {}, element("h2", {}, "Not graded"), element("ul", {}, distinct.slice(0, 4).map((refusal) => element("li", {}, element("strong", {}, refusal.message), ` ${refusal.remedy}`)))) : "",
    corrections.length ? element("section", {}, element("h2", {}, "Readers"), element("ul", {}, corrections.slice(-4).map(correctionLine))) : "",
    element("footer", {}, release ? `${study.knees.length ? "Graded" : "Looked at"} by release ${release.name}, sha256 ${release.sha256}, software ${release.software}.` : "Not graded yet."));
}

async function figure(uid, film, addresses) {
  const frame = element("div", { class: "frame" });
  try {
    const address = await pictureAddress(uid, film.film_id, "film");
    addresses.push(address);
    const image = element("img", { src: address, alt: "The film, with the knees framed and the joint spaces drawn" });
    await image.decode();
    const rows = film.film?.rows ?? image.naturalHeight;
    const columns = film.film?.columns ?? image.naturalWidth;
    frame.append(image, drawingOf(film, { row: 0, column: 0, height: rows, width: columns }));
    return shaped(frame, columns / rows, "");
  } catch (error) {
    frame.append(element("p", {}, error.message));
    return shaped(frame, 1, "");
  }
}

/** A knee from near, cut from all the film's pixels. */
async function near(uid, film, knee) {
  const side = knee.box.width * 1.12;
  const part = { row: knee.box.row + knee.box.height / 2 - side / 2, column: knee.box.column + knee.box.width / 2 - side / 2, height: side, width: side };
  const frame = element("div", { class: "frame" });
  try {
    const whole = await picture(uid, film.film_id, "full");
    const share = whole.width / film.film.columns;
    const canvas = element("canvas", { width: CUT_PX, height: CUT_PX, role: "img", "aria-label": `${SIDES[knee.side]} from near` });
    canvas.getContext("2d").drawImage(whole, part.column * share, part.row * share, side * share, side * share, 0, 0, CUT_PX, CUT_PX);
    frame.append(canvas, drawingOf({ knees: [{ ...knee, box: null }] }, part));
  } catch (error) {
    frame.append(element("p", {}, error.message));
  }
  return shaped(frame, 1, SIDES[knee.side]);
}

function shaped(frame, proportion, caption) {
  const shape = element("figure", {}, frame, caption ? element("figcaption", {}, caption) : null);
  shape.style.flexGrow = proportion;
  frame.style.aspectRatio = proportion;
  return shape;
}

function kneePart(knee) {
  return element("section", { class: "knee-part", "aria-label": SIDES[knee.side] }, element("div", { class: "knee-head" }, element("h2", {}, SIDES[knee.side] ?? knee.side), gradeChip(knee.kl.grade)),
    element("p", { class: "note" }, SIDE_SOURCES[knee.side_source]), probabilities(knee.kl), knee.joint_space ? measurements(knee.joint_space) : null, knee.flags.length ? flagList(knee.flags) : null);
}
