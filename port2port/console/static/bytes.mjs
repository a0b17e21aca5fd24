// Bytes, exactly: base64 and hex in their one spelling, canonical JSON, SHA-256 (docs/protocol.md, section 1).
// Whatever cannot be what the protocol says throws a Mismatch; what this browser cannot do throws a CannotCheck.

/** Something that was checked here and does not hold. `code` is stable, `facts` are numbers and names for the text. */
export class Mismatch extends Error {
  constructor(code, facts = {}) {
    super(code);
    this.code = code;
    this.facts = facts;
  }
}

/** Something that cannot be checked in this browser, or with what it was given. Never to be shown as a match. */
export class CannotCheck extends Error {
  constructor(code, facts = {}) {
    super(code);
    this.code = code;
    this.facts = facts;
  }
}

const encoder = new TextEncoder();

/** UTF-8 bytes of a text. */
export const utf8 = (text) => encoder.encode(text);

/** The text in UTF-8 bytes; throws Mismatch for anything else. */
export function text(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Mismatch("not-utf8");
  }
}

/** Several byte arrays joined. */
export function join(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Whether two byte arrays are the same. */
export const same = (a, b) => a.length === b.length && a.every((value, at) => value === b[at]);

export const hex = (bytes) => Array.from(bytes, (value) => value.toString(16).padStart(2, "0")).join("");

export function fromHex(digits) {
  if (typeof digits !== "string" || !/^(?:[0-9a-f]{2})*$/.test(digits)) throw new Mismatch("not-hex");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Standard base64, padded. */
export function base64(bytes) {
  let raw = "";
  for (const value of bytes) raw += String.fromCharCode(value);
  return btoa(raw);
}

/** Standard base64 in its one spelling (padded, spare bits zero). */
export function fromBase64(encoded) {
  let raw;
  try {
    raw = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
  } catch {
    throw new Mismatch("not-base64");
  }
  if (base64(raw) !== encoded) throw new Mismatch("not-base64");
  return raw;
}

/** Base64url without padding, in its one spelling. */
export function fromBase64url(encoded) {
  if (typeof encoded !== "string" || /[+/=]/.test(encoded)) throw new Mismatch("not-base64");
  const standard = encoded.replaceAll("-", "+").replaceAll("_", "/");
  return fromBase64(standard + "=".repeat((4 - (standard.length % 4)) % 4));
}

export const base64url = (bytes) =>
  base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** The value in canonical JSON; bytes that another writer would spell differently throw. */
export function canonicalJson(bytes) {
  const source = text(bytes);
  let value;
  try {
    value = JSON.parse(source);
  } catch {
    throw new Mismatch("not-json");
  }
  if (spelled(value) !== source) throw new Mismatch("not-canonical");
  return value;
}

function spelled(value) {
  if (Array.isArray(value)) return `[${value.map(spelled).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${spelled(value[name])}`);
  return `{${members.join(",")}}`;
}

/** The browser's cryptography; absent outside secure contexts. */
export function subtle() {
  if (!globalThis.crypto?.subtle) throw new CannotCheck("no-webcrypto");
  return globalThis.crypto.subtle;
}

export const sha256 = async (bytes) => new Uint8Array(await subtle().digest("SHA-256", bytes));
