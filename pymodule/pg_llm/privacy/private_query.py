"""Private queries: one table, one column, a condition on each row by itself, as SQL that no value makes fail."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pg_llm.database import catalog, models, relation_names
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.quoting import quote_literal
from pg_llm.errors import InsufficientPrivilege, InvalidInput

WHOLE = ("smallint", "integer", "bigint", "numeric")
NUMBERS = (*WHOLE, "real", "double precision")
TEXTS = ("text", "character varying", "bpchar")
_OTHERS = ("boolean", "date", "timestamp without time zone", "timestamp with time zone", "uuid")
COMPARABLE = (*NUMBERS, *TEXTS, *_OTHERS)
_FIND = """
    SELECT c.oid::int8 AS oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = $2 AND c.relkind IN ('r', 'p') AND (n.nspname = $1 OR $1 IS NULL AND n.nspname = ANY ($3))
    ORDER BY array_position($3, n.nspname::text) LIMIT 1
"""
_DATA = "22"
# Characters of a text that conditions see. Constants are shorter, so that comparisons with them come to the same; more
# would take as long as one person's text is, with each comparison anew.
SEEN = 1000


@dataclass(frozen=True, slots=True)
class PrivateQuery:
    """`column` is the one that is asked for, None for none; `condition` is SQL on the results of the comparisons.

    These are SQL on the row `t`, and the result of the first is `s.c0`. `texts` are SQL on the table's row for what
    comparisons see of its texts, by the names that this has in `t`.
    """

    table: Table
    column: str | None
    condition: str
    comparisons: list[str]
    texts: dict[str, str]

    @property
    def rows(self) -> str:
        """The table's rows, with what comparisons see of their texts, which is read once; SQL for a FROM clause."""
        if not self.texts:
            return f"{self.table.relation} AS t"
        seen = ", ".join(f"{text} AS {name}" for name, text in self.texts.items())
        return f"(SELECT t.*, {seen} FROM {self.table.relation} AS t OFFSET 0) AS t"


def find_table(db: Connection, parsed: dict[str, Any], path: list[str]) -> int:
    """The number of the table, in these schemas. Raises the error for one without a budget if there is none."""
    rows = db.rows(_FIND, ("text", "text", "text[]"), (parsed["schema"], parsed["table"], path))
    if not rows:
        raise no_budget(".".join(filter(None, (parsed["schema"], parsed["table"]))))
    return int(rows[0]["oid"])


def no_budget(name: str) -> InsufficientPrivilege:
    """The same error whether there is no such table or no budget for it, so that it tells nothing."""
    return InsufficientPrivilege(
        f"there is no table {name} that you have a privacy budget for", hint="Its owner gives one by dp_allow()."
    )


def parse(db: Connection, query: str) -> dict[str, Any]:
    """The parts of the query. Raises InvalidInput for one that is no private query."""
    parsed: dict[str, Any] = json.loads(models.run_without_model(db, "private_query", [query])[0])
    if "refused" in parsed:
        raise InvalidInput(
            f"the query {parsed['refused']}",
            hint="Write SELECT column FROM table WHERE column = 'constant' AND …; what else is wanted can stand in a"
            " generated column.",
        )
    return parsed


def build(db: Connection, parsed: dict[str, Any], oid: int) -> PrivateQuery:
    """The query on its table. Raises InvalidInput for columns that are not there, and constants that do not fit."""
    table = catalog.relation(db, str(oid), key=(), kinds="rp")
    relation_names.check(db, [oid])
    constants: list[str] = []
    comparisons: list[str] = []
    texts: dict[str, str] = {}

    def combined(tree: list[Any]) -> str:
        kind, *rest = tree
        if kind in ("and", "or"):
            return "(" + f" {kind.upper()} ".join(map(combined, rest[0])) + ")"
        if kind == "not":
            return f"(NOT {combined(rest[0][0])})"
        comparisons.append(_comparison(table, tree, constants, texts))
        return f"s.c{len(comparisons) - 1}"

    condition = combined(parsed["condition"]) if parsed["condition"] else "true"
    if constants:
        # Before anything is spent: whether a constant is one of its type does not depend on any row.
        try:
            with db.savepoint():
                db.query_unprepared(f"SELECT {', '.join(constants)}")
        except DatabaseError as error:
            if error.sqlstate[:2] != _DATA:
                raise
            raise InvalidInput(f"a constant of the query does not fit its column: {error}") from error
    return PrivateQuery(table, parsed["column"], condition, comparisons, texts)


def cell(table: Table, column: str, types: tuple[str, ...], what: str) -> str:
    """A column of a row as a value of one of PostgreSQL's own types. Raises InvalidInput for another one."""
    if column not in table.columns:
        raise InvalidInput(f'{table.relation} has no column "{column}"')
    found = table.columns[column]
    if not found.builtin or found.name not in types:
        raise InvalidInput(f'column "{column}" is of type {found.name}, and {what} takes {", ".join(types)}')
    return f"({table.cell(column)}::{found.name})"


def _comparison(table: Table, tree: list[Any], constants: list[str], texts: dict[str, str]) -> str:
    kind, *rest = tree
    column = rest[0]
    if kind == "null":
        return f"({cell(table, column, COMPARABLE, 'a condition')} IS NULL)"
    if kind == "is":
        return f"({cell(table, column, ('boolean',), 'IS')} IS {rest[1]})"
    if kind == "like":
        operator = "OPERATOR(pg_catalog.~~*)" if rest[2] else "OPERATOR(pg_catalog.~~)"
        cell(table, column, TEXTS, "LIKE")
        return f"({_seen(table, column, texts)} {operator} {quote_literal(rest[1])}::pg_catalog.text)"
    value, type_ = _comparable(table, column, texts)

    def constant(given: str) -> str:
        if type_ == "pg_catalog.text" and len(given) >= SEEN:
            raise InvalidInput(f"a constant of the query has {SEEN} characters or more")
        constants.append(f"{quote_literal(given)}::{type_}")
        return f"({constants[-1]})"

    if kind == "in":
        # Many are looked up by their hashes, which takes as long whichever it is.
        return f"({value} OPERATOR(pg_catalog.=) ANY (ARRAY[{', '.join(constant(each) for each in rest[1])}]))"
    if kind == "between":
        low, high = (constant(each) for each in rest[1:])
        return f"({value} OPERATOR(pg_catalog.>=) {low} AND {value} OPERATOR(pg_catalog.<=) {high})"
    return f"({value} OPERATOR(pg_catalog.{rest[1]}) {constant(rest[2])})"


def _seen(table: Table, column: str, texts: dict[str, str]) -> str:
    """What comparisons see of a text, as SQL on `t`."""
    text = f"pg_catalog.left({cell(table, column, TEXTS, 'this')}::pg_catalog.text, {SEEN})"
    names = {of_column: name for name, of_column in texts.items()}
    if text not in names:
        name = f"seen_{len(texts)}"
        while name in table.columns:
            name += "_"
        texts[name] = text
        names[text] = name
    return f't.{names[text]} COLLATE pg_catalog."C"'


def _comparable(table: Table, column: str, texts: dict[str, str]) -> tuple[str, str]:
    """A column as SQL, and the type that constants beside it have: no comparison of the two can fail."""
    value = cell(table, column, COMPARABLE, "a condition")
    name = table.columns[column].name
    if name in WHOLE:
        return f"{value}::pg_catalog.numeric", "pg_catalog.numeric"
    if name in NUMBERS:
        return f"{value}::pg_catalog.float8", "pg_catalog.float8"
    if name in TEXTS:
        return _seen(table, column, texts), "pg_catalog.text"
    return value, name
