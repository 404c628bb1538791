// Films dropped or chosen, sent one after the other; each has a line with how far it has come.

import { sendFilm } from "./api.js";
import { button, element } from "./dom.js";
import { refreshRow, rows, watchRows } from "./rows.js";
import { shortUid, STATES } from "./words.js";

const lines = [];
let running = Promise.resolve();

/** A place to drop films; `open(uid)` goes to the study of one that was sent. */
export function uploader(open) {
  const list = element("ul", { class: "sent", "aria-label": "Films that were sent" });
  const input = element("input", { type: "file", multiple: true, id: "choose", class: "hidden-input", tabindex: "-1", "aria-label": "Films to send" });
  const place = element("div", { class: "drop" }, button("Choose films", () => input.click(), { key: "u" }),
    element("span", {}, "or drop them anywhere on this list: DICOM, PNG or JPEG"), input, list);
  const draw = () => list.replaceChildren(...lines.map((line) => drawLine(line, open)));

  function take(files) {
    for (const file of files) {
      const line = { name: file.name, share: 0, uid: null, error: null, draw };
      lines.unshift(line);
      running = running.then(() => send(file, line));
    }
    lines.length = Math.min(lines.length, 6);
    draw();
  }

  input.addEventListener("change", () => { take(input.files); input.value = ""; });
  requestAnimationFrame(() => acceptDrops(place.closest(".worklist") ?? place, take));
  const stop = watchRows(() => (place.isConnected ? draw() : stop()));
  draw();
  return place;
}

async function send(file, line) {
  try {
    line.uid = await sendFilm(file, (share) => { line.share = share; line.draw(); });
    line.share = 1;
    refreshRow(line.uid);
  } catch (error) {
    line.error = error.message;
  }
  line.draw();
}

function drawLine(line, open) {
  const row = line.uid === null ? undefined : rows.get(line.uid);
  const state = line.error ?? (line.uid === null ? `${Math.round(line.share * 100)} %` : STATES[row?.state ?? "waiting"]);
  const bar = line.uid === null && line.error === null ? element("progress", { max: 1, value: line.share, "aria-label": "sent" }) : null;
  const show = line.uid === null ? null : button(`Open ${shortUid(line.uid)}`, () => open(line.uid), { class: "link" });
  return element("li", { class: line.error ? "bad" : "" }, element("span", { class: "name" }, line.name), bar, element("span", {}, state), show);
}

function acceptDrops(area, take) {
  let depth = 0;
  const over = (by) => { depth = Math.max(0, depth + by); area.classList.toggle("over", depth > 0); };
  area.addEventListener("dragenter", (event) => { event.preventDefault(); over(1); });
  area.addEventListener("dragleave", () => over(-1));
  area.addEventListener("dragover", (event) => event.preventDefault());
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    over(-depth);
    take(event.dataTransfer.files);
  });
}
