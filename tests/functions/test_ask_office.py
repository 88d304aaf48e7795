"""Short questions of office workers, some of them in Chinese: none is answered wrongly without a model."""

from __future__ import annotations

import psycopg
import pytest
from database import install
from nl2sql import CHINESE, OFFICE, load, own_questions, right
from workbench.cluster import Cluster

# Answered rightly when this was written.
FEWEST_RIGHT = {
    "hotels": 21,
    "plant": 25,
    "vet": 18,
    "theatre": 14,
    "property_zh": 16,
    "outpatient_zh": 14,
    "courier": 3,
}


@pytest.mark.parametrize("name", [*OFFICE, *CHINESE])
def test_without_a_model_none_is_answered_wrongly(cluster: Cluster, name: str) -> None:
    cluster.sql(f"CREATE DATABASE {name}")
    install(host=cluster.host, port=cluster.port, user="postgres", password=None, dbname=name)
    verdicts = []
    with psycopg.connect(cluster.dsn(name), autocommit=True) as db:
        load(db, name)
        for question in own_questions([name]):
            row = db.execute("SELECT answer, sql FROM ask(%s)", (question.text,)).fetchone()
            assert row is not None
            answer, sql = row
            good = answer is not None and right(db, question.gold, sql)
            verdicts.append(("silent" if answer is None else "right" if good else "wrong", question.text, sql))
    cluster.sql(f"DROP DATABASE {name} WITH (FORCE)")
    assert [each for each in verdicts if each[0] == "wrong"] == []
    assert sum(each[0] == "right" for each in verdicts) >= FEWEST_RIGHT[name]
    assert len(verdicts) >= 20
