// Signs an act with the officer's passkey: <form data-sign="/acts/A1/options">.
//
// The console answers with one challenge for each statement of the act; the device signs them in that order, and the
// answers go along in hidden fields "assertion". A form with a passphrase filled in goes as it is.

import { available, explain, sign } from "../passkey.mjs";

const READY = new WeakSet();

async function challenges(form) {
  const response = await fetch(form.dataset.sign, {
    method: "POST",
    body: new FormData(form),
    headers: { Accept: "application/json" },
    credentials: "same-origin",
  });
  if (response.redirected || response.status === 401) throw Object.assign(new Error(), { name: "SignedOut" });
  if (!response.ok) throw new Error();
  return (await response.json()).options;
}

function tell(form, words) {
  const place = form.querySelector("[data-sign-error]");
  if (place) place.textContent = words;
}

async function submitted(event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.dataset.sign || READY.delete(form)) return;
  if (form.elements.passphrase?.value || !available()) return;
  event.preventDefault();
  if (form.getAttribute("aria-busy") === "true") return;
  form.setAttribute("aria-busy", "true");
  tell(form, document.getElementById("passkey-words")?.dataset.waiting ?? "");
  try {
    for (const old of form.querySelectorAll('input[name="assertion"]')) old.remove();
    for (const options of await challenges(form)) {
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = "assertion";
      field.value = await sign(options);
      form.append(field);
    }
    tell(form, "");
    READY.add(form);
    form.requestSubmit(event.submitter);
  } catch (error) {
    tell(form, explain(error));
    event.submitter?.focus();
  } finally {
    form.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", submitted, { capture: true });
