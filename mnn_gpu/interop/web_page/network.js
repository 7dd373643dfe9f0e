// The network, for one sample: the same formulas as mnn_gpu/nn/network.py.
//
//   Z[l] = W[l] A[l-1] + b[l]      A[l] = relu(Z[l])      A[L] = softmax(Z[L])      A[0] = X

// The number with these 16 bits in IEEE 754 half precision.
function float16(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function bytesOf(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// All weights and biases, little-endian float16 or float32, as a Float32Array.
function decode(base64, dtype) {
  const view = new DataView(bytesOf(base64).buffer);
  if (dtype === "float32") {
    return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
  }
  const value = Float32Array.from({ length: 65536 }, (_, bits) => float16(bits));
  const theta = new Float32Array(view.byteLength / 2);
  for (let i = 0; i < theta.length; i++) theta[i] = value[view.getUint16(2 * i, true)];
  return theta;
}

// Split theta into [{W, b}, ...], as views; W[l] is (outputs, inputs), in row order.
function unflatten(theta, sizes) {
  let start = 0;
  return sizes.slice(1).map((outputs, l) => {
    const middle = start + outputs * sizes[l];
    const layer = { W: theta.subarray(start, middle), b: theta.subarray(middle, middle + outputs) };
    start = middle + outputs;
    return layer;
  });
}

// Z = W A + b
function affine({ W, b }, A) {
  const inputs = A.length;
  const Z = new Float64Array(b.length);
  for (let i = 0, k = 0; i < Z.length; i++) {
    let sum = 0;
    for (let j = 0; j < inputs; j++, k++) sum += W[k] * A[j];
    Z[i] = sum + b[i];
  }
  return Z;
}

function relu(Z) {
  return Z.map((z) => Math.max(z, 0));
}

function softmax(Z) {
  const top = Z.reduce((a, b) => Math.max(a, b), -Infinity);
  const E = Z.map((z) => Math.exp(z - top));
  const sum = E.reduce((a, b) => a + b, 0);
  return E.map((e) => e / sum);
}

// The activations A[1], ..., A[L] of a sample X, (features,), 0 to 1.
function forward(layers, X) {
  const A = [];
  layers.forEach((layer, l) => {
    const Z = affine(layer, l === 0 ? X : A[l - 1]);
    A.push(l < layers.length - 1 ? relu(Z) : softmax(Z));
  });
  return A;
}
