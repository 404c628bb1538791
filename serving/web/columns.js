// The columns of the worklist: what each shows, and how it is sorted.

import { element } from "./dom.js";
import { ageWords, flagMeaning, flagName, JSN_MEANING, KL_MEANING, refusalName, shortUid, STATES, timeWords } from "./words.js";

const STATE_ORDER = { failed: 0, waiting: 1, refused: 2, graded: 3, empty: 4 };

/** A grade in its colour, and in a number: colour alone says nothing. */
export function gradeChip(grade) {
  return element("span", { class: `kl kl-${grade}`, title: `KL ${grade}: ${KL_MEANING[grade]}` }, `KL ${grade}`);
}

function kneeCell(knee, refused) {
  if (knee === null && refused) return element("span", { class: "nothing" }, "not graded");
  if (knee === null) return element("span", { class: "nothing" }, "–");
  const width = knee.minimum_mm === 0 ? "no space" : knee.minimum_mm !== null ? `${knee.minimum_mm.toFixed(1)} mm`
    : knee.minimum_percent_of_plateau !== null ? `${knee.minimum_percent_of_plateau.toFixed(1)} %` : "";
  const narrowing = knee.jsn === null ? "" : `JSN ${knee.jsn}`;
  const title = knee.jsn === null ? "narrowing not told" : `narrowing ${knee.jsn}: ${JSN_MEANING[knee.jsn]}`;
  return element("span", { class: "knee" }, gradeChip(knee.kl_grade),
    element("span", { class: "narrowing", title }, [narrowing, width].filter(Boolean).join(" · ")));
}

function kneeOrder(knee) {
  return knee === null ? -1 : knee.kl_grade * 1000 + (knee.narrowing_percent ?? 0);
}

function remarks(row) {
  const nameless = row.knees.filter((knee) => knee.side === "unknown")
    .map((knee) => element("span", { class: "mark flag" }, `side unknown, KL ${knee.kl_grade}`));
  const refused = row.refusals.map((code) => element("span", { class: "mark refusal" }, refusalName(code)));
  const flags = row.flags.map((code) => element("span", { class: "mark flag", title: flagMeaning(code) }, flagName(code)));
  return [...nameless, ...refused, ...flags];
}

export const COLUMNS = [
  {
    name: "state", title: "State", sort: (row) => STATE_ORDER[row.state],
    show: (row) => element("span", { class: `state ${row.state}` }, STATES[row.state]),
  },
  {
    name: "worst", title: "Worst", sort: (row) => row.worst, down: true,
    show: (row) => (row.worst < 0 ? element("span", { class: "nothing" }, "–") : gradeChip(row.worst)),
  },
  { name: "right", title: "Right", sort: (row) => kneeOrder(row.right), down: true, show: (row) => kneeCell(row.right, row.refused_sides.includes("R")) },
  { name: "left", title: "Left", sort: (row) => kneeOrder(row.left), down: true, show: (row) => kneeCell(row.left, row.refused_sides.includes("L")) },
  {
    name: "remarks", title: "Flags and refusals", down: true,
    sort: (row) => row.refusals.length * 100 + row.flags.length, show: remarks,
  },
  {
    name: "read", title: "Corrected", sort: (row) => row.corrections, down: true,
    show: (row) => (row.corrections ? `${row.corrections}` : ""),
  },
  {
    name: "age", title: "Age", sort: (row) => row.last_received, down: true,
    show: (row) => element("span", { title: timeWords(row.last_received) }, ageWords(Date.now() / 1000 - row.last_received)),
  },
  {
    name: "study", title: "Study", sort: (row) => row.study_uid,
    show: (row) => element("span", { class: "uid", title: row.study_uid }, shortUid(row.study_uid)),
  },
];

/** Rows that are wanted, in order. */
export function chosenRows(rows, wanted) {
  const words = wanted.search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter((row) =>
    (wanted.state === "" || row.state === wanted.state)
    && (wanted.grade === "" || row.worst >= Number(wanted.grade))
    && (!wanted.flagged || row.flags.length + row.refusals.length > 0)
    && words.every((word) => row.text.includes(word)));
  const { sort } = COLUMNS.find((column) => column.name === wanted.column);
  const way = wanted.down ? -1 : 1;
  const compare = (a, b) => (a < b ? -way : a > b ? way : 0);
  return found.sort((a, b) => compare(sort(a), sort(b)) || b.last_received - a.last_received);
}
