"""Labelled rows from a query given as text, checked before anything is trained or evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.database import search_path
from pg_llm.database.connection import Connection
from pg_llm.database.select import columns as query_columns
from pg_llm.errors import InvalidInput
from pg_llm.models.spec import NO_RELATION

_BATCH = 256
# A text and its ground truth.
LabelledRow = tuple[str, Any]

SHAPES = {
    "classify": "SELECT text, label FROM …: text and the label as text",
    "tag": "SELECT text, labels FROM …: text and an array of labels, empty where none applies",
    "entities": """SELECT text, entities FROM …: text and a JSON list of {"label", "start_pos", "end_pos"}""",
    "relations": "SELECT text, relations FROM …: text and a JSON list of objects with subject_start, subject_end,"
    " subject_type, object_start, object_end, object_type, predicate",
}


def read(db: Connection, query: str | None, task: str) -> Iterator[list[LabelledRow]]:
    """Some hundred rows at a time: a text and its ground truth.

    That is a label, labels, entities as [label, start, end] from 0, or relations as [predicate or null, subject,
    object] of two such entities. The query runs with the caller's rights and search path.
    Raises InvalidInput for rows that are of another form.
    """
    for batch in _read(db, query, task, ("text", "label"), SHAPES[task]):
        yield [(text, truth) for text, truth, *_ in batch]


def read_with_person(db: Connection, query: str | None, task: str, unit: str) -> Iterator[list[tuple[str, Any, str]]]:
    """The same with a third column of that name, which tells whose row it is."""
    shape = f"SELECT text, label, {unit} FROM …, as for llm_fit() without unit, and whose row it is"
    names = [name for name, _ in query_columns(db, _without_semicolon(query))]
    if len(names) == 3 and names[2] != unit:
        raise InvalidInput(
            f'the third column of the query is "{names[2]}", and the unit "{unit}"', hint=f"It has the form {shape}."
        )
    yield from _read(db, query, task, ("text", "label", unit), shape)


def _read(db: Connection, query: str | None, task: str, columns: Sequence[str], shape: str) -> Iterator[list[Any]]:
    parse = {"classify": _label, "tag": _labels, "entities": _entities, "relations": _relations}[task]
    number = 0
    for rows in read_columns(db, query, len(columns), shape):
        batch = []
        for row in rows:
            number += 1
            text, truth, *person = row.values()
            for which, value in zip(columns, row.values(), strict=True):
                if value is None:
                    raise InvalidInput(
                        f"row {number} of the query has no {which}", hint="Leave such rows out: WHERE … IS NOT NULL."
                    )
            batch.append((text, parse(json.loads(truth), text, number), *person))
        yield batch
    if not number:
        raise InvalidInput("the query yields no rows", hint=f"It has the form {shape}.")


def inferred_task(db: Connection, query: str) -> str:
    """`tag` for a query whose second column is an array or JSON, `classify` for any other."""
    types = [type_ for _, type_ in db.describe(_without_semicolon(query))]
    several = "SELECT typcategory = 'A' OR typname IN ('json', 'jsonb') AS several FROM pg_type WHERE oid = $1"
    with search_path.pinned(db):
        rows = db.rows(several, ("oid",), (types[1] if len(types) > 1 else 0,))
    return "tag" if rows and rows[0]["several"] else "classify"


def read_columns(db: Connection, query: str | None, columns: int, shape: str) -> Iterator[list[dict[str, Any]]]:
    """The rows of a query with that many columns: c1 as text, the others as JSON text. Raises InvalidInput.

    The query runs under the caller's search path; the code that consumes the rows runs under the pinned one.
    """
    text = _without_semicolon(query)
    hint = f"It has the form {shape}."
    types = [type_ for _, type_ in query_columns(db, text)]
    if len(types) != columns:
        raise InvalidInput(f"the query has {len(types)} columns, and {columns} are needed", hint=hint)
    names = [f"c{number}" for number in range(1, columns + 1)]
    others = "".join(
        f", pg_catalog.to_jsonb({type_.json(f'q.{name}')})::pg_catalog.text AS {name}"
        for name, type_ in zip(names[1:], types[1:], strict=True)
    )
    selected = f"SELECT {types[0].text('q.c1')} AS c1{others} FROM ({text}\n) AS q ({', '.join(names)})"
    for rows in db.batches(selected, size=_BATCH):
        with search_path.pinned(db):
            yield rows


def _without_semicolon(query: str | None) -> str:
    return arguments.required("query", query).strip().rstrip(";")


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
    entities = []
    for item in truth:
        fields = item if isinstance(item, dict) else {}
        start, end, label = (fields.get(key) for key in ("start_pos", "end_pos", "label"))
        if not isinstance(start, int) or not isinstance(end, int) or not isinstance(label, str) or not label:
            raise InvalidInput(f"an entity of row {number} lacks label, start_pos or end_pos", hint=hint)
        if not 1 <= start < end <= len(text) + 1:
            raise InvalidInput(
                f"an entity of row {number} lies from {start} to {end}, and the text has {len(text)} characters",
                hint=hint,
            )
        entities.append([label, start - 1, end - 1])
    return sorted(entities, key=lambda entity: entity[1])


def _relations(truth: Any, text: str, number: int) -> list[list[Any]]:
    hint = f"It has the form {SHAPES['relations']}: positions from 1, the end excluded; predicate null for no relation."
    if not isinstance(truth, list) or not all(isinstance(item, dict) for item in truth):
        raise InvalidInput(f"the relations of row {number} are not a JSON list of objects", hint=hint)
    relations = []
    for item in truth:
        arguments_ = [_relation_argument(item, role, text, number, hint) for role in ("subject", "object")]
        predicate = item.get("predicate")
        if predicate is not None and (not isinstance(predicate, str) or not predicate or predicate == NO_RELATION):
            raise InvalidInput(
                f"a relation of row {number} has a predicate that is no name: {json.dumps(predicate)}", hint=hint
            )
        relations.append([predicate, *arguments_])
    return relations


def _relation_argument(item: dict[str, Any], role: str, text: str, number: int, hint: str) -> list[Any]:
    """Subject or object of a relation as [type, start, end]."""
    start, end, type_ = (item.get(f"{role}_{key}") for key in ("start", "end", "type"))
    if not isinstance(start, int) or not isinstance(end, int) or not isinstance(type_, str) or not type_:
        raise InvalidInput(f"a relation of row {number} lacks {role}_start, {role}_end or {role}_type", hint=hint)
    if not 1 <= start < end <= len(text) + 1:
        raise InvalidInput(
            f"a relation of row {number} has its {role} from {start} to {end}, and the text has {len(text)} characters",
            hint=hint,
        )
    return [type_, start - 1, end - 1]
