"""Schemas, mappings and sources: what is refused, and the SQL that reads a source."""

from __future__ import annotations

from typing import Any

import pytest
from fake_connection import FakeConnection
from pg_llm.database.catalog import Table
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import InvalidInput
from pg_llm.graph import mapping, schema
from pg_llm.graph import source as graph_source

TEXT = ColumnType("text", True, False, True)
NUMBER = ColumnType("integer", True, False, True)
PATIENT = Table(7, "public.patient", "ann", "public", {"id": "integer"}, {"id": NUMBER, "name": TEXT, "doctor": NUMBER})
ITEM = {
    "subject": "name",
    "subject_type": "patient",
    "predicate": "sees",
    "object": "doctor.name",
    "object_type": "doctor",
}


def graph(entity_types: Any = None, relation_types: str | None = None) -> dict[str, Any]:
    return {"id": 1, "name": "g", "entity_types": entity_types, "relation_types": relation_types}


@pytest.fixture
def db() -> FakeConnection:
    """A database in which the column `doctor` refers to the table public.doctor."""
    db = FakeConnection()
    columns = {3: ["id", "name"], 7: ["id", "name", "doctor"]}
    db.answer(
        "SELECT a.attname::text AS name, a.atttypid::int8 AS type",
        lambda call: [{"name": name, "type": 25} for name in columns[call.values[0]]],
    )
    db.answer(
        "WITH RECURSIVE made_of",
        lambda call: [{"name": "text", "builtin": True, "composite": False, "jsonable": True} for _ in call.values[0]],
    )
    db.answer(
        "FROM pg_constraint AS f",
        lambda call: (
            [{"oid": 3, "relation": "public.doctor", "key": "id", "childless": True}]
            if call.values == (7, "doctor")
            else []
        ),
    )
    return db


def patients(db: FakeConnection, kind: str = "columns", childless: bool = True) -> graph_source.Source:
    row = {
        "id": 2,
        "graph": 1,
        "kind": kind,
        "columns": ["name"],
        "mapping": '[{"subject": "name", "subject_type": "patient", "predicate": "sees", "object": "doctor.name",'
        ' "object_type": "doctor"}]',
        "childless": childless,
        "graph_name": "g",
    }
    keys = graph_source.foreign_keys(db, PATIENT, ["name", "doctor.name"])
    return graph_source.Source(row, PATIENT, keys)


