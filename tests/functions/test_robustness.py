from __future__ import annotations

import psycopg
import pytest
from database import value
from psycopg import errors

TOPIC = "SELECT text, topic FROM sentence WHERE part = 'train'"
DEV = "SELECT text, topic FROM sentence WHERE part = 'dev' AND mod(id, 6) = 0"


@pytest.fixture
def topic(politics: psycopg.Connection) -> psycopg.Connection:
    """A database with a head that tells sentences about elections from others."""
    politics.execute("SELECT llm_fit('topic', 'classify', %s)", (TOPIC,))
    return politics


def test_attacks_are_told_with_examples_and_the_same_every_time(topic: psycopg.Connection, role: str) -> None:
    call = "SELECT * FROM llm_robustness('topic', %s, '{typos,look_alikes,negation}')"
    rows = {row[0]: row[1:] for row in topic.execute(call, (DEV,)).fetchall()}
    assert list(rows) == ["none", "typos", "look_alikes", "negation"]
    f1 = "SELECT precision FROM llm_evaluate('topic', %s) WHERE label = 'micro avg'"
    assert rows["none"][0] == pytest.approx(value(topic, f1, DEV))
    assert rows["typos"][1] == pytest.approx(rows["none"][0] - rows["typos"][0], abs=1e-6)
    assert rows["look_alikes"][2] > 0
    assert rows["look_alikes"][3][0]["before"] != rows["look_alikes"][3][0]["answer"]
    assert rows["negation"][0] is None
    assert {row[0]: row[1:] for row in topic.execute(call, (DEV,)).fetchall()} == rows
    topic.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        topic.execute(call, (DEV,))


def test_drift_is_seen_where_texts_are_others(topic: psycopg.Connection) -> None:
    call = "SELECT measure, p_value, statistic, detail FROM llm_drift('topic', %s, %s)"
    some = "SELECT text FROM sentence WHERE part = 'dev' AND mod(id, 8) = {}"
    elections = "SELECT text FROM sentence WHERE part = 'dev' AND topic = 'election' LIMIT 60"
    same = {row[0]: row[1:] for row in topic.execute(call, (some.format(0), some.format(4))).fetchall()}
    assert set(same) == {"labels", "confidence", "embedding"}
    assert all(p > 0.01 for p, *_ in same.values())
    other = {row[0]: row[1:] for row in topic.execute(call, (some.format(0), elections)).fetchall()}
    assert other["labels"][0] < 0.01
    assert other["embedding"][0] < 0.01
    assert other["labels"][2]["shares"]["election"][1] > other["labels"][2]["shares"]["election"][0]
    embedding = topic.execute(
        "SELECT measure FROM llm_drift('all-minilm-l6-v2', %s, %s)", (some.format(0), some.format(1))
    ).fetchall()
    assert embedding == [("embedding",)]


