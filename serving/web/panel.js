// What was found on a film, in words and numbers, beside it.

import { correctionForm } from "./correction.js";
import { gradeChip } from "./columns.js";
import { button, element } from "./dom.js";
import { deliveryWords, flagMeaning, flagName, JSN_MEANING, KL_MEANING, narrowestWords, percent, refusalName, SIDES, SIDE_SOURCES, STATES, widthWords } from "./words.js";

/** The parts of the panel. `near(knee)` shows a knee from near; `changed()` is called after a correction. */
export function panel(uid, study, film, near, changed) {
  const parts = [];
  if ((film.knees ?? []).length > 1) parts.push(glance(film.knees, near));
  if (film.refusal) parts.push(refusalBox("This film was not graded", film.refusal));
  else if (film.state === "waiting" && !film.knees) parts.push(element("p", { class: "card" }, "This film is in work. Its result appears here by itself."));
  else if (film.state === "dead") parts.push(element("p", { class: "card bad" }, "The work on this film failed. See Dead letters."));
  const remarks = filmRemarks(film);
  if (remarks.length) parts.push(element("section", { class: "card", "aria-label": "Remarks on the film" }, flagList(remarks)));
  for (const knee of film.knees ?? []) parts.push(kneeCard(knee, headline(study, film, knee), near));
  parts.push(correctionForm(uid, film, changed));
  if (film.release) {
    const { release } = film;
    parts.push(element("p", { class: "made" }, `Release ${release.name} (${release.sha256.slice(0, 12)}), software ${release.software}. State: ${STATES[film.state]}. `,
      element("span", { class: "uid", title: uid }, `Study ${uid}`)));
  }
  const sent = deliveryWords([...(film.deliveries ?? []), ...(study.deliveries ?? [])]);
  if (sent.length) parts.push(element("ul", { class: "made deliveries", "aria-label": "Deliveries" }, sent.map(({ text, bad }) => element("li", { class: bad ? "bad" : "" }, text))));
  return parts;
}

function headline(study, film, knee) {
  return study.knees.find((one) => one.film_id === film.film_id && one.side === knee.side);
}

/** Both knees in one look, above all that must be scrolled to. */
function glance(knees, near) {
  const show = (event, knee, place) => {
    event.currentTarget.closest(".panel").querySelectorAll(".knee-card")[place].scrollIntoView({ block: "nearest" });
    near(knee);
  };
  return element("div", { class: "glance", role: "group", "aria-label": "Both knees" }, knees.map((knee, place) => button("", (event) => show(event, knee, place), { title: "Show it from near" })).map((node, place) => {
    const knee = knees[place];
    node.append(SIDES[knee.side] ?? SIDES.unknown, knee.kl ? gradeChip(knee.kl.grade) : "", element("span", { class: knee.kl ? "narrowing" : "narrowing bad" }, knee.kl ? narrowestWords(knee.joint_space) : `not graded: ${refusalName(knee.refusal?.code ?? "")}`));
    return node;
  }));
}

function refusalBox(title, refusal) {
  return element("section", { class: "card refusal", "aria-label": title }, element("h2", {}, title),
    element("p", {}, refusal.message), element("p", { class: "remedy" }, refusal.remedy), element("p", { class: "code" }, refusal.code));
}

/** The flags of a film that a reader should see: that an object names both sides is none where both were found. */
export function filmRemarks(film) {
  return (film.flags ?? []).filter((flag) => flag !== "bilateral" || film.knees?.length !== 2);
}

export function flagList(flags) {
  return element("ul", { class: "flags" }, flags.map((flag) => element("li", {}, element("strong", {}, flagName(flag)), ` ${flagMeaning(flag)}`)));
}

