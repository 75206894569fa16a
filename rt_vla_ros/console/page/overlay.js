// What the arm is told, all steps of it: into the picture where the camera is calibrated, else beside it.
const DARK = "rgb(0 0 0 / 62%)";
const FONT = "12px system-ui, sans-serif";

const word = (grip) => (grip < 0 ? "" : grip > 0.5 ? "close" : "open");
const inCentimetres = (way) =>
  ["x", "y", "z"].map((name, axis) => `${name} ${((way.at(-1)[axis] ?? NaN) * 100).toFixed(1)}`);

// path: of the tool, then of each step, 0 ... 1 of the picture; null where that is out of sight.
export function drawPath(pen, [width, height], action, path, colour) {
  const points = path.map((point) => point && [point[0] * width, point[1] * height]);
  for (const [ink, thick] of [[DARK, 6], [colour, 3]]) stroke(pen, points, ink, thick);
  const grips = action.grips;
  points.forEach((point, index) => {
    if (!point) return;
    if (index === 0) circle(pen, point, 6, null, "#fff");
    else if (grips[index - 1] < 0) circle(pen, point, 3, colour, DARK);
    else circle(pen, point, index === points.length - 1 ? 5 : 4, grips[index - 1] > 0.5 ? colour : "#fff", colour);
    if (index > 1 && word(grips[index - 1]) !== word(grips[index - 2])) circle(pen, point, 10, null, "#fff");
  });
  const end = points.at(-1);
  const beside = end && end[0] > width - 50 ? -44 : 10; // a word at the edge would be cut off
  if (end) label(pen, word(grips.at(-1) ?? -1), [end[0] + beside, end[1] + 4]);
  label(pen, `${inCentimetres(action.way).join("  ")} cm`, [8, height - 10]);
}

function stroke(pen, points, ink, thick) {
  pen.strokeStyle = ink;
  pen.lineWidth = thick;
  pen.lineJoin = pen.lineCap = "round";
  pen.beginPath();
  points.forEach((point, index) => {
    if (!point) return;
    if (index && points[index - 1]) pen.lineTo(...point);
    else pen.moveTo(...point);
  });
  pen.stroke();
}

function circle(pen, [x, y], radius, fill, edge) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  if (fill) {
    pen.fillStyle = fill;
    pen.fill();
  }
  pen.strokeStyle = edge;
  pen.lineWidth = 2;
  pen.stroke();
}

function label(pen, text, [x, y]) {
  pen.font = FONT;
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeStyle = DARK;
  pen.strokeText(text, x, y);
  pen.fillStyle = "#fff";
  pen.fillText(text, x, y);
}

// From above, as somebody behind the arm sees it: forward is up, left is left. Beside it, up and down.
export function drawInset(pen, height, action, colour) {
  const side = 76;
  const [left, top] = [8, height - side - 8];
  const end = action.way.at(-1);
  const most = Math.max(0.01, ...action.way.flatMap((point) => point.map(Math.abs)));
  const unit = (side / 2 - 6) / most;
  pen.fillStyle = DARK;
  pen.fillRect(left, top, side + 74, side);
  const [x, y] = [left + side / 2, top + side / 2];
  const grid = [
    [[left + 4, y], [left + side - 4, y]],
    [[x, top + 4], [x, top + side - 4]],
    [[left + side, top + 4], [left + side, top + side - 4]],
  ];
  for (const line of grid) stroke(pen, line, "rgb(255 255 255 / 30%)", 1);
  const ways = [action.way.map((point) => [x - point[1] * unit, y - point[0] * unit])];
  ways.push([[left + side, y], [left + side, y - end[2] * unit]]);
  for (const way of ways) {
    stroke(pen, way, colour, 3);
    circle(pen, way.at(-1), 3, colour, colour);
  }
  pen.fillStyle = "#fff";
  pen.font = FONT;
  const rows = [...inCentimetres(action.way).map((one) => `${one} cm`), word(action.grips.at(-1) ?? -1)];
  rows.forEach((text, row) => pen.fillText(text, left + side + 10, top + 18 + 16 * row));
}
