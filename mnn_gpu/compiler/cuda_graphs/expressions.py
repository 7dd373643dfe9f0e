"""Elementwise computations as data: what a device makes one kernel of.

An expression knows its inputs by their numbers and their dtypes; where they lie, and in which
shape, is its caller's affair. So equal computations at other places are equal expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

CAST = "cast"
TAKE = "take"
"""``take(x, row, width)``: entry ``row * width + column`` of an array of rows of that width."""


class Input(NamedTuple):
    """An input of the expression, element by element; of TAKE's first operand all of it."""

    number: int


class Value(NamedTuple):
    """The result of one of the expression's operations."""

    number: int


class Number(NamedTuple):
    """A number that is part of the expression, as Python writes it: 0.0 and -0.0 are two."""

    text: str


Operand: TypeAlias = Input | Value | Number


class Operation(NamedTuple):
    """One operation on elements.

    Attributes
    ----------
    name : str
        That of NumPy's function, or CAST or TAKE.
    operands : tuple of Operand
    computed_in : tuple of str
        The dtype that each operand is brought to.
    dtype : str
        Of the result.
    """

    name: str
    operands: tuple[Operand, ...]
    computed_in: tuple[str, ...]
    dtype: str


class Expression(NamedTuple):
    """Operations in their order.

    Attributes
    ----------
    inputs : tuple of str
        Their dtypes.
    operations : tuple of Operation
        Each may use the results of those before it.
    outputs : tuple of int
        Which operations' results are wanted.
    """

    inputs: tuple[str, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[int, ...]

    @property
    def rows_of(self) -> frozenset[int]:
        """The numbers of the inputs of which TAKE takes entries."""
        return frozenset(
            operation.operands[0].number
            for operation in self.operations
            if operation.name == TAKE and isinstance(operation.operands[0], Input)
        )


def as_it_is(dtype: str, wanted: str | None = None) -> Expression:
    """Return the expression of its one input, in another dtype if wanted."""
    cast = Operation(CAST, (Input(0),), (wanted or dtype,), wanted or dtype)
    return Expression((dtype,), (cast,), (0,))


def converted(expression: Expression, dtype: str) -> Expression:
    """Return the expression with its one output in this dtype."""
    inputs, operations, (output,) = expression
    if operations[output].dtype == dtype:
        return expression
    cast = Operation(CAST, (Value(output),), (dtype,), dtype)
    return Expression(inputs, (*operations, cast), (len(operations),))


def renumbered(
    operation: Operation, input_of: Callable[[int], Operand], value_of: Callable[[int], int]
) -> Operation:
    """Return the operation among others: what its inputs are there, and its values' numbers."""

    def there(operand: Operand) -> Operand:
        if isinstance(operand, Input):
            return input_of(operand.number)
        return Value(value_of(operand.number)) if isinstance(operand, Value) else operand

    return operation._replace(operands=tuple(map(there, operation.operands)))


def restricted(
    inputs: Sequence[str], operations: Sequence[Operation], outputs: Iterable[int]
) -> tuple[Expression, list[int]]:
    """Return the expression of some results alone, and which of the inputs are its inputs."""
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
