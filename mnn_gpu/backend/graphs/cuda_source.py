"""Expressions as CUDA C, for the kernels that CuPy makes of it."""

from __future__ import annotations

from collections.abc import Callable

from mnn_gpu.backend.graphs.expressions import (
    CAST,
    TAKE,
    Expression,
    Input,
    Number,
    Operand,
    Operation,
    Value,
)
from mnn_gpu.backend.graphs.launches import Columns, Folded, Matrix

TYPES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "int32": "int",
    "int64": "long long",
    "float32": "float",
    "float64": "double",
}
INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "greater": ">",
    "greater_equal": ">=",
    "less_equal": "<=",
    "equal": "==",
    "not_equal": "!=",
}
FUNCTIONS = {
    "absolute": "abs",
    **{name: name for name in ("exp", "log", "log1p", "tanh", "sqrt", "floor", "isfinite")},
}
# What is not a number stays so, as in NumPy.
CHOICES = {"maximum": "{0} >= {1} || {0} != {0} ? {0} : {1}"}
CHOICES["minimum"] = CHOICES["maximum"].replace(">=", "<=")

IDENTITY = {"add": "0", "maximum": "-__int_as_float(0x7f800000)"}
REDUCE = {"add": "a + b", "maximum": CHOICES["maximum"].format("a", "b")}


def input_parameters(expression: Expression) -> str:
    """Return the declarations of ``x0, x1, ...``; those that rows are taken of are whole."""
    rows = expression.rows_of
    return ", ".join(
        f"{'raw ' if number in rows else ''}{dtype} x{number}"
        for number, dtype in enumerate(expression.inputs)
    )


def output_parameters(expression: Expression) -> str:
    """Return the declarations of ``y0, y1, ...``."""
    return ", ".join(
        f"{expression.operations[value].dtype} y{number}"
        for number, value in enumerate(expression.outputs)
    )


def statements(expression: Expression) -> str:
    """Return what computes the values ``v0, v1, ...``.

    Raises
    ------
    NotImplementedError
        If there is something among them that has no counterpart in CUDA.
    """
    return "\n".join(
        f"const {_type(operation.dtype)} v{number} = {_text(operation)};"
        for number, operation in enumerate(expression.operations)
    )


def assignments(expression: Expression) -> str:
    """Return what writes the outputs: all of it after everything is read."""
    return "\n".join(f"y{n} = v{value};" for n, value in enumerate(expression.outputs))


def computed(expression: Expression) -> str:
    """Return one C expression for an expression's one output."""
    return f"[&]() {{ {statements(expression)}\nreturn v{expression.outputs[0]}; }}()"


def _text(operation: Operation, written: Callable[[Operand], str] | None = None) -> str:
    name, operands, computed_in, dtype = operation
    texts = [(written or _operand)(operand) for operand in operands]
    if name == TAKE:
        x, row, width = texts
        column = "" if width == "(1)" else f" * {width} + i % {width}"
        return f"{x}[(long long){row}{column}]"
    values = [f"({_type(wanted)}){text}" for text, wanted in zip(texts, computed_in, strict=True)]
    if name == CAST:
        return f"({_type(dtype)}){values[0]}"
    if name in INFIX:
        return f" {INFIX[name]} ".join(values)
    if name in FUNCTIONS:
        return f"{FUNCTIONS[name]}({values[0]})"
    if name in CHOICES:
        return CHOICES[name].format(*values)
    raise NotImplementedError(f"{name} has no counterpart in CUDA")


def _operand(operand: Operand) -> str:
    if isinstance(operand, Number):
        return {"True": "true", "False": "false"}.get(operand.text, f"({operand.text})")
    return f"x{operand.number}" if isinstance(operand, Input) else f"v{operand.number}"


def _type(dtype: str) -> str:
    if dtype not in TYPES:
        raise NotImplementedError(f"{dtype} is no dtype of a kernel")
    return TYPES[dtype]


# ---- columns ---------------------------------------------------------------------------


def column_kernel(what: Columns, name: str) -> str:
    """Return the kernel in which each thread takes columns through all operations."""
    inputs = [f"const {_type(x.dtype)}* __restrict__ x{n}" for n, x in enumerate(what.inputs)]
    outputs = [
        f"{_type(what.operations[value].dtype)}* __restrict__ y{n}"
        for n, value in enumerate(what.outputs)
    ]
    work = [_for_a_column(what, number) for number in range(len(what.operations))]
    work += [
        _each_row(what.rows[value], f"y{n}[r * {what.columns}LL + j] = v{value}[r];")
        for n, value in enumerate(what.outputs)
    ]
    body = "\n".join(work)
    return f"""extern "C" __global__ void {name}({", ".join([*inputs, *outputs])}) {{
const long long all = (long long)blockDim.x * gridDim.x;
for (long long j = (long long)blockIdx.x * blockDim.x + threadIdx.x; j < {what.columns}LL; j += all)
{{
{body}
}}
}}"""


def _for_a_column(what: Columns, number: int) -> str:
    """Return what computes one operation's rows, ``v0[r], v1[r], ...``."""
    operation, rows = what.operations[number], what.rows[number]
    declared = f"{_type(operation.dtype)} v{number}[{rows}];\n"

    def entry(operand: Operand, row: str = "r") -> str:
        if isinstance(operand, Number):
            return _operand(operand)
        if isinstance(operand, Value):
            return f"v{operand.number}[{row if what.rows[operand.number] > 1 else 0}]"
        _, down, along = what.inputs[operand.number]
        return f"x{operand.number}[{row} * {down}LL + j * {along}LL]"

    if isinstance(operation, Matrix):
        _, down, along = what.inputs[operation.matrix.number]
        of_matrix = f"x{operation.matrix.number}[r * {down}LL + k * {along}LL]"
        summed = _each_row(rows, f"v{number}[r] += {of_matrix} * b;")
        return (
            f"{declared}{_each_row(rows, f'v{number}[r] = 0;')}\n"
            f"#pragma unroll 8\nfor (int k = 0; k < {operation.shape[1]}; ++k) {{\n"
            f"const {_type(operation.dtype)} b = {entry(operation.column, 'k')};\n{summed}\n}}"
        )
    if isinstance(operation, Folded):
        first, each = (f"({_type(operation.dtype)}){entry(operation.column, r)}" for r in "0r")
        together = REDUCE[operation.function]
        return (
            f"{declared}v{number}[0] = {first};\n#pragma unroll\n"
            f"for (int r = 1; r < {operation.rows}; ++r) {{\n"
            f"const {_type(operation.dtype)} a = v{number}[0], b = {each};\n"
            f"v{number}[0] = {together};\n}}"
        )
    whole = operation.operands[0] if operation.name == TAKE else None

    def written(operand: Operand) -> str:
        return _operand(operand) if operand is whole else entry(operand)

    return declared + _each_row(rows, f"v{number}[r] = {_text(operation, written)};")


def _each_row(rows: int, work: str) -> str:
    return f"#pragma unroll\nfor (int r = 0; r < {rows}; ++r) {{ {work} }}"
