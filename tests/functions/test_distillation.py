"""llm_distill: a static model of an encoder, with and without texts, which every function takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import small_encoder
from database import value
from psycopg import errors


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pg_llm-distillation-") as made:
        # The server is another user.
        Path(made).chmod(0o755)
        yield small_encoder.save(Path(made) / "model")


@pytest.fixture
def base(db: psycopg.Connection, folder: Path) -> psycopg.Connection:
    db.execute(
        "SELECT llm_register_model('small', 'embedding', %s, options => %s)",
        (f"path:{folder}", '{"precision": "fp32"}'),
    )
    return db


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_a_static_model_is_made_and_used_like_any_other(base: psycopg.Connection, engine: str) -> None:
    base.execute(f"SET llm.engine = '{engine}'")
    base.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    base.execute("""
        INSERT INTO note SELECT n, format('%s of the %s is %s today, note %s.', a, b, c, n)
        FROM generate_series(1, 300) AS n,
        LATERAL (SELECT (ARRAY['price', 'colour', 'weight', 'length'])[1 + n % 4]) AS one (a),
        LATERAL (SELECT (ARRAY['kettle', 'bicycle', 'novel', 'garden', 'planet'])[1 + n % 5]) AS two (b),
        LATERAL (SELECT (ARRAY['low', 'red', 'unknown'])[1 + n % 3]) AS three (c)""")
    told = value(
        base, "SELECT llm_distill('fast', 'small', vocabulary_query => 'SELECT body FROM note', options => %s)",
        '{"dimensions": 64}',
    )  # fmt: skip
    assert (told["model"], told["method"], told["dimensions"]) == ("fast", "static", 64)
    assert told["sentences"] == 240
    assert told["agreement"] > told["agreement_before"]
    row = base.execute("SELECT task, dimensions, options, source FROM llm_models WHERE name = 'fast'").fetchone()
    assert row is not None
    assert row[:3] == ("embedding", 64, {})
    assert row[3].startswith("database:")
    run = base.execute("SELECT task, method, base, rows FROM llm_runs WHERE model = 'fast'").fetchone()
    assert run == ("embed", "static", "small", 300)
    near, far = base.execute(
        "SELECT llm_similarity('a red bicycle', 'the bike''s colour', 'fast'),"
        " llm_similarity('a red bicycle', 'the novel is long', 'fast')"
    ).fetchone()
    assert near > far
    assert value(base, "SELECT vector_dims(embedding) FROM llm_embed_batch('{\"\"}', 'fast')") == 64
    base.execute("CALL semantic_index('note', '{body}', model => 'fast')")
    found = value(base, "SELECT \"row\" ->> 'body' FROM semantic_search('what costs a kettle', 'note', 1)")
    assert "kettle" in found
    base.execute("CALL semantic_drop('note')")
    base.execute("SELECT llm_drop_model('fast')")
    assert value(base, "SELECT count(*) FROM llm.model_file") == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("llm_distill(NULL, 'small')", errors.InvalidParameterValue, "name must not be NULL"),
        ("llm_distill('fast', 'nobody')", errors.UndefinedObject, '"nobody" is not registered'),
        ("llm_distill('fast', 'en-core-web-sm')", errors.InvalidParameterValue, "does entities, and embedding"),
        ("llm_distill('small', 'small')", errors.DuplicateObject, "already registered"),
        ("llm_distill('fast', 'small', 'lora')", errors.InvalidParameterValue, 'invalid method: "lora"'),
        ("llm_distill('fast', 'small', options => '{\"dimensions\": 2}')", errors.InvalidParameterValue, "dimensions"),
        ("llm_distill('fast', 'small', options => '{\"size\": 2}')", errors.InvalidParameterValue, "unknown option"),
        (
            "llm_distill('fast', 'small', vocabulary_query => 'SELECT NULL::text')",
            errors.InvalidParameterValue,
            "yields no texts",
        ),
        (
            "llm_distill('fast', 'small', vocabulary_query => 'SELECT 1, 2')",
            errors.InvalidParameterValue,
            "has 2 columns",
        ),
        (
            "llm_distill('fast', 'small', vocabulary_query => $$SELECT 'a text that is read, ' || n"
            " FROM generate_series(1, 20) AS n$$)",
            errors.InvalidParameterValue,
            "yields 20 sentences, too few",
        ),
    ],
)
def test_what_cannot_be_distilled_leaves_nothing(
    base: psycopg.Connection, call: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        base.execute(f"SELECT {call}")
    assert value(base, "SELECT count(*) FROM llm_models WHERE name = 'fast'") == 0
    assert value(base, "SELECT count(*) FROM llm.model_file") == 0


def test_it_takes_the_right_to_register_models(base: psycopg.Connection, role: str) -> None:
    base.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied to train a model"):
        base.execute("SELECT llm_distill('fast', 'small')")
    base.execute("RESET ROLE")


def test_without_texts_it_learns_from_the_base_model_alone(base: psycopg.Connection) -> None:
    told = value(base, "SELECT llm_distill('fast', 'small')")
    assert (told["model"], told["dimensions"]) == ("fast", 256)
    assert value(base, "SELECT llm_similarity('a red bicycle', 'a bicycle', 'fast')") > 0.5
    assert value(base, "SELECT count(*) FROM llm.training_lineage") == 0
