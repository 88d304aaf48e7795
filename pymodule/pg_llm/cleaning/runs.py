"""Cleaning runs, in llm.cleaning and llm.change: errors found in a table, cells marked, repairs proposed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.cleaning import analysis, kept_rules, steps, target_table
from pg_llm.cleaning import rules as integrity_rules
from pg_llm.cleaning.analysis import Analysis, Cell, Finding, Knowledge
from pg_llm.cleaning.interruptible import chunks, garbage_collection_paused
from pg_llm.cleaning.rules import Rules
from pg_llm.cleaning.target_table import TargetTable, Value
from pg_llm.database import progress
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput, UndefinedRun

# A repair that is less probable is not proposed; the cell is still reported.
MIN_CONFIDENCE = 0.5
# Changes that one INSERT stores.
_BATCH = 5000
_LABELS_HINT = """Write labels => '[{"key": {"id": 1}, "column": "city", "value": "Oslo"}]'; value is the right one."""


@dataclass(frozen=True, slots=True)
class Run:
    """A row of llm.cleaning; `columns` are those that may be repaired, `rules` the user's as JSON."""

    id: str
    target: TargetTable
    columns: Sequence[str]
    rules: str


def find(db: Connection, run_id: str | None) -> Run:
    """The caller's run of that id. Raises UndefinedRun."""
    rows = db.rows(
        """
        SELECT r.id::text AS id, r.columns, r.rules::text AS rules, CASE
            WHEN EXISTS (SELECT FROM pg_class AS c WHERE c.oid = r.target) THEN r.target::oid::bigint
            ELSE to_regclass(r.relation)::oid::bigint
        END AS target
        FROM llm.cleaning AS r WHERE r.id = $1::uuid
        """,
        ("text",),
        (arguments.required("run", run_id),),
    )
    if not rows:
        raise UndefinedRun(f"there is no run {run_id} of yours")
    row = rows[0]
    if row["target"] is None:
        raise UndefinedRun(f"the table of run {run_id} is gone")
    return Run(row["id"], target_table.find(db, str(row["target"])), row["columns"], row["rules"])


def find_errors(db: Connection, table_name: str, columns: list[str] | None, rules: Any, labels: Any) -> str:
    """Create a run with the findings on a table; `rules` and `labels` are JSON lists. Returns the run's id."""
    target = target_table.find(db, table_name)
    names = [target.columns[target.position(name)].name for name in columns] if columns else None
    chosen = names or [column.name for column in target.columns]
    given = arguments.plain_json(rules)
    parsed = integrity_rules.parse(db, target, given)
    marks = _parse_labels(target, labels)
    _check_marks(db, target, marks)
    row = db.rows(
        "INSERT INTO llm.cleaning (target, columns, rules, relation)"
        " VALUES ($1::oid::regclass, $2, $3::jsonb, $1::oid::regclass::text) RETURNING id",
        ("bigint", "text[]", "text"),
        (target.table.oid, chosen, json.dumps(given)),
    )[0]
    run = Run(str(row["id"]), target, chosen, json.dumps(given))
    for key, column, value in marks:
        _store_mark(db, run.id, key, column, value)
    _examine(db, run, parsed, "llm_find_errors", propose=False)
    return run.id


def propose_repairs(db: Connection, run_id: str | None) -> int:
    """Examine a run's table anew, with its marks, and store repairs; returns how many cells have one."""
    run = find(db, run_id)
    rules = integrity_rules.parse(db, run.target, json.loads(run.rules))
    return _examine(db, run, rules, "llm_propose_repairs", propose=True)


def mark(db: Connection, run_id: str | None, key: str | None, column: str | None, value: str | None) -> None:
    """Store the true value of a cell. Raises InvalidInput for a cell that is not there."""
    run = find(db, run_id)
    column = arguments.required("column", column)
    run.target.position(column)
    key = arguments.required("key", key)
    _check_marks(db, run.target, [(key, column, value)])
    _store_mark(db, run.id, key, column, value)


