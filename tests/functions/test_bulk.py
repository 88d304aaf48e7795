"""Bulk work on a Ray cluster: the result is the host's, whatever becomes of the machines."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from database import value

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed here: pip install 'pg_llm[ray]'")
ROWS = 4000
TABLE = """
    CREATE TABLE article (id int PRIMARY KEY, title text, body text);
    CALL semantic_index('article', '{title,body}', sync => 'manual')
"""
TEXTS = """
    INSERT INTO article SELECT
        n, 'the number ' || n, CASE WHEN mod(n, 100) > 0 THEN repeat(md5(n::text) || ' ', mod(n, 3)) END
    FROM generate_series(1, %s) AS n
"""
CHUNKS = "SELECT id, chunk, start_pos, end_pos, text_hash, words::text, embedding::text FROM article_embedding"


@pytest.fixture
def owner(db: psycopg.Connection, role: str) -> psycopg.Connection:
    """The table, of an ordinary role."""
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    db.execute(f"SET ROLE {role}")
    db.execute(TABLE)
    return db


def command(db: psycopg.Connection, role: str, *arguments: str) -> list[str]:
    dsn = f"{db.info.dsn} user={role}"
    program = "import sys; from pg_llm.worker.command import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-W", "ignore", "-c", program, "bulk", "--dsn", dsn, "--index", "article", *arguments]


def run(db: psycopg.Connection, role: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(db, role, *arguments), capture_output=True, text=True, check=False, timeout=400)


@pytest.fixture
def nodes() -> Iterator[Any]:
    """A cluster of three nodes; the first one holds what Ray knows of the cluster."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    for _ in range(3):
        cluster.add_node(num_cpus=1, object_store_memory=80 << 20, include_dashboard=False)
    yield cluster
    cluster.shutdown()


def test_without_ray_it_says_what_to_install(owner: psycopg.Connection, role: str) -> None:
    program = "import sys; sys.modules['ray'] = None\n"
    arguments = command(owner, role)
    arguments[4] = program + arguments[4]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'ERROR: this needs the Python package "ray"' in done.stderr
    assert "HINT: pip install 'pg_llm[ray]'" in done.stderr


def test_it_is_for_the_owner_alone(owner: psycopg.Connection, role: str) -> None:
    owner.execute("RESET ROLE")
    done = run(owner, "postgres")
    assert done.returncode == 1
    assert "ERROR: must be owner of table public.article" in done.stderr
    assert f'HINT: Run it as a member of the role "{role}".' in done.stderr


def test_a_table_without_an_index(owner: psycopg.Connection, role: str) -> None:
    owner.execute("CALL semantic_drop('article')")
    done = run(owner, role)
    assert done.returncode == 1
    assert "has no semantic index" in done.stderr
    assert "HINT: CALL semantic_index(" in done.stderr


@needs_ray
@pytest.mark.slow
def test_a_node_is_lost_midway(owner: psycopg.Connection, role: str, nodes: Any) -> None:
    owner.execute(TEXTS, (ROWS,))
    job = subprocess.Popen(command(owner, role, "--address", nodes.address), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not 200 < value(owner, "SELECT count(DISTINCT id) FROM article_embedding") < ROWS - 1000:
        assert job.poll() is None, job.stderr and job.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    nodes.remove_node(nodes.list_all_nodes()[-1], allow_graceful=False)
    _, told = job.communicate(timeout=500)
    assert job.returncode == 0, told
    assert "An actor was lost; another one takes its place." in told
    assert value(owner, "SELECT count(DISTINCT id) FROM article_embedding") == ROWS
    found = {row[:2]: row[2:] for row in owner.execute(CHUNKS)}
    # No row twice, which the primary key holds, and what the host makes of the same rows.
    owner.execute("TRUNCATE article_embedding; CALL semantic_refresh('article')")
    expected = {row[:2]: row[2:] for row in owner.execute(CHUNKS)}
    assert {key: row[:-1] for key, row in found.items()} == {key: row[:-1] for key, row in expected.items()}
    for key, row in found.items():
        one, other = (np.array(json.loads(text)) for text in (row[-1], expected[key][-1]))
        assert one @ other > 0.999


@needs_ray
@pytest.mark.slow
def test_it_is_resumed_and_idempotent(owner: psycopg.Connection, role: str) -> None:
    owner.execute(TEXTS, (300,))
    owner.execute("CALL semantic_refresh('article')")
    owner.execute("DROP INDEX article_embedding_embedding_idx")
    owner.execute("DELETE FROM article WHERE id <= 5; UPDATE article SET title = 'another' WHERE id = 6")
    owner.execute("INSERT INTO article VALUES (301, 'new', NULL), (302, '', NULL)")
    for expected in (2, 0):
        done = run(owner, role, "--actors", "1")
        assert done.returncode == 0, done.stderr
        assert f"The index is true: {expected} rows were read anew." in done.stderr
    assert value(owner, "SELECT count(DISTINCT id) FROM article_embedding") == 296
    # As the manual has it for many vectors.
    owner.execute(TABLE.partition(";")[2])
    assert value(owner, "SELECT to_regclass('article_embedding_embedding_idx')") is not None
