"""Erasure and access (GDPR, articles 17 and 15): what is kept of a person beside its row, found and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.database import models, ownership
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.database.security_context import run_as_extension_owner
from pg_llm.privacy import data_subject, graph_erasure, lineage
from pg_llm.privacy.data_subject import DataSubject
from pg_llm.privacy.derived_data import PLACES, TYPES, Place
from pg_llm.runtime import client

_COMPANIONS = """
    SELECT k.kind, k.key, format('%I.%I', n.nspname, c.relname) AS name, c.relowner::int8 AS owner,
           k.source::oid::int8 = ANY ($1) AS keyed,
           ARRAY(SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0
                 AND NOT a.attisdropped ORDER BY a.attnum) AS columns
    FROM llm.companion_table AS k JOIN pg_class AS c ON c.oid = k.companion
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
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
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relowner::int8 AS owner, w.group_by AS columns
    FROM llm.all_stream_window AS w JOIN llm.all_stream AS s ON s.id = w.stream JOIN pg_class AS c ON c.oid = w.relation
    JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_class AS t ON t.oid = s.target
    WHERE c.relkind = 'r' AND c.relowner = t.relowner
    AND (s.target::oid::int8 = ANY ($1) OR s.followed::oid::int8 = ANY ($1) OR s.usename::text = ANY ($2))
    ORDER BY name
"""
_RECOMMENDERS = """
    SELECT r.name, r.items::oid::int8 = ANY ($1) AS lists, r.item_key::text AS item_key,
           format('%I.%I', n.nspname, c.relname) AS catalogue, c.relowner::int8 AS owner
    FROM llm.recommender AS r LEFT JOIN pg_class AS c ON c.oid = r.catalogue
    LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE r.events::oid::int8 = ANY ($1) OR r.items::oid::int8 = ANY ($1) ORDER BY r.name
"""
_ROLES = """
    SELECT array(SELECT r.rolname::text FROM pg_roles AS r WHERE pg_has_role(r.oid, 'USAGE')) AS roles,
           (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = CURRENT_USER) AS super
"""
_ROLES_THAT_ARE_GONE = """
    SELECT array(SELECT u.usename::text FROM (
        SELECT usename FROM llm.all_ask UNION SELECT usename FROM llm.all_taught
        UNION SELECT usename FROM llm.all_description UNION SELECT usename FROM llm.all_cleaning
        UNION SELECT usename FROM llm.all_record_merge UNION SELECT usename FROM llm.all_stream
    ) AS u WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = u.usename)) AS roles
"""
# The planner's statistics hold values of columns; ANALYZE leaves those of a table that has become empty as they are.
_FORGET_STATISTICS = "DELETE FROM pg_statistic AS s WHERE s.starelid IN (SELECT to_regclass(n) FROM unnest($1) AS n)"
# Whose rows go with those of a run.
_CASCADED = {"llm.all_change", "llm.all_mark", "llm.all_step"}
_VACUUM_HINT = (
    "Deleted rows lie in their files until VACUUM FULL of the tables and of pg_statistic; write-ahead log and backups"
    " keep them for as long as you keep these."
)
_OTHERS = "belongs to another role"


def where_is(
    db: Connection, target: str | None, key: str | None, terms: Sequence[str | None] | None
) -> list[dict[str, Any]]:
    """A row for each place that keeps something of the person: how much, and what to know about it."""
    return _each(db, data_subject.find(db, target, key, terms), erase_it=False)


def erase(
    db: Connection, target: str | None, key: str | None, terms: Sequence[str | None] | None
) -> list[dict[str, Any]]:
    """Delete what the places keep of the person; the rows say how much that was, and what is left to the caller."""
    subject = data_subject.find(db, target, key, terms)
    found = _each(db, subject, erase_it=True)
    touched = list({row["table"] for row in found if row["table"]} | _CASCADED)
    run_as_extension_owner(db, lambda: db.rows(_FORGET_STATISTICS, ("text[]",), (touched,)))
    client.forget_texts(models.engine(db), subject.terms, db.poll)
    db.notice(
        f"what was derived from the row of {subject.table.relation} is deleted; the row is not", hint=_VACUUM_HINT
    )
    return found


def _each(db: Connection, subject: DataSubject, erase_it: bool) -> list[dict[str, Any]]:
    found = [*_companions(db, subject, erase_it), *_windows(db, subject, erase_it)]
    values = _values(db, subject)
    found += run_as_extension_owner(db, lambda: _tables(db, values, erase_it))
    found += _recommenders(db, subject, erase_it)
    trainers = None if db.rows(_ROLES)[0]["super"] else _roles(db)
    learnt = lineage.learnt(db, [*subject.texts, *subject.terms], trainers)
    found += [_row(f'model "{name}"', rows, note) for name, rows, note in learnt]
    return [row for row in found if row["found"]]


def _row(place: str, count: int, note: str | None = None, table: str | None = None) -> dict[str, Any]:
    """What the caller is told of a place; `table` is the one that rows were deleted from."""
    return {"place": place, "found": count, "note": note, "table": table}


def _values(db: Connection, subject: DataSubject) -> tuple[Any, ...]:
    return (*_relations(subject), subject.key, subject.forms, _roles(db))


def _relations(subject: DataSubject) -> tuple[list[int], list[str]]:
    return list(subject.relations), list(subject.relations.values())


def _roles(db: Connection) -> list[str]:
    """The roles for whom the caller acts; for a superuser those too that are gone."""
    (mine,) = db.rows(_ROLES)
    gone = run_as_extension_owner(db, lambda: db.rows(_ROLES_THAT_ARE_GONE)) if mine["super"] else []
    return [*mine["roles"], *(role for row in gone for role in row["roles"])]


def _tables(db: Connection, values: Sequence[Any], erase_it: bool) -> list[dict[str, Any]]:
    """The extension's own tables, as their owner."""
    found = []
    for place in PLACES:
        count = int(db.rows(_statement(place, erase_it), TYPES, values)[0]["n"])
        note = "somebody wrote this: change it by hand" if place.defined else None
        found.append(_row(place.name, count, note, place.table))
    counts = graph_erasure.erase(db, values) if erase_it else graph_erasure.count(db, values)
    note = "graph_fit() learnt from them: call it anew" if counts else None
    tables = {"rows of graphs": "llm.all_graph_row", "entities of graphs": "llm.all_entity"}
    return found + [
        _row(name, count, note if name.startswith("entities") else None, tables[name]) for name, count in counts.items()
    ]


