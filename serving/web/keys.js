// Keys. Single letters do nothing while somebody writes, and can be switched off (WCAG 2.1.4).

import { dialog, element } from "./dom.js";

const HELP = [
  ["Everywhere", [["g then w, d, s", "worklist, dead letters, status"], ["t", "light or dark"], ["?", "this list"], ["Esc", "back"]]],
  ["Worklist", [["↑ ↓ or k j", "choose"], ["Enter", "open"], ["/", "search"], ["u", "choose films to send"]]],
  ["Film", [["n p", "next, previous study"], ["f 1 + −", "fit, 1:1, zoom"], ["k", "each knee from near, in turn"], ["arrows", "move"], ["[ ] , .", "window narrower, wider; darker, brighter"], ["i r", "invert, reset"], ["v", "drag sets the window, as the right button does"],
    ["b c m h", "boxes, joint, minimum, heat"], ["s", "beside a prior"], ["e", "correct; Ctrl+Enter keeps it"], ["o", "report to print"]]],
  ["Dead letters", [["↑ ↓", "choose"], ["r", "replay"], ["x", "give up"], ["a", "replay all"], ["c", "corrections as CSV"]]],
];
let letters = true;
let waitsForG = false;

/** Has keys pressed: `keysOf()` those of the view that is shown, `everywhere` the others by key, `pages` those after g. */
export function listenToKeys(keysOf, everywhere, pages) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const writes = event.target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select");
    if (writes) {
      if (event.key === "Escape") event.target.blur();
      if (event.key === "Escape" || event.target.tagName !== "INPUT" || event.target.type !== "search" || event.key !== "Enter") return;
    }
    const presses = event.target.closest("button, a, summary, input");
    if (presses && !writes && (event.key === "Enter" || event.key === " " || (presses.type === "radio" && event.key.startsWith("Arrow")))) return;
    if (!letters && event.key.length === 1) return;
    const act = waitsForG ? pages[event.key] : keysOf()[event.key] ?? everywhere[event.key];
    waitsForG = event.key === "g" && !waitsForG;
    if (act === undefined) return;
    event.preventDefault();
    act();
  });
}

/** Shows all keys. */
export function showKeys() {
  const box = element("input", { type: "checkbox", checked: letters, on: { change: () => { letters = box.checked; } } });
  dialog("Keys", ...HELP.map(([title, list]) => element("section", {}, element("h3", {}, title), element("dl", { class: "keys" }, list.map(([key, text]) => element("div", {}, element("dt", {}, key), element("dd", {}, text)))))),
    element("label", { class: "check" }, box, "Single letters are keys"));
}
