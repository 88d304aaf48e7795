"""Sargable terms: columns and expressions in plan conditions and sort keys that an index could serve."""

from __future__ import annotations

from typing import Any

from pg_llm.errors import InvalidInput
from pg_llm.optimize.host import model_call_rules, sql_tree

_EQUAL, _RANGE, _PATTERN = ("=",), ("<", ">", "<=", ">="), ("~~",)


def indexable_terms(text: str) -> list[dict[str, Any]]:
    """The conjuncts that compare an expression of one table with something outside it.

    `kind` is equal, range or pattern; `column` is None for an expression, `cast` the type that a column is cast to.
    """
    tree = _expression(f"SELECT {text}")
    parts = sql_tree.conjuncts(tree.targetList[0].val) if tree is not None and tree.targetList else []
    return [term for part in parts for term in _comparison_terms(part)]


def _comparison_terms(part: Any) -> list[dict[str, Any]]:
    from pglast import ast
    from pglast.enums import A_Expr_Kind, BoolExprType

    if isinstance(part, ast.BoolExpr) and part.boolop == BoolExprType.OR_EXPR:
        return _common_term([_comparison_terms(argument) for argument in part.args])
    if not isinstance(part, ast.A_Expr) or part.kind not in (A_Expr_Kind.AEXPR_OP, A_Expr_Kind.AEXPR_OP_ANY):
        return []
    operator = part.name[-1].sval
    if operator not in (*_EQUAL, *_RANGE, *_PATTERN):
        return []
    compared = []
    for side, other in ((part.lexpr, part.rexpr), (part.rexpr, part.lexpr)):
        owners = _aliases(side)
        if side is None or len(owners) != 1 or owners & _aliases(other):
            continue
        if operator in _PATTERN and not (side is part.lexpr and _has_prefix(other)):
            continue
        compared.append(_term(side, owners.pop(), operator, other))
    return compared


def _common_term(alternatives: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The term that all alternatives of an OR compare with constants, as one index serves them all."""
    first = alternatives[0]
    same = all(terms == first for terms in alternatives)
    return first if same and len(first) == 1 and first[0]["constant"] and first[0]["kind"] == "equal" else []


def model_calls(text: str) -> list[dict[str, Any]]:
    """The conjuncts in order, and whether each calls a model."""
    tree = _expression(f"SELECT {text}")
    parts = sql_tree.conjuncts(tree.targetList[0].val) if tree is not None and tree.targetList else []
    return [{"text": sql_tree.to_sql(part), "model": model_call_rules.calls_model(part)} for part in parts]


def sort_key(text: str) -> list[dict[str, Any]]:
    """The column and direction of a sort key; nothing for other expressions."""
    from pglast.enums import SortByDir, SortByNulls

    tree = _expression(f"SELECT 1 ORDER BY {text}")
    if tree is None or len(tree.sortClause) != 1:
        return []
    key = tree.sortClause[0]
    name = sql_tree.column_name(key.node)
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
        # Plans contain subplans and the like that are not SQL; no index serves those.
        return None


def _aliases(tree: Any) -> set[str]:
    """The aliases of the tables whose columns an expression reads."""
    return {
        sql_tree.column_name(column)[0] for column in sql_tree.columns(tree) if len(sql_tree.column_name(column)) > 1
    }


def _has_prefix(other: Any) -> bool:
    """True if a pattern is a constant with a fixed prefix."""
    from pglast import ast

    constant = other.arg if isinstance(other, ast.TypeCast) else other
    if not isinstance(constant, ast.A_Const) or not isinstance(constant.val, ast.String):
        return False
    return constant.val.sval[:1] not in ("", "%", "_")


def _term(side: Any, owner: str, operator: str, other: Any) -> dict[str, Any]:
    from pglast import ast

    cast = None
    core = side
    if isinstance(side, ast.TypeCast) and sql_tree.column_name(side.arg):
        core, cast = side.arg, side.typeName.names[-1].sval
    name = sql_tree.column_name(core)
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
        "constant": not _aliases(other),
        "expression": _unqualified(side),
        "call": isinstance(side, ast.FuncCall),
    }


def _unqualified(side: Any) -> str:
    """The expression without the table's alias, as CREATE INDEX needs it."""
    from pglast import ast

    def change(node: Any) -> Any:
        if isinstance(node, ast.ColumnRef) and len(sql_tree.column_name(node)) > 1:
            return sql_tree.column(sql_tree.column_name(node)[-1])
        return node

    return sql_tree.to_sql(sql_tree.transform(side, change))
