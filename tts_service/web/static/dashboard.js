// The dashboard works without this. Here is what only a script can do: copying.
"use strict";

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  source.select(); // plain http on another machine has no clipboard: then the text is ready for Ctrl+C
  try {
    await navigator.clipboard.writeText(source.value.trim());
    button.textContent = "Copied";
  } catch {
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
