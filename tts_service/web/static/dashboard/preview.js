// The widget on its client's own page. It is loaded when asked for, and again after a save if it was open.

const place = document.getElementById("preview-place");
const button = document.getElementById("preview-open");
const told = document.getElementById("preview-told");
const wasOpen = `preview-open:${place?.dataset.client}`;

function open() {
  const script = document.createElement("script");
  const { client, preview, widget } = place.dataset;
  Object.assign(script.dataset, { client, preview, mount: "#preview-place" });
  script.src = widget;
  script.onerror = () => (told.textContent = "The widget could not be loaded. Load the page again.");
  button.hidden = true;
  place.hidden = false;
  document.body.append(script);
}

function watch(form) {
  form.addEventListener("input", () => {
    if (!place.hidden) told.textContent = "Save first to hear your changes.";
  });
  form.addEventListener("submit", () => {
    if (!place.hidden) sessionStorage.setItem(wasOpen, "yes");
  });
}

if (place) {
  button.hidden = false;
  button.addEventListener("click", () => {
    open();
    place.focus(); // the button that had the focus is gone
  });
  watch(document.querySelector("form#settings"));
  if (sessionStorage.getItem(wasOpen)) open();
  sessionStorage.removeItem(wasOpen);
}
