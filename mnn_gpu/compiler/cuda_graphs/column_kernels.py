"""CUDA C source of `Columns` kernels: each thread computes all operations for its columns.

A value with several rows that another loop reads is an array, which the compiler keeps in
registers, since it unrolls the loops over its rows. Consecutive elementwise operations are one
loop: a value that is only read within the loop is a scalar, which takes few registers, and a loop
without arrays is not unrolled completely.

All sizes are constants in the source. The loops are unrolled by the layer sizes. The number of
columns could be an argument, but then so would the row strides, and addresses that are constants
would have to be computed: the code would be 5 to 63% larger (NVRTC 12.9 for 9.0, the kernels of
`tests/support/kernels.py`), for the kernel that takes most of the time of a small network's step.
So a new batch size compiles this kernel again, and no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from mnn_gpu.compiler.cuda_graphs.cuda_source import REDUCE, operand_text, operation_text, type_name
from mnn_gpu.compiler.cuda_graphs.expressions import TAKE, Number, Operand, Operation, Value
from mnn_gpu.compiler.cuda_graphs.kernels import ColumnProduct, ColumnReduction, Columns
from mnn_gpu.compiler.cuda_graphs.launch import NAME, Launch

UNROLLED = 4
"""Rows of a loop without arrays, and columns of a matrix with few rows, that are unrolled. Twice as
many take twice as long to compile."""
IN_FLIGHT = 64
"""Entries of a matrix that are unrolled: an upper bound of the multiplications in the code."""


BLOCK, FEW_BLOCK = 128, 32
"""Threads per block: few if there are few columns, so that many processors are used."""
MANY = 8192


def column_launch(spec: Columns) -> Launch:
    """Return the launch of a kernel with a thread for each column."""
    threads = BLOCK if spec.columns > MANY else FEW_BLOCK
    return Launch(column_kernel(spec), (-(-spec.columns // threads),), threads)


def column_kernel(spec: Columns) -> str:
    """Return a kernel's source; its arguments are the inputs and the outputs."""
    inputs = [f"const {type_name(x.dtype)}* __restrict__ x{n}" for n, x in enumerate(spec.inputs)]
    outputs = [
        f"{type_name(spec.operations[value].dtype)}* __restrict__ y{n}"
        for n, value in enumerate(spec.outputs)
    ]
    body = "\n".join(_Body(spec).lines())
    # Not unrolled: NVRTC 13.5 does not terminate for GPUs from 10.0 with 32 or 64 columns.
    return f"""extern "C" __global__ void {NAME}({", ".join([*inputs, *outputs])}) {{
const long long all = (long long)blockDim.x * gridDim.x;
#pragma unroll 1
for (long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x; j < {spec.columns}LL; j += all)
{{
{body}
}}
}}"""


