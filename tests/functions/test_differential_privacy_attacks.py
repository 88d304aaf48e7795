"""Attacks on differential privacy: ways to learn of one row what no noise hides."""

from __future__ import annotations

import math
from collections.abc import Callable

import psycopg
import pytest
from database import value
from pg_llm.privacy import differential_privacy
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
TABLE = """
    CREATE SCHEMA clinic;
    CREATE TABLE clinic.case_ (patient int, illness text, note text, risk float8, dose numeric);
    -- Notes that lie beside the table, as they are not to be compressed.
    ALTER TABLE clinic.case_ ALTER note SET STORAGE EXTERNAL;
    INSERT INTO clinic.case_ SELECT n, (ARRAY['cold', 'flu'])[n % 2 + 1],
        CASE WHEN n < 20 THEN repeat('long ', 2000) END, 0.5, 1
        FROM generate_series(1, 1500) AS n;
    UPDATE clinic.case_ SET risk = 1e-50, dose = 1e-400 WHERE patient = 7;
    VACUUM ANALYZE clinic.case_;
"""
# Of one person: whether the illness is the flu, which is so, and whether it is a cold.
BIT = "SELECT * FROM clinic.case_ WHERE patient = 7 AND illness = '{}' AND note LIKE '%secret%' OR patient < 0"


@pytest.fixture
def analyst(db: psycopg.Connection, role: str, connect: Connect) -> psycopg.Connection:
    for statement in TABLE.split(";\n"):
        db.execute(statement)
    db.execute("SELECT dp_allow('clinic.case_', %s, 1e6, 'patient', delta => 1e-3)", (role,))
    return connect(role)


def pages(connection: psycopg.Connection, query: str, call: str = "dp_count(%s, 1e-3)") -> tuple[int, ...]:
    """What the server says of the pages that a call has read and written."""
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT {call}"
    (plan,) = connection.execute(explain, (query,)).fetchone() or ([],)
    return tuple(number for name, number in sorted(plan[0]["Plan"].items()) if "Blocks" in name)


def warm_up(connection: psycopg.Connection) -> None:
    """The first calls of a session read catalogues."""
    connection.execute("SELECT dp_count('SELECT * FROM clinic.case_', 1e-3) FROM generate_series(1, 8)")


def toast_reads(connection: psycopg.Connection, query: str) -> int:
    read = (
        "SELECT sum(t.idx_scan) FROM pg_stat_xact_all_tables AS t JOIN pg_class AS c ON c.reltoastrelid = t.relid"
        " WHERE c.relname = 'case_'"
    )
    with connection.transaction():
        before = value(connection, read)
        connection.execute("SELECT dp_count(%s, 1e-3)", (query,))
        return int(value(connection, read) - before)


def test_what_is_read_does_not_depend_on_one_row(analyst: psycopg.Connection) -> None:
    """A cell that is only read where other conditions hold tells that they do, by counts that the server shows."""
    true, false = BIT.format("flu"), BIT.format("cold")
    warm_up(analyst)
    (*_, first), (*_, second) = ([pages(analyst, query) for _ in range(3)] for query in (true, false))
    assert first == second
    assert toast_reads(analyst, true) == toast_reads(analyst, false) > 0


CALLS = ("dp_count(%s, 1e-3)", "dp_sum(%s, 1e-3, '{0,1}')", "dp_group_count(%s, 1e-3, 1e-9)")


@pytest.mark.parametrize("call", CALLS)
def test_no_sort_tells_how_many_rows_there_are(analyst: psycopg.Connection, call: str) -> None:
    """A caller who sets how much memory a sort has would see whether it holds one row more."""
    analyst.execute("SET work_mem = '64kB'; SET hash_mem_multiplier = 1")
    warm_up(analyst)
    query = "SELECT risk FROM clinic.case_ WHERE patient <= {}"
    seen = {pages(analyst, query.format(most), call) for most in (0, 300, 900, 1500) for _ in range(2)}
    # Of the first of each kind catalogues are read.
    assert {each[-2:] for each in seen} == {next(iter(seen))[-2:]}
    assert min(next(iter(seen))[-2:]) > 0


