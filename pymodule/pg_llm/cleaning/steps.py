"""The repairs of a run as steps of a recipe: one transformation per column and kind, accepted or refused as a whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.cleaning.analysis import Finding
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

# Column, detector and description.
Name = tuple[str, str, str]
_EXAMPLES = 3
_CHOICE = """ AND ($2::bigint IS NULL OR step = $2) AND ($3::text IS NULL OR "column" = $3::name)
    AND ($4::text IS NULL OR detector = $4)"""


def store(db: Connection, run_id: str, columns: Sequence[str], findings: Sequence[Finding]) -> dict[Name, int]:
    """The numbers of the findings' steps; a step that the run had before keeps its own."""
    found: dict[Name, dict[str, Any]] = {}
    for finding in findings:
        if finding.step is not None:
            name = columns[finding.column], finding.detector, finding.step.description
            fields = ("column", "detector", "description", "condition", "expression")
            found.setdefault(name, dict(zip(fields, (*name, *finding.step[1:]), strict=True)))
    db.rows(
        """
        INSERT INTO llm.step (run, step, "column", detector, description, condition, expression)
        SELECT $1::uuid, (SELECT coalesce(max(o.step), 0) FROM llm.step AS o WHERE o.run = $1::uuid)
               + row_number() OVER (ORDER BY s.ordinality), s."column", s.detector, s.description, s.condition,
               s.expression
        FROM ROWS FROM (jsonb_to_recordset($2::jsonb) AS (
            "column" name, detector text, description text, condition text, expression text
        )) WITH ORDINALITY AS s ("column", detector, description, condition, expression, ordinality)
        WHERE NOT EXISTS (
            SELECT FROM llm.step AS o WHERE o.run = $1::uuid AND o."column" = s."column"
            AND o.detector = s.detector AND o.description = s.description
        )
        """,
        ("text", "text"),
        (run_id, json.dumps(list(found.values()))),
    )
    query = 'SELECT step, "column"::text AS "column", detector, description FROM llm.step WHERE run = $1::uuid'
    rows = db.rows(query, ("text",), (run_id,))
    return {(row["column"], row["detector"], row["description"]): row["step"] for row in rows}


def overview(db: Connection, run_id: str) -> list[dict[str, Any]]:
    """The steps of a run with counts and examples, the largest first."""
    return db.rows(
        f"""
        SELECT s.step, s."column"::text AS "column", s.detector, s.description, c.cells, c.values, c.confidence,
               c.states::text AS states, c.examples::text AS examples
        FROM llm.step AS s JOIN (
            SELECT v.step, sum(v.cells)::bigint AS cells, count(*) AS values,
                   (sum(v.confidence * v.cells) / sum(v.cells))::float4 AS confidence,
                   jsonb_agg(jsonb_build_array(v.old, v.new) ORDER BY v.place) FILTER (WHERE v.place <= {_EXAMPLES})
                       AS examples, (
                SELECT jsonb_object_agg(n.state, n.cells)
                FROM (SELECT o.state, count(*) AS cells FROM llm.change AS o
                      WHERE o.run = $1::uuid AND o.step = v.step GROUP BY o.state) AS n
            ) AS states
            FROM (
                SELECT step, old, new, count(*) AS cells, avg(confidence) AS confidence,
                       row_number() OVER (PARTITION BY step ORDER BY count(*) DESC, old, new) AS place
                FROM llm.change WHERE run = $1::uuid AND step IS NOT NULL GROUP BY step, old, new
            ) AS v GROUP BY v.step
        ) AS c ON c.step = s.step
        WHERE s.run = $1::uuid
        ORDER BY c.cells DESC, s.step
        """,
        ("text",),
        (run_id,),
    )


def decide(
    db: Connection,
    run_id: str,
    step: int | None,
    column: str | None,
    detector: str | None,
    key: str | None,
    accepted: bool,
) -> int:
    """Accept or decline repairs of a run, by step, column, detector or row; returns how many there were."""
    if step is None and column is None and detector is None and key is None:
        raise InvalidInput("which repairs?", hint="Name a step, a column, a detector or the key of a row.")
    if step is not None and not db.rows(
        "SELECT FROM llm.step WHERE run = $1::uuid AND step = $2", ("text", "bigint"), (run_id, step)
    ):
        raise InvalidInput(f"the run has no step {step}", hint="llm_steps() shows what there is.")
    row = db.rows(
        f"""
        WITH decided AS (
            UPDATE llm.change SET state = $6
            WHERE run = $1::uuid AND state IN ('proposed', 'accepted', 'declined') AND state <> $6 {_CHOICE}
            AND ($5::jsonb IS NULL OR key = $5::jsonb)
            RETURNING 1
        ) SELECT count(*) AS n FROM decided
        """,
        ("text", "bigint", "text", "text", "text", "text"),
        (run_id, step, column, detector, key, "accepted" if accepted else "declined"),
    )[0]
    return int(row["n"])
