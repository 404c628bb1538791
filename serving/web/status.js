// How the work goes: what waits now, and how films, grades and refusals have gone over time.

import { get } from "./api.js";
import { element } from "./dom.js";
import { plot } from "./plots.js";
import { ageWords, refusalName } from "./words.js";

const EVERY_MS = 10000;
const SPANS = [["day", "24 hours"], ["month", "30 days"], ["year", "52 weeks"]];
const MOST_REASONS = 4;

/** The view at `#/status`. */
export function statusView() {
  let span = "day";
  let last = null;
  const numbers = element("dl", { class: "numbers" });
  const plots = element("div", { class: "plots" });
  const note = element("p", { class: "note" });
  const choose = element("select", { "aria-label": "How far back", on: { change: () => { span = choose.value; read(); } } }, SPANS.map(([value, text]) => element("option", { value }, text)));
  const view = element("section", { class: "status", "aria-label": "Status" }, element("div", { class: "list-head" }, element("h1", {}, "Status"), choose), numbers, plots, note);

  async function read() {
    try {
      last = await get(`/v1/statistics?span=${span}`);
      draw();
      view.classList.remove("old");
    } catch (error) {
      note.textContent = last === null ? error.message : `These numbers are old: ${error.message}`;
      view.classList.add("old");
    }
  }

  function draw() {
    const { now, trends } = last;
    const fact = (title, value, bad = false) => element("div", { class: bad ? "bad" : "" }, element("dt", {}, title), element("dd", {}, value));
    numbers.replaceChildren(fact("Films in work", String(now.queue_films)), fact("Oldest waits", now.queue_films ? ageWords(now.queue_oldest_seconds) : "–"), fact("Dead letters", String(now.dead_letters), now.dead_letters > 0),
      fact("Workers up", `${now.workers_alive} of ${now.workers_wanted}`, now.workers_alive < now.workers_wanted), fact("Workers replaced", String(now.workers_replaced)), fact("Results in this time", String(trends.results.reduce((sum, count) => sum + count, 0))));
    const reasons = Object.entries(trends.refusals);
    const others = reasons.slice(MOST_REASONS).map(([, counts]) => counts);
    const refusals = reasons.slice(0, MOST_REASONS).map(([code, counts]) => [refusalName(code), counts]);
    if (others.length) refusals.push(["others", trends.starts.map((_, place) => others.reduce((sum, counts) => sum + counts[place], 0))]);
    plots.querySelectorAll(".plot").forEach((old) => old.end?.());
    plots.replaceChildren(
      plot("Throughput", "films", trends, [["received", trends.received], ["results", trends.results], ["dead letters", trends.dead_letters]]),
      plot("Grades", "% of graded knees", trends, shares(Object.entries(trends.grades).map(([grade, counts]) => [`KL ${grade}`, counts]))),
      plot("Refusals", "% of results", trends, refusals.length ? refusals.map(([name, counts]) => [name, counts.map((count, place) => part(count, trends.results[place]))]) : [["none", trends.starts.map(() => null)]]));
    note.textContent = `${trends.complete ? "" : "Only the newest 20,000 films and results are counted. "}A share that moves without a reason in the clinic is a reason to look: at a new detector, another protocol, a new release. Prometheus reads the same at /metrics.`;
  }

  const timer = setInterval(read, EVERY_MS);
  read();
  return { node: view, focus: choose, keys: {}, again: read, redraw: () => last && draw(), end() { clearInterval(timer); plots.querySelectorAll(".plot").forEach((old) => old.end?.()); } };
}

const part = (count, all) => (all ? (100 * count) / all : null);

/** Each bin's counts as shares of the bin; empty bins have none. */
function shares(series) {
  return series.map(([name, counts]) => [name, counts.map((count, place) => part(count, series.reduce((sum, [, other]) => sum + other[place], 0)))]);
}
