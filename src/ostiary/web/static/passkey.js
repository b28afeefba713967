// Passkeys: makes one, signs in with one, shows one beside a password, and tells the browser which are still good
// (WebAuthn Level 3).

const FRESH = 4 * 60_000; // a challenge is good for five minutes: before it runs out, the field gets a new one

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

async function send(path, body) {
  const headers = { "X-CSRF-Token": document.querySelector("input[name=csrf_token]").value };
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method: "POST", headers, body: body && JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.detail ?? told.title), { problem: told });
  return told;
}

const inWords = (failure, otherwise) => (failure.problem ? failure.message : otherwise);

// --- Signing in

async function begin(api) {
  const { publicKey } = await send(`${api}/passkeys/sign-in/begin`);
  return { ...publicKey, challenge: bytes(publicKey.challenge) };
}

function written({ rawId, type, response }) {
  return {
    rawId: text(rawId),
    type,
    response: {
      clientDataJSON: text(response.clientDataJSON),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
      userHandle: text(response.userHandle ?? new ArrayBuffer(0)),
    },
  };
}

async function finish(place, credential) {
  const shown = written(credential);
  try {
    const { user } = await send(`${place.dataset.api}/passkeys/sign-in/finish`, { credential: shown });
    rename(shown.response.userHandle, user.username, user.full_name);
  } catch (failure) {
    if (failure.problem?.unknown_credential) await forget(shown.rawId);
    throw failure;
  }
  location.assign(place.dataset.next);
}

function rename(userId, name, fullName) {
  // The names by which it lists the passkey may be those of years ago. Nobody waits for it.
  const details = { rpId: location.hostname, userId, name, displayName: fullName || name };
  PublicKeyCredential.signalCurrentUserDetails?.(details).catch(() => {});
}

async function forget(credentialId) {
  // It was removed here: the browser need not offer it any more.
  await PublicKeyCredential.signalUnknownCredential?.({ rpId: location.hostname, credentialId }).catch(() => {});
}

function offer(place) {
  const button = place.querySelector("[data-part=ask]");
  const status = place.querySelector("[data-part=status]");
  const say = (words) => {
    status.hidden = false; // empty, it would be one more region of the page that has nothing to say
    status.textContent = words;
  };
  let waiting = null; // the offer in the field for the name; a browser has one request at a time
  let renewal = 0;

  const wait = async () => {
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    waiting = new AbortController();
    const { signal } = waiting;
    renewal = setTimeout(again, FRESH);
    try {
      const publicKey = await begin(place.dataset.api);
      if (signal.aborted) return;
      await finish(place, await navigator.credentials.get({ publicKey, mediation: "conditional", signal }));
    } catch (failure) {
      if (!signal.aborted && failure.problem) say(failure.message);
    }
  };
  const stop = () => {
    clearTimeout(renewal);
    waiting?.abort();
    waiting = null;
  };
  const again = () => {
    stop();
    wait();
  };

  button.addEventListener("click", async () => {
    stop();
    say("Your browser asks for your passkey.");
    try {
      const publicKey = await begin(place.dataset.api);
      await finish(place, await navigator.credentials.get({ publicKey }));
    } catch (failure) {
      say(inWords(failure, "No passkey was shown. You can try again, or sign in with your password."));
      wait();
    }
  });

  // A page from the back button, or from a sleep, holds a challenge that is long over.
  addEventListener("pageshow", (event) => event.persisted && again());
  document.querySelector("[data-part=no-passkey]").hidden = true;
  place.hidden = false;
  wait();
}

// --- Beside a password, or in a session: the form takes the answer along, so that what follows is a page like any other

async function shown({ dataset: { begin: path, ticket } }) {
  const { publicKey } = await send(path, ticket && { ticket });
  const options = {
    ...publicKey,
    challenge: bytes(publicKey.challenge),
    allowCredentials: publicKey.allowCredentials.map((held) => ({ ...held, id: bytes(held.id) })),
  };
  return written(await navigator.credentials.get({ publicKey: options }));
}

function show(place) {
  const form = place.closest("form");
  const status = place.querySelector("[data-part=status]");
  let working = false;

  place.querySelector("[data-part=ask]").addEventListener("click", async () => {
    if (working) return;
    working = true;
    status.textContent = "Your browser asks for your passkey.";
    try {
      form.elements.namedItem("credential").value = JSON.stringify(await shown(place));
      form.requestSubmit();
    } catch (failure) {
      status.textContent = inWords(failure, "No passkey was shown. You can try again.");
    } finally {
      working = false;
    }
  });
  form.querySelector("[data-part=no-passkey]").hidden = true;
  place.hidden = false;
}

// --- Adding

async function make(api, name) {
  const { publicKey } = await send(`${api}/passkeys/register/begin`);
  const options = {
    ...publicKey,
    challenge: bytes(publicKey.challenge),
    user: { ...publicKey.user, id: bytes(publicKey.user.id) },
    excludeCredentials: publicKey.excludeCredentials.map((held) => ({ ...held, id: bytes(held.id) })),
  };
  const made = await navigator.credentials.create({ publicKey: options });
  const credential = {
    rawId: text(made.rawId),
    type: made.type,
    response: {
      clientDataJSON: text(made.response.clientDataJSON),
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports?.() ?? [],
    },
  };
  await send(`${api}/passkeys/register/finish`, { credential, name });
}

function prepare(place) {
  const form = place.querySelector("form");
  const status = place.querySelector("[data-part=status]");
  const part = (name) => document.querySelector(`[data-part=${name}]`);
  let working = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (working) return;
    working = true;
    status.textContent = "Your browser asks where the passkey shall live.";
    try {
      await make(place.dataset.api, form.elements.namedItem("passkey_name").value);
      location.reload();
    } catch (failure) {
      const held = failure.name === "InvalidStateError";
      const otherwise = held ? "This device holds a passkey of yours already." : "No passkey was made.";
      status.textContent = inWords(failure, otherwise);
      part("again").hidden = failure.problem?.max_age === undefined;
    } finally {
      working = false;
    }
  });
  part("without").hidden = true;
  place.hidden = false;
}

// --- Keeping

function tell({ dataset: { rpId, handle, accepted } }) {
  if (!handle) return;
  const allAcceptedCredentialIds = accepted ? accepted.split(" ") : [];
  PublicKeyCredential.signalAllAcceptedCredentials?.({ rpId, userId: handle, allAcceptedCredentialIds }).catch(() => {});
}

if (globalThis.PublicKeyCredential && navigator.credentials) {
  const acts = { "sign-in": offer, show, add: prepare, accepted: tell };
  for (const place of document.querySelectorAll("[data-passkey]")) acts[place.dataset.passkey](place);
}
