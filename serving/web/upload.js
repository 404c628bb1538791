// Films dropped or chosen, sent one after the other; each has a line with how far it has come.

import { sendFilm } from "./api.js";
import { button, element } from "./dom.js";
import { refreshRow, rows, watchRows } from "./rows.js";
import { shortUid, STATES } from "./words.js";

const SHOWN = 6;
const TRIES = 20;
const LONGEST_WAIT = 60;
const lines = [];
let running = Promise.resolve();
let draw = () => {}; // into the list that is shown

/** A place to drop films; `open(uid)` goes to the study of one that was sent. */
export function uploader(open) {
  const list = element("ul", { class: "sent", "aria-label": "Films that were sent" });
  const input = element("input", { type: "file", multiple: true, id: "choose", class: "hidden-input", tabindex: "-1", "aria-label": "Films to send" });
  const place = element("div", { class: "drop" }, button("Choose films", () => input.click(), { key: "u" }),
    element("span", {}, "or drop them anywhere on this list: DICOM, PNG or JPEG"), input, list);
  draw = () => list.replaceChildren(...drawLines(open));

  function take(files) {
    if (lines.every((line) => line.uid !== null || line.lasting)) lines.length = 0; // of those there is nothing more to say
    for (const file of files) {
      const line = { name: file.name, file, share: 0, uid: null, error: null, waits: null };
      lines.unshift(line);
      queue(line);
    }
    draw();
  }

  input.addEventListener("change", () => { take(input.files); input.value = ""; });
  requestAnimationFrame(() => acceptDrops(place.closest(".worklist") ?? place, take));
  const mine = draw;
  const stop = watchRows(() => (place.isConnected ? mine() : stop()));
  draw();
  return place;
}

function queue(line) {
  line.error = null;
  running = running.then(() => send(line));
}

/** Sends a film; while the service says that it takes none now, it is sent again after the time told. */
async function send(line, turn = 0) {
  try {
    line.uid = await sendFilm(line.file, (share) => { line.share = share; draw(); });
    line.share = 1;
    line.file = null;
    refreshRow(line.uid);
  } catch (error) {
    if ([429, 503].includes(error.status) && error.again !== null && turn + 1 < TRIES) {
      await waited(line, error, Math.min(LONGEST_WAIT, Math.max(1, error.again)));
      await send(line, turn + 1);
      return;
    }
    line.error = error.message;
    line.lasting = error.status >= 400 && error.status < 500 && error.status !== 401 && error.status !== 429;
  }
  draw();
}

async function waited(line, error, seconds) {
  for (let left = seconds; left > 0; left -= 1) {
    line.waits = `${error.message} It is sent again in ${left} s.`;
    draw();
    await new Promise((done) => setTimeout(done, 1000));
  }
  line.waits = null;
}

/** A few lines: what went wrong first, then what is on its way, then what was sent; and how many there are besides. */
function drawLines(open) {
  const rank = (line) => (line.error !== null ? 0 : line.waits !== null ? 1 : line.uid !== null ? 4 : line.share > 0 ? 2 : 3);
  const ordered = [...lines].sort((a, b) => rank(a) - rank(b));
  const others = ordered.slice(SHOWN);
  const toCome = others.filter((line) => line.uid === null && line.error === null).length;
  const failed = others.filter((line) => line.error !== null).length;
  const more = [`and ${others.length} more`, toCome ? `${toCome} to come` : "", failed ? `${failed} not sent` : ""].filter(Boolean).join(", ");
  return [...ordered.slice(0, SHOWN).map((line) => drawLine(line, open)), ...others.length ? [element("li", { class: failed ? "bad" : "" }, more)] : []];
}

function drawLine(line, open) {
  const row = line.uid === null ? undefined : rows.get(line.uid);
  const state = line.error ?? line.waits ?? (line.uid === null ? `${Math.round(line.share * 100)} %` : STATES[row?.state ?? "waiting"]);
  const bar = line.uid === null && line.error === null && line.waits === null ? element("progress", { max: 1, value: line.share, "aria-label": "sent" }) : null;
  const show = line.uid === null ? null : button(`Open ${shortUid(line.uid)}`, () => open(line.uid), { class: "link" });
  const again = line.error === null || line.lasting ? null : button("Send again", () => { queue(line); draw(); }, { class: "link" });
  return element("li", { class: line.error ? "bad" : line.waits ? "flagged" : "" }, element("span", { class: "name", title: line.name }, line.name), bar, element("span", {}, state), show, again);
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
