// The last requests, and a flip-book of each that somebody watched.
import { $, fill, make, setText } from "./dom.js";

const LONGEST = 8; // of a clip; a longer run is played faster [s]
const ASKED = { page: "from a page", topic: "from the topic", elsewhere: "from another client" };

export class Runs {
  constructor(tell) {
    this.tell = tell;
    this.running = null;
    this.shown = 0; // counts what was asked to be played: an older one ends
    $("clip-again").addEventListener("click", () => this.play(this.clip));
    $("clip-close").addEventListener("click", () => {
      this.shown += 1;
      $("player").hidden = true;
    });
  }

  update(runs) {
    const key = runs.map((one) => ({ ...one, seconds: 0, pictures: one.outcome && one.pictures }));
    fill($("runs"), key, () => runs.map((one) => this.row(one)));
    const newest = runs.find((one) => !one.outcome);
    if (newest) setText(this.running, this.facts(newest));
    $("runs").classList.toggle("none", runs.length === 0);
  }

  row(run) {
    const item = make("li");
    const again = make("button", "again", run.text);
    again.type = "button";
    again.title = "Copy to the instruction box";
    again.addEventListener("click", () => {
      $("instruction").value = run.text;
      $("instruction").focus();
    });
    const mark = run.good === null ? "open" : run.good ? "good" : "bad";
    const facts = make("span", "facts", this.facts(run));
    item.append(again, make("span", `outcome ${mark}`, run.outcome || "not over yet"), facts);
    if (!run.outcome) this.running = facts;
    else if (run.pictures > 1) item.append(this.playButton(run));
    else if (run.seconds > 0) facts.append(", no clip: no page was open");
    return item;
  }

  facts(run) {
    const time = new Date(run.at * 1000).toLocaleTimeString();
    return [time, run.seconds > 0 && `${run.seconds.toFixed(1)} s`, ASKED[run.who]].filter(Boolean).join(", ");
  }

  playButton(run) {
    const button = make("button", "play", "Play");
    button.type = "button";
    button.setAttribute("aria-label", `Play the clip of ${run.text}`);
    button.addEventListener("click", () => this.load(run));
    return button;
  }

  async load(run) {
    const answer = await fetch(`clips/${run.number}`).catch(() => null);
    if (!answer?.ok) {
      this.tell({ ok: false, sentence: answer ? await answer.text() : "There is no connection." });
      return;
    }
    const data = await answer.arrayBuffer();
    const size = new DataView(data).getUint16(0);
    const { times, sizes } = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 2, size)));
    let at = 2 + size;
    const pictures = sizes.map((length) => new Blob([new Uint8Array(data, (at += length) - length, length)], { type: "image/jpeg" }));
    this.clip = { run, times, pictures, speed: Math.max(1, times.at(-1) / LONGEST) };
    await this.play(this.clip);
  }

  async play({ run, times, pictures, speed }) {
    const shown = ++this.shown;
    $("player").hidden = false;
    $("player").scrollIntoView({ block: "nearest" });
    const faster = speed > 1 ? `, ${speed.toFixed(1)} times as fast` : "";
    const begun = performance.now();
    for (const [index, picture] of pictures.entries()) {
      const bitmap = await createImageBitmap(picture);
      const wait = begun + (1000 * times[index]) / speed - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      if (shown !== this.shown) return;
      const canvas = $("clip");
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
      canvas.classList.toggle("coarse", bitmap.width < 200);
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      bitmap.close();
      setText($("clip-caption"), `${run.text}: ${times[index].toFixed(1)} s${faster}`);
      $("player").dataset.played = String(index + 1);
    }
  }
}
