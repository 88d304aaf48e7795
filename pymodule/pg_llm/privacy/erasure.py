"""Erasure and access (GDPR, articles 17 and 15): what is kept of a person beside its row, found and deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pg_llm.database import models, ownership
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.patience import Unavailable
from pg_llm.database.security_context import run_as_extension_owner
from pg_llm.database.timeout import LOCK_NOT_AVAILABLE, with_lock_limit
from pg_llm.privacy import data_subject, graph_erasure, lineage, owned_tables
from pg_llm.privacy.data_subject import DataSubject
from pg_llm.privacy.derived_data import PLACES, TYPES, Place
from pg_llm.privacy.owned_tables import OwnedTable
from pg_llm.runtime import client

_RECOMMENDERS = """
    SELECT r.name FROM llm.recommender AS r
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
# Whose rows go with those of a run.
_CASCADED = {"llm.all_change", "llm.all_mark", "llm.all_step"}
_VACUUM_HINT = (
    "Deleted rows lie in their files until VACUUM FULL of the tables and of pg_statistic; write-ahead log and backups"
    " keep them for as long as you keep these."
)
# Seconds to wait for a lock on rows of a table of the extension.
_PATIENCE = 2.0
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
    failed = [row["place"] for row in found if row.get("failed")]
    touched = list({row["table"] for row in found if row["table"]} | _CASCADED)
    owned_tables.forget_statistics(db, touched)
    client.forget_texts(models.engine(db), subject.terms, db.poll)
    if failed:
        db.warning(f"not erased: {', '.join(failed)}", hint="The notes of the result say why.")
    what = f"what {'else ' if failed else ''}was derived from the row of {subject.table.relation}"
    db.notice(f"{what} is deleted; the row is not", hint=_VACUUM_HINT)
    return found


def _each(db: Connection, subject: DataSubject, erase_it: bool) -> list[dict[str, Any]]:
    values = _values(db, subject)
    ours, strangers, found = _by_trust(db, subject, values[-1])
    work = owned_tables.erase if erase_it else owned_tables.count
    found += [_owned(db, table, subject, work) for table in ours]
    found += run_as_extension_owner(db, lambda: _tables(db, values, erase_it))
    found += _recommenders(db, subject)
    trainers = None if db.rows(_ROLES)[0]["super"] else _roles(db)
    learnt = lineage.learnt(db, [*subject.texts, *subject.terms], trainers)
    found += [_row(f'model "{name}"', rows, note) for name, rows, note in learnt]
    # Last, as they may make us wait while we hold locks of our own.
    for table, count, reason in owned_tables.with_strangers(db, strangers, subject, work):
        found.append(_row(table.place, count) if reason is None else _failed(table.place, reason, erase_it))
    return [row for row in found if row["found"]]


def _by_trust(
    db: Connection, subject: DataSubject, roles: Sequence[str]
) -> tuple[list[OwnedTable], list[OwnedTable], list[dict[str, Any]]]:
    """Tables of owners who are trusted, of others, and what to tell of those that the caller cannot look into."""
    ours, strangers, closed = [], [], []
    for table in owned_tables.find(db, subject, roles):
        if not ownership.acts_for_number(db, table.row["owner"]):
            closed.append(_row(table.place, 1, f"{_OTHERS}, who has to look there"))
        elif owned_tables.is_trusted(db, table, subject):
            ours.append(table)
        else:
            strangers.append(table)
    return ours, strangers, closed


def _owned(db: Connection, table: OwnedTable, subject: DataSubject, work: owned_tables.Work) -> dict[str, Any]:
    try:
        return _row(table.place, work(db, table, subject))
    except Unavailable as error:
        return _failed(table.place, str(error), work is owned_tables.erase)


def _failed(place: str, reason: str, erase_it: bool) -> dict[str, Any]:
    """What the caller is told of a place that is as it was, or that could not be looked into."""
    return _row(place, 1, f"not {'erased' if erase_it else 'looked at'}: {reason}") | {"failed": True}


def _row(place: str, count: int, note: str | None = None, table: str | None = None) -> dict[str, Any]:
    """What the caller is told of a place; `table` is the one that rows were deleted from."""
    return {"place": place, "found": count, "note": note, "table": table}


def _values(db: Connection, subject: DataSubject) -> tuple[Any, ...]:
    return (list(subject.relations), list(subject.relations.values()), subject.key, subject.forms, _roles(db))


def _roles(db: Connection) -> list[str]:
    """The roles for whom the caller acts; for a superuser those too that are gone."""
    (mine,) = db.rows(_ROLES)
    gone = run_as_extension_owner(db, lambda: db.rows(_ROLES_THAT_ARE_GONE)) if mine["super"] else []
    return [*mine["roles"], *(role for row in gone for role in row["roles"])]


def _tables(db: Connection, values: Sequence[Any], erase_it: bool) -> list[dict[str, Any]]:
    """The extension's own tables, as their owner; what others hold locked is told."""
    found = []
    for place in PLACES:
        found += _unless_locked(db, place.name, partial(_place, db, place, values, erase_it))
    return found + _unless_locked(db, "graphs", partial(_graphs, db, values, erase_it))


def _unless_locked(db: Connection, place: str, work: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    try:
        with db.savepoint():
            return with_lock_limit(db, _PATIENCE, work)
    except DatabaseError as error:
        if error.sqlstate != LOCK_NOT_AVAILABLE:
            raise
        return [_failed(place, "another transaction has written there: call this again when it has ended", True)]


def _place(db: Connection, place: Place, values: Sequence[Any], erase_it: bool) -> list[dict[str, Any]]:
    count = int(db.rows(_statement(place, erase_it), TYPES, values)[0]["n"])
    note = "somebody wrote this: change it by hand" if place.defined else None
    return [_row(place.name, count, note, place.table)]


def _graphs(db: Connection, values: Sequence[Any], erase_it: bool) -> list[dict[str, Any]]:
    counts = graph_erasure.erase(db, values) if erase_it else graph_erasure.count(db, values)
    note = "graph_fit() learnt from them: call it anew" if counts else None
    tables = {"rows of graphs": "llm.all_graph_row", "entities of graphs": "llm.all_entity"}
    return [
        _row(name, count, note if name.startswith("entities") else None, tables[name]) for name, count in counts.items()
    ]


def _statement(place: Place, erase_it: bool) -> str:
    if not erase_it or place.defined:
        return f"SELECT count(*) AS n FROM {place.table} AS r WHERE {place.condition}"
    change = f"UPDATE {place.table} AS r SET {place.change}" if place.change else f"DELETE FROM {place.table} AS r"
    return f"WITH gone AS ({change} WHERE {place.condition} RETURNING 1) SELECT count(*) AS n FROM gone"


def _recommenders(db: Connection, subject: DataSubject) -> list[dict[str, Any]]:
    note = "it learnt from the table: fit it anew without the row, and drop this one"
    rows = db.rows(_RECOMMENDERS, ("int8[]",), (list(subject.relations),))
    return [_row(f'recommender "{row["name"]}"', 1, note) for row in rows]
