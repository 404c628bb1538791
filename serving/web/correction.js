// A reader's grade beside the network's. Neither is ever changed: a second thought is a second row.

import { get, post } from "./api.js";
import { button, element, say } from "./dom.js";
import { SIDES, timeWords } from "./words.js";

let pseudonym = "";
/** What was begun and not kept yet, by film: in memory alone. */
const drafts = new Map();

/** The form for a film, with what readers said before. */
export function correctionForm(uid, film, changed) {
  const sides = [...new Set((film.knees ?? []).map((knee) => knee.side))];
  const before = element("div", { class: "before" });
  const box = element("section", { class: "card correction", "aria-label": "Correct" }, element("h2", {}, "Correct"));
  readBefore(uid, before);
  if (!film.result_uid || !sides.length) {
    box.append(element("p", { class: "note" }, film.result_uid ? "There is no knee to correct on this film." : "It can be corrected once it has a result."), before);
    return box;
  }
  const grades = [0, 1, 2, 3, 4].map((grade) => radio("grade", String(grade), `${grade}`));
  const which = sides.length === 1 ? null : element("fieldset", { class: "sides" }, element("legend", {}, "Knee"), sides.map((side) => radio("side", side, SIDES[side] ?? side)));
  const reason = element("textarea", { name: "reason", rows: "2", required: true, maxlength: "2000", placeholder: "Why; never who" });
  const reader = element("input", { name: "reader", pattern: "[A-Za-z0-9._\\-]{1,48}", value: pseudonym, placeholder: "pseudonym, no name", autocomplete: "off" });
  const send = button("Keep this correction", () => form.requestSubmit(), { key: "Ctrl+Enter", class: "main" });
  const form = element("form", { on: { submit: (event) => { event.preventDefault(); keep(); }, keydown: (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); } } } },
    which, element("fieldset", { class: "grades" }, element("legend", {}, "KL grade"), grades, radio("grade", "none", "cannot be graded")),
    element("label", {}, "Reason", reason), element("label", {}, "Reader (optional)", reader), send);

  restore(form, drafts.get(film.film_id));
  form.addEventListener("input", () => drafts.set(film.film_id, new FormData(form)));

  async function keep() {
    const given = new FormData(form);
    if (sides.length > 1 && given.get("side") === null) { say("Choose the knee first.", "bad"); which.querySelector("input").focus(); return; }
    if (given.get("grade") === null) { say("Choose a grade first.", "bad"); grades[0].querySelector("input").focus(); return; }
    const side = sides.length === 1 ? sides[0] : given.get("side");
    const grade = given.get("grade") === "none" ? null : Number(given.get("grade"));
    pseudonym = given.get("reader").trim();
    send.disabled = true;
    try {
      await post(`/v1/studies/${uid}/corrections`, { side, grade, reason: given.get("reason"), film_id: film.film_id, reader: pseudonym || null });
      say("The correction is kept.");
      drafts.delete(film.film_id);
      await changed();
    } catch (error) {
      say(error.message, "bad");
      send.disabled = false;
    }
  }

  box.append(form, before);
  return box;
}

function restore(form, draft) {
  for (const [name, value] of draft ?? []) {
    for (const field of form.querySelectorAll(`[name="${name}"]`)) {
      if (field.type === "radio") field.checked = field.value === value;
      else field.value = value;
    }
  }
}

function radio(name, value, text) {
  return element("label", { class: "choice" }, element("input", { type: "radio", name, value }), element("span", {}, text));
}

/** One correction in a line. */
export function correctionLine(row) {
  const grade = row.grade === null ? "cannot be graded" : `KL ${row.grade}`;
  const network = row.network_grade === null ? "was refused" : `was KL ${row.network_grade}`;
  return element("li", {}, element("strong", {}, `${row.side}: ${grade}`), ` (${network}) ${row.reason}`, element("span", { class: "by" }, `${row.reader}, ${timeWords(row.created)}`));
}

async function readBefore(uid, place) {
  try {
    const rows = await get(`/v1/studies/${uid}/corrections`);
    if (rows.length) place.replaceChildren(element("h3", {}, "Said before"), element("ul", { class: "said-before" }, rows.map(correctionLine)));
  } catch { /* the study itself tells what is wrong */ }
}
