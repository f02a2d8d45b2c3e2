// What a page can know, for the tests to ask: each event of the widget, what the browser's own voice was asked
// to say (headless Chromium has no voices, so the page brings a speechSynthesis of its own), how loud its sound is.
window.heard = [];
for (const name of ["ready", "message", "audio-start", "audio-end", "audio-blocked", "fallback", "error"])
  document.addEventListener("tts-widget:" + name, (event) => heard.push([name, event.detail]));

window.spoken = [];
window.speechMode = "speaks";
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
const voices = [
  { lang: "en-US", name: "Network", localService: false, default: true },
  { lang: "en-US", name: "Local", localService: true, default: false },
  { lang: "de-DE", name: "Anna", localService: true, default: false },
];
const synth = {
  cancelled: 0,
  getVoices: () => voices,
  resume() {},
  cancel() { this.cancelled += 1; clearTimeout(this.timer); },
  speak(utterance) {
    spoken.push({ text: utterance.text, lang: utterance.lang, voice: utterance.voice?.name });
    if (speechMode === "mute") return;
    setTimeout(() => utterance.onstart?.());
    if (speechMode === "speaks") this.timer = setTimeout(() => utterance.onend?.(), 30);
  },
};
Object.defineProperty(window, "speechSynthesis", { value: synth });

const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    window.meter ??= new AnalyserNode(this.context);
    connect.call(this, window.meter);
  }
  return connect.call(this, target, ...rest);
};
window.loudness = () => {
  const samples = new Float32Array(window.meter?.fftSize ?? 0);
  window.meter?.getFloatTimeDomainData(samples);
  return Math.max(0, ...samples);
};

// When each sound was told to start, and how long it is: the silence that unlocks a phone is told no time.
window.starts = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when, ...rest) {
  if (when !== undefined) starts.push({ at: when, duration: this.buffer.duration });
  return start.call(this, when, ...rest);
};