def _parse_labels(target: TargetTable, labels: Any) -> list[tuple[str, str, Value]]:
    if not isinstance(labels, list):
        raise InvalidInput("labels must be a JSON list of objects", hint=_LABELS_HINT)
    marks = []
    for label in arguments.plain_json(labels):
        well_formed = (
            isinstance(label, dict) and label.keys() == {"key", "column", "value"} and isinstance(label["key"], dict)
        )
        if not well_formed or not isinstance(label["value"], str | None):
            raise InvalidInput(f"not a label: {json.dumps(label)}", hint=_LABELS_HINT)
        target.position(str(label["column"]))
        marks.append((json.dumps(label["key"]), str(label["column"]), label["value"]))
    return marks


def _check_marks(db: Connection, target: TargetTable, marks: Sequence[tuple[str, str, Value]]) -> None:
    """Raise InvalidInput for a mark of a row that is not there, or with a value that its column cannot hold."""
    wanted = list({key for key, _, _ in marks})
    existing = {_sorted(key) for key in target_table.existing_keys(db, target, wanted)} if wanted else set()
    for key in wanted:
        if _sorted(key) not in existing:
            table = target.table
            names = ", ".join(f'"{name}": …' for name in table.key)
            hint = f"A key is {{{names}}}, as llm.change has it."
            raise InvalidInput(f"{table.relation} has no row {key}", hint=hint)
    for name in dict.fromkeys(column for _, column, _ in marks):
        column = target.columns[target.position(name)]
        values = list(dict.fromkeys(value for _, of, value in marks if of == name))
        invalid = target_table.invalid_values(db, target, column, values) & set(values)
        if invalid:
            value = min(invalid, key=lambda each: each or "")
            shown = "NULL" if value is None else f'"{value[:100]}"'
            raise InvalidInput(f"{name} cannot hold {shown}", hint=f"It is of type {column.type}.")


def _sorted(key: str) -> str:
    return json.dumps(json.loads(key), sort_keys=True)


def _store_mark(db: Connection, run_id: str, key: str, column: str, value: Value) -> None:
    db.rows(
        'INSERT INTO llm.mark (run, key, "column", value) VALUES ($1::uuid, $2::jsonb, $3::name, $4)'
        ' ON CONFLICT (run, key, "column") DO UPDATE SET value = excluded.value',
        ("text",) * 4,
        (run_id, key, column, value),
    )


def _examine(db: Connection, run: Run, rules: Rules, command: str, propose: bool) -> int:
    """Let all detectors look at the table and store what they find; returns how many repairs are proposed."""
    with progress.reporting(db, command, run.target.table.relation, run.id) as report, garbage_collection_paused():

        def find(table: Analysis) -> tuple[list[str], list[Finding]]:
            def step(detector: str) -> None:
                report(detector, 0, len(table.keys))

            step(integrity_rules.DETECTOR)
            violations = [*integrity_rules.detect(db, rules, table), *kept_rules.violations(db, run.target, table)]
            marks, corrections = _load_marks(db, run, table.keys), _load_corrections(db, run)
            decisions = _load_decisions(db, run, table.keys)
            knowledge = Knowledge(marks, corrections, rules.dependencies, violations, decisions)
            return table.keys, table.find(step, knowledge)

        report("reading", 0, 0)
        keys, found = analysis.of_table(db, run.target, find)
        writable = {
            position
            for position, column in enumerate(run.target.columns)
            if column.name in run.columns and not column.fixed
        }
        findings = [finding for finding in found if finding.column in writable]
        report("writing", 0, sum(len(finding.rows) for finding in findings))
        forbidden: set[Cell] = set()
        if propose:
            conditions = kept_rules.conditions(db, run.target.table)
            forbidden = integrity_rules.forbidden_repairs(db, rules, keys, findings, conditions)
        return _store_findings(db, run, keys, findings, forbidden, propose)


def _load_marks(db: Connection, run: Run, keys: Sequence[str]) -> dict[Cell, Value]:
    marks = db.rows(
        'SELECT key::text AS key, "column"::text AS "column", value FROM llm.mark WHERE run = $1::uuid',
        ("text",),
        (run.id,),
    )
    marked = {mark["key"] for mark in marks}
    rows = {key: row for row, key in enumerate(keys) if key in marked} if marked else {}
    return {
        (rows[mark["key"]], run.target.position(mark["column"])): mark["value"] for mark in marks if mark["key"] in rows
    }


