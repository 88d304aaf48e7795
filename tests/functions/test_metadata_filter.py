"""Filters as SQL on a real table, against a reading of their own in Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pg_llm.database import column_types
from pg_llm.database.psycopg_connection import PsycopgConnection
from pg_llm.errors import InvalidInput
from pg_llm.search import metadata_filter

Filter = dict[str, Any]
ROWS: list[dict[str, Any]] = [
    {
        "id": number,
        "n": None if number % 7 == 0 else number % 5 - 1,
        "word": (None, "", "ab", "ABc", "größe", "a%_")[number % 6],
        "flag": (None, True, False)[number % 3],
        "tags": (None, [], ["x"], ["x", "y'\"{,"], ["z", "x", "z"])[number % 5],
        "numbers": (None, [], [1], [1, 2, 3])[number % 4],
        "moods": (None, ["fine"], ["fine", "bad one"])[number % 3],
        "mood": (None, "fine", "bad one")[number % 3],
        "meta": (
            None,
            {},
            {"a": None},
            {"a": 1, "b": {"c": "x"}},
            {"a": "1", "b": {"c": ["x", 2]}},
            {"a": 2.50, "b": {"c": "y"}},
            {"a": [1, 2], "b": []},
            {"a": True, "b": "x"},
            [1],
            {"a": -1e30, "b": {"c": 2}},
            {"a": {"d": 1}},
        )[number % 11],
    }
    for number in range(1, 80)
]
TYPES = {
    "id": "int PRIMARY KEY",
    "n": "smallint",
    "word": "text",
    "flag": "boolean",
    "tags": "text[]",
    "numbers": "bigint[]",
    "moods": "mood[]",
    "mood": "mood",
    "meta": "jsonb",
}
# Also as columns of another type that must behave alike.
ALIKE = {"word": "varchar(20)", "meta": "json", "n": "ndomain"}


@pytest.fixture
def client(db: psycopg.Connection) -> Iterator[PsycopgConnection]:
    db.execute("CREATE TYPE mood AS ENUM ('fine', 'bad one')")
    db.execute("CREATE DOMAIN ndomain AS numeric(4, 1)")
    db.execute("CREATE TYPE pair AS (a int, b text)")
    columns = [f"{name} {type_}" for name, type_ in TYPES.items()]
    columns += [f"other_{name} {type_}" for name, type_ in ALIKE.items()]
    db.execute(
        f'CREATE TABLE item ({", ".join(columns)}, "or" text, at timestamptz, spot point, two pair, twos pair[])'
    )
    names = [*TYPES, *(f"other_{name}" for name in ALIKE)]
    with db.cursor() as cursor:
        for row in ROWS:
            values = [row[name.removeprefix("other_")] for name in names]
            written = [
                json.dumps(v) if "meta" in n and v is not None else v for n, v in zip(names, values, strict=True)
            ]
            cursor.execute(f"INSERT INTO item ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})", written)
    db.execute("UPDATE item SET \"or\" = 'x', two = (1, 'a'), twos = ARRAY[(1, 'a')::pair], at = 'epoch' WHERE id = 5")
    with psycopg.connect(db.info.dsn) as connection:
        connection.execute("SET search_path = pg_catalog, pg_temp")
        yield PsycopgConnection(connection, trusted=True)


def found(db: PsycopgConnection, filter: Filter | str) -> set[int]:
    """The ids of the rows that pass."""
    written = filter if isinstance(filter, str) else json.dumps(filter)
    oid = db.rows("SELECT 'public.item'::regclass::oid::int8 AS oid")[0]["oid"]
    columns = column_types.of_relation(db, oid)
    metadata_filter.check(db, written, columns)
    types: list[str] = []
    values: list[Any] = []

    def add(value: Any, type_: str) -> str:
        types.append(type_)
        values.append(value)
        return f"${len(values)}"

    condition = metadata_filter.condition(written, columns, add)
    with db.savepoint():
        rows = db.query_unprepared(f"SELECT t.id FROM public.item AS t WHERE {condition}", types, values)
    return {row["id"] for row in rows}


def passes(row: dict[str, Any], filter: Filter) -> bool:
    """Whether the filter lets a row pass, as the manual says."""
    return all(_passes(row, name, test) for name, test in filter.items())


def _passes(row: dict[str, Any], name: str, test: Any) -> bool:
    if name == "or":
        return any(passes(row, member) for member in test)
    if name == "and":
        return all(passes(row, member) for member in test)
    if name == "not":
        return not any(passes(row, member) for member in (test if isinstance(test, list) else [test]))
    column, *path = name.removeprefix("other_").split(".")
    value = row[column]
    for step in path:
        value = _step(value, step)
    tests = test if isinstance(test, dict) else {"in" if isinstance(test, list) else "=": test}
    return all(_holds(value, column == "meta", operator, operand) for operator, operand in tests.items())


def _step(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    return value[int(step)] if isinstance(value, list) and step.isdigit() and int(step) < len(value) else None


def _same(a: Any, b: Any) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _equal(value: Any, operand: Any) -> bool:
    if isinstance(value, list) and not isinstance(operand, list | dict):
        return any(_same(element, operand) for element in value)
    return _same(value, operand)


def _comparable(value: Any, operand: Any, as_json: bool) -> bool:
    kinds = {str: 1, bool: 2, int: 3, float: 3}
    return not as_json or kinds.get(type(value)) == kinds.get(type(operand))


def _holds(value: Any, as_json: bool, operator: str, operand: Any) -> bool:
    order: dict[str, Callable[[Any, Any], bool]] = {
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }
    if operator == "is null":
        return (value is None) == operand
    if operator == "=":
        return value is None if operand is None else value is not None and _equal(value, operand)
    if operator == "!=":
        return value is not None and (operand is None or not _equal(value, operand))
    if operator in ("in", "any"):
        return (None in operand) if value is None else any(_equal(value, one) for one in operand if one is not None)
    if operator == "not in":
        return not _holds(value, as_json, "in", operand)
    if value is None:
        return False
    if operator in order:
        return _comparable(value, operand, as_json) and order[operator](value, operand)
    if operator == "between":
        return _comparable(value, operand[0], as_json) and operand[0] <= value <= operand[1]
    if operator == "contains" and isinstance(value, str) and not as_json:
        return operand in value
    if operator == "contains" and not isinstance(operand, list):
        return _equal(value, operand)
    assert operator in ("all", "contains")
    return isinstance(value, list) and all(_equal(value, one) for one in operand)


def conditions_on(names: list[str], values: st.SearchStrategy[Any], ordered: bool, array: bool = False) -> Any:
    """Conditions on one of these columns."""
    lists = st.lists(st.none() | values, max_size=3)
    operators = [
        values,
        st.none(),
        lists,
        st.fixed_dictionaries({"=": values}),
        st.fixed_dictionaries({"!=": st.none() | values}),
        st.fixed_dictionaries({"in": lists}),
        st.fixed_dictionaries({"not in": lists}),
        st.fixed_dictionaries({"is null": st.booleans()}),
    ]
    if ordered:
        operators += [st.fixed_dictionaries({sign: values}) for sign in ("<", "<=", ">", ">=")]
        pairs = st.tuples(values, values).map(list)
        operators.append(st.fixed_dictionaries({"between": pairs}))
    if array:
        some = st.lists(values, max_size=3)
        operators += [
            st.fixed_dictionaries({"any": some, "all": some}),
            st.fixed_dictionaries({"contains": values | some}),
        ]
    return st.dictionaries(st.sampled_from(names), st.one_of(operators), min_size=1, max_size=1)


WORDS = st.sampled_from(["", "ab", "ABc", "größe", "a%_", "x", "zz", "'; --"])
SMALL = st.integers(-2, 4)
JSON_VALUES = st.sampled_from(["x", "1", "y", "", True, False, 1, 2, 2.5, -1e30])
LEAVES = st.one_of(
    conditions_on(["n", "other_n", "id"], SMALL | st.sampled_from([0.5, 10**12]), ordered=True),
    conditions_on(["word", "other_word"], WORDS, ordered=True),
    conditions_on(["flag"], st.booleans(), ordered=True),
    conditions_on(["mood"], st.sampled_from(["fine", "bad one"]), ordered=False),
    conditions_on(["tags"], st.sampled_from(["x", "z", "y'\"{,", "{x}"]), ordered=False, array=True),
    conditions_on(["numbers"], SMALL, ordered=False, array=True),
    conditions_on(["moods"], st.sampled_from(["fine", "bad one", "none"]), ordered=False, array=True),
    conditions_on(
        ["meta.a", "other_meta.a", "meta.b.c", "meta.b.c.1", "meta.0"], JSON_VALUES, ordered=False, array=True
    ),
    conditions_on(["meta.a", "other_meta.b.c", "meta.b.c"], st.sampled_from(["x", "1", "y"]), ordered=True),
    conditions_on(["meta.a", "meta.b.c"], st.sampled_from([1, 2, 2.5, -1e30]), ordered=True),
    st.builds(lambda word: {"word": {"contains": word}}, WORDS),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda word, parts: {word: parts},
            st.sampled_from(["or", "and", "not"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda part: {"not": part}, inner),
        st.builds(lambda a, b: {**a, **b}, inner, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(FILTERS)
def test_a_filter_passes_the_rows_that_it_says(client: PsycopgConnection, filter: Filter) -> None:
    assert found(client, filter) == {row["id"] for row in ROWS if passes(row, filter)}, filter


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"or": "x"}, {5}),
        ({"two": "(1,a)"}, {5}),
        ({"two": ["(1,a)", None]}, {row["id"] for row in ROWS}),
        ({"twos": "(1,a)"}, {5}),
        ({"at": {">=": "1970-01-01T00:00Z"}}, {5}),
        ({"at": {"between": ["1969-12-31", "1970-01-02"]}}, {5}),
        ({"meta.a": {"like": "2._"}}, {row["id"] for row in ROWS if row["id"] % 11 == 5}),
        ({"meta": {"@>": {"b": {"c": 2}}}}, {row["id"] for row in ROWS if row["id"] % 11 == 9}),
        ({"meta->'b'->>'c'": "y"}, {row["id"] for row in ROWS if row["id"] % 11 == 5}),
        ({"meta": {"=": [1]}}, {row["id"] for row in ROWS if row["id"] % 11 == 8}),
    ],
)
def test_other_columns(client: PsycopgConnection, filter: Filter, expected: set[int]) -> None:
    assert found(client, filter) == expected


@pytest.mark.parametrize(
    "filter",
    [
        {"id": "abc"},
        {"id": [1, "abc"]},
        {"id": "1 OR 1=1"},
        {"id": "99999999999"},
        {"numbers": "x"},
        {"numbers": {"any": ["99999999999999999999"]}},
        {"flag": "perhaps"},
        {"mood": "nope"},
        {"at": "yesterday or true"},
        {"at": {"<": "2024-02-30"}},
        {"other_n": "x"},
        {"spot": "(1,2)"},
        {"spot": {"<": "x"}},
        {"id": {"contains": 1}},
    ],
)
def test_a_value_that_does_not_fit_its_column_is_told(client: PsycopgConnection, filter: Filter) -> None:
    for written in (filter, {"or": [filter, {"id": 1}]}, {"id": -1, "not": filter}):
        with pytest.raises(InvalidInput, match="filter: ") as error:
            found(client, written)
        assert error.value.hint
    assert found(client, {"id": 1}) == {1}


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("ab{}\",'\\%", max_size=6),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    [
                        *TYPES,
                        *ALIKE,
                        "or",
                        "not",
                        "and",
                        "meta.a",
                        "spot",
                        "two",
                        "at",
                        "=",
                        "in",
                        "<",
                        "contains",
                        "all",
                        "between",
                        "like",
                        "is null",
                    ]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_filter_or_told(client: PsycopgConnection, filter: Any) -> None:
    try:
        found(client, json.dumps(filter))
    except InvalidInput as error:
        assert error.hint
