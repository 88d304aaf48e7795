from __future__ import annotations

from typing import Any

import pytest
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import InvalidInput
from pg_llm.search import metadata_filter

BUILTIN = ColumnType("integer", True, False, True)
COLUMNS = {
    "year": BUILTIN,
    "Lang": ColumnType("text", True, False, True),
    "tags": ColumnType("text[]", True, False, True),
    "extra": ColumnType("jsonb", True, False, True),
    "mood": ColumnType("public.mood", False, False, False),
    "place": ColumnType("public.place", False, True, False),
}


def condition(filter: str | None) -> tuple[str, list[tuple[Any, str]]]:
    """The SQL, and the parameters with their types."""
    parameters: list[tuple[Any, str]] = []

    def add(value: Any, type_: str) -> str:
        parameters.append((value, type_))
        return f"${len(parameters)}"

    return metadata_filter.condition(filter, COLUMNS, add), parameters


def test_no_filter_lets_all_rows_pass() -> None:
    assert condition(None) == ("true", [])
    assert condition("{}") == ("true", [])


@pytest.mark.parametrize(
    ("filter", "sql", "values"),
    [
        ('{"year": 1990}', "t.year = $1::integer", ["1990"]),
        ('{"year": {">=": 1990.50}}', "t.year >= $1::integer", ["1990.50"]),
        ('{"year": {">": 1, "<>": 5}}', "t.year > $1::integer AND t.year <> $2", ["1", "5"]),
        ('{"Lang": {"ILIKE": "e%"}}', 't."Lang"::pg_catalog.text ILIKE $1', ["e%"]),
        ('{"year": null}', "t.year IS NULL", []),
        ('{"year": {"!=": null}}', "t.year IS NOT NULL", []),
        ('{"year": [1, 2]}', "(t.year = ANY($1::integer[]))", [["1", "2"]]),
        ('{"year": [1, null]}', "OR t.year IS NULL)", [["1"]]),
        ('{"year": {"not in": [1]}}', "IS NOT TRUE)", [["1"]]),
        ('{"mood": "fine"}', "t.mood::public.mood = $1", ["fine"]),
        ('{"tags": {"@>": ["a", "b"]}}', "t.tags @> $1", [["a", "b"]]),
        ('{"tags": {"@>": ["a", null]}}', "t.tags @> $1", [["a", None]]),
        # Reading a composite value could run the checks of its domains, so it is compared as a text.
        ('{"place": "(1,2)"}', "pg_catalog.format('%s', t.place) END = $1::text", ["(1,2)"]),
    ],
)
def test_conditions(filter: str, sql: str, values: list[Any]) -> None:
    found, parameters = condition(filter)
    assert sql in found
    assert [value for value, _ in parameters] == values


def test_json_is_compared_as_json() -> None:
    filter = '{"extra": {"@>": {"size": 2}}}'
    found, parameters = condition(filter)
    assert found == "t.extra @> ($2::jsonb #> $1)"
    assert parameters == [(["extra", "@>"], "text[]"), (filter, "text")]


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ("[1]", "must be a JSON object"),
        ('{"size": 1}', 'no column "size"'),
        ('{"year": {"~": 1}}', 'no operator "~"'),
        ('{"year": {"in": 1}}', '"in" takes a list'),
        ('{"year": {">": null}}', '">" takes a single value'),
        ('{"year": {"=": [1]}}', '"=" takes a single value'),
        ('{"year": {"like": {"a": 1}}}', '"like" takes a single value'),
        ('{"extra": {"@>": null}}', '"@>" takes a single value'),
    ],
)
def test_filters_that_are_none(filter: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        condition(filter)
