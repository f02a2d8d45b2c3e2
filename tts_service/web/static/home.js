// The newcomer's page: the example questions and the copy buttons. The chat itself is widget.js.
"use strict";

function enableExamples() {
  for (const button of document.querySelectorAll("[data-ask]")) {
    button.disabled = false;
    button.addEventListener("click", () => {
      window.ttsWidget.send(button.dataset.ask); // inside this click, so the browser lets the reply be heard
      showNext(button);
      document.getElementById("widget").scrollIntoView({ block: "nearest" }); // on a phone it stands below
    });
  }
}

/** A question that only makes sense after another takes its place. */
function showNext(button) {
  const { ask, then = ask } = button.dataset;
  Object.assign(button.dataset, { ask: then, then: ask });
  button.textContent = then;
}

function select(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    button.textContent = "Copied";
  } catch {
    select(source); // plain http on another machine has no clipboard: the text is ready for Ctrl+C
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

if (window.ttsWidget) window.ttsWidget.on("ready", enableExamples);
else document.addEventListener("tts-widget:ready", enableExamples, { once: true });

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
