"""Trees of arrays: nested tuples and lists, such as a step's data, state and batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Array: TypeAlias = Any
Tree: TypeAlias = Any
"""An array, None, or a list or (named) tuple of trees."""


def leaves(tree: Tree) -> Iterator[Array]:
    """Yield the arrays of a tree, in order."""
    if isinstance(tree, (tuple, list)):
        for branch in tree:
            yield from leaves(branch)
    elif tree is not None:
        yield tree


def tree_map(function: Callable[[Array], Array], tree: Tree) -> Tree:
    """Return the tree with a function applied to each of its arrays, in order."""
    if isinstance(tree, (tuple, list)):
        branches = [tree_map(function, branch) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)
    return None if tree is None else function(tree)
