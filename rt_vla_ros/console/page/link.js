// The connection: what is said, what is answered, and whether anything is heard at all. Times in ms.
const HEARTBEAT = 100;
const LATE = 500;
const SLOW = 300;
const RETRY = 700;
const GIVEN_UP = 3000; // a connection on which nothing comes: another one may get through
const OWED = 30000; // for so long a stop that was not answered is said again by the next connection

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
    this.stopAsked = -Infinity; // when a stop was asked for that has no answer yet
    this.open();
    setInterval(() => this.beat(), HEARTBEAT);
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/say`);
    let opened = false;
    this.socket = socket;
    this.told = 0;
    this.openedAt = performance.now();
    socket.addEventListener("open", () => {
      opened = true;
      if (socket === this.socket) this.sayStopAgain();
    });
    socket.addEventListener("message", (event) => socket === this.socket && this.hear(JSON.parse(event.data)));
    socket.addEventListener("close", () => {
      if (socket !== this.socket) return;
      this.lose();
      if (!opened) reloadIfLoggedOut();
      setTimeout(() => this.open(), RETRY);
    });
  }

  lose() {
    for (const settle of this.waiting.values()) settle({ lost: true, ok: false, sentence: "The connection was lost." });
    this.waiting.clear();
    this.heardAt = -Infinity;
  }

  async sayStopAgain() {
    if (performance.now() - this.stopAsked > OWED) return;
    this.dispatchEvent(new CustomEvent("answered", { detail: await this.ask({ kind: "stop" }) }));
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
    const usable = this.socket.readyState <= WebSocket.OPEN;
    if (usable && performance.now() - Math.max(this.heardAt, this.openedAt) > GIVEN_UP) {
      const dead = this.socket;
      this.lose();
      this.open();
      dead.close();
    }
    this.send({ kind: "heartbeat" });
    this.dispatchEvent(new Event("beat"));
  }

  // Whether it went out.
  send(message) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify({ ...message, echo: this.told, kept: this.told && this.silence }));
    return true;
  }

  // The answer: ok, and a sentence. Only a stop is left to a connection that hangs: it may come through later.
  async ask(message) {
    const number = ++this.number;
    const stops = message.kind === "stop";
    if (stops) this.stopAsked = performance.now();
    const sent = (stops || this.condition !== "lost") && this.send({ ...message, number });
    if (!sent) return { ok: false, sentence: "There is no connection." };
    const answer = await new Promise((resolve) => this.waiting.set(number, resolve));
    if (stops && !answer.lost) this.stopAsked = -Infinity;
    return answer;
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
