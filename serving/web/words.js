// Codes in words, for readers. What each means in full: docs/reading.md and docs/refusals.md.

export const KL_MEANING = ["no osteoarthritis", "doubtful", "minimal: definite osteophytes", "moderate", "severe"];
export const JSN_MEANING = ["normal", "mild", "moderate", "severe"];
export const SIDES = { R: "Right knee", L: "Left knee", unknown: "Knee, side unknown" };
export const STATES = {
  graded: "graded", refused: "not graded", waiting: "in work", failed: "failed", empty: "no result",
  done: "done", dead: "failed", dropped: "given up",
};
export const SIDE_SOURCES = {
  tag: "side told by the object's header",
  orientation: "side told by Patient Orientation",
  marker: "side told by the marker on the film",
  picture: "side told by the picture",
  hanging: "side told by hanging convention only",
  user: "side told by the user",
  none: "nothing tells the side for sure",
};
const FLAGS = {
  side_conflict: ["side in doubt", "Tag, orientation, marker and picture do not agree on the side. Look which knee it is."],
  side_unknown: ["side unknown", "Nothing tells the side for sure."],
  side_by_convention: ["side by convention", "The knee at image left was taken for the right one, only because films are hung so."],
  unusual_film: ["unusual film", "This knee looks unlike most that the network learnt from. Trust the grade less."],
  unknown_spacing: ["no spacing", "The film states no pixel spacing: widths are told in % of the plateau, not in mm."],
  bilateral: ["both sides named", "The object names both sides."],
  no_window: ["no window", "No window was stated; one was made from the grey values."],
  window_ignored: ["window ignored", "The stated window showed nothing; one was made from the grey values."],
  for_processing: ["raw detector values", "The object is meant For Processing. Send the one For Presentation."],
  reduced: ["reduced", "The film is very large and was reduced to be graded."],
  films_disagree: ["films disagree", "Films of this side lie two grades apart or more. Read them yourself."],
  uid_reused: ["UID reused", "The same SOP Instance UID came with other pixels. Check which film is the right one."],
};
const REFUSALS = {
  not_a_knee: "no frontal knee", not_frontal: "not a frontal view", implant: "implant or metal",
  incomplete_knee: "knee cut by the edge", too_many_knees: "more than two knees", not_a_radiograph: "no radiograph",
  unreadable_exposure: "exposure unreadable", child: "child", wrong_modality: "other modality",
  decoder_crashed: "decoder died", corrupt_pixels: "damaged pixels", truncated: "file cut off",
};

function plain(code) {
  return code.replaceAll("_", " ");
}

export function flagName(code) {
  return FLAGS[code]?.[0] ?? plain(code);
}

export function flagMeaning(code) {
  return FLAGS[code]?.[1] ?? plain(code);
}

export function refusalName(code) {
  return REFUSALS[code] ?? plain(code);
}

/** A probability as a percentage; never 100 % or 0 % for what is not certain. */
export function percent(share) {
  // With a space that no line is broken at.
  if (share > 0.99) return ">99\u00a0%";
  return share < 0.01 ? "<1\u00a0%" : `${Math.round(share * 100)}\u00a0%`;
}

/** The worst narrowing and the smallest width of both compartments, in a few words. */
export function narrowestWords(space) {
  const parts = Object.values(space ?? {});
  const grades = parts.filter((part) => part.jsn).map((part) => part.jsn.grade);
  const widths = parts.filter((part) => part.minimum_mm !== null).map((part) => part.minimum_mm);
  const smallest = parts.some((part) => part.contact) ? "no space" : widths.length ? `${Math.min(...widths).toFixed(1)} mm` : "";
  return [grades.length ? `JSN ${Math.max(...grades)}` : "", smallest].filter(Boolean).join(" · ");
}

/** The width of a compartment: millimetres where the film is calibrated, or % of the plateau. */
export function widthWords(part) {
  if (part.reason) return `not measured: ${plain(part.reason)}`;
  if (part.contact) return "no visible space";
  if (part.minimum_mm !== null) return `${part.minimum_mm.toFixed(1)} mm`;
  return part.minimum_percent_of_plateau === null ? "not measured" : `${part.minimum_percent_of_plateau.toFixed(1)} % of plateau`;
}

/** How long ago: "3 min". */
export function ageWords(seconds) {
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

const MOMENT = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });

/** A moment as this reader's locale has it. */
export function timeWords(seconds) {
  return MOMENT.format(seconds * 1000);
}

/** The end of a UID, which tells studies apart; the whole is in the title. */
export function shortUid(uid) {
  return uid.length > 14 ? `…${uid.slice(-12)}` : uid;
}

const OBJECTS = { sr: "report", sc: "picture", study_sr: "study report" };
const PROGRESS = { waiting: "not sent yet", sent: "sent", committed: "kept there (committed)", verified: "found there (verified)", failed: "not delivered" };

/** How far results have come, a line for each destination and state; never more than is known. */
export function deliveryWords(deliveries) {
  const lines = new Map();
  for (const one of deliveries) {
    const key = `${one.destination.replace(/^\w+:/, "")}: ${PROGRESS[one.state] ?? one.state}`;
    const line = lines.get(key) ?? { kinds: new Set(), reasons: new Set(), bad: one.state === "failed" };
    line.kinds.add(OBJECTS[one.kind] ?? one.kind);
    if (one.reason && !["committed", "verified"].includes(one.state)) line.reasons.add(refusalName(one.reason));
    lines.set(key, line);
  }
  return [...lines].map(([key, { kinds, reasons, bad }]) => ({ bad, text: `${key}: ${[...kinds].join(", ")}${reasons.size ? ` (${[...reasons].join(", ")})` : ""}` }));
}
