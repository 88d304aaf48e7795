"""Candidate indexes for a plan's filters, joins, and sorts below a LIMIT (after Chaudhuri and Narasayya 1997)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident
from pg_llm.optimize import plan as planner
from pg_llm.optimize.plan import Node, Plan, PlanTable

_MOST_COLUMNS = 3
# Each candidate is planned once.
_MOST_CANDIDATES = 60
_SCANS = ("Seq Scan", "Bitmap Heap Scan", "Index Scan")
_CONDITIONS = ("Filter", "Hash Cond", "Merge Cond", "Join Filter", "Index Cond", "Recheck Cond")
_DEFAULT_COLLATION = 100
_PATTERN_OPS = {"character varying": "varchar_pattern_ops", "character": "bpchar_pattern_ops"}
# Types that have a B-tree operator class of their own, or inherit one.
_COLUMN = """
    SELECT format_type(a.atttypid, NULL) AS type, a.attcollation::int8 AS collation,
           co.collcollate IN ('C', 'POSIX') AS bytewise, d.datcollate IN ('C', 'POSIX') AS default_bytewise,
           t.typname = 'varchar' OR t.typtype IN ('e', 'd', 'r') OR EXISTS (
               SELECT FROM pg_opclass AS o JOIN pg_am AS m ON m.oid = o.opcmethod
               WHERE m.amname = 'btree' AND o.opcdefault AND o.opcintype = t.oid
           ) AS ordered
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    JOIN pg_database AS d ON d.datname = current_database()
    LEFT JOIN pg_collation AS co ON co.oid = a.attcollation
    WHERE a.attrelid = $1::oid AND a.attname = $2
"""
# All functions of that name, as the text does not tell overloads apart.
_IMMUTABLE = """
    SELECT coalesce(bool_and(p.provolatile = 'i'), false) AS immutable FROM unnest($1::text[]) AS given (name)
    LEFT JOIN pg_proc AS p ON p.proname = given.name
"""
_EXISTING_INDEXES = """
    SELECT pg_get_indexdef(i.indexrelid) AS definition,
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true) FROM generate_series(1, i.indnkeyatts::int) AS n
                 ORDER BY n) AS keys
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
    WHERE i.indrelid = $1::oid AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
"""
_DISTINCT_VALUES = """
    SELECT quote_ident(s.attname) AS column, s.n_distinct::float8 AS distinct
    FROM pg_stats AS s JOIN pg_namespace AS n ON n.nspname = s.schemaname
    JOIN pg_class AS c ON c.relname = s.tablename AND c.relnamespace = n.oid WHERE c.oid = $1::oid
"""


@dataclass(frozen=True, slots=True)
class IndexKey:
    """One key of an index as CREATE INDEX writes it; `constant` if it is compared with no other table's columns."""

    text: str
    kind: str
    constant: bool
    expression: bool


@dataclass(frozen=True, slots=True)
class IndexCandidate:
    """A candidate index, the reason for it, and the share of rows that it selects if that is known."""

    table: PlanTable
    keys: tuple[str, ...]
    reason: str
    selectivity: float | None
    expression: bool = False

    @property
    def sql(self) -> str:
        """The CREATE INDEX statement."""
        return f"CREATE INDEX ON {self.table.root} ({', '.join(self.keys)})"

    @property
    def kind(self) -> str:
        """The kind of the suggestion."""
        return "expression index" if self.expression else "index"


def candidates(db: Connection, plan: Plan) -> list[IndexCandidate]:
    """Distinct candidates that no existing index covers."""
    scans = [(node, table) for node, table in plan.scans(db) if node["Node Type"] in _SCANS]
    conditions = dict.fromkeys(str(node[name]) for node in plan.nodes() for name in _CONDITIONS if name in node)
    terms = [term for distinct in planner.analyze(db, "condition", list(conditions)) for term in distinct]
    distinct: dict[tuple[int, tuple[str, ...]], IndexCandidate] = {}
    for node, table in scans:
        own_keys = (_index_key(db, table, term) for term in terms if term["alias"] == node["Alias"])
        keys = list({key.text: key for key in own_keys if key is not None}.values())
        for candidate in (
            *_for_filter(db, node, table, keys),
            *_for_joins(plan, node, table, keys),
            *_for_sorts(db, plan, node, table, keys),
        ):
            distinct.setdefault((table.oid, candidate.keys), candidate)
    return [candidate for candidate in distinct.values() if not _is_covered(db, candidate)][:_MOST_CANDIDATES]


def _for_filter(db: Connection, node: Node, table: PlanTable, keys: list[IndexKey]) -> Iterator[IndexCandidate]:
    """An index per condition, most selective first, and one for all equalities with one further condition."""
    keys = [key for key in keys if key.constant]
    selected = float(node["Plan Rows"])
    selectivity = selected / table.row_count if table.row_count > 0 else None
    rows = f"{selected:,.0f} of {table.row_count:,.0f} rows" if table.row_count > 0 else f"{selected:,.0f} rows"
    reason = f"a {node['Node Type']} of {table.name} is to find {rows} by {node.get('Filter', 'a condition')}"
    distinct_values = {row["column"]: row["distinct"] for row in db.rows(_DISTINCT_VALUES, ("int8",), (table.oid,))}

    def values(key: IndexKey) -> float:
        # Negative n_distinct is a share of the rows.
        distinct_count = float(distinct_values.get(key.text, 0.0))
        return -distinct_count * table.row_count if distinct_count < 0 else distinct_count

    keys.sort(key=lambda key: (key.kind != "equal", -values(key)))
    equal = [key for key in keys if key.kind == "equal"]
    combined = [*equal, *[key for key in keys if key.kind != "equal"][:1]][:_MOST_COLUMNS]
    for combination in [*([key] for key in keys), *([combined] if equal and len(combined) > 1 else [])]:
        yield IndexCandidate(
            table,
            tuple(key.text for key in combination),
            reason,
            selectivity,
            any(key.expression for key in combination),
        )


