/*
 * tts-service widget: a chat panel whose replies are spoken. One file, no dependencies, shipped as it is:
 * 49 kB, 16.5 kB gzipped, and a test holds it to that.
 *
 *   <script async src="https://HOST/widget.js" data-client="CLIENT_ID"></script>
 *
 * Attributes of the script tag
 *   data-client    the client_id (required)
 *   data-mount     a CSS selector: the panel fills that element, without a launcher; give it a height
 *   data-theme     "light" or "dark"; otherwise the visitor's system decides
 *   data-autoplay  "off": a reply is spoken only when its Play button is pressed
 *   data-strings   a JSON object that replaces any of the STRINGS below
 *   data-preview   for the dashboard
 *
 * window.ttsWidget
 *   open()  close()  send(text)  stop()  destroy()
 *   on(name, listener)  calls listener(detail); returns a function that ends it
 * Events; each is also a CustomEvent "tts-widget:NAME" that bubbles to `document`
 *   ready          {}
 *   message        {role: "visitor" | "assistant", text}
 *   audio-start    {source: "service" | "browser"}, with duration_s where the whole reply has come
 *   audio-end      {source, completed}
 *   audio-blocked  {}   the browser wants a tap first; the reply shows "Tap to hear"
 *   fallback       {reason}   the browser's own voice takes over
 *   error          {code, message, status, request_id, retry_after_s}
 *
 * Looks: --tts-accent, --tts-on-accent, --tts-font; tts-widget::part(launcher | panel | message).
 * A strict CSP needs script-src and connect-src for HOST, no more.
 * Kept in the browser: the conversation's id (this tab) and whether the voice is muted. Never the text.
 *
 * A reply is asked for as text/event-stream, and is written and spoken while it comes; a service that answers
 * with JSON serves as well. When the panel is first opened, the client's own greeting is asked for, and spoken
 * if it has a voice; a panel in the page (data-mount) shows it at once, and speaks it only by its Play button.
 */
