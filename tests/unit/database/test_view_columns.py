"""Column lineage of views, by the node trees that a server writes for their rules."""

from __future__ import annotations

from fake_connection import FakeConnection
from pg_llm.database import view_columns

# SELECT (SELECT id FROM b) AS x, id AS "a} :resorigtbl 7" FROM a
TREE = (
    "({QUERY :rtable ({RTE :subquery {QUERY :targetList ({TARGETENTRY :expr {VAR :varno 1} :resno 1 :resname id"
    " :ressortgroupref 0 :resorigtbl 600 :resorigcol 1 :resjunk false})}}) :targetList ({TARGETENTRY :expr {SUBLINK"
    " :subselect {QUERY :targetList ({TARGETENTRY :expr {VAR :varno 1} :resno 1 :resname id :ressortgroupref 0"
    " :resorigtbl 601 :resorigcol 1 :resjunk false})}} :resno 1 :resname x :ressortgroupref 0 :resorigtbl 0"
    " :resorigcol 0 :resjunk false} {TARGETENTRY :expr {VAR :varno 1} :resno 2 :resname a\\}\\ :resorigtbl\\ 7"
    " :ressortgroupref 0 :resorigtbl 602 :resorigcol 3 :resjunk false})})"
)


def test_a_views_own_columns_are_read_and_no_deeper_ones() -> None:
    assert list(view_columns.target_columns(TREE)) == [(2, 602, 3)]


def test_views_that_go_round_in_a_circle_end(db: FakeConnection) -> None:
    tree = (
        "({QUERY :targetList ({TARGETENTRY :resno 1 :resname x :ressortgroupref 0 :resorigtbl %s :resorigcol 1"
        " :resjunk false})})"
    )
    db.answer("ev_action", lambda call: [{"tree": tree % (5 if call.values[0] == 4 else 4)}])
    db.answer("a.attnum::int4 AS number", [{"number": 1}])
    db.answer("a.attname::text AS name", [{"name": "x"}])
    assert view_columns.origin(db, 4, "x") is None
