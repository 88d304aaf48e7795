"""Proposed repairs written into the table, undone again, and turned into plain SQL."""

from __future__ import annotations

from dataclasses import dataclass

from pg_llm.cleaning import runs, step_script, target_table, update_script
from pg_llm.cleaning.interruptible import garbage_collection_paused
from pg_llm.cleaning.target_table import Column, TargetTable
from pg_llm.database import search_path
from pg_llm.database.connection import Connection, DatabaseError, Row

# SQLSTATE classes by which a table refuses a value: bad data, constraints, exceptions of its triggers.
_REFUSALS = ("22", "23", "P0")


@dataclass(frozen=True, slots=True)
class Choice:
    """Some of a run's repairs: of one step, column or detector, None for any."""

    step: int | None = None
    column: str | None = None
    detector: str | None = None


def apply(db: Connection, run_id: str | None, min_confidence: float, choice: Choice) -> dict[str, int]:
    """Write the repairs of a run that were accepted, or proposed with at least that confidence.

    Returns counts of cells applied, changed meanwhile and refused by the table.
    """
    with search_path.pinned(db):
        run = runs.find(db, run_id)
        if choice.column is not None:
            run.target.position(choice.column)
    proposed = applied = refused = 0
    for column in run.target.columns:
        if not column.fixed and choice.column in (None, column.name):
            changes = _proposed(db, run.id, column, min_confidence, choice)
            written, failed = _write_column(db, run.target, column, run.id, changes, "applied")
            proposed, applied, refused = proposed + len(changes), applied + written, refused + failed
    return {"applied": applied, "changed_meanwhile": proposed - applied - refused, "refused": refused}


def roll_back(db: Connection, run_id: str | None) -> dict[str, int]:
    """Restore the old values that a run replaced; counts of cells restored, edited since and gone with their row."""
    with search_path.pinned(db):
        run = runs.find(db, run_id)
    restored = 0
    for column in run.target.columns:
        if not column.fixed:
            changes = _applied(db, run.id, column)
            restored += _write_column(db, run.target, column, run.id, changes, "restored")[0]
    with search_path.pinned(db):
        query = "SELECT key::text AS key FROM llm.change WHERE run = $1::uuid AND state = 'applied'"
        remaining = [row["key"] for row in db.rows(query, ("text",), (run.id,))]
        existing = target_table.existing_keys(db, run.target, remaining) if remaining else set()
    edited = sum(key in existing for key in remaining)
    return {"restored": restored, "edited": edited, "gone": len(remaining) - edited}


def as_update(db: Connection, run_id: str | None, table_name: str | None) -> str:
    """The applied repairs of a run as one UPDATE statement, by default of the run's own table."""
    run = runs.find(db, run_id)
    table = run.target.table if table_name is None else target_table.find(db, table_name).table
    changes = db.rows(
        'SELECT key::text AS key, "column"::text AS "column", old, new, given::text AS given, step, detector'
        " FROM llm.change WHERE run = $1::uuid AND state = 'applied' ORDER BY key",
        ("text",),
        (run.id,),
    )
    with garbage_collection_paused():
        keys, columns = target_table.content(db, run.target)
        made = step_script.find(db, run.id, run.target, columns, changes)
        single = [change for change in changes if not any(each.covers(change) for each in made)]
        return update_script.update_statement(table.relation, run.target, keys, columns, single, made)


def _proposed(db: Connection, run_id: str, column: Column, min_confidence: float, choice: Choice) -> list[Row]:
    """The changes of a column that are to be written: `key`, the value to replace (`before`), the new one (`after`)."""
    query = """
        SELECT key::text AS key, old AS before, new AS after FROM llm.change
        WHERE run = $1::uuid AND "column" = $2::name
        AND (state = 'accepted' OR state = 'proposed' AND confidence >= $3)
        AND ($4::bigint IS NULL OR step = $4) AND ($5::text IS NULL OR detector = $5)
        ORDER BY key
    """
    with search_path.pinned(db):
        types = ("text", "text", "float4", "bigint", "text")
        return db.rows(query, types, (run_id, column.name, min_confidence, choice.step, choice.detector))


def _applied(db: Connection, run_id: str, column: Column) -> list[Row]:
    """The changes of a column that were written: what is there now is `before`, what was is `after`."""
    query = """
        SELECT key::text AS key, new AS before, old AS after FROM llm.change
        WHERE run = $1::uuid AND "column" = $2::name AND state = 'applied' ORDER BY key
    """
    with search_path.pinned(db):
        return db.rows(query, ("text", "text"), (run_id, column.name))


def _write_column(
    db: Connection, target: TargetTable, column: Column, run_id: str, changes: list[Row], new_state: str
) -> tuple[int, int]:
    """Write all changes of a column at once, or one by one where the table refuses that; counts written and refused."""
    if not changes:
        return 0, 0
    try:
        with db.savepoint():
            return _write(db, target, column, run_id, changes, new_state), 0
    except DatabaseError as error:
        if not _is_refusal(error):
            raise
    written = refused = 0
    for change in changes:
        try:
            with db.savepoint():
                written += _write(db, target, column, run_id, [change], new_state)
        except DatabaseError as error:
            if not _is_refusal(error):
                raise
            refused += 1
            with search_path.pinned(db):
                db.rows(
                    "UPDATE llm.change SET state = coalesce($5, state), reason = reason || '; refused: ' || $4"
                    ' WHERE run = $1::uuid AND "column" = $2::name AND key = $3::jsonb',
                    ("text",) * 5,
                    (run_id, column.name, change["key"], str(error), "refused" if new_state == "applied" else None),
                )
    return written, refused


def _is_refusal(error: DatabaseError) -> bool:
    return str(error.sqlstate).startswith(_REFUSALS)


def _write(db: Connection, target: TargetTable, column: Column, run_id: str, changes: list[Row], new_state: str) -> int:
    """Write the cells and record their new state; returns how many were written."""
    rows = target_table.write(db, target, column, changes)
    # A trigger may have stored another value than was written, and rollback must find that one.
    new = "w.stored" if new_state == "applied" else "c.new"
    with search_path.pinned(db):
        db.rows(
            f"UPDATE llm.change AS c SET state = $5, new = {new}"
            " FROM unnest($3::jsonb[], $4) AS w (key, stored)"
            ' WHERE c.run = $1::uuid AND c."column" = $2::name AND c.key = w.key',
            ("text", "text", "text[]", "text[]", "text"),
            (run_id, column.name, *([row[name] for row in rows] for name in ("key", "stored")), new_state),
        )
    return len(rows)
