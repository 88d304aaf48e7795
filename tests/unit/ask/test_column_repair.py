"""Columns that a query looks for in the wrong table of its own."""

from __future__ import annotations

import json

import pytest
from pg_llm.ask import column_repair
from pg_llm.ask.host import sql_check
from pg_llm.ask.schema import Schema, SchemaColumn, SchemaTable

TABLES = {"town": ["town", "region"], "place": ["place_id", "street", "town"], "shop": ["id", "town", "rating"]}


def schema() -> Schema:
    return Schema(
        [
            SchemaTable(number, name, name, [SchemaColumn(column, column, "text", "text") for column in columns])
            for number, (name, columns) in enumerate(TABLES.items())
        ]
    )


JOINED = "FROM town AS T1 JOIN place AS T2 ON T1.town = T2.town JOIN shop AS T3 ON T2.place_id = T3.id"


@pytest.mark.parametrize(
    ("sql", "right"),
    [
        (f"SELECT avg(T2.rating), 'T2.rating' {JOINED}", f"SELECT avg(t3.rating), 'T2.rating' {JOINED}"),
        (f"SELECT T1.street, T2.region {JOINED}", f"SELECT t2.street, t1.region {JOINED}"),
        # An alias of no table.
        (f"SELECT T9.rating {JOINED}", f"SELECT t3.rating {JOINED}"),
        # Of three tables; of none; of a table that is not known; of an alias that stands for two.
        (f"SELECT T9.town {JOINED}", None),
        (f"SELECT T2.owner {JOINED}", None),
        ("SELECT x.rating FROM elsewhere AS x, shop", None),
        ("SELECT a.rating FROM town AS a WHERE EXISTS (SELECT FROM place AS a) AND EXISTS (SELECT FROM shop)", None),
        (f"SELECT T3.rating {JOINED}", None),
    ],
)
def test_a_column_is_looked_for_in_the_one_table_that_has_it(sql: str, right: str | None) -> None:
    told = json.loads(sql_check.run_in_worker(sql, "columns"))
    assert column_repair.repaired(told, schema()) == right
