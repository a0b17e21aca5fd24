// The log's pages: this browser keeps the genesis hash of its first visit and the newest checkpoint that it has
// checked, and proves to itself what the hub shows. Nothing here believes a hash because the hub said it.

import { CannotCheck, Mismatch, base64, fromBase64, fromHex, hex, same, sha256 } from "../bytes.mjs";
import { parseEnvelope } from "../envelope.mjs";
import { drawLadder } from "../ladder.mjs";
import { climb } from "../merkle.mjs";
import { checkLogSignature, parseNote } from "../note.mjs";
import { PARTS, checkBundle, compareCheckpoints, inclusionSteps, parseBundle } from "../proof.mjs";
import { found } from "../roster.mjs";

const PIN = "p2p.genesis";
const SEEN = "p2p.checkpoint";
const $ = (selector) => document.querySelector(selector);
const anchor = $("#anchor");
const check = $("#check");
const words = JSON.parse(anchor.dataset.words);

/** The genesis hash that this browser kept at its first visit; it is never replaced by what a page says. */
function pinned() {
  if (!localStorage.getItem(PIN)) localStorage.setItem(PIN, anchor.dataset.genesis);
  return localStorage.getItem(PIN);
}

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new CannotCheck("no-answer");
  return answer;
}

/** Origin and key of the log, from the founding entry whose hash is pinned. */
async function log() {
  const { envelope } = await (await fetched("/log/genesis")).json();
  const entry = parseEnvelope(fromBase64(envelope));
  if (hex(await sha256(entry.bytes)) !== pinned()) throw new Mismatch("another-genesis");
  const { origin, logKey } = await found(entry);
  return { origin, logKey };
}

function say(element, kind, text) {
  element.className = kind === "good" ? "note" : `note ${kind}`;
  element.textContent = text;
}

/** Whether the log of now goes on from what this browser saw last; only then is its new size kept. */
async function since() {
  $("#pin").textContent = (pinned().match(/.{1,4}/g) ?? []).join(" ");
  if (pinned() !== anchor.dataset.genesis) return say($("#since"), "bad", anchor.dataset.other);
  const kept = localStorage.getItem(SEEN);
  const { origin, logKey } = await log();
  const first = kept ? parseNote(kept).size : 0;
  const answer = await fetch(`/log/consistency?first=${first}`);
  if (answer.status === 404) return say($("#since"), "bad", anchor.dataset.broken);
  if (!answer.ok) return undefined;
  const { checkpoint, path } = await answer.json();
  if (!kept) {
    await checkLogSignature(parseNote(checkpoint), { origin, key: logKey });
    localStorage.setItem(SEEN, checkpoint);
    return say($("#since"), "good", anchor.dataset.first);
  }
  const { outcome } = await compareCheckpoints(kept, checkpoint, path, { origin, logKey: base64(logKey) });
  if (outcome === "mismatch") return say($("#since"), "bad", anchor.dataset.broken);
  if (outcome === "match") {
    localStorage.setItem(SEEN, checkpoint);
    say($("#since"), "good", anchor.dataset.consistent.replace("%(first)s", String(first)));
  }
  return undefined;
}

async function judged(part, action) {
  try {
    await action();
    return { part, outcome: "match", reason: "" };
  } catch (error) {
    if (error instanceof Mismatch) return { part, outcome: "mismatch", reason: error.code };
    if (error instanceof CannotCheck) return { part, outcome: "cannot", reason: error.code };
    throw error;
  }
}

/** The steps of the path that the hub gives for a leaf by its hash. */
async function stepsOf({ leaf, index, size, path, checkpoint }) {
  const steps = await climb(fromHex(leaf), { index, size, path: path.map(fromBase64) });
  const drawn = steps.map((step) => ({ sibling: hex(step.sibling), left: step.left, hash: hex(step.hash) }));
  return { leaf, steps: drawn, root: hex(parseNote(checkpoint).root), index, size };
}

function draw(path, outcome) {
  const labels = JSON.parse(check.dataset.labels);
  drawLadder($("#ladder"), path, { outcome, words: { ...labels, title: check.dataset.path } });
}