def test_what_cannot_be_tested_is_an_error(topic: psycopg.Connection) -> None:
    for call, message in (
        ("llm_robustness('topic', 'SELECT 1')", "the query has 1 columns"),
        ("llm_robustness('topic', 'SELECT text, topic FROM sentence', '{magic}')", "invalid attack"),
        ("llm_robustness(NULL, 'SELECT 1')", "model must not be NULL"),
        ("llm_drift('topic', 'VALUES (1)', 'VALUES (2)')", "yields 1 texts"),
        ("llm_drift('topic', 'SELECT text FROM sentence, generate_series(1, 9)', 'VALUES (2)')", "more than 2,000"),
        (
            "llm_fit('x', 'entities', 'SELECT 1', method => 'finetune', options => '{\"augment\": 1}')",
            "not for the task",
        ),
        ("llm_fit('x', 'tag', 'SELECT 1', method => 'lora', options => '{\"label_smoothing\": 0.1}')", "not for the"),
        ("llm_fit('x', 'classify', 'SELECT 1', options => '{\"adversarial\": \"fgm\"}')", "unknown option"),
        ("llm_fit('x', 'classify', 'SELECT 1', options => '{\"augment\": 1}')", "unknown option"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=message):
            topic.execute(f"SELECT {call}")
    topic.execute("CREATE TABLE written (n int)")
    with pytest.raises(errors.DatabaseError):
        topic.execute("SELECT llm_robustness('topic', 'INSERT INTO written VALUES (1) RETURNING n::text, n::text')")
    assert value(topic, "SELECT count(*) FROM written") == 0


def test_where_it_errs_and_how_sure_it_is_then(topic: psycopg.Connection) -> None:
    rows = topic.execute("SELECT * FROM llm_confusion('topic', %s)", (DEV,)).fetchall()
    total = value(topic, f"SELECT count(*) FROM ({DEV}) AS q")
    assert sum(row[2] for row in rows) == total
    accuracy = sum(row[2] for row in rows if row[0] == row[1]) / total
    assert accuracy == pytest.approx(
        value(topic, "SELECT precision FROM llm_evaluate('topic', %s) WHERE label = 'micro avg'", DEV)
    )
    bins = topic.execute("SELECT * FROM llm_reliability('topic', %s, bins => 4)", (DEV,)).fetchall()
    assert sum(row[2] for row in bins) == total
    assert sum(row[1] * row[2] for row in bins) / total == pytest.approx(accuracy)
    drawn = value(topic, "SELECT llm_chart_svg(%s, 'heatmap')", f"SELECT * FROM llm_confusion('topic', $q${DEV}$q$)")
    assert "election" in drawn


def test_rows_that_speak_for_an_answer_are_read_from_the_query(topic: psycopg.Connection, role: str) -> None:
    text = value(topic, "SELECT text FROM sentence WHERE part = 'train' AND topic = 'election' ORDER BY id LIMIT 1")
    call = "SELECT text, label, similarity FROM llm_similar_training(%s, 'topic', %s, k => 3)"
    query = "SELECT id, text, topic FROM sentence WHERE part = 'train'"
    rows = topic.execute(call, (text, query)).fetchall()
    assert rows[0] == (text, "election", pytest.approx(1, abs=1e-3))
    assert len(rows) == 3
    topic.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        topic.execute(call, (text, query))


def test_what_a_classifier_tells_of_its_rows(topic: psycopg.Connection, role: str) -> None:
    call = "SELECT * FROM llm_privacy_report('topic', %s, %s)"
    area, low, high, advantage, members, others = topic.execute(call, (TOPIC, DEV)).fetchall()[0]
    assert (members, others) == tuple(value(topic, f"SELECT count(*) FROM ({query}) AS q") for query in (TOPIC, DEV))
    assert 0 <= low < area < high <= 1
    assert 0 <= advantage <= 1
    # Rows of the same kind cannot be told apart: halves of what it has not learnt from.
    dev = "SELECT text, topic FROM sentence WHERE part = 'dev' AND mod(id, 2) = {}"
    _, low, high, *_ = topic.execute(call, (dev.format(0), dev.format(1))).fetchall()[0]
    assert low < 0.5 < high
    for queries, message in (
        (("SELECT 'a', 'election' WHERE false", DEV), "no rows"),
        ((f"{DEV} LIMIT 3", DEV), "3 rows"),
        (("SELECT 'a', 'none of these' FROM generate_series(1, 20)", DEV), "does not know the label"),
        (("SELECT ' ', 'election' FROM generate_series(1, 20)", DEV), "0 rows"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=message):
            topic.execute(call, queries)
    with pytest.raises(errors.InvalidParameterValue, match="classification is needed"):
        topic.execute("SELECT * FROM llm_privacy_report('all-minilm-l6-v2', %s, %s)", (DEV, DEV))
    with pytest.raises(errors.UndefinedObject):
        topic.execute("SELECT * FROM llm_privacy_report('none', %s, %s)", (DEV, DEV))
    with pytest.raises(errors.DatabaseError, match="members"):
        topic.execute("SELECT * FROM llm_privacy_report('topic', NULL, %s)", (DEV,))
    topic.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        topic.execute(call, (TOPIC, DEV))
