"""Metrics: names for aggregates over a table, so that a word as revenue means one thing in every question of a role."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pg_llm.ask.schema import Metric, Ref, Schema
from pg_llm.database import models, quoting, sandbox, search_path, select
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.sandbox import READABLE, Refused
from pg_llm.errors import InvalidInput, UndefinedObject

_HINT = "An aggregate over columns of the table, as sum(quantity * price); those of others as other_table.price."


def named_in(phrases: Sequence[str], question: str) -> str | None:
    """The longest of the phrases that stands in the question as words of its own; None if there is none."""
    text = " ".join(question.split())
    return max((phrase for phrase in phrases if _pattern(phrase).search(text)), key=len, default=None)


def _pattern(name: str) -> re.Pattern[str]:
    """Finds a name as words of their own; Chinese has no spaces between words."""
    start, end = (r"\b" if re.fullmatch(r"[^\W\u3400-\u9fff]", place) else "" for place in (name[0], name[-1]))
    return re.compile(f"{start}{re.escape(name)}{end}", re.I)


def define(db: Connection, name: str, expression: str | None, target: str | None, synonyms: Sequence[str]) -> None:
    """Store the caller's metric, or drop it where the expression is None. Raises InvalidInput, UndefinedObject."""
    path = sandbox.search_path(db)
    oid = None if target is None else _oid(db, target)
    with search_path.pinned(db):
        if expression is None:
            _drop(db, name)
        elif oid is None:
            raise InvalidInput("target must not be NULL", hint="Name the table whose rows the metric sums up.")
        else:
            store(db, name, expression, oid, synonyms, path)


def store(
    db: Connection, name: str, expression: str, target: int, synonyms: Sequence[str], path: Sequence[str]
) -> None:
    """Store a metric of the caller's, in place of one of that name, under a pinned search path."""
    written = _checked(db, expression, target, path)
    _drop(db, name)
    db.rows(
        "INSERT INTO llm.metric (name, target, expression, synonyms) VALUES ($1, $2::oid::regclass, $3, $4)",
        ("text", "bigint", "text", "text[]"),
        (name, target, written, list(synonyms)),
    )


def _oid(db: Connection, target: str) -> int:
    query = "SELECT $1::pg_catalog.oid::pg_catalog.int8 AS oid"
    return int(db.rows(query, ("pg_catalog.regclass",), (target,))[0]["oid"])


def _drop(db: Connection, name: str) -> None:
    db.rows("DELETE FROM llm.metric WHERE lower(name) = lower($1)", ("text",), (name,))


def _checked(db: Connection, expression: str, target: int, path: Sequence[str]) -> str:
    """The expression without comments, where it is an aggregate over the table that the sandbox would run."""
    tables = db.rows(
        "SELECT format('%I.%I', n.nspname, c.relname) AS relation, c.relname::text AS name"
        f" FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid AND {READABLE}",
        ("bigint",),
        (target,),
    )
    if not tables:
        raise UndefinedObject("the metric's table is none that you may read")
    parsed = _parsed(db, [expression])[0]
    if "refused" in parsed:
        raise InvalidInput(f"the expression {parsed['refused']}", hint=_HINT)
    relation, name = tables[0]["relation"], tables[0]["name"]
    qualifiers = {tuple(column["parts"][:-1]) for column in parsed["columns"] if len(column["parts"]) > 1}
    others = [".".join(map(quoting.quote_ident, parts)) for parts in sorted(qualifiers) if parts[-1] != name]
    # HAVING makes an error of a column outside of aggregates.
    query = f"SELECT {parsed['sql']} FROM {', '.join([relation, *others])} HAVING true"
    checked = sandbox.check(db, [query], path)[0]
    if isinstance(checked, Refused):
        raise InvalidInput(f"the metric cannot be used: {checked}", hint=_HINT)
    try:
        with db.savepoint():
            db.execute(sandbox.SAFE_SETTINGS)
            select.columns(db, checked.qualified)
    except DatabaseError as error:
        raise InvalidInput(f"the metric cannot be used: {error}", hint=_HINT) from error
    return str(parsed["sql"])


def _parsed(db: Connection, expressions: Sequence[str]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in models.run_without_model(db, "sql_check", expressions, purpose="expression")]


def named_tables(db: Connection, question: str) -> list[int]:
    """The tables of the caller's metrics that a question names."""
    rows = db.rows("SELECT m.name, m.target::oid::bigint AS oid, m.synonyms FROM llm.metric AS m ORDER BY m.name")
    named = (row for row in rows if named_in(_phrases(row), question))
    return list(dict.fromkeys(int(row["oid"]) for row in named))


def read(db: Connection, schema: Schema) -> list[Metric]:
    """The caller's metrics over these tables; without those whose columns are not among theirs."""
    places = {table.oid: place for place, table in enumerate(schema.tables)}
    rows = db.rows(
        "SELECT m.name, m.target::oid::bigint AS oid, m.expression, m.synonyms FROM llm.metric AS m"
        " WHERE m.target::oid::bigint = ANY($1) ORDER BY m.name",
        ("bigint[]",),
        (list(places),),
    )
    parsed = _parsed(db, [row["expression"] for row in rows]) if rows else []
    found = (_bound(schema, row, places[row["oid"]], each) for row, each in zip(rows, parsed, strict=True))
    return [metric for metric in found if metric is not None]


def _bound(schema: Schema, row: Mapping[str, Any], table: int, parsed: Mapping[str, Any]) -> Metric | None:
    """A stored metric over the schema; None where its expression is refused or reads what is not there."""
    if "refused" in parsed:
        return None
    refs: dict[Ref, None] = {}
    sql = str(parsed["sql"])
    for column in reversed(parsed["columns"]):
        ref = _ref(schema, table, column["parts"])
        if ref is None:
            return None
        refs[ref] = None
        written = f"{schema.tables[ref[0]].sql}.{schema.column(ref).sql}"
        sql = sql[: column["at"]] + written + sql[column["at"] + column["length"] :]
    return Metric(row["name"], _phrases(row), table, sql, tuple(reversed(refs)))


def _phrases(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The name and the synonyms; a role may write anything into its own rows, empty words too."""
    return tuple(filter(None, (row["name"], *row["synonyms"])))


def _ref(schema: Schema, table: int, parts: Sequence[str]) -> Ref | None:
    *qualifier, name = parts
    tables = [table, *range(len(schema.tables))] if qualifier else [table]
    for place in tables:
        if qualifier and schema.tables[place].name != qualifier[-1]:
            continue
        for index, column in enumerate(schema.tables[place].columns):
            if column.name == name:
                return place, index
    return None
