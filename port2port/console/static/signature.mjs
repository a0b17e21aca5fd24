// Signatures: Ed25519 (RFC 8032) and an officer's passkey (Web Authentication Level 3, section 7.2), as
// port2port/keys.py checks them. A browser without Ed25519 throws CannotCheck, never a match.

import { CannotCheck, Mismatch, base64url, canonicalJson, fromBase64, fromBase64url } from "./bytes.mjs";
import { hex, join, same, sha256, subtle, text, utf8 } from "./bytes.mjs";

const ORDER = BigInt("0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
const PRESENT_AND_VERIFIED = 0x05;
const ATTESTED_OR_EXTENDED = 0xc0;
const AUTHENTICATOR_BYTES = 37;
const ED25519_SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

/** Throws Mismatch(`code`) unless the raw key signed the message. */
export async function checkEd25519(key, message, signature, code, facts = {}) {
  let imported;
  try {
    imported = await subtle().importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    if (error instanceof CannotCheck) throw error;
    if (error.name === "NotSupportedError") throw new CannotCheck("no-ed25519");
    throw new Mismatch("bad-key", facts);
  }
  if (!(await subtle().verify({ name: "Ed25519" }, imported, signature, message))) throw new Mismatch(code, facts);
}

/** The key id of a key as statements have it: SHA-256 over the SubjectPublicKeyInfo in DER, in hex. */
export async function keyId(key) {
  const raw = fromBase64(key.public);
  return hex(await sha256(key.scheme === "ed25519" ? join(ED25519_SPKI, raw) : raw));
}

/** Throws unless `key` ({scheme, public, rp_id}) signed the message. `facts` name the key in a refusal. */
export async function checkSignature(key, message, signature, facts = {}) {
  if (key.scheme === "ed25519") return checkEd25519(fromBase64(key.public), message, signature, "signature", facts);
  if (key.scheme === "webauthn-es256") return checkAssertion(key, message, signature, facts);
  throw new CannotCheck("unknown-scheme", facts);
}

async function checkAssertion(key, message, signature, facts) {
  const parts = canonicalJson(signature);
  if (Object.keys(parts).join() !== "authenticatorData,clientDataJSON,signature") {
    throw new Mismatch("not-an-assertion", facts);
  }
  const [authenticator, client, der] = Object.values(parts).map(fromBase64url);
  checkClientData(client, base64url(await sha256(message)), facts);
  await checkAuthenticator(authenticator, key.rp_id, facts);
  const raw = rawSignature(der, facts);
  const imported = await importP256(key, facts);
  const signed = join(authenticator, await sha256(client));
  const ecdsa = { name: "ECDSA", hash: "SHA-256" };
  if (!(await subtle().verify(ecdsa, imported, raw, signed))) throw new Mismatch("signature", facts);
}

async function importP256(key, facts) {
  try {
    return await subtle().importKey("spki", fromBase64(key.public), { name: "ECDSA", namedCurve: "P-256" }, false, [
      "verify",
    ]);
  } catch (error) {
    if (error instanceof CannotCheck) throw error;
    throw new Mismatch("bad-key", facts);
  }
}

function checkClientData(raw, challenge, facts) {
  let client;
  try {
    client = JSON.parse(text(raw));
  } catch {
    throw new Mismatch("not-an-assertion", facts);
  }
  if (client.type !== "webauthn.get") throw new Mismatch("not-an-assertion", facts);
  if (client.challenge !== challenge) throw new Mismatch("another-message", facts);
  if (client.crossOrigin ?? false) throw new Mismatch("another-site", facts);
  if (!/^(?:https:\/\/.+|http:\/\/localhost(?::.*)?)$/.test(client.origin)) throw new Mismatch("another-site", facts);
}

async function checkAuthenticator(raw, relyingParty, facts) {
  if (raw.length < AUTHENTICATOR_BYTES) throw new Mismatch("not-an-assertion", facts);
  if (raw.length > AUTHENTICATOR_BYTES && !(raw[32] & ATTESTED_OR_EXTENDED)) throw new Mismatch("not-an-assertion", facts);
  if (!same(raw.slice(0, 32), await sha256(utf8(relyingParty)))) throw new Mismatch("another-site", facts);
  if ((raw[32] & PRESENT_AND_VERIFIED) !== PRESENT_AND_VERIFIED) throw new Mismatch("no-person", facts);
}

/** ECDSA from DER to the r and s that WebCrypto wants; only the lower s is admitted. */
function rawSignature(der, facts) {
  const [r, afterR] = integer(der, 2, facts);
  const [s, end] = integer(der, afterR, facts);
  if (der[0] !== 0x30 || der[1] !== der.length - 2 || end !== der.length) throw new Mismatch("signature", facts);
  if (s === 0n || r === 0n || r >= ORDER || s > ORDER / 2n) throw new Mismatch("signature", facts);
  const fixed = (value) => Uint8Array.from(value.toString(16).padStart(64, "0").match(/../g), (pair) => parseInt(pair, 16));
  return join(fixed(r), fixed(s));
}

function integer(der, at, facts) {
  const length = der[at + 1];
  const content = der.slice(at + 2, at + 2 + length);
  const padded = content[0] === 0 && !(content[1] & 0x80);
  if (der[at] !== 0x02 || content.length !== length || !length || content[0] & 0x80 || (padded && length > 1)) {
    throw new Mismatch("signature", facts);
  }
  return [BigInt(`0x${hex(content)}`), at + 2 + length];
}
