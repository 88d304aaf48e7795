"""What a statement names, and which of its tables can be sampled."""

from __future__ import annotations

import pytest
from pg_llm.errors import InvalidInput
from pg_llm.optimize.host import sampling


def sampled(sql: str) -> dict[str, str | None]:
    return {
        ".".join(filter(None, each["relation"])): each["sampled"]
        for each in sampling.references(sql)
        if "relation" in each
    }


@pytest.mark.parametrize(
    ("sql", "tables", "others"),
    [
        ("SELECT llm_embed(a) FROM t", {"t"}, set()),
        ("SELECT 1 FROM s.t AS x (a) JOIN u ON true", {"s.t", "u"}, set()),
        ("SELECT 1 FROM t LEFT JOIN u ON true", {"t"}, {"u"}),
        ("SELECT 1 FROM t RIGHT JOIN u ON true", {"u"}, {"t"}),
        ("SELECT 1 FROM t FULL JOIN u ON true", set(), {"t", "u"}),
        ("SELECT 1 FROM t WHERE a IN (SELECT a FROM u)", {"t"}, {"u"}),
        ("SELECT count(*) FROM llm_embed_batch((SELECT array_agg(a) FROM t)) AS e", {"t"}, set()),
        ("SELECT ARRAY(SELECT a FROM t)", {"t"}, set()),
        ("WITH c AS (SELECT a FROM t) SELECT 1 FROM c", {"t"}, {"c"}),
        ("WITH t AS (SELECT a FROM t) SELECT 1 FROM t", set(), {"t"}),
        ("SELECT 1 FROM t UNION ALL SELECT 2 FROM u", {"t", "u"}, set()),
    ],
)
def test_tables_that_can_be_sampled(sql: str, tables: set[str], others: set[str]) -> None:
    found = sampled(sql)
    assert {name for name, text in found.items() if text} == tables
    assert {name for name, text in found.items() if not text} == others
    for text in filter(None, found.values()):
        assert text.count("TABLESAMPLE bernoulli($1) REPEATABLE (1)") == 1


def test_only_one_reference_is_sampled() -> None:
    texts = [each["sampled"] for each in sampling.references("SELECT 1 FROM t AS a, t AS b") if "relation" in each]
    assert sorted(texts) == [
        "SELECT 1 FROM t AS a TABLESAMPLE bernoulli($1) REPEATABLE (1), t AS b",
        "SELECT 1 FROM t AS a, t AS b TABLESAMPLE bernoulli($1) REPEATABLE (1)",
    ]


def test_the_statement_stands_alone_and_functions_are_named() -> None:
    whole, *others = sampling.references("/* é */ SELECT s.\"F\"('ü') || g(h(1)) ; -- ;")
    assert whole == {"statement": "/* é */ SELECT s.\"F\"('ü') || g(h(1)) "}
    assert [each["function"] for each in others if "function" in each] == [[None, "g"], [None, "h"], ["s", "F"]]
    named = sampling.references(
        "SELECT a::s.t, 1 OPERATOR(s.+) 2, 3 !== ANY (SELECT ARRAY[b]::u[]) FROM f(1) AS f(c v)"
    )
    assert [each["operator"] for each in named if "operator" in each] == [
        [None, "!=="],
        [None, "<"],
        [None, "<="],
        [None, "="],
        [None, ">"],
        [None, ">="],
        ["s", "+"],
    ]
    assert [each["type"] for each in named if "type" in each] == [["s", "t"], [None, "u"], [None, "v"]]
    assert sampling.references("SELECT 1 -- end")[0] == {"statement": "SELECT 1 -- end"}


@pytest.mark.parametrize("sql", ["", "SELECT $1", "DELETE FROM t", "SELECT 1; SELECT 2", "SELECT", "SELECT 1)"])
def test_what_is_no_single_select_is_refused(sql: str) -> None:
    if sql == "SELECT":
        # PostgreSQL knows queries without columns.
        assert sampling.references(sql)[0] == {"statement": "SELECT"}
        return
    with pytest.raises(InvalidInput):
        sampling.references(sql)


def test_fields_of_rows_are_named_as_they_may_be_functions() -> None:
    named = sampling.references("SELECT a, t.b, s.t.c, (t).d, (f(1)).e, x[1], t.* FROM t ORDER BY t.g")
    assert sorted(each["attribute"][1] for each in named if "attribute" in each) == ["b", "c", "d", "e", "g"]