@pytest.mark.parametrize(
    ("types", "relations", "message"),
    [
        ([], None, "entity_types must not be empty"),
        (None, [], "relation_types must not be empty"),
        (None, "treats", "must be a JSON list of names or a JSON object"),
        (None, [1], "must be a JSON list of names or a JSON object"),
        (None, [""], "not a name"),
        (None, ["x" * 201], "not a name"),
        (None, {"treats": 1}, "described by no JSON object"),
        (None, {"treats": {"subjects": "Drug"}}, 'has no property "subjects"'),
        (None, {"treats": {"subject": 1}}, "must be a text or a list of texts"),
        (None, {"treats": {"words": []}}, "is an empty list"),
        (None, {"treats": {"description": 1}}, "is no text"),
        (None, {"treats": {"functional": "yes"}}, "neither true nor false"),
        (["Drug"], {"treats": {"object": "Disease"}}, "not among entity_types"),
        (None, {"a": {"words": ["Treat"]}, "b": {"words": ["heal", "treat"]}}, 'both said by "treat"'),
        (None, {f"r{number}": {} for number in range(1001)}, "1000 can be told apart"),
    ],
)
def test_schemas_that_are_none_are_refused(types: Any, relations: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        schema.parse(types, relations)


def test_a_schema_has_the_types_of_its_relations() -> None:
    parsed = schema.parse(None, {"treats": {"subject": "Drug", "object": ["Disease", "Drug"], "functional": True}})
    assert parsed.types == [("Drug", None), ("Disease", None)]
    assert parsed.relation_types is not None
    assert parsed.relation_types["treats"].to_wire() == {
        "subject": ["Drug"],
        "object": ["Disease", "Drug"],
        "words": [],
        "description": None,
    }
    # A relation without a range may lead anywhere.
    assert schema.parse(None, {"treats": {"subject": "Drug"}}).types is None
    assert schema.parse(["Drug: a medicine"], None).types == [("Drug", "a medicine")]
    # One word may express two relations between other types.
    schema.parse(None, {"a": {"words": ["treat"], "object": "X"}, "b": {"words": ["treat"], "object": "Y"}})


def test_functional_predicates_are_those_of_the_schema() -> None:
    assert schema.functional_predicates(graph(None, '{"born in": {"functional": true}, "knows": {}}')) == ["born in"]
    assert schema.functional_predicates(graph()) == []


def test_a_graph_allows_the_types_of_its_schema() -> None:
    validator = schema.SchemaValidator(graph(["person"], '["knows"]'))
    validator.check_type("person")
    validator.check_predicate("knows")
    with pytest.raises(InvalidInput, match='the graph "g" has no entity type "city"'):
        validator.check_type("city")
    with pytest.raises(InvalidInput, match='the graph "g" has no relation type "hates"'):
        validator.check_predicate("hates")
    schema.SchemaValidator(graph()).check_type("anything")


@pytest.mark.parametrize("given", ["[]", "3", "null", '"x"'])
def test_a_mapping_is_a_list_of_objects(given: str) -> None:
    with pytest.raises(InvalidInput, match="mapping must be a JSON list of objects"):
        mapping.parse(given)


@pytest.mark.parametrize(
    "item",
    [1, {}, {"object": "name"}, {"subject": ""}, {"subject": "name", "predicate": "p"}, {"subject": "name", "x": "y"}],
)
def test_parts_of_a_mapping_that_do_not_fit_are_refused(db: FakeConnection, item: Any) -> None:
    with pytest.raises(InvalidInput, match="each part of a mapping has a subject"):
        mapping.complete(db, [item], graph(), PATIENT)


def test_types_of_a_mapping_are_filled_in(db: FakeConnection) -> None:
    items = mapping.parse('{"subject": "name", "predicate": "sees", "object": "doctor.name"}')
    assert mapping.complete(db, items, graph(), PATIENT) == [ITEM]
    (own,) = mapping.complete(db, [{"subject": "name", "predicate": "is", "object": "id"}], graph(), PATIENT)
    assert own["object_type"] == "id"
    with pytest.raises(InvalidInput, match='no entity type "doctor"'):
        mapping.complete(db, items, graph(["patient"]), PATIENT)
    with pytest.raises(InvalidInput, match='no relation type "sees"'):
        mapping.complete(db, items, graph(None, '["knows"]'), PATIENT)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("nothing", 'has no column "nothing"'),
        ("doctor.rank", 'public.doctor has no column "rank"'),
        ("id.name", "is no foreign key of one column"),
    ],
)
def test_columns_that_do_not_exist_are_refused(db: FakeConnection, column: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        graph_source.foreign_keys(db, PATIENT, [column])


def test_a_source_is_joined_with_what_it_refers_to(db: FakeConnection) -> None:
    source = patients(db)
    assert source.columns_read == ["name", "doctor.name"]
    assert source.foreign_oids == [3]
    assert source.from_clause == ("ONLY public.patient AS t LEFT JOIN ONLY public.doctor AS j0 ON j0.id = t.doctor")
    assert source.from_clause_over("part").startswith("part AS t LEFT JOIN")
    assert "'name', t.name::pg_catalog.text" in source.content
    assert "'doctor.name', j0.name::pg_catalog.text" in source.content
    assert patients(db, childless=False).from_item == "public.patient"


def test_the_hash_changes_with_the_reader(db: FakeConnection) -> None:
    source = patients(db)
    assert source.hash("a") != source.hash("b")
    assert source.hash("a") == source.hash("a")
    assert source.content in source.hash("a")


def test_a_row_is_visible_with_all_that_it_refers_to(db: FakeConnection) -> None:
    query = patients(db).visibility_query
    assert "FROM pg_catalog.jsonb_to_record($1::jsonb)" in query
    assert "t.doctor IS NULL OR EXISTS (SELECT FROM ONLY public.doctor AS j" in query


@pytest.mark.parametrize(
    "forged", ["{}", "[1]", '[{"subject": 1}]', '[{"subject": "a", "subject_type": "b", "object": "c"}]']
)
def test_a_forged_mapping_is_refused(forged: str) -> None:
    with pytest.raises(InvalidInput, match="not what graph_add_columns"):
        graph_source.mapping({"mapping": forged})


def test_sources_are_read_from_the_registry(db: FakeConnection) -> None:
    row = {**patients(db).row, "target": 7, "columns": ["name"]}
    db.answer("FROM llm.graph_source AS s JOIN llm.graph AS g", [row])
    db.answer(
        "SELECT c.oid::bigint AS oid",
        [{"oid": 7, "relkind": "r", "schema": "public", "relation": "public.patient", "owner": "ann"}],
    )
    db.answer("i.indisprimary", [{"name": "id"}])
    source = graph_source.by_id(db, 2)
    assert (source.id, source.graph, source.foreign_oids) == (2, 1, [3])
    assert [each.id for each in graph_source.of_graph(db, 1)] == [2]
    db.answer("FROM llm.graph_source AS s JOIN llm.graph AS g", [{**row, "columns": ["gone"]}])
    with pytest.raises(InvalidInput, match='reads the column "gone" of public.patient, which is gone'):
        graph_source.by_id(db, 2)
    db.answer("FROM llm.graph_source AS s JOIN llm.graph AS g", [{**row, "target": None}])
    with pytest.raises(InvalidInput, match="there is no source 2"):
        graph_source.by_id(db, 2)
    db.answer("s.kind = 'import'", [{"target": 7}])
    assert [table.oid for table in graph_source.import_tables(db, 1)] == [7]


def test_a_table_with_children_is_scanned_with_them(db: FakeConnection) -> None:
    db.answer("SELECT c.relkind = 'r' AND NOT c.relhassubclass AS childless", [{"childless": True}])
    assert graph_source.from_item(db, PATIENT) == "ONLY public.patient"
    db.answer("SELECT c.relkind = 'r' AND NOT c.relhassubclass AS childless", [{"childless": False}])
    assert graph_source.from_item(db, PATIENT) == "public.patient"
