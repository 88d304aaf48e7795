from __future__ import annotations

import json

import pytest
from echo import EchoEngine, run
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.ask.host import sql_check, sql_writing


def said(text: str, view: bool = False) -> dict[str, object]:
    (work,) = sql_check.prepare(None, [text], {"purpose": "view" if view else "query"})
    found: dict[str, object] = json.loads(work.finish(()))
    return found


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 'é', p.x::int FROM patient p, b.c WHERE x BETWEEN 1 AND 2;", [(None, "patient"), ("b", "c")]),
        ("WITH a AS (SELECT * FROM a) SELECT * FROM a", [(None, "a")]),
        ("WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT * FROM a) SELECT * FROM a", []),
        ("SELECT (SELECT max(y) FROM s WHERE s.k = t.k) FROM t -- why", [(None, "s"), (None, "t")]),
        ("SELECT count(*) FILTER (WHERE x), rank() OVER (ORDER BY y) FROM ONLY t GROUP BY ROLLUP (a)", [(None, "t")]),
        ("SELECT DISTINCT ON (a) a, extract(year FROM d) FROM t ORDER BY a, d DESC NULLS LAST", [(None, "t")]),
        ("VALUES (1), (2)", []),
    ],
)
def test_what_a_select_reads_is_told(sql: str, tables: list[tuple[str | None, str]]) -> None:
    found = said(sql)
    assert "refused" not in found, found
    relations = found["relations"]
    assert isinstance(relations, list)
    assert sorted(((of["schema"], of["name"]) for of in relations), key=repr) == sorted(tables, key=repr)
    text = str(found["sql"])
    assert all(
        text[of["at"] :].startswith(of["schema"] or of["name"]) or text[of["at"] :].startswith("ONLY")
        for of in relations
    )


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "SELECT 1; SELECT 2",
        "SELECT 1\0",
        "SELECT '\udcff'",
        "SELECT " + "-" * 3 + "1" * 20_001,
        "SELECT " + "1+" * 9000 + "1",
        "SELECT " + "NOT " * 4000 + "true",
        "SELECT 1 " + "UNION SELECT 1 " * 1200,
        "SELECT pg_sleep(1)",
        "SELECT 'x'::regclass",
        'SELECT "pg_sleep"(1)',
        'SELECT U&"pg\\005fsleep"(1)',
    ],
)
def test_what_is_no_plain_select_is_refused(sql: str) -> None:
    assert said(sql)["refused"]


@given(st.text(max_size=200))
def test_no_text_is_a_defect(text: str) -> None:
    assert said(text)


def test_a_view_may_have_constants_of_its_own_types() -> None:
    assert said("SELECT 1 FROM public.t WHERE (mood = 'good'::public.mood)", view=True)["types"] == ["public.mood"]
    assert "refused" in said("SELECT x::public.mood FROM public.t", view=True)
    assert "refused" in said("SELECT 'good'::public.mood FROM public.t")


def checked(sql: str, view: bool = False) -> dict[str, object]:
    """As the worker process checks it."""
    result: dict[str, object] = json.loads(sql_check.run_in_worker(sql, "view" if view else "query"))
    return result


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT 1; SELECT 2", "holds 2 statements, and one SELECT is allowed"),
        ("DELETE FROM t", "is no SELECT"),
        ("SELECT 1" + " " * 20_000, "is longer than 20000 characters"),
        ("SELECT '\0'", "holds a NUL character"),
        ("SELECT FROM WHERE", "cannot be parsed: "),
        ("SELECT 1 FROM a.b.c", "names another database"),
        ("SELECT 1 INTO t", "would create a table (SELECT INTO)"),
        ("SELECT 1 FROM t FOR UPDATE", "would lock rows (FOR UPDATE, FOR SHARE)"),
        ("WITH d AS (DELETE FROM t RETURNING 1) SELECT * FROM d", "changes data inside WITH"),
        ("SELECT pg_sleep(1)", "calls pg_sleep(), which is not among the functions allowed"),
        ("SELECT own.lower('x')", "calls own.lower(), which is not among the functions allowed"),
        ("SELECT 1::regclass", "names the type regclass, which is not among those allowed"),
        ("SELECT 'x'::own.kind", "names a type of somebody's own (own.kind)"),
        ("SELECT 1 OPERATOR(own.+) 1", "uses the operator own.+, which is not among those allowed"),
        ("SELECT 1 FROM t ORDER BY x USING <", "sorts by an operator of its own"),
        ("SELECT 1 <<| ANY (SELECT 1)", "uses the operator <<|, which is not among those allowed"),
        ("SELECT current_user", "asks who is asking or where"),
        ("SELECT * FROM generate_series(1, 9)", "has a part that is not allowed (RangeFunction)"),
        ("SELECT " + "(" * 300 + "1" + ")" * 300 + "".join("+1" for _ in range(300)), "is nested too deeply"),
    ],
)
def test_what_is_not_listed_is_refused_with_a_reason(sql: str, reason: str) -> None:
    refused = checked(sql)["refused"]
    assert isinstance(refused, str)
    assert refused.startswith(reason)


