// Films as pictures in memory: the last few that were looked at, and none on the disk.

import { ask } from "./api.js";

const KEPT = 8;
const TRIES = 3;
const LONGEST_WAIT = 10;
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
  return createImageBitmap(await loaded(path));
}

/** The picture's bytes; asked for again while the service says that it is busy for a moment. */
async function loaded(path, turn = 0) {
  try {
    return await (await ask(path)).blob();
  } catch (error) {
    if (error.status !== 503 || error.again === null || error.again > LONGEST_WAIT || turn === TRIES) throw error;
    await new Promise((done) => setTimeout(done, 1000 * Math.max(1, error.again)));
    return loaded(path, turn + 1);
  }
}

/** A picture as an address for an image element, for print; the caller frees it. */
export async function pictureAddress(study, film, kind) {
  return URL.createObjectURL(await loaded(`/v1/studies/${study}/films/${film}/${kind}.png`));
}
