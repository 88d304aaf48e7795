"""Merging of duplicates: foreign keys point to the golden record, the others go; a record of it all undoes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pg_llm.cleaning import row_values
from pg_llm.cleaning.golden_records import GoldenRecords
from pg_llm.cleaning.row_values import OnTable, Values
from pg_llm.database import catalog, progress, search_path, transaction
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, DatabaseError, Row
from pg_llm.errors import ConcurrentChange, InvalidInput, UndefinedRun

_REFERENCES = """
    SELECT k.conname::text AS name, k.conrelid::int8 AS relation,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS n (number, place)
                 JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = n.number ORDER BY n.place) AS columns,
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS n (number, place)
                 JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = n.number ORDER BY n.place) AS refers,
           EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = k.conrelid AND i.indisunique
                   AND i.indkey::smallint[] && k.conkey) AS distinct
    FROM pg_constraint AS k
    WHERE k.contype = 'f' AND k.conparentid = 0 AND (
        k.confrelid = $1::oid OR k.confrelid IN (SELECT p.relid FROM pg_partition_ancestors($1::oid::regclass) AS p)
    )
    ORDER BY k.conrelid, k.conname
"""
_RULES = "SELECT r.rulename::text AS name FROM pg_rewrite AS r WHERE r.ev_class = $1::oid AND r.ev_type <> '1' LIMIT 1"
_STORE_WRITTEN = """
    UPDATE llm.merged_row AS m SET after = r.after
    FROM jsonb_to_recordset($2::jsonb) AS r (key jsonb, after jsonb) WHERE m.run = $1::uuid AND m.key = r.key
"""
_STORE_REPOINTED = """
    INSERT INTO llm.repointed_row SELECT $1::uuid, r.*
    FROM jsonb_to_recordset($2::jsonb) AS r (number bigint, relation text, key jsonb, before jsonb, after jsonb)
