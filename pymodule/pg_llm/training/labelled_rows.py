"""Labelled rows: what a query given as text yields, checked before anything is trained or measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pg_llm import arguments
from pg_llm.database import search_path
from pg_llm.database.connection import Connection
from pg_llm.database.select import columns as query_columns
from pg_llm.errors import InvalidInput
from pg_llm.models.spec import NO_RELATION

_BATCH = 256
Labelled = tuple[str, Any]

SHAPES = {
    "classify": "SELECT text, label FROM …: text and the label as text",
    "tag": "SELECT text, labels FROM …: text and an array of labels, empty where none applies",
    "entities": """SELECT text, entities FROM …: text and a JSON list of {"label", "start_pos", "end_pos"}""",
    "relations": "SELECT text, relations FROM …: text and a JSON list of objects with subject_start, subject_end,"
    " subject_type, object_start, object_end, object_type, predicate",
}


def batches(db: Connection, query: str | None, task: str) -> Iterator[list[Labelled]]:
    """Some hundred rows at a time: a text and what is true of it.

    That is a label, labels, entities as [label, start, end] from 0, or relations as [predicate or null, subject,
    object] of two such entities.
    Read with the caller's rights and search path. Raises InvalidInput for rows that are not so.
    """
    truth = {"classify": _label, "tag": _labels, "entities": _entities, "relations": _relations}[task]
    number = 0
    for found in raw(db, query, 2, SHAPES[task]):
        batch: list[Labelled] = []
        for row in found:
            number += 1
            if row["c1"] is None or row["c2"] is None:
                which = "text" if row["c1"] is None else "label"
                raise InvalidInput(
                    f"row {number} of the query has no {which}", hint="Leave such rows out: WHERE … IS NOT NULL."
                )
            batch.append((row["c1"], truth(json.loads(row["c2"]), row["c1"], number)))
        yield batch
    if not number:
        raise InvalidInput("the query yields no rows", hint=f"It has the form {SHAPES[task]}.")


def kind(db: Connection, query: str) -> str:
    """`tag` for a query whose second column is an array or JSON, `classify` for any other."""
    types = [type_ for _, type_ in db.describe(_bare(query))]
    several = "SELECT typcategory = 'A' OR typname IN ('json', 'jsonb') AS several FROM pg_type WHERE oid = $1"
    with search_path.pinned(db):
        found = db.rows(several, ("oid",), (types[1] if len(types) > 1 else 0,))
    return "tag" if found and found[0]["several"] else "classify"


def _bare(query: str | None) -> str:
    return arguments.required("query", query).strip().rstrip(";")


def raw(db: Connection, query: str | None, columns: int, shape: str) -> Iterator[list[dict[str, Any]]]:
    """The rows of a query with that many columns: c1 as text, the others as JSON text. Raises InvalidInput.

    The query runs under the caller's search path; whoever takes the rows works under the pinned one.
    """
    text = _bare(query)
    hint = f"It has the form {shape}."
    types = [its for _, its in query_columns(db, text)]
    if len(types) != columns:
        raise InvalidInput(f"the query has {len(types)} columns, and {columns} are needed", hint=hint)
    names = [f"c{number}" for number in range(1, columns + 1)]
    others = "".join(
        f", pg_catalog.to_jsonb({its.json(f'q.{name}')})::pg_catalog.text AS {name}"
        for name, its in zip(names[1:], types[1:], strict=True)
    )
    selected = f"SELECT {types[0].text('q.c1')} AS c1{others} FROM ({text}\n) AS q ({', '.join(names)})"
    for rows in db.batches(selected, size=_BATCH):
        with search_path.pinned(db):
            yield rows


def _label(truth: Any, text: str, number: int) -> str:
    if isinstance(truth, list | dict):
        raise InvalidInput(f"the label of row {number} is not one label", hint=f"It has the form {SHAPES['classify']}.")
    return truth if isinstance(truth, str) else json.dumps(truth)


def _labels(truth: Any, text: str, number: int) -> list[str]:
    if not isinstance(truth, list) or not all(isinstance(label, str) for label in truth):
        raise InvalidInput(
            f"the labels of row {number} are not an array of texts", hint=f"It has the form {SHAPES['tag']}."
        )
    return sorted(set(truth))


def _entities(truth: Any, text: str, number: int) -> list[list[Any]]:
    hint = f"It has the form {SHAPES['entities']}, as llm_entities() gives them: positions from 1, the end excluded."
    if not isinstance(truth, list):
        raise InvalidInput(f"the entities of row {number} are not a JSON list", hint=hint)
    found = []
    for entity in truth:
        start, end, label = (
            (entity.get(key) for key in ("start_pos", "end_pos", "label"))
            if isinstance(entity, dict)
            else (None, None, None)
        )
        if not isinstance(start, int) or not isinstance(end, int) or not isinstance(label, str) or not label:
            raise InvalidInput(f"an entity of row {number} lacks label, start_pos or end_pos", hint=hint)
        if not 1 <= start < end <= len(text) + 1:
            raise InvalidInput(
                f"an entity of row {number} lies from {start} to {end}, and the text has {len(text)} characters",
                hint=hint,
            )
        found.append([label, start - 1, end - 1])
    return sorted(found, key=lambda entity: entity[1])


def _relations(truth: Any, text: str, number: int) -> list[list[Any]]:
    hint = f"It has the form {SHAPES['relations']}: positions from 1, the end excluded; predicate null for no relation."
    if not isinstance(truth, list) or not all(isinstance(item, dict) for item in truth):
        raise InvalidInput(f"the relations of row {number} are not a JSON list of objects", hint=hint)
    found = []
    for item in truth:
        ends = []
        for role in ("subject", "object"):
            start, end, kind = (item.get(f"{role}_{key}") for key in ("start", "end", "type"))
            if not isinstance(start, int) or not isinstance(end, int) or not isinstance(kind, str) or not kind:
                raise InvalidInput(
                    f"a relation of row {number} lacks {role}_start, {role}_end or {role}_type", hint=hint
                )
            if not 1 <= start < end <= len(text) + 1:
                raise InvalidInput(
                    f"a relation of row {number} has its {role} from {start} to {end}, and the text has {len(text)}"
                    " characters",
                    hint=hint,
                )
            ends.append([kind, start - 1, end - 1])
        predicate = item.get("predicate")
        if predicate is not None and (not isinstance(predicate, str) or not predicate or predicate == NO_RELATION):
            raise InvalidInput(
                f"a relation of row {number} has a predicate that is no name: {json.dumps(predicate)}", hint=hint
            )
        found.append([predicate, *ends])
    return found
