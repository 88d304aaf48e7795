"""What a statement reads and calls, and the same statement with one of its tables sampled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pg_llm.optimize.host import sql_tree

# Operators of BETWEEN, CASE, USING and the like.
_IMPLIED = {("operator", (sign,)) for sign in ("=", "<", "<=", ">", ">=")}


def references(text: str) -> list[dict[str, Any]]:
    """The `statement` by itself, then what it names: each `relation`, `function`, `operator`, `type` and `attribute`.

    A name is [schema or None, name]. An attribute is a field of a row, or a function of the row.

    A relation may be a query in WITH. Beside a table that may be sampled stands the statement with TABLESAMPLE for this
    reference, whose parameter $1 is the share of rows in percent.
    """
    from pglast import ast

    tree = sql_tree.select(text)
    tables = _tables(tree)
    named = _queries_named(tree)
    sampled = {id(table) for table in _sampled_tables(tree) if table.schemaname or table.relname not in named}
    relations = [
        {
            "relation": [table.schemaname, table.relname],
            "sampled": _with_sample(text, number) if id(table) in sampled else None,
        }
        for number, table in enumerate(tables)
    ]
    others = {
        (kind, tuple(part.sval for part in name[-2:]))
        for node in sql_tree.nodes(tree)
        for kind, name in (
            ("function", getattr(node, "funcname", None)),
            ("operator", node.name if isinstance(node, ast.A_Expr) else getattr(node, "operName", None)),
            ("type", node.names if isinstance(node, ast.TypeName) else None),
            ("attribute", _attribute(node)),
        )
        if name
    }
    named_otherwise = [{kind: [None, *name][-2:]} for kind, name in sorted(others | _IMPLIED)]
    return [{"statement": sql_tree.statement(text)}, *relations, *named_otherwise]


def _attribute(node: Any) -> Any:
    """The field that a node selects from a row: `t.field` or `(t).field`."""
    from pglast import ast

    parts: tuple[Any, ...] = getattr(node, "indirection", None) or ()
    if isinstance(node, ast.ColumnRef):
        parts = node.fields[1:]
    return parts[-1:] if parts and isinstance(parts[-1], ast.String) else None


def _queries_named(tree: Any) -> set[str]:
    from pglast import ast

    return {node.ctename for node in sql_tree.nodes(tree) if isinstance(node, ast.CommonTableExpr)}


def _tables(tree: Any) -> list[Any]:
    from pglast import ast

    return [node for node in sql_tree.nodes(tree) if isinstance(node, ast.RangeVar)]


def _sampled_tables(tree: Any) -> Iterator[Any]:
    """The tables in FROM, not on the side of an outer join that NULL stands for, nor in a condition."""
    from pglast import ast
    from pglast.enums import JoinType

    pending = list(tree.fromClause or ())
    while pending:
        item = pending.pop()
        if isinstance(item, ast.JoinExpr):
            pending += [item.larg] if item.jointype in (JoinType.JOIN_INNER, JoinType.JOIN_LEFT) else []
            pending += [item.rarg] if item.jointype in (JoinType.JOIN_INNER, JoinType.JOIN_RIGHT) else []
        elif isinstance(item, ast.RangeVar):
            yield item
    # Queries in FROM or WITH, and those that a function or an expression takes.
    for node in sql_tree.nodes(tuple(getattr(tree, slot) for slot in tree if slot != "whereClause")):
        if isinstance(node, ast.SelectStmt):
            yield from _sampled_tables(node)


def _with_sample(text: str, number: int) -> str:
    """The statement that reads a sample of its table of that number, in the order of `_tables`."""
    from pglast import ast

    tree = sql_tree.select(text)
    tables = _tables(tree)
    sample = ast.RangeTableSample(
        relation=tables[number],
        method=(ast.String(sval="bernoulli"),),
        args=(ast.ParamRef(number=1),),
        repeatable=ast.A_Const(val=ast.Integer(ival=1)),
    )

    def change(node: Any) -> Any:
        return sample if node is tables[number] else node

    return sql_tree.to_sql(sql_tree.transform(tree, change))
