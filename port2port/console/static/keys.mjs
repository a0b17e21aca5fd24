// Keyboard triage. Keys press what carries them: data-key="a" on a button or link, data-go="m" on a tab (after g).
// One setting turns single keys off or moves them to Alt (WCAG 2.1.4). Nothing happens while somebody writes.
import {current, move, toggle} from './rows.mjs';

const SEQUENCE_MS = 1_500;
let going = 0;

const mode = () => document.documentElement.dataset.keyboard;

function writes(target) {
  return target.closest?.('input:not([type="checkbox"], [type="radio"], [type="button"], [type="submit"]), textarea, select, [contenteditable]');
}

function meant(event) {
  if (event.ctrlKey || event.metaKey || event.isComposing || mode() === 'off') return false;
  if (mode() === 'alt') return event.altKey;
  return !event.altKey && !writes(event.target);
}

const usable = (element) => !element.disabled && element.checkVisibility();

function press(selector) {
  const roots = [document.querySelector('dialog[open]'), current(), document.querySelector('#toasts'), document];
  const root = roots[0] ? [roots[0]] : roots.slice(1);
  for (const each of root) {
    const found = [...(each?.querySelectorAll(selector) ?? [])].find(usable);
    if (found) {
      found.focus();
      found.click();
      return true;
    }
  }
  return false;
}

function search() {
  const box = [...document.querySelectorAll('[data-search], input[type="search"]')].find(usable);
  box?.focus();
  box?.select?.();
  return Boolean(box);
}

function help() {
  const dialog = document.querySelector('#keys');
  if (dialog && !dialog.open) dialog.showModal();
  return Boolean(dialog);
}

function open(event) {
  const row = current();
  if (!row || event.target.closest('a, button, summary, [role="button"]')) return false;
  row.querySelector('a[href]')?.click();
  return true;
}

const ACTIONS = {
  j: (event) => move(1, event.shiftKey),
  k: (event) => move(-1, event.shiftKey),
  x: toggle,
  g: () => { going = Date.now(); return true; },
  '/': search,
  '?': help,
};

function act(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const name = CSS.escape(key);
  if (Date.now() - going < SEQUENCE_MS && key !== 'g') {
    going = 0;
    return press(`[data-go="${name}"]`);
  }
  if (document.querySelector('dialog[open]')) return key.length === 1 && key !== '?' && press(`[data-key="${name}"]`);
  if (ACTIONS[key]) return ACTIONS[key](event);
  return key.length === 1 && /^\S$/.test(key) && press(`[data-key="${name}"]`);
}

// Arrows and Enter are no single keys in the sense of WCAG: they work in a list whatever the setting.
function inList(event) {
  if (writes(event.target) || event.altKey || event.ctrlKey || event.metaKey) return false;
  const inside = event.target.closest('[data-row]');
  if (event.key === 'Enter') return open(event);
  if (!inside) return false;
  if (event.key === 'ArrowDown') return move(1, event.shiftKey);
  return event.key === 'ArrowUp' && move(-1, event.shiftKey);
}

document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented) return;
  if (inList(event) || (meant(event) && act(event))) event.preventDefault();
});
