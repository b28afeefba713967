// Sends each form once: a second press before the answer comes is ignored, and said so on the button.

const PATIENCE = 15_000; // then the answer is lost, and trying again is right

function release(form) {
  delete form.dataset.sent;
  for (const button of form.querySelectorAll("button[aria-disabled]")) {
    button.removeAttribute("aria-disabled");
    if (button.dataset.words) button.textContent = button.dataset.words;
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (event.defaultPrevented) return;
  form.dataset.sent = "yes";
  const button = event.submitter;
  if (button) {
    // Not `disabled`: that would drop the focus and leave the button out of what is read aloud.
    button.setAttribute("aria-disabled", "true");
    if (button.dataset.busy) {
      button.dataset.words = button.textContent;
      button.textContent = button.dataset.busy;
    }
  }
  setTimeout(release, PATIENCE, form);
});

// The back button may show this very page again, as it was left.
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const form of document.forms) release(form);
});
