"""Small faults that can be planted in Python source, one at a time: comparisons, arithmetic, constants, calls."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
PAIRS = (
    *(("min", "max"), ("minimum", "maximum"), ("fmin", "fmax"), ("nanmin", "nanmax"), ("argmin", "argmax")),
    *(("any", "all"), ("ceil", "floor"), ("zeros", "ones"), ("zeros_like", "ones_like"), ("sum", "prod")),
    *(("log", "log1p"), ("exp", "expm1"), ("cumsum", "cumprod"), ("logical_and", "logical_or")),
    *(("isf", "ppf"), ("sf", "cdf"), ("left", "right"), ("first", "last")),
)
NAMES = {name: other for pair in PAIRS for name, other in (pair, pair[::-1])}
SIDES = {"left", "right", "first", "last"}


@dataclass(frozen=True)
class Mutation:
    """A fault: lines `line` to `end_line` (from 1), columns in bytes of UTF-8, where `before` becomes `after`.

    `reach` is the lines, first and last, of which one runs before the fault can be felt: those of its statement, of
    its function for a default, (1, 0) for what runs at import.
    """

    line: int
    end_line: int
    column: int
    end_column: int
    before: str
    after: str
    function: str
    reach: tuple[int, int]

    def planted(self, source: str) -> str:
        """`source` with the fault."""
        lines = source.encode("utf-8").splitlines(keepends=True)
        start = sum(map(len, lines[: self.line - 1])) + self.column
        end = sum(map(len, lines[: self.end_line - 1])) + self.end_column
        whole = b"".join(lines)
        return (whole[:start] + self.after.encode("utf-8") + whole[end:]).decode("utf-8")


@dataclass(frozen=True)
class _Place:
    """Dotted name of the function, and `reach` as above."""

    function: str = ""
    reach: tuple[int, int] = (1, 0)


def mutations(source: str) -> list[Mutation]:
    """Every fault that can be planted in `source`, in the order of its text; types, strings and texts are left."""
    found: list[Mutation] = []
    for node, place in _reached(ast.parse(source), _Place()):
        for old, new in _faults(node):
            text = ast.unparse(new)
            found.append(
                Mutation(
                    *(old.lineno, old.end_lineno or old.lineno, old.col_offset, old.end_col_offset or 0),
                    before=ast.get_source_segment(source, old) or "",
                    after=text if isinstance(new, ast.stmt | ast.Constant) else f"({text})",
                    function=place.function,
                    reach=place.reach,
                )
            )
    return sorted(found, key=lambda one: (one.line, one.column, one.end_line, one.end_column, one.after))


def _reached(node: ast.AST, place: _Place) -> Iterator[tuple[ast.expr | ast.stmt, _Place]]:
    """Expressions and statements that run, and where; annotations and names of types are left."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_params", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr) or _is_of_types(child):
                continue
            inner = _inner(child, place)
            if isinstance(child, ast.expr | ast.stmt):
                yield child, inner
            yield from _reached(child, inner)


def _inner(node: ast.AST, place: _Place) -> _Place:
    """Place of what stands in `node`, which itself stands in `place`."""
    if isinstance(node, ast.FunctionDef):
        return _Place(
            f"{place.function}.{node.name}".lstrip("."), (node.body[0].lineno, node.end_lineno or 0)
        )
    if isinstance(node, ast.ClassDef):
        return _Place(f"{place.function}.{node.name}".lstrip("."), place.reach)
    if not isinstance(node, ast.stmt) or place.reach == (1, 0):
        return place
    body = getattr(node, "body", None) or getattr(node, "cases", None)
    last = node.end_lineno or node.lineno
    if body:
        first = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
        last = max(node.lineno, first.lineno - 1)
    return _Place(place.function, (node.lineno, last))


def _is_of_types(node: ast.AST) -> bool:
    """Whether a statement only names types: `Floats = NDArray[np.float64]`, or imports for the type checker."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    return isinstance(node, ast.Assign) and (
        (isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.BitOr))
        or (
            isinstance(node.value, ast.Subscript)
            and ast.unparse(node.value.value)
            in ("NDArray", "Literal", "Callable", "tuple", "dict", "Annotated")
        )
    )


def _faults(node: ast.expr | ast.stmt) -> Iterator[tuple[ast.expr | ast.stmt, ast.expr | ast.stmt]]:
    """What may stand in place of `node`, or of a part of it: the old and the new."""
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                for other in COMPARISONS[type(op)]:
                    yield node, _with(node, ops=[*ops[:place], other(), *ops[place + 1 :]])
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in OPERATORS:
            yield node, _with(node, op=OPERATORS[type(op)]())
        case ast.BoolOp(op=op):
            yield node, _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield node, operand
        case ast.IfExp(body=body, orelse=orelse):
            yield node, _with(node, body=orelse, orelse=body)
        case ast.If(test=test) | ast.While(test=test) if isinstance(
            test, ast.Name | ast.Call | ast.Attribute
        ):
            yield test, ast.UnaryOp(ast.Not(), test)
        case ast.Constant(value=bool(value)):
            yield node, ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield node, ast.Constant(value + 1)
            if value not in (0, 1):
                yield node, ast.Constant(value / 2 if isinstance(value, float) else value - 1)
        case ast.Constant(value=str(value)) if value in SIDES:
            yield node, ast.Constant(NAMES[value])
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in NAMES:
            func = copy.copy(node.func)
            setattr(func, "id" if isinstance(func, ast.Name) else "attr", NAMES[name])
            yield node, _with(node, func=func)
        case ast.Continue():
            yield node, ast.Break()
        case ast.Break():
            yield node, ast.Continue()
        case _:
            pass


def _with(node: ast.expr | ast.stmt, **changes: object) -> ast.expr | ast.stmt:
    """A copy of `node` with some fields replaced."""
    other = copy.copy(node)
    for name, value in changes.items():
        setattr(other, name, value)
    return other
