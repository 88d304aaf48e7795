from __future__ import annotations

from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import Call
from pg_llm.ask import schema_reader
from pg_llm.database import models
from pg_llm.database.connection import DatabaseError
from pg_llm.errors import InvalidInput

WRITER, BOOK = 16401, 16402
LISTED = "ORDER BY c.oid LIMIT 25"
RANKED = "AS score FROM readable AS r"


def select(db: Any, question: str) -> list[int]:
    return schema_reader.select_tables(db, question, None, models.find(db, None, "embedding")).oids


@pytest.fixture
def many(library: Any) -> Any:
    """More tables than are read: two of them are ranked first, and one more is joined to these."""
    tables = [{"oid": oid, "relkind": "r", "relation": f"public.t{oid}", "score": 0.0} for oid in range(30)]
    library.answer(LISTED, tables)
    library.answer(RANKED, [_ranked(WRITER, 3.0)])
    library.answer("SELECT k.confrelid FROM pg_constraint AS k", [_ranked(BOOK, 0.0)])
    library.answer("SELECT FROM llm.catalog LIMIT 1", [{}])
    return library


def _ranked(oid: int, score: float) -> dict[str, Any]:
    return {"oid": oid, "relkind": "r", "relation": f"public.{ {WRITER: 'writer', BOOK: 'book'}[oid] }", "score": score}


def test_of_many_tables_those_the_question_names_are_read_with_their_neighbours(many: Any, host: EchoHost) -> None:
    assert select(many, "How many writers are there?") == [WRITER, BOOK]
    (ranked,) = many.asked(RANKED)
    words = dict(zip(ranked.values[0], ranked.values[3], strict=True))
    assert words["writer"] == 1.0
    assert words["writ"] == 0.5
    assert ranked.values[1] is None
    assert not [request for request in host.requests if request.task == "embedding"]


def test_a_question_that_names_no_table_is_compared_by_meaning(many: Any, host: EchoHost) -> None:
    many.answer(RANKED, [_ranked(BOOK, 1.0)])
    select(many, "Who wrote most?")
    assert [request.inputs for request in host.requests if request.task == "embedding"] == [["Who wrote most?"]]
    assert many.asked(RANKED)[-1].values[2] == "echo"
    assert "public.vector" in many.asked(RANKED)[-1].query


def test_where_nothing_fits_no_table_is_read(many: Any) -> None:
    many.answer(RANKED)
    assert select(many, "Zorg?") == []


def test_chinese_words_are_parts_of_names(many: Any) -> None:
    select(many, "有多少作家在北京")
    (ranked, *_) = many.asked(RANKED)
    assert {"作家", "北京"} <= set(ranked.values[0])


def view(definition: str) -> Any:
    def resolved(call: Call) -> list[dict[str, Any]]:
        row = {"oid": WRITER, "relation": "public.writer", "readable": True, "strange": False, "trusted": False}
        kind = {"relkind": "v", "definition": definition} if call.values[1] == ["writer"] else {"relkind": "r"}
        return [{"definition": None, "place": 1} | row | kind for _ in call.values[1]]

    return resolved


def test_a_view_that_calls_what_is_refused_is_left_out_or_an_error(library: Any) -> None:
    library.answer("AS w (schema, name, place)", view("SELECT pg_sleep(1)"))
    assert select(library, "How many books?") == [BOOK]
    library.answer("SELECT DISTINCT relowner::int8 AS oid", [{"oid": 10}])
    with pytest.raises(InvalidInput, match="not to be asked about: the view public.writer calls pg_sleep"):
        schema_reader.select_tables(library, "How many?", [WRITER], None)


def selection(*oids: int) -> schema_reader.TableSelection:
    return schema_reader.TableSelection(list(oids), 10, "")


def test_tables_columns_and_keys_become_a_schema(library: Any) -> None:
    schema = schema_reader.read_schema(library, selection(WRITER, BOOK), ["public"])
    assert [table.name for table in schema.tables] == ["writer", "book"]
    assert [column.kind for column in schema.tables[1].columns] == ["number", "number", "text", "number", "date"]
    assert schema.tables[0].key == [0]
    (edge,) = schema.edges
    assert (edge.source, edge.target, edge.columns, edge.many_to_one) == (1, 0, ((1, 0),), True)


def keyless(library: Any) -> None:
    rules = {"oid": WRITER, "attnum": 1, "name": "wid", "sql": "wid", "type": "integer", "category": "N"}
    rules |= {"typname": "int4", "builtin": True, "nullable": True, "comment": "key of a writer", "description": None}
    library.answer("coalesce(b.typcategory, t.typcategory)", [rules | {"single": False, "key_place": None}])


def test_a_column_that_is_unique_in_the_rows_is_a_key(library: Any) -> None:
    keyless(library)
    library.answer("count(DISTINCT t.wid) = count(*) AS c0", [{"n": 3, "c0": True}])
    schema = schema_reader.read_schema(library, selection(WRITER), ["public"])
    assert schema.tables[0].key == [0]
    assert schema.tables[0].columns[0].phrases == ["key of a writer"]
    library.answer("count(DISTINCT t.wid) = count(*) AS c0", [{"n": 0, "c0": True}])
    assert not schema_reader.read_schema(library, selection(WRITER), ["public"]).tables[0].key


def test_a_lookup_that_fails_gives_no_rows(library: Any) -> None:
    lookup = selection(WRITER).lookup(library)
    library.fail("SELECT x FROM public.writer", DatabaseError("division by zero", "22012"))
    assert lookup.rows(f"SELECT x FROM {schema_reader.TABLE}", WRITER) == []
    assert library.messages == [("log", "pg_llm: values of public.writer were not looked up: 22012", None)]
    library.fail("SELECT x FROM public.writer", DatabaseError("canceling statement", "57014"))
    with pytest.raises(DatabaseError):
        lookup.rows(f"SELECT x FROM {schema_reader.TABLE}", WRITER)


def test_a_lookup_ends_with_its_time(library: Any) -> None:
    before = len(library.calls)
    assert schema_reader.ValueLookup(library, 10, deadline=0.0).rows("SELECT 1", WRITER) == []
    assert len(library.calls) == before


def test_many_tables_that_are_left_out_are_counted(library: Any) -> None:
    library.answer("regclass::text AS name", lambda call: [{"name": f"t{oid}"} for oid in call.values[0]])
    code = {oid: {"what": "index i", "owner": "eve"} for oid in range(5)}
    note = schema_reader.exclusion_note(library, code)
    assert note.startswith('left out: t0 (index i runs code of "eve"), t1')
    assert note.endswith(" and 2 more")
    assert schema_reader.exclusion_note(library, {}) == ""


def test_the_default_model_is_the_one_registered(library: Any) -> None:
    library.answer("LEFT JOIN llm.model AS m", [registered("mini")])
    assert models.find(library, None, "embedding").name == "mini"
