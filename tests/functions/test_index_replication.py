"""Logical replication between two servers: the subscriber's index is true of what was replicated, not of what was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import companion
import psycopg
import pytest
from database import value
from workbench.cluster import TEST_SETTINGS, Cluster

Connect = Callable[..., psycopg.Connection]
TABLE = "CREATE TABLE note (id int PRIMARY KEY, title text, body text)"
# Tables are copied, and changes follow, within seconds even on a busy machine.
PATIENCE = 60


@pytest.fixture(scope="module")
def publisher_cluster() -> Iterator[Cluster]:
    with Cluster(settings={**TEST_SETTINGS, "wal_level": "logical"}) as running:
        yield running


@pytest.fixture
def publisher(publisher_cluster: Cluster) -> Iterator[psycopg.Connection]:
    publisher_cluster.sql("CREATE DATABASE published")
    dsn = f"host={publisher_cluster.host} port={publisher_cluster.port} user=postgres dbname=published"
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection
    publisher_cluster.sql("DROP DATABASE published WITH (FORCE)")


@pytest.fixture
def subscribed(db: psycopg.Connection, publisher: psycopg.Connection) -> Iterator[Callable[[str], None]]:
    """Lets the test's database subscribe to the publisher's table, which has an index on this side."""
    publisher.execute(f"{TABLE}; CREATE PUBLICATION everything FOR ALL TABLES")
    publisher.execute(
        "INSERT INTO note VALUES (1, 'fruit', 'a red apple'), (2, 'music', 'a violin'), (3, 'sea', 'a ship')"
    )

    def subscribe(sync: str) -> None:
        db.execute(TABLE)
        db.execute("CALL semantic_index('note', '{title,body}', sync => %s)", (sync,))
        source = f"host={publisher.info.host} port={publisher.info.port} user=postgres dbname=published"
        db.execute(f"CREATE SUBSCRIPTION everything CONNECTION '{source}' PUBLICATION everything")

    yield subscribe
    db.execute("DROP SUBSCRIPTION IF EXISTS everything")


def replicated(publisher: psycopg.Connection, db: psycopg.Connection) -> None:
    """Wait until both sides have the same rows."""
    query = "SELECT md5(coalesce(string_agg(n::text, ',' ORDER BY id), '')) FROM note AS n"
    wanted = value(publisher, query)
    until = time.monotonic() + PATIENCE
    while value(db, query) != wanted:
        assert time.monotonic() < until
        time.sleep(0.05)


def passages(db: psycopg.Connection, query: str) -> list[str]:
    found = db.execute("SELECT s.row, s.passage FROM semantic_search(%s, 'note') AS s", (query,)).fetchall()
    assert all(passage in f"{row['title']}\n{row['body']}" for row, passage in found)
    return [passage for _, passage in found]


@pytest.mark.parametrize("sync", ["live", "background", "manual"])
def test_a_subscriber_never_shows_old_texts(
    db: psycopg.Connection, publisher: psycopg.Connection, subscribed: Callable[[str], None], sync: str
) -> None:
    """D3."""
    subscribed(sync)
    replicated(publisher, db)
    companion.settle(db)
    if sync == "manual":
        db.execute("CALL semantic_refresh('note')")
    assert companion.differences(db) == {}
    publisher.execute("UPDATE note SET body = 'a rocket to the moon' WHERE id = 1; DELETE FROM note WHERE id = 2")
    publisher.execute("INSERT INTO note VALUES (4, 'food', 'a loaf of bread'); UPDATE note SET id = 30 WHERE id = 3")
    replicated(publisher, db)
    # Whatever has been embedded by now.
    assert "fruit\na red apple" not in passages(db, "a red apple")
    assert "music\na violin" not in passages(db, "a violin")
    companion.settle(db)
    assert companion.differences(db) == {}
    assert passages(db, "astronauts")[0] == "fruit\na rocket to the moon"
    publisher.execute("TRUNCATE note; INSERT INTO note VALUES (1, 'animals', 'a lone wolf')")
    replicated(publisher, db)
    assert set(passages(db, "a loaf of bread")) <= {"animals\na lone wolf"}
    companion.settle(db)
    assert companion.differences(db) == {}


def test_a_publisher_with_an_index_replicates_as_without(
    db: psycopg.Connection, publisher: psycopg.Connection, publisher_cluster: Cluster, connect: Connect
) -> None:
    """The index stays at home: neither columns nor rows of it reach a subscriber of the table."""
    publisher.execute("CREATE EXTENSION pg_llm CASCADE")
    publisher.execute(f"{TABLE}; INSERT INTO note VALUES (1, 'fruit', 'a red apple')")
    publisher.execute("CALL semantic_index('note', '{title,body}')")
    publisher.execute("CREATE PUBLICATION notes FOR TABLE note")
    db.execute(TABLE)
    source = f"host={publisher.info.host} port={publisher.info.port} user=postgres dbname=published"
    db.execute(f"CREATE SUBSCRIPTION notes CONNECTION '{source}' PUBLICATION notes")
    try:
        publisher.execute("UPDATE note SET body = 'a green apple'; INSERT INTO note VALUES (2, 'music', 'a violin')")
        replicated(publisher, db)
        publisher.execute("DELETE FROM note WHERE id = 1; UPDATE note SET id = 7")
        replicated(publisher, db)
        assert companion.differences(publisher) == {}
    finally:
        db.execute("DROP SUBSCRIPTION notes")