def _statement(place: Place, erase_it: bool) -> str:
    if not erase_it or place.defined:
        return f"SELECT count(*) AS n FROM {place.table} AS r WHERE {place.condition}"
    change = f"UPDATE {place.table} AS r SET {place.change}" if place.change else f"DELETE FROM {place.table} AS r"
    return f"WITH gone AS ({change} WHERE {place.condition} RETURNING 1) SELECT count(*) AS n FROM gone"


def _companions(db: Connection, subject: DataSubject, erase_it: bool) -> list[dict[str, Any]]:
    """Rows of companion tables by the row's key; of those of views over the table by what names the person."""
    found = []
    for row in db.rows(_COMPANIONS, ("int8[]",), (_relations(subject)[0],)):
        if row["keyed"] and set(row["key"]) == set(subject.table.key):
            pairs = zip(row["columns"], row["key"], strict=False)
            condition = " AND ".join(f"r.{quote_ident(own)} = k.{quote_ident(name)}" for own, name in pairs)
            source = f"{row['name']} AS r", f"{subject.table.one_key('$1::jsonb')}", condition
        else:
            source = f"{row['name']} AS r", "(SELECT) AS k", _named("r::text")
        found.append(_of_owner(db, row, "chunks" if row["kind"] == "index" else "values", source, subject, erase_it))
    return found


def _windows(db: Connection, subject: DataSubject, erase_it: bool) -> list[dict[str, Any]]:
    roles = _roles(db)
    tables = run_as_extension_owner(
        db, lambda: db.rows(_WINDOWS, ("int8[]", "text[]"), (_relations(subject)[0], roles))
    )
    return [
        _of_owner(
            db,
            row,
            "windows",
            (
                f"{row['name']} AS r",
                "(SELECT) AS k",
                _named(*(f"r.{quote_ident(name)}::text" for name in row["columns"])),
            ),
            subject,
            erase_it,
        )
        for row in tables
        if row["columns"]
    ]


def _recommenders(db: Connection, subject: DataSubject, erase_it: bool) -> list[dict[str, Any]]:
    found = []
    for row in db.rows(_RECOMMENDERS, ("int8[]",), (_relations(subject)[0],)):
        note = "it learnt from the table: fit it anew without the row, and drop this one"
        found.append(_row(f'recommender "{row["name"]}"', 1, note))
        if row["lists"] and row["catalogue"] and row["item_key"] in subject.table.key:
            item = f"r.item = $1::jsonb ->> {quote_literal(row['item_key'])}"
            entry = {"name": row["catalogue"], "owner": row["owner"]}
            found.append(
                _of_owner(db, entry, "items", (f"{row['catalogue']} AS r", "(SELECT) AS k", item), subject, erase_it)
            )
    return found


def _named(*expressions: str) -> str:
    found = (f"strpos(lower({each}), lower(f.form)) > 0" for each in expressions)
    return f"EXISTS (SELECT FROM unnest($2) AS f (form) WHERE {' OR '.join(found)})"


def _of_owner(
    db: Connection, table: Row, what: str, source: tuple[str, str, str], subject: DataSubject, erase_it: bool
) -> dict[str, Any]:
    """Rows of a table of somebody's, with the rights of its owner, whose triggers run, and no others."""
    place = f"{what} in {table['name']}"
    if not ownership.acts_for_number(db, table["owner"]):
        return _row(place, 1, f"{_OTHERS}, who has to look there")
    relation, beside, condition = source
    if erase_it:
        deletion = f"DELETE FROM {relation} USING {beside} WHERE {condition} RETURNING 1"
        query = f"WITH gone AS ({deletion}) SELECT count(*) AS n FROM gone"
    else:
        query = f"SELECT count(*) AS n FROM {relation}, {beside} WHERE {condition}"
    rows = db.run_as(
        table["owner"], lambda: db.query_unprepared(query, ("text", "text[]"), (subject.key, subject.forms))
    )
    return _row(place, int(rows[0]["n"]), table=table["name"])