def test_a_long_text_takes_no_time_of_its_own(analyst: psycopg.Connection, db: psycopg.Connection) -> None:
    """A pattern tried at each character of one long text took a fifth of a second, which told of the person."""
    db.execute("UPDATE clinic.case_ SET note = repeat('a', 1000000) WHERE patient = 7")
    with pytest.raises(errors.InvalidParameterValue, match="patterns of more than 200 characters"):
        analyst.execute("SELECT dp_count(%s, 1e-3)", (f"SELECT * FROM clinic.case_ WHERE note LIKE '%{'a' * 300}b%'",))
    with pytest.raises(errors.InvalidParameterValue, match="1000 characters or more"):
        analyst.execute("SELECT dp_count(%s, 1e-3)", (f"SELECT * FROM clinic.case_ WHERE note = '{'a' * 1000}'",))
    before = float(value(analyst, "SELECT epsilon_spent FROM dp_spent()"))
    # What conditions see of a text is its beginning; comparisons with shorter constants come to the same.
    for condition, count in (
        ("note LIKE '%b%'", 0),
        ("note LIKE 'aaa%'", 1),
        (f"note > '{'a' * 999}' AND note < 'b'", 1),
        (f"note = '{'a' * 999}'", 0),
        (f"note IN ('{'a' * 999}', 'x') OR note BETWEEN 'aaa' AND 'ab'", 1),
        ("note IS NOT NULL", 19),
    ):
        answer = value(analyst, "SELECT dp_count(%s, 1000)", f"SELECT * FROM clinic.case_ WHERE {condition}")
        assert answer == count, condition
    assert float(value(analyst, "SELECT epsilon_spent FROM dp_spent()")) == before + 6000


def test_an_answer_has_a_least_price(analyst: psycopg.Connection) -> None:
    """A million answers for a budget of 1 would have told, by the time that each took, what no noise hides."""
    with pytest.raises(errors.InvalidParameterValue, match="epsilon must lie between 0.001 and"):
        analyst.execute("SELECT dp_count('SELECT * FROM clinic.case_', 0.0009)")


def test_a_tiny_value_is_no_error(analyst: psycopg.Connection) -> None:
    """Less than a float holds: the error named the value."""
    for column in ("risk", "dose"):
        query = f"SELECT {column} FROM clinic.case_"
        for call in (
            "dp_sum(%s, 1, '{0,1e300}')",
            "dp_mean(%s, 1, '{-1e300,1e300}')",
            "dp_quantile(%s, 1, '{0,1e300}')",
            "dp_histogram(%s, 1, '{0,1,1e300}')",
            "dp_group_count(%s, 1, 1e-6)",
        ):
            analyst.execute(f"SELECT {call}", (query,))


def test_values_between_neighbouring_bounds_weigh_what_was_paid_for(
    analyst: psycopg.Connection,
) -> None:
    """The middle of two neighbouring floats is one of them: the other is twice as far away as half their distance."""
    given = differential_privacy._steps(5.0, math.ulp(5.0) / 2 / 2**20, 2**20)
    value_ = f"(SELECT 5.0::float8 + {math.ulp(5.0)!r} AS value) AS v"
    assert value(analyst, f"SELECT {given} FROM {value_}") == 2**20


def test_many_comparisons_are_refused_before_they_are_paid_for(analyst: psycopg.Connection) -> None:
    spent = "SELECT epsilon_spent FROM dp_spent()"
    for condition in (" OR ".join(["risk=1"] * 1500), " AND ".join(["risk = 1"] * 501)):
        with pytest.raises(errors.InvalidParameterValue, match="comparisons"):
            analyst.execute("SELECT dp_count(%s, 1)", (f"SELECT * FROM clinic.case_ WHERE {condition}",))
    assert value(analyst, spent) == 0
    analyst.execute("SELECT dp_count(%s, 1)", (f"SELECT * FROM clinic.case_ WHERE {' OR '.join(['risk = 1'] * 500)}",))
    assert value(analyst, spent) == 1
