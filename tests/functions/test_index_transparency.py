"""On a table with a companion everything behaves as without one: rows, messages, errors, tags, triggers, places.

Each script in index_transparency/ is run by psql on tables without a semantic index or AI column and on tables with
one, and what psql shows is compared line by line, as pg_regress does. Indexes must be true to the tables afterwards.
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
CALLS = {
    f"{kind} {sync}": call.replace("{sync}", sync)
    for kind, call in (
        ("index", "CALL public.semantic_index('{table}', '{columns}', sync => '{sync}');"),
        ("column", "CALL public.llm_column('{table}', 'kept', 'upper({column}::text)', sync => '{sync}');"),
    )
    for sync in ("live", "background", "manual")
}


@pytest.mark.parametrize(
    "made",
    # Without triggers there is little to see.
    [pytest.param(made, marks=pytest.mark.slow if made.endswith("manual") else ()) for made in CALLS],
)
@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_a_table_with_a_companion_behaves_as_without(
    cluster: Cluster, db: psycopg.Connection, role: str, script: Path, made: str
) -> None:
    without = psql_script.run(cluster, db.info.dbname, script)
    beside = psql_script.run(cluster, db.info.dbname, script, CALLS[made])
    difference = list(difflib.unified_diff(without, beside, "without", f"with an {made}", lineterm=""))
    assert not difference, "\n".join(difference)
    companion.settle(db)
    assert companion.differences(db) == {}
