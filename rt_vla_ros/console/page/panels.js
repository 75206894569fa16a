// The lists: suggestions, runs, answers, diagnostics; and the recorder.
import { $, fill, make, setText } from "./dom.js";
import { Runs } from "./runs.js";

const LEVELS = ["OK", "WARN", "ERROR", "STALE"];

export class Panels {
  constructor(link, tell) {
    this.link = link;
    this.runs = new Runs(tell);
    const on = (id, message) => $(id).addEventListener("click", async () => tell(await link.ask(message())));
    on("record-start", () => ({ kind: "record_start", text: $("instruction").value.trim() }));
    on("record-success", () => ({ kind: "record_stop", success: true }));
    on("record-failure", () => ({ kind: "record_stop", success: false }));
    on("record-discard", () => ({ kind: "record_discard" }));
    on("label-success", () => ({ kind: "record_label", success: true }));
    on("label-failure", () => ({ kind: "record_label", success: false }));
  }

  update(state, controls) {
    this.suggestions(state.suggestions, state.runs);
    this.runs.update(state.runs);
    this.answers(state.answers);
    this.nodes(state.nodes);
    this.recorder(state.recorder, state.offers, controls);
    const plan = state.action && state.action.age < 3 ? state.action.plan : "";
    setText($("plan"), plan ? `Plan: ${plan}` : "");
    $("plan").hidden = !plan;
  }

  suggestions(suggestions, runs) {
    const known = [...new Set([...suggestions, ...runs.map((one) => one.text)])];
    fill($("known"), known, () =>
      known.map((text) => {
        const option = make("option");
        option.value = text;
        return option;
      }),
    );
    $("instruction").placeholder = known.length ? `such as: ${known[0]}` : "what the arm should do";
  }

  answers(answers) {
    fill($("answers"), answers, () =>
      answers.map((one) => {
        const item = make("li");
        const took = one.took ? ` (${one.took.toFixed(1)} s)` : "";
        const said = one.problem || one.answer || "waiting for the answer";
        item.append(make("span", "question", one.question));
        item.append(make("span", `outcome ${one.problem ? "bad" : one.answer ? "good" : "open"}`, said + took));
        return item;
      }),
    );
  }

  nodes(nodes) {
    const shown = nodes.map(({ name, level, message }) => ({ name, level, message }));
    shown.sort((a, b) => b.level - a.level || (a.name < b.name ? -1 : 1));
    fill($("nodes"), shown, () =>
      shown.map(({ name, level, message }) => {
        const item = make("li", `level${level}`);
        item.append(make("span", "badge", LEVELS[level] ?? String(level)), make("b", "", name), make("span", "", message));
        return item;
      }),
    );
    $("nodes").classList.toggle("none", shown.length === 0);
  }

  recorder(recorder, offers, controls) {
    $("record").hidden = !offers.record_start && !recorder;
    if ($("record").hidden) return;
    const recording = Boolean(recorder?.recording);
    setText($("recorder"), recorder ? `${recorder.message} ${recording ? `${recorder.frames} frames.` : ""}` : "");
    $("record").classList.toggle("recording", recording);
    $("record-start").disabled = recording || !controls;
    for (const id of ["record-success", "record-failure", "record-discard"]) $(id).disabled = !recording || !controls;
    $("labels").hidden = recording;
    for (const id of ["label-success", "label-failure"]) $(id).disabled = !controls;
  }
}
