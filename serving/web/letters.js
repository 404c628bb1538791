// Dead letters: films whose work failed for good, until somebody decides. And readers' corrections to take away.

import { get, post } from "./api.js";
import { button, dialog, element, say } from "./dom.js";
import { ageWords, refusalName, shortUid, timeWords } from "./words.js";

/** The view at `#/letters`. */
export function lettersView() {
  let letters = [];
  let selected = 0;
  const body = element("tbody");
  const found = element("p", { class: "found", role: "status" });
  const every = button("Replay all", () => act(letters, "replay"), { key: "a" });
  const saved = element("a", { class: "button", href: "/v1/corrections?format=csv", download: "corrections.csv" }, "Corrections as CSV");
  const port = element("div", { class: "rows", tabindex: "0", role: "group", "aria-label": "Dead letters; arrows choose, r replays, x gives up" },
    element("table", { "aria-label": "Dead letters" }, element("thead", {}, element("tr", {}, ["Failed", "Reason", "Round", "Film", "Study", ""].map((title) => element("th", { scope: "col" }, title)))), body));
  const view = element("section", { class: "letters", "aria-label": "Dead letters" }, element("div", { class: "list-head" }, element("h1", {}, "Dead letters"), found, every, saved),
    element("p", { class: "note" }, "Films whose work, or bringing their result to a destination, failed for good: nothing happens to them until somebody replays them or gives them up. Corrections of readers, as a table to train on, are beside."), port);

  async function read() {
    try {
      letters = await get("/v1/dead-letters?limit=200");
      found.textContent = letters.length ? `${letters.length}${letters.length === 200 ? " or more" : ""} ${letters.length === 1 ? "waits" : "wait"}` : "None. All films came through.";
    } catch (error) {
      letters = [];
      found.textContent = `They cannot be shown: ${error.message}`;
    }
    selected = Math.min(selected, Math.max(0, letters.length - 1));
    draw();
  }

  function draw() {
    every.disabled = letters.length === 0;
    body.replaceChildren(...letters.map((letter, place) => element("tr", { class: place === selected ? "selected" : "", "aria-current": place === selected ? "true" : null, "data-film": letter.film_id, on: { click: () => { selected = place; draw(); } } },
      element("td", { title: timeWords(letter.since) }, `${ageWords(Date.now() / 1000 - letter.since)} ago`), element("td", {}, element("span", { class: "mark refusal", title: [letter.reason, ...letter.destinations].join(", ") }, refusalName(letter.reason))),
      element("td", {}, String(letter.round)), element("td", { class: "uid", title: letter.film_id }, letter.film_id.slice(0, 10)), element("td", { class: "uid" }, element("a", { href: `#/study/${letter.study_uid}`, title: letter.study_uid }, shortUid(letter.study_uid))),
      element("td", { class: "acts" }, button("Replay", () => act([letter], "replay")), button("Give up", () => sure(letter), { class: "quiet" })))));
  }

  async function act(which, verb) {
    let done = 0;
    try {
      for (const letter of which) { await post(`/v1/dead-letters/${letter.film_id}/${verb}`); done += 1; }
      say(verb === "replay" ? `${tried(done)} tried again.` : "The film was given up.");
    } catch (error) {
      say(which.length === 1 ? error.message : `${tried(done)} tried again, ${which.length - done} not. ${error.message}`, "bad");
    }
    await read();
    port.focus();
  }

  const tried = (count) => `${count} ${count === 1 ? "film is" : "films are"}`;

  function sure(letter) {
    const told = letter.destinations.length ? `Its result stays here, and is not sent to ${letter.destinations.join(", ")} any more.` : "It will have no result. The same film, sent again, is taken again.";
    const box = dialog("Give this film up?", element("p", {}, told), button("Give up", () => { box.close(); act([letter], "drop"); }, { class: "main" }));
  }

  const step = (by) => { selected = Math.min(letters.length - 1, Math.max(0, selected + by)); draw(); };
  const now = (then) => () => letters[selected] && then(letters[selected]);
  read();
  return {
    node: view, focus: port, again: read, reload: (event) => ["dead_letter", "result"].includes(event.kind) && read(),
    keys: { ArrowDown: () => step(1), j: () => step(1), ArrowUp: () => step(-1), k: () => step(-1), r: now((letter) => act([letter], "replay")), x: now(sure), a: () => every.click(), c: () => saved.click() },
    end() {},
  };
}
