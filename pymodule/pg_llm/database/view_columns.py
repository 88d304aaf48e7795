"""Column lineage of views: which column of which table each of their columns shows, as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pg_llm.database.connection import Connection

_QUERY = """
    SELECT w.ev_action::text AS tree FROM pg_rewrite AS w
    WHERE w.ev_class = $1::oid AND w.ev_type = '1' AND w.rulename = '_RETURN'
"""
_NUMBER = "SELECT a.attnum::int4 AS number FROM pg_attribute AS a WHERE a.attrelid = $1::oid AND a.attname = $2"
_NAME = "SELECT a.attname::text AS name FROM pg_attribute AS a WHERE a.attrelid = $1::oid AND a.attnum = $2"
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
# An entry of a node tree's target list: the rule's own stand at depth 2, those of subqueries deeper.
_ENTRY = "{TARGETENTRY "
_ORIGIN = re.compile(r":resno (\d+) (?:\\.|[^{}\\])*:resorigtbl ([1-9]\d*) :resorigcol ([1-9]\d*) :resjunk false$")


def origin(db: Connection, relation: int, column: str) -> tuple[int, str] | None:
    """The table, by number, and its column that a column of a relation shows; None for one that is computed."""
    passed: set[int] = set()
    # Definitions of views may go round in a circle.
    while relation not in passed:
        passed.add(relation)
        query = db.rows(_QUERY, ("int8",), (relation,))
        if not query:
            return relation, column
        number = db.rows(_NUMBER, ("int8", "text"), (relation, column))[0]["number"]
        shown = {own: (source, attribute) for own, source, attribute in target_columns(query[0]["tree"])}
        if number not in shown:
            return None
        relation, attribute = shown[number]
        column = db.rows(_NAME, ("int8", "int4"), (relation, attribute))[0]["name"]
    return None


def target_columns(tree: str) -> Iterator[tuple[int, int, int]]:
    """Of the node tree of a view's rule: the number of each plain column, and the relation and column it shows."""
    depth, start = 0, 0
    for brace in _BRACE.finditer(tree):
        if brace[0] == "{":
            depth += 1
            if depth == 2:
                start = brace.start()
        elif brace[0] == "}":
            if depth == 2 and tree.startswith(_ENTRY, start):
                origin = _ORIGIN.search(tree[start : brace.start()])
                if origin:
                    number, relation, column = map(int, origin.groups())
                    yield number, relation, column
            depth -= 1
