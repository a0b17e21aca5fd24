// A tone while something waits that nobody has acknowledged: two short notes, every four seconds, until it is.
// Browsers let a page sound only after a person has touched it: one click turns it on, and the choice is kept in this
// browser. The count in the bar says the same to the eye.

const EVERY_MS = 4_000;
const STORE = 'p2p.sound';
const NOTES = [[880, 0], [660, 0.22]];
const button = document.querySelector('#sound');
const box = document.querySelector('#alarm');
let audio = null;

const wanted = () => localStorage.getItem(STORE) === 'on';
const loud = () => Boolean(box.querySelector('[data-alarm]'));

function show() {
  const on = wanted() && audio?.state === 'running';
  button.hidden = false;
  button.setAttribute('aria-pressed', String(on));
  button.querySelector('span').textContent = on ? button.dataset.on : button.dataset.off;
}

async function wake() {
  audio ??= new AudioContext();
  if (audio.state !== 'running') await audio.resume();
  show();
  sound();
}

function note(frequency, after) {
  const at = audio.currentTime + after;
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = frequency;
  volume.gain.setValueAtTime(0.0001, at);
  volume.gain.exponentialRampToValueAtTime(0.25, at + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.2);
  tone.connect(volume).connect(audio.destination);
  tone.start(at);
  tone.stop(at + 0.21);
}

function sound() {
  if (!wanted() || !loud() || audio?.state !== 'running') return;
  for (const each of NOTES) note(...each);
  box.dataset.sounded = String(Number(box.dataset.sounded ?? 0) + 1);
}

button.addEventListener('click', () => {
  const on = button.getAttribute('aria-pressed') === 'true';
  localStorage.setItem(STORE, on ? 'off' : 'on');
  if (on) show();
  else wake();
});
for (const kind of ['pointerdown', 'keydown']) {
  addEventListener(kind, (event) => { if (wanted() && audio?.state !== 'running' && !button.contains(event.target)) wake(); }, { passive: true });
}
setInterval(sound, EVERY_MS);
show();