(() => {
  "use strict";

  const STRINGS = {
    lang: "en",
    title: "Ask us",
    launcher: "Open chat",
    close: "Close chat",
    greeting: "Hello! What would you like to know?",
    placeholder: "Type your question",
    send: "Send",
    cancel: "Stop waiting",
    thinking: "Thinking…",
    renew: "New conversation",
    mute: "Mute the voice",
    visitor: "You",
    assistant: "Assistant",
    play: "Play",
    stop: "Stop",
    tapToHear: "Tap to hear",
    browserVoice: "Read by your browser's own voice",
    noVoice: "The voice is not available now",
    truncated: "The voice ends before the text does",
    muteSwitch: "No sound? Check your phone's mute switch",
    retry: "Try again",
    retryAfter: "You can try again {when}.",
    edit: "Edit message",
    requestId: "Request id",
    copy: "Copy",
    copied: "Copied",
    stopped: "Stopped before the answer came.",
    stoppedHere: "Stopped here",
    broke_off: "The answer broke off here. Please try again.",
    timeout: "The answer took too long. Please try again.",
    offline: "You seem to be offline. Your message is kept: try again when you are back.",
    unreachable: "The chat cannot be reached at the moment. Please try again.",
    bad_answer: "The chat sent an answer that cannot be read. Please try again.",
  };
  const SILENCE_MS = 60_000; // the service's own budgets add up to 55 s
  const HUSHED_MS = 1_500; // a model that writes is seldom silent for so long
  const GREETING_MS = 3_000; // then the built-in greeting stands in
  const PIECE_CHARS = 190; // Chrome's network voices fall silent after about 15 s of one utterance
  const ICONS = {
    chat: "M4 4h16a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1H9l-5 4v-4a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1Z",
    close: "M6 6l12 12M18 6 6 18",
    renew: "M12 5v14M5 12h14",
    send: "M12 19V5M6 11l6-6 6 6",
    stop: "M7 7h10v10H7Z",
    play: "M8 5v14l11-7Z",
    voice: "M4 9v6h4l5 4V5L8 9ZM16.5 8.5a5 5 0 0 1 0 7",
    muted: "M4 9v6h4l5 4V5L8 9ZM17 9.5l5 5M22 9.5l-5 5",
  };

  const script = document.currentScript ?? document.querySelector("script[data-client][src*='widget.js']");
  const options = script.dataset;
  const origin = (path) => new URL(path, script.src).href;
  const strings = { ...STRINGS, ...parsedStrings(options.strings) };

  function parsedStrings(json) {
    try {
      return JSON.parse(json ?? "{}");
    } catch {
      console.error("[tts-widget] data-strings is not valid JSON; the English strings are used.");
      return {};
    }
  }

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  // ---- Elements. Every text becomes a text node: this file has no innerHTML. ----

  function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") node.addEventListener(name, value);
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    return svg;
  }

  function iconButton(name, label, click, attributes = {}) {
    const shown = { type: "button", class: "icon", "aria-label": label, title: label, click, ...attributes };
    return el("button", shown, icon(name));
  }

  // ---- Markdown. The reply was written by a model, so it is untrusted: a small subset, no images. ----

  // The bounds keep hostile text from costing more than its length times a constant.
  const INLINE = new RegExp(
    [
      "`(?<code>[^`\\n]{1,500})`",
      "(?<image>!?)\\[(?<label>[^\\]\\n]{0,500})\\]\\((?<href>[^)\\s]{1,2000})(?:\\s\"[^\"\\n]{0,200}\")?\\)",
      "(?<strongMark>\\*\\*|__)(?=\\S)(?<strong>.{1,500}?)\\k<strongMark>(?!\\*)",
      "(?<![\\w*])\\*(?=\\S)(?<em>[^*\\n]{1,500})\\*",
      "(?<!\\w)_(?=\\S)(?<em2>[^_\\n]{1,500})_(?!\\w)",
      "(?<url>https?://[^\\s<>\"'`()[\\]]{0,2000}[^\\s<>\"'`()[\\].,;:!?*])",
    ].join("|"),
    "g",
  );
  const FENCE = /^\s*(?:```|~~~)/;
  const ITEM = /^\s*(?:[-*+•]|(\d{1,9})[.)])\s+(.*)$/;
  const HEADING = /^ {0,3}#{1,6}\s+(.*)$/;
  const RULE_OR_BLANK = /^\s*$|^\s*(?:[-*_]\s*){3,}$/;

  function renderMarkdown(text) {
    const out = document.createDocumentFragment();
    const lines = text.split(/\r\n?|\n/);
    let block = null; // the paragraph or list that the next line may continue
    for (let at = 0; at < lines.length; at++) {
      const [line, item, heading] = [lines[at], ITEM.exec(lines[at]), HEADING.exec(lines[at])];
      if (FENCE.test(line)) {
        const start = at + 1;
        while (++at < lines.length && !FENCE.test(lines[at]));
        out.append(el("pre", { tabindex: "0" }, el("code", {}, lines.slice(start, at).join("\n"))));
        block = null;
      } else if (RULE_OR_BLANK.test(line)) block = null;
      else if (heading) {
        out.append(el("p", {}, renderInline(heading[1], el("strong"))));
        block = null;
      } else if (item) block = appendItem(out, block, item);
      else block = appendLine(out, block, line);
    }
    return out;
  }

  function appendItem(out, block, [, number, text]) {
    const list = number ? "OL" : "UL";
    const same = block?.tagName === list ? block : out.appendChild(el(list, number ? { start: number } : {}));
    same.append(renderInline(text, el("li")));
    return same;
  }

  function appendLine(out, block, line) {
    const item = block && block.tagName !== "P" && /^\s/.test(line) ? block.lastChild : null;
    const into = item ?? (block?.tagName === "P" ? block : out.appendChild(el("p")));
    if (into.hasChildNodes()) into.append(el("br"));
    renderInline(line.trim(), into);
    return item ? block : into;
  }

  function renderInline(text, into, depth = 0) {
    let done = 0;
    for (const match of text.matchAll(INLINE)) {
      into.append(text.slice(done, match.index), inlineNode(match, depth));
      done = match.index + match[0].length;
    }
    into.append(text.slice(done));
    return into;
  }

  function inlineNode({ 0: whole, groups }, depth) {
    const { code, image, label, href, strong, em, em2, url } = groups;
    if (code !== undefined) return el("code", {}, code);
    if (image) return label; // an image would tell its host that the reply was read
    if (href ?? url) return link(href ?? url, label || href || url, whole);
    if (depth > 3) return whole;
    return renderInline(strong ?? em ?? em2, el(strong ? "strong" : "em"), depth + 1);
  }

  function link(address, label, whole) {
    const url = URL.canParse(address) ? new URL(address) : null;
    if (!/^https?:$/.test(url?.protocol) || url.username || url.password) return whole;
    const rel = "noopener nofollow noreferrer";
    return el("a", { href: url.href, target: "_blank", rel, title: url.href }, label);
  }

  const OPEN_LINK = /!?\[[^\]]*(?:\]?$|\]\([^)]*$)/;
  const OPEN_MARK = /(?<!\w)[*_]{1,3}(?=\S|$)|`/;
  const BARE_MARK = /^\s*(?:[-+*•#~=>]+|\d{1,9}[.)]?)\s*$/; // of a list or heading that has no words yet

  /** What can be shown of a text that is still being written: a mark waits until it has found its end. */
  function settled(text) {
    const from = Math.max(text.lastIndexOf("\n") + 1, text.length - 300); // further back, it was no mark
    const line = text.slice(from).replace(OPEN_LINK, "");
    let closed = 0;
    for (const match of line.matchAll(INLINE)) closed = match.index + match[0].length;
    const open = line.slice(closed).search(OPEN_MARK);
    return text.slice(0, from) + (open < 0 ? line : line.slice(0, closed + open)).replace(BARE_MARK, "");
  }

  // ---- Words for the browser's own voice. ----

  /** What a voice should say of a rendered reply: no code blocks, no addresses, no marks, no emoji. */
  function spokenWords(body) {
    const copy = body.cloneNode(true);
    for (const end of copy.querySelectorAll("br")) end.replaceWith("\n");
    for (const a of copy.querySelectorAll("a")) if (/^https?:/.test(a.textContent)) a.textContent = a.hostname;
    return [...copy.querySelectorAll("p, li")] // a code block is neither
      .map((block) => block.textContent.replace(/[*_#`~|<>\p{Extended_Pictographic}\u200d\ufe0f]/gu, "").trim())
      .filter(Boolean)
      .map((words) => (/[\p{P}]$/u.test(words) ? words : `${words}.`)) // an item or heading ends with a pause
      .join("\n");
  }

  /** Whole sentences joined up to PIECE_CHARS; a longer sentence is cut at its last comma or space. */
  function speechPieces(text) {
    const sentences = [...new Intl.Segmenter(undefined, { granularity: "sentence" }).segment(text)];
    const cut = new RegExp(`[^]{1,${PIECE_CHARS}}(?=[\\s,;:、，]|$)|[^]{1,${PIECE_CHARS}}`, "gu");
    const pieces = [""];
    for (const part of sentences.flatMap(({ segment }) => segment.match(cut))) {
      if (pieces.at(-1).length + part.length > PIECE_CHARS) pieces.push("");
      pieces[pieces.length - 1] += part;
    }
    return pieces.map((piece) => piece.trim()).filter(Boolean);
  }

  const SCRIPTS = {
    Jpan: ["ja", /[\p{sc=Hiragana}\p{sc=Katakana}]/gu], Kore: ["ko", /\p{sc=Hangul}/gu],
    Hani: ["zh", /\p{sc=Han}/gu], Cyrl: ["ru", /\p{sc=Cyrillic}/gu], Arab: ["ar", /\p{sc=Arabic}/gu],
    Hebr: ["he", /\p{sc=Hebrew}/gu], Grek: ["el", /\p{sc=Greek}/gu], Deva: ["hi", /\p{sc=Devanagari}/gu],
    Thai: ["th", /\p{sc=Thai}/gu],
  };

  /** The first language of the page and of the browser that is written in the text's script. */
  function languageOf(text) {
    const uses = (letters) => (text.match(letters)?.length ?? 0) > text.length / 5;
    const script = Object.keys(SCRIPTS).find((name) => uses(SCRIPTS[name][1])) ?? "Latn";
    const known = [document.documentElement.lang, ...navigator.languages];
    return known.find((tag) => scriptOf(tag) === script) ?? SCRIPTS[script]?.[0] ?? "en";
  }

  function scriptOf(tag) {
    try {
      return new Intl.Locale(tag).maximize().script.replace(/^Han[st]$/, "Hani");
    } catch {
      return null; // lang="" or lang="en_US": no language tag
    }
  }

  function pickVoice(voices, language) {
    const base = (tag) => tag.toLowerCase().split(/[-_]/)[0];
    const rank = (voice) => 4 * voice.localService + 2 * (voice.lang === language) + voice.default;
    const fitting = voices.filter((voice) => base(voice.lang) === base(language));
    return fitting.sort((a, b) => rank(b) - rank(a))[0] ?? null;
  }

  /** Some browsers load their voices late and say so. */
  async function loadedVoices(synth) {
    const loaded = new Promise((resolve) => synth.addEventListener?.("voiceschanged", resolve, { once: true }));
    if (!synth.getVoices().length) await Promise.race([loaded, pause(1000)]);
    return synth.getVoices();
  }

  // ---- The voice: one at a time. play() and say() give "ended", "stopped", "blocked" or "failed". ----

  /** The spoken pieces of one reply, by number; they may come late, out of order, or not at all. */
  class Sound {
    #pieces = new Map();
    #isWhole = false; // no more can come
    #wake = [];

    add(bytes, number = this.#pieces.size) {
      if (!this.#pieces.has(number)) this.#pieces.set(number, bytes);
      for (const wake of this.#wake.splice(0)) wake();
    }

    end() {
      this.#isWhole = true;
      for (const wake of this.#wake.splice(0)) wake();
    }

    get isEmpty() {
      return !this.#pieces.size;
    }

    /** The piece `number`; a later one when it is known never to come; null at the end. */
    async next(number) {
      while (!this.#isWhole && !this.#pieces.has(number)) await new Promise((wake) => this.#wake.push(wake));
      const found = Math.min(...[...this.#pieces.keys()].filter((known) => known >= number));
      return this.#pieces.has(found) ? { number: found, bytes: this.#pieces.get(found) } : null;
    }

    /** Settles when no more can come. */
    whole() {
      return this.next(Infinity);
    }
  }

  const voice = (() => {
    let context = null; // one for the page's life: iOS allows sound per context, once it was started in a tap
    let current = null; // the AbortController of what is being spoken

    /** Must run inside the visitor's tap or key press, before any await: only then may sound start later. */
    function unlock() {
      try {
        context ??= openContext();
      } catch {
        return; // no sound device, or too many contexts: play() says "failed"
      }
      context.resume().catch(() => {}); // still locked: play() finds out by the state and asks for a tap
    }

    function openContext() {
      const opened = new AudioContext();
      const silence = opened.createBufferSource(); // iOS opens up when something plays within the tap
      silence.buffer = opened.createBuffer(1, opened.sampleRate / 10, opened.sampleRate);
      silence.connect(opened.destination);
      silence.start();
      if (onIos() && window.speechSynthesis) speechSynthesis.speak(new SpeechSynthesisUtterance(" "));
      return opened;
    }

    const onIos = () => "audioSession" in navigator && navigator.maxTouchPoints > 1;
    const stop = () => current?.abort();

    /** Silences who speaks. The signal is for the next speaker's play() and say(). */
    function begin() {
      stop();
      current = new AbortController();
      return current.signal;
    }

    async function play(sound, signal, started) {
      unlock();
      if (!context) return "failed";
      const over = new AbortController();
      const sources = [];
      const halted = new Promise((halt) => {
        signal.addEventListener("abort", () => halt("stopped"), { signal: over.signal });
        const listen = () => context.state === "running" || halt("blocked"); // a telephone call on iOS
        context.addEventListener("statechange", listen, { signal: over.signal });
      });
      try {
        return await Promise.race([halted, schedule(sound, sources, over.signal, started)]);
      } finally {
        over.abort();
        for (const source of sources) source.stop();
      }
    }

    /** Each piece starts on the sample where the one before it ends, or at once when it came too late. */
    async function schedule(sound, sources, over, started) {
      let free = 0; // when all that is scheduled will have sounded, on the context's clock
      for (let piece, number = 0; (piece = await sound.next(number)); number = piece.number + 1) {
        const buffer = await context.decodeAudioData(piece.bytes.slice(0)).catch(() => null);
        if (!buffer) continue; // its neighbours are still worth hearing
        if (!sources.length && !(await isRunning())) return "blocked";
        if (over.aborted) return "stopped";
        const source = context.createBufferSource();
        source.buffer = buffer;
        source.connect(context.destination);
        source.ended = new Promise((resolve) => (source.onended = resolve));
        free = Math.max(free, context.currentTime);
        source.start(free);
        free += buffer.duration;
        if (sources.push(source) === 1) started();
      }
      await sources.at(-1)?.ended;
      return sources.length ? "ended" : "failed";
    }

    /** A locked context never settles resume(), so it gets a moment, and then the state is the answer. */
    async function isRunning() {
      await Promise.race([context.resume().catch(() => {}), pause(300)]);
      return context.state === "running";
    }

    async function say(text, signal, started) {
      const synth = window.speechSynthesis;
      if (!synth) return "failed";
      synth.cancel(); // a queue stuck by somebody else's utterance would swallow ours
      synth.resume();
      signal.addEventListener("abort", () => synth.cancel());
      const language = languageOf(text);
      const chosen = pickVoice(await loadedVoices(synth), language);
      for (const piece of speechPieces(text)) {
        if (signal.aborted) return "stopped";
        const utterance = new SpeechSynthesisUtterance(piece);
        utterance.lang = chosen?.lang ?? language;
        utterance.voice = chosen;
        const outcome = await utter(synth, utterance, signal, started);
        started = () => {};
        if (outcome !== "ended") return outcome;
      }
      return "ended";
    }

    /** One utterance under a watchdog: `speaking` can stay true for ever, with no event. */
    function utter(synth, utterance, signal, started) {
      return new Promise((resolve) => {
        let watchdog = setTimeout(() => finish("failed"), 4000);
        const finish = (outcome) => {
          clearTimeout(watchdog);
          utterance.onstart = utterance.onend = utterance.onerror = null;
          resolve(outcome);
        };
        utterance.onstart = () => {
          clearTimeout(watchdog);
          watchdog = setTimeout(() => {
            finish("ended");
            synth.cancel();
          }, 5000 + 250 * utterance.text.length);
          started();
        };
        utterance.onend = () => finish("ended");
        utterance.onerror = ({ error }) =>
          finish({ "not-allowed": "blocked", canceled: "stopped", interrupted: "stopped" }[error] ?? "failed");
        signal.addEventListener("abort", () => finish("stopped"));
        synth.speak(utterance);
      });
    }

    function close() {
      stop();
      context?.close();
      context = null;
    }

    return { unlock, begin, play, say, stop, onIos, close };
  })();

  /** Null for an address that is anything but our own kind of data URL. */
  function dataUrlBytes(address) {
    const header = /^data:audio\/(?:wav|mpeg);base64,/.exec(address);
    return header && base64Bytes(address.slice(header[0].length));
  }

  function base64Bytes(text) {
    try {
      return Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer;
    } catch {
      return null; // broken: the browser's voice reads the reply, and the fallback event says why
    }
  }

  // ---- The service. ----

  class Problem extends Error {
    constructor(code, message = strings[code], rest = {}) {
      super(message);
      this.detail = { code, message, status: 0, request_id: null, retry_after_s: 0, ...rest };
    }
  }

  const preview = options.preview && { "X-Widget-Preview": options.preview };

  /** A value kept in the browser's storage, or for this page only where storage is denied. */
  function remembered(area, key) {
    let value = null;
    const attempt = (use) => {
      try {
        return use(window[area]);
      } catch {
        return value;
      }
    };
    value = attempt((storage) => storage.getItem(key));
    return {
      get: () => value,
      set(next) {
        value = next;
        attempt((storage) => (next === null ? storage.removeItem(key) : storage.setItem(key, next)));
      },
    };
  }

  const conversation = remembered(preview ? "" : "sessionStorage", `tts-widget:${options.client}:conversation`);
  const muted = remembered("localStorage", "tts-widget:muted");

  function post(path, body, signal, accept = "application/json") {
    return fetch(origin(path), {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: accept, ...preview },
      body: JSON.stringify({ client_id: options.client, ...body }),
      credentials: "omit",
      signal,
    });
  }

  const randomId = () => [...crypto.getRandomValues(new Uint32Array(4))].join("-"); // randomUUID() needs https

  /** The whole reply in the end. Until then, tells `heard.text(delta)` and `heard.audio({seq, wav})`. */
  async function ask(message, signal, heard) {
    // Ours from the first question on: a visitor who cuts the first answer short goes on with the conversation.
    if (!conversation.get()) conversation.set(randomId());
    const question = { message, conversation_id: conversation.get() };
    const response = await post("api/chat", question, signal, "text/event-stream, application/json;q=0.9")
      .catch(() => null);
    if (signal.aborted) throw new Problem(signal.reason);
    if (!response) throw unreachable();
    const streams = response.ok && /^text\/event-stream/i.test(response.headers.get("Content-Type"));
    const reply = await (streams ? lastOf(response, heard) : response.json()).catch((problem) => {
      if (problem instanceof Problem && !signal.aborted) throw problem;
      return null; // no JSON
    });
    if (signal.aborted) throw new Problem(signal.reason);
    if (!response.ok || typeof reply?.text !== "string") throw refusal(response, reply?.error);
    if (reply.conversation_id) conversation.set(reply.conversation_id);
    return reply;
  }

  /** Passes a stream's events on, and gives the data of its `done`. Throws a Problem for its `error`. */
  async function lastOf(response, heard) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const read = () => reader.read().catch(() => ({ done: true })); // a cut line is an end without `done`
    let rest = "";
    for (let part; !(part = await read()).done; ) {
      rest += part.value;
      if (!part.value.includes("\n")) continue; // in the middle of a long sound
      const events = rest.split(/\r?\n\r?\n/);
      rest = events.pop();
      for (const { name, data } of events.map(parsedEvent)) {
        if (name === "done" || name === "error") reader.cancel().catch(() => {}); // whoever keeps the line open
        if (name === "done") return data;
        if (name === "error") throw refusal(response, data?.error);
        heard[name]?.(data);
      }
    }
    throw new Problem(navigator.onLine ? "broke_off" : "offline");
  }

  function parsedEvent(block) {
    const event = {};
    for (const line of block.split(/\r?\n/)) {
      const colon = line.indexOf(":");
      event[line.slice(0, colon)] = line.slice(colon + 1).trim();
    }
    return { name: event.event, data: event.data && JSON.parse(event.data) };
  }

  /** The client's own greeting, in the shape of a reply. Null when it has none, or cannot be had. */
  async function askGreeting() {
    const response = await post("api/greeting", {}, AbortSignal.timeout(SILENCE_MS)).catch(() => null);
    const greeting = response?.ok ? await response.json().catch(() => null) : null;
    return greeting?.text && typeof greeting.text === "string" ? greeting : null;
  }

  function unreachable() {
    // A refused origin looks the same as a dead network from here, so the page's developer gets a hint.
    console.warn(
      `[tts-widget] No answer from ${origin("api/chat")}. If the service is up, is ${location.origin} ` +
        "among the client's allowed_origins?",
    );
    return new Problem(navigator.onLine ? "unreachable" : "offline");
  }

  function refusal(response, error) {
    const { status } = response;
    if (typeof error?.message !== "string") return new Problem("bad_answer", undefined, { status });
    return new Problem(String(error.code), error.message, {
      status,
      request_id: error.request_id ?? response.headers.get("X-Request-ID"),
      retry_after_s: Number(response.headers.get("Retry-After")) || 0,
    });
  }

  // ---- The panel. ----

  const CSS = `
    :host { all: initial; color-scheme: light dark; display: block; color: var(--ink);
      font: 400 16px/1.5 var(--tts-font, system-ui, sans-serif);
      --accent: var(--tts-accent, light-dark(#0f5f59, #7fd8cb));
      --on-accent: var(--tts-on-accent, light-dark(#fff, #06302c));
      --paper: light-dark(#fff, #17191d); --raised: light-dark(#f1f3f4, #25282e);
      --ink: light-dark(#1c1f23, #eceef0); --quiet: light-dark(#59616b, #a9b0ba);
      --line: light-dark(#dcdfe3, #3a3f47); --alarm: light-dark(#a3261a, #ffb3aa); }
    :host([theme="light"]) { color-scheme: light; }
    :host([theme="dark"]) { color-scheme: dark; }
    :host(:not([floating])) { height: 100%; }
    :host([floating]) { position: fixed; inset-block-end: 16px; inset-inline-end: 16px; z-index: 2147483000; }
    *, ::before { box-sizing: border-box; }
    [hidden] { display: none !important; }
    button { all: unset; box-sizing: border-box; cursor: pointer; min-width: 24px; min-height: 24px;
      border-radius: 8px; }
    button:hover { background: var(--raised); }
    button[aria-disabled="true"] { opacity: .6; cursor: default; }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
    svg { display: block; width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 2;
      stroke-linecap: round; stroke-linejoin: round; }
    .icon { display: grid; place-items: center; width: 36px; height: 36px; flex: none; }
    .launcher { width: 56px; height: 56px; border-radius: 50%; background: var(--accent); color: var(--on-accent);
      box-shadow: 0 4px 16px #0004; border: 1px solid transparent; }
    .launcher:hover, .send:hover { background: var(--accent); filter: brightness(1.1); }
    .launcher svg { width: 26px; height: 26px; }
    .panel { display: flex; flex-direction: column; overflow: hidden; background: var(--paper);
      border: 1px solid var(--line); border-radius: 16px; height: 100%; min-height: 240px; }
    :host([floating]) .panel { width: min(384px, 100vw - 32px); height: min(600px, 100dvh - 32px);
      box-shadow: 0 12px 40px #0003; }
    header { display: flex; align-items: center; gap: 2px; padding: 8px 8px 8px 16px; color: var(--quiet);
      border-block-end: 1px solid var(--line); }
    h2 { flex: 1; margin: 0; font-size: 16px; font-weight: 600; color: var(--ink); overflow-wrap: anywhere; }
    .log { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 16px; min-height: 96px;
      display: flex; flex-direction: column; gap: 12px; outline-offset: -2px; position: relative;
      overflow-anchor: none; }
    .message, .problem { max-width: 92%; align-self: start; overflow-wrap: anywhere; }
    .body, .problem { padding: 8px 12px; border-radius: 4px 14px 14px 14px; background: var(--raised);
      border: 1px solid transparent; }
    .visitor { align-self: end; }
    .visitor .body { border-radius: 14px 14px 4px 14px; background: var(--accent); color: var(--on-accent);
      white-space: pre-wrap; }
    .body:empty, .tools:empty { display: none; }
    .body > * { margin: 0 0 8px; } .body > :last-child { margin: 0; }
    .body :is(ul, ol) { padding-inline-start: 22px; }
    a { color: var(--accent); }
    code { font: 13px/1.5 ui-monospace, monospace; }
    :not(pre) > code { padding: 1px 4px; border-radius: 4px; background: var(--paper); }
    pre { overflow-x: auto; padding: 8px 10px; border-radius: 8px; background: var(--paper); }
    .tools { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 8px; margin-block-start: 4px;
      font-size: 13px; color: var(--quiet); }
    .tools button, .problem button { display: inline-flex; align-items: center; gap: 5px; padding: 2px 8px;
      font-size: 13px; color: var(--ink); min-height: 28px; }
    .tools svg { width: 14px; height: 14px; fill: currentColor; }
    .tools :is([data-state="speaking"], [data-state="blocked"]) { background: var(--accent);
      color: var(--on-accent); }
    .problem { border-color: var(--alarm); background: none; font-size: 14px; }
    .problem p { margin: 0 0 6px; } .problem p:first-child { color: var(--alarm); }
    .problem button { border: 1px solid var(--line); margin-inline-end: 6px; }
    .problem small { margin-inline-start: 6px; font-size: 12px; color: var(--quiet); }
    .status { padding: 0 16px; min-height: 24px; font-size: 13px; color: var(--quiet); }
    .status:not(:empty)::before { content: ""; display: inline-block; width: 8px; height: 8px; border-radius: 50%;
      margin-inline-end: 8px; background: var(--accent); animation: pulse 1s infinite alternate; }
    @keyframes pulse { to { opacity: .2; } }
    form { display: flex; align-items: end; gap: 8px; padding: 8px 12px 12px; }
    textarea { all: unset; flex: 1; min-width: 0; box-sizing: border-box; min-height: 40px; max-height: 132px;
      padding: 7px 12px; overflow-y: auto; white-space: pre-wrap; overflow-wrap: anywhere; text-align: start;
      field-sizing: content; border: 1px solid light-dark(#80878f, #7c848f); border-radius: 12px; }
    textarea::placeholder { color: var(--quiet); opacity: 1; }
    textarea:focus-visible { outline: 2px solid var(--accent); outline-offset: 0; }
    .send { width: 40px; height: 40px; border-radius: 12px; background: var(--accent); color: var(--on-accent); }
    .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
      white-space: nowrap; }
    @media (max-width: 480px) {
      :host([floating][open]) { inset: 0; }
      :host([floating]) .panel { width: 100%; height: 100%; border: 0; border-radius: 0; }
    }
    @media (prefers-reduced-motion: reduce) { *, ::before { animation: none !important; } }
    @media print { :host([floating]) { display: none; } }`;

  const inline = options.mount !== undefined;
  const launcher = iconButton("chat", strings.launcher, () => open(launcher), { part: "launcher" });
  const log = el("div", {
    class: "log", role: "log", tabindex: "0",
    "aria-live": "polite", "aria-relevant": "additions",
  });
  const status = el("div", { class: "status", role: "status" });
  const input = el("textarea", { rows: "1", dir: "auto", placeholder: strings.placeholder, enterkeyhint: "send" });
  const pressed = () => (stopsTurn() ? stop() : submit());
  const sendButton = iconButton("send", strings.send, pressed, { class: "icon send" });
  const muteButton = iconButton("voice", strings.mute, () => setMuted(muted.get() === null));
  const renewButton = iconButton("renew", strings.renew, renew);
  const labelled = { lang: strings.lang, "aria-labelledby": "title" };
  const panel = el(
    "div",
    { class: "panel", part: "panel", role: inline ? "region" : "dialog", ...labelled },
    el("header", {}, el("h2", { id: "title", dir: "auto" }, strings.title), muteButton, renewButton),
    log,
    status,
    el("form", { submit: (event) => event.preventDefault() }, input, sendButton),
  );
  const host = el("tts-widget", options.theme ? { theme: options.theme } : {});
  let turn = null; // the question under way: its controller, and its message once something has come
  let speaking = null; // the message that is being spoken
  let opener = null; // who gets the focus back
  let greeting = null; // what the service says of it, once asked
  let shownAt = 0; // where the log was last put: elsewhere, the visitor has scrolled
  let ready = false;

  function emit(name, detail = {}) {
    host.dispatchEvent(new CustomEvent(`tts-widget:${name}`, { detail, bubbles: true, composed: true }));
  }

  function setMuted(on) {
    muted.set(on ? "1" : null);
    if (on) voice.stop();
    if (on && turn?.message) {
      turn.isHushed = true;
      watch(turn);
    }
    muteButton.setAttribute("aria-pressed", String(on));
    muteButton.replaceChildren(icon(on ? "muted" : "voice"));
  }

  const isSpoken = () => muted.get() === null && options.autoplay !== "off";
  const isThinking = () => turn !== null && !turn.message;
  const stopsTurn = () => isThinking() || (turn && !input.value.trim());

  function setTurn(next) {
    turn = next;
    showState();
  }

  function showState() {
    const label = stopsTurn() ? strings.cancel : strings.send;
    status.textContent = isThinking() ? strings.thinking : "";
    if (sendButton.title === label) return;
    sendButton.replaceChildren(icon(stopsTurn() ? "stop" : "send"));
    sendButton.title = label;
    sendButton.setAttribute("aria-label", label);
  }

  /** Puts a node at the log's end and its first line into view, without moving the page around it. */
  function append(node) {
    log.append(node);
    shownAt = log.scrollTop;
    follow(node);
    return node;
  }

  /** As far down as shows the node's first line, unless the visitor reads elsewhere. */
  function follow(node) {
    if (Math.abs(log.scrollTop - shownAt) > 2) return;
    log.scrollTop = node.offsetTop - 12;
    shownAt = log.scrollTop;
  }

  function addMessage(role, attributes, ...parts) {
    const name = el("span", { class: "unseen" }, `${strings[role]}: `);
    return append(el("div", { class: `message ${role}`, part: "message", ...attributes }, name, ...parts));
  }

  /** A message of the assistant, empty at first: write() and voice it, then end it. Nothing is announced yet. */
  function beginReply() {
    const body = el("div", { class: "body", dir: "auto" });
    const tools = el("div", { class: "tools", "aria-live": "off" });
    const button = el("button", { type: "button", click: () => toggle(message) });
    const frame = addMessage("assistant", { "aria-live": "off" }, body, tools);
    const message = { frame, body, tools, button, note: el("span"), sound: new Sound(), text: "" };
    message.reason = "audio_unreadable"; // why the browser's own voice may have to speak
    return message;
  }

  /** Replaces only the blocks that have changed, so that nothing flickers and a selection stays. */
  function write(message, text) {
    const { body, frame } = message;
    body.lang = languageOf(text);
    const blocks = [...renderMarkdown(text).children];
    for (const [n, block] of blocks.entries()) {
      if (!body.children[n]) body.append(block);
      else if (!body.children[n].isEqualNode(block)) body.children[n].replaceWith(block);
    }
    while (body.children.length > blocks.length) body.lastChild.remove();
    follow(frame);
  }

  /** Soon, and at most every fifth of the time: the text is read again from its start. */
  function writeSoon(message, delta) {
    message.text += delta;
    message.timer ??= setTimeout(() => {
      const began = performance.now();
      message.timer = null;
      write(message, settled(message.text));
      message.rest_ms = Math.max(30, 4 * (performance.now() - began));
    }, message.rest_ms ?? 0);
  }

  /** No more will come. The log announces the message, once and whole: a part put in anew is an addition. */
  function endReply(message, text) {
    clearTimeout(message.timer);
    write(message, text);
    message.sound.end();
    setTimeout(() => {
      message.frame.removeAttribute("aria-live");
      message.frame.prepend(message.frame.firstChild, message.body);
    }, 100); // apart from the last change of its text, which is not to be announced as well
  }

  /** Gives a message its Play button. */
  function offerVoice(message) {
    if (message.button.isConnected) return;
    show(message, "ended");
    message.tools.prepend(message.button, message.note);
    follow(message.frame);
  }

  function hear(message, bytes, number) {
    if (bytes) message.sound.add(bytes, number);
    offerVoice(message);
  }

  /** Shows the whole of a reply; what of it has come before stays as it is. */
  function finish(message, reply) {
    const { audio, audio_url, audio_error } = reply;
    if (audio_url) hear(message, dataUrlBytes(audio_url));
    if (!message.button.isConnected) message.reason = audio_error?.code ?? "audio_missing";
    message.duration_s = audio?.duration_s;
    if (audio || audio_error) offerVoice(message); // neither: a text-only client, no voice, no button
    const seconds = Math.round(audio?.duration_s ?? 0);
    if (seconds) message.note.before(`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
    if (audio?.truncated || (audio_error && !message.sound.isEmpty)) message.note.textContent = strings.truncated;
    endReply(message, reply.text);
  }

  /** A reply speaks by itself once: where it is seen, and the visitor wants to hear it. */
  function speakUnasked(message) {
    const seen = inline || host.hasAttribute("open");
    if (message.isOffered || !message.button.isConnected) return;
    message.isOffered = true;
    if (seen && isSpoken()) speak(message); // not awaited
  }

  function show(message, state) {
    const labels = { speaking: strings.stop, blocked: strings.tapToHear };
    message.button.dataset.state = state;
    message.button.replaceChildren(icon(state === "speaking" ? "stop" : "play"), labels[state] ?? strings.play);
    if (state === "failed") message.note.textContent = strings.noVoice;
  }

  function toggle(message) {
    if (speaking !== message) speak(message);
    else if (turn?.message === message) stop();
    else voice.stop();
  }

  /** Says one reply: the service's sound, or the browser's own voice where nothing of that can be played. */
  async function speak(message) {
    const signal = voice.begin();
    speaking = message;
    show(message, "speaking");
    let source = null; // who has begun to speak
    let outcome = await voice.play(message.sound, signal, () => {
      source = "service";
      emit("audio-start", message.duration_s ? { source, duration_s: message.duration_s } : { source });
      if (voice.onIos()) message.note.textContent ||= strings.muteSwitch;
    });
    if (outcome === "failed") await message.sound.whole(); // and with it the text
    if (outcome === "failed" && !signal.aborted) {
      emit("fallback", { reason: message.reason });
      outcome = await voice.say(spokenWords(message.body), signal, () => {
        emit("audio-start", { source: (source = "browser") });
        message.note.textContent = strings.browserVoice;
      });
    }
    if (signal.aborted) outcome = "stopped";
    if (speaking === message) speaking = null;
    show(message, outcome);
    if (outcome === "blocked") emit("audio-blocked");
    if (source) emit("audio-end", { source, completed: outcome === "ended" });
  }

  function addProblem(text, { code, message, status: httpStatus, request_id, retry_after_s }) {
    const frame = el("div", { class: "problem" }, el("p", { dir: "auto" }, message));
    if (retry_after_s) frame.append(el("p", {}, strings.retryAfter.replace("{when}", inWords(retry_after_s))));
    const again = el("button", { type: "button" }, httpStatus === 422 ? strings.edit : strings.retry);
    again.addEventListener("click", () => {
      if (isThinking() || again.ariaDisabled === "true") return;
      frame.remove();
      input.focus(); // the button that had the focus is gone
      if (httpStatus === 422) input.value ||= text;
      else answer(text);
    });
    if (retry_after_s) {
      again.ariaDisabled = "true";
      setTimeout(() => (again.ariaDisabled = "false"), retry_after_s * 1000);
    }
    frame.append(again);
    if (request_id) {
      const shown = el("small", {}, `${strings.requestId} `, el("code", {}, request_id), " ");
      frame.append(shown, copyButton(request_id));
    }
    frame.dataset.code = code;
    append(frame);
  }

  /** "in 30 seconds", "in 5 hours": in the strings' language. */
  function inWords(seconds) {
    const format = new Intl.RelativeTimeFormat(scriptOf(strings.lang) ? strings.lang : "en");
    if (seconds < 100) return format.format(Math.ceil(seconds), "second");
    if (seconds < 6000) return format.format(Math.ceil(seconds / 60), "minute");
    return format.format(Math.ceil(seconds / 3600), "hour");
  }

  function copyButton(text) {
    if (!navigator.clipboard) return ""; // plain http: the id can still be selected
    const label = `${strings.copy}: ${strings.requestId}`;
    const button = el("button", { type: "button", "aria-label": label }, strings.copy);
    button.addEventListener("click", () =>
      navigator.clipboard.writeText(text).then(() => (button.textContent = strings.copied), () => {}));
    return button;
  }

  /** Asks once and shows what comes, while it comes. Gives the reply, or null. */
  async function answer(text) {
    stop("replaced");
    if (muted.get() === null) voice.unlock();
    const mine = { controller: new AbortController(), message: null };
    setTurn(mine);
    watch(mine);
    const message = () => {
      mine.message ??= beginReply();
      showState();
      return mine.message;
    };
    try {
      const reply = await ask(text, mine.controller.signal, {
        text({ delta }) {
          writeSoon(message(), delta);
          watch(mine);
        },
        audio({ wav, seq }) {
          hear(message(), base64Bytes(wav), seq);
          speakUnasked(mine.message);
          if (!mine.isHushed) watch(mine);
        },
      });
      finish(message(), reply);
      emit("message", { role: "assistant", text: reply.text });
      speakUnasked(mine.message);
      return reply;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      breakOff(mine.message, text, problem.detail);
      return null;
    } finally {
      clearTimeout(mine.timer);
      if (turn === mine) setTurn(null);
    }
  }

  /**
   * Each event gives the service another SILENCE_MS. Where the visitor has muted it, its text is awaited and
   * no more: nothing is bought for nobody. A text is taken for whole when it rests at a full stop.
   */
  function watch(watched) {
    const isWritten = watched.isHushed && /[\p{P}\p{S}]\s*$/u.test(watched.message.text);
    const [why, wait_ms] = isWritten ? ["hushed", HUSHED_MS] : ["timeout", SILENCE_MS];
    clearTimeout(watched.timer);
    watched.timer = setTimeout(() => watched.controller.abort(why), wait_ms);
  }

  /** What was written stays. Who ended it himself needs no error. */
  function breakOff(message, text, problem) {
    const notes = { stopped: strings.stoppedHere, replaced: strings.stoppedHere, hushed: strings.truncated };
    const note = message && notes[problem.code];
    if (note) message.tools.append(message.note);
    if (note) message.note.textContent = note;
    if (message) endReply(message, message.text);
    if (note || problem.code === "renewed") return;
    addProblem(text, problem);
    if (problem.code !== "stopped") emit("error", problem);
  }

  function submit() {
    if (isThinking() || !input.value.trim()) return;
    const text = input.value;
    input.value = "";
    send(text);
  }

  async function send(text) {
    const message = String(text).trim();
    if (isThinking() || !message) return null;
    greeting ??= Promise.resolve(null); // who begins with a question is not greeted over it
    open(null);
    addMessage("visitor", {}, el("div", { class: "body", dir: "auto" }, message));
    emit("message", { role: "visitor", text: message });
    return answer(message);
  }

  /** Silences the voice and ends the turn: the service notices, and buys nothing more for it. */
  function stop(why = "stopped") {
    voice.stop();
    turn?.controller.abort(why);
  }

  function renew() {
    stop("renewed");
    setTurn(null);
    conversation.set(null);
    log.replaceChildren();
    greet(false);
    input.focus();
  }

  /** The first message: the client's greeting, or the built-in one where that fails or is late. */
  async function greet(aloud) {
    if (!strings.greeting) return;
    greeting ??= askGreeting();
    const own = await Promise.race([greeting, pause(GREETING_MS)]);
    if (log.hasChildNodes()) return; // the visitor was faster
    const message = beginReply();
    finish(message, own ?? { text: strings.greeting });
    if (aloud && own?.audio_url) speakUnasked(message);
  }

  function open(by) {
    if (inline || (host.hasAttribute("open") && host.isConnected)) return;
    if (!host.isConnected) document.body.append(host); // a page that swapped its body took us out
    opener = by ?? document.activeElement;
    const isFirst = !greeting && strings.greeting;
    if (isFirst && isSpoken()) voice.unlock();
    if (isFirst) greet(conversation.get() === null); // who comes back has heard it
    host.setAttribute("open", "");
    panel.hidden = false;
    launcher.hidden = true;
    input.focus();
  }

  function close() {
    if (inline || !host.hasAttribute("open")) return;
    voice.stop(); // a question on its way is still answered, in writing
    host.removeAttribute("open");
    panel.hidden = true;
    launcher.hidden = false;
    (opener?.isConnected && opener !== document.body ? opener : launcher).focus();
  }

  function onKey(event) {
    if (event.key === "Enter" && event.target === input && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && !event.isComposing) {
      event.stopPropagation(); // the page's own Escape is for the page's own dialogs
      if (speaking || turn) stop();
      else close();
    }
  }

  function mount() {
    const place = inline ? document.querySelector(options.mount) : document.body;
    if (!place || !options.client) {
      const problem = place ? "data-client is missing" : "data-mount matches no element";
      console.error(`[tts-widget] ${problem} on the script tag.`);
      return;
    }
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
    const root = host.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    root.append(...(inline ? [panel] : [launcher, panel]));
    if (!inline) {
      panel.hidden = true;
      host.setAttribute("floating", "");
      panel.firstChild.append(iconButton("close", strings.close, close));
    }
    launcher.classList.add("launcher");
    launcher.setAttribute("aria-haspopup", "dialog");
    input.setAttribute("aria-label", strings.placeholder);
    input.addEventListener("input", () => {
      voice.stop(); // who types has heard enough
      showState();
    });
    panel.addEventListener("keydown", onKey);
    setMuted(muted.get() !== null);
    if (inline) greet(false);
    place.append(host);
    ready = true;
    emit("ready");
  }

  function on(name, listener) {
    const heard = (event) => listener(event.detail);
    host.addEventListener(`tts-widget:${name}`, heard);
    if (name === "ready" && ready) queueMicrotask(() => listener({}));
    return () => host.removeEventListener(`tts-widget:${name}`, heard);
  }

  function destroy() {
    stop();
    voice.close();
    host.remove();
    if (window.ttsWidget === api) delete window.ttsWidget;
  }

  const api = Object.freeze({ open: () => open(null), close, send, stop, destroy, on });
  window.ttsWidget?.destroy(); // the tag stands twice, or a single-page app ran it again
  window.ttsWidget = api;
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mount, { once: true });
  else mount();
})();
