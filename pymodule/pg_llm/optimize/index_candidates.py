"""Indexes that might serve a plan: for its filters, its joins, and the order of the first rows that it wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident
from pg_llm.optimize import plan as planner
from pg_llm.optimize.plan import Node, Plan, Table

_MOST_COLUMNS = 3
# Each is planned with.
_MOST_CANDIDATES = 60
_SCANS = ("Seq Scan", "Bitmap Heap Scan", "Index Scan")
_CONDITIONS = ("Filter", "Hash Cond", "Merge Cond", "Join Filter", "Index Cond", "Recheck Cond")
_DEFAULT_COLLATION = 100
_PATTERN_OPS = {"character varying": "varchar_pattern_ops", "character": "bpchar_pattern_ops"}
# A type of its own order, or one that is ordered as the type that it is made of.
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
# Every function of that name, as the text does not say which it is.
_IMMUTABLE = """
    SELECT coalesce(bool_and(p.provolatile = 'i'), false) AS immutable FROM unnest($1::text[]) AS given (name)
    LEFT JOIN pg_proc AS p ON p.proname = given.name
"""
_EXISTING = """
    SELECT pg_get_indexdef(i.indexrelid) AS definition,
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true) FROM generate_series(1, i.indnkeyatts::int) AS n
                 ORDER BY n) AS keys
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
    WHERE i.indrelid = $1::oid AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
"""
_DISTINCT = """
    SELECT quote_ident(s.attname) AS column, s.n_distinct::float8 AS distinct
    FROM pg_stats AS s JOIN pg_namespace AS n ON n.nspname = s.schemaname
    JOIN pg_class AS c ON c.relname = s.tablename AND c.relnamespace = n.oid WHERE c.oid = $1::oid
"""


@dataclass(frozen=True, slots=True)
class Key:
    """One part of an index, as CREATE INDEX writes it, and whether it is compared with what no other table says."""

    text: str
    kind: str
    constant: bool
    expression: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """An index that might help, why, and which share of the table's rows is wanted where the plan says so."""

    table: Table
    keys: tuple[str, ...]
    why: str
    share: float | None
    expression: bool = False

    @property
    def sql(self) -> str:
        """As it would be created."""
        return f"CREATE INDEX ON {self.table.root} ({', '.join(self.keys)})"

    @property
    def kind(self) -> str:
        """What the suggestion is called."""
        return "expression index" if self.expression else "index"


def candidates(db: Connection, plan: Plan) -> list[Candidate]:
    """Indexes that are not there, each once."""
    scans = [(node, table) for node, table in plan.scans(db) if node["Node Type"] in _SCANS]
    conditions = dict.fromkeys(str(node[name]) for node in plan.nodes() for name in _CONDITIONS if name in node)
    terms = [term for found in planner.read(db, "condition", list(conditions)) for term in found]
    found: dict[tuple[int, tuple[str, ...]], Candidate] = {}
    for node, table in scans:
        asked = (_key(db, table, term) for term in terms if term["alias"] == node["Alias"])
        keys = list({key.text: key for key in asked if key is not None}.values())
        for each in (
            *_of_filter(db, node, table, keys),
            *_of_joins(plan, node, table, keys),
            *_of_sorts(db, plan, node, table, keys),
        ):
            found.setdefault((table.oid, each.keys), each)
    return [each for each in found.values() if not _served(db, each)][:_MOST_CANDIDATES]


def _of_filter(db: Connection, node: Node, table: Table, keys: list[Key]) -> Iterator[Candidate]:
    """An index for each condition alone, the most telling first, and one for all equalities and one condition more."""
    keys = [key for key in keys if key.constant]
    wanted = float(node["Plan Rows"])
    share = wanted / table.rows if table.rows > 0 else None
    rows = f"{wanted:,.0f} of {table.rows:,.0f} rows" if table.rows > 0 else f"{wanted:,.0f} rows"
    why = f"a {node['Node Type']} of {table.name} is to find {rows} by {node.get('Filter', 'a condition')}"
    known = {row["column"]: row["distinct"] for row in db.rows(_DISTINCT, ("int8",), (table.oid,))}

    def values(key: Key) -> float:
        # Negative: a share of the rows.
        found = float(known.get(key.text, 0.0))
        return -found * table.rows if found < 0 else found

    keys.sort(key=lambda key: (key.kind != "equal", -values(key)))
    equal = [key for key in keys if key.kind == "equal"]
    together = [*equal, *[key for key in keys if key.kind != "equal"][:1]][:_MOST_COLUMNS]
    for each in [*([key] for key in keys), *([together] if equal and len(together) > 1 else [])]:
        yield Candidate(table, tuple(key.text for key in each), why, share, any(key.expression for key in each))


