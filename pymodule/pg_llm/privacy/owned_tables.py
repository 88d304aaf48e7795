"""Tables that hold what was derived from a row and belong to users: companions, windows of streams, catalogues.

Whoever may read a table can have such tables of their own. They cannot keep anybody from erasing a person elsewhere:
no code of theirs runs, and nobody waits long for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pg_llm.database import foreign_code, relation_names, view_columns
from pg_llm.database.connection import Connection, Row
from pg_llm.database.patience import Patience, Unavailable
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.database.security_context import run_as_extension_owner
from pg_llm.privacy.data_subject import DataSubject
from pg_llm.search import bm25, text_analysis

# Of the table, and of views that read it.
_COMPANIONS = """
    SELECT k.kind, k.key, k.source::oid::int8 AS source, i.text_config, format('%I.%I', n.nspname, c.relname) AS name,
           c.oid::int8 AS oid, c.relowner::int8 AS owner,
           ARRAY(SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0
                 AND NOT a.attisdropped ORDER BY a.attnum) AS columns
    FROM llm.companion_table AS k JOIN pg_class AS c ON c.oid = k.companion
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN llm.semantic_index AS i ON k.kind = 'index' AND i.id = k.id
    WHERE c.relkind = 'r' AND (k.source::oid::int8 = ANY ($1) OR k.source IN (
        WITH RECURSIVE reader (oid) AS (
            SELECT unnest($1)::oid
            UNION
            SELECT w.ev_class FROM reader AS r JOIN pg_depend AS d ON d.refobjid = r.oid
            AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass
            JOIN pg_rewrite AS w ON w.oid = d.objid
        ) SELECT r.oid FROM reader AS r
    ))
    ORDER BY name
"""
_WINDOWS = """
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.oid::int8 AS oid, c.relowner::int8 AS owner,
           w.group_by AS columns
    FROM llm.all_stream_window AS w JOIN llm.all_stream AS s ON s.id = w.stream JOIN pg_class AS c ON c.oid = w.relation
    JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_class AS t ON t.oid = s.target
    WHERE c.relkind = 'r' AND c.relowner = t.relowner
    AND (s.target::oid::int8 = ANY ($1) OR s.followed::oid::int8 = ANY ($1) OR s.usename::text = ANY ($2))
    ORDER BY name
"""
_CATALOGUES = """
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.oid::int8 AS oid, c.relowner::int8 AS owner,
           r.item_key::text AS item_key
    FROM llm.recommender AS r JOIN pg_class AS c ON c.oid = r.catalogue JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND r.items::oid::int8 = ANY ($1) ORDER BY name
"""
# Whoever owns the person's table, or has the caller's rights, has a say in this; other owners have not.
_TRUSTED = """
    SELECT pg_get_userbyid($1::oid) = $2 OR pg_has_role($1::oid, CURRENT_USER::text, 'USAGE') AS trusted,
           pg_get_userbyid($1::oid)::text AS name
"""
# What a deletion sets off beside triggers.
_REFERRING = """
    SELECT format('foreign key %I', k.conname) AS what FROM pg_constraint AS k
    WHERE k.confrelid = $1::oid AND k.contype = 'f' AND k.confdeltype IN ('c', 'n', 'd') ORDER BY k.conname LIMIT 1
"""
# The planner's statistics hold values of columns; ANALYZE leaves those of a table that has become empty as they are.
_FORGET_STATISTICS = "DELETE FROM pg_statistic AS s WHERE s.starelid IN (SELECT to_regclass(n) FROM unnest($1) AS n)"

_COUNT = "SELECT count(*) AS n FROM {relation}, {beside} WHERE {condition}"
_DELETE = """
    WITH gone AS (DELETE FROM {relation} USING {beside} WHERE {condition} RETURNING 1) SELECT count(*) AS n FROM gone
"""


@dataclass(frozen=True, slots=True)
class OwnedTable:
    """`what` its rows are; `row` has its name, oid and owner, and what tells which of its rows are the person's."""

    what: str
    row: Row

    @property
    def name(self) -> str:
        """Its name, quoted and with its schema."""
        return str(self.row["name"])

    @property
    def place(self) -> str:
        """What the caller is told of."""
        return f"{self.what} in {self.name}"


def find(db: Connection, subject: DataSubject, roles: Sequence[str]) -> list[OwnedTable]:
    """The tables that may hold something; windows too of streams that belong to these roles."""
    numbers = list(subject.relations)
    companions = db.rows(_COMPANIONS, ("int8[]",), (numbers,))
    windows = run_as_extension_owner(db, lambda: db.rows(_WINDOWS, ("int8[]", "text[]"), (numbers, list(roles))))
    catalogues = db.rows(_CATALOGUES, ("int8[]",), (numbers,))
    return [
        *(OwnedTable("chunks" if row["kind"] == "index" else "values", row) for row in companions),
        *(OwnedTable("windows", row) for row in windows if row["columns"]),
        *(OwnedTable("items", row) for row in catalogues if row["item_key"] in subject.table.key),
    ]


Work = Callable[[Connection, OwnedTable, DataSubject], int]


def count(db: Connection, table: OwnedTable, subject: DataSubject) -> int:
    """How many of its rows are the person's, with the rights of its owner and no others. Raises Unavailable."""
    return _run(db, table, subject, _COUNT)