def _for_joins(plan: Plan, node: Node, table: PlanTable, keys: list[IndexKey]) -> Iterator[IndexCandidate]:
    """An index for each equality with another table's column."""
    other = next((other for join in plan.nodes() if (other := _join_partner(join, node)) is not None), None)
    if other is None:
        return
    selectivity = float(other["Plan Rows"]) / table.row_count if table.row_count > 0 else None
    for key in keys:
        if not key.constant and key.kind == "equal" and not key.expression:
            reason = f"{table.name} is joined by {key.text} with {float(other['Plan Rows']):,.0f} rows"
            yield IndexCandidate(table, (key.text,), reason, selectivity)


def _join_partner(join: Node, node: Node) -> Node | None:
    """The other side of the join right above a node."""
    sides = join.get("Plans", [])
    if len(sides) != 2:
        return None
    for side, other in (sides, sides[::-1]):
        inside = list(planner.subtree(side))
        if any(part is node for part in inside) and all(len(part.get("Plans", [])) < 2 for part in inside):
            return dict(other)
    return None


def _for_sorts(
    db: Connection, plan: Plan, node: Node, table: PlanTable, keys: list[IndexKey]
) -> Iterator[IndexCandidate]:
    """An index in the order of a top-n sort, alone and after the columns that equalities fix."""
    for limit in plan.nodes():
        inner = [part for part in planner.subtree(limit) if "Sort Key" in part and "Sort" in part["Node Type"]]
        if limit["Node Type"] != "Limit" or not inner:
            continue
        analyzed = planner.analyze(db, "sort key", inner[0]["Sort Key"])
        sorts = [key for parsed in analyzed for key in parsed]
        if len(sorts) != len(analyzed) or {key["alias"] for key in sorts} != {node["Alias"]}:
            continue
        if not all(_orderable_column(db, table, key["column"]) for key in sorts):
            continue
        order = [quote_ident(key["column"]) + key["order"] for key in sorts]
        fixed = [key.text for key in keys if key.constant and key.kind == "equal" and not key.expression]
        selected = float(limit["Plan Rows"])
        reason = (
            f"the first {selected:,.0f} rows of {table.name} are wanted in the order {', '.join(inner[0]['Sort Key'])}"
        )
        for first in ([], fixed) if fixed else ([],):
            text = (*first[:_MOST_COLUMNS], *order[:_MOST_COLUMNS])
            yield IndexCandidate(table, text, reason, selected / table.row_count if table.row_count > 0 else None)


def _index_key(db: Connection, table: PlanTable, term: dict[str, Any]) -> IndexKey | None:
    """The index key that serves a condition; None if no B-tree does."""
    if term["column"] is None:
        return _expression_key(db, term)
    about = _orderable_column(db, table, term["column"])
    # PostgreSQL compares varchar as text, which an index on the column supports.
    if about is None or (term["cast"] and (term["cast"], about["type"]) != ("text", "character varying")):
        return None
    column = quote_ident(term["column"])
    if term["kind"] != "pattern":
        return IndexKey(column, term["kind"], term["constant"], False)
    bytewise = about["default_bytewise"] if about["collation"] == _DEFAULT_COLLATION else about["bytewise"]
    kind = "" if bytewise else f" {_PATTERN_OPS.get(about['type'], 'text_pattern_ops')}"
    return IndexKey(f"{column}{kind}", "range", term["constant"], False)


def _expression_key(db: Connection, term: dict[str, Any]) -> IndexKey | None:
    names = [name.rpartition(".")[2] for name in term["functions"]]
    if not names or not db.rows(_IMMUTABLE, ("text[]",), (names,))[0]["immutable"]:
        return None
    text = term["expression"] if term["call"] else f"({term['expression']})"
    if term["kind"] == "pattern":
        return IndexKey(f"{text} text_pattern_ops", "range", term["constant"], True)
    return IndexKey(text, term["kind"], term["constant"], True)


def _orderable_column(db: Connection, table: PlanTable, name: str) -> dict[str, Any] | None:
    """Type and collation of a column with a B-tree order."""
    rows = db.rows(_COLUMN, ("int8", "text"), (table.oid, name))
    return rows[0] if rows and rows[0]["ordered"] else None


def _is_covered(db: Connection, candidate: IndexCandidate) -> bool:
    """True if an index begins with the same keys, in any order for plain columns."""
    for row in db.rows(_EXISTING_INDEXES, ("int8",), (candidate.table.oid,)):
        if set(row["keys"][: len(candidate.keys)]) == set(candidate.keys):
            return True
        if f"({', '.join(candidate.keys)}" in row["definition"]:
            return True
    return False
