// Checkpoints: C2SP signed notes without extension lines (port2port/checkpoint.py has the same rules).

import { Mismatch, base64, fromBase64, join, same, sha256, utf8 } from "./bytes.mjs";
import { checkEd25519 } from "./signature.mjs";

const LOG = 0x01;
const WITNESS = 0x04;
const DASH = "\u2014 ";

/** `{origin, size, root, body, signatures: [{name, keyHash, signature}]}` of a note; nothing in it is verified. */
export function parseNote(note) {
  const lines = note.split("\n");
  if (lines.length < 6 || lines[3] !== "" || lines.at(-1) !== "") throw new Mismatch("not-a-checkpoint");
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(lines[1]) || !Number.isSafeInteger(Number(lines[1]))) {
    throw new Mismatch("not-a-checkpoint");
  }
  const root = fromBase64(lines[2]);
  if (root.length !== 32) throw new Mismatch("not-a-checkpoint");
  const body = utf8(`${lines.slice(0, 3).join("\n")}\n`);
  return { origin: lines[0], size: Number(lines[1]), root, body, signatures: lines.slice(4, -1).map(signatureLine) };
}

function signatureLine(line) {
  const match = /^(\S+) (\S+)$/.exec(line.startsWith(DASH) ? line.slice(DASH.length) : "");
  if (!match) throw new Mismatch("not-a-checkpoint");
  const raw = fromBase64(match[2]);
  if (raw.length < 5) throw new Mismatch("not-a-checkpoint");
  return { name: match[1], keyHash: raw.slice(0, 4), signature: raw.slice(4) };
}

async function keyHash(name, algorithm, key) {
  return (await sha256(join(utf8(`${name}\n`), Uint8Array.of(algorithm), key))).slice(0, 4);
}

async function linesFor(note, name, algorithm, key) {
  const wanted = await keyHash(name, algorithm, key);
  return note.signatures.filter((line) => line.name === name && same(line.keyHash, wanted));
}

/** Throws unless the log called `origin`, with the raw Ed25519 key `key`, signed the parsed note. */
export async function checkLogSignature(note, { origin, key }) {
  if (note.origin !== origin) throw new Mismatch("another-log", { origin: note.origin });
  const lines = await linesFor(note, origin, LOG, key);
  if (!lines.length) throw new Mismatch("not-signed-by-log");
  for (const line of lines) await checkEd25519(key, note.body, line.signature, "log-signature");
}

/** The names of `witnesses` ([{name, key}]) that co-signed; throws where a line names a known key and is wrong. */
export async function cosigners(note, witnesses) {
  const seen = new Set();
  for (const { name, key } of witnesses) {
    for (const line of await linesFor(note, name, WITNESS, key)) {
      const moment = new DataView(line.signature.buffer, line.signature.byteOffset, 8).getBigUint64(0);
      const message = join(utf8(`cosignature/v1\ntime ${moment}\n`), note.body);
      await checkEd25519(key, message, line.signature.slice(8), "cosignature", { name });
      seen.add(name);
    }
  }
  return [...seen].sort();
}

/** The root as the page shows it. */
export const rootText = (note) => base64(note.root);
