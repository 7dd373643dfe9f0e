"""CUDA C source of elementwise and reduction kernels, with their launches.

CuPy could generate these kernels too, but its headers take most of the time to compile them.
Sizes and strides are arguments, so that one kernel serves arrays of any size: another batch size
compiles none of these again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mnn_gpu.compiler.cuda_graphs.cuda_source import REDUCE, statements, type_name
from mnn_gpu.compiler.cuda_graphs.expressions import Expression
from mnn_gpu.compiler.cuda_graphs.kernels import Reduction
from mnn_gpu.compiler.cuda_graphs.launch import NAME, Launch
from mnn_gpu.compiler.views import span

Array: TypeAlias = Any

ELEMENTWISE_BLOCK, REDUCTION_BLOCK = 128, 512
"""Threads per block."""
WARP = 32
NARROW = 1 << 31
"""Arrays with fewer entries are indexed with 32 bits."""


class Axis(NamedTuple):
    """An axis that several arrays have in common.

    Attributes
    ----------
    size : int
    steps : tuple of int
        Stride of each array in elements.
    """

    size: int
    steps: tuple[int, ...]


class _Axes:
    """Axes in a kernel's source: names start with ``name``, sizes and steps are arguments."""

    def __init__(self, name: str, axes: Sequence[Axis]) -> None:
        self.name = name
        self.axes = axes

    @property
    def arguments(self) -> dict[str, int]:
        """Names and values; the size of the first axis is not needed."""
        sizes = {f"{self.name}{n}_size": axis.size for n, axis in enumerate(self.axes) if n}
        steps = {
            f"{self.name}{n}_step{array}": step
            for n, axis in enumerate(self.axes)
            for array, step in enumerate(axis.steps)
        }
        return sizes | steps

    def indices(self, index: str, integer: str) -> str:
        """Return the statements that split an index in row-major order into one of each axis."""
        lines = []
        for n in reversed(range(len(self.axes))):
            size = f"{self.name}{n}_size"
            lines.append(f"const {integer} {self.name}{n} = {index}{f' % {size}' if n else ''};")
            index = f"({index} / {size})"
        return "\n".join(lines)

    def place(self, array: int) -> str:
        """Return the position of an array's entry in elements."""
        return " + ".join(f"{self.name}{n} * {self.name}{n}_step{array}" for n in self._numbers)

    @property
    def _numbers(self) -> range:
        return range(len(self.axes))


