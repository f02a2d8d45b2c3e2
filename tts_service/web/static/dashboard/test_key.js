// "Test this key" without leaving the page, so that what was typed stays.

import { fieldsOf, post } from "./request.js";

const TRIED = ["ai_provider", "ai_base_url", "ai_model", "ai_api_key", "remove_key", "speech_engine"];
const SHOWN = 40;

export function begin(form) {
  const button = form.querySelector("#test-key");
  const box = form.querySelector("#trial");
  const models = form.querySelector("#models");

  const say = (verdict, lines) => {
    box.className = `trial ${verdict}`;
    box.replaceChildren(...lines.map((line) => paragraph(line)));
  };

  let testing = false; // a disabled button would lose the focus
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    if (testing) return;
    testing = true;
    say("waiting", ["Testing…"]);
    try {
      const trial = await (await post(form.dataset.testKey, fieldsOf(form, TRIED))).json();
      say(trial.verdict, trial.findings);
      models.replaceChildren(...trial.models.map((model) => new Option("", model)));
      if (trial.models.length) box.append(choice(form, trial.models));
    } catch (error) {
      say("bad", [error.message]);
    } finally {
      testing = false;
    }
  });
}

/** The listed models, each a button that takes it into the form. */
function choice(form, models) {
  const box = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = `${models.length} models are listed: take one`;
  box.append(summary, ...models.slice(0, SHOWN).map((model) => taker(form, model)));
  if (models.length > SHOWN) box.append(paragraph("The others are suggested while you type in Model."));
  return box;
}

function taker(form, model) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "slim";
  button.textContent = model;
  button.addEventListener("click", () => {
    form.elements.ai_model.value = model;
    form.elements.ai_model.focus();
  });
  return button;
}

function paragraph(words) {
  const line = document.createElement("p");
  line.textContent = words;
  return line;
}
