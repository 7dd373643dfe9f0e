
__device__ void barrier(unsigned* count, unsigned& gen) {
#ifdef __CUDA_ARCH__
  __syncthreads();
  gen += gridDim.x;
  if (threadIdx.x == 0) { __threadfence(); atomicAdd(count, 1u); while ((int)(*(volatile unsigned*)count - gen) < 0) {} __threadfence(); }
  __syncthreads();
#endif
}
__device__ void k0(const int* p0, const unsigned char* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 200704LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 784); const long long i1 = i % 784;
const int x0 = p0[i0 * 1LL];
const unsigned char*  x1 = p1;
const unsigned char v0 = x1[(long long)x0 * (784) + i % (784)];
const float v1 = (float)(float)v0;
const float v2 = (float)v1 * (float)(0.00392156862745098);
q0[i0 * 784LL + i1 * 1LL] = v2; } }
__device__ void k1(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 32000LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = ((i / 64) / 250); const long long i1 = (i / 64) % 250; const long long i2 = i % 64; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0; float s2_0 = 0; float s2_1 = 0; float s2_2 = 0; float s2_3 = 0; float s3_0 = 0; float s3_1 = 0; float s3_2 = 0; float s3_3 = 0;
#pragma unroll 8
for (int k = 0; k < 392; ++k) { const float a0 = p0[i0 * 392LL + (i1 * 4 + 0) * 784LL + k * 1LL]; const float a1 = p0[i0 * 392LL + (i1 * 4 + 1) * 784LL + k * 1LL]; const float a2 = p0[i0 * 392LL + (i1 * 4 + 2) * 784LL + k * 1LL]; const float a3 = p0[i0 * 392LL + (i1 * 4 + 3) * 784LL + k * 1LL]; const float b0 = p1[i0 * 392LL + k * 1LL + (i2 * 4 + 0) * 784LL]; const float b1 = p1[i0 * 392LL + k * 1LL + (i2 * 4 + 1) * 784LL]; const float b2 = p1[i0 * 392LL + k * 1LL + (i2 * 4 + 2) * 784LL]; const float b3 = p1[i0 * 392LL + k * 1LL + (i2 * 4 + 3) * 784LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; s2_0 += a2 * b0; s2_1 += a2 * b1; s2_2 += a2 * b2; s2_3 += a2 * b3; s3_0 += a3 * b0; s3_1 += a3 * b1; s3_2 += a3 * b2; s3_3 += a3 * b3; }
q0[i0 * 256000LL + (i1 * 4 + 0) * 256LL + (i2 * 4 + 0) * 1LL] = s0_0; q0[i0 * 256000LL + (i1 * 4 + 0) * 256LL + (i2 * 4 + 1) * 1LL] = s0_1; q0[i0 * 256000LL + (i1 * 4 + 0) * 256LL + (i2 * 4 + 2) * 1LL] = s0_2; q0[i0 * 256000LL + (i1 * 4 + 0) * 256LL + (i2 * 4 + 3) * 1LL] = s0_3; q0[i0 * 256000LL + (i1 * 4 + 1) * 256LL + (i2 * 4 + 0) * 1LL] = s1_0; q0[i0 * 256000LL + (i1 * 4 + 1) * 256LL + (i2 * 4 + 1) * 1LL] = s1_1; q0[i0 * 256000LL + (i1 * 4 + 1) * 256LL + (i2 * 4 + 2) * 1LL] = s1_2; q0[i0 * 256000LL + (i1 * 4 + 1) * 256LL + (i2 * 4 + 3) * 1LL] = s1_3; q0[i0 * 256000LL + (i1 * 4 + 2) * 256LL + (i2 * 4 + 0) * 1LL] = s2_0; q0[i0 * 256000LL + (i1 * 4 + 2) * 256LL + (i2 * 4 + 1) * 1LL] = s2_1; q0[i0 * 256000LL + (i1 * 4 + 2) * 256LL + (i2 * 4 + 2) * 1LL] = s2_2; q0[i0 * 256000LL + (i1 * 4 + 2) * 256LL + (i2 * 4 + 3) * 1LL] = s2_3; q0[i0 * 256000LL + (i1 * 4 + 3) * 256LL + (i2 * 4 + 0) * 1LL] = s3_0; q0[i0 * 256000LL + (i1 * 4 + 3) * 256LL + (i2 * 4 + 1) * 1LL] = s3_1; q0[i0 * 256000LL + (i1 * 4 + 3) * 256LL + (i2 * 4 + 2) * 1LL] = s3_2; q0[i0 * 256000LL + (i1 * 4 + 3) * 256LL + (i2 * 4 + 3) * 1LL] = s3_3; } }
__device__ void k2(const float* p0, const float* p1, const float* p2, float* q0, float* q1) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 256000LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 256); const long long i1 = i % 256;
const float x0 = p0[i0 * 256LL + i1 * 1LL];
const float x1 = p1[i0 * 256LL + i1 * 1LL];
const float x2 = p2[i0 * 1LL];
const float v0 = (float)x0 + (float)x1;
const float v1 = (float)v0 + (float)x2;
const float v2 = (float)v1 >= (float)(0) || (float)v1 != (float)v1 ? (float)v1 : (float)(0);
q0[i0 * 256LL + i1 * 1LL] = v1;
q1[i0 * 256LL + i1 * 1LL] = v2; } }
__device__ void k3(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 40000LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = ((i / 64) / 125); const long long i1 = (i / 64) % 125; const long long i2 = i % 64; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0; float s2_0 = 0; float s2_1 = 0; float s2_2 = 0; float s2_3 = 0; float s3_0 = 0; float s3_1 = 0; float s3_2 = 0; float s3_3 = 0;
#pragma unroll 8
for (int k = 0; k < 200; ++k) { const float a0 = p0[i0 * 200LL + (i1 * 4 + 0) * 1000LL + k * 1LL]; const float a1 = p0[i0 * 200LL + (i1 * 4 + 1) * 1000LL + k * 1LL]; const float a2 = p0[i0 * 200LL + (i1 * 4 + 2) * 1000LL + k * 1LL]; const float a3 = p0[i0 * 200LL + (i1 * 4 + 3) * 1000LL + k * 1LL]; const float b0 = p1[i0 * 51200LL + k * 256LL + (i2 * 4 + 0) * 1LL]; const float b1 = p1[i0 * 51200LL + k * 256LL + (i2 * 4 + 1) * 1LL]; const float b2 = p1[i0 * 51200LL + k * 256LL + (i2 * 4 + 2) * 1LL]; const float b3 = p1[i0 * 51200LL + k * 256LL + (i2 * 4 + 3) * 1LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; s2_0 += a2 * b0; s2_1 += a2 * b1; s2_2 += a2 * b2; s2_3 += a2 * b3; s3_0 += a3 * b0; s3_1 += a3 * b1; s3_2 += a3 * b2; s3_3 += a3 * b3; }
q0[i0 * 128000LL + (i1 * 4 + 0) * 256LL + (i2 * 4 + 0) * 1LL] = s0_0; q0[i0 * 128000LL + (i1 * 4 + 0) * 256LL + (i2 * 4 + 1) * 1LL] = s0_1; q0[i0 * 128000LL + (i1 * 4 + 0) * 256LL + (i2 * 4 + 2) * 1LL] = s0_2; q0[i0 * 128000LL + (i1 * 4 + 0) * 256LL + (i2 * 4 + 3) * 1LL] = s0_3; q0[i0 * 128000LL + (i1 * 4 + 1) * 256LL + (i2 * 4 + 0) * 1LL] = s1_0; q0[i0 * 128000LL + (i1 * 4 + 1) * 256LL + (i2 * 4 + 1) * 1LL] = s1_1; q0[i0 * 128000LL + (i1 * 4 + 1) * 256LL + (i2 * 4 + 2) * 1LL] = s1_2; q0[i0 * 128000LL + (i1 * 4 + 1) * 256LL + (i2 * 4 + 3) * 1LL] = s1_3; q0[i0 * 128000LL + (i1 * 4 + 2) * 256LL + (i2 * 4 + 0) * 1LL] = s2_0; q0[i0 * 128000LL + (i1 * 4 + 2) * 256LL + (i2 * 4 + 1) * 1LL] = s2_1; q0[i0 * 128000LL + (i1 * 4 + 2) * 256LL + (i2 * 4 + 2) * 1LL] = s2_2; q0[i0 * 128000LL + (i1 * 4 + 2) * 256LL + (i2 * 4 + 3) * 1LL] = s2_3; q0[i0 * 128000LL + (i1 * 4 + 3) * 256LL + (i2 * 4 + 0) * 1LL] = s3_0; q0[i0 * 128000LL + (i1 * 4 + 3) * 256LL + (i2 * 4 + 1) * 1LL] = s3_1; q0[i0 * 128000LL + (i1 * 4 + 3) * 256LL + (i2 * 4 + 2) * 1LL] = s3_2; q0[i0 * 128000LL + (i1 * 4 + 3) * 256LL + (i2 * 4 + 3) * 1LL] = s3_3; } }
__device__ void k4(const float* p0, const float* p1, const float* p2, const float* p3, const float* p4, const float* p5, float* q0, float* q1) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 128000LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 256); const long long i1 = i % 256;
const float x0 = p0[i0 * 256LL + i1 * 1LL];
const float x1 = p1[i0 * 256LL + i1 * 1LL];
const float x2 = p2[i0 * 256LL + i1 * 1LL];
const float x3 = p3[i0 * 256LL + i1 * 1LL];
const float x4 = p4[i0 * 256LL + i1 * 1LL];
const float x5 = p5[i0 * 1LL];
const float v0 = (float)x0 + (float)x1;
const float v1 = (float)v0 + (float)x2;
const float v2 = (float)v1 + (float)x3;
const float v3 = (float)v2 + (float)x4;
const float v4 = (float)v3 + (float)x5;
const float v5 = (float)v4 >= (float)(0) || (float)v4 != (float)v4 ? (float)v4 : (float)(0);
q0[i0 * 256LL + i1 * 1LL] = v4;
q1[i0 * 256LL + i1 * 1LL] = v5; } }
__device__ void k5(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 3200LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = ((i / 64) / 5); const long long i1 = (i / 64) % 5; const long long i2 = i % 64; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0;
#pragma unroll 8
for (int k = 0; k < 50; ++k) { const float a0 = p0[i0 * 50LL + (i1 * 2 + 0) * 500LL + k * 1LL]; const float a1 = p0[i0 * 50LL + (i1 * 2 + 1) * 500LL + k * 1LL]; const float b0 = p1[i0 * 12800LL + k * 256LL + (i2 * 4 + 0) * 1LL]; const float b1 = p1[i0 * 12800LL + k * 256LL + (i2 * 4 + 1) * 1LL]; const float b2 = p1[i0 * 12800LL + k * 256LL + (i2 * 4 + 2) * 1LL]; const float b3 = p1[i0 * 12800LL + k * 256LL + (i2 * 4 + 3) * 1LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; }
q0[i0 * 2560LL + (i1 * 2 + 0) * 256LL + (i2 * 4 + 0) * 1LL] = s0_0; q0[i0 * 2560LL + (i1 * 2 + 0) * 256LL + (i2 * 4 + 1) * 1LL] = s0_1; q0[i0 * 2560LL + (i1 * 2 + 0) * 256LL + (i2 * 4 + 2) * 1LL] = s0_2; q0[i0 * 2560LL + (i1 * 2 + 0) * 256LL + (i2 * 4 + 3) * 1LL] = s0_3; q0[i0 * 2560LL + (i1 * 2 + 1) * 256LL + (i2 * 4 + 0) * 1LL] = s1_0; q0[i0 * 2560LL + (i1 * 2 + 1) * 256LL + (i2 * 4 + 1) * 1LL] = s1_1; q0[i0 * 2560LL + (i1 * 2 + 1) * 256LL + (i2 * 4 + 2) * 1LL] = s1_2; q0[i0 * 2560LL + (i1 * 2 + 1) * 256LL + (i2 * 4 + 3) * 1LL] = s1_3; } }
__device__ void k6(const int*  x0, const int*  x1, const float*  x2, const float*  x3, const float*  x4, const float*  x5, const float*  x6, const float*  x7, const float*  x8, const float*  x9, const float*  x10, const float*  x11, const float*  x12, const int*  x13, float*  y0, float*  y1, float*  y2) {
const long long all = (long long)blockDim.x * gridDim.x;
for (long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x; j < 256LL; j += all)
{
int v0[1];
#pragma unroll
for (int r = 0; r < 1; ++r) { v0[r] = x1[(long long)x0[r * 0LL + j * 1LL]]; }
float v1[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v1[r] = (float)x2[r * 256LL + j * 1LL] + (float)x3[r * 256LL + j * 1LL]; }
float v2[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v2[r] = (float)v1[r] + (float)x4[r * 256LL + j * 1LL]; }
float v3[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v3[r] = (float)v2[r] + (float)x5[r * 256LL + j * 1LL]; }
float v4[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v4[r] = (float)v3[r] + (float)x6[r * 256LL + j * 1LL]; }
float v5[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v5[r] = (float)v4[r] + (float)x7[r * 256LL + j * 1LL]; }
float v6[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v6[r] = (float)v5[r] + (float)x8[r * 256LL + j * 1LL]; }
float v7[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v7[r] = (float)v6[r] + (float)x9[r * 256LL + j * 1LL]; }
float v8[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v8[r] = (float)v7[r] + (float)x10[r * 256LL + j * 1LL]; }
float v9[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v9[r] = (float)v8[r] + (float)x11[r * 256LL + j * 1LL]; }
float v10[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v10[r] = (float)v9[r] + (float)x12[r * 1LL + j * 0LL]; }
float v11[1];
v11[0] = (float)v10[0];
#pragma unroll
for (int r = 1; r < 10; ++r) {
const float a = v11[0], b = (float)v10[r];
v11[0] = a >= b || a != a ? a : b;
}
float v12[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v12[r] = (float)x2[r * 256LL + j * 1LL] + (float)x3[r * 256LL + j * 1LL]; }
float v13[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v13[r] = (float)v12[r] + (float)x4[r * 256LL + j * 1LL]; }
float v14[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v14[r] = (float)v13[r] + (float)x5[r * 256LL + j * 1LL]; }
float v15[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v15[r] = (float)v14[r] + (float)x6[r * 256LL + j * 1LL]; }
float v16[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v16[r] = (float)v15[r] + (float)x7[r * 256LL + j * 1LL]; }
float v17[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v17[r] = (float)v16[r] + (float)x8[r * 256LL + j * 1LL]; }
float v18[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v18[r] = (float)v17[r] + (float)x9[r * 256LL + j * 1LL]; }
float v19[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v19[r] = (float)v18[r] + (float)x10[r * 256LL + j * 1LL]; }
float v20[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v20[r] = (float)v19[r] + (float)x11[r * 256LL + j * 1LL]; }
float v21[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v21[r] = (float)v20[r] + (float)x12[r * 1LL + j * 0LL]; }
float v22[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v22[r] = (float)v21[r] - (float)v11[0]; }
float v23[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v23[r] = exp((float)v22[r]); }
float v24[1];
v24[0] = (float)v23[0];
#pragma unroll
for (int r = 1; r < 10; ++r) {
const float a = v24[0], b = (float)v23[r];
v24[0] = a + b;
}
float v25[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v25[r] = (float)x2[r * 256LL + j * 1LL] + (float)x3[r * 256LL + j * 1LL]; }
float v26[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v26[r] = (float)v25[r] + (float)x4[r * 256LL + j * 1LL]; }
float v27[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v27[r] = (float)v26[r] + (float)x5[r * 256LL + j * 1LL]; }
float v28[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v28[r] = (float)v27[r] + (float)x6[r * 256LL + j * 1LL]; }
float v29[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v29[r] = (float)v28[r] + (float)x7[r * 256LL + j * 1LL]; }
float v30[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v30[r] = (float)v29[r] + (float)x8[r * 256LL + j * 1LL]; }
float v31[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v31[r] = (float)v30[r] + (float)x9[r * 256LL + j * 1LL]; }
float v32[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v32[r] = (float)v31[r] + (float)x10[r * 256LL + j * 1LL]; }
float v33[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v33[r] = (float)v32[r] + (float)x11[r * 256LL + j * 1LL]; }
float v34[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v34[r] = (float)v33[r] + (float)x12[r * 1LL + j * 0LL]; }
float v35[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v35[r] = (float)v34[r] - (float)v11[0]; }
float v36[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v36[r] = exp((float)v35[r]); }
float v37[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v37[r] = (float)v36[r] / (float)v24[0]; }
bool v38[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v38[r] = (int)x13[r * 1LL + j * 0LL] == (int)v0[0]; }
float v39[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v39[r] = (float)(float)v38[r]; }
float v40[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v40[r] = (float)v37[r] - (float)v39[r]; }
float v41[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v41[r] = (float)v40[r] * (float)(0.00390625); }
float v42[10];
#pragma unroll
for (int r = 0; r < 10; ++r) { v42[r] = (float)v39[r] * (float)v35[r]; }
float v43[1];
v43[0] = (float)v42[0];
#pragma unroll
for (int r = 1; r < 10; ++r) {
const float a = v43[0], b = (float)v42[r];
v43[0] = a + b;
}
#pragma unroll
for (int r = 0; r < 1; ++r) { y0[r * 256LL + j] = v24[r]; }
#pragma unroll
for (int r = 0; r < 10; ++r) { y1[r * 256LL + j] = v41[r]; }
#pragma unroll
for (int r = 0; r < 1; ++r) { y2[r * 256LL + j] = v43[r]; }
}
}
__device__ void k7(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 5000LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = ((i / 125) / 5); const long long i1 = (i / 125) % 5; const long long i2 = i % 125; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0;
#pragma unroll 8
for (int k = 0; k < 32; ++k) { const float a0 = p0[i0 * 32LL + (i1 * 2 + 0) * 256LL + k * 1LL]; const float a1 = p0[i0 * 32LL + (i1 * 2 + 1) * 256LL + k * 1LL]; const float b0 = p1[i0 * 32LL + k * 1LL + (i2 * 4 + 0) * 256LL]; const float b1 = p1[i0 * 32LL + k * 1LL + (i2 * 4 + 1) * 256LL]; const float b2 = p1[i0 * 32LL + k * 1LL + (i2 * 4 + 2) * 256LL]; const float b3 = p1[i0 * 32LL + k * 1LL + (i2 * 4 + 3) * 256LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; }
q0[i0 * 5000LL + (i1 * 2 + 0) * 500LL + (i2 * 4 + 0) * 1LL] = s0_0; q0[i0 * 5000LL + (i1 * 2 + 0) * 500LL + (i2 * 4 + 1) * 1LL] = s0_1; q0[i0 * 5000LL + (i1 * 2 + 0) * 500LL + (i2 * 4 + 2) * 1LL] = s0_2; q0[i0 * 5000LL + (i1 * 2 + 0) * 500LL + (i2 * 4 + 3) * 1LL] = s0_3; q0[i0 * 5000LL + (i1 * 2 + 1) * 500LL + (i2 * 4 + 0) * 1LL] = s1_0; q0[i0 * 5000LL + (i1 * 2 + 1) * 500LL + (i2 * 4 + 1) * 1LL] = s1_1; q0[i0 * 5000LL + (i1 * 2 + 1) * 500LL + (i2 * 4 + 2) * 1LL] = s1_2; q0[i0 * 5000LL + (i1 * 2 + 1) * 500LL + (i2 * 4 + 3) * 1LL] = s1_3; } }
__device__ void k8(const float* p0, const float* p1, const float* p2, const float* p3, const float* p4, const float* p5, const float* p6, const float* p7, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 5000LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 500); const long long i1 = i % 500;
const float x0 = p0[i0 * 500LL + i1 * 1LL];
const float x1 = p1[i0 * 500LL + i1 * 1LL];
const float x2 = p2[i0 * 500LL + i1 * 1LL];
const float x3 = p3[i0 * 500LL + i1 * 1LL];
const float x4 = p4[i0 * 500LL + i1 * 1LL];
const float x5 = p5[i0 * 500LL + i1 * 1LL];
const float x6 = p6[i0 * 500LL + i1 * 1LL];
const float x7 = p7[i0 * 500LL + i1 * 1LL];
const float v0 = (float)x0 + (float)x1;
const float v1 = (float)v0 + (float)x2;
const float v2 = (float)v1 + (float)x3;
const float v3 = (float)v2 + (float)x4;
const float v4 = (float)v3 + (float)x5;
const float v5 = (float)v4 + (float)x6;
const float v6 = (float)v5 + (float)x7;
q0[i0 * 500LL + i1 * 1LL] = v6; } }
__device__ void k9(const float* p0, float* q0) { __shared__ float all[128];
for (long long o = blockIdx.x; o < 10; o += gridDim.x) { 

const long long o0 = o;
float s = 0;
for (long long k = threadIdx.x; k < 256; k += 128) {
const long long i0 = k;
const float x0 = p0[o0 * 256LL + i0 * 1LL];
const float v0 = (float)(float)x0;
const float a = s, b = v0; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 64; half; half /= 2) {
if (threadIdx.x < half) { const float a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[o0 * 1LL] = all[0];  __syncthreads(); } }
__device__ void k10(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 8000LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 64); const long long i1 = i % 64; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0; float s2_0 = 0; float s2_1 = 0; float s2_2 = 0; float s2_3 = 0; float s3_0 = 0; float s3_1 = 0; float s3_2 = 0; float s3_3 = 0;
#pragma unroll 8
for (int k = 0; k < 10; ++k) { const float a0 = p0[(i0 * 4 + 0) * 1LL + k * 500LL]; const float a1 = p0[(i0 * 4 + 1) * 1LL + k * 500LL]; const float a2 = p0[(i0 * 4 + 2) * 1LL + k * 500LL]; const float a3 = p0[(i0 * 4 + 3) * 1LL + k * 500LL]; const float b0 = p1[k * 256LL + (i1 * 4 + 0) * 1LL]; const float b1 = p1[k * 256LL + (i1 * 4 + 1) * 1LL]; const float b2 = p1[k * 256LL + (i1 * 4 + 2) * 1LL]; const float b3 = p1[k * 256LL + (i1 * 4 + 3) * 1LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; s2_0 += a2 * b0; s2_1 += a2 * b1; s2_2 += a2 * b2; s2_3 += a2 * b3; s3_0 += a3 * b0; s3_1 += a3 * b1; s3_2 += a3 * b2; s3_3 += a3 * b3; }
q0[(i0 * 4 + 0) * 256LL + (i1 * 4 + 0) * 1LL] = s0_0; q0[(i0 * 4 + 0) * 256LL + (i1 * 4 + 1) * 1LL] = s0_1; q0[(i0 * 4 + 0) * 256LL + (i1 * 4 + 2) * 1LL] = s0_2; q0[(i0 * 4 + 0) * 256LL + (i1 * 4 + 3) * 1LL] = s0_3; q0[(i0 * 4 + 1) * 256LL + (i1 * 4 + 0) * 1LL] = s1_0; q0[(i0 * 4 + 1) * 256LL + (i1 * 4 + 1) * 1LL] = s1_1; q0[(i0 * 4 + 1) * 256LL + (i1 * 4 + 2) * 1LL] = s1_2; q0[(i0 * 4 + 1) * 256LL + (i1 * 4 + 3) * 1LL] = s1_3; q0[(i0 * 4 + 2) * 256LL + (i1 * 4 + 0) * 1LL] = s2_0; q0[(i0 * 4 + 2) * 256LL + (i1 * 4 + 1) * 1LL] = s2_1; q0[(i0 * 4 + 2) * 256LL + (i1 * 4 + 2) * 1LL] = s2_2; q0[(i0 * 4 + 2) * 256LL + (i1 * 4 + 3) * 1LL] = s2_3; q0[(i0 * 4 + 3) * 256LL + (i1 * 4 + 0) * 1LL] = s3_0; q0[(i0 * 4 + 3) * 256LL + (i1 * 4 + 1) * 1LL] = s3_1; q0[(i0 * 4 + 3) * 256LL + (i1 * 4 + 2) * 1LL] = s3_2; q0[(i0 * 4 + 3) * 256LL + (i1 * 4 + 3) * 1LL] = s3_3; } }
__device__ void k11(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 128000LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 256); const long long i1 = i % 256;
const float x0 = p0[i0 * 256LL + i1 * 1LL];
const float x1 = p1[i0 * 256LL + i1 * 1LL];
const bool v0 = (float)x0 > (float)(0);
const float v1 = (float)(float)v0;
const float v2 = (float)x1 * (float)v1;
q0[i0 * 256LL + i1 * 1LL] = v2; } }
__device__ void k12(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 31250LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 250); const long long i1 = i % 250; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0; float s2_0 = 0; float s2_1 = 0; float s2_2 = 0; float s2_3 = 0; float s3_0 = 0; float s3_1 = 0; float s3_2 = 0; float s3_3 = 0;
#pragma unroll 8
for (int k = 0; k < 256; ++k) { const float a0 = p0[(i0 * 4 + 0) * 256LL + k * 1LL]; const float a1 = p0[(i0 * 4 + 1) * 256LL + k * 1LL]; const float a2 = p0[(i0 * 4 + 2) * 256LL + k * 1LL]; const float a3 = p0[(i0 * 4 + 3) * 256LL + k * 1LL]; const float b0 = p1[k * 1LL + (i1 * 4 + 0) * 256LL]; const float b1 = p1[k * 1LL + (i1 * 4 + 1) * 256LL]; const float b2 = p1[k * 1LL + (i1 * 4 + 2) * 256LL]; const float b3 = p1[k * 1LL + (i1 * 4 + 3) * 256LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; s2_0 += a2 * b0; s2_1 += a2 * b1; s2_2 += a2 * b2; s2_3 += a2 * b3; s3_0 += a3 * b0; s3_1 += a3 * b1; s3_2 += a3 * b2; s3_3 += a3 * b3; }
q0[(i0 * 4 + 0) * 1000LL + (i1 * 4 + 0) * 1LL] = s0_0; q0[(i0 * 4 + 0) * 1000LL + (i1 * 4 + 1) * 1LL] = s0_1; q0[(i0 * 4 + 0) * 1000LL + (i1 * 4 + 2) * 1LL] = s0_2; q0[(i0 * 4 + 0) * 1000LL + (i1 * 4 + 3) * 1LL] = s0_3; q0[(i0 * 4 + 1) * 1000LL + (i1 * 4 + 0) * 1LL] = s1_0; q0[(i0 * 4 + 1) * 1000LL + (i1 * 4 + 1) * 1LL] = s1_1; q0[(i0 * 4 + 1) * 1000LL + (i1 * 4 + 2) * 1LL] = s1_2; q0[(i0 * 4 + 1) * 1000LL + (i1 * 4 + 3) * 1LL] = s1_3; q0[(i0 * 4 + 2) * 1000LL + (i1 * 4 + 0) * 1LL] = s2_0; q0[(i0 * 4 + 2) * 1000LL + (i1 * 4 + 1) * 1LL] = s2_1; q0[(i0 * 4 + 2) * 1000LL + (i1 * 4 + 2) * 1LL] = s2_2; q0[(i0 * 4 + 2) * 1000LL + (i1 * 4 + 3) * 1LL] = s2_3; q0[(i0 * 4 + 3) * 1000LL + (i1 * 4 + 0) * 1LL] = s3_0; q0[(i0 * 4 + 3) * 1000LL + (i1 * 4 + 1) * 1LL] = s3_1; q0[(i0 * 4 + 3) * 1000LL + (i1 * 4 + 2) * 1LL] = s3_2; q0[(i0 * 4 + 3) * 1000LL + (i1 * 4 + 3) * 1LL] = s3_3; } }
__device__ void k13(const float* p0, float* q0) { __shared__ float all[128];
for (long long o = blockIdx.x; o < 500; o += gridDim.x) { 

const long long o0 = o;
float s = 0;
for (long long k = threadIdx.x; k < 256; k += 128) {
const long long i0 = k;
const float x0 = p0[o0 * 256LL + i0 * 1LL];
const float v0 = (float)(float)x0;
const float a = s, b = v0; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 64; half; half /= 2) {
if (threadIdx.x < half) { const float a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[o0 * 1LL] = all[0];  __syncthreads(); } }
__device__ void k14(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 16000LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 64); const long long i1 = i % 64; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0; float s2_0 = 0; float s2_1 = 0; float s2_2 = 0; float s2_3 = 0; float s3_0 = 0; float s3_1 = 0; float s3_2 = 0; float s3_3 = 0;
#pragma unroll 8
for (int k = 0; k < 500; ++k) { const float a0 = p0[(i0 * 4 + 0) * 1LL + k * 1000LL]; const float a1 = p0[(i0 * 4 + 1) * 1LL + k * 1000LL]; const float a2 = p0[(i0 * 4 + 2) * 1LL + k * 1000LL]; const float a3 = p0[(i0 * 4 + 3) * 1LL + k * 1000LL]; const float b0 = p1[k * 256LL + (i1 * 4 + 0) * 1LL]; const float b1 = p1[k * 256LL + (i1 * 4 + 1) * 1LL]; const float b2 = p1[k * 256LL + (i1 * 4 + 2) * 1LL]; const float b3 = p1[k * 256LL + (i1 * 4 + 3) * 1LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; s2_0 += a2 * b0; s2_1 += a2 * b1; s2_2 += a2 * b2; s2_3 += a2 * b3; s3_0 += a3 * b0; s3_1 += a3 * b1; s3_2 += a3 * b2; s3_3 += a3 * b3; }
q0[(i0 * 4 + 0) * 256LL + (i1 * 4 + 0) * 1LL] = s0_0; q0[(i0 * 4 + 0) * 256LL + (i1 * 4 + 1) * 1LL] = s0_1; q0[(i0 * 4 + 0) * 256LL + (i1 * 4 + 2) * 1LL] = s0_2; q0[(i0 * 4 + 0) * 256LL + (i1 * 4 + 3) * 1LL] = s0_3; q0[(i0 * 4 + 1) * 256LL + (i1 * 4 + 0) * 1LL] = s1_0; q0[(i0 * 4 + 1) * 256LL + (i1 * 4 + 1) * 1LL] = s1_1; q0[(i0 * 4 + 1) * 256LL + (i1 * 4 + 2) * 1LL] = s1_2; q0[(i0 * 4 + 1) * 256LL + (i1 * 4 + 3) * 1LL] = s1_3; q0[(i0 * 4 + 2) * 256LL + (i1 * 4 + 0) * 1LL] = s2_0; q0[(i0 * 4 + 2) * 256LL + (i1 * 4 + 1) * 1LL] = s2_1; q0[(i0 * 4 + 2) * 256LL + (i1 * 4 + 2) * 1LL] = s2_2; q0[(i0 * 4 + 2) * 256LL + (i1 * 4 + 3) * 1LL] = s2_3; q0[(i0 * 4 + 3) * 256LL + (i1 * 4 + 0) * 1LL] = s3_0; q0[(i0 * 4 + 3) * 256LL + (i1 * 4 + 1) * 1LL] = s3_1; q0[(i0 * 4 + 3) * 256LL + (i1 * 4 + 2) * 1LL] = s3_2; q0[(i0 * 4 + 3) * 256LL + (i1 * 4 + 3) * 1LL] = s3_3; } }
__device__ void k15(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 256000LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 256); const long long i1 = i % 256;
const float x0 = p0[i0 * 256LL + i1 * 1LL];
const float x1 = p1[i0 * 256LL + i1 * 1LL];
const bool v0 = (float)x0 > (float)(0);
const float v1 = (float)(float)v0;
const float v2 = (float)x1 * (float)v1;
q0[i0 * 256LL + i1 * 1LL] = v2; } }
__device__ void k16(const float* p0, const float* p1, float* q0) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 49000LL; i += (long long)gridDim.x * blockDim.x) {
const long long i0 = (i / 196); const long long i1 = i % 196; float s0_0 = 0; float s0_1 = 0; float s0_2 = 0; float s0_3 = 0; float s1_0 = 0; float s1_1 = 0; float s1_2 = 0; float s1_3 = 0; float s2_0 = 0; float s2_1 = 0; float s2_2 = 0; float s2_3 = 0; float s3_0 = 0; float s3_1 = 0; float s3_2 = 0; float s3_3 = 0;
#pragma unroll 8
for (int k = 0; k < 256; ++k) { const float a0 = p0[(i0 * 4 + 0) * 256LL + k * 1LL]; const float a1 = p0[(i0 * 4 + 1) * 256LL + k * 1LL]; const float a2 = p0[(i0 * 4 + 2) * 256LL + k * 1LL]; const float a3 = p0[(i0 * 4 + 3) * 256LL + k * 1LL]; const float b0 = p1[k * 784LL + (i1 * 4 + 0) * 1LL]; const float b1 = p1[k * 784LL + (i1 * 4 + 1) * 1LL]; const float b2 = p1[k * 784LL + (i1 * 4 + 2) * 1LL]; const float b3 = p1[k * 784LL + (i1 * 4 + 3) * 1LL]; s0_0 += a0 * b0; s0_1 += a0 * b1; s0_2 += a0 * b2; s0_3 += a0 * b3; s1_0 += a1 * b0; s1_1 += a1 * b1; s1_2 += a1 * b2; s1_3 += a1 * b3; s2_0 += a2 * b0; s2_1 += a2 * b1; s2_2 += a2 * b2; s2_3 += a2 * b3; s3_0 += a3 * b0; s3_1 += a3 * b1; s3_2 += a3 * b2; s3_3 += a3 * b3; }
q0[(i0 * 4 + 0) * 784LL + (i1 * 4 + 0) * 1LL] = s0_0; q0[(i0 * 4 + 0) * 784LL + (i1 * 4 + 1) * 1LL] = s0_1; q0[(i0 * 4 + 0) * 784LL + (i1 * 4 + 2) * 1LL] = s0_2; q0[(i0 * 4 + 0) * 784LL + (i1 * 4 + 3) * 1LL] = s0_3; q0[(i0 * 4 + 1) * 784LL + (i1 * 4 + 0) * 1LL] = s1_0; q0[(i0 * 4 + 1) * 784LL + (i1 * 4 + 1) * 1LL] = s1_1; q0[(i0 * 4 + 1) * 784LL + (i1 * 4 + 2) * 1LL] = s1_2; q0[(i0 * 4 + 1) * 784LL + (i1 * 4 + 3) * 1LL] = s1_3; q0[(i0 * 4 + 2) * 784LL + (i1 * 4 + 0) * 1LL] = s2_0; q0[(i0 * 4 + 2) * 784LL + (i1 * 4 + 1) * 1LL] = s2_1; q0[(i0 * 4 + 2) * 784LL + (i1 * 4 + 2) * 1LL] = s2_2; q0[(i0 * 4 + 2) * 784LL + (i1 * 4 + 3) * 1LL] = s2_3; q0[(i0 * 4 + 3) * 784LL + (i1 * 4 + 0) * 1LL] = s3_0; q0[(i0 * 4 + 3) * 784LL + (i1 * 4 + 1) * 1LL] = s3_1; q0[(i0 * 4 + 3) * 784LL + (i1 * 4 + 2) * 1LL] = s3_2; q0[(i0 * 4 + 3) * 784LL + (i1 * 4 + 3) * 1LL] = s3_3; } }
__device__ void k17(const float* p0, float* q0) { __shared__ float all[128];
for (long long o = blockIdx.x; o < 1000; o += gridDim.x) { 

const long long o0 = o;
float s = 0;
for (long long k = threadIdx.x; k < 256; k += 128) {
const long long i0 = k;
const float x0 = p0[o0 * 256LL + i0 * 1LL];
const float v0 = (float)(float)x0;
const float a = s, b = v0; s = a + b; }
all[threadIdx.x] = s;
__syncthreads();
for (int half = 64; half; half /= 2) {
if (threadIdx.x < half) { const float a = all[threadIdx.x], b = all[threadIdx.x + half]; all[threadIdx.x] = a + b; }
__syncthreads(); }
if (threadIdx.x == 0) q0[o0 * 1LL] = all[0];  __syncthreads(); } }
__device__ void k18(const float* p0, const float* p1, float* q0) { __shared__ float all[128];
for (long long o = blockIdx.x; o < 1; o += gridDim.x) { 

const long long o0 = o;
float s = 0;
for (long long k = threadIdx.x; k < 256; k += 128) {
const long long i0 = (k / 256); const long long i1 = k % 256;
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
__device__ void k19(const float* p0, int* q0) { __shared__ int all[128];
for (long long o = blockIdx.x; o < 1; o += gridDim.x) { 

const long long o0 = o;
int s = 0;
for (long long k = threadIdx.x; k < 256; k += 128) {
const long long i0 = (k / 256); const long long i1 = k % 256;
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
__device__ void k20(const float* p0, const float* p1, const float* p2, const float* p3, const float* p4, const float* p5, float* q0, float* q1, float* q2) {
for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < 1290510LL; i += (long long)gridDim.x * blockDim.x) {
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
__device__ void k21(const float* p0, const float* p1, const int* p2, const int* p3, const int* p4, float* q0, int* q1, int* q2) {
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
k0((const int*)(table[0] + 0LL + s * 1024LL), (const unsigned char*)(table[1] + 0LL), (float*)(table[2] + 0LL));
barrier(count, gen);
k1((const float*)(table[3] + 0LL), (const float*)(table[2] + 0LL), (float*)(table[4] + 0LL));
barrier(count, gen);
k2((const float*)(table[4] + 0LL), (const float*)(table[4] + 1024000LL), (const float*)(table[3] + 3136000LL), (float*)(table[5] + 0LL), (float*)(table[6] + 0LL));
barrier(count, gen);
k3((const float*)(table[3] + 3140000LL), (const float*)(table[6] + 0LL), (float*)(table[7] + 0LL));
barrier(count, gen);
k4((const float*)(table[7] + 0LL), (const float*)(table[7] + 512000LL), (const float*)(table[7] + 1024000LL), (const float*)(table[7] + 1536000LL), (const float*)(table[7] + 2048000LL), (const float*)(table[3] + 5140000LL), (float*)(table[8] + 0LL), (float*)(table[9] + 0LL));
barrier(count, gen);
k5((const float*)(table[3] + 5142000LL), (const float*)(table[9] + 0LL), (float*)(table[10] + 0LL));
barrier(count, gen);
k6((const int*)(table[0] + 0LL + s * 1024LL), (const int*)(table[11] + 0LL), (const float*)(table[10] + 0LL), (const float*)(table[10] + 10240LL), (const float*)(table[10] + 20480LL), (const float*)(table[10] + 30720LL), (const float*)(table[10] + 40960LL), (const float*)(table[10] + 51200LL), (const float*)(table[10] + 61440LL), (const float*)(table[10] + 71680LL), (const float*)(table[10] + 81920LL), (const float*)(table[10] + 92160LL), (const float*)(table[3] + 5162000LL), (const int*)(table[12] + 0LL), (float*)(table[13] + 0LL), (float*)(table[14] + 0LL), (float*)(table[15] + 0LL));
barrier(count, gen);
k7((const float*)(table[14] + 0LL), (const float*)(table[9] + 0LL), (float*)(table[16] + 0LL));
k9((const float*)(table[14] + 0LL), (float*)(table[17] + 5162000LL));
k10((const float*)(table[3] + 5142000LL), (const float*)(table[14] + 0LL), (float*)(table[18] + 0LL));
k18((const float*)(table[13] + 0LL), (const float*)(table[15] + 0LL), (float*)(table[19] + 0LL));
k19((const float*)(table[15] + 0LL), (int*)(table[20] + 0LL));
barrier(count, gen);
k8((const float*)(table[16] + 0LL), (const float*)(table[16] + 20000LL), (const float*)(table[16] + 40000LL), (const float*)(table[16] + 60000LL), (const float*)(table[16] + 80000LL), (const float*)(table[16] + 100000LL), (const float*)(table[16] + 120000LL), (const float*)(table[16] + 140000LL), (float*)(table[17] + 5142000LL));
k11((const float*)(table[8] + 0LL), (const float*)(table[18] + 0LL), (float*)(table[21] + 0LL));
k21((const float*)(table[22] + 0LL), (const float*)(table[19] + 0LL), (const int*)(table[23] + 0LL), (const int*)(table[20] + 0LL), (const int*)(table[24] + 0LL), (float*)(table[22] + 0LL), (int*)(table[23] + 0LL), (int*)(table[24] + 0LL));
barrier(count, gen);
k12((const float*)(table[21] + 0LL), (const float*)(table[6] + 0LL), (float*)(table[17] + 3140000LL));
k13((const float*)(table[21] + 0LL), (float*)(table[17] + 5140000LL));
k14((const float*)(table[3] + 3140000LL), (const float*)(table[21] + 0LL), (float*)(table[25] + 0LL));
barrier(count, gen);
k15((const float*)(table[5] + 0LL), (const float*)(table[25] + 0LL), (float*)(table[26] + 0LL));
barrier(count, gen);
k16((const float*)(table[26] + 0LL), (const float*)(table[2] + 0LL), (float*)(table[17] + 0LL));
k17((const float*)(table[26] + 0LL), (float*)(table[17] + 3136000LL));
barrier(count, gen);
k20((const float*)(table[27] + 0LL), (const float*)(table[17] + 0LL), (const float*)(table[28] + 0LL), (const float*)(table[29] + 4LL + s * 8LL), (const float*)(table[29] + 0LL + s * 8LL), (const float*)(table[3] + 0LL), (float*)(table[27] + 0LL), (float*)(table[28] + 0LL), (float*)(table[3] + 0LL));
barrier(count, gen);
} }