from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.ask.host import sql_check, sql_writing


def said(text: str, view: bool = False) -> dict[str, object]:
    (work,) = sql_check.prepare(None, [text], {"view": view})
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


def test_a_grammar_holds_names_with_any_signs() -> None:
    from llguidance import LLMatcher

    names = ["patient", '"Unit Price"', 'public."a|b (c)*"', '"line\nbreak"', "姓名"]
    assert LLMatcher.validate_grammar(sql_writing.grammar(names)) == ""
    assert LLMatcher.validate_grammar(sql_writing.grammar([])) == ""
