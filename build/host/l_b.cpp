
#include <cmath>
#include <cstring>
using std::abs; using std::exp; using std::log; using std::log1p; using std::tanh; using std::sqrt; using std::floor; using std::isfinite;
struct D { unsigned x, y, z; }; static D blockIdx{0,0,0}, blockDim{1,1,1}, gridDim{1,1,1}, threadIdx{0,0,0};
#define __global__
#define __shared__ static
#define __restrict__
#define __syncthreads()
static float __int_as_float(int i) { float f; std::memcpy(&f, &i, 4); return f; }
#define __device__

__device__ void barrier(unsigned* count, unsigned& gen) {
#ifdef __CUDA_ARCH__
  __syncthreads();
  gen += gridDim.x;
  if (threadIdx.x == 0) { __threadfence(); atomicAdd(count, 1u); while ((int)(*(volatile unsigned*)count - gen) < 0) {} __threadfence(); }
  __syncthreads();
#endif
}
__device__ void k0(const int* p0, const unsigned char* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 100352LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 784); const long long i1 = i % 784;
const int x0 = p0[i0 * 1LL];
const unsigned char*  x1 = p1;
const unsigned char v0 = x1[(long long)x0 * (784) + i % (784)];
const float v1 = (float)(float)v0;
const float v2 = (float)v1 * (float)(0.00392156862745098);
q0[i0 * 784LL + i1 * 1LL] = v2; } }
__device__ void k1(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 2560LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = ((i / 32) / 5); const long long i1 = (i / 32) % 5; const long long i2 = i % 32; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0;
#pragma unroll 8
for (int k = 0; k < 49; ++k) { const float a0 = p0[i0 * 49LL + (i1 * 2 + 0) * 784LL + k * 1LL]; const float a1 = p0[i0 * 49LL + (i1 * 2 + 1) * 784LL + k * 1LL]; const float b0 = p1[i0 * 49LL + k * 1LL + (i2 * 4 + 0) * 784LL]; const float b1 = p1[i0 * 49LL + k * 1LL + (i2 * 4 + 1) * 784LL]; const float b2 = p1[i0 * 49LL + k * 1LL + (i2 * 4 + 2) * 784LL]; const float b3 = p1[i0 * 49LL + k * 1LL + (i2 * 4 + 3) * 784LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; }
q0[i0 * 1280LL + (i1 * 2 + 0) * 128LL + (i2 * 4 + 0) * 1LL] = s0_0; q0[i0 * 1280LL + (i1 * 2 + 0) * 128LL + (i2 * 4 + 1) * 1LL] = s0_1; q0[i0 * 1280LL + (i1 * 2 + 0) * 128LL + (i2 * 4 + 2) * 1LL] = s0_2; q0[i0 * 1280LL + (i1 * 2 + 0) * 128LL + (i2 * 4 + 3) * 1LL] = s0_3; q0[i0 * 1280LL + (i1 * 2 + 1) * 128LL + (i2 * 4 + 0) * 1LL] = s1_0; q0[i0 * 1280LL + (i1 * 2 + 1) * 128LL + (i2 * 4 + 1) * 1LL] = s1_1; q0[i0 * 1280LL + (i1 * 2 + 1) * 128LL + (i2 * 4 + 2) * 1LL] = s1_2; q0[i0 * 1280LL + (i1 * 2 + 1) * 128LL + (i2 * 4 + 3) * 1LL] = s1_3; } }
__device__ void k2(const int*  x0, const int*  x1, const float*  x2, const float*  x3, const float*  x4, const float*  x5, const float*  x6, const float*  x7, const float*  x8, const float*  x9, const float*  x10, const float*  x11, const float*  x12, const float*  x13, const float*  x14, const float*  x15, const float*  x16, const float*  x17, const float*  x18, const float*  x19, const float*  x20, const float*  x21, const float*  x22, const int*  x23, const float*  x24, const float*  x25, float*  y0, float*  y1, float*  y2, float*  y3, float*  y4, float*  y5, float*  y6) {
const long long all = (long long)blockDim.x * gridDim.x;
for (long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x; j < 128LL; j += all)
{
int v0[1];
#pragma unroll
for (int r = 0; r < 1; ++r) { v0[r] = x1[(long long)x0[r * 0LL + j * 1LL]]; }
float v1[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v1[r] = (float)x2[r * 128LL + j * 1LL] + (float)x3[r * 128LL + j * 1LL]; }
float v2[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v2[r] = (float)v1[r] + (float)x4[r * 128LL + j * 1LL]; }
float v3[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v3[r] = (float)v2[r] + (float)x5[r * 128LL + j * 1LL]; }
float v4[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v4[r] = (float)v3[r] + (float)x6[r * 128LL + j * 1LL]; }
float v5[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v5[r] = (float)v4[r] + (float)x7[r * 128LL + j * 1LL]; }
float v6[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v6[r] = (float)v5[r] + (float)x8[r * 128LL + j * 1LL]; }
float v7[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v7[r] = (float)v6[r] + (float)x9[r * 128LL + j * 1LL]; }
float v8[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v8[r] = (float)v7[r] + (float)x10[r * 128LL + j * 1LL]; }
float v9[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v9[r] = (float)v8[r] + (float)x11[r * 128LL + j * 1LL]; }
float v10[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v10[r] = (float)v9[r] + (float)x12[r * 128LL + j * 1LL]; }
float v11[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v11[r] = (float)v10[r] + (float)x13[r * 128LL + j * 1LL]; }
float v12[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v12[r] = (float)v11[r] + (float)x14[r * 128LL + j * 1LL]; }
float v13[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v13[r] = (float)v12[r] + (float)x15[r * 128LL + j * 1LL]; }
float v14[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v14[r] = (float)v13[r] + (float)x16[r * 128LL + j * 1LL]; }
float v15[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v15[r] = (float)v14[r] + (float)x17[r * 128LL + j * 1LL]; }
float v16[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v16[r] = (float)v15[r] + (float)x18[r * 1LL + j * 0LL]; }
float v17[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v17[r] = (float)v16[r] >= (float)(0) || (float)v16[r] != (float)v16[r] ? (float)v16[r] : (float)(0); }
float v18[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v18[r] = 0; }
#pragma unroll 2
for (int k = 0; k < 10; ++k) {
const float b = v17[k];
#pragma unroll
for (int r = 0; r < 10; ++r) { v18[r] += x19[r * 10LL + k * 1LL] * b; }
}
float v19[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v19[r] = (float)v18[r] + (float)x20[r * 1LL + j * 0LL]; }
float v20[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v20[r] = (float)v19[r] >= (float)(0) || (float)v19[r] != (float)v19[r] ? (float)v19[r] : (float)(0); }
float v21[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v21[r] = 0; }
#pragma unroll 2
for (int k = 0; k < 10; ++k) {
const float b = v20[k];
#pragma unroll
for (int r = 0; r < 10; ++r) { v21[r] += x21[r * 10LL + k * 1LL] * b; }
}
float v22[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v22[r] = (float)v21[r] + (float)x22[r * 1LL + j * 0LL]; }
float v23[1];
v23[0] = (float)v22[0];
#pragma unroll
for (int r = 1; r < 10; ++r) {
const float a = v23[0], b = (float)v22[r];
v23[0] = a >= b || a != a ? a : b;
}
float v24[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v24[r] = (float)v21[r] + (float)x22[r * 1LL + j * 0LL]; }
float v25[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v25[r] = (float)v24[r] - (float)v23[0]; }
float v26[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v26[r] = exp((float)v25[r]); }
float v27[1];
v27[0] = (float)v26[0];
#pragma unroll
for (int r = 1; r < 10; ++r) {
const float a = v27[0], b = (float)v26[r];
v27[0] = a + b;
}
float v28[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v28[r] = (float)v21[r] + (float)x22[r * 1LL + j * 0LL]; }
float v29[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v29[r] = (float)v28[r] - (float)v23[0]; }
float v30[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v30[r] = exp((float)v29[r]); }
float v31[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v31[r] = (float)v30[r] / (float)v27[0]; }
bool v32[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v32[r] = (int)x23[r * 1LL + j * 0LL] == (int)v0[0]; }
float v33[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v33[r] = (float)(float)v32[r]; }
float v34[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v34[r] = (float)v31[r] - (float)v33[r]; }
float v35[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v35[r] = (float)v34[r] * (float)(0.0078125); }
float v36[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v36[r] = 0; }
#pragma unroll 2
for (int k = 0; k < 10; ++k) {
const float b = v35[k];
#pragma unroll
for (int r = 0; r < 10; ++r) { v36[r] += x24[r * 1LL + k * 10LL] * b; }
}
bool v37[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v37[r] = (float)v19[r] > (float)(0); }
float v38[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v38[r] = (float)(float)v37[r]; }
float v39[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v39[r] = (float)v36[r] * (float)v38[r]; }
float v40[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v40[r] = 0; }
#pragma unroll 2
for (int k = 0; k < 10; ++k) {
const float b = v39[k];
#pragma unroll
for (int r = 0; r < 10; ++r) { v40[r] += x25[r * 1LL + k * 10LL] * b; }
}
bool v41[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v41[r] = (float)v16[r] > (float)(0); }
float v42[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v42[r] = (float)(float)v41[r]; }
float v43[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v43[r] = (float)v40[r] * (float)v42[r]; }
float v44[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v44[r] = (float)v33[r] * (float)v29[r]; }
float v45[1];
v45[0] = (float)v44[0];
#pragma unroll
for (int r = 1; r < 10; ++r) {
const float a = v45[0], b = (float)v44[r];
v45[0] = a + b;
}
#pragma unroll
for (int r = 0; r < 10; ++r) { y0[r * 128LL + j] = v17[r]; }
#pragma unroll
for (int r = 0; r < 10; ++r) { y1[r * 128LL + j] = v20[r]; }
#pragma unroll
for (int r = 0; r < 1; ++r) { y2[r * 128LL + j] = v27[r]; }
#pragma unroll
for (int r = 0; r < 10; ++r) { y3[r * 128LL + j] = v35[r]; }
#pragma unroll
for (int r = 0; r < 10; ++r) { y4[r * 128LL + j] = v39[r]; }
#pragma unroll
for (int r = 0; r < 10; ++r) { y5[r * 128LL + j] = v43[r]; }
#pragma unroll
for (int r = 0; r < 1; ++r) { y6[r * 128LL + j] = v45[r]; }
}
}
__device__ void k3(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 100LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = ((i / 5) / 5); const long long i1 = (i / 5) % 5; const long long i2 = i % 5; float s0_0 = 0; float s0_1 = 0; float s1_0 = 0; float s1_1 = 0;
#pragma unroll 8
for (int k = 0; k < 32; ++k) { const float a0 = p0[i0 * 32LL + (i1 * 2 + 0) * 128LL + k * 1LL]; const float a1 = p0[i0 * 32LL + (i1 * 2 + 1) * 128LL + k * 1LL]; const float b0 = p1[i0 * 32LL + k * 1LL + (i2 * 2 + 0) * 128LL]; const float b1 = p1[i0 * 32LL + k * 1LL + (i2 * 2 + 1) * 128LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s1_0 += a1 * b0; s1_1 += a1 * b1; }
q0[i0 * 100LL + (i1 * 2 + 0) * 10LL + (i2 * 2 + 0) * 1LL] = s0_0; q0[i0 * 100LL + (i1 * 2 + 0) * 10LL + (i2 * 2 + 1) * 1LL] = s0_1; q0[i0 * 100LL + (i1 * 2 + 1) * 10LL + (i2 * 2 + 0) * 1LL] = s1_0; q0[i0 * 100LL + (i1 * 2 + 1) * 10LL + (i2 * 2 + 1) * 1LL] = s1_1; } }
__device__ void k4(const float* p0, const float* p1, const float* p2, const float* p3, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 100LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 10); const long long i1 = i % 10;
const float x0 = p0[i0 * 10LL + i1 * 1LL];
const float x1 = p1[i0 * 10LL + i1 * 1LL];
const float x2 = p2[i0 * 10LL + i1 * 1LL];
const float x3 = p3[i0 * 10LL + i1 * 1LL];
const float v0 = (float)x0 + (float)x1;
const float v1 = (float)v0 + (float)x2;
const float v2 = (float)v1 + (float)x3;
q0[i0 * 10LL + i1 * 1LL] = v2; } }
__device__ void k5(const float* p0, float* q0) { __shared__ float all[1];
for (long long o = blockIdx.x; o < 10; o += gridDim.x) { 

const long long o0 = o;
float s = 0;
for (long long k = threadIdx.x; k < 128; k += 1) {
const long long i0 = k;
const float x0 = p0[o0 * 128LL + i0 * 1LL];
const float v0 = (float)(float)x0;
const float a = s, b = v0; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 0; half; half /= 2) {
if (threadIdx.x < half) { const float a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[o0 * 1LL] = all[0];  __syncthreads(); } }
__device__ void k6(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 100LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = ((i / 5) / 5); const long long i1 = (i / 5) % 5; const long long i2 = i % 5; float s0_0 = 0; float s0_1 = 0; float s1_0 = 0; float s1_1 = 0;
#pragma unroll 8
for (int k = 0; k < 32; ++k) { const float a0 = p0[i0 * 32LL + (i1 * 2 + 0) * 128LL + k * 1LL]; const float a1 = p0[i0 * 32LL + (i1 * 2 + 1) * 128LL + k * 1LL]; const float b0 = p1[i0 * 32LL + k * 1LL + (i2 * 2 + 0) * 128LL]; const float b1 = p1[i0 * 32LL + k * 1LL + (i2 * 2 + 1) * 128LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s1_0 += a1 * b0; s1_1 += a1 * b1; }
q0[i0 * 100LL + (i1 * 2 + 0) * 10LL + (i2 * 2 + 0) * 1LL] = s0_0; q0[i0 * 100LL + (i1 * 2 + 0) * 10LL + (i2 * 2 + 1) * 1LL] = s0_1; q0[i0 * 100LL + (i1 * 2 + 1) * 10LL + (i2 * 2 + 0) * 1LL] = s1_0; q0[i0 * 100LL + (i1 * 2 + 1) * 10LL + (i2 * 2 + 1) * 1LL] = s1_1; } }
__device__ void k7(const float* p0, const float* p1, const float* p2, const float* p3, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 100LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 10); const long long i1 = i % 10;
const float x0 = p0[i0 * 10LL + i1 * 1LL];
const float x1 = p1[i0 * 10LL + i1 * 1LL];
const float x2 = p2[i0 * 10LL + i1 * 1LL];
const float x3 = p3[i0 * 10LL + i1 * 1LL];
const float v0 = (float)x0 + (float)x1;
const float v1 = (float)v0 + (float)x2;
const float v2 = (float)v1 + (float)x3;
q0[i0 * 10LL + i1 * 1LL] = v2; } }
__device__ void k8(const float* p0, float* q0) { __shared__ float all[1];
for (long long o = blockIdx.x; o < 10; o += gridDim.x) { 

const long long o0 = o;
float s = 0;
for (long long k = threadIdx.x; k < 128; k += 1) {
const long long i0 = k;
const float x0 = p0[o0 * 128LL + i0 * 1LL];
const float v0 = (float)(float)x0;
const float a = s, b = v0; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 0; half; half /= 2) {
if (threadIdx.x < half) { const float a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[o0 * 1LL] = all[0];  __syncthreads(); } }
__device__ void k9(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 3920LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = ((i / 196) / 5); const long long i1 = (i / 196) % 5; const long long i2 = i % 196; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0;
#pragma unroll 8
for (int k = 0; k < 32; ++k) { const float a0 = p0[i0 * 32LL + (i1 * 2 + 0) * 128LL + k * 1LL]; const float a1 = p0[i0 * 32LL + (i1 * 2 + 1) * 128LL + k * 1LL]; const float b0 = p1[i0 * 25088LL + k * 784LL + (i2 * 4 + 0) * 1LL]; const float b1 = p1[i0 * 25088LL + k * 784LL + (i2 * 4 + 1) * 1LL]; const float b2 = p1[i0 * 25088LL + k * 784LL + (i2 * 4 + 2) * 1LL]; const float b3 = p1[i0 * 25088LL + k * 784LL + (i2 * 4 + 3) * 1LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; }
q0[i0 * 7840LL + (i1 * 2 + 0) * 784LL + (i2 * 4 + 0) * 1LL] = s0_0; q0[i0 * 7840LL + (i1 * 2 + 0) * 784LL + (i2 * 4 + 1) * 1LL] = s0_1; q0[i0 * 7840LL + (i1 * 2 + 0) * 784LL + (i2 * 4 + 2) * 1LL] = s0_2; q0[i0 * 7840LL + (i1 * 2 + 0) * 784LL + (i2 * 4 + 3) * 1LL] = s0_3; q0[i0 * 7840LL + (i1 * 2 + 1) * 784LL + (i2 * 4 + 0) * 1LL] = s1_0; q0[i0 * 7840LL + (i1 * 2 + 1) * 784LL + (i2 * 4 + 1) * 1LL] = s1_1; q0[i0 * 7840LL + (i1 * 2 + 1) * 784LL + (i2 * 4 + 2) * 1LL] = s1_2; q0[i0 * 7840LL + (i1 * 2 + 1) * 784LL + (i2 * 4 + 3) * 1LL] = s1_3; } }
__device__ void k10(const float* p0, const float* p1, const float* p2, const float* p3, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 7840LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 784); const long long i1 = i % 784;
const float x0 = p0[i0 * 784LL + i1 * 1LL];
const float x1 = p1[i0 * 784LL + i1 * 1LL];
const float x2 = p2[i0 * 784LL + i1 * 1LL];
const float x3 = p3[i0 * 784LL + i1 * 1LL];
const float v0 = (float)x0 + (float)x1;
const float v1 = (float)v0 + (float)x2;
const float v2 = (float)v1 + (float)x3;
q0[i0 * 784LL + i1 * 1LL] = v2; } }
__device__ void k11(const float* p0, float* q0) { __shared__ float all[1];
for (long long o = blockIdx.x; o < 10; o += gridDim.x) { 

const long long o0 = o;
float s = 0;
for (long long k = threadIdx.x; k < 128; k += 1) {
const long long i0 = k;
const float x0 = p0[o0 * 128LL + i0 * 1LL];
const float v0 = (float)(float)x0;
const float a = s, b = v0; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 0; half; half /= 2) {
if (threadIdx.x < half) { const float a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[o0 * 1LL] = all[0];  __syncthreads(); } }
__device__ void k12(const float* p0, const float* p1, float* q0) { __shared__ float all[1];
for (long long o = blockIdx.x; o < 1; o += gridDim.x) { 

const long long o0 = o;
float s = 0;
for (long long k = threadIdx.x; k < 128; k += 1) {
const long long i0 = (k / 128); const long long i1 = k % 128;
const float x0 = p0[i1 * 1LL];
const float x1 = p1[i1 * 1LL];
const float v0 = log((float)x0);
const float v1 = (float)v0 - (float)x1;
const float a = s, b = v1; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 0; half; half /= 2) {
if (threadIdx.x < half) { const float a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[0] = all[0];  __syncthreads(); } }
__device__ void k13(const float* p0, int* q0) { __shared__ int all[1];
for (long long o = blockIdx.x; o < 1; o += gridDim.x) { 

const long long o0 = o;
int s = 0;
for (long long k = threadIdx.x; k < 128; k += 1) {
const long long i0 = (k / 128); const long long i1 = k % 128;
const float x0 = p0[i1 * 1LL];
const bool v0 = (float)x0 >= (float)(0);
const int v1 = (int)(int)v0;
const int a = s, b = v1; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 0; half; half /= 2) {
if (threadIdx.x < half) { const int a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[0] = all[0];  __syncthreads(); } }
__device__ void k14(const float* p0, const float* p1, const float* p2, const float* p3, const float* p4, const float* p5, float* q0, float* q1, float* q2) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 8070LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = i;
const float x0 = p0[i0 * 1LL];
const float x1 = p1[i0 * 1LL];
const float x2 = p2[i0 * 1LL];
const float x3 = p3[0];
const float x4 = p4[0];
const float x5 = p5[i0 * 1LL];
const float v0 = (float)(0.9) * (float)x0;
const float v1 = (float)v0 + (float)x1;
const float v2 = (float)(0.999) * (float)x2;
const float v3 = (float)x1 * (float)x1;
const float v4 = (float)v2 + (float)v3;
const float v5 = sqrt((float)v4);
const float v6 = (float)v5 + (float)x3;
const float v7 = (float)v1 / (float)v6;
const float v8 = (float)x4 * (float)v7;
const float v9 = (float)x5 - (float)v8;
q0[i0 * 1LL] = v1;
q1[i0 * 1LL] = v4;
q2[i0 * 1LL] = v9; } }
__device__ void k15(const float* p0, const float* p1, const int* p2, const int* p3, const int* p4, float* q0, int* q1, int* q2) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 1LL; i += (long long)gridDim.x * blockDim.x) {

const float x0 = p0[0];
const float x1 = p1[0];
const int x2 = p2[0];
const int x3 = p3[0];
const int x4 = p4[0];
const float v0 = (float)x0 + (float)x1;
const int v1 = (int)x2 + (int)x3;
const bool v2 = isfinite((float)x1);
const int v3 = (int)(int)v2;
const int v4 = (int)x4 + (int)v3;
q0[0] = v0;
q1[0] = v1;
q2[0] = v4; } }
extern "C" __global__ void steps(char** table, unsigned* count, int many) {
unsigned gen = 0;
for (long long s = 0; s < many; ++s) {
k0((const int*)(table[0] + 0LL + s * 512LL), (const unsigned char*)(table[1] + 0LL), (float*)(table[2] + 0LL));
barrier(count, gen);
k1((const float*)(table[3] + 0LL), (const float*)(table[2] + 0LL), (float*)(table[4] + 0LL));
barrier(count, gen);
k2((const int*)(table[0] + 0LL + s * 512LL), (const int*)(table[5] + 0LL), (const float*)(table[4] + 0LL), (const float*)(table[4] + 5120LL), (const float*)(table[4] + 10240LL), (const float*)(table[4] + 15360LL), (const float*)(table[4] + 20480LL), (const float*)(table[4] + 25600LL), (const float*)(table[4] + 30720LL), (const float*)(table[4] + 35840LL), (const float*)(table[4] + 40960LL), (const float*)(table[4] + 46080LL), (const float*)(table[4] + 51200LL), (const float*)(table[4] + 56320LL), (const float*)(table[4] + 61440LL), (const float*)(table[4] + 66560LL), (const float*)(table[4] + 71680LL), (const float*)(table[4] + 76800LL), (const float*)(table[3] + 31360LL), (const float*)(table[3] + 31400LL), (const float*)(table[3] + 31800LL), (const float*)(table[3] + 31840LL), (const float*)(table[3] + 32240LL), (const int*)(table[6] + 0LL), (const float*)(table[3] + 31840LL), (const float*)(table[3] + 31400LL), (float*)(table[7] + 0LL), (float*)(table[8] + 0LL), (float*)(table[9] + 0LL), (float*)(table[10] + 0LL), (float*)(table[11] + 0LL), (float*)(table[12] + 0LL), (float*)(table[13] + 0LL));
barrier(count, gen);
k3((const float*)(table[10] + 0LL), (const float*)(table[8] + 0LL), (float*)(table[14] + 0LL));
k5((const float*)(table[10] + 0LL), (float*)(table[15] + 32240LL));
k6((const float*)(table[11] + 0LL), (const float*)(table[7] + 0LL), (float*)(table[16] + 0LL));
k8((const float*)(table[11] + 0LL), (float*)(table[15] + 31800LL));
k9((const float*)(table[12] + 0LL), (const float*)(table[2] + 0LL), (float*)(table[17] + 0LL));
k11((const float*)(table[12] + 0LL), (float*)(table[15] + 31360LL));
k12((const float*)(table[9] + 0LL), (const float*)(table[13] + 0LL), (float*)(table[18] + 0LL));
k13((const float*)(table[13] + 0LL), (int*)(table[19] + 0LL));
barrier(count, gen);
k4((const float*)(table[14] + 0LL), (const float*)(table[14] + 400LL), (const float*)(table[14] + 800LL), (const float*)(table[14] + 1200LL), (float*)(table[15] + 31840LL));
k7((const float*)(table[16] + 0LL), (const float*)(table[16] + 400LL), (const float*)(table[16] + 800LL), (const float*)(table[16] + 1200LL), (float*)(table[15] + 31400LL));
k10((const float*)(table[17] + 0LL), (const float*)(table[17] + 31360LL), (const float*)(table[17] + 62720LL), (const float*)(table[17] + 94080LL), (float*)(table[15] + 0LL));
k15((const float*)(table[20] + 0LL), (const float*)(table[18] + 0LL), (const int*)(table[21] + 0LL), (const int*)(table[19] + 0LL), (const int*)(table[22] + 0LL), (float*)(table[20] + 0LL), (int*)(table[21] + 0LL), (int*)(table[22] + 0LL));
barrier(count, gen);
k14((const float*)(table[23] + 0LL), (const float*)(table[15] + 0LL), (const float*)(table[24] + 0LL), (const float*)(table[25] + 4LL + s * 8LL), (const float*)(table[25] + 0LL + s * 8LL), (const float*)(table[3] + 0LL), (float*)(table[23] + 0LL), (float*)(table[24] + 0LL), (float*)(table[3] + 0LL));
barrier(count, gen);
} }
extern "C" void run(char** t, int n) { unsigned c = 0; steps(t, &c, n); }