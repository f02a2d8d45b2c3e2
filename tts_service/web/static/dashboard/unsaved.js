// What was typed is not saved yet: the browser asks before it leaves the page, or switches the client off.

export function begin(form) {
  let changed = false;
  form.addEventListener("input", (event) => (changed ||= Boolean(event.target.name))); // not the filter of the voices
  form.addEventListener("submit", () => (changed = false));
  addEventListener("beforeunload", (event) => changed && event.preventDefault());
}
