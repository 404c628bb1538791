// Who is logged in. The key is sent once and becomes a cookie that scripts cannot read; the page keeps neither.

import { ask, get, showToken } from "./api.js";
import { dialog, element, say } from "./dom.js";

let name = null;

/** Reads who is logged in; resolves when somebody is. */
export async function loggedIn(place) {
  const who = await get("/session");
  if (who.name !== null) return begun(who);
  const title = element("h1", {}, "KneeOA");
  return new Promise((resolve) => place.replaceChildren(loginForm([title, element("p", {}, HINT)], (now) => resolve(begun(now)))));
}

const HINT = "Enter your API key. It is not kept in this browser; the session ends after ten hours.";

function begun(who) {
  name = who.name;
  showToken(who.csrf);
  return who;
}

/**
 * Asks for the key again over what is shown, so that nothing that was written is lost; `back()` is called after it.
 * Somebody else gets a page of their own.
 */
export function logInAgain(back) {
  if (document.querySelector("dialog.again, form.login")) return;
  const form = loginForm([element("p", {}, "The session has ended. Log in again: what you were writing is still here.")], (who) => {
    if (who.name !== name) { location.reload(); return; }
    begun(who);
    box.close();
    back();
  });
  document.querySelectorAll("dialog[open]").forEach((open) => open.close());
  const box = dialog("Log in again", form);
  box.classList.add("again");
  // At once: a dialog's first button is Close, and a reader who is still typing would press it with the next blank.
  form.querySelector("input").focus();
}

/** Whether somebody is still logged in; asked when the stream of events ends. */
export async function stillIn() {
  return (await get("/session")).name !== null;
}

function loginForm(introduction, done) {
  const key = element("input", { type: "password", name: "key", required: true, autocomplete: "off", "aria-label": "API key" });
  const wrong = element("p", { class: "bad", role: "alert" });
  const form = element("form", { class: "login card", on: { submit: async (event) => {
    event.preventDefault();
    wrong.textContent = "";
    try {
      const who = await (await ask("/session", { method: "POST", json: { key: key.value } })).json();
      showToken(who.csrf);
      done(who);
    } catch (error) {
      wrong.textContent = error.message;
    } finally {
      key.value = "";
    }
  } } }, introduction, element("label", {}, "API key", key), element("button", { type: "submit", class: "main" }, "Log in"), wrong);
  requestAnimationFrame(() => key.focus());
  return form;
}

export async function logOut() {
  try {
    await ask("/session", { method: "DELETE" });
  } catch (error) {
    say(error.message, "bad");
  }
  location.hash = "#/";
  location.reload();
}
