// A button with data-copy="ID" copies the text of that element. Without a script it stays hidden.

/** On the button, and to a screen reader, which does not read a button again whose words have changed. */
function say(button, words) {
  button.textContent = words;
  button.nextElementSibling.textContent = words;
  setTimeout(() => {
    button.textContent = "Copy";
    button.nextElementSibling.textContent = "";
  }, 2000);
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText((source.value ?? source.textContent).trim());
    say(button, "Copied");
  } catch {
    // Plain http on another machine has no clipboard: then the text is ready for Ctrl+C.
    if (source.select) source.select();
    else getSelection().selectAllChildren(source);
    say(button, "Selected");
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const told = document.createElement("span");
  told.className = "unseen";
  told.setAttribute("role", "status");
  button.after(told);
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
