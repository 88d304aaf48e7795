"""Adapters and searches: what a training leaves beside its base, and what it tells of its trials."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import small_encoder
from database import value
from psycopg import errors
from workbench.cluster import Cluster


@pytest.fixture
def notes(db: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Rows of three labels, and a base of one layer."""
    with tempfile.TemporaryDirectory(prefix="pg_llm-base-") as made:
        # The server is another user.
        Path(made).chmod(0o755)
        folder = small_encoder.save(Path(made) / "model")
        db.execute("SELECT llm_register_model('small', 'embedding', %s)", (f"path:{folder}",))
        db.execute("""
            CREATE TABLE note AS SELECT format('%s the %s was %s', a, b, c) AS body, b AS topic
            FROM unnest('{here,there,today,once}'::text[]) AS a, unnest('{kettle,novel,bicycle}'::text[]) AS b,
                 unnest('{red,old,sold}'::text[]) AS c
        """)
        yield db


@pytest.mark.torch
def test_models_by_adapters_share_their_base(notes: psycopg.Connection) -> None:
    query, options = "SELECT body, {} FROM note", '{"epochs": 12, "learning_rate": 0.005, "rank": 4}'
    fit = "SELECT llm_fit(%s, 'classify', %s, 'small', 'lora', %s)"
    told = value(notes, fit, "topic", query.format("topic"), options)
    assert told["micro_f1"] > told["baseline_f1"]
    notes.execute(fit, ("colour", query.format("split_part(body, ' ', 5)"), options))
    assert value(notes, "SELECT max(octet_length(content)) FROM llm.model_file") < 1 << 20
    assert value(notes, "SELECT sum(octet_length(content)) FROM llm.model_file") < 3 << 20
    texts = ["here the novel was red", "once the bicycle was sold"]
    batch = "SELECT label FROM llm_classify_batch(%s, model => %s) ORDER BY ordinality"
    for model, labels in (("topic", ["novel", "bicycle"]), ("colour", ["red", "sold"])) * 2:
        assert [label for (label,) in notes.execute(batch, (texts, model))] == labels
    used = dict(notes.execute("SELECT model, engine FROM llm_status() WHERE state = 'loaded'").fetchall())
    assert used["topic"] == used["colour"] == "onnx"
    # What a label is due to is told as of any other network.
    method = "SELECT DISTINCT method FROM llm_explain('here the novel was red', 'topic')"
    assert value(notes, method) == "integrated_gradients"
    # They need the base, and not its name.
    notes.execute("SELECT llm_unload_model('topic'), llm_drop_model('small')")
    assert [label for (label,) in notes.execute(batch, (texts, "topic"))] == ["novel", "bicycle"]


@pytest.mark.torch
def test_every_trial_of_a_search_is_told(notes: psycopg.Connection) -> None:
    call = "SELECT llm_tune('tuned', 'classify', 'SELECT body, topic FROM note', 'small', trials => 3, options => %s)"
    told = value(notes, call, '{"epochs": 2, "weight_decay": 0}')
    assert (told["model"], told["method"], told["training_rows"] + told["validation_rows"] + told["test_rows"]) == (
        "tuned",
        "finetune",
        36,
    )
    assert value(notes, "SELECT labels FROM llm_models WHERE name = 'tuned'") == ["bicycle", "kettle", "novel"]
    runs = notes.execute(
        "SELECT digest IS NULL, metrics -> 'trial', metrics ->> 'score', options -> 'learning_rate',"
        " options -> 'weight_decay' FROM llm_runs WHERE model = 'tuned' ORDER BY (metrics -> 'trial')::int"
    ).fetchall()
    assert [row[:2] for row in runs] == [(True, 1), (True, 2), (True, 3), (False, None)]
    assert all(float(row[2]) >= 0 for row in runs[:3])
    assert runs[3][3] in {row[3] for row in runs[:3]}
    assert {row[4] for row in runs} == {0}
    for arguments, says in (
        ("'x', 'relations', 'SELECT 1'", "no search for"),
        ("'x', 'classify', 'SELECT 1', method => 'head'", "nothing to search for"),
        ("'x', 'classify', 'SELECT 1', trials => 0", "trials"),
        ("'x', 'classify', 'SELECT 1', trials => NULL", "trials"),
        ("""'x', 'classify', 'SELECT 1', options => '{"rank": 4}'""", "unknown option"),
        ("""'x', 'classify', 'SELECT 1', options => '{"epsilon": 3}'""", "does not go with a search"),
        ("'x', 'classify', NULL", "query must not be NULL"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=says):
            notes.execute(f"SELECT llm_tune({arguments})")


@pytest.mark.torch
def test_a_cancelled_search_leaves_nothing(notes: psycopg.Connection, cluster: Cluster) -> None:
    notes.execute("SET statement_timeout = '8s'")
    with pytest.raises(errors.QueryCanceled):
        notes.execute("SELECT llm_tune('tuned', 'classify', 'SELECT body, topic FROM note', 'small', trials => 1000)")
    notes.execute("RESET statement_timeout")
    assert value(notes, "SELECT count(*) FROM llm_runs") == 0
    assert value(notes, "SELECT count(*) FROM llm_models WHERE name = 'tuned'") == 0
    assert value(notes, "SELECT count(*) FROM llm.model_file") == 0
    folders = cluster.data / "pg_llm" / "pgsql_tmp" / "training"
    ended = time.monotonic() + 60
    while list(folders.glob("*")) and time.monotonic() < ended:
        time.sleep(0.1)
    assert not list(folders.glob("*"))
