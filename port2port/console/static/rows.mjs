// The rows of a triage list: which one is current, which are selected. Rows carry data-row="<id>"; the box in a row
// selects it; [data-bulk] appears with a selection, and [data-bulk-count] inside says how many.

let currentId = null;
let anchor = null;

export const rows = () => [...document.querySelectorAll('[data-row]')];
export const current = () => rows().find((row) => row.getAttribute('aria-current') === 'true') ?? null;

export function move(step, select = false) {
  const all = rows();
  if (!all.length) return false;
  const at = all.indexOf(current());
  const to = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))];
  if (select) selectBetween(anchor && all.includes(anchor) ? anchor : (anchor = all[Math.max(at, 0)]), to);
  else anchor = to;
  mark(to);
  focusOn(to);
  return true;
}

export function toggle() {
  const box = current()?.querySelector('input[type="checkbox"]');
  if (!box) return false;
  box.checked = !box.checked;
  box.dispatchEvent(new Event('change', {bubbles: true}));
  return true;
}

function selectBetween(from, to) {
  const all = rows();
  const [first, last] = [all.indexOf(from), all.indexOf(to)].sort((one, other) => one - other);
  for (const row of all.slice(first, last + 1)) {
    const box = row.querySelector('input[type="checkbox"]');
    if (box) box.checked = true;
  }
  count();
}

function mark(row) {
  for (const each of rows()) each.removeAttribute('aria-current');
  row.setAttribute('aria-current', 'true');
  currentId = row.dataset.row;
}

function focusOn(row) {
  const target = row.querySelector('a[href], button') ?? row;
  if (target === row) row.tabIndex = -1;
  target.focus();
  row.scrollIntoView({block: 'nearest'});
}

function count() {
  const selected = document.querySelectorAll('[data-row] input[type="checkbox"]:checked').length;
  for (const bar of document.querySelectorAll('[data-bulk]')) {
    bar.hidden = !selected;
    for (const place of bar.querySelectorAll('[data-bulk-count]')) place.textContent = String(selected);
  }
}

// After a list was replaced: the same row stays current, or the one that took its place.
let place = 0;
function before() { place = rows().indexOf(current()); }
function after() {
  const all = rows();
  const row = all.find((each) => each.dataset.row === currentId) ?? (currentId === null ? null : all[Math.min(Math.max(place, 0), all.length - 1)]);
  if (row) {
    mark(row);
    if (document.activeElement === document.body) focusOn(row);
  }
  count();
}

document.addEventListener('change', count);
document.addEventListener('focusin', (event) => {
  const row = event.target.closest?.('[data-row]');
  if (row && row !== current()) mark(row);
});
document.addEventListener('htmx:before:swap', before);
document.addEventListener('htmx:after:swap', after);
count();
