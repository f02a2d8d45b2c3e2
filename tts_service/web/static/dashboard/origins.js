// What each allowed origin means, or what is wrong with it, while it is typed.

import { post } from "./request.js";

const PAUSE_MS = 400;

export function begin(form) {
  const area = form.querySelector("#allowed_origins");
  const box = form.querySelector("#origin-lines");
  let timer, asking;

  const check = async () => {
    asking?.abort();
    asking = new AbortController();
    try {
      const answer = await post(form.dataset.checkOrigins, { allowed_origins: area.value }, asking.signal);
      show(box, await answer.json());
    } catch (error) {
      if (error.name !== "AbortError") box.replaceChildren(paragraph("warning", error.message));
    }
  };

  area.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE_MS);
  });
}

function show(box, { lines, warnings }) {
  const list = document.createElement("ul");
  list.className = "origin-lines";
  list.append(...lines.map(item));
  box.replaceChildren(...(lines.length ? [list] : []), ...warnings.map((one) => paragraph("warning", one)));
}

function item(line) {
  const row = document.createElement("li");
  row.className = line.mistake ? "wrong" : "fits";
  row.textContent = line.mistake ? `Line ${line.number}: ${line.mistake}.` : `Line ${line.number}: ${fit(line)}`;
  if (line.meant) {
    const meant = document.createElement("code");
    meant.textContent = line.meant;
    row.append(" Did you mean ", meant, "?");
  }
  return row;
}

function fit({ typed, kept }) {
  if (kept === "*") return "every website.";
  return typed === kept ? `pages of ${kept}` : `kept as ${kept}`;
}

function paragraph(kind, words) {
  const line = document.createElement("p");
  line.className = kind;
  line.textContent = words;
  return line;
}