class _Body:
    """The statements for column ``j``, which compute ``v0, v1, ...`` and write the outputs."""

    def __init__(self, spec: Columns) -> None:
        self.spec = spec
        self.loops = _loops(spec)
        home = {value: loop for loop, values in enumerate(self.loops) for value in values}
        self.arrays = {
            operand.number
            for value, operation in enumerate(spec.operations)
            for operand in _operands(operation)
            if isinstance(operand, Value) and home[operand.number] != home[value]
        }
        self.arrays |= {n for n, o in enumerate(spec.operations) if not isinstance(o, Operation)}

    def lines(self) -> Iterator[str]:
        for values in self.loops:
            for value in values:
                if value in self.arrays:
                    dtype = type_name(self.spec.operations[value].dtype)
                    yield f"{dtype} v{value}[{self.spec.rows[value]}];"
            operation = self.spec.operations[values[0]]
            if isinstance(operation, ColumnProduct):
                yield self._product(values[0], operation)
            elif isinstance(operation, ColumnReduction):
                yield self._folded(values[0], operation)
            else:
                yield self._elementwise(values)
                continue
            written = "".join(self._written(values[0]))
            if written:
                yield _each(self.spec.rows[values[0]], written)

    def _elementwise(self, values: Sequence[int]) -> str:
        lines, has_arrays = [], False
        for value in values:
            operation = self.spec.operations[value]
            assert isinstance(operation, Operation)  # noqa: S101  # of the loop's kind
            is_array = value in self.arrays
            has_arrays |= is_array or any(
                isinstance(o, Value) and o.number in self.arrays and self.spec.rows[o.number] > 1
                for o in operation.operands
            )
            name = f"v{value}[r]" if is_array else f"const {type_name(operation.dtype)} v{value}"
            lines += [f"{name} = {self._text(operation)};", *self._written(value)]
        rows = self.spec.rows[values[0]]
        return _each(rows, "\n".join(lines), rows if has_arrays else UNROLLED)

    def _text(self, operation: Operation) -> str:
        whole = operation.operands[0] if operation.name == TAKE else None
        return operation_text(
            operation, lambda o: operand_text(o) if o is whole else self._entry(o)
        )

    def _product(self, value: int, operation: ColumnProduct) -> str:
        rows, inner = operation.shape
        _, row_stride, column_stride = self.spec.inputs[operation.matrix.number]
        of_matrix = f"x{operation.matrix.number}[r * {row_stride}LL + k * {column_stride}LL]"
        summed = f"v{value}[r] += {of_matrix} * b;"
        column = f"const {type_name(operation.dtype)} b = {self._entry(operation.column, 'k')};"
        unrolled = max(1, min(UNROLLED, IN_FLIGHT // rows))
        first = _each(rows, f"v{value}[r] = 0;")
        return f"{first}\n{_each(inner, f'{column}{chr(10)}{_each(rows, summed)}', unrolled, 'k')}"

    def _folded(self, value: int, operation: ColumnReduction) -> str:
        dtype = type_name(operation.dtype)
        first, each = (f"({dtype}){self._entry(operation.column, r)}" for r in "0r")
        return (
            f"v{value}[0] = {first};\n#pragma unroll\n"
            f"for (int r = 1; r < {operation.rows}; ++r) {{\n"
            f"const {dtype} a = v{value}[0], b = {each};\n"
            f"v{value}[0] = {REDUCE[operation.function]};\n}}"
        )

    def _written(self, value: int) -> list[str]:
        """Return the statements that write row ``r`` of a value to its outputs."""
        entry = self._entry(Value(value))
        return [
            f"y{n}[r * {self.spec.columns}LL + j] = {entry};"
            for n, output in enumerate(self.spec.outputs)
            if output == value
        ]

    def _entry(self, operand: Operand, row: str = "r") -> str:
        if isinstance(operand, Number):
            return operand_text(operand)
        if isinstance(operand, Value):
            if operand.number not in self.arrays:
                return f"v{operand.number}"
            return f"v{operand.number}[{row if self.spec.rows[operand.number] > 1 else 0}]"
        _, row_stride, column_stride = self.spec.inputs[operand.number]
        return f"x{operand.number}[{row} * {row_stride}LL + j * {column_stride}LL]"


def _loops(spec: Columns) -> list[list[int]]:
    """Return the indices of the operations, grouped by loop over the rows."""

    def kind(value: int) -> tuple[int, int]:
        is_elementwise = isinstance(spec.operations[value], Operation)
        return (-1 if is_elementwise else value), spec.rows[value]

    return [list(values) for _, values in groupby(range(len(spec.operations)), kind)]


def _operands(operation: Operation | ColumnProduct | ColumnReduction) -> Sequence[Operand]:
    return operation.operands if isinstance(operation, Operation) else (operation.column,)


def _each(rows: int, work: str, unrolled: int | None = None, index: str = "r") -> str:
    unroll = "" if unrolled is None or unrolled >= rows else f" {unrolled}"
    return (
        f"#pragma unroll{unroll}\nfor (int {index} = 0; {index} < {rows}; ++{index}) {{\n{work}\n}}"
    )
