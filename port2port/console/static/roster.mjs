// Which keys speak for whom, folded from the control entries of a bundle, beginning with the pinned genesis.
// The part of port2port/roster that signatures depend on: keys, coordinators, witnesses, revocations.

import { CannotCheck, Mismatch, fromBase64, hex, same } from "./bytes.mjs";
import { digestOf, pae } from "./envelope.mjs";
import { checkSignature, keyId } from "./signature.mjs";

const CHAIN = new Set(["roster", "group", "revoke-key"]);
const WITHOUT_EFFECT_ON_KEYS = new Set(["add-affiliate", "set-group", "set-level-authority", "set-minimum-version"]);
const STATUS = { "remove-member": "removed", "suspend-member": "suspended", "reinstate-member": "active" };

/** The roster of the genesis statement: `keys` by key id, `coordinators`, `members`, `version`, `prev`. */
export async function found(entry) {
  const { body } = entry.statement;
  return {
    origin: body.origin,
    logKey: fromBase64(body.log_key),
    coordinators: await named(body.coordinators),
    threshold: body.threshold,
    members: new Map(),
    keys: new Map(),
    witnessKeys: new Map(),
    version: 1,
    prev: hex(await digestOf(entry.bytes)),
  };
}

async function named(keys) {
  const out = new Map();
  for (const key of keys) out.set(await checkedId(key), key);
  return out;
}

async function checkedId(key) {
  const id = await keyId(key);
  if (id !== key.key_id) throw new Mismatch("key-id");
  return id;
}

/**
 * Throws unless every signature of the entry holds and is by a key that may sign for its issuer at that moment.
 * Returns the voices: `[{keyId, keyClass, pseudonym, scheme}]`.
 */
export async function checkVoices(roster, entry, receivedMs) {
  const message = pae(entry.bytes);
  const voices = [];
  if (!entry.signatures.length) throw new Mismatch("no-signature");
  for (const { keyId: id, sig } of entry.signatures) {
    const key = keyFor(roster, entry, id, receivedMs);
    await checkSignature(key, message, sig, { key: id.slice(0, 16), issuer: entry.statement.issuer });
    voices.push({ keyId: id, keyClass: key.key_class, pseudonym: key.pseudonym ?? null, scheme: key.scheme });
  }
  if (new Set(voices.map((voice) => voice.keyId)).size !== voices.length) throw new Mismatch("key-twice");
  if (!voices.some((voice) => voice.keyId === entry.statement.signer)) throw new Mismatch("signer-missing");
  return voices;
}

function keyFor(roster, { statement, bytes, signatures }, id, receivedMs) {
  const facts = { key: id.slice(0, 16), issuer: statement.issuer };
  if (statement.issuer === "federation") return roster.coordinators.get(id) ?? refuse("unknown-key", facts);
  const fresh = statement.kind === "rekey" && statement.body.key?.key_id === id ? statement.body.key : null;
  const key = roster.keys.get(id) ?? fresh ?? refuse("unknown-key", facts);
  if (key === fresh) return fresh;
  if (key.member !== statement.issuer) refuse("key-of-another", facts);
  if (roster.members.get(key.member)?.status !== "active") refuse("not-a-member", facts);
  if (key.revoked) refuse("key-revoked", facts);
  const issued = Date.parse(statement.issued);
  if (receivedMs > key.notAfterMs && issued > key.notAfterMs) refuse("key-expired", facts);
  return key;
}

function refuse(code, facts) {
  throw new Mismatch(code, facts);
}

/** The roster after a control entry whose signatures hold. */
export async function apply(roster, entry) {
  const { kind, body } = entry.statement;
  if (kind === "rekey") return applyRekey(roster, entry);
  if (!CHAIN.has(kind)) throw new CannotCheck("newer-control", { kind });
  if (entry.signatures.length < roster.threshold) throw new Mismatch("threshold", { needed: roster.threshold });
  if (body.version !== roster.version + 1 || body.prev !== roster.prev) {
    throw new Mismatch("roster-chain", { version: body.version });
  }
  let next = {
    ...roster,
    members: new Map(roster.members),
    keys: new Map(roster.keys),
    witnessKeys: new Map(roster.witnessKeys),
  };
  for (const op of body.ops) next = await operate(next, op);
  return { ...next, version: body.version, prev: hex(await digestOf(entry.bytes)) };
}

async function applyRekey(roster, entry) {
  const { body, issuer } = entry.statement;
  const old = roster.keys.get(body.old);
  if (!old || old.member !== issuer || entry.signatures.length !== 2) throw new Mismatch("rekey");
  const id = await checkedId(body.key);
  const keys = new Map(roster.keys);
  keys.set(body.old, { ...old, revoked: true });
  keys.set(id, { ...old, ...body.key, revoked: false, notAfterMs: body.not_after_ms });
  return { ...roster, keys };
}

async function operate(roster, op) {
  const member = roster.members.get(op.member);
  if (op.op === "add-member") {
    roster.members.set(op.member, { status: "active", witness: op.witness, organisation: op.organisation });
  } else if (op.op in STATUS) {
    roster.members.set(op.member, { ...member, status: STATUS[op.op] });
  } else if (op.op === "set-witness") {
    roster.members.set(op.member, { ...member, witness: op.witness });
  } else if (op.op === "add-key") {
    const facts = { member: op.member, pseudonym: op.pseudonym, notAfterMs: op.not_after_ms, revoked: false };
    roster.keys.set(await checkedId(op.key), { ...op.key, ...facts });
  } else if (op.op === "revoke-key") {
    const key = roster.keys.get(op.key_id) ?? refuse("unknown-key", { key: op.key_id.slice(0, 16) });
    roster.keys.set(op.key_id, { ...key, revoked: true, invalidSinceMs: op.invalid_since_ms ?? key.invalidSinceMs });
  } else if (op.op === "set-coordinators") {
    return { ...roster, coordinators: await named(op.coordinators), threshold: op.threshold };
  } else if (op.op.endsWith("-witness-key")) {
    setWitnessKey(roster, op);
  } else if (!WITHOUT_EFFECT_ON_KEYS.has(op.op)) {
    throw new CannotCheck("newer-control", { kind: op.op });
  }
  return roster;
}

function setWitnessKey(roster, op) {
  const key = fromBase64(op.public);
  const known = roster.witnessKeys.get(op.member) ?? [];
  if (op.op === "set-witness-key") roster.witnessKeys.set(op.member, [key]);
  if (op.op === "add-witness-key") roster.witnessKeys.set(op.member, [...known, key]);
  if (op.op === "drop-witness-key") roster.witnessKeys.set(op.member, known.filter((item) => !same(item, key)));
}

/** The witnesses whose cosignatures count now: `[{name, key}]`. */
export function witnesses(roster) {
  const active = [...roster.witnessKeys].filter(([name]) => {
    const member = roster.members.get(name);
    return member?.witness && member.status === "active";
  });
  return active.flatMap(([name, keys]) => keys.map((key) => ({ name, key })));
}

/** Whether a majority of the witness organisations is among `names`. */
export function isMajority(roster, names) {
  const all = [...roster.members].filter(([, member]) => member.witness && member.status === "active");
  const heard = all.filter(([name]) => names.includes(name));
  const organisations = (list) => new Set(list.map(([, member]) => member.organisation)).size;
  return 2 * organisations(heard) > organisations(all);
}
