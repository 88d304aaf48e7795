"""Steps of a recipe as SQL: a transformation where one is known that does the same, and no more, to all values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm.cleaning.target_table import TargetTable, Value
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.quoting import quote_ident

_TEXTS = ("text", "character varying")


@dataclass(frozen=True, slots=True)
class Transformation:
    """A step in SQL: where it applies, and what it makes of the column at `position`."""

    position: int
    description: str
    condition: str
    expression: str


def find(
    db: Connection, run_id: str, target: TargetTable, content: Sequence[Sequence[Value]], changes: Sequence[Any]
) -> dict[int, Transformation]:
    """The steps of the changes that can be written as one transformation, by number.

    One is taken only if it makes of each old value what the step made, and leaves all values that are there now.
    """
    used = {change["step"] for change in changes if change["step"] is not None}
    steps = db.rows(
        'SELECT step, "column"::text AS "column", description, condition, expression FROM llm.step'
        " WHERE run = $1::uuid AND expression <> '' ORDER BY step",
        ("text",),
        (run_id,),
    )
    found = {}
    for step in steps:
        position = target.position(step["column"])
        if step["step"] in used and target.columns[position].type.startswith(_TEXTS):
            pairs = {change["old"]: change["new"] for change in changes if change["step"] == step["step"]}
            pairs |= {value: value for value in set(content[position]) if value not in pairs}
            if _makes(db, step["condition"], step["expression"], pairs):
                name = quote_ident(step["column"])
                parts = (step[part].format(c=name) for part in ("condition", "expression"))
                found[step["step"]] = Transformation(position, step["description"], *parts)
    return found


def _makes(db: Connection, condition: str, expression: str, pairs: dict[Value, Value]) -> bool:
    """Whether the SQL makes of each key its value."""
    made = f"CASE WHEN {condition.format(c='t.v')} THEN {expression.format(c='t.v')} ELSE t.v END"
    given = "unnest($1::text[], $2::text[]) AS t (v, new)"
    query = f"SELECT count(*) AS wrong FROM {given} WHERE {made} IS DISTINCT FROM t.new"
    try:
        with db.savepoint():
            rows = db.query_unprepared(query, ("text[]", "text[]"), (list(pairs), list(pairs.values())))
    except DatabaseError as error:
        # A value to which the expression cannot be applied.
        if not str(error.sqlstate).startswith(("22", "42", "2201")):
            raise
        return False
    return int(rows[0]["wrong"]) == 0
