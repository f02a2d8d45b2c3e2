// Each line of the pronunciations that is complete, with a button that says it.

import { fieldsOf } from "./request.js";
import { MANNER } from "./voices.js";

const PAUSE_MS = 300;

export function begin(form, player) {
  const area = form.querySelector("#pronunciations");
  const box = form.querySelector("#phrases");
  const list = box.querySelector("ul");
  const says = box.querySelector(".says");
  const other = form.querySelector("#voice_other");

  const row = ({ phrase, said }) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const words = document.createElement("span");
    button.type = "button";
    button.className = "play";
    words.textContent = `${phrase} → ${said}`;
    item.append(button, words);
    player.attach(button, says, () => {
      const fields = { ...fieldsOf(form, [...MANNER, "voice"]), phrase, pronunciations: `${phrase} = ${said}` };
      if (other.value.trim()) fields.voice = other.value;
      return { name: phrase, fields };
    });
    return item;
  };

  let shown;
  const show = () => {
    const pairs = complete(area.value);
    const now = JSON.stringify(pairs);
    if (now === shown) return; // or a button that is playing would be replaced
    shown = now;
    says.textContent = "";
    list.replaceChildren(...pairs.map(row));
    box.hidden = pairs.length === 0;
  };

  let timer;
  area.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, PAUSE_MS);
  });
  show();
}

function complete(text) {
  const pairs = new Map();
  for (const line of text.split("\n")) {
    const [phrase, ...rest] = line.split("=");
    const said = rest.join("=").trim();
    if (phrase.trim() && said && !pairs.has(phrase.trim())) pairs.set(phrase.trim(), said);
  }
  return [...pairs].map(([phrase, said]) => ({ phrase, said }));
}
