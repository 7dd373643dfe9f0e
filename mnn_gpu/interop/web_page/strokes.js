// Strokes: {width, points: [[x, y], ...]}, all relative to the drawing's side. They are
// painted as smooth curves through the midpoints between the points.

const INK_SIDE = 280;

function middle([x1, y1], [x2, y2]) {
  return [(x1 + x2) / 2, (y1 + y2) / 2];
}

function paintDot(context, [x, y], width) {
  context.beginPath();
  context.arc(x, y, width / 2, 0, 2 * Math.PI);
  context.fill();
}

function paintLine(context, points) {
  context.beginPath();
  context.moveTo(...points[0]);
  for (let i = 1; i < points.length - 1; i++) {
    context.quadraticCurveTo(...points[i], ...middle(points[i], points[i + 1]));
  }
  context.lineTo(...points.at(-1));
  context.stroke();
}

// Paint strokes onto a canvas of side x side pixels, without clearing it.
function paintStrokes(context, strokes, side, color) {
  Object.assign(context, { lineCap: "round", lineJoin: "round", strokeStyle: color, fillStyle: color });
  for (const { width, points } of strokes) {
    const pixels = points.map(([x, y]) => [x * side, y * side]);
    context.lineWidth = width * side;
    if (points.length === 1) paintDot(context, pixels[0], width * side);
    else paintLine(context, pixels);
  }
}

// The network's input is computed from this ink, which is the same on every screen.
const ink = Object.assign(document.createElement("canvas"), { width: INK_SIDE, height: INK_SIDE });
const inkContext = ink.getContext("2d", { willReadFrequently: true });

function paintInk(strokes) {
  inkContext.clearRect(0, 0, INK_SIDE, INK_SIDE);
  paintStrokes(inkContext, strokes, INK_SIDE, "#000");
}

// The ink as an image for prepareDigit: opacity is gray.
function inkImage() {
  const { data } = inkContext.getImageData(0, 0, INK_SIDE, INK_SIDE);
  const pixels = new Uint8Array(INK_SIDE ** 2);
  for (let i = 0; i < pixels.length; i++) pixels[i] = data[4 * i + 3];
  return { width: INK_SIDE, height: INK_SIDE, pixels };
}

// The first part of some strokes, up to a share of their length from 0 to 1.
function begun(strokes, share) {
  let left = Math.round(share * strokes.reduce((sum, { points }) => sum + points.length, 0));
  const part = [];
  for (const { width, points } of strokes) {
    if (left <= 0) break;
    part.push({ width, points: points.slice(0, left) });
    left -= points.length;
  }
  return part;
}
