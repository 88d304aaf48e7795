"""What is told of a statement by its text alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pg_llm.errors import InvalidInput
from pg_llm.optimize.host import analysis, conditions, model_call_rules, rewrite_rules, sql_tree


def rewritten(sql: str) -> dict[str, str]:
    return {found["rule"]: found["sql"] for found in analysis._rewrites(sql)}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("x = 1 OR x = 2", "x IN (1, 2)"),
        ("x = 1 OR x = 2 OR y = 3", "x IN (1, 2) OR y = 3"),
        ("a AND (t.x = 'a' OR t.x = 'b')", "a AND t.x IN ('a', 'b')"),
        ("x = 1 OR x = 'a'", None),
        ("x = 1 OR x = NULL", None),
        ("x = 1 OR y = 1", None),
        ("x = 1 OR x > 2", None),
        ("x = 1 OR x = y", None),
        ("x = 1 AND x = 2", None),
        ("NOT (x = 1 OR x = 2)", "NOT x IN (1, 2)"),
    ],
)
def test_or_of_one_column_is_in(condition: str, expected: str | None) -> None:
    found = rewritten(f"SELECT 1 FROM t WHERE {condition}").get("in")
    assert found == (f"SELECT 1 FROM t WHERE {expected}" if expected else None)


@pytest.mark.parametrize(
    ("sql", "needs"),
    [
        ("SELECT 1 FROM a WHERE x NOT IN (SELECT y FROM b)", [["a", "x"], ["b", "y"]]),
        ("SELECT 1 FROM s.a k WHERE k.x NOT IN (SELECT b.y FROM b, c)", [["s.a", "x"], ["b", "y"]]),
        ("SELECT 1 FROM a LEFT JOIN d ON true WHERE d.x NOT IN (SELECT y FROM b)", [["", "x"], ["b", "y"]]),
        ("WITH b AS (SELECT 1 AS y) SELECT 1 FROM a WHERE x NOT IN (SELECT y FROM b)", [["", "x"], ["", "y"]]),
        ("SELECT 1 FROM a WHERE x NOT IN (SELECT y FROM a)", None),
        ("SELECT 1 FROM a, d WHERE x NOT IN (SELECT y FROM b)", None),
        ("SELECT 1 FROM a WHERE x NOT IN (SELECT max(y) FROM b)", None),
        ("SELECT 1 FROM a WHERE x NOT IN (SELECT y FROM b LIMIT 1)", None),
        ("SELECT 1 FROM a WHERE x NOT IN (SELECT y FROM b UNION SELECT 1)", None),
        ("SELECT 1 FROM a WHERE x NOT IN (1, 2)", None),
        ("SELECT 1 FROM a WHERE z OR x NOT IN (SELECT y FROM b)", None),
        ("SELECT 1 FROM a WHERE (x, z) NOT IN (SELECT y, w FROM b)", None),
        ("SELECT 1 FROM a WHERE x + 1 NOT IN (SELECT y FROM b)", None),
    ],
)
def test_not_in_names_what_must_not_be_null(sql: str, needs: Any) -> None:
    found = rewrite_rules.not_in_to_not_exists(sql)
    assert (found["needs"]["not_null"] if found else None) == needs
    assert found is None or "NOT EXISTS (SELECT 1 FROM b" in found["sql"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT DISTINCT ON (x) x FROM t",
        "SELECT DISTINCT x FROM t, u",
        "SELECT DISTINCT x FROM t GROUP BY x",
        "SELECT DISTINCT x, unnest(y) FROM t",
        "SELECT DISTINCT x FROM (SELECT 1 AS x) t",
        "SELECT DISTINCT 1",
        "SELECT DISTINCT x FROM t UNION SELECT 1",
    ],
)
def test_distinct_stays_where_a_key_of_one_table_says_nothing(sql: str) -> None:
    assert "distinct" not in rewritten(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM a JOIN b ON a.x = b.x WHERE llm_clean(a.t) = 'x'",
        "SELECT (SELECT 1) FROM a JOIN b ON a.x = b.x WHERE llm_clean(a.t) = 'x'",
        "WITH c AS (SELECT 1) SELECT a.x FROM a JOIN b ON a.x = b.x WHERE llm_clean(a.t) = 'x'",
        "SELECT a.x FROM a WHERE llm_clean(a.t) = 'x'",
        "SELECT a.x FROM a WHERE a.x = 1",
        "SELECT a.x AS y FROM a, b WHERE llm_clean(a.t) = 'x' GROUP BY y",
    ],
)
def test_models_stay_where_they_are(sql: str) -> None:
    assert model_call_rules.models_last(sql) is None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM a, b WHERE llm_similarity(a.x, b.x) > 0",
        "SELECT llm_similarity(x, y) FROM a, b",
        "SELECT llm_similarity(a.x, b.x) FROM a LEFT JOIN b ON true",
        "SELECT llm_clean(a.x || b.x) FROM a, b",
        "SELECT llm_clean(a.x) FROM a",
        "SELECT llm_clean(a.x) FROM a, (SELECT 1) b",
        "SELECT a.x FROM a, b",
    ],
)
def test_calls_that_cannot_be_made_once_per_row(sql: str) -> None:
    assert model_call_rules.once_per_row(sql) is None


def test_named_arguments_of_a_similarity_keep_it() -> None:
    found = model_call_rules.once_per_row("SELECT llm_similarity(a => a.x, b => b.x), llm_clean(a.x) FROM a, b")
    assert found is not None
    assert "llm_similarity(" in found["sql"]
    assert "llm_clean(a.x) AS model_1 FROM a AS a" in found["sql"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(t.a = 1)", [("a", "equal", True)]),
        ("((t.a = 1) AND (t.b > 2))", [("a", "equal", True), ("b", "range", True)]),
        ("(t.a = ANY ('{1,2}'::integer[]))", [("a", "equal", True)]),
        ("(t.a = u.b)", [("a", "equal", False), ("b", "equal", False)]),
        ("(t.a = t.b)", []),
        ("(t.a ~~ 'x%'::text)", [("a", "pattern", True)]),
        ("(t.a ~~ '%x'::text)", []),
        ("(t.a ~~ t.b)", []),
        ("(t.a <> 1)", []),
        ("((t.a = 1) OR (t.b = 2))", []),
        ("((t.a = 1) OR (t.a = 2))", [("a", "equal", True)]),
        ("((t.a = 1) OR (t.a > 2))", []),
        ("((t.a = u.b) OR (t.a = 2))", []),
        ("(t.a = $0)", []),
        ("(NOT (hashed SubPlan 1))", []),
        ("(t.a = (InitPlan 1).col1)", []),
        ("", []),
        ("(lower(t.a) = 'x'::text)", [(None, "equal", True)]),
    ],
)
def test_what_a_condition_asks_of_a_table(text: str, expected: list[tuple[Any, str, bool]]) -> None:
    assert [(term["column"], term["kind"], term["constant"]) for term in conditions.indexable_terms(text)] == expected


def test_sort_keys_of_a_plan() -> None:
    assert conditions.sort_key('t."Time" DESC NULLS LAST') == [
        {"alias": "t", "column": "Time", "order": " DESC NULLS LAST"}
    ]
    assert conditions.sort_key("(lower(t.a))") == []
    assert conditions.sort_key("(count(*)) DESC") == []


def test_a_condition_says_what_calls_a_model() -> None:
    found = conditions.model_calls("((t.a = 1) AND (public.llm_classify(t.b) = 'x'::text))")
    assert [part["model"] for part in found] == [False, True]
    assert found[0]["text"] == "t.a = 1"


@pytest.mark.parametrize(
    ("sql", "place"),
    [("SELECT 1 FORM a b", 15), ("SELECT '上海' FORM a b", 18), ("SELECT 'é', 1, 'é' FORM a b", 25), (")", 1)],
)
def test_the_place_of_a_syntax_error_counts_characters(sql: str, place: int) -> None:
    with pytest.raises(InvalidInput, match=f"at character {place}$"):
        sql_tree.select(sql)


@pytest.mark.parametrize(
    "part", ["1+", "NOT ", "- ", "1,", "a.", "CASE WHEN ", "(", "[", "SELECT ", "a OR ", "(SELECT "]
)
def test_statements_of_any_depth_end_in_an_answer_or_an_error(part: str) -> None:
    program = f"""
from pg_llm.errors import InvalidInput
from pg_llm.optimize.host import analysis as optimization
try:
    optimization.run_in_worker("statement", "SELECT " + {part!r} * ({19_900} // len({part!r})) + "1")
except InvalidInput as error:
    print(error.message[:40])
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("alive\n")
