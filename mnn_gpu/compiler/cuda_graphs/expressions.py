"""Elementwise computations as data, from which a device builds one kernel.

An expression refers to its inputs by index and dtype; their addresses and shapes are up to its
caller. So the same computation on other arrays is an equal expression.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

CAST = "cast"
TAKE = "take"
"""``take(x, row, width)``: entry ``row * width + column`` of an array with rows of that width."""


class Input(NamedTuple):
    """An input of the expression, elementwise; the whole array as the first operand of TAKE."""

    number: int


class Value(NamedTuple):
    """The result of one of the expression's operations."""

    number: int


class Number(NamedTuple):
    """A constant of the expression, in Python's notation, which distinguishes 0.0 and -0.0."""

    text: str


Operand: TypeAlias = Input | Value | Number


class Operation(NamedTuple):
    """One elementwise operation.

    Attributes
    ----------
    name : str
        Name of the NumPy function, or CAST or TAKE.
    operands : tuple of Operand
    computed_in : tuple of str
        The dtype to which each operand is converted.
    dtype : str
        Of the result.
    """

    name: str
    operands: tuple[Operand, ...]
    computed_in: tuple[str, ...]
    dtype: str


class Expression(NamedTuple):
    """A sequence of operations.

    Attributes
    ----------
    inputs : tuple of str
        Their dtypes.
    operations : tuple of Operation
        Each may use the results of earlier ones.
    outputs : tuple of int
        Indices of the operations whose results are outputs.
    """

    inputs: tuple[str, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[int, ...]

    @property
    def rows_of(self) -> frozenset[int]:
        """Indices of the inputs from which TAKE takes entries."""
        return frozenset(
            operation.operands[0].number
            for operation in self.operations
            if operation.name == TAKE and isinstance(operation.operands[0], Input)
        )


def cast_expression(dtype: str, wanted: str | None = None) -> Expression:
    """Return the identity expression of one input, converted to another dtype if given."""
    cast = Operation(CAST, (Input(0),), (wanted or dtype,), wanted or dtype)
    return Expression((dtype,), (cast,), (0,))


def converted(expression: Expression, dtype: str) -> Expression:
    """Return the expression with its one output converted to this dtype."""
    inputs, operations, (output,) = expression
    if operations[output].dtype == dtype:
        return expression
    cast = Operation(CAST, (Value(output),), (dtype,), dtype)
    return Expression(inputs, (*operations, cast), (len(operations),))


def renumbered(
    operation: Operation, input_of: Callable[[int], Operand], value_of: Callable[[int], int]
) -> Operation:
    """Return the operation with its inputs replaced and its values renumbered."""

    def there(operand: Operand) -> Operand:
        if isinstance(operand, Input):
            return input_of(operand.number)
        return Value(value_of(operand.number)) if isinstance(operand, Value) else operand

    return operation._replace(operands=tuple(map(there, operation.operands)))


def restricted(
    inputs: Sequence[str], operations: Sequence[Operation], outputs: Iterable[int]
) -> tuple[Expression, list[int]]:
    """Return the subexpression of some results, and the indices of the inputs it uses."""
    outputs = list(outputs)
    wanted = set(outputs)
    for number in reversed(range(len(operations))):
        if number in wanted:
            wanted |= {o.number for o in operations[number].operands if isinstance(o, Value)}
    kept = sorted(wanted)
    used = sorted({o.number for n in kept for o in operations[n].operands if isinstance(o, Input)})
    new_input = {old: new for new, old in enumerate(used)}
    new_value = {old: new for new, old in enumerate(kept)}

    expression = Expression(
        tuple(inputs[old] for old in used),
        tuple(
            renumbered(operations[n], lambda i: Input(new_input[i]), new_value.__getitem__)
            for n in kept
        ),
        tuple(new_value[output] for output in outputs),
    )
    return expression, used
