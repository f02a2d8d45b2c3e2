// Choosing a voice: hear each one say the greeting, find one among many.

import { fieldsOf } from "./request.js";

/** What decides how something sounds, and with whose key. */
export const MANNER = [
  "ai_provider", "ai_base_url", "ai_api_key", "remove_key", "speech_engine", "speed", "language", "pronunciations",
  "retry_on_drift",
];
const FEW = 8; // voices that are seen at once

export function begin(form, player) {
  const group = form.querySelector("#voice");
  const says = group.querySelector(".says");
  for (const button of group.querySelectorAll("[data-voice]")) {
    player.attach(button, says, () => ({
      name: button.dataset.name,
      fields: { ...fieldsOf(form, [...MANNER, "greeting"]), voice: button.dataset.voice },
    }));
  }
  custom(form, player, says);
  filter(group);
}

/** The field for a voice that is in no list. */
function custom(form, player, says) {
  const other = form.querySelector("#voice_other");
  const button = form.querySelector("[data-voice-from]");
  const ask = () => ({
    name: other.value.trim() || "this voice",
    fields: { ...fieldsOf(form, [...MANNER, "greeting"]), voice: other.value },
  });
  const follow = () => {
    button.disabled = !other.value.trim();
    player.rename(button, ask().name);
  };
  player.attach(button, says, ask);
  other.addEventListener("input", follow);
  // A choice made after typing is meant.
  form.querySelector("#voice").addEventListener("change", (event) => {
    if (event.target.name !== "voice") return;
    other.value = "";
    follow();
  });
  follow();
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
      const words = [...row.querySelectorAll("b, .small")].map((part) => part.textContent).join(" ");
      const has = words.toLowerCase().split(/[\s,]+/);
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
