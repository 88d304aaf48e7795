"""llm_effect on rows whose effect is known, and what it refuses."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

pytest.importorskip("sklearn", reason="./run setup --training installs it")

# Who visits often is given a discount and spends more anyway; the discount adds 5.
SHOPPERS = """
    CREATE TABLE shopper (visits float8, region text, discount boolean, coupons numeric, spent float8, lot int);
    SELECT setseed(0.5);
    WITH v AS MATERIALIZED (
        SELECT random() * 10 AS visits, (random() * 2)::int AS region, random() > 0.5 AS lot
        FROM generate_series(1, 400)
    ), d AS MATERIALIZED (SELECT *, random() < 1 / (1 + exp((5 - visits) / 2)) AS discount FROM v)
    INSERT INTO shopper
        SELECT visits, 'r' || region, discount, visits + lot::int * 4 + random(), 20 + 6 * visits + 5 * discount::int
            + 20 * (random() - 0.5), lot::int
        FROM d;
"""
ROWS = "SELECT * FROM shopper"


@pytest.fixture
def shoppers(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(SHOPPERS)
    return db


def test_the_effect_is_not_the_difference(shoppers: psycopg.Connection) -> None:
    shoppers.execute("INSERT INTO shopper (discount, spent) VALUES (true, 1), (NULL, 1), (true, 'NaN')")
    call = "SELECT * FROM llm_effect(%s, 'discount', 'spent', '{visits,region}')"
    estimate, low, high, unadjusted, rows, null_rows, method, refutations, assumptions = shoppers.execute(
        call, (ROWS + " ORDER BY random();",)
    ).fetchone()
    assert low < 5 < high < unadjusted - 5
    assert low < estimate < high
    assert (rows, null_rows, method) == (400, 3, "doubly_robust")
    assert all(refutations[name]["passed"] for name in ("placebo", "random_common_cause", "subset"))
    assert 0 < refutations["hidden_confounder"]["interval"] < refutations["hidden_confounder"]["estimate"] < 1
    assert "3 rows that lack a value" in assumptions
    assert "but visits and region; a hidden cause" in assumptions
    # In another order they are the same rows.
    assert shoppers.execute(call, (ROWS,)).fetchone()[0] == pytest.approx(estimate)


def test_amounts_and_instruments_have_methods_of_their_own(shoppers: psycopg.Connection) -> None:
    call = "SELECT method, low, high, unadjusted, assumptions FROM llm_effect(%s, 'coupons', 'spent', %s, %s)"
    # Coupons change nothing: chance adds some, and who visits often has more.
    method, low, high, unadjusted, assumptions = shoppers.execute(call, (ROWS, ["visits"], None)).fetchone()
    assert method == "partially_linear"
    assert -1 < low < high < 1 < unadjusted
    assert "one more of coupons on spent" in assumptions
    method, low, high, unadjusted, assumptions = shoppers.execute(call, (ROWS, ["visits"], ["lot"])).fetchone()
    assert method == "instrumental_variable"
    assert -2 < low < high < 2 < unadjusted
    assert "leads from lot to spent" in assumptions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'discount', 'spent', NULL", "confounders must not be NULL"),
        ("NULL, 'spent', '{}'", "treatment must not be NULL"),
        ("'discount', 'spent', '{visits,NULL}'", "without NULL"),
        ("'discount', 'spent', '{{visits,lot}}'", "must have one dimension"),
        ("'discount', 'spent', '{spent}'", '"spent" is named twice'),
        ("'discount', 'spend', '{}'", 'no column "spend"'),
        ("'region', 'spent', '{}'", '"region" is of type text'),
        ("'discount', 'spent', '{}', method => 'magic'", "invalid method"),
        ("'discount', 'spent', '{}', method => 'instrumental_variable'", "needs instruments"),
        ("'discount', 'spent', '{}', '{lot}', 'doubly_robust'", "takes no instruments"),
        ("'coupons', 'spent', '{}', method => 'doubly_robust'", "other values than 0 and 1"),
        ("'discount', 'one', '{}'", '"one" has the same value'),
        ("'huge', 'spent', '{}'", "too large"),
        ("'rarely', 'spent', '{}'", "at least 30 of each side"),
        ("'discount', 'spent', '{name}'", "more values than the 50 that can be adjusted for"),
    ],
)
def test_refused(shoppers: psycopg.Connection, arguments: str, message: str) -> None:
    query = (
        "SELECT *, 1 AS one, 1e200::float8 * visits AS huge, visits < 0.1 AS rarely, visits::text AS name FROM shopper"
    )
    with pytest.raises(errors.InvalidParameterValue, match=message):
        shoppers.execute(f"SELECT * FROM llm_effect('{query}', {arguments})")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "no column"),
        ("SELECT * FROM shopper LIMIT 99", "too few to tell an effect: 100 are needed"),
        ("SELECT * FROM shopper LIMIT 0", "0 rows are too few"),
        ("SELECT s.* FROM shopper AS s, generate_series(1, 126)", "more than 50,000 rows"),
        ("SELECT visits, discount, visits > 5 AS spent, discount FROM shopper", 'two columns "discount"'),
    ],
)
def test_queries_that_tell_nothing(shoppers: psycopg.Connection, query: str, message: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=message):
        shoppers.execute("SELECT * FROM llm_effect(%s, 'discount', 'spent', '{visits}')", (query,))


def test_a_treatment_that_the_confounders_decide_is_refused(shoppers: psycopg.Connection) -> None:
    query = "SELECT visits, visits > 5 AS often, spent FROM shopper"
    with pytest.raises(errors.InvalidParameterValue, match="do not overlap") as refused:
        shoppers.execute("SELECT * FROM llm_effect(%s, 'often', 'spent', '{visits}')", (query,))
    assert "Narrow the query" in str(refused.value.diag.message_hint)
