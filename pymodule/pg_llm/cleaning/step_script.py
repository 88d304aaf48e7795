"""Steps of a recipe as SQL: a transformation where one is known that does the same, and no more, to all values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm.cleaning.target_table import TargetTable, Value
from pg_llm.database import models
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.quoting import quote_ident

# Stands for the column where a step is checked.
_NAME = "c"
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
            parts = _parts(db, step)
            if parts and _makes(db, parts[0].format(c="t.v"), parts[1].format(c="t.v"), pairs):
                name = quote_ident(step["column"])
                condition, expression = parts[0].format(c=name), parts[1].format(c=name)
                found[step["step"]] = Transformation(position, step["description"], condition, expression)
    return found


def _parts(db: Connection, step: Mapping[str, Any]) -> tuple[str, str] | None:
    """The condition and expression as templates; None where they are more than expressions over the column.

    They come from a table into which a restored dump, and so the database's owner, wrote what it liked.
    """
    parts = step["condition"], step["expression"]
    # Otherwise what is checked, and what was meant, is not what runs.
    if db.setting("standard_conforming_strings") == "off":
        return None
    try:
        written = [part.format(c=_NAME) for part in parts]
    except (ValueError, LookupError, AttributeError):
        return None
    checked = [json.loads(each) for each in models.run_without_model(db, "sql_check", written, purpose="expression")]
    is_plain = all(
        "refused" not in each and all(column["parts"] == [_NAME] for column in each["columns"]) for each in checked
    )
    return parts if is_plain and not any(comment in each for each in written for comment in ("--", "/*")) else None


def _makes(db: Connection, condition: str, expression: str, pairs: dict[Value, Value]) -> bool:
    """Whether the SQL makes of each key its value."""
    made = f"CASE WHEN {condition} THEN {expression} ELSE t.v END"
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
