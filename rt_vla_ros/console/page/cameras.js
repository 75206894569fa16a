// Live pictures, newest only: the next one is sent when this one is drawn. On each, what the arm is commanded.
import { $, make, setText } from "./dom.js";
import { drawInset, drawPath } from "./overlay.js";

const RETRY = 1000; // ms
const FADED = 1.5; // age of an action that is not drawn any more [s]

export class Cameras {
  constructor() {
    this.views = new Map();
    this.action = null;
    this.open();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.socket?.close() : this.open()));
  }

  open() {
    if (document.hidden || this.socket?.readyState <= WebSocket.OPEN) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/look`);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("message", (event) => this.show(event.data, event.target));
    this.socket.addEventListener("close", () => setTimeout(() => this.open(), RETRY));
  }

  async show(data, socket) {
    const size = new DataView(data).getUint16(0);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 2, size)));
    const picture = await createImageBitmap(new Blob([new Uint8Array(data, 2 + size)], { type: "image/jpeg" }));
    const view = this.view(head.camera);
    view.canvas.width = picture.width;
    view.canvas.height = picture.height;
    view.frame.style.setProperty("--ratio", picture.width / picture.height);
    view.canvas.classList.toggle("coarse", picture.width < 200);
    view.canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    view.number = head.number;
    view.waiting.hidden = true;
    view.figure.dataset.number = head.number;
    this.draw(view);
    if (socket.readyState === WebSocket.OPEN) socket.send("{}");
  }

  view(name) {
    if (!this.views.has(name)) {
      const figure = make("figure", "camera");
      const frame = make("div", "frame");
      const canvas = make("canvas", "picture");
      const overlay = make("canvas", "overlay");
      const waiting = make("p", "waiting");
      const problem = make("p", "problem");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Camera ${name}`);
      canvas.width = canvas.height = 96;
      overlay.setAttribute("aria-hidden", "true");
      frame.append(canvas, overlay, waiting, problem);
      const caption = make("figcaption");
      figure.append(frame, caption);
      $("cameras").append(figure);
      this.views.set(name, { figure, frame, canvas, overlay, waiting, problem, caption });
    }
    return this.views.get(name);
  }

  update(state) {
    this.action = state.action && state.action.age < FADED ? state.action : null;
    for (const [name, camera] of Object.entries(state.cameras)) {
      const view = this.view(name);
      const rate = typeof camera.rate === "number" ? `${camera.rate.toFixed(1)} Hz` : "";
      const age = typeof camera.age === "number" ? `${Math.round(camera.age * 1000)} ms old` : "";
      setText(view.caption, [name, rate, age].filter(Boolean).join(", "));
      setText(view.problem, camera.problem ?? "");
      view.problem.hidden = !camera.problem;
      setText(view.waiting, `No picture yet on ${camera.topic}.`);
      view.waiting.hidden = view.number !== undefined || Boolean(camera.problem);
      view.action = camera.problem ? null : this.action;
      view.path = camera.path;
      view.frame.title = view.action && !view.path ? (camera.undrawn ?? "") : "";
      view.figure.dataset.drawn = String(Boolean(view.action && view.path));
      this.draw(view);
    }
  }

  draw({ overlay, action, path }) {
    const scale = devicePixelRatio || 1;
    const [width, height] = [overlay.clientWidth, overlay.clientHeight];
    overlay.width = Math.round(width * scale);
    overlay.height = Math.round(height * scale);
    const pen = overlay.getContext("2d");
    pen.scale(scale, scale);
    if (!action || action.way.length < 2) return;
    const colour = getComputedStyle(document.documentElement).getPropertyValue("--command");
    if (path) drawPath(pen, [width, height], action, path, colour);
    else drawInset(pen, height, action, colour);
  }
}

