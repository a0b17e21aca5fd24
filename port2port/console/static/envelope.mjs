// DSSE envelopes and what the log keeps of them (docs/protocol.md, sections 2, 4 and 5).

import { Mismatch, canonicalJson, fromHex, hex, join, sha256, text, utf8 } from "./bytes.mjs";
import { leafHash } from "./merkle.mjs";

export const PAYLOAD_TYPE = "application/vnd.port2port.statement+json;v=1";
const KINDS = (
  "genesis roster rekey revoke-key group publish sighting retract suspend hold cosign reaffirm reshare erase note " +
  "report incident level exercise import"
).split(" ");
const LEAF_TAG = utf8("P2P-leaf-v1\0");
const COMMITMENT_TAG = Uint8Array.of(1);

/** DSSE's pre-authentication encoding: the message that is signed. Lengths count bytes. */
export function pae(payload, type = PAYLOAD_TYPE) {
  const kind = utf8(type);
  return join(utf8(`DSSEv1 ${kind.length} `), kind, utf8(` ${payload.length} `), payload);
}

/** SHA-256 of the signed message: the name of an entry. */
export const digestOf = (statement) => sha256(pae(statement));

/** The salted commitment to an object, in hex. */
export const commitment = async (salt, object) => hex(await sha256(join(COMMITMENT_TAG, salt, object)));

/**
 * `{statement, bytes, signatures: [{keyId, sig}], objects: [{salt, body}]}` of a serialised Envelope.
 * Protobuf in its one form has every field once and in order; whatever else is met throws.
 */
export function parseEnvelope(raw) {
  const outer = fields(raw, 2);
  const inner = fields(single(outer, 1), 3);
  const bytes = single(inner, 2);
  if (text(single(inner, 1)) !== PAYLOAD_TYPE) throw new Mismatch("payload-type");
  const signatures = inner.filter((item) => item.number === 3).map((item) => {
    const parts = fields(item.value, 2);
    return { keyId: hex(single(parts, 1)), sig: single(parts, 2) };
  });
  const objects = outer.filter((item) => item.number === 2).map((item) => {
    const parts = fields(item.value, 2);
    return { salt: single(parts, 1), body: single(parts, 2) };
  });
  return { statement: canonicalJson(bytes), bytes, signatures, objects };
}

/** The hash of the entry's leaf: kind, time received, digest and signatures. */
export async function entryLeaf({ statement, bytes, signatures }, receivedMs) {
  const head = new DataView(new ArrayBuffer(9));
  head.setUint8(0, KINDS.indexOf(statement.kind) + 1);
  head.setBigUint64(1, BigInt(receivedMs));
  const ordered = [...signatures].sort((a, b) => (a.keyId < b.keyId ? -1 : 1));
  const signed = await sha256(join(...ordered.flatMap(({ keyId, sig }) => [fromHex(keyId), sig])));
  return leafHash(join(LEAF_TAG, new Uint8Array(head.buffer), await digestOf(bytes), signed));
}

function single(items, number) {
  const found = items.filter((item) => item.number === number);
  if (found.length !== 1) throw new Mismatch("not-an-envelope");
  return found[0].value;
}

/** The length-delimited fields of one protobuf message; our messages have no others. */
function fields(raw, highest) {
  const out = [];
  let at = 0;
  while (at < raw.length) {
    const [tag, afterTag] = varint(raw, at);
    const [length, start] = varint(raw, afterTag);
    const number = tag >>> 3;
    if ((tag & 7) !== 2 || number < 1 || number > highest || start + length > raw.length) {
      throw new Mismatch("not-an-envelope");
    }
    if (number < (out.at(-1)?.number ?? 0)) throw new Mismatch("not-an-envelope");
    out.push({ number, value: raw.slice(start, start + length) });
    at = start + length;
  }
  return out;
}

function varint(raw, at) {
  let value = 0;
  for (let shift = 0; shift < 28; shift += 7, at += 1) {
    const byte = raw[at];
    if (byte === undefined) break;
    value |= (byte & 0x7f) << shift;
    if (!(byte & 0x80)) {
      if (byte === 0 && shift) break;
      return [value, at + 1];
    }
  }
  throw new Mismatch("not-an-envelope");
}
