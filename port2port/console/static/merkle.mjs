// The Merkle tree of RFC 6962 as RFC 9162 restates it: where a proof leads. Sizes stay below 2^53.

import { Mismatch, join, same, sha256 } from "./bytes.mjs";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const HASH_BYTES = 32;

/** Section 2.1.1: the hash of one entry of the log. */
export const leafHash = (data) => sha256(join(LEAF, data));

/** Section 2.1.1: the hash of two subtrees. */
export const nodeHash = (left, right) => sha256(join(NODE, left, right));

/**
 * Section 2.1.3.2: every step from a leaf to the root, lowest first: `{sibling, left, hash}` with `left` telling
 * whether the sibling stands on the left, and `hash` the node that results. The last hash is the root.
 */
export async function climb(leaf, { index, size, path }) {
  if (!(Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size)) {
    throw new Mismatch("no-such-leaf", { index, size });
  }
  const steps = [];
  let hash = leaf;
  for (const { sibling, left } of sides(index, size - 1, path)) {
    hash = left ? await nodeHash(sibling, hash) : await nodeHash(hash, sibling);
    steps.push({ sibling, left, hash });
  }
  return steps;
}

/** The root that an inclusion proof leads to. */
export async function inclusionRoot(leaf, place) {
  const steps = await climb(leaf, place);
  return steps.length ? steps[steps.length - 1].hash : leaf;
}

/** Section 2.1.4.2: throws unless the tree `first` is the beginning of the tree `second` (`{size, root}` each). */
export async function checkConsistency(first, second, path) {
  if (!(first.size >= 0 && first.size <= second.size && Number.isSafeInteger(second.size))) {
    throw new Mismatch("shrunk", { first: first.size, second: second.size });
  }
  if (first.size === 0 || first.size === second.size) {
    const expected = first.size === second.size ? second.root : await sha256(new Uint8Array());
    if (path.length || !same(first.root, expected)) throw new Mismatch("roots-differ", { size: first.size });
    return;
  }
  const [older, newer] = await consistencyRoots(first, second, path);
  if (!same(older, first.root) || !same(newer, second.root)) {
    throw new Mismatch("history-differs", { first: first.size, second: second.size });
  }
}

async function consistencyRoots(first, second, path) {
  const power = Number.isInteger(Math.log2(first.size)) && 2 ** Math.log2(first.size) === first.size;
  const hashes = power ? [first.root, ...path] : [...path];
  if (!hashes.length) throw new Mismatch("proof-too-short");
  let [place, last] = [first.size - 1, second.size - 1];
  while (place % 2) [place, last] = [half(place), half(last)];
  let older = hashes[0];
  let newer = hashes[0];
  for (const { sibling, left } of sides(place, last, hashes.slice(1))) {
    if (left) older = await nodeHash(sibling, older);
    newer = left ? await nodeHash(sibling, newer) : await nodeHash(newer, sibling);
  }
  return [older, newer];
}

const half = (value) => Math.floor(value / 2);

/** The walk that both checks share: each hash of the proof and whether it stands on the left. */
function sides(place, last, path) {
  const out = [];
  for (const sibling of path) {
    if (last === 0) throw new Mismatch("proof-too-long");
    if (sibling.length !== HASH_BYTES) throw new Mismatch("not-a-hash");
    const left = place % 2 === 1 || place === last;
    out.push({ sibling, left });
    while (left && place !== 0 && place % 2 === 0) [place, last] = [half(place), half(last)];
    [place, last] = [half(place), half(last)];
  }
  if (last !== 0) throw new Mismatch("proof-too-short");
  return out;
}
