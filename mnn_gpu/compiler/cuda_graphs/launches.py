"""The launch of each kind of generated kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from mnn_gpu.compiler.cuda_graphs.column_kernels import column_launch
from mnn_gpu.compiler.cuda_graphs.elementwise_kernels import elementwise_launch, reduction_launch
from mnn_gpu.compiler.cuda_graphs.kernels import (
    Columns,
    GeneratedSpec,
    Reduction,
    SmallMatmulRows,
    SmallMatmulSlices,
)
from mnn_gpu.compiler.cuda_graphs.launch import Launch
from mnn_gpu.compiler.cuda_graphs.small_matmul_kernels import small_matmul_launch

Array: TypeAlias = Any


def launch_of(
    spec: GeneratedSpec,
    inputs: Sequence[Array],
    outputs: Sequence[Array],
    addresses: Sequence[int],
) -> Launch:
    """Return how a kernel is launched on arrays of this form.

    Parameters
    ----------
    spec : Expression, Reduction, Columns, SmallMatmulRows or SmallMatmulSlices
    inputs, outputs : sequence of array
        See `kernels.Kernel`. Their contents are not used, so NumPy arrays serve as well.
    addresses : sequence of int
        Of the inputs and the outputs, in bytes.

    Raises
    ------
    NotImplementedError
        If an operation or a dtype has no counterpart in CUDA.
    """
    if isinstance(spec, Columns):
        return column_launch(spec)
    if isinstance(spec, SmallMatmulRows | SmallMatmulSlices):
        return small_matmul_launch(spec, outputs[0], addresses)
    if isinstance(spec, Reduction):
        return reduction_launch(spec, inputs, outputs)
    return elementwise_launch(spec, inputs, outputs)