def erase(db: Connection, table: OwnedTable, subject: DataSubject) -> int:
    """Delete these, with the rights of its owner, whose triggers run, and no others; returns how many they were.

    Raises Unavailable where rows are still there.
    """
    erased = _run(db, table, subject, _DELETE)
    if erased:
        forget_statistics(db, [table.name])
    if left := _run(db, table, subject, _COUNT):
        raise Unavailable(f"{left} of its rows are still there, as its triggers or rules keep them")
    return erased


def is_trusted(db: Connection, table: OwnedTable, subject: DataSubject) -> bool:
    """Whether its owner may decide about the erasure, and so its code runs."""
    return bool(_owner(db, table, subject)["trusted"])


def with_strangers(
    db: Connection,
    tables: Sequence[OwnedTable],
    subject: DataSubject,
    work: Work,
) -> Iterator[tuple[OwnedTable, int, str | None]]:
    """For each table of an owner who is not trusted what `work`, `count` or `erase`, gives, or why it does not."""
    patience = Patience(db)
    for table in tables:
        owner, found, reason = _owner(db, table, subject)["name"], 0, None
        try:
            found = patience.run(table.row["owner"], partial(_guarded, db, table, subject, work))
        except Unavailable as error:
            reason = f'{error}; it belongs to the role "{owner}"'
        yield table, found, reason


def _guarded(
    db: Connection,
    table: OwnedTable,
    subject: DataSubject,
    work: Work,
) -> int:
    """`work` on a table of which no code runs. Raises Unavailable where some would."""
    oid, role, writes = table.row["oid"], db.current_role(), work is erase

    relation_names.note(db, oid, table.name)
    foreign_code.lock(db, [oid], role, writes)
    # Policies are no matter for the owner; where they are, `_run` says so.
    code = [row for row in foreign_code.find(db, [oid], role, writes) if not row["what"].startswith("policy ")]
    code += db.rows(_REFERRING, ("int8",), (oid,)) if writes else []
    if code:
        raise Unavailable(f"{code[0]['what']} would run code of others")
    return work(db, table, subject)


def _owner(db: Connection, table: OwnedTable, subject: DataSubject) -> Row:
    return db.rows(_TRUSTED, ("int8", "text"), (table.row["owner"], subject.table.owner))[0]


def forget_statistics(db: Connection, tables: Sequence[str]) -> None:
    """Delete what the planner knows of the values in these tables."""
    run_as_extension_owner(db, lambda: db.rows(_FORGET_STATISTICS, ("text[]",), (list(tables),)))


def _run(db: Connection, table: OwnedTable, subject: DataSubject, query: str) -> int:
    def run() -> Any:
        if db.rows("SELECT row_security_active($1::oid) AS is", ("int8",), (table.row["oid"],))[0]["is"]:
            raise Unavailable("row-level security hides rows of it from its owner")
        beside, condition, lexemes = _persons(db, table, subject)
        text = query.format(relation=f"{table.name} AS r", beside=beside, condition=condition)
        values = subject.key, subject.forms, lexemes
        return db.query_unprepared(text, ("text", "text[]", "text[]"), values)[0]["n"]

    return int(db.run_as(table.row["owner"], run))


def _persons(db: Connection, table: OwnedTable, subject: DataSubject) -> tuple[str, str, list[str]]:
    """FROM item beside a row `r` of the table, the condition that it is the person's, and lexemes for that."""
    row = table.row
    if table.what == "items":
        return "(SELECT) AS k", f"r.item = $1::jsonb ->> {quote_literal(row['item_key'])}", []
    if table.what == "windows":
        return "(SELECT) AS k", _named(*(f"ROW(r.{quote_ident(name)})::text" for name in row["columns"])), []
    key = _own_key(db, row, subject)
    keyed = " AND ".join(f"r.{quote_ident(own)} = k.{quote_ident(name)}" for name, own in key.items())
    beside = subject.table.one_key("$1::jsonb") if key else "(SELECT) AS k"
    if key and row["source"] in subject.relations:
        return beside, keyed, []
    # A view may show the person in rows of others too. No cast that an owner has made, as `r::text` would take it.
    conditions = [*([f"({keyed})"] if key else []), _named("ROW(r.*)::text")]
    if table.what != "chunks":
        return beside, " OR ".join(conditions), []
    return beside, " OR ".join([*conditions, "r.words @@ ANY ($3::tsquery[])"]), _lexemes(db, row, subject)


def _own_key(db: Connection, row: Row, subject: DataSubject) -> dict[str, str]:
    """The companion's column for each column of the key of the person's row; empty where its source shows not all."""
    found = {}
    for own, column in zip(row["columns"], row["key"], strict=False):
        relation, name = view_columns.origin(db, row["source"], column) or (None, None)
        if relation in subject.relations and name in subject.table.key:
            found[str(name)] = own
    return found if set(found) == set(subject.table.key) else {}


def _lexemes(db: Connection, row: Row, subject: DataSubject) -> list[str]:
    """Each text that names the person as a tsquery: an index keeps no text, but the stems of its words."""
    terms = (text_analysis.query_terms(db, row["text_config"], term) for term in subject.terms)
    return [" & ".join(map(bm25.quoted, lexemes)) for lexemes in terms if lexemes]


def _named(*expressions: str) -> str:
    found = (f"strpos(lower({each}), lower(f.form)) > 0" for each in expressions)
    return f"EXISTS (SELECT FROM unnest($2) AS f (form) WHERE {' OR '.join(found)})"
