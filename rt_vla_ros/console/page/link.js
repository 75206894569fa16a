// The connection: what is said, what is answered, and whether anything is heard at all. Times in ms.
const HEARTBEAT = 100;
const LATE = 500;
const SLOW = 300;
const RETRY = 700;

// A server that was started anew knows no login of before.
async function reloadIfLoggedOut() {
  const answer = await fetch("main.js").catch(() => null);
  if (answer?.status === 403) location.reload();
}

export class Link extends EventTarget {
  constructor() {
    super();
    this.heardAt = -Infinity;
    this.roundTrip = null;
    this.told = 0; // the last state, by the server's clock
    this.everHeard = false;
    this.controls = false;
    this.number = 0;
    this.waiting = new Map();
    this.open();
    setInterval(() => this.beat(), HEARTBEAT);
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/say`);
    let opened = false;
    this.socket = socket;
    this.told = 0;
    socket.addEventListener("open", () => (opened = true));
    socket.addEventListener("message", (event) => this.hear(JSON.parse(event.data)));
    socket.addEventListener("close", () => {
      for (const settle of this.waiting.values()) settle({ ok: false, sentence: "The connection was lost." });
      this.waiting.clear();
      this.heardAt = -Infinity;
      if (!opened) reloadIfLoggedOut();
      setTimeout(() => this.open(), RETRY);
    });
  }

  hear(message) {
    if (message.kind === "state") {
      this.heardAt = performance.now();
      this.everHeard = true;
      this.controls = message.you.controls;
      this.roundTrip = message.you.trip;
      this.told = message.you.told;
      this.dispatchEvent(new CustomEvent("state", { detail: message }));
    } else if (message.kind === "answer") {
      this.waiting.get(message.number)?.(message);
      this.waiting.delete(message.number);
    } else {
      this.dispatchEvent(new CustomEvent("refused", { detail: message.sentence }));
    }
  }

  beat() {
    this.send({ kind: "heartbeat" });
    this.dispatchEvent(new Event("beat"));
  }

  // Whether it went out.
  send(message) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify({ ...message, echo: this.told, kept: this.told && this.silence }));
    return true;
  }

  // The answer: ok, and a sentence.
  ask(message) {
    const number = ++this.number;
    if (!this.send({ ...message, number })) return Promise.resolve({ ok: false, sentence: "There is no connection." });
    return new Promise((resolve) => this.waiting.set(number, resolve));
  }

  get silence() {
    return performance.now() - this.heardAt;
  }

  // "live", "slow" or "lost"
  get condition() {
    if (this.silence > LATE) return "lost";
    return this.roundTrip !== null && this.roundTrip > SLOW ? "slow" : "live";
  }
}
