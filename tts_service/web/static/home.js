// The newcomer's page: the example questions. The chat itself is widget.js.
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

if (window.ttsWidget) window.ttsWidget.on("ready", enableExamples);
else document.addEventListener("tts-widget:ready", enableExamples, { once: true });
