// Prints the page by a button; without scripts there is the browser's own menu.

for (const button of document.querySelectorAll("button[data-print]")) {
  button.addEventListener("click", () => print());
  button.hidden = false;
}
