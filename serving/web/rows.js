// The rows of the worklist: read once, then kept up to date by events.

import { get } from "./api.js";

const FIRST = 100;
const PAGE = 500;
const MOST = 5000;
const AGAIN = [400, 1200, 3000, 8000];

export const rows = new Map();
const watchers = new Set();
let order = [];

/** Calls `watch` after each change; returns what ends that. */
export function watchRows(watch) {
  watchers.add(watch);
  return () => watchers.delete(watch);
}

function tell() {
  order = [...rows.values()];
  for (const watch of watchers) watch(order);
}

export function allRows() {
  return order;
}

/** Reads the newest studies, up to `MOST`. */
export async function readRows() {
  const found = new Map();
  for (let offset = 0, total = 1; offset < Math.min(total, MOST);) {
    const page = await get(`/v1/worklist?offset=${offset}&limit=${offset === 0 ? FIRST : PAGE}`);
    for (const row of page.rows) found.set(row.study_uid, prepared(row));
    total = page.total;
    if (offset === 0 && !rows.size) {
      for (const [uid, row] of found) rows.set(uid, row); // the newest can be worked on while the others come
      tell();
    }
    offset += page.rows.length || total;
  }
  rows.clear();
  for (const [uid, row] of found) rows.set(uid, row);
  tell();
}

const pending = new Map();

/** Reads one row anew, soon; and again while its films are in work: an event comes a moment before its film is done. */
export function refreshRow(uid, turn = 0) {
  if (uid === null || pending.has(uid)) return;
  pending.set(uid, setTimeout(async () => {
    pending.delete(uid);
    try {
      const row = prepared(await get(`/v1/worklist/${uid}`));
      rows.set(uid, row);
      tell();
      if (row.state === "waiting" && turn + 1 < AGAIN.length) refreshRow(uid, turn + 1);
    } catch (error) { // a break of the connection is shown elsewhere, and all rows are read after it
      if (error.status !== 404 && turn + 1 < AGAIN.length) refreshRow(uid, turn + 1);
    }
  }, turn === 0 ? 60 : AGAIN[turn]));
}

/** A row with what sorting and searching need. */
export function prepared(row) {
  const knee = (side) => row.knees.find((one) => one.side === side) ?? null;
  const worst = row.knees.reduce((most, one) => Math.max(most, one.kl_grade), -1);
  const text = [row.study_uid, ...row.flags, ...row.refusals].join(" ").replaceAll("_", " ").toLowerCase();
  return { ...row, state: stateOf(row), right: knee("R"), left: knee("L"), worst, text };
}

function stateOf(row) {
  if (row.films.dead) return "failed";
  if (row.films.waiting) return "waiting";
  if (row.knees.length) return "graded";
  return row.refusals.length ? "refused" : "empty";
}
