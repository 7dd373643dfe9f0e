// The page: read the model, feed the drawing to the network, show the prediction.

const WRITING_TIME = 450; // milliseconds in which a sample digit is drawn

const $ = (id) => document.getElementById(id);

function readModel() {
  const model = JSON.parse($("model").textContent);
  model.layers = unflatten(decode(model.theta, model.dtype), model.layer_sizes);
  delete model.theta;
  return model;
}

// The input and all activations of a drawing, or nulls if it is empty or only a dot.
function answerTo(model, drawing) {
  const X = drawing.isDot ? null : prepareDigit(inkImage());
  return { X, A: X && forward(model.layers, X) };
}

function showFacts({ layer_sizes, dtype, bytes, version, accuracy }) {
  const parameters = layer_sizes.slice(1).reduce((sum, n, l) => sum + n * (layer_sizes[l] + 1), 0);
  const facts = [layer_sizes.join("-"), `${count(parameters)} parameters (${dtype}, ${(bytes / 1e6).toFixed(1)} MB)`];
  if (accuracy) facts.push(`${(100 * (1 - accuracy.value)).toFixed(2)}% ${accuracy.rows} error`);
  facts.push(`mnn_gpu ${version}`);
  $("sizes").textContent = layer_sizes.join("-");
  $("model-facts").textContent = facts.join(" · ");
}

function verdict(classes, probabilities) {
  const [first, second] = ranking(probabilities);
  const sure = `${percent(probabilities[first])}`;
  if (second === undefined) return sure;
  return `${sure}, then ${classes[second]} with ${percent(probabilities[second])}`;
}

// Returns a function that updates all views.
function makeShow(model) {
  const showBars = makeBars($("bars"), model.classes);
  const showInside = makeInside($("inside"), model.layer_sizes);
  return ({ X, A }, waiting) => {
    const probabilities = A && A.at(-1);
    $("answer").textContent = A ? model.classes[ranking(probabilities)[0]] : "?";
    $("answer").classList.toggle("none", !A);
    $("verdict").textContent = A ? verdict(model.classes, probabilities) : waiting;
    showBars(probabilities);
    showInside(X, A);
  };
}

function paintPen(context, pen, side, color) {
  if (!pen.shown) return;
  const [x, y] = pen.at.map((part) => part * side);
  context.beginPath();
  context.arc(x, y, Math.max((pen.penWidth() * side) / 2, 6), 0, 2 * Math.PI);
  Object.assign(context, { lineWidth: side / 130, strokeStyle: color, fillStyle: color });
  if (pen.down) context.fill();
  else context.stroke();
}

function paintPad(pad, drawing, pen) {
  const side = Math.max(1, Math.round(pad.clientWidth * window.devicePixelRatio));
  if (pad.width !== side) Object.assign(pad, { width: side, height: side });
  const context = pad.getContext("2d");
  // The color of the pad, which respects a forced palette.
  const style = getComputedStyle(pad);
  context.clearRect(0, 0, side, side);
  paintStrokes(context, drawing.strokes, side, style.color);
  paintPen(context, pen, side, style.caretColor);
  $("hint").hidden = !drawing.empty || pen.shown;
}

function makeSamples(write) {
  SAMPLES.forEach((_, digit) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: digit });
    button.setAttribute("aria-label", `Write a ${digit}`);
    button.addEventListener("click", () => write(digit));
    $("samples").append(button);
  });
}

function start() {
  const [pad, width] = [$("pad"), $("width")];
  const model = readModel();
  showFacts(model);
  const show = makeShow(model);
  let answer = { X: null, A: null };
  let due = false;
  const refresh = () => {
    due = false;
    paintPad(pad, drawing, pen);
    paintInk(drawing.strokes);
    answer = answerTo(model, drawing);
    show(answer, drawing.empty ? "Nothing drawn yet" : "Draw more");
  };
  const changed = () => {
    if (!due) requestAnimationFrame(refresh);
    due = true;
  };
  const say = (text) => ($("live").textContent = text);
  const settled = () => {
    refresh();
    if (answer.A) say(`${$("answer").textContent}, ${$("verdict").textContent}`);
    else say(drawing.empty ? "Nothing drawn" : "Draw more");
  };
  const drawing = new Drawing(changed, settled);
  const penWidth = () => width.valueAsNumber / 100;
  const pen = new KeyboardPen(pad, drawing, penWidth, say);
  const write = (digit) => {
    pen.lift();
    const time = prefers("prefers-reduced-motion: reduce").matches ? 0 : WRITING_TIME;
    drawing.write(sampleStrokes(digit, penWidth()), time);
  };
  listenToPointer(pad, drawing, penWidth);
  listenToKeys(pad, { drawing, pen, width, write });
  makeSamples(write);
  $("undo").addEventListener("click", () => drawing.undo());
  $("clear").addEventListener("click", () => drawing.clear());
  new ResizeObserver(changed).observe(pad);
  followScheme($("theme"), changed);
  return { model, drawing };
}

document.addEventListener("DOMContentLoaded", start);
