// The inclusion path of RFC 6962, drawn: from the entry's leaf at the bottom, rung by rung, to the checkpoint's root.
//
//   drawLadder(element, {leaf, steps: [{sibling, left, hash}], root, index, size}, {words, outcome});
// What `inclusionSteps` of proof.mjs returns; hashes in hex. The drawing has a title and a description; whoever
// cannot see it reads the table that the page makes of the same steps. Outcome "mismatch" breaks the line.

import { svg } from "./lanes.mjs";

export const WORDS = {
  title: "Inclusion path of entry %(index)s in a tree of %(size)s",
  leaf: "entry",
  root: "root",
  sibling: "beside it",
};

const WIDTH = 640;
const ROW = 56;
const BOX = { width: 190, height: 28 };
const MIDDLE = WIDTH / 2;

export function drawLadder(element, path, { words = {}, outcome = "match" } = {}) {
  const spoken = { ...WORDS, ...words };
  const height = (path.steps.length + 1) * ROW + 20;
  const classes = `p2p-ladder p2p-${outcome}`;
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: classes, role: "img" });
  const title = svg("title", {}, filled(spoken.title, path));
  picture.append(title, svg("desc", {}, described(path, spoken)));
  const level = (step) => height - 10 - BOX.height - step * ROW;
  for (const [at, step] of path.steps.entries()) picture.append(...rung(step, level(at), level(at + 1), spoken));
  picture.append(...box(MIDDLE, level(0), path.leaf, spoken.leaf));
  for (const [at, { hash }] of path.steps.entries()) {
    const last = at === path.steps.length - 1;
    picture.append(...box(MIDDLE, level(at + 1), hash, last ? spoken.root : ""));
  }
  element.replaceChildren(picture);
  return picture;
}

/** The sibling at one level, its line up, and the climb of the entry's own side. */
function rung(step, low, high, words) {
  const x = step.left ? BOX.width / 2 + 8 : WIDTH - BOX.width / 2 - 8;
  const up = `M${x} ${low}V${high + BOX.height + 10}H${MIDDLE}V${high + BOX.height}`;
  return [
    svg("path", { class: "p2p-rung", d: up }),
    svg("path", { class: "p2p-climb", d: `M${MIDDLE} ${low}V${high + BOX.height}` }),
    ...box(x, low, step.sibling, words.sibling),
  ];
}

function box(x, y, hash, label) {
  const left = x - BOX.width / 2;
  const text = svg("text", { x, y: y + 19, "text-anchor": "middle", class: "p2p-hash" }, short(hash));
  const named = label ? [svg("text", { x: left + BOX.width, y: y - 4, "text-anchor": "end" }, label)] : [];
  return [svg("rect", { x: left, y, width: BOX.width, height: BOX.height, rx: 4 }), text, ...named];
}

const short = (hash) => `${hash.slice(0, 8)} \u2026 ${hash.slice(-8)}`;

const filled = (text, facts) => text.replace(/%\((\w+)\)s/g, (_, name) => String(facts[name]));

function described({ leaf, steps, root }, words) {
  const ways = steps.map(({ sibling, hash }) => `${words.sibling} ${short(sibling)} \u2192 ${short(hash)}`);
  return [`${words.leaf} ${short(leaf)}`, ...ways, `${words.root} ${short(root)}`].join("; ");
}
