// Lets a person see the password being typed, and hides it again before it is sent.

for (const button of document.querySelectorAll("button[data-reveal]")) {
  const field = document.getElementById(button.dataset.reveal);
  const name = button.getAttribute("aria-label").replace(/^\S+ /, "");

  const show = (seen) => {
    field.type = seen ? "text" : "password";
    const word = seen ? button.dataset.hide : button.dataset.show;
    button.textContent = word;
    button.setAttribute("aria-label", `${word} ${name}`);
  };

  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false)); // or the browser may keep it as ordinary text
  button.hidden = false;
}