function kneeCard(knee, leads, near) {
  const title = SIDES[knee.side] ?? SIDES.unknown;
  const flags = leads ? leads.flags : knee.flags;
  const head = element("div", { class: "knee-head" }, element("h2", {}, title), knee.kl ? gradeChip(knee.kl.grade) : null,
    knee.box ? button("Show", () => near(knee), { class: "quiet", title: `Show the ${title.toLowerCase()} from near` }) : null);
  const others = leads?.other_films?.length ? element("p", { class: "note" }, `Other films of this side: ${leads.other_films.map((other) => `KL ${other.kl_grade}`).join(", ")}. They are not averaged.`) : null;
  return element("section", { class: "card knee-card", "aria-label": title }, head, element("p", { class: "note" }, SIDE_SOURCES[knee.side_source]),
    knee.refusal ? refusalBox("Not graded", knee.refusal) : null,
    knee.kl ? probabilities(knee.kl) : null,
    flags.length ? flagList(flags) : null, others,
    knee.joint_space ? measurements(knee.joint_space) : null);
}

/** Five bars, and a bracket round the grades that cannot be excluded where the release tells them. */
export function probabilities(kl) {
  const bars = kl.probabilities.map((share, grade) => {
    const bar = element("span", { class: `bar kl-${grade}` });
    bar.style.width = `${Math.max(0.5, share * 100)}%`;
    const inside = kl.prediction_set?.includes(grade);
    return element("li", { class: [grade === kl.grade ? "chosen" : "", inside ? "inside" : ""].join(" "), title: KL_MEANING[grade] },
      element("span", { class: "grade" }, `KL ${grade}`), element("span", { class: "track" }, bar), element("span", { class: "share" }, percent(share)));
  });
  const set = kl.prediction_set ? `Not excluded: KL ${kl.prediction_set.join(", ")}. ` : "";
  const abstains = kl.abstain ? element("p", { class: "flagged" }, "The release declines to name one grade: read this knee yourself.") : null;
  return element("div", { class: "probabilities" }, element("p", { class: "meaning" }, `KL ${kl.grade}: ${KL_MEANING[kl.grade]}`),
    element("ol", { class: "bars", "aria-label": "Probability of each grade" }, bars),
    element("p", { class: "note" }, `${set}Osteoarthritis (KL 2 or more): ${percent(kl.oa_probability)}. Expected grade ${kl.expected.toFixed(1)}.`), abstains);
}

const PARTS = { medial: "Medial", lateral: "Lateral", image_left: "Image left", image_right: "Image right" };

/** Widths and narrowing of both compartments. */
export function measurements(space) {
  const parts = Object.entries(space);
  const row = (title, cell) => element("tr", {}, element("th", { scope: "row" }, title), parts.map(([, part]) => element("td", {}, cell(part))));
  const interval = (part) => (part.minimum_interval_mm ? `${part.minimum_interval_mm.map((end) => end.toFixed(1)).join("–")} mm` : "–");
  const narrowing = (part) => (part.jsn ? `${part.jsn.grade} ${JSN_MEANING[part.jsn.grade]}${part.borderline ? ", borderline" : ""}` : "–");
  const against = ({ narrowing_percent: share }) => (share === null ? "–" : Math.round(share) === 0 ? "as wide" : `${Math.abs(Math.round(share))} % ${share < 0 ? "wider" : "narrower"}`);
  const detector = parts.some(([, part]) => part.millimetres === "detector");
  const measured = parts.some(([, part]) => part.jsn?.origin === "measured");
  const notes = [detector ? "Millimetres are those of the detector, which are larger than the joint's." : "", measured ? "Narrowing is measured against knees of KL 0, not against readers." : ""].filter(Boolean).join(" ");
  return element("div", { class: "measurements" }, element("table", {},
    element("caption", { class: "unseen" }, "Joint space"),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Joint space"), parts.map(([name]) => element("th", { scope: "col" }, PARTS[name] ?? name)))),
    element("tbody", {}, row("Minimum", widthWords), row("95 % interval", interval), row("Narrowing (JSN)", narrowing), row("Against KL 0", against), row("Quality", (part) => percent(part.quality)))),
  notes ? element("p", { class: "note" }, notes) : null);
}
