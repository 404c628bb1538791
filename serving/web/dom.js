// Elements in one expression. Texts are always text nodes: nothing that comes from a film is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (value === true) {
      node.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, String(value));
    }
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element: `element("p", {class: "x", on: {click: f}}, "text", child)`. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** An SVG element, likewise. */
export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** A button with a text and what it does; `key` is shown in its title. */
export function button(text, act, { key = null, ...attributes } = {}) {
  const title = key === null ? attributes.title : `${attributes.title ?? text} (${key})`;
  return element("button", { type: "button", ...attributes, title, on: { click: act } }, text);
}

/** Says something to whoever looks, and to screen readers. */
export function say(text, kind = "good") {
  const place = document.getElementById("said");
  place.replaceChildren(element("p", { class: kind }, text));
  clearTimeout(say.timer);
  say.timer = setTimeout(() => place.replaceChildren(), kind === "bad" ? 12000 : 5000);
}

/** A modal dialog with a heading; resolves when it is closed, with its `returnValue`. */
export function dialog(heading, ...children) {
  const close = button("Close", () => box.close(), { class: "quiet" });
  const id = `heading-${Math.random().toString(36).slice(2)}`;
  const title = element("h2", { id }, heading);
  const box = element("dialog", { "aria-labelledby": id }, element("div", { class: "dialog-head" }, title, close), ...children);
  document.body.append(box);
  box.addEventListener("close", () => box.remove());
  box.showModal();
  return box;
}
