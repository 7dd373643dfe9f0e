"""Summation in a fixed binary tree: bit-identical, whichever rank adds which branches.

A floating-point sum depends on the order of the additions. Here that order depends only on
the number of leaves: two branches are added when they are siblings, that is, adjacent, of
equal size, and the left one starts at an even multiple of that size. A rank that holds some
of the leaves adds all sibling pairs among them. The remaining branches, in order, are added
by a rank that has all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

Array: TypeAlias = Any
Add: TypeAlias = Callable[[Array, Array], Array]


class Branch(NamedTuple):
    """The leaves ``first`` to ``first + size``; ``size`` is a power of 2 that divides ``first``.

    The last branches of a tree may have fewer leaves than their size.
    """

    first: int
    size: int

    @property
    def stop(self) -> int:
        return self.first + self.size


def leaves(first: int, stop: int) -> list[Branch]:
    """Return the leaves of a range, each as a branch."""
    return [Branch(leaf, 1) for leaf in range(first, stop)]


def reduce_siblings(
    branches: Iterable[Branch], values: Iterable[Array], add: Add
) -> dict[Branch, Array]:
    """Add siblings until none are left; return the remaining branches, in order.

    Parameters
    ----------
    branches : iterable of Branch
        Consecutive, without gaps.
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
    """Sum the branches of a complete tree; see `reduce_siblings`."""
    *others, whole = reduce_siblings(branches, values, add).values()
    for value in reversed(others):
        whole = add(value, whole)
    return whole


def roots(branches: Sequence[Branch]) -> list[Branch]:
    """Return the branches that `reduce_siblings` leaves."""
    return list(reduce_siblings(branches, branches, lambda *_: None))


def _are_siblings(left: Branch, right: Branch) -> bool:
    return left.size == right.size and left.first % (2 * left.size) == 0