def merged_axes(shape: Sequence[int], arrays: Iterable[Array]) -> list[Axis]:
    """Return the axes of arrays of one shape, merged where no array has a gap between rows."""
    steps = [[stride // array.itemsize for stride in array.strides] for array in arrays]
    axes: list[Axis] = []
    for size, *here in zip(shape, *steps, strict=True):
        if size == 1:
            continue
        axis = Axis(size, tuple(here))
        if axes and axes[-1].steps == tuple(size * step for step in here):
            axis = axis._replace(size=size * axes.pop().size)
        axes.append(axis)
    return axes


def elementwise_launch(
    spec: Expression, inputs: Sequence[Array], outputs: Sequence[Array]
) -> Launch:
    """Return the launch of an elementwise kernel: a thread for each entry of the outputs."""
    shape = outputs[0].shape
    arrays = [array for n, array in enumerate(inputs) if n not in spec.rows_of]
    axes = _Axes("i", merged_axes(shape, arrays))
    arguments = {"n": prod(shape), **axes.arguments}
    integer, scalars = _scalars(arguments, arrays)
    types = [type_name(spec.operations[value].dtype) for value in spec.outputs]
    written = "\n".join(f"y{n}[i] = v{value};" for n, value in enumerate(spec.outputs))
    text = f"""extern "C" __global__ void {NAME}(
{_parameters(spec, types, integer, arguments)}) {{
const {integer} i = blockIdx.x * ({integer})blockDim.x + threadIdx.x;
if (i >= n) return;
{axes.indices("i", integer)}
{_loads(spec, axes)}
{statements(spec)}
{written}
}}"""
    blocks = -(-arguments["n"] // ELEMENTWISE_BLOCK)
    return Launch(text, (blocks,), ELEMENTWISE_BLOCK, scalars)


def reduction_launch(spec: Reduction, inputs: Sequence[Array], outputs: Sequence[Array]) -> Launch:
    """Return the launch of a reduction.

    The threads of a block are divided over some results: ``depth`` threads reduce the entries of
    one, in a fixed order. They are neighbors, so that they read neighboring entries, unless the
    last axis is kept: then neighboring threads have neighboring results.
    """
    expression, x = spec.expression, inputs[0]
    kept = [axis for axis in range(x.ndim) if axis not in spec.axes]
    over = _Axes("o", merged_axes(outputs[0].shape, [*(_only(a, kept) for a in inputs), *outputs]))
    along = _Axes(
        "k", merged_axes([x.shape[a] for a in spec.axes], [_only(a, spec.axes) for a in inputs])
    )
    results = prod(outputs[0].shape)
    length = x.size // results
    is_across = x.ndim - 1 not in spec.axes
    depth = min(1 << (length - 1).bit_length(), REDUCTION_BLOCK // (WARP if is_across else 1))
    sizes = {"results": results, "length": length, "depth": depth, "across": int(is_across)}
    arguments = sizes | over.arguments | along.arguments
    integer, scalars = _scalars(arguments, [*inputs, *outputs])
    value = expression.outputs[0]
    dtype = type_name(expression.operations[value].dtype)
    fold = REDUCE[spec.function]
    text = f"""extern "C" __global__ void {NAME}(
{_parameters(expression, [dtype], integer, arguments)}) {{
__shared__ {dtype} folded[{REDUCTION_BLOCK}];
const {integer} lanes = {REDUCTION_BLOCK} / depth, thread = threadIdx.x;
const {integer} part = across ? thread / lanes : thread % depth;
const {integer} o = blockIdx.x * lanes + (across ? thread % lanes : thread / depth);
{over.indices("o", integer)}
{dtype} total = 0;
if (o < results)
  for ({integer} k = part; k < length; k += depth) {{
{along.indices("k", integer)}
{_loads(expression, over, along)}
{statements(expression)}
    const {dtype} a = total, b = v{value};
    total = k == part ? b : {fold};
  }}
folded[thread] = total;
for ({integer} half = depth / 2; half; half /= 2) {{
  __syncthreads();
  if (part < half && part + half < length) {{
    const {dtype} a = folded[thread], b = folded[thread + half * (across ? lanes : 1)];
    folded[thread] = {fold};
  }}
}}
if (part == 0 && o < results) y0[{over.place(len(inputs)) or "0"}] = folded[thread];
}}"""
    blocks = -(-results * depth // REDUCTION_BLOCK)
    return Launch(text, (blocks,), REDUCTION_BLOCK, scalars)


class _Strides(NamedTuple):
    """The strides of some axes of an array, in bytes."""

    strides: tuple[int, ...]
    itemsize: int


def _only(array: Array, axes: Iterable[int]) -> _Strides:
    return _Strides(tuple(array.strides[axis] for axis in axes), array.itemsize)


def _parameters(
    spec: Expression, outputs: Sequence[str], integer: str, arguments: Iterable[str]
) -> str:
    """Return the declarations of a kernel's parameters: inputs, outputs and arguments.

    An output may be an input too, so none is declared as restricted.
    """
    rows = spec.rows_of
    pointers = [
        f"const {type_name(dtype)}* {'x' if n in rows else 'p'}{n}"
        for n, dtype in enumerate(spec.inputs)
    ]
    pointers += [f"{dtype}* y{n}" for n, dtype in enumerate(outputs)]
    return ", ".join([*pointers, *(f"{integer} {name}" for name in arguments)])


def _loads(spec: Expression, *axes: _Axes) -> str:
    """Return the declarations of ``x0, x1, ...``: this entry of each elementwise input."""
    elementwise = [n for n in range(len(spec.inputs)) if n not in spec.rows_of]
    return "\n".join(
        f"const {type_name(spec.inputs[n])} x{n} = "
        f"p{n}[{' + '.join(filter(None, (part.place(array) for part in axes))) or '0'}];"
        for array, n in enumerate(elementwise)
    )


def _scalars(arguments: dict[str, int], arrays: Iterable[Array]) -> tuple[str, tuple[Any, ...]]:
    """Return the C type of all indices, and the arguments in it."""
    most = max([*arguments.values(), *(span(array) // array.itemsize for array in arrays)])
    is_narrow = most < NARROW
    dtype = np.uint32 if is_narrow else np.int64
    return "unsigned" if is_narrow else "long long", tuple(map(dtype, arguments.values()))
