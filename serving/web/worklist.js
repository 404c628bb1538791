// The worklist: every study in one table, of which only the visible rows are in the document.

import { chosenRows, COLUMNS } from "./columns.js";
import { button, element } from "./dom.js";
import { allRows, watchRows } from "./rows.js";
import { uploader } from "./upload.js";

const ROW_PX = 44;
const BEYOND = 8;
const wanted = { search: "", state: "", grade: "", flagged: false, column: "age", down: true };
let selected = null;

/** The order that the reader sees: the study view steps through it. */
export function neighbour(uid, step) {
  const shown = chosenRows(allRows(), wanted);
  const place = shown.findIndex((row) => row.study_uid === uid);
  return place < 0 ? null : shown[place + step]?.study_uid ?? null;
}

/** The view at `#/`; `open(uid)` goes to a study. Returns its node, its keys and what ends it. */
export function worklistView(open) {
  let shown = [];
  let drawn = "";
  const count = element("p", { class: "found", role: "status" });
  const body = element("tbody");
  const heads = COLUMNS.map((column) => element("th", { scope: "col", role: "columnheader", class: `c-${column.name}` },
    button(column.title, () => sortBy(column), { title: `Sort by ${column.title.toLowerCase()}` })));
  const table = element("table", { role: "grid", "aria-label": "Studies" },
    element("thead", {}, element("tr", { role: "row" }, heads)), body);
  const port = element("div", { class: "rows", tabindex: "0", role: "group", "aria-label": "Worklist; arrows choose, Enter opens" }, table);
  const search = element("input", { type: "search", placeholder: "Search (/)", "aria-label": "Search UID, flag or refusal", value: wanted.search });
  const bar = element("form", { class: "filters", role: "search", on: { submit: (event) => event.preventDefault() } },
    search, chooser("State", "state", [["", "Every state"], ["graded", "Graded"], ["refused", "Not graded"], ["waiting", "In work"], ["failed", "Failed"]]),
    chooser("Grade", "grade", [["", "Every grade"], ["1", "KL 1 or more"], ["2", "KL 2 or more"], ["3", "KL 3 or more"], ["4", "KL 4"]]),
    element("label", { class: "check" }, element("input", { type: "checkbox", checked: wanted.flagged, on: { change: (event) => { wanted.flagged = event.target.checked; update(); } } }), "Flagged only"),
    count);
  const view = element("section", { class: "worklist", "aria-label": "Worklist" },
    element("div", { class: "list-head" }, element("h1", {}, "Worklist"), bar), uploader(open), port);

  function chooser(label, name, options) {
    return element("select", { "aria-label": label, on: { change: (event) => { wanted[name] = event.target.value; update(); } } },
      options.map(([value, text]) => element("option", { value, selected: wanted[name] === value }, text)));
  }

  function sortBy(column) {
    wanted.down = wanted.column === column.name ? !wanted.down : Boolean(column.down);
    wanted.column = column.name;
    update();
  }

  function update() {
    shown = chosenRows(allRows(), wanted);
    const all = allRows().length;
    count.textContent = shown.length === all ? `${all} studies` : `${shown.length} of ${all} studies`;
    table.setAttribute("aria-rowcount", shown.length + 1);
    heads.forEach((head, place) => {
      const sorted = COLUMNS[place].name === wanted.column;
      head.setAttribute("aria-sort", sorted ? (wanted.down ? "descending" : "ascending") : "none");
    });
    if (!shown.some((row) => row.study_uid === selected)) selected = shown[0]?.study_uid ?? null;
    draw();
  }

  function scrolled() {
    if (`${range()}` !== drawn) draw();
  }

  function range() {
    // In steps, so that not every line that is scrolled draws anew.
    const fit = Math.ceil(port.clientHeight / ROW_PX);
    const top = Math.min(port.scrollTop / ROW_PX, Math.max(0, shown.length - fit)); // the list may just have become short
    const first = Math.max(0, (Math.floor(top / BEYOND) - 1) * BEYOND);
    const last = Math.min(shown.length, (Math.ceil((top + fit) / BEYOND) + 1) * BEYOND);
    return [first, last];
  }

  function draw() {
    const [first, last] = range();
    drawn = `${[first, last]}`;
    body.replaceChildren(spacer(first), ...shown.slice(first, last).map((row, place) => line(row, first + place)), spacer(shown.length - last));
    if (!shown.length) body.replaceChildren(element("tr", { role: "row" }, element("td", { role: "gridcell", colspan: COLUMNS.length, class: "none" }, allRows().length ? "No study is like that." : "No studies yet. Drop a film above.")));
  }

  function spacer(count_) {
    const row = element("tr", { class: "spacer", "aria-hidden": "true" });
    row.style.height = `${count_ * ROW_PX}px`;
    return row;
  }

  function line(row, place) {
    const is = row.study_uid === selected;
    return element("tr", { role: "row", class: is ? "selected" : "", "aria-selected": is, "aria-rowindex": place + 2, "data-study": row.study_uid,
      on: { click: () => { selected = row.study_uid; open(selected); } } },
    COLUMNS.map((column) => element("td", { role: "gridcell", class: `c-${column.name}` }, column.show(row))));
  }

  function step(by) {
    if (!shown.length) return;
    const place = shown.findIndex((row) => row.study_uid === selected);
    const next = Math.min(shown.length - 1, Math.max(0, place + by));
    selected = shown[next].study_uid;
    const top = next * ROW_PX;
    if (top < port.scrollTop) port.scrollTop = top;
    const room = port.clientHeight - ROW_PX - (table.tHead?.offsetHeight ?? 0);
    if (top > port.scrollTop + room) port.scrollTop = top - room;
    draw();
  }

  search.addEventListener("input", () => { wanted.search = search.value; update(); });
  port.addEventListener("scroll", scrolled, { passive: true });
  const stop = watchRows(update);
  const clock = setInterval(draw, 30000);
  const size = new ResizeObserver(draw);
  size.observe(port);
  update();
  const go = () => selected !== null && open(selected);
  const page = () => Math.max(1, Math.floor(port.clientHeight / ROW_PX) - 2);
  return {
    node: view,
    focus: port,
    keys: {
      ArrowDown: () => step(1), j: () => step(1), ArrowUp: () => step(-1), k: () => step(-1), PageDown: () => step(page()), PageUp: () => step(-page()),
      Home: () => step(-shown.length), End: () => step(shown.length), Enter: go, "/": () => search.focus(), u: () => view.querySelector("#choose").click(),
    },
    end() { stop(); clearInterval(clock); size.disconnect(); },
  };
}