async function proofHere() {
  const given = await (await fetched(`/log/${check.dataset.index}/proof`)).json();
  const [index, leaf] = [Number(check.dataset.index), check.dataset.leaf];
  if (given.index !== index || given.leaf !== leaf) throw new Mismatch("another-entry");
  return given;
}

/** A leaf whose entry is withheld: founding, checkpoint and path can be checked, the rest cannot. */
async function checkHidden() {
  const given = await proofHere();
  const note = parseNote(given.checkpoint);
  let known = null;
  const results = [
    await judged("genesis", async () => { known = await log(); }),
    await judged("checkpoint", async () => {
      if (!known) throw new CannotCheck("needs-another");
      await checkLogSignature(note, { origin: known.origin, key: known.logKey });
    }),
    await judged("inclusion", async () => {
      const { steps } = await stepsOf(given);
      const top = steps.length ? fromHex(steps.at(-1).hash) : fromHex(given.leaf);
      if (given.size !== note.size || !same(top, note.root)) throw new Mismatch("inclusion");
    }),
  ];
  const done = new Map(results.map((result) => [result.part, result]));
  return PARTS.map((part) => done.get(part) ?? { part, outcome: "cannot", reason: "withheld" });
}

/** An entry that its reader may read: the whole bundle, and that it is of the leaf on this page. */
async function checkReadable() {
  const raw = new Uint8Array(await (await fetched(`/log/${check.dataset.index}/bundle`)).arrayBuffer());
  const results = await checkBundle(raw, pinned());
  const wrong = await judged("inclusion", async () => {
    const { entry, checkpoint } = parseBundle(raw);
    const steps = await inclusionSteps(entry, checkpoint);
    const fine = results.find(({ part }) => part === "inclusion").outcome === "match";
    draw(steps, fine ? "match" : "mismatch");
    if (entry.index !== Number(check.dataset.index)) throw new Mismatch("another-entry");
    if (fine && steps.leaf !== check.dataset.leaf) throw new Mismatch("another-entry");
  });
  return results.map((result) => (result.part === "inclusion" && result.outcome === "match" ? wrong : result));
}

function row({ part, outcome, reason }) {
  const line = document.createElement("tr");
  line.dataset.part = part;
  line.dataset.outcome = outcome;
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = words.parts[part];
  const result = document.createElement("td");
  const mark = document.createElement("span");
  mark.className = `state ${{ match: "ok", mismatch: "bad", cannot: "off" }[outcome]}`;
  mark.textContent = words.outcomes[outcome];
  result.append(mark);
  const why = document.createElement("td");
  why.textContent = reason ? (words.reasons[reason] ?? reason) : "";
  line.append(name, result, why);
  return line;
}

function show(results) {
  const box = $("#check-results");
  box.querySelector("tbody").replaceChildren(...results.map(row));
  box.hidden = false;
  const bad = results.some(({ outcome }) => outcome === "mismatch");
  const unsure = results.some(({ part, outcome }) => outcome === "cannot" && part !== "rules");
  const [kind, text] = bad ? ["bad", "stop"] : unsure ? ["warn", "unsure"] : ["good", "good"];
  say($("#check-said"), kind, check.dataset[text]);
  check.dataset.checked = text;
}

async function checkHere() {
  delete check.dataset.checked;
  try {
    show(await (check.dataset.readable ? checkReadable() : checkHidden()));
  } catch (error) {
    if (!(error instanceof Mismatch || error instanceof CannotCheck)) throw error;
    const outcome = error instanceof Mismatch ? "mismatch" : "cannot";
    show(PARTS.map((part) => ({ part, outcome, reason: error.code })));
  }
}

async function start() {
  if (check) {
    $("#check-here").addEventListener("click", checkHere);
    const given = await proofHere();
    draw(await stepsOf(given), "match");
  }
  await since();
}

start().catch((error) => {
  if (!(error instanceof Mismatch || error instanceof CannotCheck)) throw error;
  say($("#since"), error instanceof Mismatch ? "bad" : "warn", words.reasons[error.code] ?? error.code);
});
