// The page's one player. A button plays and stops; pressing another stops the one before.

import { Refusal, post } from "./request.js";

const LABELS = {
  idle: (name) => `Play ${name}`,
  loading: (name) => `${name} is loading. Stop`,
  playing: (name) => `Stop ${name}`,
  failed: (name) => `Play ${name} again`,
};

export class Player {
  #url;
  #context;
  #now = null; // { button, says, name, abort, source }

  constructor(url) {
    this.#url = url;
  }

  /** `ask()` gives the fields to send and a name for people; `says` is the line beside the button. */
  attach(button, says, ask) {
    button.hidden = false;
    this.#show(button, "idle", ask().name);
    button.addEventListener("click", () => this.#press(button, says, ask()));
  }

  /** Of a button whose sound is another one now. */
  rename(button, name) {
    if (this.#now?.button === button) this.#stop();
    this.#show(button, "idle", name);
  }

  async #press(button, says, { name, fields }) {
    const again = this.#now?.button === button;
    this.#stop();
    if (again) return;
    // Made in the click itself: later, a browser would let it make no sound.
    this.#context ??= new AudioContext();
    this.#context.resume();
    const now = { button, says, name, abort: new AbortController(), source: null };
    this.#now = now;
    this.#tell(now, "loading", `${name}: loading…`);
    try {
      await this.#play(now, fields);
    } catch (error) {
      if (this.#now !== now) return;
      this.#now = null;
      this.#tell(now, "failed", `${name}: ${error instanceof Refusal ? error.message : "It cannot be played."}`);
    }
  }

  async #play(now, fields) {
    const answer = await post(this.#url, fields, now.abort.signal);
    const sound = await this.#context.decodeAudioData(await answer.arrayBuffer());
    if (this.#now !== now) return;
    now.source = new AudioBufferSourceNode(this.#context, { buffer: sound });
    now.source.connect(this.#context.destination);
    now.source.onended = () => {
      if (this.#now !== now) return;
      this.#now = null;
      this.#tell(now, "idle", `${now.name}: played.`);
    };
    now.source.start(0);
    this.#tell(now, "playing", `${now.name} speaks.`);
  }

  #stop() {
    const now = this.#now;
    this.#now = null;
    if (!now) return;
    now.abort.abort();
    now.source?.stop();
    this.#tell(now, "idle", `${now.name}: stopped.`);
  }

  #tell({ button, says, name }, state, words) {
    this.#show(button, state, name);
    says.textContent = words;
    says.classList.toggle("failed", state === "failed");
  }

  #show(button, state, name) {
    button.dataset.state = state;
    button.setAttribute("aria-label", LABELS[state](name));
    button.title = LABELS[state](name);
  }
}
