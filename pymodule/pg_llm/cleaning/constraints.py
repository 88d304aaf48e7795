"""Kinds of rules as SQL: which rows of a table break one, and what would satisfy it.

Conditions on a row, keys, references, formats, and functional dependencies with any number of determinants.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pg_llm.cleaning import expressions
from pg_llm.database import column_types, relation_names
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import InvalidInput

HINT = (
    """Write sql => 'ends >= starts', or definition => '{"unique": ["a", "b"]}', '{"not_null": ["a"]}',"""
    """ '{"column": "a", "format": "email"}', '{"column": "a", "regex": "^[0-9]{5}$"}',"""
    """ '{"column": "a", "values": ["x", "y"]}', '{"column": "a", "min": 0, "max": 9}',"""
    """ '{"column": "a", "mapping": {"NY": "New York"}}',"""
    """ '{"columns": ["a"], "references": "public.t", "to": ["b"]}', '{"determinant": ["a", "b"], "dependent": "c"}'."""
)
FORMATS = {
    "email": r"^[^@\s]+@[^@\s]+\.[^@\s.]+$",
    "url": r"^[a-z][a-z0-9+.-]*://[^\s/]+\S*$",
    "integer": r"^[-+]?\d+$",
    "decimal": r"^[-+]?\d+(\.\d+)?$",
    "date": r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$",
    "time": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$",
    "uuid": r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "phone": r"^\+[1-9]\d{6,14}$",
    "ipv4": r"^((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)$",
}
_MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class Constraint:
    """One rule on a table; `columns` are those that it is about.

    `condition` is false for rows that break it, in terms of the columns' bare names, where it looks at one row only.
    `failing` is true for them, in terms of `t`, a row of the table, and of what `join` adds; both may name `queries`.
    `satisfying` is SQL for what would satisfy it: a jsonb of columns, each with a list of values, or NULL; `confidence`
    is how probable the only value of a list is.
    """

    columns: Sequence[str]
    failing: str
    condition: str | None = None
    satisfying: str = "NULL::jsonb"
    confidence: str = "0.8"
    join: str = ""
    queries: Sequence[str] = ()

    def select(self, table: Table, what: str, limit: str = "") -> str:
        """A query for the rows that break it, as `t`."""
        queries = f"WITH {', '.join(self.queries)} " if self.queries else ""
        return f"{queries}SELECT {what} FROM {table.relation} AS t {self.join} WHERE {self.failing} {limit}"

    def values(self, table: Table) -> str:
        """What it reads of a row, as a jsonb object of texts."""
        names = ", ".join(map(quote_literal, self.columns))
        return f"jsonb_object(ARRAY[{names}], ARRAY[{', '.join(map(table.text, self.columns))}])"

    def check(self, table: Table) -> str:
        """A query for those `values` among $1, a JSON array of them, for which `condition` is not true."""
        # Of types of others, the input function reads a text, not a cast.
        columns = [(f"p.{quote_ident(name)}", quote_ident(name), table.columns[name]) for name in self.columns]
        given = ", ".join(f"{name} {'text' if type_.builtin else type_.name}" for _, name, type_ in columns)
        cells = ", ".join(
            f"{cell}::{type_.name} AS {name}" if type_.builtin else f"{cell} AS {name}" for cell, name, type_ in columns
        )
        return (
            "SELECT e.v::text AS v FROM jsonb_array_elements($1::jsonb) AS e (v)"
            f" CROSS JOIN LATERAL jsonb_to_record(e.v) AS p ({given})"
            f" WHERE NOT (SELECT coalesce(({self.condition}), true) FROM (SELECT {cells}) AS r)"
        )

    def listed(self, table: Table, values: Sequence[str]) -> Constraint:
        """The same where rows that break it are known by their `values`; what would satisfy it is not."""
        listed = quote_literal(f"[{', '.join(values)}]")
        return replace(
            self,
            failing=f"{self.values(table)} IN (SELECT b.v FROM broken AS b)",
            satisfying="NULL::jsonb",
            queries=[f"broken (v) AS MATERIALIZED (SELECT jsonb_array_elements({listed}::jsonb))"],
        )


def build(db: Connection, table: Table, definition: dict[str, Any]) -> Constraint:
    """The constraint that a definition means. Raises InvalidInput."""
    if not isinstance(definition, dict):
        # As a restored dump may have it.
        raise _none(definition)
    keys = frozenset(definition)
    if keys == {"sql"}:
        return _of_expression(db, table, str(definition["sql"]))
    if keys == {"unique"}:
        return _unique(table, _names(table, definition["unique"]))
    if keys == {"not_null"}:
        names = _names(table, definition["not_null"])
        return _row_condition(table, names, " AND ".join(f"{quote_ident(name)} IS NOT NULL" for name in names))
    if keys == {"determinant", "dependent"}:
        return _dependency(table, _names(table, definition["determinant"]), _names(table, definition["dependent"])[0])
    if keys == {"columns", "references", "to"}:
        return _reference(db, table, definition)
    if "column" in keys:
        return _of_column(table, _names(table, definition["column"])[0], definition)
    raise _none(definition)


def _of_column(table: Table, name: str, definition: dict[str, Any]) -> Constraint:
    """A condition on the text of one column, but for bounds, which compare values."""
    column, kinds = quote_ident(name), frozenset(definition) - {"column"}
    text = table.columns[name].text(column)
    if kinds == {"format"}:
        pattern = FORMATS.get(str(definition["format"]))
        if pattern is None:
            raise InvalidInput(f'there is no format "{definition["format"]}"', hint=f"There are: {', '.join(FORMATS)}.")
        return _row_condition(table, [name], f"{text} ~ {quote_literal(pattern)}")
    if kinds == {"regex"}:
        return _row_condition(table, [name], f"{text} ~ {quote_literal(str(definition['regex']))}")
    if kinds == {"values"} and isinstance(definition["values"], list) and definition["values"]:
        allowed = [str(value) for value in definition["values"]]
        listed = quote_literal(json.dumps({name: allowed[:_MOST_LISTED]}))
        return _row_condition(
            table, [name], f"{text} IN ({', '.join(map(quote_literal, allowed))})", f"{listed}::jsonb"
        )
    if kinds == {"mapping"} and isinstance(definition["mapping"], dict) and definition["mapping"]:
        mapping = quote_literal(
            json.dumps({old: None if new is None else str(new) for old, new in definition["mapping"].items()})
        )
        known = table.text(name)
        return _row_condition(
            table,
            [name],
            f"NOT {mapping}::jsonb ? {text}",
            f"jsonb_build_object({quote_literal(name)}, jsonb_build_array({mapping}::jsonb -> {known}))",
        )
    if kinds and kinds <= {"min", "max"}:
        if not table.columns[name].builtin:
            raise InvalidInput("min and max take a column of a type of PostgreSQL's own", hint=HINT)
        type_ = table.columns[name].name
        tests = [
            f"{column} {operator} {quote_literal(str(definition[bound]))}::{type_}"
            for bound, operator in (("min", ">="), ("max", "<="))
            if bound in definition
        ]
        return _row_condition(table, [name], " AND ".join(tests))
    raise _none(definition)


def _row_condition(
    table: Table, names: Sequence[str], condition: str, satisfying: str = "NULL::jsonb", queries: Sequence[str] = ()
) -> Constraint:
    cells = ", ".join(f"{table.cell(name)} AS {quote_ident(name)}" for name in names)
    failing = f"NOT (SELECT coalesce(({condition}), true) FROM (SELECT {cells}) AS r)"
    return Constraint(names, failing, condition, satisfying, queries=queries)


def _of_expression(db: Connection, table: Table, sql: str) -> Constraint:
    (refusal,) = expressions.refusals(db, [sql], table.columns)
    if refusal:
        hint = "A rule is a condition on the columns of a row, by functions and operators of PostgreSQL's own."
        raise InvalidInput(f"the rule {refusal}: {sql[:100]}", hint=hint)
    names = expressions.columns(db, sql)
    if not names:
        raise InvalidInput(f"the rule names no column: {sql[:100]}", hint=HINT)
    # For each column the values of it that satisfy the rule in a row, where the column has few.
    queries, options = [], []
    for number, name in enumerate(names):
        cells = ", ".join(f"{'v.v' if other == name else table.cell(other)} AS {quote_ident(other)}" for other in names)
        column = f"w.{quote_ident(name)}"
        queries.append(
            f"v{number} (v) AS MATERIALIZED (SELECT DISTINCT {column} FROM {table.relation} AS w"
            f" WHERE {column} IS NOT NULL LIMIT {_MOST_LISTED + 1})"
        )
        text = table.columns[name].text("v.v")
        options.append(
            f"SELECT {quote_literal(name)} AS name, jsonb_agg({text} ORDER BY {text}) FILTER (WHERE"
            f" (SELECT ({sql}) FROM (SELECT {cells}) AS r)) AS fit, count(*) AS n FROM v{number} AS v"
        )
    satisfying = (
        f"(SELECT jsonb_object_agg(o.name, o.fit) FROM ({' UNION ALL '.join(options)}) AS o"
        f" WHERE o.fit IS NOT NULL AND o.n <= {_MOST_LISTED})"
    )
    return _row_condition(table, names, sql, satisfying, queries)


def _unique(table: Table, names: Sequence[str]) -> Constraint:
    cells = ", ".join(table.text(name) for name in names)
    filled = " AND ".join(f"{table.cell(name)} IS NOT NULL" for name in names)
    groups = f"SELECT {cells} FROM {table.relation} AS t WHERE {filled} GROUP BY {cells} HAVING count(*) > 1"
    return Constraint(names, f"({cells}) IN ({groups})")


def _dependency(table: Table, determinant: Sequence[str], dependent: str) -> Constraint:
    """Rows whose value is not the most frequent one of their group, all of them where there are two such."""
    value = table.text(dependent)
    texts = [table.text(name) for name in determinant]
    keys = [f"d{number}" for number in range(len(texts))]
    listed = ", ".join(keys)
    filled = " AND ".join(f"{table.cell(name)} IS NOT NULL" for name in (*determinant, dependent))
    counts = (
        f"SELECT {', '.join(f'{text} AS {key}' for text, key in zip(texts, keys, strict=True))}, {value} AS v,"
        f" count(*) AS n FROM {table.relation} AS t WHERE {filled} GROUP BY {', '.join(texts)}, {value}"
    )
    groups = (
        f"SELECT {listed}, array_agg(v ORDER BY n DESC, v) AS v, array_agg(n ORDER BY n DESC, v) AS n, sum(n) AS total"
        f" FROM ({counts}) AS c GROUP BY {listed} HAVING count(*) > 1"
    )
    same = " AND ".join(f"b.{key} = {text}" for key, text in zip(keys, texts, strict=True))
    return Constraint(
        [*determinant, dependent],
        f"{table.cell(dependent)} IS NOT NULL AND (b.n[1] = b.n[2] OR b.v[1] <> {value})",
        satisfying=f"CASE WHEN b.n[1] > b.n[2] THEN jsonb_build_object({quote_literal(dependent)}, b.v[1:1]) END",
        confidence="least(0.9, b.n[1] / b.total)",
        join=f"JOIN ({groups}) AS b ON ({same})",
    )


def _reference(db: Connection, table: Table, definition: dict[str, Any]) -> Constraint:
    names = _names(table, definition["columns"])
    query = "SELECT to_regclass($1)::text AS name, to_regclass($1)::oid::int8 AS oid"
    found = db.rows(query, ("text",), (str(definition["references"]),))[0]
    if found["name"] is None:
        raise InvalidInput(
            f'there is no table "{definition["references"]}"', hint="Name it with its schema: schema.table."
        )
    relation_names.note(db, found["oid"], found["name"])
    columns = column_types.of_relation(db, found["oid"])
    to = definition["to"] if isinstance(definition["to"], list) else [definition["to"]]
    if len(to) != len(names) or not all(str(name) in columns for name in to):
        raise InvalidInput(f"not columns of {found['name']}: {to}", hint=f"It has: {', '.join(columns)}.")
    filled = " AND ".join(f"{table.cell(name)} IS NOT NULL" for name in names)
    cells = ", ".join(table.text(name) for name in names)
    others = [columns[str(name)].text(f"f.{quote_ident(str(name))}") for name in to]
    complete = " AND ".join(f"{each} IS NOT NULL" for each in others)
    known = f"SELECT {', '.join(others)} FROM {found['name']} AS f WHERE {complete}"
    return Constraint(names, f"({filled}) AND ({cells}) NOT IN ({known})")


def referenced(db: Connection, definition: dict[str, Any]) -> list[int]:
    """The table that a rule reads beside its own, by number."""
    if "references" not in definition:
        return []
    query = "SELECT to_regclass($1)::oid::int8 AS oid"
    oid = db.rows(query, ("text",), (str(definition["references"]),))[0]["oid"]
    return [] if oid is None else [int(oid)]


def _names(table: Table, given: Any) -> list[str]:
    names = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InvalidInput(f"not names of columns: {json.dumps(given, default=str)[:100]}", hint=HINT)
    for name in names:
        if name not in table.columns:
            raise InvalidInput(f'{table.relation} has no column "{name}"', hint=f"It has: {', '.join(table.columns)}.")
    return names


def _none(definition: Any) -> InvalidInput:
    return InvalidInput(f"not a rule: {json.dumps(definition, default=str)[:200]}", hint=HINT)
