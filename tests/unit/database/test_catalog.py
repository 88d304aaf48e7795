from __future__ import annotations

import pytest
from fake_catalog import FakeCatalog
from fake_connection import FakeConnection
from pg_llm.database import catalog, column_types, ownership
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import InsufficientPrivilege, InvalidInput

COLUMNS = {"id": "integer", "Code": "public.code", "note": "text"}


@pytest.fixture
def table(db: FakeConnection) -> catalog.Table:
    FakeCatalog(db).add("public.item", COLUMNS, key=["id", "Code"])
    return catalog.table(db, "item")


def test_a_table(table: catalog.Table) -> None:
    assert (table.relation, table.schema, table.owner) == ("public.item", "public", "ann")
    assert table.key == {"id": "integer", "Code": "public.code"}
    assert list(table.columns) == list(COLUMNS)
    assert str(table.oid) in table.tree


def test_fragments_run_no_foreign_code(table: catalog.Table) -> None:
    assert table.cell("Code") == 't."Code"'
    assert table.text("note") == "t.note::pg_catalog.text"
    # The output function, not a cast, writes the value of a type that somebody made.
    written = 'CASE WHEN t."Code" IS DISTINCT FROM NULL THEN pg_catalog.format(\'%s\', t."Code") END'
    assert table.text("Code") == written
    assert table.key_object == f"pg_catalog.jsonb_build_object('id', t.id, 'Code', {written})"
    assert table.object(["note", "Code"]) == f"pg_catalog.jsonb_build_object('note', t.note, 'Code', {written})"
    assert table.object([]) == "pg_catalog.jsonb_build_object()"
    assert table.keys("$1") == 'pg_catalog.jsonb_to_recordset($1) AS k (id integer, "Code" public.code)'
    assert table.one_key("$1").startswith("pg_catalog.jsonb_to_record($1) AS k (")
    assert table.same_key == 't.id = k.id AND t."Code"::public.code = k."Code"'


def test_an_object_of_many_columns_is_built_in_parts(db: FakeConnection) -> None:
    FakeCatalog(db).add("public.wide", {"id": "integer"} | {f"c{n}": "text" for n in range(119)})
    wide = catalog.table(db, "wide")
    parts = wide.object(wide.columns).split(" OPERATOR(pg_catalog.||) ")
    # Each pair of name and value is two of a function's hundred arguments.
    assert [part.count("t.") for part in parts] == [50, 50, 20]


def test_what_is_no_table(db: FakeConnection) -> None:
    fake = FakeCatalog(db)
    fake.add("public.v", {"id": "integer"}, kind="v")
    fake.add("public.k", {"id": "integer"}, key=())
    with pytest.raises(InvalidInput, match="there is no table t"):
        catalog.table(db, "t")
    with pytest.raises(InvalidInput, match=r"public\.v is not a table"):
        catalog.table(db, "v")
    with pytest.raises(InvalidInput, match=r"public\.k has no primary key") as raised:
        catalog.table(db, "k")
    assert raised.value.hint == "ALTER TABLE public.k ADD PRIMARY KEY (column);"


def test_partitions_of_some_kinds(db: FakeConnection, table: catalog.Table) -> None:
    db.answer("c.relkind::text = ANY(string_to_array($1, NULL))", [{"relation": "public.item_1"}])
    assert catalog.parts(db, table, "rp", "zz") == ["public.item_1"]
    assert db.calls[-1].values == ("rp", "zz")


def test_owners(db: FakeConnection, table: catalog.Table) -> None:
    assert ownership.oid(db, "item") == "20000"
    with pytest.raises(InvalidInput, match="target must not be NULL"):
        ownership.oid(db, None)
    ownership.check_owner(db, table)
    db.answer("AS may", lambda call: [{"may": call.values[0] != "ann"}])
    with pytest.raises(InsufficientPrivilege, match=r"must be owner of table public\.item") as raised:
        ownership.check_owner(db, table)
    assert raised.value.hint == 'Run it as a member of the role "ann".'


def test_columns_of_a_table(table: catalog.Table) -> None:
    assert ownership.columns(table, ["note", "id"]) == ["note", "id"]
    with pytest.raises(InvalidInput, match='has no column "code"') as raised:
        ownership.columns(table, ["code"])
    assert raised.value.hint == "It has: id, Code, note."


def test_types_of_columns(db: FakeConnection) -> None:
    rows = [{"name": "integer", "builtin": True, "composite": False, "jsonable": True}]
    db.answer("WITH RECURSIVE made_of", rows)
    assert column_types.of(db, [23]) == [ColumnType("integer", True, False, True)]
    assert db.calls[-1].values == ([23],)


def test_parameters_are_read_by_the_type_s_input_function() -> None:
    added = []

    def add(value: object, type_: str) -> str:
        added.append((value, type_))
        return "$1"

    mood = ColumnType("public.mood", False, False, False)
    integer = ColumnType("integer", True, False, True)
    assert integer.parameter(add, "1") == "$1::integer"
    assert integer.parameter(add, ["1"], array=True) == "$1::integer[]"
    assert mood.parameter(add, "fine") == "$1"
    assert mood.parameter(add, ["fine"], array=True) == "$1"
    assert added == [
        ("1", "pg_catalog.text"),
        (["1"], "pg_catalog.text[]"),
        ("fine", "public.mood"),
        (["fine"], "public.mood[]"),
    ]
    assert integer.number("t.a") == "t.a::pg_catalog.float8"
    assert mood.number("t.a").endswith("END::pg_catalog.float8")
    assert (integer.json("t.a"), integer.plain("t.a")) == ("t.a", "t.a")