"""
_CONSTRAINT = "23"
_BATCH = 2000


@dataclass(frozen=True, slots=True)
class _Reference:
    """A foreign key: `columns` of `table` refer to columns of the target.

    `distinct`: a unique index tells its rows apart by them, so that of two rows that become equal only one can stay.
    """

    name: str
    table: Table
    columns: Sequence[str]
    refers: Sequence[str]
    distinct: bool
    on: OnTable


def merge(db: Connection, found: GoldenRecords) -> str:
    """Carry out the merge of golden records whose rows are locked; returns the run's id.

    The search path is the caller's, as triggers expect it. Raises InvalidInput for a table with rules.
    """
    table = found.table
    with search_path.pinned(db):
        if rules := db.rows(_RULES, ("bigint",), (table.oid,)):
            raise InvalidInput(
                f'{table.relation} has the rule "{rules[0]["name"]}", past which a merge could not be undone',
                hint="Write a trigger in its place.",
            )
        query = """INSERT INTO llm.record_merge (target, relation, survivorship)
                   VALUES ($1::oid::regclass, $1::oid::regclass::text, $2::jsonb) RETURNING id::text AS id"""
        run = str(db.rows(query, ("bigint", "text"), (table.oid, found.rules))[0]["id"])
        references = _references(db, table)
        kept_of = {key: record.kept for record in found.records for key in record.removed}
        _store_rows(db, run, found)
    with progress.reporting(db, "llm_merge", table.relation, run) as report, transaction.plain_output(db):
        repointed: list[dict[str, Any]] = []
        for place, reference in enumerate(references):
            report("repointing", place, len(references))
            repointed += _repoint(db, reference, found, kept_of)
        report("removing", 0, len(kept_of))
        removed = row_values.delete(db, row_values.on_named, table, list(kept_of))
        if removed < len(kept_of):
            raise InvalidInput(
                f"{len(kept_of) - removed} rows of {table.relation} could not be removed",
                hint="A trigger or a policy of the table keeps them.",
            )
        changes = [(record.kept, record.changes, None) for record in found.records if record.changes]
        report("writing", 0, len(changes))
        written = row_values.update(db, row_values.on_named, table, changes)
        stored = {row_values.key_text(json.loads(row["before"])): row_values.of_row(table, row) for row in written}
        for key, new, _ in changes:
            if key not in stored:
                raise InvalidInput(f"the row {key} of {table.relation} could not be written")
            new.update((column, stored[key][column]) for column in new)
        with search_path.pinned(db):
            # A trigger may have stored other values than were written.
            _store(db, _STORE_WRITTEN, run, [{"key": json.loads(key), "after": new} for key, new, _ in changes])
            _store(db, _STORE_REPOINTED, run, [{"number": number, **row} for number, row in enumerate(repointed, 1)])
    return run


def unmerge(db: Connection, run: str) -> dict[str, int]:
    """Undo a merge; counts of rows that are as before, that somebody has edited since, and that are gone."""
    restored = edited = gone = 0
    with search_path.pinned(db):
        table = _table_of(db, run)
        rows = db.rows(
            "SELECT key::text AS key, before::text AS before, after::text AS after FROM llm.merged_row"
            " WHERE run = $1::uuid ORDER BY key", ("text",), (run,))  # fmt: skip
        pointing = db.rows(
            "SELECT relation, key::text AS key, before::text AS before, after::text AS after FROM llm.repointed_row"
            " WHERE run = $1::uuid ORDER BY number", ("text",), (run,))  # fmt: skip
        others = {
            name: catalog.table(db, str(found[0]["oid"]))
            for name in dict.fromkeys(row["relation"] for row in pointing)
            if (found := db.rows("SELECT to_regclass($1)::oid::bigint AS oid", ("text",), (name,))) and found[0]["oid"]
        }
        generated = {each.oid: row_values.generated_columns(db, each) for each in (table, *others.values())}
    with transaction.plain_output(db):
        changes = [
            (row_values.key_text(json.loads(row["key"])), before, after)
            for row in rows
            if (after := json.loads(row["after"] or "{}"))
            and (before := {c: json.loads(row["before"])[c] for c in after})
        ]
        restored, edited = _restore(db, table, changes)
        removed = [json.loads(row["before"]) for row in rows if row["after"] is None]
        inserted = row_values.insert(db, row_values.on_named, table, removed, generated[table.oid])
        restored, edited = restored + inserted, edited + len(removed) - inserted
        for name, other in others.items():
            on = row_values.on_named if other.oid == table.oid else row_values.on_other
            own = [row for row in pointing if row["relation"] == name]
            back = [
                (row_values.key_text(json.loads(row["key"])), json.loads(row["before"]), json.loads(row["after"]))
                for row in own
                if row["after"] is not None
            ]
            done = row_values.update(db, on, other, back)
            dropped = [json.loads(row["before"]) for row in own if row["after"] is None]
            put_back = row_values.insert(db, on, other, dropped, generated[other.oid])
            restored += len(done) + put_back
            gone += len(own) - len(done) - put_back
        gone += sum(row["relation"] not in others for row in pointing)
    with search_path.pinned(db):
        query = "UPDATE llm.record_merge SET undone_at = clock_timestamp() WHERE id = $1::uuid"
        db.rows(query, ("text",), (run,))
    return {"restored": restored, "edited": edited, "gone": gone}


def _restore(db: Connection, table: Table, changes: Sequence[tuple[str, Values, Values | None]]) -> tuple[int, int]:
    """Put old values back into golden records, cell by cell where others were edited; counts of rows."""
    written = row_values.update(db, row_values.on_named, table, changes)
    done = {row_values.key_text(json.loads(row["before"])) for row in written}
    cells: list[tuple[str, Values, Values | None]] = [
        (key, {column: old}, {column: (held or {})[column]})
        for key, before, held in changes
        if key not in done
        for column, old in before.items()
    ]
    row_values.update(db, row_values.on_named, table, cells)
    return len(done), len(changes) - len(done)


def _table_of(db: Connection, run: str) -> Table:
    """The table of a run that was not undone. Raises UndefinedRun."""
    rows = db.rows(
        """
        SELECT m.undone_at IS NOT NULL AS undone, CASE
            WHEN EXISTS (SELECT FROM pg_class AS c WHERE c.oid = m.target) THEN m.target::oid::bigint
            ELSE to_regclass(m.relation)::oid::bigint
        END AS target
        FROM llm.record_merge AS m WHERE m.id = $1::uuid FOR UPDATE
        """,
        ("text",),
        (run,),
    )
    if not rows:
        raise UndefinedRun(f"there is no merge {run} of yours")
    if rows[0]["undone"]:
        raise InvalidInput(f"the merge {run} was undone already")
    if rows[0]["target"] is None:
        raise UndefinedRun(f"the table of merge {run} is gone")
    return catalog.table(db, str(rows[0]["target"]))


def _references(db: Connection, table: Table) -> list[_Reference]:
    found = []
    for row in db.rows(_REFERENCES, ("bigint",), (table.oid,)):
        # Without a primary key its rows could not be found again, so the merge could not be undone.
        other = table if row["relation"] == table.oid else catalog.table(db, str(row["relation"]))
        on = row_values.on_named if other is table else row_values.on_other
        found.append(_Reference(row["name"], other, row["columns"], row["refers"], row["distinct"], on))
    return found


def _store_rows(db: Connection, run: str, found: GoldenRecords) -> None:
    records = []
    for record in found.records:
        kept = json.loads(record.kept)
        before = {column: found.rows[record.kept][column] for column in record.changes}
        records.append({"key": kept, "kept": kept, "before": before, "after": record.changes})
        records += [
            {"key": json.loads(key), "kept": kept, "before": found.rows[key], "after": None} for key in record.removed
        ]
    # A JSON null is a value, not NULL.
    query = """
        INSERT INTO llm.merged_row SELECT $1::uuid, r.key, r.kept, r.before, nullif(r.after, 'null')
        FROM jsonb_to_recordset($2::jsonb) AS r (key jsonb, kept jsonb, before jsonb, after jsonb)
    """
    _store(db, query, run, records)


def _store(db: Connection, query: str, run: str, records: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(records), _BATCH):
        db.rows(query, ("text", "text"), (run, json.dumps(records[start : start + _BATCH])))


def _repoint(
    db: Connection, reference: _Reference, found: GoldenRecords, kept_of: dict[str, str]
) -> list[dict[str, Any]]:
    """Point the rows of a table to the golden records; returns what llm.repointed_row is to say of them."""
    table = reference.table
    target_of: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}
    for record in found.records:
        new = tuple(found.rows[record.kept][column] for column in reference.refers)
        for key in (record.kept, *record.removed):
            target_of[tuple(found.rows[key][column] for column in reference.refers)] = new
    rows = _pointing(db, reference, list(target_of))
    changes: list[tuple[str, Values, Values | None]] = []
    repetitions: list[tuple[str, Values]] = []
    seen: set[tuple[str | None, ...]] = set()
    before_of: dict[str, Values] = {}

    def order(row: Row) -> bool:
        values = row_values.of_row(table, row)
        old = tuple(values[column] for column in reference.columns)
        return target_of[old] != old

    for row in sorted(rows, key=order):
        key = row_values.key_text(json.loads(row["k"]))
        if table.oid == found.table.oid and key in kept_of:
            continue
        values = row_values.of_row(table, row)
        old = tuple(values[column] for column in reference.columns)
        pointer: Values = dict(zip(reference.columns, target_of[old], strict=True))
        image = tuple({**values, **pointer}.values())
        if reference.distinct and image in seen:
            repetitions.append((key, values))
        elif target_of[old] != old:
            changes.append((key, pointer, None))
            before_of[key] = dict(zip(reference.columns, old, strict=True))
        seen.add(image)
    try:
        row_values.delete(db, reference.on, table, [key for key, _ in repetitions])
        written = row_values.update(db, reference.on, table, changes)
    except DatabaseError as error:
        if not str(error.sqlstate).startswith(_CONSTRAINT):
            raise
        raise DatabaseError(
            f"rows of {table.relation} cannot point to golden records: {error}",
            error.sqlstate,
            error.detail,
            f"Merge those rows of {table.relation} first, or leave these duplicates out: clusters => ….",
        ) from error
    if len(written) < len(changes):
        raise ConcurrentChange(f"rows of {table.relation} could not be pointed to golden records")
    removed = [{"relation": table.relation, "key": json.loads(key), "before": values} for key, values in repetitions]
    return removed + [
        {
            "relation": table.relation,
            "key": json.loads(row["k"]),
            "before": before_of[row_values.key_text(json.loads(row["before"]))],
            "after": {column: row_values.of_row(table, row)[column] for column in reference.columns},
        }
        for row in written
    ]


def _pointing(db: Connection, reference: _Reference, values: Sequence[tuple[str | None, ...]]) -> list[Row]:
    """The rows that refer to these values, locked."""
    table = reference.table
    pointers = f"pg_catalog.jsonb_build_array({', '.join(table.text(column) for column in reference.columns)})"
    query = f"""
        SELECT {row_values.selected(table)} FROM {table.relation} AS t
        WHERE {pointers} OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.jsonb[]) FOR UPDATE OF t
    """
    given = [json.dumps(list(each)) for each in values]
    work = partial(db.query_unprepared, query, ("pg_catalog.text[]",), (given,))
    return reference.on(db, table.oid, work, writes=True)