def _load_decisions(db: Connection, run: Run, keys: Sequence[str]) -> list[tuple[Cell, Value, bool]]:
    """Repairs that were accepted, True, or refused, with the cell and its new value."""
    decided = db.rows(
        'SELECT key::text AS key, "column"::text AS "column", new, state FROM llm.change'
        " WHERE run = $1::uuid AND state IN ('accepted', 'declined')",
        ("text",),
        (run.id,),
    )
    wanted = {change["key"] for change in decided}
    rows = {key: row for row, key in enumerate(keys) if key in wanted} if wanted else {}
    places = {column.name: place for place, column in enumerate(run.target.columns)}
    return [
        ((rows[change["key"]], places[change["column"]]), change["new"], change["state"] == "accepted")
        for change in decided
        if change["key"] in rows and change["column"] in places
    ]


def _load_corrections(db: Connection, run: Run) -> list[tuple[int, str, str]]:
    """Repairs that were applied to the table before and follow from no other column: position, old and new value.

    To another table of its name only where all of that one's columns were examined, and have the same names.
    """
    applied = db.rows(
        """
        SELECT DISTINCT h."column"::text AS "column", h.old, h.new, h.key
        FROM llm.change AS h JOIN llm.cleaning AS r ON r.id = h.run
        WHERE (r.target = $1::oid OR r.relation = $3 AND r.columns <@ $4 AND $4 <@ r.columns)
        AND h.state = 'applied' AND h.given IS NULL
        AND h.old <> '' AND h.new <> ''
        AND NOT EXISTS (
            SELECT FROM llm.mark AS m WHERE m.run = $2::uuid AND m.key = h.key AND m."column" = h."column"
        )
        """,
        ("bigint", "text", "text", "text[]"),
        (run.target.table.oid, run.id, run.target.table.relation, [column.name for column in run.target.columns]),
    )
    positions = {column.name: position for position, column in enumerate(run.target.columns)}
    return [(positions[row["column"]], row["old"], row["new"]) for row in applied if row["column"] in positions]


def _store_findings(
    db: Connection,
    run: Run,
    keys: Sequence[str],
    findings: Sequence[Finding],
    forbidden: set[Cell],
    propose: bool,
) -> int:
    """Replace the open changes of a run; a repair is stored if it is probable enough and not forbidden."""
    db.rows("DELETE FROM llm.change WHERE run = $1::uuid AND state IN ('found', 'proposed')", ("text",), (run.id,))
    proposals = [each for each in findings if propose and (each.confidence or 0.0) >= MIN_CONFIDENCE]
    numbers = steps.store(db, run.id, [column.name for column in run.target.columns], proposals) if proposals else {}
    changes = (change for finding in findings for change in _changes(run, keys, finding, forbidden, propose, numbers))
    for chunk in chunks(changes, _BATCH):
        db.rows(
            """
            INSERT INTO llm.change (run, key, "column", old, new, confidence, state, detector, reason, given, step)
            SELECT $1::uuid, c.* FROM jsonb_to_recordset($2::jsonb) AS c (
                key jsonb, "column" name, old text, new text, confidence float4, state text, detector text,
                reason text, given jsonb, step bigint
            ) ON CONFLICT (run, key, "column") DO NOTHING
            """,
            ("text", "text"),
            (run.id, json.dumps(chunk)),
        )
    proposed = "SELECT count(*) AS n FROM llm.change WHERE run = $1::uuid AND state = 'proposed'"
    return int(db.rows(proposed, ("text",), (run.id,))[0]["n"])


def _changes(
    run: Run, keys: Sequence[str], finding: Finding, forbidden: set[Cell], propose: bool, numbers: dict[steps.Name, int]
) -> Iterator[dict[str, Any]]:
    """A row of llm.change for each cell of a finding."""
    name = run.target.columns[finding.column].name
    found = {
        "column": name,
        "old": finding.old,
        "detector": finding.detector,
        "reason": finding.reason,
    }
    repair: dict[str, Any] = {}
    if propose and finding.confidence is not None and finding.confidence >= MIN_CONFIDENCE:
        repair = {"state": "proposed", "new": finding.new, "confidence": finding.confidence}
        if finding.step is not None:
            repair["step"] = numbers[name, finding.detector, finding.step.description]
        if finding.determinant:
            place, value = finding.determinant
            repair["given"] = {run.target.columns[place].name: value}
    for row in finding.rows:
        cell = {"key": json.loads(keys[row]), "state": "found"}
        yield found | cell | (repair if (row, finding.column) not in forbidden else {})
