from __future__ import annotations

import psycopg
import pytest
from database import value
from psycopg import errors

TOPIC = "SELECT text, topic FROM sentence WHERE part = 'train'"
HALF = "SELECT text, topic FROM sentence WHERE part = 'dev' AND mod(id, 2) = {}"
COVERED = """
    SELECT avg((s.topic = ANY(b.labels))::int)::float8
    FROM (SELECT topic, row_number() OVER (ORDER BY id) AS n FROM sentence WHERE part = 'dev' AND mod(id, 2) = 1) AS s
    JOIN llm_classify_set_batch(
        (SELECT array_agg(text ORDER BY id) FROM sentence WHERE part = 'dev' AND mod(id, 2) = 1), 'topic', %s) AS b
    ON b.ordinality = s.n
"""


def test_sets_hold_the_right_label_as_often_as_asked(politics: psycopg.Connection, role: str) -> None:
    politics.execute("SELECT llm_fit('topic', 'classify', %s)", (TOPIC,))
    with pytest.raises(errors.InvalidParameterValue, match="is not calibrated"):
        politics.execute("SELECT llm_classify_set('a', 'topic')")
    told = value(politics, "SELECT llm_calibrate('topic', %s)", HALF.format(0))
    assert told["rows"] == value(politics, f"SELECT count(*) FROM ({HALF.format(0)}) AS q")
    for alpha in (0.2, 0.1):
        # 270 rows to calibrate on and to measure on: three standard deviations.
        assert value(politics, COVERED, alpha) == pytest.approx(1 - alpha, abs=0.08)
    # Who may use a model may use its calibration, and not change it.
    politics.execute(f"SET ROLE {role}")
    assert value(politics, "SELECT llm_classify_set('The elections of 1998 were won.', 'topic')") == ["election"]
    assert value(politics, "SELECT llm_classify_set(NULL, 'topic')") is None
    assert value(politics, "SELECT llm_classify_set(' ', 'topic')") == []
    assert value(politics, "SELECT llm_classify_set('x', 'topic', alpha => 0.0001)") is not None
    with pytest.raises(errors.InsufficientPrivilege):
        politics.execute("SELECT llm_calibrate('topic', $$VALUES ('a', 'other')$$)")


def test_a_promoted_model_brings_its_calibration(politics: psycopg.Connection) -> None:
    for name, query in (("old", f"{TOPIC} AND mod(id, 5) = 0"), ("new", TOPIC)):
        politics.execute("SELECT llm_fit(%s, 'classify', %s)", (name, query))
        politics.execute(
            "SELECT llm_calibrate(%s, %s)", (name, HALF.format(0) + f" LIMIT {10 if name == 'old' else 20}")
        )
    politics.execute("SELECT llm_promote('new', over => 'old', query => %s)", (HALF.format(1),))
    assert value(politics, "SELECT cardinality(calibration) FROM llm.model WHERE name = 'old'") == 20
    with pytest.raises(errors.InvalidParameterValue, match='does not know the label "third"'):
        politics.execute("SELECT llm_calibrate('new', $$VALUES ('a', 'third')$$)")
    assert value(politics, "SELECT cardinality(calibration) FROM llm.model WHERE name = 'new'") == 20
