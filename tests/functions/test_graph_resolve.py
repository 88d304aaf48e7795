from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
TABLES = ("graph", "graph_source", "graph_row", "entity", "relation", "evidence", "merge")
MAPPING = json.dumps([
    {"subject": "name", "subject_type": "company", "predicate": "phone", "object": "phone"},
    {"subject": "name", "subject_type": "company", "predicate": "city", "object": "city"},
    {"subject": "boss", "subject_type": "person", "predicate": "leads", "object": "name", "object_type": "company"},
])  # fmt: skip
ROWS = [
    (1, "Nordwind Logistics", "040 555 1234", "Hamburg", "Anna Berg"),
    (2, "Nordwind Logistics", "040 555 1234", "Hamburg", "Anna Berg"),
    (3, "Nordwind Logistics GmbH", "040 555 1234", "Hamburg", "A. Berg"),
    (4, "Südwind Logistics", "089 555 9876", "Munich", "Paul Hold"),
    (5, "Nordwind Bakery", "040 555 7777", "Hamburg", "Eva Stein"),
    (6, "Bluestone Mining", "020 111 2222", "Leeds", "Tom Ford"),
    (7, "Blue Stone Mining Ltd.", "020 111 2222", "Leeds", "Tom Ford"),
]


@pytest.fixture
def firms(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("CREATE TABLE firm (id int PRIMARY KEY, name text, phone text, city text, boss text)")
    for row in ROWS:
        db.execute("INSERT INTO firm VALUES (%s, %s, %s, %s, %s)", row)
    db.execute("SELECT graph_create('firms')")
    db.execute("CALL graph_add_columns('firms', 'firm', %s)", (MAPPING,))
    return db


def contents(db: psycopg.Connection) -> dict[str, list[Any]]:
    return {
        name: db.execute(f"SELECT to_jsonb(t) FROM llm.all_{name} AS t ORDER BY to_jsonb(t)::text").fetchall()
        for name in TABLES
    }


def number(db: psycopg.Connection, name: str) -> int:
    return int(str(value(db, "SELECT id FROM llm.all_entity WHERE name = %s ORDER BY id LIMIT 1", name)))


def merged(db: psycopg.Connection, call: str = "graph_resolve('firms')") -> set[tuple[str, str]]:
    return {(row[0], row[1]) for row in db.execute(f"SELECT name, merged_name FROM {call}")}


FOUND = {("Nordwind Logistics", "Nordwind Logistics GmbH"), ("Bluestone Mining", "Blue Stone Mining Ltd."),
         ("Anna Berg", "A. Berg")}  # fmt: skip


def test_names_of_one_thing_are_merged_and_others_left(firms: psycopg.Connection) -> None:
    rows = firms.execute("SELECT * FROM graph_resolve('firms')").fetchall()
    print(rows)
    assert {(row[1], row[3]) for row in rows} == FOUND
    assert merged(firms) == set()
