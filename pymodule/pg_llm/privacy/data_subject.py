"""A data subject (GDPR, article 4): the row of a table that is about a person, and the texts that name the person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, ownership, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InvalidInput

# Bytes: what is shorter stands in too many texts that are about somebody else.
_LEAST_BYTES = 4
_MOST_TERMS = 1000
_TEXTS = ("text", "character varying", "bpchar", "citext")
_PRIMARY_KEY = """
    SELECT a.attname::text AS name FROM pg_index AS i
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = $1::oid AND i.indisprimary
"""
# The table, its partitions, and what it is a partition of, as long as all have one owner.
_SAME_ROWS = """
    SELECT c.oid::int8 AS oid, format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relowner = (SELECT o.relowner FROM pg_class AS o WHERE o.oid = $1::oid) AND c.oid IN (
        SELECT t.relation FROM llm.relation_tree($1::oid::regclass) AS t (relation)
        UNION SELECT a.relation FROM llm.relation_ancestors($1::oid::regclass) AS a (relation)
    )
"""


@dataclass(frozen=True, slots=True)
class DataSubject:
    """`key` is the row's key as JSON; `relations` are the numbers and names of the tables that the row stands in.

    `texts` are the row's own; `terms` are those that no other row has, and what the caller added.
    """

    table: Table
    key: str
    relations: dict[int, str]
    texts: list[str]
    terms: list[str]

    @property
    def forms(self) -> list[str]:
        """The terms as texts, JSON, SQL and the texts of whole rows write them."""
        written = [
            form
            for term in self.terms
            for form in (
                term,
                json.dumps(term, ensure_ascii=False)[1:-1],
                json.dumps(term)[1:-1],
                term.replace("'", "''"),
                term.replace("\\", "\\\\").replace('"', '""'),
            )
        ]
        return list(dict.fromkeys(written))


def find(db: Connection, target: str | None, key: str | None, terms: Sequence[str | None] | None) -> DataSubject:
    """The person in that row of a table of the caller's; the row may be gone, then only `terms` name the person."""
    oid = ownership.oid(db, target)
    given: Any = json.loads(arguments.required("key", key))
    if not isinstance(given, dict) or not given or any(value is None for value in given.values()):
        raise InvalidInput("key must be an object of the key's columns and values", hint="""Write '{"id": 7}'.""")
    table = catalog.relation(db, oid, list(given), kinds="rp")
    ownership.check_owner(db, table)
    primary = {row["name"] for row in db.rows(_PRIMARY_KEY, ("int8",), (table.oid,))}
    if primary and primary != set(given):
        raise InvalidInput(f"the primary key of {table.relation} is {', '.join(sorted(primary))}")
    added = [term.strip() for term in terms or [] if term is not None]
    if len(added) > _MOST_TERMS or any(len(term.encode(errors="replace")) < _LEAST_BYTES for term in added):
        raise InvalidInput(
            f"terms are at most {_MOST_TERMS} texts of {_LEAST_BYTES} bytes or more",
            hint="Shorter ones stand in too many texts about others.",
        )
    relations = {row["oid"]: row["name"] for row in db.rows(_SAME_ROWS, ("int8",), (table.oid,))}
    normal, texts, own = table_access.on_table(db, table.oid, lambda: _read(db, table, json.dumps(given)))
    return DataSubject(table, normal, relations, texts, list(dict.fromkeys([*own, *added])))


def _read(db: Connection, table: Table, key: str) -> tuple[str, list[str], list[str]]:
    """The key as the table writes it, the row's texts, and those of them that no other row has."""
    ownership.check_sees_all(db, table)
    normal = db.query_unprepared(
        f"SELECT ({table.key_object})::pg_catalog.text AS key"
        f" FROM (SELECT * FROM {table.one_key('$1::pg_catalog.jsonb')}) AS t",
        ("text",),
        (key,),
    )[0]["key"]
    names = [name for name, column in table.columns.items() if column.name in _TEXTS]
    if not names:
        return str(normal), [], []
    columns = []
    for place, name in enumerate(names):
        text, other = table.text(name), table.columns[name].text(f"o.{quote_ident(name)}")
        columns.append(
            f"{text} AS t{place}, (SELECT pg_catalog.count(*) FROM (SELECT FROM {table.relation} AS o"
            f" WHERE {other} = {text} LIMIT 2) AS same) = 1 AS u{place}"
        )
    rows = db.query_unprepared(
        f"SELECT {', '.join(columns)} FROM {table.relation} AS t, {table.one_key('$1::pg_catalog.jsonb')}"
        f" WHERE {table.same_key}",
        ("text",),
        (key,),
    )
    cells = [(row[f"t{place}"], row[f"u{place}"]) for row in rows for place in range(len(names))]
    texts = [text for text, _ in cells if text]
    own = [text.strip() for text, unique in cells if text and unique]
    return str(normal), texts, [text for text in own if len(text.encode(errors="replace")) >= _LEAST_BYTES]
