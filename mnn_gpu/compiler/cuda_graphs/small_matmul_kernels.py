"""Kernels for products with few rows, for which cuBLAS is slow: ten units, ten classes.

The tiles of cuBLAS have 32 or more rows, of which ten are used, and a long inner dimension is
left to few processors. Here a thread keeps all rows of its columns in registers, so that the large
operand is read once, at memory bandwidth. (On an H200, 784-10-10-10 on 41,000 rows: 78 and 89 us
by cuBLAS, 128 MB each.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mnn_gpu.compiler.cuda_graphs.cuda_source import type_name
from mnn_gpu.compiler.cuda_graphs.kernels import SmallMatmulRows, SmallMatmulSlices
from mnn_gpu.compiler.cuda_graphs.launch import NAME, Launch

WARPS = 8
"""Warps per block of `rows_kernel`."""
MOST_BLOCKS = 528
"""Four per processor of a large GPU: each loads A to its shared memory once."""

PRELUDE = "template <typename T, int N> struct __align__(sizeof(T) * N) Several { T of[N]; };\n"
"""What these kernels need, once in a source."""

HALF = """
    #pragma unroll
    for (int i = 0; i < {half}; ++i) {{
      const bool upper = lane & {half};
      const {dtype} mine = upper ? sum[i + {half}] : sum[i];
      const {dtype} other = upper ? sum[i] : sum[i + {half}];
      sum[i] = mine + __shfl_xor_sync(0xffffffffu, other, {half});
    }}"""


def columns_per_warp(spec: SmallMatmulRows) -> int:
    """Return the number of columns a warp processes at a time: each lane holds one result."""
    return min(32 // spec.rows, 4)


def rows_kernel(spec: SmallMatmulRows, dtype: str, vector: int) -> str:
    """Return the kernel of ``C = A @ B`` with few rows of A and contiguous columns of B.

    The lanes of a warp divide the inner dimension. Their sums are reduced by halving: in each
    round a lane sends half of its values to another lane and adds the values it receives.

    Parameters
    ----------
    spec : SmallMatmulRows
        A must fit in shared memory. The column count is the kernel's last argument, an int.
    dtype : str
        In C.
    vector : int
        Number of values loaded at once; must divide the inner dimension.
    """
    columns = columns_per_warp(spec)
    # Unrolled here: the compiler would keep the loop, and the values out of registers.
    rounds = "\n".join(HALF.format(half=half, dtype=dtype) for half in (16, 8, 4, 2, 1))
    return f"""extern "C" __global__ void {NAME}(
    const {dtype}* __restrict__ A, const {dtype}* __restrict__ B, {dtype}* __restrict__ C,
    int columns) {{
  typedef Several<{dtype}, {vector}> V;
  __shared__ V of_A[{spec.rows}][{spec.inner // vector}];
  for (int n = threadIdx.x; n < {spec.rows * spec.inner // vector}; n += blockDim.x)
    (&of_A[0][0])[n] = reinterpret_cast<const V*>(A)[n];
  __syncthreads();
  const int lane = threadIdx.x % 32;
  const int warp = blockIdx.x * {WARPS} + threadIdx.x / 32;
  for (int first = warp * {columns}; first < columns; first += gridDim.x * {WARPS * columns})
  {{
    {dtype} sum[32];
    #pragma unroll
    for (int i = 0; i < 32; ++i) sum[i] = 0;
    for (int k = lane; k < {spec.inner // vector}; k += 32) {{
      V b[{columns}];
      #pragma unroll
      for (int c = 0; c < {columns}; ++c) {{
        const int column = first + c < columns ? first + c : columns - 1;
        b[c] = reinterpret_cast<const V*>(B + column * {spec.step}LL)[k];
      }}
      #pragma unroll
      for (int r = 0; r < {spec.rows}; ++r) {{
        const V a = of_A[r][k];
        #pragma unroll
        for (int c = 0; c < {columns}; ++c)
          #pragma unroll
          for (int i = 0; i < {vector}; ++i) sum[c * {spec.rows} + r] += a.of[i] * b[c].of[i];
      }}
    }}
{rounds}
    const int column = first + lane / {spec.rows};
    if (lane < {columns * spec.rows} && column < columns)
      C[lane % {spec.rows} * (long long)columns + column] = sum[0];
  }}
}}"""


def rows_grid(spec: SmallMatmulRows) -> tuple[int, int]:
    """Return the number of blocks and of threads per block of `rows_kernel`."""
    return min(-(-spec.columns // (columns_per_warp(spec) * WARPS)), MOST_BLOCKS), 32 * WARPS


def slices_kernel(spec: SmallMatmulSlices, dtype: str, vector: int) -> str:
    """Return the kernel of ``C[s] = A[:, s] @ B[s]`` with few rows of A, slice by slice.

    A thread computes some columns, for all rows of A.

    Parameters
    ----------
    spec : SmallMatmulSlices
        The inner dimension is the kernel's last argument, a long long.
    dtype : str
        In C.
    vector : int
        Number of columns loaded at once; must divide the number of columns.
    """
    padded = -(-spec.rows // 4) * 4
    return f"""extern "C" __global__ void {NAME}(
    const {dtype}* __restrict__ A, const {dtype}* __restrict__ B, {dtype}* __restrict__ C,
    long long inner) {{
  typedef Several<{dtype}, {vector}> V;
  typedef Several<{dtype}, 4> Four;
  __shared__ Four of_A[{spec.slice}][{padded // 4}];
  const int column = (blockIdx.y * blockDim.x + threadIdx.x) * {vector};
  const long long start = blockIdx.x * {spec.slice}LL;
  const int here = min({spec.slice}LL, inner - start);
  for (int n = threadIdx.x; n < {spec.slice * spec.rows}; n += blockDim.x) {{
    const int k = n % {spec.slice}, r = n / {spec.slice};
    if (k < here) of_A[k][r / 4].of[r % 4] = A[r * inner + start + k];
  }}
  __syncthreads();
  if (column >= {spec.columns}) return;
  {dtype} sum[{padded}][{vector}];
  #pragma unroll
  for (int r = 0; r < {padded}; ++r)
    #pragma unroll
    for (int i = 0; i < {vector}; ++i) sum[r][i] = 0;
  #pragma unroll 8
  for (int k = 0; k < here; ++k) {{
    const V b = *reinterpret_cast<const V*>(B + (start + k) * {spec.columns}LL + column);
    #pragma unroll
    for (int f = 0; f < {padded // 4}; ++f) {{
      const Four a = of_A[k][f];
      #pragma unroll
      for (int r = 0; r < 4; ++r)
        #pragma unroll
        for (int i = 0; i < {vector}; ++i) sum[f * 4 + r][i] += a.of[r] * b.of[i];
    }}
  }}
  #pragma unroll
  for (int r = 0; r < {spec.rows}; ++r) {{
    V v;
    #pragma unroll
    for (int i = 0; i < {vector}; ++i) v.of[i] = sum[r][i];
    *reinterpret_cast<V*>(C + (blockIdx.x * {spec.rows}LL + r) * {spec.columns} + column) = v;
  }}
}}"""


def slices_grid(spec: SmallMatmulSlices, vector: int) -> tuple[int, int, int]:
    """Return the numbers of blocks in both directions and of threads per block."""
    wanted = -(-spec.columns // vector)
    threads = min(-(-wanted // 32) * 32, 256)
    return -(-spec.inner // spec.slice), -(-wanted // threads), threads


VECTOR = 16
"""Bytes loaded at once, if all addresses and lengths are multiples of it."""


def small_matmul_launch(
    spec: SmallMatmulRows | SmallMatmulSlices, output: Any, addresses: Sequence[int]
) -> Launch:
    """Return the launch of a product with few rows.

    Sizes that depend on the batch are arguments, so that one kernel serves all batch sizes.
    """
    size, dtype = output.itemsize, type_name(str(output.dtype))
    lengths = (spec.inner, spec.step) if isinstance(spec, SmallMatmulRows) else (spec.columns,)
    is_even = not any(n % VECTOR for n in (*addresses, *(size * length for length in lengths)))
    vector = VECTOR // size if is_even else 1
    if isinstance(spec, SmallMatmulRows):
        text = rows_kernel(spec, dtype, vector)
        blocks, threads = rows_grid(spec)
        return Launch(text, (blocks,), threads, (np.int32(spec.columns),))
    text = slices_kernel(spec, dtype, vector)
    *grid, threads = slices_grid(spec, vector)
    return Launch(text, tuple(grid), threads, (np.int64(spec.inner),))
