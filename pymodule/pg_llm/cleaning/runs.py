"""Cleaning of tables: errors found, repairs proposed, applied, undone, and turned into plain SQL."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.cleaning import rules as cleaning_rules
from pg_llm.cleaning import store, update_script
from pg_llm.cleaning.detectors import dependencies, duplicates, outliers, profile, proposals
from pg_llm.cleaning.rules import Rules
from pg_llm.cleaning.store import Column, Target
from pg_llm.cleaning.table import Cell, Opinion, Table, Value, parts, paused, uncollected, watched
from pg_llm.database import progress, search_path
from pg_llm.database.connection import Connection, DatabaseError, Row
from pg_llm.errors import InvalidInput, UndefinedRun

_AT_ONCE = 5000
_LABELS_HINT = """Write labels => '[{"key": {"id": 1}, "column": "city", "value": "Oslo"}]'; value is the right one."""
# What the table itself says no to: bad data, constraints, and exceptions of its triggers.
_REFUSALS = ("22", "23", "P0")


def llm_profile(db: Connection, target: str | None) -> list[dict[str, Any]]:
    """What the columns of a table hold: types, missing and distinct values, patterns, likely keys, dependencies."""
    of = store.target(db, arguments.required("target", target))
    with uncollected():
        _, table = store.contents(db, of)
        return _profiled(of, table)


def _profiled(of: Target, table: Table) -> list[dict[str, Any]]:
    strange = Counter(opinion.cell[1] for opinion in outliers.opinions(table))
    strong = [each for each in dependencies.find(table, 0.9) if each.lift >= 0.9]
    return [
        {
            "column": column.name,
            "type": column.type,
            "looks_like": profile.kind(table.counts[place], table.pulse),
            "missing": table.rows - table.filled(place),
            "distinct": len(table.counts[place]),
            "likely_key": table.rows > 1 and len(table.counts[place]) == table.rows,
            "patterns": json.dumps(profile.patterns(table.counts[place], table.pulse)),
            "outliers": strange[place],
            "determined_by": [of.columns[each.left].name for each in strong if each.right == place],
        }
        for place, column in enumerate(of.columns)
    ]


def llm_duplicates(
    db: Connection, target: str | None, columns: list[str] | None, threshold: float | None
) -> list[dict[str, Any]]:
    """Pairs of rows of a table that are nearly the same, the most alike first, with the columns that differ."""
    of = store.target(db, arguments.required("target", target))
    least = arguments.threshold(threshold)
    names = columns or [column.name for column in of.columns if column.name not in of.table.key]
    places = [of.place(name) for name in names]
    with progress.reporting(db, "llm_duplicates", of.table.relation, "") as report, uncollected():
        report("reading", 0, 0)
        keys, table = store.contents(db, of)
        compared = Table(names, [table.columns[place] for place in places], pulse=db.poll)
        report("comparing", 0, compared.rows)
        found = sorted(duplicates.find(compared, least), key=lambda pair: -pair.score)
    return [
        {
            "key_a": keys[pair.first],
            "key_b": keys[pair.second],
            "score": pair.score,
            "differs": [names[place] for place in pair.differs],
        }
        for pair in found
    ]


def llm_find_errors(db: Connection, target: str | None, columns: list[str] | None, rules: Any, labels: Any) -> str:
    """Find the cells of a table that look wrong and write them to llm.change; returns the run."""
    of = store.target(db, arguments.required("target", target))
    chosen = [of.columns[of.place(name)].name for name in columns] if columns else [each.name for each in of.columns]
    given = arguments.plain_json([] if rules is None else rules)
    parsed = cleaning_rules.parsed(db, of, given)
    marks = _labels(of, [] if labels is None else labels)
    run = str(
        db.rows(
            "INSERT INTO llm.cleaning (target, columns, rules) VALUES ($1::oid::regclass, $2, $3::jsonb) RETURNING id",
            ("bigint", "text[]", "text"),
            (of.table.oid, chosen, json.dumps(given)),
        )[0]["id"]
    )
    for key, column, value in marks:
        _mark(db, run, key, column, value)
    _examine(db, run, of, chosen, parsed, "llm_find_errors", propose=False)
    return run


def llm_propose_repairs(db: Connection, run: str | None) -> int:
    """Fill in what the cells of a run should hold, as far as that is known; returns for how many it is."""
    found, of = _run(db, run)
    rules = cleaning_rules.parsed(db, of, json.loads(found["rules"]))
    return _examine(db, found["id"], of, found["columns"], rules, "llm_propose_repairs", propose=True)


def llm_mark(db: Connection, run: str | None, key: str | None, column: str | None, value: str | None) -> None:
    """Say what a cell should hold, so that the next llm_propose_repairs learns from it; right values count too."""
    found, of = _run(db, run)
    of.place(arguments.required("column", column))
    key = arguments.required("key", key)
    if not store.present(db, of, [key]):
        names = ", ".join(f'"{name}": …' for name in of.table.key)
        raise InvalidInput(f"{of.table.relation} has no row {key}", hint=f"A key is {{{names}}}, as llm.change has it.")
    _mark(db, found["id"], key, str(column), value)


def llm_review(db: Connection, run: str | None, k: int | None) -> list[dict[str, Any]]:
    """The cells that are worth marking next: those that decide most others and are least sure."""
    found, _ = _run(db, run)
    if k is None or k < 1:
        raise InvalidInput(f"k must be at least 1, not {k}")
    return db.rows(
        """
        SELECT c.key::text AS key, c."column"::text AS "column", c.old, c.new, c.confidence, c.reason, c.alike
        FROM (
            SELECT c.*, count(*) OVER same AS alike, row_number() OVER (same ORDER BY c.key) AS place
            FROM llm.change AS c
            WHERE c.run = $1::uuid AND c.state IN ('found', 'proposed')
            AND NOT EXISTS (
                SELECT FROM llm.mark AS m WHERE m.run = c.run AND m.key = c.key AND m."column" = c."column"
            )
            WINDOW same AS (PARTITION BY c."column", c.detector, coalesce(c.given::text, c.old), c.new)
        ) AS c
        WHERE c.place = 1
        ORDER BY c.alike * (1.01 - coalesce(c.confidence, 0)) DESC, c."column", c.key
        LIMIT $2
        """,
        ("text", "int"),
        (found["id"], k),
    )


def llm_apply(db: Connection, run: str | None, min_confidence: float | None) -> list[dict[str, Any]]:
    """Write the proposed repairs of a run into the table, where its cells still hold what was found."""
    least = 0.0 if min_confidence is None else min_confidence
    with search_path.pinned(db):
        found, of = _run(db, run)
    wanted = applied = refused = 0
    for column in of.columns:
        if not column.fixed:
            changes = _changes(db, found["id"], column, "proposed", least)
            done, failed = _in_parts(db, of, column, found["id"], changes, "applied")
            wanted, applied, refused = wanted + len(changes), applied + done, refused + failed
    return [{"applied": applied, "changed_meanwhile": wanted - applied - refused, "refused": refused}]


def llm_rollback(db: Connection, run: str | None) -> list[dict[str, Any]]:
    """Put the old values back where a cell still holds what llm_apply wrote; edited and deleted ones are counted."""
    with search_path.pinned(db):
        found, of = _run(db, run)
    restored = 0
    for column in of.columns:
        if not column.fixed:
            changes = _changes(db, found["id"], column, "applied", 0.0)
            restored += _in_parts(db, of, column, found["id"], changes, "restored")[0]
    with search_path.pinned(db):
        query = "SELECT key::text AS key FROM llm.change WHERE run = $1::uuid AND state = 'applied'"
        left = [row["key"] for row in db.rows(query, ("text",), (found["id"],))]
        there = store.present(db, of, left) if left else set()
    edited = sum(key in there for key in left)
    return [{"restored": restored, "edited": edited, "gone": len(left) - edited}]


def llm_rules(db: Connection, run: str | None, target: str | None) -> str:
    """The applied repairs of a run as one UPDATE that needs no model, for the same or another table."""
    found, of = _run(db, run)
    relation = of.table.relation if target is None else store.target(db, target).table.relation
    changes = db.rows(
        'SELECT key::text AS key, "column"::text AS "column", old, new, given::text AS given FROM llm.change'
        " WHERE run = $1::uuid AND state = 'applied' ORDER BY key",
        ("text",),
        (found["id"],),
    )
    with uncollected():
        keys, table = store.contents(db, of)
        return update_script.update(relation, of, keys, table, changes)


def _changes(db: Connection, run: str, column: Column, state: str, least: float) -> list[Row]:
    """What is to be written into a column: where, instead of what, and what."""
    before, after = ("old", "new") if state == "proposed" else ("new", "old")
    query = (
        f"SELECT key::text AS key, {before} AS before, {after} AS after FROM llm.change"
        ' WHERE run = $1::uuid AND "column" = $2::name AND state = $3 AND confidence >= $4 ORDER BY key'
    )
    with search_path.pinned(db):
        return db.rows(query, ("text", "text", "text", "float4"), (run, column.name, state, least))


def _in_parts(
    db: Connection, of: Target, column: Column, run: str, changes: list[Row], becomes: str
) -> tuple[int, int]:
    """All changes of a column at once; where the table refuses that, each for itself, and those that fail are noted."""
    if not changes:
        return 0, 0
    try:
        with db.savepoint():
            return _written(db, of, column, run, changes, becomes), 0
    except DatabaseError as error:
        if not str(error.sqlstate).startswith(_REFUSALS):
            raise
    done = failed = 0
    for change in changes:
        try:
            with db.savepoint():
                done += _written(db, of, column, run, [change], becomes)
        except DatabaseError as error:
            if not str(error.sqlstate).startswith(_REFUSALS):
                raise
            failed += 1
            with search_path.pinned(db):
                db.rows(
                    "UPDATE llm.change SET state = coalesce($5, state), reason = reason || '; refused: ' || $4"
                    ' WHERE run = $1::uuid AND "column" = $2::name AND key = $3::jsonb',
                    ("text",) * 5,
                    (run, column.name, change["key"], str(error), "refused" if becomes == "applied" else None),
                )
    return done, failed


def _written(db: Connection, of: Target, column: Column, run: str, changes: list[Row], becomes: str) -> int:
    """Write, and note what the table then holds as the new value; how many cells were written."""
    rows = store.write(db, of, column, changes)
    stored = "w.stored" if becomes == "applied" else "c.new"
    with search_path.pinned(db):
        db.rows(
            f"UPDATE llm.change AS c SET state = $5, new = {stored}"
            " FROM unnest($3::jsonb[], $4) AS w (key, stored)"
            ' WHERE c.run = $1::uuid AND c."column" = $2::name AND c.key = w.key',
            ("text", "text", "text[]", "text[]", "text"),
            (run, column.name, *([row[each] for row in rows] for each in ("key", "stored")), becomes),
        )
    return len(rows)


def _run(db: Connection, run: str | None) -> tuple[dict[str, Any], Target]:
    rows = db.rows(
        "SELECT id::text AS id, target::oid::bigint AS target, columns, rules::text AS rules"
        " FROM llm.cleaning WHERE id = $1::uuid",
        ("text",),
        (arguments.required("run", run),),
    )
    if not rows:
        raise UndefinedRun(f"there is no run {run} of yours")
    return rows[0], store.target(db, str(rows[0]["target"]))


def _mark(db: Connection, run: str, key: str, column: str, value: Value) -> None:
    db.rows(
        'INSERT INTO llm.mark (run, key, "column", value) VALUES ($1::uuid, $2::jsonb, $3::name, $4)'
        ' ON CONFLICT (run, key, "column") DO UPDATE SET value = excluded.value',
        ("text",) * 4,
        (run, key, column, value),
    )


def _labels(of: Target, given: Any) -> list[tuple[str, str, Value]]:
    if not isinstance(given, list):
        raise InvalidInput("labels must be a JSON list of objects", hint=_LABELS_HINT)
    found = []
    for label in arguments.plain_json(given):
        well = isinstance(label, dict) and label.keys() == {"key", "column", "value"} and isinstance(label["key"], dict)
        if not well or not isinstance(label["value"], str | None):
            raise InvalidInput(f"not a label: {json.dumps(label)}", hint=_LABELS_HINT)
        of.place(str(label["column"]))
        found.append((json.dumps(label["key"]), str(label["column"]), label["value"]))
    return found


def _examine(
    db: Connection, run: str, of: Target, chosen: Sequence[str], rules: Rules, command: str, propose: bool
) -> int:
    with progress.reporting(db, command, of.table.relation, run) as report, uncollected():
        report("reading", 0, 0)
        keys, table = store.contents(db, of)
        table.marks = _marks(db, run, of, keys)
        table.history = _history(db, run, of)

        def step(detector: str) -> None:
            report(detector, 0, table.rows)

        step(cleaning_rules.DETECTOR)
        said = list(cleaning_rules.opinions(db, rules, keys, table))
        found = proposals.find(table, step, rules.dependent, said)
        writable = {place for place, each in enumerate(of.columns) if each.name in chosen and not each.fixed}
        found = {cell: opinion for cell, opinion in table.watched(found.items()) if cell[1] in writable}
        report("writing", 0, len(found))
        unsure = cleaning_rules.forbidden(db, rules, keys, found) if propose else set()
        return _store(db, run, of, keys, table, found, unsure, propose)


def _marks(db: Connection, run: str, of: Target, keys: Sequence[str]) -> dict[Cell, Value]:
    rows = {key: row for row, key in enumerate(watched(keys, paused(db.poll)))}
    marks = db.rows(
        'SELECT key::text AS key, "column"::text AS "column", value FROM llm.mark WHERE run = $1::uuid',
        ("text",),
        (run,),
    )
    return {(rows[mark["key"]], of.place(mark["column"])): mark["value"] for mark in marks if mark["key"] in rows}


def _history(db: Connection, run: str, of: Target) -> list[tuple[int, str, str]]:
    """What was corrected in other cells of this table before, whatever stood beside it."""
    applied = db.rows(
        """
        SELECT DISTINCT h."column"::text AS "column", h.old, h.new, h.key
        FROM llm.change AS h JOIN llm.cleaning AS r ON r.id = h.run
        WHERE r.target = $1::oid AND h.state = 'applied' AND h.given IS NULL AND h.old <> '' AND h.new <> ''
        AND NOT EXISTS (
            SELECT FROM llm.mark AS m WHERE m.run = $2::uuid AND m.key = h.key AND m."column" = h."column"
        )
        """,
        ("bigint", "text"),
        (of.table.oid, run),
    )
    names = {column.name: place for place, column in enumerate(of.columns)}
    return [(names[row["column"]], row["old"], row["new"]) for row in applied if row["column"] in names]


def _store(
    db: Connection,
    run: str,
    of: Target,
    keys: Sequence[str],
    table: Table,
    found: dict[Cell, Opinion],
    unsure: set[Cell],
    propose: bool,
) -> int:
    db.rows("DELETE FROM llm.change WHERE run = $1::uuid AND state IN ('found', 'proposed')", ("text",), (run,))
    rows = []
    for (row, place), opinion in table.watched(found.items()):
        sure = opinion.confidence
        known = propose and sure is not None and sure >= proposals.LEAST and (row, place) not in unsure
        change = {
            "key": json.loads(keys[row]),
            "column": of.columns[place].name,
            "old": table.columns[place][row],
            "detector": opinion.detector,
            "reason": opinion.reason,
            "state": "proposed" if known else "found",
        }
        if known:
            change |= {"new": opinion.new, "confidence": sure}
            if opinion.given:
                change["given"] = {of.columns[opinion.given[0]].name: opinion.given[1]}
        rows.append(change)
    for part in parts(rows, _AT_ONCE):
        db.rows(
            """
            INSERT INTO llm.change (run, key, "column", old, new, confidence, state, detector, reason, given)
            SELECT $1::uuid, c.* FROM jsonb_to_recordset($2::jsonb) AS c (
                key jsonb, "column" name, old text, new text, confidence float4, state text, detector text,
                reason text, given jsonb
            ) ON CONFLICT (run, key, "column") DO NOTHING
            """,
            ("text", "text"),
            (run, json.dumps(part)),
        )
    proposed = "SELECT count(*) AS n FROM llm.change WHERE run = $1::uuid AND state = 'proposed'"
    return int(db.rows(proposed, ("text",), (run,))[0]["n"])
