// A gamepad with the browser's standard mapping, as config/joy/gamepad.yaml has it: LB is the deadman.
const [A, B, LB, BACK, START] = [0, 1, 4, 8, 9];
const PLAY = 0.1;
const pressedBefore = new Map();

const pressed = (pad, button) => Boolean(pad.buttons[button]?.pressed);
const deflected = (value) => (Math.abs(value) < PLAY ? 0 : value);

// Whether a button went down since the last look.
function wentDown(pad, button) {
  const key = `${pad.index} ${button}`;
  const before = pressedBefore.get(key) ?? true;
  pressedBefore.set(key, pressed(pad, button));
  return pressed(pad, button) && !before;
}

export function readGamepad(link, stop) {
  const pad = [...navigator.getGamepads()].find((one) => one?.connected && one.mapping === "standard");
  if (!pad) return null;
  const [x, y, turn, up] = pad.axes.map(deflected);
  const held = pressed(pad, LB);
  if (wentDown(pad, BACK)) stop();
  if (wentDown(pad, START) && !held) link.ask({ kind: "resume" });
  const gripper = wentDown(pad, A) ? 1 : wentDown(pad, B) ? 0 : null;
  return { name: pad.id.slice(0, 60), held, axes: [-y, -x, -up, 0, 0, -turn], gripper };
}
