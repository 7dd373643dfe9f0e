// Views of a prediction: the predicted class, the bars, the images of the layers.

const LAYER_HEIGHT = 140; // CSS pixels: the largest height of a layer's image
const CELL = 18; // and of one of its cells

function element(name, className, text = "") {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

function count(number) {
  return number.toLocaleString("en");
}

function percent(probability, digits = 1) {
  const text = (100 * probability).toFixed(digits);
  return `${text === "100.0" && probability < 1 ? "99.9" : text}%`;
}

// The indices of the values, largest value first.
function ranking(values) {
  return [...values.keys()].sort((a, b) => values[b] - values[a]);
}

// One row per class: its label, a bar, the probability. Returns a function that updates them.
function makeBars(list, classes) {
  const longest = Math.max(...classes.map((label) => String(label).length));
  list.style.setProperty("--label", `${longest}ch`);
  const rows = classes.map((label) => {
    const row = element("li", "bar");
    const track = element("span", "track");
    const [fill, value] = [element("span", "fill"), element("span", "value")];
    track.append(fill);
    row.append(element("span", "label", String(label)), track, value);
    list.append(row);
    return { row, fill, value };
  });
  return (probabilities) => {
    const best = probabilities && ranking(probabilities)[0];
    rows.forEach(({ row, fill, value }, i) => {
      const probability = probabilities ? probabilities[i] : 0;
      row.classList.toggle("best", i === best);
      fill.style.transform = `scaleX(${probability})`;
      value.textContent = probabilities ? percent(probability) : "";
    });
  };
}

// Rows and columns of a grid of cells: about 8 to 5, without a gap if possible.
function gridShape(cells) {
  const ideal = Math.sqrt(cells / 1.6);
  let rows = Math.max(1, Math.round(ideal));
  for (let divisor = Math.ceil(ideal / 1.4); divisor <= Math.sqrt(cells); divisor++) {
    if (cells % divisor === 0) rows = divisor;
  }
  return [rows, Math.ceil(cells / rows)];
}

function color(name) {
  const [r, g, b] = getComputedStyle(document.documentElement).getPropertyValue(name).match(/[\da-f]{2}/gi);
  return [r, g, b].map((hex) => parseInt(hex, 16));
}

// An image of values, the largest in full color. Returns a function that paints it.
function makeImage(canvas, [rows, columns], cells) {
  const size = Math.min(CELL, Math.max(1, Math.floor(LAYER_HEIGHT / rows)));
  Object.assign(canvas, { width: columns, height: rows });
  canvas.style.width = `${columns * size}px`;
  const context = canvas.getContext("2d");
  return (values, most) => {
    const [low, high] = [color("--cell-low"), color("--cell-high")];
    const image = context.createImageData(columns, rows);
    for (let i = 0; i < cells; i++) {
      const share = values && most > 0 ? values[i] / most : 0;
      low.forEach((from, c) => (image.data[4 * i + c] = from + share * (high[c] - from)));
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  };
}

// A figure with an image and a caption of two lines. Returns functions that fill it.
function makeFigure(place, title, shape, cells) {
  const figure = element("figure", "");
  const canvas = element("canvas", "image");
  const [caption, note] = [element("figcaption", ""), element("span", "note")];
  canvas.setAttribute("aria-hidden", "true");
  caption.append(element("strong", "", title), note);
  figure.append(canvas, caption);
  place.append(figure);
  return { paint: makeImage(canvas, shape, cells), note };
}

// The input and an image for each hidden layer. Returns a function that updates them.
function makeInside(place, sizes) {
  const hidden = sizes.slice(1, -1);
  const input = makeFigure(place, "Network input", [SIDE, SIDE], SIDE * SIDE);
  const layers = hidden.map((units, l) => makeFigure(place, `Layer ${l + 1}`, gridShape(units), units));
  return (X, A) => {
    input.paint(X, 1);
    input.note.textContent = "centered, 28 × 28";
    layers.forEach(({ paint, note }, l) => {
      const active = A ? A[l].reduce((sum, a) => sum + (a > 0), 0) : 0;
      paint(A && A[l], A ? A[l].reduce((a, b) => Math.max(a, b), 0) : 0);
      note.textContent = `${A ? `${count(active)} of ` : ""}${count(hidden[l])} units${A ? " active" : ""}`;
    });
  };
}
