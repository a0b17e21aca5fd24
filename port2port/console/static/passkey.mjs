// Passkeys in the browser: sign in, enrol, and confirm one act (step-up).
//
// <form data-passkey="sign-in" data-options="/sign-in/passkey/options">   asks the device who it is
// <form data-passkey="enrol" data-options="/enrol/options">               makes a passkey
// <form data-stepup="/desk/7/confirm">   posts its fields to that address, which answers with the options of a
//                                        step-up ({} where none is needed); works with hx-post too
//
// Each ends with the browser's answer in the hidden field "assertion" and the form sent. Words for a person stand in
// the attributes of #passkey-words, in his language; what went wrong is shown in the form's own [data-passkey-error].

const WAITING = new WeakSet();
const READY = new WeakSet();

export function available() {
  return typeof PublicKeyCredential === "function" && typeof PublicKeyCredential.parseRequestOptionsFromJSON === "function";
}

// The answer of the person's passkey over exactly the challenge of these options, as JSON text.
export async function sign(options) {
  if (!available()) throw new DOMException("", "NotSupportedError");
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  return JSON.stringify(credential.toJSON());
}

export async function make(options) {
  if (!available()) throw new DOMException("", "NotSupportedError");
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey });
  return JSON.stringify(credential.toJSON());
}

// Words about a failure. Browsers do not say whether a person declined or waited too long.
export function explain(error, words = document.getElementById("passkey-words")?.dataset ?? {}) {
  const kinds = {
    NotAllowedError: words.declined,
    AbortError: words.declined,
    InvalidStateError: words.known,
    SecurityError: words.address,
    NotSupportedError: words.unsupported,
    SignedOut: words.signedOut,
    Gone: words.gone,
    Again: words.again,
    Wait: words.wait,
    TypeError: words.offline,
  };
  return kinds[error.name] || words.failed || error.message;
}

class Told extends Error {
  constructor(name) {
    super(name);
    this.name = name;
  }
}

async function ask(address, form, submitter) {
  const response = await fetch(address, {
    method: "POST",
    body: new FormData(form, submitter),
    headers: { Accept: "application/json" },
    credentials: "same-origin",
  });
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  if (response.redirected || response.status === 401) throw new Told("SignedOut");
  const value = isJson ? await response.json() : {};
  if (value.gone) throw new Told("Gone");
  if (value.again) throw new Told("Again");
  if (value.wait) throw new Told("Wait");
  if (!response.ok || !isJson) throw new Told("Failed");
  return value;
}

function put(form, name, value) {
  let field = form.querySelector(`input[type="hidden"][name="${name}"]`);
  if (!field) {
    field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    form.append(field);
  }
  field.value = value;
}

function tell(form, words) {
  let place = form.querySelector("[data-passkey-error]");
  if (!place) {
    place = document.createElement("p");
    place.dataset.passkeyError = "";
    place.className = "error";
    place.setAttribute("role", "alert");
    form.append(place);
  }
  place.textContent = words;
}

async function answer(form, submitter) {
  if (form.dataset.stepup) {
    const options = await ask(form.dataset.stepup, form, submitter);
    put(form, "assertion", options.challenge ? await sign(options) : "");
    return;
  }
  const given = await ask(form.dataset.options, form, submitter);
  const options = JSON.parse(given.options);
  put(form, "ticket", given.ticket);
  put(form, "assertion", form.dataset.passkey === "enrol" ? await make(options) : await sign(options));
}

async function submitted(event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !(form.dataset.stepup || form.dataset.passkey)) return;
  if (READY.delete(form)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (WAITING.has(form)) return;
  const submitter = event.submitter;
  WAITING.add(form);
  form.setAttribute("aria-busy", "true");
  tell(form, document.getElementById("passkey-words")?.dataset.waiting ?? "");
  try {
    await answer(form, submitter);
    tell(form, "");
    READY.add(form);
    form.requestSubmit(submitter);
  } catch (error) {
    tell(form, explain(error));
    (submitter ?? form).focus?.();
  } finally {
    WAITING.delete(form);
    form.removeAttribute("aria-busy");
  }
}

function fromFragment() {
  const fields = document.querySelectorAll("input[data-from-fragment]");
  const secret = location.hash.slice(1);
  if (!fields.length || !secret) return;
  for (const field of fields) field.value = secret;
  history.replaceState(null, "", location.pathname + location.search);
}

function start() {
  document.addEventListener("submit", submitted, { capture: true });
  fromFragment();
  for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => window.print());
  for (const form of document.querySelectorAll("form[data-submit-now]")) form.requestSubmit();
  for (const part of document.querySelectorAll("[data-needs-passkey]")) part.hidden = !available();
}

start();
