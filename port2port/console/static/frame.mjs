// What is the same on every page: clock, ages, toasts, dialogs, the live switch, the bar that tells the picture's age.
import {live} from './live.mjs';
import './rows.mjs';
import './keys.mjs';

const TOAST_MS = 10_000;
const LANGUAGE = document.documentElement.lang === 'en' ? 'en-GB' : document.documentElement.lang;
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// A short message. kind '' or 'good' is polite, 'critical' interrupts and stays until it is closed.
export function toast(text, {kind = '', action = null, label = ''} = {}) {
  const box = document.createElement('div');
  box.className = `toast ${kind}`.trim();
  const words = document.createElement('span');
  words.textContent = text;
  box.append(words);
  if (action) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'button small';
    button.dataset.key = 'z';
    button.textContent = label;
    button.addEventListener('click', () => { box.remove(); action(); });
    box.append(button);
  }
  $(kind === 'critical' ? '#alerts' : '#toasts').append(box);
}

// Toasts leave by themselves, but neither under the pointer nor with the focus in them, and never critical ones.
function leave(box) {
  if (box.classList.contains('critical')) {
    box.addEventListener('click', () => box.remove());
    return;
  }
  const wait = () => setTimeout(() => (box.matches(':hover, :focus-within') ? wait() : box.remove()), TOAST_MS);
  wait();
}

function watchToasts() {
  for (const place of $$('#toasts, #alerts')) {
    new MutationObserver((changes) => {
      for (const box of changes.flatMap((change) => [...change.addedNodes])) if (box instanceof HTMLElement) leave(box);
    }).observe(place, {childList: true});
  }
}

function ago(seconds) {
  const format = new Intl.RelativeTimeFormat(LANGUAGE, {style: 'short', numeric: 'always'});
  const steps = [[60, 1, 'second'], [3600, 60, 'minute'], [86400, 3600, 'hour'], [Infinity, 86400, 'day']];
  const [, size, unit] = steps.find(([limit]) => Math.abs(seconds) < limit);
  return format.format(-Math.trunc(seconds / size), unit);
}

let offset = 0; // how much the server's clock is ahead of this one, in ms
const serverNow = () => Date.now() + offset;

function tick() {
  const zone = document.documentElement.dataset.zone;
  const clock = $('#clock');
  if (clock) {
    const options = {timeZone: zone, hourCycle: 'h23', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short'};
    clock.textContent = new Intl.DateTimeFormat('en-GB', options).format(serverNow());
  }
  for (const time of $$('time[data-ago]')) {
    const seconds = (serverNow() - Date.parse(time.dateTime)) / 1000;
    const words = ago(seconds);
    if (time.textContent !== words) time.textContent = words;
    const limit = Number(time.closest('.age')?.dataset.limit ?? 0);
    if (limit) time.closest('.age').classList.toggle('over', seconds > limit);
  }
  showAge();
}

function showAge() {
  const bar = $('#age-bar');
  if (!bar || !('live' in document.body.dataset)) return;
  const seconds = live.silentFor();
  const said = live.stopped ? bar.dataset.stopped : bar.dataset.words;
  const words = seconds ? said.replace('%(seconds)s', seconds) : '';
  // Said aloud once when it begins, not every second.
  if (bar.hidden === seconds > 0) $('#age-said').textContent = words;
  document.body.toggleAttribute('data-stale', seconds > 0);
  bar.firstElementChild.textContent = words;
  bar.hidden = !seconds;
}

function showSwitch() {
  const button = $('#live-switch');
  if (!button) return;
  button.setAttribute('aria-pressed', String(!live.paused));
  $('.words', button).textContent = live.paused ? button.dataset.off : button.dataset.on;
  $('.waiting', button).textContent = live.waiting ? button.dataset.new.replace('%(count)s', live.waiting) : '';
}

function refresh(topic) {
  for (const element of $$('[data-live]')) {
    if (!element.dataset.live.split(' ').includes(topic)) continue;
    if ('liveHold' in element.dataset && element.contains(document.activeElement)) {
      element.dataset.liveHeld = '';
    } else {
      element.dispatchEvent(new CustomEvent('live', {bubbles: false}));
    }
  }
}

function followLive() {
  for (const element of $$('[data-live]')) for (const topic of element.dataset.live.split(' ')) live.watch(topic);
  live.addEventListener('event', (event) => {
    if (event.detail.alert) refresh(event.detail.topic);
  });
  live.addEventListener('state', showSwitch);
  live.addEventListener('signed-out', () => location.reload());
  live.addEventListener('resync', () => location.reload());
  live.addEventListener('beat', (event) => {
    if (event.detail.at) offset = Date.parse(event.detail.at) - Date.now();
  });
  document.addEventListener('focusout', () => setTimeout(() => {
    for (const element of $$('[data-live-held]')) {
      if (element.contains(document.activeElement)) continue;
      delete element.dataset.liveHeld;
      element.dispatchEvent(new CustomEvent('live', {bubbles: false}));
    }
  }));
  $('#live-switch')?.addEventListener('click', () => live.pause(!live.paused));
  live.start();
}

function openAndClose() {
  document.addEventListener('click', (event) => {
    const opener = event.target.closest?.('[data-dialog]');
    if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
    for (const menu of $$('details.menu[open]')) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    for (const menu of $$('details.menu[open]')) {
      menu.open = false;
      $('summary', menu).focus();
    }
  });
  // A second click on a form that is on its way sends nothing.
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (form.method === 'dialog' || event.defaultPrevented) return;
    if ('sent' in form.dataset) event.preventDefault();
    form.dataset.sent = '';
    setTimeout(() => delete form.dataset.sent, 3_000);
  });
}

// Requests by htmx carry the form token of this page.
function vouch() {
  document.addEventListener('htmx:config:request', (event) => {
    const request = event.detail?.ctx?.request;
    if (request) request.headers['X-Form-Token'] = $('meta[name="form-token"]').content;
  });
}

watchToasts();
openAndClose();
vouch();
tick();
setInterval(tick, 1_000);
if ('live' in document.body.dataset) followLive();
document.documentElement.dataset.ready = '';
