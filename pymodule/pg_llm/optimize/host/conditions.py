"""What the conditions and sort keys of a plan ask of a table: columns and expressions that an index could serve."""

from __future__ import annotations

from typing import Any

from pg_llm.errors import InvalidInput
from pg_llm.optimize.host import model_call_rules, sql_tree

_EQUAL, _RANGE, _PATTERN = ("=",), ("<", ">", "<=", ">="), ("~~",)


def terms(text: str) -> list[dict[str, Any]]:
    """The parts of a condition that compare something of one table with something that is not of it.

    `kind` is equal, range or pattern; `column` is None for an expression, `cast` the type a column is cast to.
    """
    tree = _expression(f"SELECT {text}")
    parts = sql_tree.conjuncts(tree.targetList[0].val) if tree is not None and tree.targetList else []
    return [term for part in parts for term in _compared(part)]


def _compared(part: Any) -> list[dict[str, Any]]:
    from pglast import ast
    from pglast.enums import A_Expr_Kind, BoolExprType

    if isinstance(part, ast.BoolExpr) and part.boolop == BoolExprType.OR_EXPR:
        return _either([_compared(each) for each in part.args])
    if not isinstance(part, ast.A_Expr) or part.kind not in (A_Expr_Kind.AEXPR_OP, A_Expr_Kind.AEXPR_OP_ANY):
        return []
    operator = part.name[-1].sval
    if operator not in (*_EQUAL, *_RANGE, *_PATTERN):
        return []
    found = []
    for side, other in ((part.lexpr, part.rexpr), (part.rexpr, part.lexpr)):
        owners = _owners(side)
        if side is None or len(owners) != 1 or owners & _owners(other):
            continue
        if operator in _PATTERN and not (side is part.lexpr and _prefix(other)):
            continue
        found.append(_term(side, owners.pop(), operator, other))
    return found


def _either(alternatives: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What all alternatives compare with constants, as one index serves them all."""
    first = alternatives[0]
    same = all(each == first for each in alternatives)
    return first if same and len(first) == 1 and first[0]["constant"] and first[0]["kind"] == "equal" else []


def calls(text: str) -> list[dict[str, Any]]:
    """The parts of a condition in their order, and whether each calls a model."""
    tree = _expression(f"SELECT {text}")
    parts = sql_tree.conjuncts(tree.targetList[0].val) if tree is not None and tree.targetList else []
    return [{"text": sql_tree.written(part), "model": model_call_rules.calls(part)} for part in parts]


def sort_key(text: str) -> list[dict[str, Any]]:
    """The column that a sort key of a plan is about, and how it is ordered; nothing for another expression."""
    from pglast.enums import SortByDir, SortByNulls

    tree = _expression(f"SELECT 1 ORDER BY {text}")
    if tree is None or len(tree.sortClause) != 1:
        return []
    key = tree.sortClause[0]
    name = sql_tree.name(key.node)
    if len(name) != 2:
        return []
    order = " DESC" if key.sortby_dir == SortByDir.SORTBY_DESC else ""
    order += {SortByNulls.SORTBY_NULLS_FIRST: " NULLS FIRST", SortByNulls.SORTBY_NULLS_LAST: " NULLS LAST"}.get(
        key.sortby_nulls, ""
    )
    return [{"alias": name[0], "column": name[1], "order": order}]


def _expression(text: str) -> Any | None:
    try:
        return sql_tree.select(text)
    except InvalidInput:
        # A plan writes subplans and the like in words that are no SQL; no index serves those.
        return None


def _owners(tree: Any) -> set[str]:
    """The tables whose columns an expression names."""
    return {sql_tree.name(column)[0] for column in sql_tree.columns(tree) if len(sql_tree.name(column)) > 1}


def _prefix(other: Any) -> bool:
    """Whether a pattern is a constant that begins with what is to be found."""
    from pglast import ast

    constant = other.arg if isinstance(other, ast.TypeCast) else other
    if not isinstance(constant, ast.A_Const) or not isinstance(constant.val, ast.String):
        return False
    return constant.val.sval[:1] not in ("", "%", "_")


def _term(side: Any, owner: str, operator: str, other: Any) -> dict[str, Any]:
    from pglast import ast

    cast = None
    core = side
    if isinstance(side, ast.TypeCast) and sql_tree.name(side.arg):
        core, cast = side.arg, side.typeName.names[-1].sval
    name = sql_tree.name(core)
    functions = [
        ".".join(part.sval for part in node.funcname) for node in sql_tree.nodes(side) if isinstance(node, ast.FuncCall)
    ]
    kind = "equal" if operator in _EQUAL else "range" if operator in _RANGE else "pattern"
    return {
        "alias": owner,
        "column": name[-1] if name else None,
        "cast": cast,
        "kind": kind,
        "functions": functions,
        "constant": not _owners(other),
        "expression": _bare(side),
        "call": isinstance(side, ast.FuncCall),
    }


def _bare(side: Any) -> str:
    """The expression as an index of the table would have it, without the table's name."""
    from pglast import ast

    def change(node: Any) -> Any:
        if isinstance(node, ast.ColumnRef) and len(sql_tree.name(node)) > 1:
            return sql_tree.column(sql_tree.name(node)[-1])
        return node

    return sql_tree.written(sql_tree.replaced(side, change))
