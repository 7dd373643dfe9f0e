// MNIST's preprocessing: the ink is cropped, scaled to 20 x 20 pixels with antialiasing and its
// aspect ratio kept, and placed in 28 x 28 with its center of mass in the middle.
// An image here is {width, height, pixels}: gray levels from 0 (paper) to 255 (ink), row by row.
//
// LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition,
// Proceedings of the IEEE 86 (1998), section III.A.

const SIDE = 28;
const BOX = 20;
const FAINTEST = 26; // A tenth of full ink: paler pixels are the rim of a stroke, or paper.

function emptyImage(width, height) {
  return { width, height, pixels: new Float64Array(width * height) };
}

// The smallest rectangle with all the ink, or null if there is none.
function inkBounds({ width, height, pixels }) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (pixels[i] < FAINTEST) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

function crop(image, { left, top, width, height }) {
  const part = emptyImage(width, height);
  for (let y = 0; y < height; y++) {
    const start = (top + y) * image.width + left;
    part.pixels.set(image.pixels.subarray(start, start + width), y * width);
  }
  return part;
}

// Each new pixel of a row is the mean of the old pixels that it covers. The result is
// transposed, so that applying it twice scales both axes.
function scaledRows({ width, height, pixels }, count) {
  const scaled = emptyImage(height, count);
  const stretch = width / count;
  for (let i = 0; i < count; i++) {
    const [start, stop] = [i * stretch, (i + 1) * stretch];
    for (let x = Math.floor(start); x < Math.min(stop, width); x++) {
      const share = (Math.min(x + 1, stop) - Math.max(x, start)) / stretch;
      for (let y = 0; y < height; y++) scaled.pixels[i * height + y] += share * pixels[y * width + x];
    }
  }
  return scaled;
}

function scaledInto(image, box) {
  const scale = box / Math.max(image.width, image.height);
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  return scaledRows(scaledRows(image, width), height);
}

function centerOfMass({ width, pixels }) {
  let [mass, x, y] = [0, 0, 0];
  pixels.forEach((gray, i) => {
    mass += gray;
    x += gray * (i % width);
    y += gray * Math.floor(i / width);
  });
  return [x / mass, y / mass];
}

// The offset that moves the center to the middle pixel, without cutting anything off.
function beginning(center, length) {
  return Math.min(Math.max(Math.round(SIDE / 2 - center), 0), SIDE - length);
}

// The network's input: (784,), 0 to 1; null if nothing is drawn.
function prepareDigit(image) {
  const bounds = inkBounds(image);
  if (bounds === null) return null;
  const digit = scaledInto(crop(image, bounds), BOX);
  const [x, y] = centerOfMass(digit);
  const [left, top] = [beginning(x, digit.width), beginning(y, digit.height)];
  const X = new Float64Array(SIDE * SIDE);
  digit.pixels.forEach((gray, i) => {
    const [row, column] = [Math.floor(i / digit.width), i % digit.width];
    X[(top + row) * SIDE + left + column] = gray / 255;
  });
  return X;
}