def _of_joins(plan: Plan, node: Node, table: Table, keys: list[Key]) -> Iterator[Candidate]:
    """An index for each column that is compared with another table's."""
    other = next((other for join in plan.nodes() if (other := _other_side(join, node)) is not None), None)
    if other is None:
        return
    share = float(other["Plan Rows"]) / table.rows if table.rows > 0 else None
    for key in keys:
        if not key.constant and key.kind == "equal" and not key.expression:
            why = f"{table.name} is joined by {key.text} with {float(other['Plan Rows']):,.0f} rows"
            yield Candidate(table, (key.text,), why, share)


def _other_side(join: Node, node: Node) -> Node | None:
    """What a join joins with the side that a node is part of, where that is the node's nearest join."""
    sides = join.get("Plans", [])
    if len(sides) != 2:
        return None
    for mine, other in (sides, sides[::-1]):
        inside = list(planner.below(mine))
        if any(each is node for each in inside) and all(len(each.get("Plans", [])) < 2 for each in inside):
            return dict(other)
    return None


def _of_sorts(db: Connection, plan: Plan, node: Node, table: Table, keys: list[Key]) -> Iterator[Candidate]:
    """An index in the order of a sort whose first rows are wanted, alone and after the columns that are fixed."""
    for limit in plan.nodes():
        inner = [each for each in planner.below(limit) if "Sort Key" in each and "Sort" in each["Node Type"]]
        if limit["Node Type"] != "Limit" or not inner:
            continue
        read = planner.read(db, "sort key", inner[0]["Sort Key"])
        sorts = [key for found in read for key in found]
        if len(sorts) != len(read) or {key["alias"] for key in sorts} != {node["Alias"]}:
            continue
        if not all(_column(db, table, key["column"]) for key in sorts):
            continue
        order = [quote_ident(key["column"]) + key["order"] for key in sorts]
        fixed = [key.text for key in keys if key.constant and key.kind == "equal" and not key.expression]
        wanted = float(limit["Plan Rows"])
        why = f"the first {wanted:,.0f} rows of {table.name} are wanted in the order {', '.join(inner[0]['Sort Key'])}"
        for first in ([], fixed) if fixed else ([],):
            text = (*first[:_MOST_COLUMNS], *order[:_MOST_COLUMNS])
            yield Candidate(table, text, why, wanted / table.rows if table.rows > 0 else None)


def _key(db: Connection, table: Table, term: dict[str, Any]) -> Key | None:
    """The part of an index that serves a condition; None where no B-tree does."""
    if term["column"] is None:
        return _expression(db, term)
    about = _column(db, table, term["column"])
    # PostgreSQL compares varchar as text, and an index of the column serves that.
    if about is None or (term["cast"] and (term["cast"], about["type"]) != ("text", "character varying")):
        return None
    column = quote_ident(term["column"])
    if term["kind"] != "pattern":
        return Key(column, term["kind"], term["constant"], False)
    bytewise = about["default_bytewise"] if about["collation"] == _DEFAULT_COLLATION else about["bytewise"]
    kind = "" if bytewise else f" {_PATTERN_OPS.get(about['type'], 'text_pattern_ops')}"
    return Key(f"{column}{kind}", "range", term["constant"], False)


def _expression(db: Connection, term: dict[str, Any]) -> Key | None:
    names = [name.rpartition(".")[2] for name in term["functions"]]
    if not names or not db.rows(_IMMUTABLE, ("text[]",), (names,))[0]["immutable"]:
        return None
    text = term["expression"] if term["call"] else f"({term['expression']})"
    if term["kind"] == "pattern":
        return Key(f"{text} text_pattern_ops", "range", term["constant"], True)
    return Key(text, term["kind"], term["constant"], True)


def _column(db: Connection, table: Table, name: str) -> dict[str, Any] | None:
    """Type and collation of a column that a B-tree can order."""
    found = db.rows(_COLUMN, ("int8", "text"), (table.oid, name))
    return found[0] if found and found[0]["ordered"] else None


def _served(db: Connection, candidate: Candidate) -> bool:
    """Whether an index that begins with the same keys is there; of plain columns in any order."""
    for row in db.rows(_EXISTING, ("int8",), (candidate.table.oid,)):
        if set(row["keys"][: len(candidate.keys)]) == set(candidate.keys):
            return True
        if f"({', '.join(candidate.keys)}" in row["definition"]:
            return True
    return False
