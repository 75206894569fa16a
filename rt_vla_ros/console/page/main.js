// The page: what is heard is shown, what is pressed is said.
import { Cameras } from "./cameras.js";
import { $, isTyping, setText } from "./dom.js";
import { Link } from "./link.js";
import { Panels } from "./panels.js";
import { Plots } from "./plots.js";
import { Stick } from "./stick.js";

const link = new Link();
const plots = new Plots();
const cameras = new Cameras();
const stick = new Stick(link, tell, stop);
const panels = new Panels(link, tell);
const RELEASE = "Press Release to continue.";
const RELEASED_ELSEWHERE = "The page in control can release it.";
let notSent = "";

function tell(answer) {
  setText($("answer"), answer.sentence);
  $("answer").classList.toggle("bad", !answer.ok);
}

async function stop() {
  stick.letGo();
  const sent = link.condition !== "lost";
  const answered = link.ask({ kind: "stop" });
  if (!sent) {
    notSent = " STOP may not have reached the arm: use its emergency stop.";
    showConnection();
  }
  tell(await answered);
}

link.addEventListener("state", ({ detail: { you, state } }) => {
  notSent = "";
  $("state").dataset.tone = state.tone;
  setText($("word"), state.word);
  setText($("reason"), state.stopped ? `${state.reason} ${you.controls ? RELEASE : RELEASED_ELSEWHERE}` : state.reason);
  document.title = `${state.word} – console`;
  const smoother = state.smoother;
  const facts = [state.policy?.name, smoother?.commander ? `commanded by the ${smoother.commander}` : ""];
  if (smoother?.dry_run) facts.push("dry run: nothing is sent to the arm");
  if (smoother && smoother.speed_scale < 1) facts.push(`speed x ${smoother.speed_scale}`);
  setText($("commander"), facts.filter(Boolean).join(" · "));
  showSeat(you, state.pages);
  const { controls } = you;
  $("release").disabled = !state.stopped || !controls;
  document.body.classList.toggle("stopped", state.stopped);
  $("stop").setAttribute("aria-pressed", String(state.stopped));
  for (const id of ["go", "cancel", "arm-stick", "instruction", "ask", "question"]) $(id).disabled = !controls;
  $("resume").hidden = !smoother?.awaits_resume;
  $("resume").disabled = !controls;
  $("new-scene").hidden = !state.offers.new_scene;
  $("new-scene").disabled = !controls;
  plots.add(state);
  cameras.update(state);
  stick.update(state.stick, controls, smoother?.commander === "human");
  panels.update(state, controls);
  showConnection();
});
link.addEventListener("beat", showConnection);
link.addEventListener("answered", (event) => tell(event.detail));
link.addEventListener("refused", (event) => tell({ ok: false, sentence: event.detail }));

function showSeat(you, pages) {
  const others = pages > 1 ? `${pages} pages open` : "";
  setText($("seat"), [you.controls ? "this page controls" : "this page watches", others].filter(Boolean).join(" · "));
  $("take-control").hidden = you.controls;
  document.body.classList.toggle("watching", !you.controls);
}

function showConnection() {
  const condition = link.condition;
  document.body.classList.toggle("lost", condition === "lost");
  const seconds = Number.isFinite(link.silence) ? ` for ${(link.silence / 1000).toFixed(1)} s` : "";
  const trip = link.roundTrip === null ? "" : ` ${Math.round(link.roundTrip)} ms`;
  setText($("connection"), condition === "lost" ? `no connection${seconds}` : `${condition}${trip}`);
  $("connection").dataset.condition = condition;
  if (condition === "lost") { // nothing but STOP looks as if it could be pressed
    $("release").disabled = true;
    $("take-control").hidden = true;
  }
  const lost = "No connection to the console: the data shown is old, and buttons have no effect.";
  const slow = "The connection is slow: data and commands are delayed.";
  const alarm = condition === "lost" ? lost + notSent : condition === "slow" ? slow : "";
  $("alarm").hidden = !alarm;
  setText($("alarm"), alarm);
  if (condition === "lost" && link.everHeard) {
    setText($("word"), "Unknown");
    setText($("reason"), "No messages from the console.");
    $("state").dataset.tone = "bad";
    document.title = "No connection – console";
  }
}

const on = (id, message) => $(id).addEventListener("click", async () => tell(await link.ask(message)));
on("release", { kind: "release" });
on("resume", { kind: "resume" });
on("cancel", { kind: "cancel" });
on("new-scene", { kind: "new_scene" });
on("take-control", { kind: "take_control" });

// Pressing stops, not letting go; a click without a pointer is the keyboard's.
$("stop").addEventListener("pointerdown", stop);
$("stop").addEventListener("click", (event) => event.detail === 0 && stop());
for (const name of ["keydown", "keyup"])
  addEventListener(name, (event) => {
    if (event.code !== "Space" || isTyping()) return;
    event.preventDefault();
    if (name === "keydown" && !event.repeat) stop();
  });
addEventListener("keydown", (event) => event.key === "Escape" && document.activeElement?.blur());

$("say-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("instruction").value.trim();
  if (text) tell(await link.ask({ kind: "instruct", text }));
});
$("ask-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("question").value.trim();
  if (!text) return;
  $("question").value = "";
  const answer = await link.ask({ kind: "ask", text });
  if (!answer.ok) tell(answer);
});
