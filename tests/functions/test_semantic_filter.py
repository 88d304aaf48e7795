from __future__ import annotations

import json

import psycopg
import pytest
from database import value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import errors, sql

HOSTILE = ["it's", 'a "quoted" name', "x; DROP TABLE item; --", "100%", "%s %(x)s", "$1", "a\\b", "größe", "or", "t.id"]

# Condition, and the same in SQL.
SAME = [
    ({"id": 5}, "id = 5"),
    ({"id": "5"}, "id = 5"),
    ({"id": {"=": 5}}, "id = 5"),
    ({"id": 99999999999}, "false"),
    ({"id": {"<": 2.5}}, "id < 2.5"),
    ({"id": {">=": 3, "<": 6}}, "id >= 3 AND id < 6"),
    ({"id": {">": 3, "<=": 6, "!=": 5, "<>": 4}}, "id = 6"),
    ({"id": [1, 2, 99]}, "id IN (1, 2)"),
    ({"id": {"IN": [1, 2]}}, "id IN (1, 2)"),
    ({"id": {"not in": [1, 2]}}, "id NOT IN (1, 2)"),
    ({"id": []}, "false"),
    ({"id": {"not in": []}}, "true"),
    ({"code": None}, "code IS NULL"),
    ({"code": {"!=": None}}, "code IS NOT NULL"),
    ({"code": ["abc", None]}, "code = 'abc' OR code IS NULL"),
    ({"code": {"not in": ["abc", None]}}, "code IS NOT NULL AND code <> 'abc'"),
    ({"code": {"not in": ["abc"]}}, "code IS DISTINCT FROM 'abc'"),
    ({"code": {"like": "a%"}}, "code LIKE 'a%'"),
    ({"code": {"NOT LIKE": "a%"}}, "code NOT LIKE 'a%'"),
    ({"code": {"ilike": "A%"}}, "code ILIKE 'A%'"),
    ({"code": {"not ilike": "A_C"}}, "code NOT ILIKE 'A_C'"),
    # Longer, finer and larger than the column's type: compared as they are written.
    ({"code": "abcdef"}, "false"),
    ({"code": ["abcdef"]}, "false"),
    ({"price": {"<": 1.2349}}, "price < 1.2349"),
    ({"price": {"<": 100000000}}, "price < 100000000"),
    ({"price": 1.23}, "price = 1.23"),
    ('{"price": {">": 1.229999999999999999999999}}', "price > 1.229999999999999999999999"),
    ({"padded": "ab"}, "padded = 'ab'"),
    ({"flag": True}, "flag"),
    ({"flag": [False, None]}, "flag IS NOT TRUE"),
    ({"day": {">=": "2024-02-29", "<": "2024-03-01"}}, "day = '2024-02-29'"),
    ({"at": "2024-02-29T12:00:00+02:00"}, "at = '2024-02-29 10:00:00+00'"),
    ({"ident": "00000000-0000-0000-0000-000000000003"}, "id = 3"),
    ({"tags": {"@>": ["a"]}}, "tags @> '{a}'"),
    ({"tags": {"@>": ["a", 'b,"c"']}}, "tags @> ARRAY['a', 'b,\"c\"']"),
    ({"tags": 'b,"c"'}, "id % 2 = 0"),
    ({"tags": ["z", 'b,"c"']}, "id % 2 = 0"),
    ({"tags": "{a}"}, "false"),
    ({"doc.n.1": {">": 28}}, "id IN (29, 30)"),
    ({"or": [{"id": 3}, {"code": "abc", "id": {"between": [1, 4]}}]}, "id = 3 OR code = 'abc' AND id <= 4"),
    ({"not": {"code": "abc"}}, "code IS DISTINCT FROM 'abc'"),
    ({"doc": {"@>": {"n": [1], "x": 0.10}}}, """doc @> '{"n": [1], "x": 0.1}'"""),
    ({"doc": {"@>": {"n": ["1"]}}}, "false"),
    ({"id": {"<": 8}, "code": "abc", "flag": True}, "id < 8 AND code = 'abc' AND flag"),
    ({"spot": None}, "spot IS NULL"),
    ({}, "true"),
]

