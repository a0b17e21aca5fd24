// The browser checks a proof bundle itself, with the genesis hash alone, by WebCrypto.
//
//   const results = await checkBundle(bytes, genesisHash);
//   [{part, outcome, reason, facts}, ...]    in the order of PARTS, always all of them
//
// outcome: "match"     checked here, and it holds
//          "mismatch"  checked here, and it does not: stop and call a coordinator
//          "cannot"    cannot be checked here; `reason` says why, and it is never shown as a match
// reason is a stable code for the page's words in the reader's language ("" for a match); facts are what the
// sentence needs. Parts, each judged for itself:
//   genesis      the bundle's first control entry is the genesis that is pinned
//   checkpoint   the log of that genesis signed the checkpoint
//   roster       each control entry is in the tree, signed by coordinators, and next in its chain
//   signature    every signature of the entry is by a key that the roster gives its issuer
//   objects      the objects are those that the statement commits to by salted digests
//   inclusion    the entry's leaf leads by its path to the root of the checkpoint
//   witnesses    a majority of the witness organisations co-signed the checkpoint
//   disputed     none of its keys was revoked later as of a time before it was received
//   rules        the remaining steps of docs/protocol.md (profile, audience, authority): `port2port verify` does
// A tampered statement makes signature and inclusion mismatch; a tampered object objects alone; and so on.

import { CannotCheck, Mismatch, canonicalJson, fromBase64, fromHex, hex, same, sha256 } from "./bytes.mjs";
import { commitment, entryLeaf, parseEnvelope } from "./envelope.mjs";
import { checkConsistency as consistency, climb, inclusionRoot } from "./merkle.mjs";
import { checkLogSignature, cosigners, parseNote } from "./note.mjs";
import { apply, checkVoices, found, isMajority, witnesses } from "./roster.mjs";

export const PARTS = [
  "genesis",
  "checkpoint",
  "roster",
  "signature",
  "objects",
  "inclusion",
  "witnesses",
  "disputed",
  "rules",
];

/** Every code that `reason` may have, so that a page can test that it has words for all of them. */
export const REASONS = (
  "another-genesis another-log another-message another-site bad-key cosignature disputed erased history-differs " +
  "inclusion key-expired key-id key-of-another key-revoked key-twice log-signature needs-another needs-verify " +
  "newer-control no-ed25519 no-person no-signature no-such-leaf no-webcrypto not-a-bundle not-a-checkpoint " +
  "not-a-hash not-a-member not-an-assertion not-an-envelope not-base64 not-canonical not-hex not-json " +
  "not-signed-by-log not-utf8 object objects-count payload-type proof-too-long proof-too-short rekey roots-differ " +
  "roster-chain shrunk signature signer-missing threshold unknown-key unknown-scheme unwitnessed"
).split(" ");

/** Check a bundle file (bytes) against the pinned genesis hash (hex). Never throws for what the file holds. */
export async function checkBundle(bytes, genesisHash) {
  const results = new Map();
  const judge = async (part, check) => results.set(part, await outcomeOf(part, check));
  let bundle = null;
  await judge("genesis", async () => {
    bundle = parseBundle(bytes);
    const first = envelopeOf(bundle.control[0]);
    if (hex(await sha256(first.bytes)) !== genesisHash) throw new Mismatch("another-genesis");
  });
  if (results.get("genesis").outcome !== "match") return complete(results);
  await judgeParts(bundle, judge, results);
  return complete(results);
}

async function judgeParts(bundle, judge, results) {
  let note = null;
  let folded = null;
  let entry = null;
  const genesis = await found(envelopeOf(bundle.control[0]));
  await judge("checkpoint", async () => {
    note = parseNote(bundle.checkpoint);
    await checkLogSignature(note, { origin: genesis.origin, key: genesis.logKey });
  });
  await judge("roster", async () => {
    folded = await fold(bundle, genesis, note);
  });
  await judge("signature", async () => {
    entry = envelopeOf(bundle.entry);
    if (!folded) throw new CannotCheck("needs-another", { part: "roster" });
    return { voices: await checkVoices(folded.before, entry, bundle.entry.received_ms) };
  });
  await judge("objects", () => checkObjects(entry ?? envelopeOf(bundle.entry)));
  await judge("inclusion", () => checkInclusion(bundle.entry, note));
  await judge("witnesses", async () => {
    if (!folded || !note) throw new CannotCheck("needs-another", { part: folded ? "checkpoint" : "roster" });
    const names = await cosigners(note, witnesses(folded.after));
    if (!isMajority(folded.after, names)) throw new CannotCheck("unwitnessed", { names });
    return { names };
  });
  await judge("disputed", async () => {
    if (!folded || results.get("signature").outcome !== "match") {
      throw new CannotCheck("needs-another", { part: "signature" });
    }
    for (const { keyId } of entry.signatures) {
      const since = folded.after.keys.get(keyId)?.invalidSinceMs;
      if (since != null && since <= bundle.entry.received_ms) throw new Mismatch("disputed", { since });
    }
  });
}

