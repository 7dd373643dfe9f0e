
__device__ void barrier(unsigned* count, unsigned& gen) {
#ifdef __CUDA_ARCH__
  __syncthreads();
  gen += gridDim.x;
  if (threadIdx.x == 0) { __threadfence(); atomicAdd(count, 1u); while ((int)(*(volatile unsigned*)count - gen) < 0) {} __threadfence(); }
  __syncthreads();
#endif
}
__device__ void k0(const int* p0, const unsigned char* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 25088LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 784); const long long i1 = i % 784;
const int x0 = p0[i0 * 1LL];
const unsigned char*  x1 = p1;
const unsigned char v0 = x1[(long long)x0 * (784) + i % (784)];
const float v1 = (float)(float)v0;
const float v2 = (float)v1 * (float)(0.00392156862745098);
q0[i0 * 784LL + i1 * 1LL] = v2; } }
__device__ void k1(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 16384LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = ((i / 8) / 256); const long long i1 = (i / 8) % 256; const long long i2 = i % 8; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0; float s2_0 = 0; float s2_1 = 0; float s2_2 = 0; float s2_3 = 0; float s3_0 = 0; float s3_1 = 0; float s3_2 = 0; float s3_3 = 0;
#pragma unroll 8
for (int k = 0; k < 98; ++k) { const float a0 = p0[i0 * 98LL + (i1 * 4 + 0) * 784LL + k * 1LL]; const float a1 = p0[i0 * 98LL + (i1 * 4 + 1) * 784LL + k * 1LL]; const float a2 = p0[i0 * 98LL + (i1 * 4 + 2) * 784LL + k * 1LL]; const float a3 = p0[i0 * 98LL + (i1 * 4 + 3) * 784LL + k * 1LL]; const float b0 = p1[i0 * 98LL + k * 1LL + (i2 * 4 + 0) * 784LL]; const float b1 = p1[i0 * 98LL + k * 1LL + (i2 * 4 + 1) * 784LL]; const float b2 = p1[i0 * 98LL + k * 1LL + (i2 * 4 + 2) * 784LL]; const float b3 = p1[i0 * 98LL + k * 1LL + (i2 * 4 + 3) * 784LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; s2_0 += a2 * b0; s2_1 += a2 * b1; s2_2 += a2 * b2; s2_3 += a2 * b3; s3_0 += a3 * b0; s3_1 += a3 * b1; s3_2 += a3 * b2; s3_3 += a3 * b3; }
q0[i0 * 32768LL + (i1 * 4 + 0) * 32LL + (i2 * 4 + 0) * 1LL] = s0_0; q0[i0 * 32768LL + (i1 * 4 + 0) * 32LL + (i2 * 4 + 1) * 1LL] = s0_1; q0[i0 * 32768LL + (i1 * 4 + 0) * 32LL + (i2 * 4 + 2) * 1LL] = s0_2; q0[i0 * 32768LL + (i1 * 4 + 0) * 32LL + (i2 * 4 + 3) * 1LL] = s0_3; q0[i0 * 32768LL + (i1 * 4 + 1) * 32LL + (i2 * 4 + 0) * 1LL] = s1_0; q0[i0 * 32768LL + (i1 * 4 + 1) * 32LL + (i2 * 4 + 1) * 1LL] = s1_1; q0[i0 * 32768LL + (i1 * 4 + 1) * 32LL + (i2 * 4 + 2) * 1LL] = s1_2; q0[i0 * 32768LL + (i1 * 4 + 1) * 32LL + (i2 * 4 + 3) * 1LL] = s1_3; q0[i0 * 32768LL + (i1 * 4 + 2) * 32LL + (i2 * 4 + 0) * 1LL] = s2_0; q0[i0 * 32768LL + (i1 * 4 + 2) * 32LL + (i2 * 4 + 1) * 1LL] = s2_1; q0[i0 * 32768LL + (i1 * 4 + 2) * 32LL + (i2 * 4 + 2) * 1LL] = s2_2; q0[i0 * 32768LL + (i1 * 4 + 2) * 32LL + (i2 * 4 + 3) * 1LL] = s2_3; q0[i0 * 32768LL + (i1 * 4 + 3) * 32LL + (i2 * 4 + 0) * 1LL] = s3_0; q0[i0 * 32768LL + (i1 * 4 + 3) * 32LL + (i2 * 4 + 1) * 1LL] = s3_1; q0[i0 * 32768LL + (i1 * 4 + 3) * 32LL + (i2 * 4 + 2) * 1LL] = s3_2; q0[i0 * 32768LL + (i1 * 4 + 3) * 32LL + (i2 * 4 + 3) * 1LL] = s3_3; } }
__device__ void k2(const float* p0, const float* p1, const float* p2, const float* p3, const float* p4, const float* p5, const float* p6, const float* p7, const float* p8, float* q0, float* q1) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 32768LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 32); const long long i1 = i % 32;
const float x0 = p0[i0 * 32LL + i1 * 1LL];
const float x1 = p1[i0 * 32LL + i1 * 1LL];
const float x2 = p2[i0 * 32LL + i1 * 1LL];
const float x3 = p3[i0 * 32LL + i1 * 1LL];
const float x4 = p4[i0 * 32LL + i1 * 1LL];
const float x5 = p5[i0 * 32LL + i1 * 1LL];
const float x6 = p6[i0 * 32LL + i1 * 1LL];
const float x7 = p7[i0 * 32LL + i1 * 1LL];
const float x8 = p8[i0 * 1LL];
const float v0 = (float)x0 + (float)x1;
const float v1 = (float)v0 + (float)x2;
const float v2 = (float)v1 + (float)x3;
const float v3 = (float)v2 + (float)x4;
const float v4 = (float)v3 + (float)x5;
const float v5 = (float)v4 + (float)x6;
const float v6 = (float)v5 + (float)x7;
const float v7 = (float)v6 + (float)x8;
const float v8 = (float)v7 >= (float)(0) || (float)v7 != (float)v7 ? (float)v7 : (float)(0);
q0[i0 * 32LL + i1 * 1LL] = v7;
q1[i0 * 32LL + i1 * 1LL] = v8; } }
__device__ void k3(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 1280LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = ((i / 8) / 5); const long long i1 = (i / 8) % 5; const long long i2 = i % 8; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0;
#pragma unroll 8
for (int k = 0; k < 32; ++k) { const float a0 = p0[i0 * 32LL + (i1 * 2 + 0) * 1024LL + k * 1LL]; const float a1 = p0[i0 * 32LL + (i1 * 2 + 1) * 1024LL + k * 1LL]; const float b0 = p1[i0 * 1024LL + k * 32LL + (i2 * 4 + 0) * 1LL]; const float b1 = p1[i0 * 1024LL + k * 32LL + (i2 * 4 + 1) * 1LL]; const float b2 = p1[i0 * 1024LL + k * 32LL + (i2 * 4 + 2) * 1LL]; const float b3 = p1[i0 * 1024LL + k * 32LL + (i2 * 4 + 3) * 1LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; }
q0[i0 * 320LL + (i1 * 2 + 0) * 32LL + (i2 * 4 + 0) * 1LL] = s0_0; q0[i0 * 320LL + (i1 * 2 + 0) * 32LL + (i2 * 4 + 1) * 1LL] = s0_1; q0[i0 * 320LL + (i1 * 2 + 0) * 32LL + (i2 * 4 + 2) * 1LL] = s0_2; q0[i0 * 320LL + (i1 * 2 + 0) * 32LL + (i2 * 4 + 3) * 1LL] = s0_3; q0[i0 * 320LL + (i1 * 2 + 1) * 32LL + (i2 * 4 + 0) * 1LL] = s1_0; q0[i0 * 320LL + (i1 * 2 + 1) * 32LL + (i2 * 4 + 1) * 1LL] = s1_1; q0[i0 * 320LL + (i1 * 2 + 1) * 32LL + (i2 * 4 + 2) * 1LL] = s1_2; q0[i0 * 320LL + (i1 * 2 + 1) * 32LL + (i2 * 4 + 3) * 1LL] = s1_3; } }
__device__ void k4(const float* p0, float* q0) { __shared__ float all[128];
for (long long o = blockIdx.x; o < 320; o += gridDim.x) { 

const long long o0 = (o / 32); const long long o1 = o % 32;
float s = 0;
for (long long k = threadIdx.x; k < 32; k += 128) {
const long long i0 = k;
const float x0 = p0[i0 * 320LL + o0 * 32LL + o1 * 1LL];
const float v0 = (float)(float)x0;
const float a = s, b = v0; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 64; half; half /= 2) {
if (threadIdx.x < half) { const float a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[o0 * 32LL + o1 * 1LL] = all[0];  __syncthreads(); } }
__device__ void k5(const int*  x0, const int*  x1, const float*  x2, const float*  x3, const int*  x4, float*  y0, float*  y1, float*  y2) {
const long long all = (long long)blockDim.x * gridDim.x;
for (long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x; j < 32LL; j += all)
{
int v0[1];
#pragma unroll
for (int r = 0; r < 1; ++r) { v0[r] = x1[(long long)x0[r * 0LL + j * 1LL]]; }
float v1[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v1[r] = (float)x2[r * 32LL + j * 1LL] + (float)x3[r * 1LL + j * 0LL]; }
float v2[1];
v2[0] = (float)v1[0];
#pragma unroll
for (int r = 1; r < 10; ++r) {
const float a = v2[0], b = (float)v1[r];
v2[0] = a >= b || a != a ? a : b;
}
float v3[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v3[r] = (float)x2[r * 32LL + j * 1LL] + (float)x3[r * 1LL + j * 0LL]; }
float v4[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v4[r] = (float)v3[r] - (float)v2[0]; }
float v5[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v5[r] = exp((float)v4[r]); }
float v6[1];
v6[0] = (float)v5[0];
#pragma unroll
for (int r = 1; r < 10; ++r) {
const float a = v6[0], b = (float)v5[r];
v6[0] = a + b;
}
float v7[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v7[r] = (float)x2[r * 32LL + j * 1LL] + (float)x3[r * 1LL + j * 0LL]; }
float v8[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v8[r] = (float)v7[r] - (float)v2[0]; }
float v9[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v9[r] = exp((float)v8[r]); }
float v10[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v10[r] = (float)v9[r] / (float)v6[0]; }
bool v11[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v11[r] = (int)x4[r * 1LL + j * 0LL] == (int)v0[0]; }
float v12[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v12[r] = (float)(float)v11[r]; }
float v13[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v13[r] = (float)v10[r] - (float)v12[r]; }
float v14[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v14[r] = (float)v13[r] * (float)(0.03125); }
float v15[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v15[r] = (float)v12[r] * (float)v8[r]; }
float v16[1];
v16[0] = (float)v15[0];
#pragma unroll
for (int r = 1; r < 10; ++r) {
const float a = v16[0], b = (float)v15[r];
v16[0] = a + b;
}
#pragma unroll
for (int r = 0; r < 1; ++r) { y0[r * 32LL + j] = v6[r]; }
#pragma unroll
for (int r = 0; r < 10; ++r) { y1[r * 32LL + j] = v14[r]; }
#pragma unroll
for (int r = 0; r < 1; ++r) { y2[r * 32LL + j] = v16[r]; }
}
}
__device__ void k6(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 1280LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 256); const long long i1 = i % 256; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0;
#pragma unroll 8
for (int k = 0; k < 32; ++k) { const float a0 = p0[(i0 * 2 + 0) * 32LL + k * 1LL]; const float a1 = p0[(i0 * 2 + 1) * 32LL + k * 1LL]; const float b0 = p1[k * 1LL + (i1 * 4 + 0) * 32LL]; const float b1 = p1[k * 1LL + (i1 * 4 + 1) * 32LL]; const float b2 = p1[k * 1LL + (i1 * 4 + 2) * 32LL]; const float b3 = p1[k * 1LL + (i1 * 4 + 3) * 32LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; }
q0[(i0 * 2 + 0) * 1024LL + (i1 * 4 + 0) * 1LL] = s0_0; q0[(i0 * 2 + 0) * 1024LL + (i1 * 4 + 1) * 1LL] = s0_1; q0[(i0 * 2 + 0) * 1024LL + (i1 * 4 + 2) * 1LL] = s0_2; q0[(i0 * 2 + 0) * 1024LL + (i1 * 4 + 3) * 1LL] = s0_3; q0[(i0 * 2 + 1) * 1024LL + (i1 * 4 + 0) * 1LL] = s1_0; q0[(i0 * 2 + 1) * 1024LL + (i1 * 4 + 1) * 1LL] = s1_1; q0[(i0 * 2 + 1) * 1024LL + (i1 * 4 + 2) * 1LL] = s1_2; q0[(i0 * 2 + 1) * 1024LL + (i1 * 4 + 3) * 1LL] = s1_3; } }
__device__ void k7(const float* p0, float* q0) { __shared__ float all[128];
for (long long o = blockIdx.x; o < 10; o += gridDim.x) { 

const long long o0 = o;
float s = 0;
for (long long k = threadIdx.x; k < 32; k += 128) {
const long long i0 = k;
const float x0 = p0[o0 * 32LL + i0 * 1LL];
const float v0 = (float)(float)x0;
const float a = s, b = v0; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 64; half; half /= 2) {
if (threadIdx.x < half) { const float a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[o0 * 1LL] = all[0];  __syncthreads(); } }
__device__ void k8(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 2048LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 8); const long long i1 = i % 8; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0; float s2_0 = 0; float s2_1 = 0; float s2_2 = 0; float s2_3 = 0; float s3_0 = 0; float s3_1 = 0; float s3_2 = 0; float s3_3 = 0;
#pragma unroll 8
for (int k = 0; k < 10; ++k) { const float a0 = p0[(i0 * 4 + 0) * 1LL + k * 1024LL]; const float a1 = p0[(i0 * 4 + 1) * 1LL + k * 1024LL]; const float a2 = p0[(i0 * 4 + 2) * 1LL + k * 1024LL]; const float a3 = p0[(i0 * 4 + 3) * 1LL + k * 1024LL]; const float b0 = p1[k * 32LL + (i1 * 4 + 0) * 1LL]; const float b1 = p1[k * 32LL + (i1 * 4 + 1) * 1LL]; const float b2 = p1[k * 32LL + (i1 * 4 + 2) * 1LL]; const float b3 = p1[k * 32LL + (i1 * 4 + 3) * 1LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; s2_0 += a2 * b0; s2_1 += a2 * b1; s2_2 += a2 * b2; s2_3 += a2 * b3; s3_0 += a3 * b0; s3_1 += a3 * b1; s3_2 += a3 * b2; s3_3 += a3 * b3; }
q0[(i0 * 4 + 0) * 32LL + (i1 * 4 + 0) * 1LL] = s0_0; q0[(i0 * 4 + 0) * 32LL + (i1 * 4 + 1) * 1LL] = s0_1; q0[(i0 * 4 + 0) * 32LL + (i1 * 4 + 2) * 1LL] = s0_2; q0[(i0 * 4 + 0) * 32LL + (i1 * 4 + 3) * 1LL] = s0_3; q0[(i0 * 4 + 1) * 32LL + (i1 * 4 + 0) * 1LL] = s1_0; q0[(i0 * 4 + 1) * 32LL + (i1 * 4 + 1) * 1LL] = s1_1; q0[(i0 * 4 + 1) * 32LL + (i1 * 4 + 2) * 1LL] = s1_2; q0[(i0 * 4 + 1) * 32LL + (i1 * 4 + 3) * 1LL] = s1_3; q0[(i0 * 4 + 2) * 32LL + (i1 * 4 + 0) * 1LL] = s2_0; q0[(i0 * 4 + 2) * 32LL + (i1 * 4 + 1) * 1LL] = s2_1; q0[(i0 * 4 + 2) * 32LL + (i1 * 4 + 2) * 1LL] = s2_2; q0[(i0 * 4 + 2) * 32LL + (i1 * 4 + 3) * 1LL] = s2_3; q0[(i0 * 4 + 3) * 32LL + (i1 * 4 + 0) * 1LL] = s3_0; q0[(i0 * 4 + 3) * 32LL + (i1 * 4 + 1) * 1LL] = s3_1; q0[(i0 * 4 + 3) * 32LL + (i1 * 4 + 2) * 1LL] = s3_2; q0[(i0 * 4 + 3) * 32LL + (i1 * 4 + 3) * 1LL] = s3_3; } }
__device__ void k9(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 32768LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 32); const long long i1 = i % 32;
const float x0 = p0[i0 * 32LL + i1 * 1LL];
const float x1 = p1[i0 * 32LL + i1 * 1LL];
const bool v0 = (float)x0 > (float)(0);
const float v1 = (float)(float)v0;
const float v2 = (float)x1 * (float)v1;
q0[i0 * 32LL + i1 * 1LL] = v2; } }
__device__ void k10(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 50176LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 196); const long long i1 = i % 196; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0; float s2_0 = 0; float s2_1 = 0; float s2_2 = 0; float s2_3 = 0; float s3_0 = 0; float s3_1 = 0; float s3_2 = 0; float s3_3 = 0;
#pragma unroll 8
for (int k = 0; k < 32; ++k) { const float a0 = p0[(i0 * 4 + 0) * 32LL + k * 1LL]; const float a1 = p0[(i0 * 4 + 1) * 32LL + k * 1LL]; const float a2 = p0[(i0 * 4 + 2) * 32LL + k * 1LL]; const float a3 = p0[(i0 * 4 + 3) * 32LL + k * 1LL]; const float b0 = p1[k * 784LL + (i1 * 4 + 0) * 1LL]; const float b1 = p1[k * 784LL + (i1 * 4 + 1) * 1LL]; const float b2 = p1[k * 784LL + (i1 * 4 + 2) * 1LL]; const float b3 = p1[k * 784LL + (i1 * 4 + 3) * 1LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; s2_0 += a2 * b0; s2_1 += a2 * b1; s2_2 += a2 * b2; s2_3 += a2 * b3; s3_0 += a3 * b0; s3_1 += a3 * b1; s3_2 += a3 * b2; s3_3 += a3 * b3; }
q0[(i0 * 4 + 0) * 784LL + (i1 * 4 + 0) * 1LL] = s0_0; q0[(i0 * 4 + 0) * 784LL + (i1 * 4 + 1) * 1LL] = s0_1; q0[(i0 * 4 + 0) * 784LL + (i1 * 4 + 2) * 1LL] = s0_2; q0[(i0 * 4 + 0) * 784LL + (i1 * 4 + 3) * 1LL] = s0_3; q0[(i0 * 4 + 1) * 784LL + (i1 * 4 + 0) * 1LL] = s1_0; q0[(i0 * 4 + 1) * 784LL + (i1 * 4 + 1) * 1LL] = s1_1; q0[(i0 * 4 + 1) * 784LL + (i1 * 4 + 2) * 1LL] = s1_2; q0[(i0 * 4 + 1) * 784LL + (i1 * 4 + 3) * 1LL] = s1_3; q0[(i0 * 4 + 2) * 784LL + (i1 * 4 + 0) * 1LL] = s2_0; q0[(i0 * 4 + 2) * 784LL + (i1 * 4 + 1) * 1LL] = s2_1; q0[(i0 * 4 + 2) * 784LL + (i1 * 4 + 2) * 1LL] = s2_2; q0[(i0 * 4 + 2) * 784LL + (i1 * 4 + 3) * 1LL] = s2_3; q0[(i0 * 4 + 3) * 784LL + (i1 * 4 + 0) * 1LL] = s3_0; q0[(i0 * 4 + 3) * 784LL + (i1 * 4 + 1) * 1LL] = s3_1; q0[(i0 * 4 + 3) * 784LL + (i1 * 4 + 2) * 1LL] = s3_2; q0[(i0 * 4 + 3) * 784LL + (i1 * 4 + 3) * 1LL] = s3_3; } }
__device__ void k11(const float* p0, float* q0) { __shared__ float all[128];
for (long long o = blockIdx.x; o < 1024; o += gridDim.x) { 

const long long o0 = o;
float s = 0;
for (long long k = threadIdx.x; k < 32; k += 128) {
const long long i0 = k;
const float x0 = p0[o0 * 32LL + i0 * 1LL];
const float v0 = (float)(float)x0;
const float a = s, b = v0; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 64; half; half /= 2) {
if (threadIdx.x < half) { const float a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[o0 * 1LL] = all[0];  __syncthreads(); } }
__device__ void k12(const float* p0, const float* p1, float* q0) { __shared__ float all[128];
for (long long o = blockIdx.x; o < 1; o += gridDim.x) { 

const long long o0 = o;
float s = 0;
for (long long k = threadIdx.x; k < 32; k += 128) {
const long long i0 = (k / 32); const long long i1 = k % 32;
const float x0 = p0[i1 * 1LL];
const float x1 = p1[i1 * 1LL];
const float v0 = log((float)x0);
const float v1 = (float)v0 - (float)x1;
const float a = s, b = v1; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 64; half; half /= 2) {
if (threadIdx.x < half) { const float a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[0] = all[0];  __syncthreads(); } }
__device__ void k13(const float* p0, int* q0) { __shared__ int all[128];
for (long long o = blockIdx.x; o < 1; o += gridDim.x) { 

const long long o0 = o;
int s = 0;
for (long long k = threadIdx.x; k < 32; k += 128) {
const long long i0 = (k / 32); const long long i1 = k % 32;
const float x0 = p0[i1 * 1LL];
const bool v0 = (float)x0 >= (float)(0);
const int v1 = (int)(int)v0;
const int a = s, b = v1; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 64; half; half /= 2) {
if (threadIdx.x < half) { const int a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[0] = all[0];  __syncthreads(); } }
__device__ void k14(const float* p0, const float* p1, const float* p2, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 814090LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = i;
const float x0 = p0[0];
const float x1 = p1[i0 * 1LL];
const float x2 = p2[i0 * 1LL];
const float v0 = (float)x0 * (float)x1;
const float v1 = (float)x2 - (float)v0;
q0[i0 * 1LL] = v1; } }
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
k0((const int*)(table[0] + 0LL + s * 128LL), (const unsigned char*)(table[1] + 0LL), (float*)(table[2] + 0LL));
barrier(count, gen);
k1((const float*)(table[3] + 0LL), (const float*)(table[2] + 0LL), (float*)(table[4] + 0LL));
barrier(count, gen);
k2((const float*)(table[4] + 0LL), (const float*)(table[4] + 131072LL), (const float*)(table[4] + 262144LL), (const float*)(table[4] + 393216LL), (const float*)(table[4] + 524288LL), (const float*)(table[4] + 655360LL), (const float*)(table[4] + 786432LL), (const float*)(table[4] + 917504LL), (const float*)(table[3] + 3211264LL), (float*)(table[5] + 0LL), (float*)(table[6] + 0LL));
barrier(count, gen);
k3((const float*)(table[3] + 3215360LL), (const float*)(table[6] + 0LL), (float*)(table[7] + 0LL));
barrier(count, gen);
k4((const float*)(table[7] + 0LL), (float*)(table[8] + 0LL));
barrier(count, gen);
k5((const int*)(table[0] + 0LL + s * 128LL), (const int*)(table[9] + 0LL), (const float*)(table[8] + 0LL), (const float*)(table[3] + 3256320LL), (const int*)(table[10] + 0LL), (float*)(table[11] + 0LL), (float*)(table[12] + 0LL), (float*)(table[13] + 0LL));
barrier(count, gen);
k6((const float*)(table[12] + 0LL), (const float*)(table[6] + 0LL), (float*)(table[14] + 3215360LL));
k7((const float*)(table[12] + 0LL), (float*)(table[14] + 3256320LL));
k8((const float*)(table[3] + 3215360LL), (const float*)(table[12] + 0LL), (float*)(table[15] + 0LL));
k12((const float*)(table[11] + 0LL), (const float*)(table[13] + 0LL), (float*)(table[16] + 0LL));
k13((const float*)(table[13] + 0LL), (int*)(table[17] + 0LL));
barrier(count, gen);
k9((const float*)(table[5] + 0LL), (const float*)(table[15] + 0LL), (float*)(table[18] + 0LL));
k15((const float*)(table[19] + 0LL), (const float*)(table[16] + 0LL), (const int*)(table[20] + 0LL), (const int*)(table[17] + 0LL), (const int*)(table[21] + 0LL), (float*)(table[19] + 0LL), (int*)(table[20] + 0LL), (int*)(table[21] + 0LL));
barrier(count, gen);
k10((const float*)(table[18] + 0LL), (const float*)(table[2] + 0LL), (float*)(table[14] + 0LL));
k11((const float*)(table[18] + 0LL), (float*)(table[14] + 3211264LL));
barrier(count, gen);
k14((const float*)(table[22] + 0LL + s * 4LL), (const float*)(table[14] + 0LL), (const float*)(table[3] + 0LL), (float*)(table[3] + 0LL));
barrier(count, gen);
} }