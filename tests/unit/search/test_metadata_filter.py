from __future__ import annotations

import json
import re
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
        # A number that no integer is still compares with integers.
        ('{"year": {">=": 1990.50}}', "t.year >= $1::numeric", ["1990.50"]),
        ('{"year": [1, 2.5]}', "t.year = ANY($1::numeric[])", [["1", "2.5"]]),
        ('{"year": {">": 1, "<>": 5}}', "t.year > $1::integer AND NOT (t.year = $2", ["1", "5"]),
        ('{"Lang": {"ILIKE": "e%"}}', 't."Lang"::pg_catalog.text ILIKE $1', ["e%"]),
        ('{"year": null}', "t.year IS NULL", []),
        ('{"year": {"!=": null}}', "t.year IS NOT NULL", []),
        ('{"year": [1, 2]}', "(t.year = ANY($1::integer[]))", [["1", "2"]]),
        ('{"year": [1, null]}', "OR t.year IS NULL)", [["1"]]),
        ('{"year": {"not in": [1]}}', "IS NOT TRUE)", [["1"]]),
        ('{"mood": "fine"}', "(t.mood::public.mood = $1)", ["fine"]),
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
    # Numbers keep their digits.
    found, parameters = condition('{"extra": {"@>": {"size": [2.50, "2"], "é": null}}}')
    assert found == "t.extra @> $1::jsonb"
    assert parameters == [('{"size":[2.50,"2"],"\\u00e9":null}', "text")]


@pytest.mark.parametrize(
    ("filter", "sql"),
    [
        ('{"or": [{"year": 1}, {"year": 2, "Lang": "en"}]}', '((t.year = $1) OR (t.year = $2) AND (t."Lang" = $3))'),
        ('{"and": [{"year": 1}, {"or": [{"year": 2}]}]}', "((t.year = $1) AND ((t.year = $2)))"),
        ('{"not": {"year": 1}}', "(((t.year = $1)) IS NOT TRUE)"),
        ('{"not": [{"year": 1}, {"year": 2}]}', "(((t.year = $1) OR (t.year = $2)) IS NOT TRUE)"),
        ('{"or": []}', "(false)"),
        ('{"and": []}', "(true)"),
        ('{"year": {"between": [1, 2]}}', "(t.year BETWEEN $1 AND $2)"),
        ('{"year": {"not  BETWEEN": [1, 2]}}', "(t.year NOT BETWEEN $1 AND $2)"),
        ('{"year": {"is null": true}}', "t.year IS NULL"),
        ('{"year": {"is not null": false}}', "t.year IS NULL"),
        ('{"Lang": {"contains": "e"}}', 'strpos(t."Lang", $1) > 0'),
        ('{"tags": "a"}', "(t.tags @> $1)"),
        ('{"tags": {"!=": "a"}}', "NOT (t.tags @> $1)"),
        ('{"tags": ["a", "b"]}', "(t.tags && $1)"),
        ('{"tags": {"any": ["a", null]}}', "(t.tags && $1 OR t.tags IS NULL)"),
        ('{"tags": {"all": ["a"]}}', "t.tags @> $1"),
        ('{"tags": {"=": ["a"]}}', "(t.tags = $1)"),
        ('{"extra.size": 2}', "((t.extra #> $1) @> $2)"),
        ("{\"extra->a.b->>'c'\": null}", "((t.extra #> $1) #>> '{}') IS NULL"),
        ('{"extra.size": {"<": 2}}', "(jsonb_typeof((t.extra #> $1)) = 'number' AND (t.extra #> $1) < $2)"),
    ],
)
def test_logic_paths_and_arrays(filter: str, sql: str) -> None:
    assert (
        re.sub(r"(\$\d+|pg_catalog)(::|\.)[a-z.\[\]]+(::\w+(\[\])?)?", r"\1", condition(filter)[0]).replace(
            "::pg_catalog", ""
        )
        == sql
    )


def test_a_name_is_a_column_before_it_is_a_path_or_logic() -> None:
    text, jsonb = COLUMNS["Lang"], COLUMNS["extra"]
    columns = {"or": text, "not": jsonb, "a": jsonb, "a.b": jsonb, "a.b.c": text}

    def sql(filter: str) -> tuple[str, list[Any]]:
        values: list[Any] = []

        def add(value: Any, type_: str) -> str:
            values.append(value)
            return "?"

        return metadata_filter.condition(filter, columns, add), values

    assert sql('{"or": "x"}')[1] == ["x"]
    assert sql('{"or": ["x", "y"]}')[1] == [["x", "y"]]
    assert sql('{"or": [{"a.b.c": "x"}, {"or": "y"}]}')[1] == ["x", "y"]
    assert sql('{"not": {"=": 1}}')[1] == ["1"]
    assert sql('{"not": [{"or": "x"}]}')[1] == ["x"]
    assert sql('{"a.b.c": "x"}')[0] == '(t."a.b.c" = ?::text)'
    assert sql('{"a.b.d.0": "x"}') == ('((t."a.b" #> ?) @> ?::jsonb)', [["d", "0"], '"x"'])
    assert sql('{"a.c": "x"}') == ("((t.a #> ?) @> ?::jsonb)", [["c"], '"x"'])
    assert sql('{"a -> b.c": "x"}') == ("((t.a #> ?) @> ?::jsonb)", [["b.c"], '"x"'])


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
        ('{"extra": {"@>": null}}', '"@>" takes a value that is not null'),
        ('{"year": {"between": [1]}}', '"between" takes a list of two values'),
        ('{"year": {"between": [1, null]}}', '"between" takes a single value'),
        ('{"year": {"is null": 1}}', '"is null" takes true or false'),
        ('{"year": {"all": [1]}}', 'column "year" takes no operator "all"'),
        ('{"tags": {"<": "a"}}', 'array column "tags" takes no operator "<"'),
        ('{"tags": {"all": "a"}}', '"all" takes a list'),
        ('{"tags": [["a"]]}', '"in" takes a single value'),
        ('{"extra": {"size": 2}}', 'JSON value "extra" takes no operator "size"'),
        ('{"extra.size": {"between": [1, "2"]}}', "two values of one kind"),
        ('{"year.month": 1}', 'no column "year.month", nor a path into "year"'),
        ('{"or": {"year": 1}}', '"or" takes a list of filters'),
        ('{"or": [1]}', '"or" takes a list of filters'),
        ('{"not": 1}', '"not" takes a list of filters'),
        ('{"or": [{"size": 1}]}', 'no column "size"'),
        ('{"not":' * 60 + "{}" + "}" * 60, "at most 50 deep"),
        ("[" * 100_000, "at most 50 deep"),
        (json.dumps({"or": [{"year": 1}] * 1001}), "at most 1000 tests"),
    ],
)
def test_filters_that_are_none(filter: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        condition(filter)
