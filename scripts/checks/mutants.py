"""All small faults of one file: an operator changed, a number moved, a statement left out.

Neither mutmut nor cosmic-ray serves here. mutmut 3 calls each function through one of its own,
so that a warning is another line's and a test of the selector fails without any mutant; it
leaves constants, defaults and decorated functions alone. cosmic-ray makes eleven mutants of an
operator, 1,959 in all, none of ``@``, of statements or of text, and starts Python for each.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple

OPERATORS: dict[type[ast.AST], tuple[Any, ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Div,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


class Mutant(NamedTuple):
    """One fault: where it is, what stood there and what stands there now, and the whole file."""

    line: int
    before: str
    after: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a file, each with one place changed."""
    for node in _code(ast.parse(source)):
        place = node.test if isinstance(node, ast.If | ast.While) else node
        before = ast.get_source_segment(source, place) or ""
        for after in dict.fromkeys(_replacements(node)):
            if after not in (before, f"({before})"):
                yield Mutant(place.lineno, before, after, _with(source, place, after))


def _with(source: str, node: ast.expr | ast.stmt, text: str) -> str:
    """Put a text in the place of a node; lines stay where they are, so warnings do too."""
    lines = [line.encode() for line in source.split("\n")]
    first, last = node.lineno - 1, (node.end_lineno or 0) - 1
    head, tail = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
    lines[first : last + 1] = [head + text.encode() + tail] + [b""] * (last - first)
    return b"\n".join(lines).decode()


def _code(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Yield what is run and not only said: no annotations, docstrings or protocols."""
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or name in ("annotation", "returns", "bases"):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, ast.ClassDef) and "Protocol" in map(ast.unparse, child.bases):
                continue
            if isinstance(child, ast.AnnAssign) and ast.unparse(child.annotation) == "TypeAlias":
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child
            if not isinstance(child, ast.JoinedStr):
                yield from _code(child)


def _replacements(node: ast.AST) -> Iterator[str]:
    """Yield what could stand in a node's place."""
    match node:
        case ast.BinOp(left, op, right):
            for other in OPERATORS[type(op)]:
                yield f"({ast.unparse(ast.BinOp(left, other(), right))})"
            yield f"({ast.unparse(left)})"
        case ast.Compare(left, [op], [right]):
            for other in OPERATORS[type(op)]:
                yield f"({ast.unparse(ast.Compare(left, [other()], [right]))})"
        case ast.BoolOp(op, values):
            for other in OPERATORS[type(op)]:
                yield f"({ast.unparse(ast.BoolOp(other(), values))})"
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield f"({ast.unparse(operand)})"
        case ast.IfExp(_, body, orelse):
            yield from (f"({ast.unparse(side)})" for side in (body, orelse))
        case ast.If(test, _, _) | ast.While(test, _):
            yield f"(not ({ast.unparse(test)}))"
        case ast.Constant(bool(value)):
            yield str(not value)
        case ast.Constant(int(value) | float(value)):
            yield str(value + 1)
        case ast.Constant(str(value)):
            yield "'XX'"
        case ast.JoinedStr():
            yield "'XX'"
        case ast.Call(func, args, keywords):
            for i in range(len(keywords)):
                rest = keywords[:i] + keywords[i + 1 :]
                yield ast.unparse(ast.Call(func, args, rest))
        case ast.Return(value) if value is not None:
            yield "return None"
        case ast.Break():
            yield "continue"
        case ast.Assign() | ast.AugAssign() | ast.Expr() | ast.Raise():
            yield "pass"