WRONG = [
    ("[]", errors.InvalidParameterValue),
    ("null", errors.InvalidParameterValue),
    ('"id = 1"', errors.InvalidParameterValue),
    ('{"nope": 1}', errors.InvalidParameterValue),
    ('{"ID": 1}', errors.InvalidParameterValue),
    ('{"": 1}', errors.InvalidParameterValue),
    ('{"ctid": "(0,1)"}', errors.InvalidParameterValue),
    ('{"id; DROP TABLE item": 1}', errors.InvalidParameterValue),
    ('{"id": {"= 1 OR 1 =": 1}}', errors.InvalidParameterValue),
    ('{"id": {"~": "1"}}', errors.InvalidParameterValue),
    ('{"id": {"": 1}}', errors.InvalidParameterValue),
    ('{"id": {"in": 1}}', errors.InvalidParameterValue),
    ('{"id": {"in": null}}', errors.InvalidParameterValue),
    ('{"id": {"<": null}}', errors.InvalidParameterValue),
    ('{"id": {"<": [1]}}', errors.InvalidParameterValue),
    ('{"id": {"=": {"=": 1}}}', errors.InvalidParameterValue),
    ('{"code": {"like": null}}', errors.InvalidParameterValue),
    ('{"doc": {"@>": null}}', errors.InvalidParameterValue),
    ('{"id": "abc"}', errors.InvalidParameterValue),
    ('{"id": [1, "abc"]}', errors.InvalidParameterValue),
    ('{"id": "1 OR 1=1"}', errors.InvalidParameterValue),
    ('{"id": "99999999999"}', errors.InvalidParameterValue),
    ('{"day": "yesterday OR true"}', errors.InvalidParameterValue),
    ('{"or": {"id": 1}}', errors.InvalidParameterValue),
]


@pytest.fixture
def item(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(
        "CREATE TABLE item (id int PRIMARY KEY, body text, code varchar(3), price numeric(5, 2), padded char(5),"
        " flag boolean, day date, at timestamptz, ident uuid, tags text[], doc jsonb,"
        " spot vector(2))"
    )
    db.execute("""
        INSERT INTO item SELECT n, 'item number ' || n, (ARRAY['abc', 'xyz', NULL])[1 + n % 3], 1 + 0.01 * n,
            repeat('ab', n % 2), (ARRAY[true, false, NULL])[1 + n % 3], '2024-02-20'::date + n,
            '2024-02-29 10:00+00'::timestamptz + (n - 5) * interval '1 hour',
            ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid,
            CASE n % 2 WHEN 0 THEN ARRAY['a', 'b,"c"'] ELSE ARRAY['a'] END,
            jsonb_build_object('n', ARRAY[1, n], 'x', 0.1), (ARRAY['[1,2]', NULL]::vector[])[1 + n % 2]
        FROM generate_series(1, 30) n""")
    db.execute("CALL semantic_index('item', '{body}')")
    return db


def found(db: psycopg.Connection, filter: object, mode: str, table: str = "item") -> set[int]:
    query = "SELECT (s.key ->> 'id')::int FROM semantic_search('item number', %s, 10000, %s, %s) s"
    written = filter if isinstance(filter, str) else json.dumps(filter)
    return {id for (id,) in db.execute(query, (table, mode, written))}


def test_a_filter_means_what_sql_means(item: psycopg.Connection) -> None:
    for filter, where in SAME:
        expected = {id for (id,) in item.execute(f"SELECT id FROM item WHERE {where}")}
        for mode in ("vector", "text", "hybrid"):
            assert found(item, filter, mode) == expected, (filter, mode)


@pytest.mark.parametrize(("filter", "error"), WRONG)
def test_a_filter_that_cannot_be_is_told(item: psycopg.Connection, filter: str, error: type[Exception]) -> None:
    for mode in ("vector", "text", "hybrid"):
        with pytest.raises(error):
            item.execute("SELECT * FROM semantic_search('item', 'item', mode => %s, filter => %s)", (mode, filter))
    assert value(item, "SELECT count(*) FROM item") == 30


def test_any_column_name_and_value(db: psycopg.Connection) -> None:
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in HOSTILE)
    db.execute(sql.SQL("CREATE TABLE item (id int PRIMARY KEY, body text, {})").format(columns))
    for number, name in enumerate(HOSTILE):
        insert = sql.SQL("INSERT INTO item (id, body, {}) VALUES ({}, 'item number', {})")
        db.execute(insert.format(sql.Identifier(name), number, name))
    db.execute("CALL semantic_index('item', '{body}')")
    for number, name in enumerate(HOSTILE):
        for test in (name, [name], {"=": name}, {"in": [name, "other"]}, {"<=": name, ">=": name}):
            assert found(db, {name: test}, "hybrid") == {number}, (name, test)
        assert found(db, {name: f"{name}' OR true --"}, "hybrid") == set()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
def test_any_text_is_only_a_value(item: psycopg.Connection, text: str) -> None:
    item.execute("UPDATE item SET tags = ARRAY[%s] WHERE id = 1", (text,))
    item.execute("CREATE TABLE IF NOT EXISTS word (id int PRIMARY KEY, body text, w text)")
    item.execute(
        "INSERT INTO word VALUES (1, 'item number', %s) ON CONFLICT (id) DO UPDATE SET w = excluded.w", (text,)
    )
    item.execute("CALL semantic_index('word', '{body}', method => 'none')")
    assert found(item, {"w": text}, "vector", "word") == {1}
    assert found(item, {"w": {"!=": text}}, "vector", "word") == set()
    assert 1 in found(item, {"tags": {"@>": [text]}}, "vector")
