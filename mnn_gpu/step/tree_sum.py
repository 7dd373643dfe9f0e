"""Adding up in a fixed binary tree: the same bits, whoever adds up which of its branches.

The sum of floating-point numbers hangs on the order of adding. Here that order hangs on the
number of leaves alone: two branches are added when they are siblings, that is, of one size,
beside each other, the left one beginning at an even multiple of that size. Whoever holds
some of the leaves adds up what is complete among them; what remains, in order, is added up
by whoever has got all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

Array: TypeAlias = Any
Add: TypeAlias = Callable[[Array, Array], Array]


class Branch(NamedTuple):
    """The leaves ``first`` to ``first + size``, of which ``size``, a power of 2, divides ``first``.

    The last branches of a tree may have fewer leaves than their size.
    """

    first: int
    size: int

    @property
    def stop(self) -> int:
        return self.first + self.size


def leaves(first: int, stop: int) -> list[Branch]:
    """Return the leaves of a run, each a branch of its own."""
    return [Branch(leaf, 1) for leaf in range(first, stop)]


def reduce_siblings(
    branches: Iterable[Branch], values: Iterable[Array], add: Add
) -> dict[Branch, Array]:
    """Add up siblings until there are none; return what is left, in order.

    Parameters
    ----------
    branches : iterable of Branch
        One after the other, without gaps.
    values : iterable of arrays
        The sum of each branch.
    add : callable
        Adds two of them.
    """
    left: list[tuple[Branch, Array]] = []
    for branch, value in zip(branches, values, strict=True):
        while left and _are_siblings(left[-1][0], branch):
            sibling, before = left.pop()
            branch, value = Branch(sibling.first, 2 * sibling.size), add(before, value)
        left.append((branch, value))
    return dict(left)


def tree_sum(branches: Iterable[Branch], values: Iterable[Array], add: Add) -> Array:
    """Add up the branches of a whole tree; see `reduce_siblings`."""
    *others, whole = reduce_siblings(branches, values, add).values()
    for value in reversed(others):
        whole = add(value, whole)
    return whole


def roots(branches: Sequence[Branch]) -> list[Branch]:
    """Return the branches that `reduce_siblings` leaves of these."""
    return list(reduce_siblings(branches, branches, lambda *_: None))


def _are_siblings(left: Branch, right: Branch) -> bool:
    return left.size == right.size and left.first % (2 * left.size) == 0