/** Throws unless the older checkpoint (both notes, signed by the log) is the beginning of the newer. */
export async function compareCheckpoints(older, newer, path, { origin, logKey }) {
  return outcomeOf("consistency", async () => {
    const [first, second] = [parseNote(older), parseNote(newer)];
    for (const note of [first, second]) await checkLogSignature(note, { origin, key: fromBase64(logKey) });
    await consistency(first, second, path.map(fromBase64));
    return { first: first.size, second: second.size };
  });
}

/** The steps of an entry's inclusion path for the drawing: `{leaf, steps, root, index, size}`, hashes in hex. */
export async function inclusionSteps(part, checkpoint) {
  const note = parseNote(checkpoint);
  const leaf = await entryLeaf(envelopeOf(part), part.received_ms);
  const steps = await climb(leaf, { index: part.index, size: note.size, path: part.path.map(fromBase64) });
  return {
    leaf: hex(leaf),
    steps: steps.map((step) => ({ sibling: hex(step.sibling), left: step.left, hash: hex(step.hash) })),
    root: hex(note.root),
    index: part.index,
    size: note.size,
  };
}

/** The parsed bundle; throws Mismatch for anything else. */
export function parseBundle(bytes) {
  const bundle = canonicalJson(bytes);
  const names = "checkpoint,control,entry,type,v";
  if (Object.keys(bundle ?? {}).sort().join() !== names || bundle.type !== "p2p-bundle" || bundle.v !== 1) {
    throw new Mismatch("not-a-bundle");
  }
  const parts = Array.isArray(bundle.control) ? [...bundle.control, bundle.entry] : [];
  if (parts.length < 2 || bundle.control[0].index !== 0 || !parts.every(isPart)) throw new Mismatch("not-a-bundle");
  return bundle;
}

const isPart = (part) =>
  Object.keys(part ?? {}).sort().join() === "envelope,index,path,received_ms,seen_path" &&
  Number.isSafeInteger(part.index) &&
  Number.isSafeInteger(part.received_ms) &&
  part.received_ms >= 0 &&
  [part.path, part.seen_path].every((path) => Array.isArray(path) && path.length <= 64);

const envelopeOf = (part) => parseEnvelope(fromBase64(part.envelope));

async function outcomeOf(part, check) {
  try {
    return { part, outcome: "match", reason: "", facts: (await check()) ?? {} };
  } catch (error) {
    if (error instanceof Mismatch) return { part, outcome: "mismatch", reason: error.code, facts: error.facts };
    if (error instanceof CannotCheck) return { part, outcome: "cannot", reason: error.code, facts: error.facts };
    throw error;
  }
}

function complete(results) {
  const missing = { outcome: "cannot", reason: "needs-another", facts: { part: "genesis" } };
  results.set("rules", { part: "rules", outcome: "cannot", reason: "needs-verify", facts: {} });
  return PARTS.map((part) => results.get(part) ?? { part, ...missing });
}

/** The roster just before the entry and the roster at the end, from the control entries in log order. */
async function fold(bundle, genesis, note) {
  if (!note) throw new CannotCheck("needs-another", { part: "checkpoint" });
  let roster = genesis;
  let before = null;
  const [first, ...control] = [...bundle.control].sort((a, b) => a.index - b.index);
  await checkInclusion(first, note);
  await checkVoices(genesis, envelopeOf(first), first.received_ms);
  for (const part of control) {
    if (part.index >= bundle.entry.index) before ??= roster;
    const entry = envelopeOf(part);
    await checkInclusion(part, note);
    await checkVoices(roster, entry, part.received_ms);
    roster = await apply(roster, entry);
  }
  return { before: before ?? roster, after: roster };
}

async function checkInclusion(part, note) {
  if (!note) throw new CannotCheck("needs-another", { part: "checkpoint" });
  const leaf = await entryLeaf(envelopeOf(part), part.received_ms);
  const path = part.path.map(fromBase64);
  const root = await inclusionRoot(leaf, { index: part.index, size: note.size, path });
  if (!same(root, note.root)) throw new Mismatch("inclusion", { index: part.index, size: note.size });
  return { index: part.index, size: note.size };
}

async function checkObjects({ statement, objects }) {
  if (!objects.length && statement.objects.length) throw new CannotCheck("erased");
  if (objects.length !== statement.objects.length) throw new Mismatch("objects-count");
  for (const [at, object] of objects.entries()) {
    const expected = statement.objects[at];
    fromHex(expected.commitment);
    if ((await commitment(object.salt, object.body)) !== expected.commitment) {
      throw new Mismatch("object", { id: expected.id });
    }
  }
  return { count: objects.length };
}
