"""What drivers send, as the page on integrations says it: which types of parameters find their function."""

from __future__ import annotations

import psycopg
import pytest

SEARCH = "semantic_search($1, $2, k => $3)"
FILTER = "semantic_search($1, $2, filter => $3)"
TAG = "llm_tag($1, $2, threshold => $3)"
REPAIR = "llm_propose_repairs($1)"


@pytest.mark.parametrize(
    ("call", "types", "found"),
    [
        # psycopg and SQLAlchemy: str is of no type yet, int of the smallest that holds it, float is double precision.
        (SEARCH, "unknown, unknown, smallint", True),
        (SEARCH, "unknown, unknown, bigint", True),
        (FILTER, "unknown, unknown, jsonb", True),
        (FILTER, "unknown, unknown, unknown", True),
        (TAG, "unknown, text[], double precision", True),
        (TAG, "unknown, text[], real", True),
        (REPAIR, "unknown", True),
        # pgjdbc: setInt, setLong, setString, setDouble, setFloat, setBigDecimal, setObject.
        (SEARCH, "varchar, varchar, int", True),
        (SEARCH, "varchar, varchar, bigint", True),
        (FILTER, "varchar, varchar, varchar", False),
        (TAG, "varchar, text[], double precision", True),
        (TAG, "varchar, text[], real", True),
        (TAG, "varchar, text[], numeric", True),
        (REPAIR, "varchar", False),
        (REPAIR, "uuid", True),
    ],
)
def test_the_table_of_drivers_is_true(db: psycopg.Connection, call: str, types: str, found: bool) -> None:
    try:
        db.execute(f"PREPARE statement ({types}) AS SELECT {call}")
    except psycopg.errors.UndefinedFunction:
        assert not found
    else:
        assert found, "more is possible now than the page says"