def test_a_statement_is_cut_out_of_its_text_with_offsets_into_it() -> None:
    result = checked(" -- why\nSELECT x FROM a, s.b ;")
    assert result["sql"] == "SELECT x FROM a, s.b " or str(result["sql"]).endswith("SELECT x FROM a, s.b ")
    text = str(result["sql"])
    relations = result["relations"]
    assert isinstance(relations, list)
    assert [text[each["at"] :][:1] for each in relations] == ["a", "s"]


def test_constants_of_other_types_are_told_of_views_only() -> None:
    assert checked("SELECT 'a'::own.kind FROM t", view=True)["types"] == ["own.kind"]
    assert checked("SELECT 'a'::pg_catalog.text FROM t", view=True)["types"] == []


def test_a_name_may_be_a_with_query_or_a_table() -> None:
    result = checked("WITH a AS (SELECT * FROM b) SELECT * FROM a, s.a")
    assert [(each["schema"], each["name"]) for each in result["relations"]] == [(None, "b"), ("s", "a")]  # type: ignore[attr-defined]


def test_sql_is_the_next_turn_of_a_conversation() -> None:
    model = EchoEngine("generation")
    options = {"temperature": 0.6, "seed": 1, "max_tokens": 9}
    conversation = json.dumps([{"role": "user", "content": "Question: x\nSELECT 1"}])
    assert run(sql_writing.prepare(model, [conversation], options), model) == ["SELECT 1"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expression", "sql", "columns"),
    [
        ("sum(a) -- all", "sum(a)", [["a"]]),
        ('sum(t.a * "B c")::int', 'CAST(sum(t.a * "B c") AS integer)', [["t", "a"], ["B c"]]),
        ("count(*)", "count(*)", []),
    ],
)
def test_an_expression_has_columns_and_no_comment(expression: str, sql: str, columns: list[list[str]]) -> None:
    found = json.loads(sql_check.run_in_worker(expression, "expression"))
    assert found["sql"] == sql
    assert [each["parts"] for each in found["columns"]] == columns
    places = [sql[each["at"] : each["at"] + each["length"]] for each in found["columns"]]
    assert [place.replace('"', "") for place in places] == [".".join(parts) for parts in columns]


@pytest.mark.parametrize(
    "text", ["a, b", "1 FROM t", "(SELECT 1)", "sum(a) OVER ()", "*", "t.*", "a AS b", "1; SELECT 2", ""]
)
def test_what_is_no_single_expression_is_refused(text: str) -> None:
    assert "refused" in json.loads(sql_check.run_in_worker(text, "expression"))


def test_a_layout_has_a_line_for_each_clause() -> None:
    laid_out = json.loads(sql_check.run_in_worker("select a from t where b = 1 order by 1", "layout"))
    assert laid_out["sql"] == "SELECT a\nFROM t\nWHERE b = 1\nORDER BY 1"
    assert "refused" in json.loads(sql_check.run_in_worker("DELETE FROM t", "layout"))


def test_columns_are_told_with_the_tables_that_they_name() -> None:
    told = json.loads(sql_check.run_in_worker("SELECT '\u00fc', T1.a, b, s.t.c FROM ward AS T1, s.kiln", "columns"))
    assert told["tables"] == [{"alias": "t1", "name": "ward"}, {"alias": "kiln", "name": "kiln"}]
    assert told["columns"] == [{"alias": "t1", "name": "a", "at": 12}]
    assert "refused" in json.loads(sql_check.run_in_worker("DELETE FROM t", "columns"))
