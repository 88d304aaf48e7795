"""Labelled rows: the SQL that reads them, and every form that is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_connection import FakeConnection
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import InvalidInput
from pg_llm.training import labelled_rows

QUERY = "SELECT body, mood FROM note ; "
TEXT = "Ada knows Bob"


@pytest.fixture
def rows(db: FakeConnection) -> list[dict[str, Any]]:
    """The rows of the query, which a test fills."""
    found: list[dict[str, Any]] = []
    describe(db, 2)
    db.answer("AS q (c1, c2)", lambda call: found)
    return found


def describe(db: FakeConnection, columns: int) -> None:
    values: dict[str, Any] = dict.fromkeys(ColumnType.__dataclass_fields__, True) | {"name": "text"}
    db.describe_as("SELECT body", [(f"x{number}", 25) for number in range(columns)])
    db.answer("pg_type", lambda call: [values for _ in call.values[0]])


def read(db: FakeConnection, task: str) -> list[Any]:
    return [row for batch in labelled_rows.read(db, QUERY, task) for row in batch]


def test_the_query_is_read_as_text_and_json_under_the_callers_path(
    db: FakeConnection, rows: list[dict[str, Any]]
) -> None:
    rows += [{"c1": "good", "c2": '"praise"'}, {"c1": "bad", "c2": "5"}]
    assert read(db, "classify") == [("good", "praise"), ("bad", "5")]
    (call,) = db.asked("AS q (c1, c2)")
    assert "FROM (SELECT body, mood FROM note ) AS q (c1, c2)" in call.query
    assert "q.c1::pg_catalog.text AS c1" in call.query
    assert "pg_catalog.to_jsonb(q.c2)::pg_catalog.text AS c2" in call.query
    assert db.settings["search_path"] == "public"


@pytest.mark.parametrize(
    ("task", "row", "truth"),
    [
        ("tag", '["b", "a", "b"]', ["a", "b"]),
        ("tag", "[]", []),
        (
            "entities",
            '[{"label": "PER", "start_pos": 11, "end_pos": 14}, {"label": "PER", "start_pos": 1, "end_pos": 4}]',
            [["PER", 0, 3], ["PER", 10, 13]],
        ),
        (
            "relations",
            json.dumps(
                [
                    {
                        "subject_start": 1,
                        "subject_end": 4,
                        "subject_type": "PER",
                        "object_start": 11,
                        "object_end": 14,
                        "object_type": "PER",
                        "predicate": "knows",
                    }
                ]
            ),
            [["knows", ["PER", 0, 3], ["PER", 10, 13]]],
        ),
    ],
)
def test_positions_become_those_of_python(
    db: FakeConnection, rows: list[dict[str, Any]], task: str, row: str, truth: Any
) -> None:
    rows.append({"c1": TEXT, "c2": row})
    assert read(db, task) == [(TEXT, truth)]


RELATION = {
    "subject_start": 1,
    "subject_end": 4,
    "subject_type": "PER",
    "object_start": 11,
    "object_end": 14,
    "object_type": "PER",
    "predicate": None,
}


@pytest.mark.parametrize(
    ("task", "text", "row", "message"),
    [
        ("classify", None, '"a"', "row 1 of the query has no text"),
        ("classify", TEXT, None, "row 1 of the query has no label"),
        ("classify", TEXT, "[1]", "the label of row 1 is not one label"),
        ("tag", TEXT, '"a"', "the labels of row 1 are not an array of texts"),
        ("tag", TEXT, "[1]", "not an array of texts"),
        ("entities", TEXT, "{}", "the entities of row 1 are not a JSON list"),
        ("entities", TEXT, '["x"]', "lacks label, start_pos or end_pos"),
        ("entities", TEXT, '[{"label": "", "start_pos": 1, "end_pos": 2}]', "lacks label"),
        ("entities", TEXT, '[{"label": "P", "start_pos": 0, "end_pos": 2}]', "lies from 0 to 2, and the text has 13"),
        ("entities", TEXT, '[{"label": "P", "start_pos": 1, "end_pos": 15}]', "lies from 1 to 15"),
        ("relations", TEXT, '["x"]', "not a JSON list of objects"),
        ("relations", TEXT, json.dumps([{**RELATION, "subject_type": None}]), "lacks subject_start, subject_end or"),
        ("relations", TEXT, json.dumps([{**RELATION, "object_end": 99}]), "has its object from 11 to 99"),
        ("relations", TEXT, json.dumps([{**RELATION, "predicate": "none"}]), 'no name: "none"'),
        ("relations", TEXT, json.dumps([{**RELATION, "predicate": 5}]), "no name: 5"),
    ],
)
def test_rows_of_another_form_are_refused(
    db: FakeConnection, rows: list[dict[str, Any]], task: str, text: str | None, row: str | None, message: str
) -> None:
    rows.append({"c1": text, "c2": row})
    with pytest.raises(InvalidInput, match=message):
        read(db, task)


@pytest.mark.usefixtures("rows")
def test_a_query_has_rows_and_the_right_columns(db: FakeConnection) -> None:
    with pytest.raises(InvalidInput, match="the query yields no rows"):
        read(db, "classify")
    with pytest.raises(InvalidInput, match="query must not be NULL"):
        next(labelled_rows.read(db, None, "classify"))
    describe(db, 3)
    with pytest.raises(InvalidInput, match="the query has 3 columns, and 2 are needed"):
        read(db, "classify")


@pytest.mark.parametrize(("several", "task"), [(True, "tag"), (False, "classify")])
def test_an_array_of_labels_is_tagging(db: FakeConnection, several: bool, task: str) -> None:
    db.describe_as("SELECT body", [("body", 25), ("labels", 1009)])
    db.answer("typcategory = 'A'", [{"several": several}])
    assert labelled_rows.inferred_task(db, QUERY) == task
    assert db.asked("typcategory")[0].values == (1009,)
