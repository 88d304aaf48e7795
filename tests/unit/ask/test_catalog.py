from __future__ import annotations

from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import Call, FakeConnection
from pg_llm.ask import catalog
from pg_llm.database.connection import DatabaseError
from pg_llm.errors import InvalidInput, UndefinedObject


@pytest.fixture
def known(db: FakeConnection, host: EchoHost) -> FakeConnection:
    db.answer("LEFT JOIN llm.model AS m", [registered()])
    db.answer("AS schema FROM pg_extension", [{"schema": "public"}])
    db.answer("pg_backend_pid()", [{"database": "d", "role": "r", "pid": 1, "command": "c", "target": "", "name": ""}])
    db.answer("FROM readable AS r", [entry(1, "", "orders", comment="what was bought"), entry(1, "qty", "qty")])
    db.answer('AS oid, "column"::text AS "column", model, content FROM llm.catalog')
    db.answer("DELETE FROM llm.catalog")
    db.answer("INSERT INTO llm.catalog")
    return db


def entry(
    oid: int, column: str, name: str, comment: str | None = None, description: str | None = None
) -> dict[str, Any]:
    return {"oid": oid, "column": column, "name": name, "comment": comment, "description": description}


def stored(db: FakeConnection, *rows: tuple[int, str, str, str]) -> None:
    keys = ("oid", "column", "model", "content")
    answer = [dict(zip(keys, row, strict=True)) for row in rows]
    db.answer('AS oid, "column"::text AS "column", model, content FROM llm.catalog', answer)


def test_names_are_embedded_in_words_with_what_is_said_of_them(known: FakeConnection, host: EchoHost) -> None:
    catalog.refresh(known, None)
    (inserted,) = known.asked("INSERT INTO llm.catalog")
    assert inserted.values[:4] == ([1, 1], ["", "qty"], "echo", ["order. what was bought", "quantity"])
    assert host.requests[-1].inputs == ["order. what was bought", "quantity"]
    assert "public.vector" in inserted.query
    assert known.commits == 3


def test_what_has_not_changed_is_not_embedded_again(known: FakeConnection, host: EchoHost) -> None:
    stored(known, (1, "", "echo", "order. what was bought"), (1, "qty", "other model", "quantity"))
    catalog.refresh(known, None)
    assert host.requests[-1].inputs == ["quantity"]


def test_entries_of_tables_that_are_no_more_are_deleted(known: FakeConnection) -> None:
    stored(known, (2, "", "echo", "gone"), (1, "old", "echo", "old"))
    catalog.refresh(known, None)
    (deleted,) = known.asked("DELETE FROM llm.catalog")
    assert deleted.values == ([1, 2], ["old", ""])


def test_entries_of_other_schemas_stay(known: FakeConnection) -> None:
    stored(known, (2, "", "echo", "gone"), (3, "", "echo", "elsewhere"))
    known.answer("to_regnamespace")
    known.answer("n.oid IS NULL OR n.nspname = ANY", [{"oid": 2}])
    catalog.refresh(known, ["sales"])
    assert known.asked("DELETE FROM llm.catalog")[0].values == ([2], [""])
    assert known.asked("FROM readable AS r")[0].values == (["sales"],)


def test_an_unknown_schema_is_an_error(known: FakeConnection) -> None:
    known.answer("to_regnamespace", [{"name": "nowhere"}])
    with pytest.raises(InvalidInput, match='there is no schema "nowhere"'):
        catalog.refresh(known, ["nowhere"])


@pytest.fixture
def described(db: FakeConnection) -> FakeConnection:
    db.answer("current_schemas(true)", [{"path": ["pg_catalog", "public"]}])
    db.answer("parse_ident", lambda call: [{"parts": call.values[0].split(".")}])
    db.answer("AS oid FROM pg_class AS c JOIN pg_namespace", _found)
    db.answer("DELETE FROM llm.description")
    db.answer("INSERT INTO llm.description")
    return db


def _found(call: Call) -> list[dict[str, Any]]:
    schema, table, column, _ = (call.values[0], call.values[1], call.values[3], call.values[2])
    there = table == "orders" and schema in (None, "public") and column in ("", "qty")
    return [{"oid": 7}] if there else []


@pytest.mark.parametrize(
    ("name", "column"), [("orders", ""), ("public.orders", ""), ("orders.qty", "qty"), ("public.orders.qty", "qty")]
)
def test_a_table_or_column_is_described(described: FakeConnection, name: str, column: str) -> None:
    catalog.describe(described, name, "how many")
    assert described.asked("INSERT INTO llm.description")[0].values == (7, column, "how many")
    assert described.asked("DELETE FROM llm.description")[0].values == (7, column)


def test_null_takes_a_description_back(described: FakeConnection) -> None:
    catalog.describe(described, "orders", None)
    assert described.asked("DELETE FROM llm.description")
    assert not described.asked("INSERT INTO llm.description")


def test_what_names_nothing_is_an_error(described: FakeConnection) -> None:
    for name in ("nothing", "orders.nothing", "a.b.c.d"):
        with pytest.raises(UndefinedObject, match="that you may read"):
            catalog.describe(described, name, "x")
    described.fail("parse_ident", DatabaseError("string is not a valid identifier", "22023"))
    with pytest.raises(UndefinedObject, match="not a name"):
        catalog.describe(described, "a..b", "x")
    described.fail("parse_ident", DatabaseError("out of memory", "53200"))
    with pytest.raises(DatabaseError, match="out of memory"):
        catalog.describe(described, "a", "x")
