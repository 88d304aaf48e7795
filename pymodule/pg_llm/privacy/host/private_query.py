"""The grammar of private queries: `SELECT column FROM table WHERE condition`, where each row is judged by itself.

What may stand there is so small that a person's rows decide about no others, and that no value makes an error: columns
compared with constants, and AND, OR, NOT. The result is JSON: `refused` with the reason, or `schema`, `table`, `column`
(None for `*` and `count(*)`) and `condition`, a tree from which the SQL is written anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem, worker_process

_LONGEST = 20_000
_DEEPEST = 100
_MOST_VALUES = 1000
_MOST_COMPARISONS = 500
# Characters of all patterns together: each may be tried at every character of a text.
_MOST_PATTERN = 200
_OPERATORS = {"=": "=", "<>": "<>", "!=": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_COMPARED = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
# Parts of a SELECT that a private query has.
_PARTS = {"targetList", "fromClause", "whereClause", "limitOption", "op"}
_FORM = "a private query has the form SELECT column FROM table WHERE condition"


class _Refused(Exception):
    """The reason, phrased to follow `the query`."""


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One JSON text per query."""
    return [WorkItem((), lambda _, text=text: worker_process.call("private_query", text)) for text in inputs]  # type: ignore[misc]


def run_in_worker(text: str) -> str:
    """Read one query; in a child process, as the parser is PostgreSQL's own and its symbols would clash in a server."""
    try:
        return json.dumps(_read(text))
    except _Refused as refused:
        return json.dumps({"refused": str(refused)})


def _read(text: str) -> dict[str, Any]:
    import pglast
    import pglast.parser

    if len(text) > _LONGEST or "\0" in text:
        raise _Refused(f"is longer than {_LONGEST} characters, or holds a NUL character")
    try:
        statements = pglast.parse_sql(text)
    except (pglast.parser.ParseError, RecursionError, UnicodeError) as error:
        raise _Refused(f"cannot be parsed: {str(error).split(', at')[0]}") from error
    select: Any = statements[0].stmt if len(statements) == 1 else None
    if type(select).__name__ != "SelectStmt" or select.op.name != "SETOP_NONE":
        raise _Refused(f"is no single SELECT; {_FORM}")
    used = {slot for slot in select if getattr(select, slot)}
    tables: Any = select.fromClause or ()
    if used - _PARTS or len(tables) != 1 or type(tables[0]).__name__ != "RangeVar" or len(select.targetList or ()) != 1:
        raise _Refused(f"has more than a column, a table and a condition; {_FORM}")
    (table,) = tables
    if not table.inh or table.catalogname or (table.alias and table.alias.colnames):
        raise _Refused(f"names its table in another way; {_FORM}")
    reader = _Reader({table.alias.aliasname} if table.alias else {table.relname})
    condition = reader.condition(select.whereClause, 0) if select.whereClause else None
    column = reader.counted(select.targetList[0].val)
    return {"schema": table.schemaname, "table": table.relname, "column": column, "condition": condition}


class _Reader:
    """Reads expressions over the one table, by whose name columns may be qualified."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._comparisons = 0
        self._pattern = 0

    def counted(self, node: Any) -> str | None:
        """The column that is asked for; None for all or none of them."""
        if type(node).__name__ == "FuncCall":
            used = {slot for slot in node if getattr(node, slot)} - {"funcformat", "location"}
            if used == {"funcname", "agg_star"} and [part.sval for part in node.funcname] == ["count"]:
                return None
            raise _Refused(f"calls a function; {_FORM}")
        if type(node).__name__ == "ColumnRef" and type(node.fields[-1]).__name__ == "A_Star":
            return None
        return self._column(node)

    def condition(self, node: Any, depth: int) -> list[Any]:
        """The condition as a tree."""
        if depth > _DEEPEST:
            raise _Refused("is nested too deeply")
        name = type(node).__name__
        if name == "BoolExpr":
            kind = node.boolop.name.removesuffix("_EXPR").lower()
            return [kind, [self.condition(each, depth + 1) for each in node.args]]
        self._comparisons += 1
        if self._comparisons > _MOST_COMPARISONS:
            raise _Refused(f"has more than {_MOST_COMPARISONS} comparisons")
        if name == "NullTest":
            found = ["null", self._column(node.arg)]
            return found if node.nulltesttype.name == "IS_NULL" else ["not", [found]]
        if name == "BooleanTest":
            return ["is", self._column(node.arg), node.booltesttype.name.removeprefix("IS_").replace("_", " ")]
        if name == "ColumnRef":
            return ["is", self._column(node), "TRUE"]
        if name == "A_Expr":
            return self._expression(node)
        raise _Refused("has a condition that compares no column with a constant")

    def _expression(self, node: Any) -> list[Any]:
        kind, *path = [node.kind.name, *(part.sval for part in node.name)]
        if len(path) != 1:
            raise _Refused("has an operator of a schema")
        (operator,) = path
        if kind == "AEXPR_OP" and operator in _COMPARED:
            if type(node.lexpr).__name__ == "ColumnRef":
                return ["compare", self._column(node.lexpr), _COMPARED[operator], _constant(node.rexpr)]
            return ["compare", self._column(node.rexpr), _OPERATORS[operator], _constant(node.lexpr)]
        column = self._column(node.lexpr)
        if kind == "AEXPR_IN" and isinstance(node.rexpr, tuple) and len(node.rexpr) <= _MOST_VALUES:
            found = ["in", column, [_constant(each) for each in node.rexpr]]
            return found if operator == "=" else ["not", [found]]
        if kind in ("AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN"):
            found = ["between", column, *(_constant(each) for each in node.rexpr)]
            return found if kind == "AEXPR_BETWEEN" else ["not", [found]]
        if kind in ("AEXPR_LIKE", "AEXPR_ILIKE"):
            pattern = _constant(node.rexpr)
            # At its end it would be an error for texts that reach it, and for no others.
            if "\\" in pattern:
                raise _Refused("has a pattern with a backslash")
            self._pattern += len(pattern)
            if self._pattern > _MOST_PATTERN:
                raise _Refused(f"has patterns of more than {_MOST_PATTERN} characters")
            found = ["like", column, pattern, kind == "AEXPR_ILIKE"]
            return ["not", [found]] if operator.startswith("!") else found
        raise _Refused(f"uses the operator {operator}, which is not among =, <>, <, >, <=, >=, IN, BETWEEN, LIKE")

    def _column(self, node: Any) -> str:
        parts = [getattr(field, "sval", None) for field in node.fields] if type(node).__name__ == "ColumnRef" else []
        if not parts or None in parts or len(parts) > 2 or (len(parts) == 2 and parts[0] not in self._names):
            raise _Refused("has something in the place of a column of the table")
        return str(parts[-1])


def _constant(node: Any) -> str:
    """The constant as a text, which the column's type will read."""
    if type(node).__name__ == "TypeCast":
        node = node.arg
    if type(node).__name__ != "A_Const" or node.isnull:
        raise _Refused("compares a column with something that is no constant")
    value = node.val
    for slot in ("sval", "fval", "ival", "boolval"):
        if slot in value:
            given = getattr(value, slot)
            return str(given).lower() if slot == "boolval" else str(0 if given is None else given)
    raise _Refused("has a constant of a kind that is not read")
