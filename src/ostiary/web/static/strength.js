// Says, while a password is typed, whether it will be accepted and why not. The server decides; this only asks it.

const PAUSE = 400; // milliseconds without a key before asking
const REST = 30_000; // after being told to slow down
const WORDS = { weak: "Not accepted yet", good: "Good password", strong: "Strong password" };

function told(tag, text, kind) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

function watch(box) {
  const field = document.getElementById(box.dataset.strengthOf);
  const form = field.form;
  const bar = box.querySelector(".bar");
  const words = box.querySelector(".words");
  let timer;
  let asking;
  let quietUntil = 0;

  const clear = () => {
    bar.hidden = true;
    delete box.dataset.verdict;
    words.replaceChildren();
  };

  const show = ({ acceptable, score, reasons, warnings, suggestions }) => {
    const verdict = !acceptable ? "weak" : score >= 4 ? "strong" : "good";
    box.dataset.verdict = verdict;
    box.dataset.score = String(Math.max(1, Math.min(4, score)));
    bar.hidden = false;
    const list = document.createElement("ul");
    const lines = [...new Set([...(acceptable ? [] : reasons), ...warnings, ...suggestions])];
    list.append(...lines.map((line) => told("li", line)));
    words.replaceChildren(told("p", WORDS[verdict], "verdict"), ...(lines.length ? [list] : []));
  };

  const typed = (name) => form.elements.namedItem(name)?.value ?? "";

  const ask = async () => {
    asking = new AbortController();
    const { signal } = asking;
    try {
      const answer = await fetch(box.dataset.check, {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": typed("csrf_token") },
        body: JSON.stringify({
          password: field.value,
          username: typed("username"),
          email: typed("email") || box.dataset.email,
          full_name: typed("full_name") || box.dataset.fullName,
        }),
        signal,
      });
      if (answer.status === 429) quietUntil = Date.now() + REST;
      const verdict = answer.ok ? await answer.json() : null;
      if (signal.aborted) return;
      if (verdict) show(verdict);
      else clear(); // the form still works, and its answer says the same
    } catch {
      if (!signal.aborted) clear();
    }
  };

  const wait = () => {
    clearTimeout(timer);
    asking?.abort();
    if (!field.value) clear();
    else if (Date.now() >= quietUntil) timer = setTimeout(ask, PAUSE);
    else clear();
  };

  field.addEventListener("input", wait);
  for (const name of ["username", "email", "full_name"]) {
    form.elements.namedItem(name)?.addEventListener("change", () => field.value && wait());
  }
}

for (const box of document.querySelectorAll("[data-strength-of]")) watch(box);
