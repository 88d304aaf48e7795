"""llm_compress and llm_pareto: a smaller model takes the place of another, and is measured on rows kept back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
import small_encoder
from database import value
from pg_llm import processor
from psycopg import errors
from safetensors.numpy import save_file
from tokenizers import Tokenizer

NOTES = """
    CREATE TABLE note (id int PRIMARY KEY, body text, topic text);
    INSERT INTO note SELECT n, format('%s of the %s is %s today, note %s.', a, b, c, n), b
    FROM generate_series(1, 150) AS n,
    LATERAL (SELECT (ARRAY['price', 'colour', 'weight', 'length'])[1 + n % 4]) AS one (a),
    LATERAL (SELECT (ARRAY['kettle', 'bicycle', 'novel'])[1 + n % 3]) AS two (b),
    LATERAL (SELECT (ARRAY['low', 'red', 'unknown'])[1 + n % 7 % 3]) AS three (c)
"""
TEXTS, LABELS = "SELECT body FROM note", "SELECT body, topic FROM note"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pg_llm-compression-") as made:
        # The server is another user.
        Path(made).chmod(0o755)
        yield small_encoder.save(Path(made) / "model", layers=2)


@pytest.fixture(scope="module")
def static(folder: Path) -> Path:
    """A table of vectors, as model2vec writes it."""
    made = folder.parent / "static"
    made.mkdir()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    table = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), 8)).astype(np.float32)
    save_file({"embeddings": table}, made / "model.safetensors")
    tokenizer.save(str(made / "tokenizer.json"))
    (made / "config.json").write_text('{"model_type": "model2vec"}')
    for path in (made, *made.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return made


@pytest.fixture
def base(db: psycopg.Connection, folder: Path) -> psycopg.Connection:
    options = '{"precision": "fp32"}'
    db.execute("SELECT llm_register_model('small', 'embedding', %s, options => %s)", (f"path:{folder}", options))
    db.execute(NOTES)
    return db


@pytest.mark.torch
@pytest.mark.parametrize(
    "method",
    [
        "int8",
        "int4",
        "layers",
        "static",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("prune", "distill")),
    ],
)
def test_an_encoder_is_compressed_by_each_method(base: psycopg.Connection, method: str) -> None:
    call = "SELECT llm_compress('less', 'small', %s, %s, '{\"min_quality\": 0}')"
    query = TEXTS if method != "static" else "SELECT body FROM note UNION ALL SELECT 'another ' || body FROM note"
    told = value(base, call, method, query)
    assert (told["model"], told["method"]) == ("less", method)
    assert told["held_out_rows"] >= 20
    assert told["before"]["quality"] == 1
    assert told["after"]["quality"] == told["agreement"] <= 1
    assert told["after"]["rows_per_second"] > 0
    if method != "static":
        assert told["after"]["bytes"] < told["before"]["bytes"]
        assert -1 <= told["cosine"] <= 1
    near, far = base.execute(
        "SELECT llm_similarity('a red bicycle', 'a bicycle', 'less'), llm_similarity('a red bicycle', 'x', 'less')"
    ).fetchone()
    assert near > far
    run = base.execute("SELECT task, method, base, metrics FROM llm_runs WHERE model = 'less'").fetchone()
    assert run[:3] == ("embed", method, "small")
    assert run[3]["after"] == told["after"]
    base.execute("SELECT llm_drop_model('less')")
    assert value(base, "SELECT count(*) FROM llm.model_file") == 0


@pytest.mark.torch
def test_a_head_becomes_a_classifier_without_a_network(base: psycopg.Connection) -> None:
    base.execute("SELECT llm_fit('topic', 'classify', %s, 'small')", (LABELS,))
    told = value(base, "SELECT llm_compress('fast-topic', 'topic', 'static', %s, '{\"dimensions\": 32}')", LABELS)
    assert told["after"]["quality"] >= 0.9 * told["before"]["quality"]
    assert told["after"]["bytes"] < told["before"]["bytes"]
    assert value(base, "SELECT llm_classify('The kettle is red.', model => 'fast-topic')") == "kettle"
    assert value(base, "SELECT labels FROM llm_models WHERE name = 'fast-topic'") == ["bicycle", "kettle", "novel"]
    # Its files are all that it needs.
    base.execute("SELECT llm_drop_model('topic'), llm_drop_model('small'), llm_unload_model('fast-topic')")
    assert value(base, "SELECT llm_classify('A long novel', model => 'fast-topic')") == "novel"


@pytest.mark.torch
@pytest.mark.parametrize("method", ["layers", pytest.param("distill", marks=pytest.mark.slow)])
def test_a_head_is_fitted_anew_on_a_smaller_network(base: psycopg.Connection, method: str) -> None:
    base.execute("SELECT llm_fit('topic', 'classify', %s, 'small')", (LABELS,))
    told = value(base, "SELECT llm_compress('less', 'topic', %s, %s)", method, LABELS)
    assert told["after"]["quality"] >= 0.9 * told["before"]["quality"]
    assert told["after"]["bytes"] < told["before"]["bytes"]
    precision = value(base, "SELECT base -> 'options' ->> 'precision' FROM llm.model WHERE name = 'less'")
    assert precision == ("int8" if processor.has_vnni() else None)
    # Its files are all that it needs.
    base.execute("SELECT llm_drop_model('topic'), llm_drop_model('small'), llm_unload_model('less')")
    assert value(base, "SELECT llm_classify('The kettle is red.', model => 'less')") == "kettle"


@pytest.mark.torch
@pytest.mark.slow
def test_a_finetuned_classifier_is_compressed_by_each_method(base: psycopg.Connection) -> None:
    options = '{"epochs": 3, "learning_rate": 0.003}'
    base.execute("SELECT llm_fit('topic', 'classify', %s, 'small', 'finetune', %s)", (LABELS, options))
    ladder = base.execute(
        "SELECT method, bytes, quality, on_front, rows_per_second FROM llm_pareto('topic', %s)", (LABELS,)
    ).fetchall()
    assert [row[0] for row in ladder] == ["base", "int8", "int4", "layers", "prune", "distill", "static"]
    assert any(row[3] for row in ladder)
    fastest = max(ladder, key=lambda row: row[4])
    assert fastest[3]
    assert value(base, "SELECT count(*) FROM llm_models WHERE name LIKE '%topic%'") == 1
    told = value(base, "SELECT llm_compress('less', 'topic', 'distill', %s, '{\"min_quality\": 0}')", LABELS)
    assert told["after"]["bytes"] < told["before"]["bytes"]
    assert value(base, "SELECT llm_classify('The kettle is red.', model => 'less')") in ("bicycle", "kettle", "novel")


@pytest.mark.torch
def test_a_model_that_lost_too_much_is_not_registered(base: psycopg.Connection) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="less than min_quality allows"):
        base.execute(
            "SELECT llm_compress('less', 'small', 'layers', %s, %s)",
            (TEXTS, '{"min_quality": 1, "layers": 1}'),
        )
    assert value(base, "SELECT count(*) FROM llm_models WHERE name = 'less'") == 0
    assert value(base, "SELECT count(*) FROM llm.model_file") == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("llm_compress(NULL, 'small', 'int8', 'TABLE x')", errors.InvalidParameterValue, "name must not be NULL"),
        ("llm_compress('less', 'small', 'int8', NULL)", errors.InvalidParameterValue, "query must not be NULL"),
        ("llm_compress('less', 'small', NULL, 'TABLE x')", errors.InvalidParameterValue, "invalid method"),
        ("llm_compress('less', 'small', 'int2', 'TABLE x')", errors.InvalidParameterValue, 'invalid method: "int2"'),
        ("llm_compress('small', 'small', 'int8', 'TABLE x')", errors.DuplicateObject, "already registered"),
        ("llm_compress('less', 'nobody', 'int8', 'TABLE x')", errors.UndefinedObject, '"nobody" is not registered'),
        (
            "llm_compress('less', 'en-core-web-sm', 'int8', 'SELECT body FROM note')",
            errors.InvalidParameterValue,
            "embedding or classification is needed",
        ),
        (
            "llm_compress('less', 'static', 'int8', 'SELECT body FROM note')",
            errors.InvalidParameterValue,
            "no network of its own",
        ),
        (
            "llm_compress('less', 'static', 'distill', 'SELECT body FROM note')",
            errors.InvalidParameterValue,
            "no network of its own",
        ),
        (
            "llm_compress('less', 'small', 'int8', 'SELECT body, topic FROM note')",
            errors.InvalidParameterValue,
            "2 columns, and 1 are needed",
        ),
        (
            "llm_compress('less', 'small', 'int8', $$SELECT ' ' FROM note$$)",
            errors.InvalidParameterValue,
            "yields no texts",
        ),
        (
            "llm_compress('less', 'small', 'int8', 'SELECT body FROM note LIMIT 20')",
            errors.InvalidParameterValue,
            "yields 20 rows, too few",
        ),
        (
            "llm_compress('less', 'small', 'layers', 'SELECT body FROM note', '{\"layers\": 40}')",
            errors.InvalidParameterValue,
            "layers",
        ),
        (
            "llm_compress('less', 'small', 'int8', 'SELECT body FROM note', '{\"share\": 0.5}')",
            errors.InvalidParameterValue,
            'unknown option "share"',
        ),
        ("llm_pareto('small', 'SELECT body FROM note', '{int8, x}')", errors.InvalidParameterValue, 'method: "x"'),
        ("llm_pareto('small', NULL)", errors.InvalidParameterValue, "query must not be NULL"),
    ],
)
def test_what_cannot_be_compressed_leaves_nothing(
    base: psycopg.Connection, static: Path, call: str, error: type[Exception], message: str
) -> None:
    if "static" in call:
        base.execute("SELECT llm_register_model('static', 'embedding', %s)", (f"path:{static}",))
    with pytest.raises(error, match=message):
        base.execute(f"SELECT {call}")
    assert value(base, "SELECT count(*) FROM llm_models WHERE name = 'less'") == 0
    assert value(base, "SELECT count(*) FROM llm.model_file") == 0


def test_it_takes_the_right_to_register_models(base: psycopg.Connection, role: str) -> None:
    base.execute(f"GRANT SELECT ON note TO {role}; SET ROLE {role}")
    for call in ("llm_compress('less', 'small', 'int8', %s)", "llm_pareto('small', %s)"):
        with pytest.raises(errors.InsufficientPrivilege, match="permission denied to train a model"):
            base.execute(f"SELECT {call}", (TEXTS,))
    base.execute("RESET ROLE")


def test_the_query_is_read_with_the_callers_rights(base: psycopg.Connection, role: str) -> None:
    base.execute(f"GRANT INSERT ON llm.model TO {role}; SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege, match="note"):
        base.execute("SELECT llm_compress('less', 'small', 'int8', %s)", (TEXTS,))
    base.execute(f"RESET ROLE; REVOKE INSERT ON llm.model FROM {role}")
