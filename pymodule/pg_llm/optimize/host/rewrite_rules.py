"""Equivalence rewrites: IN for OR, NOT EXISTS for NOT IN, no DISTINCT over a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pg_llm.optimize.host import sql_tree

Rewrite = dict[str, Any]


def or_to_in(text: str) -> Rewrite | None:
    """`x = 1 OR x = 2` as `x IN (1, 2)`; equal by definition."""
    from pglast import ast
    from pglast.enums import A_Expr_Kind, BoolExprType

    tree = sql_tree.select(text)
    changed = False

    def change(node: Any) -> Any:
        nonlocal changed
        if not isinstance(node, ast.BoolExpr) or node.boolop != BoolExprType.OR_EXPR:
            return node
        groups: dict[Any, list[Any]] = {}
        for index, part in enumerate(node.args):
            groups.setdefault(_equality(part) or index, []).append(part)
        if all(len(parts) == 1 for parts in groups.values()):
            return node
        changed = True
        args = [parts[0] if len(parts) == 1 else _in(parts) for parts in groups.values()]
        return args[0] if len(args) == 1 else ast.BoolExpr(boolop=BoolExprType.OR_EXPR, args=tuple(args))

    def _in(parts: list[Any]) -> Any:
        values = tuple(part.rexpr for part in parts)
        return ast.A_Expr(kind=A_Expr_Kind.AEXPR_IN, name=parts[0].name, lexpr=parts[0].lexpr, rexpr=values)

    tree = sql_tree.transform(tree, change)
    return {"rule": "in", "sql": sql_tree.to_sql(tree), "needs": {}} if changed else None


def _equality(node: Any) -> tuple[str, ...] | None:
    """The column that is compared with a constant, and the constant's type."""
    from pglast import ast
    from pglast.enums import A_Expr_Kind

    if not isinstance(node, ast.A_Expr) or node.kind != A_Expr_Kind.AEXPR_OP or node.name[-1].sval != "=":
        return None
    name = sql_tree.column_name(node.lexpr)
    if not name or not isinstance(node.rexpr, ast.A_Const) or node.rexpr.isnull:
        return None
    return (*name, type(node.rexpr.val).__name__)


def not_in_to_not_exists(text: str) -> Rewrite | None:
    """`x NOT IN (SELECT y …)` as NOT EXISTS (anti-join); equal if neither x nor y is ever NULL."""
    from pglast import ast
    from pglast.enums import A_Expr_Kind, BoolExprType, SubLinkType

    tree = sql_tree.select(text)
    outer_tables = sql_tree.from_tables(tree)
    if outer_tables is None:
        return None
    needs: list[list[str]] = []
    aliases = {sql_tree.alias(table) for table in outer_tables[0]}

    def change(node: Any) -> Any:
        link = node.args[0] if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.NOT_EXPR else None
        if not isinstance(link, ast.SubLink) or link.subLinkType != SubLinkType.ANY_SUBLINK or link.operName:
            return node
        inner = link.subselect
        inner_tables = sql_tree.from_tables(inner)
        if not _is_plain_list(inner) or inner_tables is None or not inner_tables[0] or len(inner.targetList) != 1:
            return node
        mine, theirs = (
            _resolve_column(link.testexpr, outer_tables[0]),
            _resolve_column(inner.targetList[0].val, inner_tables[0]),
        )
        if mine is None or theirs is None or aliases & {sql_tree.alias(table) for table in inner_tables[0]}:
            return node
        for (table, column), outer in ((mine, outer_tables[1]), (theirs, inner_tables[1])):
            # Outer joins make any column nullable, and a CTE may have a table's name: no constraint helps.
            needs.append(["" if outer or tree.withClause else sql_tree.relation(table), column])
        equal = ast.A_Expr(
            kind=A_Expr_Kind.AEXPR_OP,
            name=(ast.String(sval="="),),
            lexpr=sql_tree.column(sql_tree.alias(theirs[0]), theirs[1]),
            rexpr=sql_tree.column(sql_tree.alias(mine[0]), mine[1]),
        )
        inner.whereClause = sql_tree.conjunction([*sql_tree.conjuncts(inner.whereClause), equal])
        inner.targetList = (ast.ResTarget(val=ast.A_Const(val=ast.Integer(ival=1))),)
        exists = ast.SubLink(subLinkType=SubLinkType.EXISTS_SUBLINK, subselect=inner)
        return ast.BoolExpr(boolop=BoolExprType.NOT_EXPR, args=(exists,))

    # Only top-level conjuncts: elsewhere NULL and false differ.
    parts = [change(part) for part in sql_tree.conjuncts(tree.whereClause)]
    tree.whereClause = sql_tree.conjunction(parts)
    return {"rule": "not exists", "sql": sql_tree.to_sql(tree), "needs": {"not_null": needs}} if needs else None


def distinct_of_key(text: str) -> Rewrite | None:
    """SELECT DISTINCT without DISTINCT; equal if the columns contain a key of the only table."""
    from pglast import ast

    tree = sql_tree.select(text)
    sources = sql_tree.from_tables(tree)
    if tree.distinctClause != (None,) or tree.op or tree.groupClause or tree.havingClause or tree.windowClause:
        return None
    # A CTE may have the name of a table.
    if tree.withClause:
        return None
    if sources is None or len(sources[0]) != 1 or sources[0][0] is not tree.fromClause[0]:
        return None
    # A function may return a set.
    if any(isinstance(node, ast.FuncCall | ast.SubLink) for node in sql_tree.nodes(tree.targetList)):
        return None
    table = sources[0][0]
    names = [sql_tree.column_name(target.val) for target in tree.targetList]
    stars = any(
        isinstance(target.val, ast.ColumnRef) and isinstance(target.val.fields[-1], ast.A_Star)
        for target in tree.targetList
    )
    tree.distinctClause = None
    key = {"table": sql_tree.relation(table), "columns": [parts[-1] for parts in names if parts], "all": stars}
    return {"rule": "distinct", "sql": sql_tree.to_sql(tree), "needs": {"key": key}}


def _is_plain_list(select: Any) -> bool:
    """True if a subquery is a plain list of one column's values."""
    return not (
        select.op
        or select.distinctClause
        or select.groupClause
        or select.havingClause
        or select.limitCount
        or select.limitOffset
        or select.withClause
        or select.windowClause
        or select.valuesLists
    )


def _resolve_column(node: Any, tables: list[Any]) -> tuple[Any, str] | None:
    """The table and column that a column reference resolves to, if the text alone tells."""
    name = sql_tree.column_name(node)
    if len(name) == 1 and len(tables) == 1:
        return tables[0], name[0]
    if len(name) == 2:
        return next(((table, name[1]) for table in tables if sql_tree.alias(table) == name[0]), None)
    return None


RULES: tuple[Callable[[str], Rewrite | None], ...] = (or_to_in, not_in_to_not_exists, distinct_of_key)
