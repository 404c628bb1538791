// Which film to look at beside this one. The service keeps no patient's identity, so a person chooses, and is told so.

import { get } from "./api.js";
import { gradeChip } from "./columns.js";
import { dialog, element, say } from "./dom.js";
import { allRows } from "./rows.js";
import { shortUid, timeWords } from "./words.js";

const MOST = 60;

/** Has the reader choose; `chosen(study, report, name)` hears it. */
export function choosePrior(uid, film, report, chosen) {
  if (report === null) return;
  const search = element("input", { type: "search", placeholder: "Search a study", "aria-label": "Search a study" });
  const list = element("ul", { class: "priors" });
  const own = report.films.filter((one) => one !== film && one.film);
  const box = dialog("Compare with a prior", element("p", { class: "flagged" }, "KneeOA keeps no patient's identity: make sure that both films are the same patient's."), search, list);

  function take(study, other, name) {
    box.close();
    chosen(study, other, name);
  }

  async function takeStudy(row) {
    try {
      const study = await get(`/v1/studies/${row.study_uid}`);
      const other = study.films.find((one) => one.film_id === study.knees[0]?.film_id) ?? study.films[0];
      take(row.study_uid, other, `Prior ${shortUid(row.study_uid)}, received ${timeWords(row.first_received)}`);
    } catch (error) {
      say(error.message, "bad");
    }
  }

  function draw() {
    const word = search.value.trim().toLowerCase();
    const others = allRows().filter((row) => row.study_uid !== uid && row.text.includes(word)).sort((a, b) => b.last_received - a.last_received);
    list.replaceChildren(
      ...own.map((one) => line("Another film of this study", one.knees.filter((knee) => knee.kl).map((knee) => knee.kl.grade), () => take(uid, one, "Another film of this study"))),
      ...others.slice(0, MOST).map((row) => line(`${shortUid(row.study_uid)} · received ${timeWords(row.first_received)}`, row.knees.map((knee) => knee.kl_grade), () => takeStudy(row))));
  }

  search.addEventListener("input", draw);
  draw();
  search.focus();
}

function line(text, grades, act) {
  return element("li", {}, element("button", { type: "button", on: { click: act } }, element("span", {}, text), grades.map(gradeChip)));
}
