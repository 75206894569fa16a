// The takeover: on-screen sticks, keys and a gamepad, each with a deadman. What is not held does not move.
import { $, isTyping, setText } from "./dom.js";
import { readGamepad } from "./gamepad.js";

const PERIOD = 50; // ms
const FOLLOWS = 500; // within which the arm follows a stick that is held [ms]
const KEYS = { w: [0, 1], s: [0, -1], a: [1, 1], d: [1, -1], r: [2, 1], f: [2, -1], u: [3, -1], o: [3, 1],
  i: [4, 1], k: [4, -1], j: [5, 1], l: [5, -1] };
const NOT_FOLLOWED = "held, but the arm does not follow: release and hold again";
const REST = () => [0, 0, 0, 0, 0, 0];

export class Stick {
  constructor(link, tell, stop) {
    this.link = link;
    this.tell = tell;
    this.stop = stop;
    this.armed = false;
    this.unfollowed = 0; // since when it is held and not followed
    this.gripper = null;
    this.keys = new Set();
    this.shift = false;
    this.pads = new Map();
    this.grips = new Set();
    this.pad("pad-xy", (x, y) => ({ 0: y, 1: -x }));
    this.pad("pad-zw", (x, y) => ({ 2: y, 5: -x }));
    this.grip("grip-close", 1);
    this.grip("grip-open", 0);
    this.listen();
    setInterval(() => this.say(), PERIOD);
  }

  listen() {
    $("arm-stick").addEventListener("click", () => this.arm(!this.armed));
    $("speed").addEventListener("input", () => setText($("speed-value"), `${$("speed").value} %`));
    addEventListener("keydown", (event) => this.key(event, true));
    addEventListener("keyup", (event) => this.key(event, false));
    for (const name of ["blur", "pagehide"]) addEventListener(name, () => this.letGo());
    document.addEventListener("visibilitychange", () => document.hidden && this.letGo());
  }

  async arm(armed) {
    this.letGo();
    const answer = await this.link.ask({ kind: "arm_stick", armed });
    this.tell(answer);
  }

  // The server says whether the stick counts, the smoother whether the arm follows it.
  update(state, controls, followed) {
    this.armed = state.armed && controls;
    if (!this.armed) this.forget();
    const button = $("arm-stick");
    setText(button, this.armed ? "Disable the stick" : "Take over");
    button.setAttribute("aria-pressed", String(this.armed));
    $("sticks").hidden = !this.armed;
    const at = performance.now();
    if (!state.held || followed) this.unfollowed = at;
    const held = followed ? "held: you are in control" : at - this.unfollowed > FOLLOWS ? NOT_FOLLOWED : "held";
    setText($("held"), !this.armed ? "" : state.held ? held : state.problem || "released");
    $("held").classList.toggle("on", this.armed && state.held && followed);
    this.draw();
  }

  key(event, down) {
    const key = event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.code;
    if (key.startsWith("Meta")) this.keys.clear(); // macOS tells of no key that is let go while it is down
    if (key.startsWith("Shift")) this.shift = down;
    else if (down && (isTyping() || event.ctrlKey || event.metaKey || event.altKey)) return;
    else if (key in KEYS) this.keys[down ? "add" : "delete"](key);
    else if (down && this.armed && this.shift && (key === "c" || key === "v")) this.gripper = key === "c" ? 1 : 0;
    else return;
    if (isTyping()) this.shift = false;
    this.say();
  }

  pad(id, axes) {
    const canvas = $(id);
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      const part = (at, begin, size) => Math.max(-1, Math.min(1, (2.4 * (at - begin)) / size - 1.2));
      const [x, y] = [part(event.clientX, box.left, box.width), -part(event.clientY, box.top, box.height)];
      this.pads.set(id, { x, y, axes: axes(bend(x), bend(y)) });
      this.say();
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.armed) return;
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      place(event);
    });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointermove", (event) => this.pads.has(id) && place(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
      canvas.addEventListener(name, () => this.pads.delete(id) && this.say());
  }

  grip(id, value) {
    const button = $(id);
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("pointerdown", (event) => {
      button.setPointerCapture(event.pointerId);
      this.grips.add(id);
      this.gripper = value;
      this.say();
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
      button.addEventListener(name, () => this.grips.delete(id) && this.say());
  }

  letGo() {
    this.forget();
    this.say();
  }

  forget() {
    this.keys.clear();
    this.pads.clear();
    this.grips.clear();
    this.shift = false;
    this.gripper = null;
  }

  say() {
    if (!this.armed) return;
    if (this.link.condition === "lost") this.forget();
    const axes = REST();
    for (const pad of this.pads.values()) for (const [axis, part] of Object.entries(pad.axes)) axes[axis] += part;
    const byKeys = this.shift && !isTyping();
    if (byKeys) for (const key of this.keys) axes[KEYS[key][0]] += KEYS[key][1];
    const pad = document.hidden || !document.hasFocus() ? null : readGamepad(this.link, this.stop);
    setText($("gamepad"), pad ? `${pad.name}: hold LB.` : "No gamepad.");
    if (pad?.held) pad.axes.forEach((part, axis) => (axes[axis] += part));
    if (pad?.held && pad.gripper !== null) this.gripper = pad.gripper;
    const held = byKeys || this.pads.size > 0 || this.grips.size > 0 || Boolean(pad?.held);
    const speed = $("speed").value / 100;
    const limited = axes.map((part) => Math.max(-1, Math.min(1, part)) * speed);
    this.link.send({ kind: "stick", held, axes: held ? limited : REST(), gripper: held ? this.gripper : null });
    this.gripper = null;
    this.draw();
  }

  draw() {
    if (!this.armed) return;
    const style = getComputedStyle(document.documentElement);
    for (const id of ["pad-xy", "pad-zw"]) {
      const [canvas, at] = [$(id), this.pads.get(id)];
      const pen = canvas.getContext("2d");
      const half = canvas.width / 2;
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.strokeStyle = style.getPropertyValue("--line");
      pen.lineWidth = 2;
      pen.beginPath();
      pen.moveTo(half, 12);
      pen.lineTo(half, 2 * half - 12);
      pen.moveTo(12, half);
      pen.lineTo(2 * half - 12, half);
      pen.stroke();
      pen.fillStyle = style.getPropertyValue(at ? "--human" : "--soft");
      pen.beginPath();
      pen.arc(half + (at?.x ?? 0) * half * 0.8, half - (at?.y ?? 0) * half * 0.8, 34, 0, 2 * Math.PI);
      pen.fill();
    }
  }
}

// A little play around the middle, and finer near it.
function bend(part) {
  const beyond = Math.max(0, Math.abs(part) - 0.08) / 0.92;
  return Math.sign(part) * beyond ** 1.5;
}
