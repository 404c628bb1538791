// Films as pictures in memory: the last few that were looked at, and none on the disk.

import { ask } from "./api.js";

const KEPT = 8;
const kept = new Map();

/**
 * A picture of a film: `kind` is "film" (as a monitor shows it), "full" (all its pixels) or "heat".
 * Asked for twice, it is fetched once.
 */
export function picture(study, film, kind) {
  const path = `/v1/studies/${study}/films/${film}/${kind}.png`;
  let found = kept.get(path);
  if (found === undefined) {
    found = fetched(path);
    found.catch(() => kept.delete(path));
  }
  kept.delete(path);
  kept.set(path, found);
  // A stage may still show what is let go: the browser frees it when nobody does.
  for (const old of [...kept.keys()].slice(0, -KEPT)) kept.delete(old);
  return found;
}

async function fetched(path) {
  const blob = await (await ask(path)).blob();
  return createImageBitmap(blob);
}

/** A picture as an address for an image element, for print; the caller frees it. */
export async function pictureAddress(study, film, kind) {
  const blob = await (await ask(`/v1/studies/${study}/films/${film}/${kind}.png`)).blob();
  return URL.createObjectURL(blob);
}
