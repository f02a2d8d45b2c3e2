// Choosing a voice: hear each one say the greeting, find one among many.

import { fieldsOf } from "./request.js";

/** What decides how something sounds, and with whose key. */
export const MANNER = [
  "ai_provider", "ai_base_url", "ai_api_key", "speech_engine", "speed", "language", "pronunciations", "retry_on_drift",
];
const FEW = 8; // voices that are seen at once

export function begin(form, player) {
  const group = form.querySelector("#voice");
  const says = group.querySelector(".says");
  const other = form.querySelector("#voice_other");
  for (const button of group.querySelectorAll("[data-voice]")) {
    player.attach(button, says, () => ({
      name: button.dataset.name,
      fields: { ...fieldsOf(form, [...MANNER, "greeting"]), voice: button.dataset.voice },
    }));
  }
  const hearOther = form.querySelector("[data-voice-from]");
  player.attach(hearOther, says, () => ({
    name: other.value.trim() || "this voice",
    fields: { ...fieldsOf(form, [...MANNER, "greeting"]), voice: other.value },
  }));
  hearOther.disabled = !other.value.trim();
  other.addEventListener("input", () => (hearOther.disabled = !other.value.trim()));
  // A choice made after typing is meant.
  group.addEventListener("change", (event) => {
    if (event.target.name !== "voice") return;
    other.value = "";
    hearOther.disabled = true;
  });
  filter(group);
}

function filter(group) {
  const rows = [...group.querySelectorAll(".voice")];
  const list = group.querySelector(".voices");
  const chosen = group.querySelector("input:checked")?.closest(".voice");
  // Only the list: scrollIntoView would move the whole page.
  if (chosen) list.scrollTop = chosen.offsetTop - list.offsetTop - list.clientHeight / 2;
  if (rows.length <= FEW) return;
  const words = group.querySelector("#voice-words");
  group.querySelector("#voice-filter").hidden = false;
  words.addEventListener("input", () => {
    const wanted = words.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
    const fits = (row) => {
      const has = row.querySelector("label").textContent.toLowerCase().split(/[\s,]+/);
      return wanted.every((word) => has.some((one) => one.startsWith(word)));
    };
    for (const row of rows) row.hidden = !fits(row);
    const left = rows.filter((row) => !row.hidden).length;
    group.querySelector(".says").textContent = wanted.length ? `${left} of ${rows.length} voices.` : "";
  });
  words.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault(); // it would save the form
  });
}
