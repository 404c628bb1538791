// Who is logged in. The key is sent once and becomes a cookie that scripts cannot read; the page keeps neither.

import { ask, get, showToken } from "./api.js";
import { element, say } from "./dom.js";

/** Reads who is logged in; resolves when somebody is. */
export async function loggedIn(place) {
  const who = await get("/session");
  if (who.name !== null) {
    showToken(who.csrf);
    return who;
  }
  return new Promise((resolve) => place.replaceChildren(loginForm(resolve)));
}

function loginForm(done) {
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
  } } }, element("h1", {}, "KneeOA"), element("p", {}, "Enter your API key. It is not kept in this browser; the session ends after ten hours."), element("label", {}, "API key", key), element("button", { type: "submit", class: "main" }, "Log in"), wrong);
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
