"""On a table with a semantic index everything behaves as without one: rows, messages, errors, tags, triggers, places.

Each script in index_transparency/ is run by psql on tables without an index and on tables with one, and what psql
shows is compared line by line, as pg_regress does. The companions must be true to the tables afterwards.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import companion
import psql_script
import psycopg
import pytest
from workbench.cluster import Cluster

SCRIPTS = sorted((Path(__file__).parent / "index_transparency").glob("*.sql"))
SYNCS = ("live", "background", "manual")


@pytest.mark.parametrize("sync", SYNCS)
@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_a_table_with_an_index_behaves_as_without(
    cluster: Cluster, db: psycopg.Connection, role: str, script: Path, sync: str
) -> None:
    without = psql_script.run(cluster, db.info.dbname, script, None)
    within = psql_script.run(cluster, db.info.dbname, script, sync)
    difference = list(difflib.unified_diff(without, within, "without an index", "with an index", lineterm=""))
    assert not difference, "\n".join(difference)
    companion.settle(db)
    assert companion.differences(db) == {}
