from __future__ import annotations

import pytest
from pg_llm.database import query_text


@pytest.mark.parametrize(
    ("query", "bare"),
    [
        ("SELECT 1", "SELECT 1"),
        (" SELECT 1 ; ; -- done", "SELECT 1"),
        ("-- first\nSELECT 1;\n/* a /* nested */ comment; */ ", "SELECT 1"),
        ("SELECT ';' -- it's\n;", "SELECT ';'"),
        ("SELECT E'\\'; --' ;", "SELECT E'\\'; --'"),
        ('SELECT 1 AS "a;--" ;', 'SELECT 1 AS "a;--"'),
        ("SELECT $x$;--$x$;", "SELECT $x$;--$x$"),
        ("SELECT $$;--$$ ;", "SELECT $$;--$$"),
        ("SELECT a$1;--", "SELECT a$1"),
        ("SELECT 1; SELECT 2;", "SELECT 1; SELECT 2"),
        ("SELECT 'open;", "SELECT 'open;"),
        ("SELECT 1 /* open", "SELECT 1"),
        ("; -- \n", ""),
        ("", ""),
    ],
)
def test_the_end_of_a_query_is_left_out(query: str, bare: str) -> None:
    assert query_text.without_end(query) == bare


@pytest.mark.parametrize(
    ("query", "ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("SELECT a FROM t order /* x */\nby 1 LIMIT 3", True),
        ("SELECT a FROM t", False),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a) AS q", False),
        ("SELECT array_agg(a ORDER BY a) FROM t", False),
        ("SELECT 'x order by y'", False),
        ("SELECT a -- order by a", False),
        ('SELECT "order by"', False),
    ],
)
def test_a_query_says_whether_it_is_ordered(query: str, ordered: bool) -> None:
    assert query_text.is_ordered(query) is ordered


def test_names_are_those_outside_of_texts_and_comments() -> None:
    query = """SELECT t."A b", 'no' FROM public . sale AS t, "Other"."t" -- not_this\nWHERE sale.x > 1.5"""
    assert query_text.names(query) == [
        "SELECT",
        't."A b"',
        "FROM",
        "public.sale",
        "AS",
        "t",
        '"Other"."t"',
        "WHERE",
        "sale.x",
    ]


def test_a_long_text_is_read_in_time() -> None:
    for part in ("(", "'", "/*", "a.", "$a$", "--\n", "; "):
        query = part * (200_000 // len(part))
        query_text.without_end(query)
        query_text.is_ordered(query)
        query_text.names(query)
