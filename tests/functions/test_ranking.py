"""llm_rank: by a cross-encoder that is registered from its files, by the default models, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cross_encoder
import psycopg
import pytest
from database import value
from psycopg import errors

TEXTS = ["The warranty of the kettle lasts two years.", "Paris is the capital of France.", None, "", "years " * 3000]
PEER = """
import json, sys
from sentence_transformers import CrossEncoder
model = CrossEncoder(sys.argv[1], device="cpu")
print(json.dumps(model.predict([tuple(pair) for pair in json.loads(sys.argv[2])]).tolist()))
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pg_llm-ranking-") as made:
        # The server is another user.
        Path(made).chmod(0o755)
        yield cross_encoder.save(Path(made) / "model")


def ranks(db: psycopg.Connection, query: str | None, texts: list[str | None], model: str | None) -> list[float | None]:
    rows = db.execute("SELECT ordinality, score FROM llm_rank(%s, %s::text[], %s)", (query, texts, model)).fetchall()
    assert [ordinality for ordinality, _ in rows] == list(range(1, len(texts) + 1))
    return [score for _, score in rows]


@pytest.mark.torch
@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_cross_encoder_gives_the_scores_of_sentence_transformers(
    db: psycopg.Connection, folder: Path, engine: str
) -> None:
    options = json.dumps({"engine": engine})
    db.execute("SELECT llm_register_model('judge', 'ranking', %s, options => %s)", (f"path:{folder}", options))
    assert db.execute("SELECT task, dimensions, labels FROM llm_models WHERE name = 'judge'").fetchone() == (
        "ranking",
        None,
        None,
    )
    query = "How long is the warranty?"
    found = ranks(db, query, TEXTS, "judge")
    assert found[2] is None
    pairs = json.dumps([[query, text] for text in TEXTS if text is not None])
    peer = subprocess.run(
        [sys.executable, "-c", PEER, str(folder), pairs],
        env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    # Of the last text the peer reads the beginning only.
    expected = json.loads(peer.stdout.splitlines()[-1])[:-1]
    assert [score for score in found if score is not None][:-1] == pytest.approx(expected, abs=1e-4)
    db.execute("SELECT llm_drop_model('judge')")


def test_the_default_compares_vectors(db: psycopg.Connection) -> None:
    found = ranks(db, "How long is the guarantee of the kettle?", TEXTS[:2], None)
    assert found[0] is not None
    assert found[1] is not None
    assert found[0] > 0.4 > found[1]
    assert ranks(db, None, ["a", None], None) == [None, None]
    assert ranks(db, "a", [], None) == []


@pytest.mark.torch
def test_a_language_model_judges_too(db: psycopg.Connection) -> None:
    found = ranks(db, "What is the capital of France?", TEXTS[:2], "smollm2-135m-instruct")
    assert all(score is not None and 0 <= score <= 1 for score in found)


@pytest.mark.torch
def test_what_cannot_rank_is_refused(db: psycopg.Connection, folder: Path) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="does entities, and ranking or generation or embedding"):
        ranks(db, "a", ["a"], "en-core-web-sm")
    three = cross_encoder.save(folder.parent / "three", labels=3)
    with pytest.raises(errors.InvalidParameterValue, match="3 labels"):
        db.execute("SELECT llm_register_model('three', 'ranking', %s)", (f"path:{three}",))
    with pytest.raises(errors.InvalidParameterValue, match="an endpoint cannot do entities"):
        db.execute("SELECT llm_register_model('far', 'entities', 'http://127.0.0.1:1/v1#m')")
    assert value(db, "SELECT count(*) FROM llm_models WHERE task = 'ranking'") == 0
