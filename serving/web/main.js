// The page: who is logged in, which view is shown, and what is heard from the service.

import { askForLogin, get } from "./api.js";
import { say } from "./dom.js";
import { listenToKeys, showKeys } from "./keys.js";
import { lettersView } from "./letters.js";
import { listen } from "./live.js";
import { reportView } from "./report.js";
import { readRows, refreshRow } from "./rows.js";
import { logInAgain, logOut, loggedIn, stillIn } from "./session.js";
import { statusView } from "./status.js";
import { studyView } from "./study.js";
import { timeWords } from "./words.js";
import { worklistView } from "./worklist.js";

const main = document.getElementById("main");
const live = document.getElementById("live");
const gone = document.getElementById("gone");
const PATIENCE_MS = 2500; // of a break before it is told: a page that is left, or a proxy, breaks off too
let view = null;
let scopes = [];
let release = null;

const go = (hash) => { location.hash = hash; };

function viewOf(hash) {
  const [, page, uid] = hash.split("/");
  const known = uid !== undefined && /^[0-9.]{1,64}$/.test(uid);
  if (page === "study" && known) return ["list", studyView(uid, go, () => release)];
  if (page === "report" && known) return ["list", reportView(uid, go)];
  if (page === "letters") return ["letters", lettersView()];
  if (page === "status") return ["status", statusView()];
  return ["list", worklistView((study) => go(`#/study/${study}`))];
}

function show() {
  view?.end();
  const [page, next] = viewOf(location.hash || "#/");
  view = next;
  main.replaceChildren(view.node);
  for (const link of document.querySelectorAll("[data-page]")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.focus.focus({ preventScroll: true });
}

async function countLetters() {
  if (!scopes.includes("read")) return;
  const { now } = await get("/v1/statistics");
  const count = document.getElementById("letters-count");
  count.hidden = now.dead_letters === 0;
  count.textContent = String(now.dead_letters);
}

function heard(event) {
  refreshRow(event.study_uid);
  view?.reload?.(event);
  if (event.kind !== "film_received") countLetters().catch(() => {});
}

let broken = null;
let behind = false;
function connection(state) {
  live.textContent = state === "live" ? "live" : "not connected";
  live.className = `live ${state}`;
  if (state === "live") {
    if (behind) catchUp();
    behind = false;
    clearTimeout(broken);
    broken = null;
    gone.hidden = true;
    return;
  }
  behind = true;
  const since = Date.now() / 1000;
  broken ??= setTimeout(() => {
    gone.textContent = `The service has not answered since ${timeWords(since)}. What you see may be old; this page goes on by itself once it answers.`;
    gone.hidden = false;
  }, PATIENCE_MS);
  // The stream does not tell why it was refused: after a restart of the service nobody is logged in any more.
  stillIn().then((is) => is || askForLogin(), () => {});
}

/** After a break: whatever was missed. */
function catchUp() {
  readRows().catch(() => {});
  countLetters().catch(() => {});
  view?.again?.();
}

function turnTheme() {
  const { dataset } = document.documentElement;
  dataset.theme = dataset.theme === "light" ? "dark" : "light";
  document.cookie = `kneeoa_theme=${dataset.theme}; path=/; max-age=31536000; samesite=strict`;
  nameTheme();
  view?.redraw?.();
}

function nameTheme() {
  document.getElementById("theme").textContent = document.documentElement.dataset.theme === "light" ? "Dark" : "Light";
}

async function start() {
  const who = await loggedIn(main);
  scopes = who.scopes;
  document.getElementById("logout").hidden = !who.login;
  const version = await get("/version");
  release = version.release_sha256;
  document.getElementById("release").textContent = `Release ${version.release} · KneeOA ${version.software}`;
  show();
  if (!scopes.includes("read")) {
    live.textContent = "";
    say("This key may send films, but not see them. Log in with a key that has the scope read.", "bad");
    document.addEventListener("kneeoa:login", () => logInAgain(() => {}));
    return;
  }
  const events = listen(heard, connection);
  document.addEventListener("kneeoa:login", () => logInAgain(() => { behind = true; events.again(); }));
  window.addEventListener("pagehide", () => events.close());
  await Promise.all([readRows(), countLetters()]);
}

nameTheme();
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
document.getElementById("theme").addEventListener("click", turnTheme);
document.getElementById("help").addEventListener("click", showKeys);
document.getElementById("logout").addEventListener("click", logOut);
window.addEventListener("hashchange", show);
listenToKeys(() => view?.keys ?? {}, { t: turnTheme, "?": showKeys }, { w: () => go("#/"), d: () => go("#/letters"), s: () => go("#/status") });
start().catch((error) => say(error.message, "bad"));
