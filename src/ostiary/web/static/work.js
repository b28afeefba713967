// Lets the browser show, by work, that it is no machine trying many: an ALTCHA challenge (proof-of-work version 2).
// PBKDF2 of WebCrypto runs beside the page by itself, so it needs no worker, and the policy no exception for one.

const LANES = 4; // tries under way at once
const PATIENCE = 5_000; // milliseconds before it is said again that work goes on
const SPARE = 10_000; // milliseconds before its end from which on a challenge is not begun

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));

async function derived({ cost, keyLength, nonce, salt }, counter) {
  const password = new Uint8Array([...unhex(nonce), 0, 0, 0, 0]);
  new DataView(password.buffer).setUint32(password.length - 4, counter);
  const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt: unhex(salt), iterations: cost };
  return hex(new Uint8Array(await crypto.subtle.deriveBits(how, key, 8 * keyLength)));
}

async function solve({ parameters }, tell) {
  const { tries } = parameters.data;
  let next = 0;
  let found = null;
  const lane = async () => {
    while (!found && next < tries) {
      const counter = next++;
      const derivedKey = await derived(parameters, counter);
      if (derivedKey.startsWith(parameters.keyPrefix)) found = { counter, derivedKey };
      tell(next / tries);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return found;
}

function prepare(form) {
  const part = (name) => document.querySelector(`[data-part="${name}"]`);
  const [without, ready, status, bar] = ["without", "with", "status", "bar"].map(part);
  const [login, password, field] = ["login", "password", "challenge"].map((name) => form.elements.namedItem(name));
  const challenge = JSON.parse(form.dataset.work);
  const opened = performance.now();
  let working = false;

  without.hidden = true;
  ready.hidden = false;

  const isWorthIt = () =>
    !field.value &&
    password.value &&
    login.value === login.defaultValue && // the work is for this name alone
    performance.now() - opened < form.dataset.lifetime * 1000 - SPARE; // else the next page brings a new one

  const work = async (button) => {
    working = true;
    button?.setAttribute("aria-disabled", "true"); // not `disabled`: that would drop the focus
    bar.hidden = false;
    status.textContent = "Your browser is working. This takes a moment.";
    const again = setInterval(() => (status.textContent = `Still working: ${Math.round(bar.value * 100)} %.`), PATIENCE);
    try {
      const started = performance.now();
      const solution = await solve(challenge, (share) => (bar.value = share));
      if (!solution) throw new Error("no solution");
      solution.time = Math.round(performance.now() - started);
      field.value = btoa(JSON.stringify({ challenge, solution }));
      status.textContent = "Done. Signing you in.";
      working = false; // the next line sends, and comes by here once more
      form.requestSubmit(button);
    } catch {
      bar.hidden = true;
      status.textContent = "This browser could not do the work.";
      ready.hidden = true;
      without.hidden = false;
      button?.removeAttribute("aria-disabled");
    } finally {
      clearInterval(again);
      working = false;
    }
  };

  form.addEventListener("submit", (event) => {
    if (working) event.preventDefault();
    else if (isWorthIt()) {
      event.preventDefault();
      work(event.submitter);
    }
  });

  // The back button may show this very page again: what was spent is worth nothing twice.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    field.value = status.textContent = "";
    bar.hidden = true;
  });
}

if (globalThis.crypto?.subtle) for (const form of document.querySelectorAll("form[data-work]")) prepare(form);
