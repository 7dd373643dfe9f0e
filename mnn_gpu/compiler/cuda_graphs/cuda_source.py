"""CUDA C source of expressions."""

from __future__ import annotations

from collections.abc import Callable

from mnn_gpu.compiler.cuda_graphs.expressions import (
    CAST,
    TAKE,
    Expression,
    Input,
    Number,
    Operand,
    Operation,
)

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
# NaN propagates, as in NumPy.
CHOICES = {"maximum": "{0} >= {1} || {0} != {0} ? {0} : {1}"}
CHOICES["minimum"] = CHOICES["maximum"].replace(">=", "<=")

REDUCE = {"add": "a + b", "maximum": CHOICES["maximum"].format("a", "b")}


def statements(expression: Expression) -> str:
    """Return the statements that compute ``v0, v1, ...``.

    Raises
    ------
    NotImplementedError
        If an operation has no counterpart in CUDA.
    """
    return "\n".join(
        f"const {type_name(operation.dtype)} v{number} = {operation_text(operation)};"
        for number, operation in enumerate(expression.operations)
    )


def operation_text(operation: Operation, written: Callable[[Operand], str] | None = None) -> str:
    """Return one operation as a C expression; ``written`` formats the operands."""
    name, operands, computed_in, dtype = operation
    texts = [(written or operand_text)(operand) for operand in operands]
    if name == TAKE:
        x, row, width = texts
        column = "" if width == "(1)" else f" * {width} + i % {width}"
        return f"{x}[(long long){row}{column}]"
    values = [
        f"({type_name(wanted)}){text}" for text, wanted in zip(texts, computed_in, strict=True)
    ]
    if name == CAST:
        return f"({type_name(dtype)}){values[0]}"
    if name in INFIX:
        return f" {INFIX[name]} ".join(values)
    if name in FUNCTIONS:
        return f"{FUNCTIONS[name]}({values[0]})"
    if name in CHOICES:
        return CHOICES[name].format(*values)
    raise NotImplementedError(f"{name} has no counterpart in CUDA")


def operand_text(operand: Operand) -> str:
    """Return an operand's name, or its number."""
    if isinstance(operand, Number):
        return {"True": "true", "False": "false"}.get(operand.text, f"({operand.text})")
    return f"x{operand.number}" if isinstance(operand, Input) else f"v{operand.number}"


def type_name(dtype: str) -> str:
    """Return the C name of a dtype.

    Raises
    ------
    NotImplementedError
        If kernels do not support it.
    """
    if dtype not in TYPES:
        raise NotImplementedError(f"kernels do not support dtype {dtype}")
    return TYPES[dtype]
