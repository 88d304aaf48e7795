"""Filling a semantic column: rows without a vector get one, in batches that can be stopped and taken up again.

Rows are read and written as the table's owner would: who may write to the table need not see its vectors, and whoever
calls this is not made to run what the owner has put on it. A part that somebody else owns is its owner's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pg_llm.database import catalog, models, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.database.progress import Report
from pg_llm.database.quoting import quote_ident
from pg_llm.database.security_context import replicate_as
from pg_llm.database.transaction import Commit
from pg_llm.search.semantic_column import SemanticColumn

_R = TypeVar("_R")
_BATCH = 256
_BLOCKS = 256
_PARTS = """
    SELECT c.oid::int8 AS oid, c.relkind = 'r' AS leaf, c.relowner <> w.relowner AS strange,
           CASE WHEN c.relkind = 'r' THEN 'ONLY ' ELSE '' END || format('%I.%I', n.nspname, c.relname) AS rows
    FROM pg_class AS w, (SELECT $1::oid UNION SELECT p.relid FROM pg_partition_tree($1::oid) AS p) AS p (oid)
    JOIN pg_class AS c ON c.oid = p.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE w.oid = $1::oid AND c.relkind IN ('r', 'p') ORDER BY c.oid
"""


@dataclass(frozen=True, slots=True)
class _Part:
    """A table or partition; `rows` is how SQL names what it holds itself, `strange` whether it has another owner."""

    oid: int
    rows: str
    leaf: bool
    strange: bool

    def work(self, db: Connection, work: Callable[[], _R], writes: bool) -> _R:
        """With the rights of the whole table's owner, who is acting, or as far as these go with a strange part."""
        return table_access.on_part(db, self.oid, work, writes) if self.strange else work()


def as_owner(db: Connection, table: Table, work: Callable[[], _R]) -> _R:
    """Run `work` with the rights of the table's owner; what it writes fires no triggers, as those have fired."""
    owner = db.rows("SELECT relowner::int8 AS oid FROM pg_class WHERE oid = $1::oid", ("int8",), (table.oid,))
    return replicate_as(db, owner[0]["oid"], work)


def fill(db: Connection, column: SemanticColumn, report: Report, commit: Commit) -> None:
    """Embed every row that lacks it: one pass over the blocks, and another for as long as the last found something."""
    leaves = [part for part in _parts(db, column.table) if part.leaf]
    total = sum(as_owner(db, column.table, partial(_count, db, leaf, _lacking(column))) for leaf in leaves)
    done = 0
    report("embedding", 0, total)
    before = -1
    while before < done:
        before = done
        for leaf in leaves:
            for ctids in _batches(db, column, leaf):
                done += as_owner(db, column.table, partial(_fill_rows, db, column, leaf, ctids))
                commit()
                report("embedding", done, max(total, done))


def filled(db: Connection, column: SemanticColumn) -> int:
    """How many rows have a vector."""
    leaves = [part for part in _parts(db, column.table) if part.leaf]
    return sum(as_owner(db, column.table, partial(_count, db, leaf, f"{column.vector} IS NOT NULL")) for leaf in leaves)


def fill_keys(db: Connection, column: SemanticColumn, keys: str) -> None:
    """Embed the rows with these primary keys, a JSON array of objects, in the caller's transaction."""
    parts = _parts(db, column.table)
    leaves = [part for part in parts if part.leaf]
    # All at once through the whole table, where that asks nobody else's part.
    asked = leaves if any(part.strange for part in parts) else [part for part in parts if part.oid == column.table.oid]
    for part in asked:
        found = part.work(db, partial(_of_keys, db, column, part, keys), writes=False)
        for leaf in leaves:
            ctids = found.get(leaf.oid, [])
            for start in range(0, len(ctids), _BATCH):
                _fill_rows(db, column, leaf, ctids[start : start + _BATCH])


def _parts(db: Connection, table: Table) -> list[_Part]:
    return [_Part(**row) for row in db.rows(_PARTS, ("int8",), (table.oid,))]


def _lacking(column: SemanticColumn) -> str:
    return f"{column.vector} IS NULL AND {column.document} <> ''"


def _count(db: Connection, leaf: _Part, condition: str) -> int:
    query = f"SELECT count(*) AS n FROM {leaf.rows} AS t WHERE {condition}"
    return int(leaf.work(db, lambda: db.query_unprepared(query)[0]["n"], writes=False))


def _batches(db: Connection, column: SemanticColumn, leaf: _Part) -> Iterator[list[str]]:
    """Block by block, so that nothing is read twice and a repeated call soon finds where to go on."""
    blocks = db.query_unprepared(
        "SELECT pg_relation_size($1::oid) / current_setting('block_size')::bigint AS blocks", ("int8",), (leaf.oid,)
    )[0]["blocks"]
    for first in range(0, blocks, _BLOCKS):
        query = f"""
            SELECT t.ctid::text AS ctid FROM {leaf.rows} AS t
            WHERE t.ctid >= '({first},0)' AND t.ctid < '({first + _BLOCKS},0)' AND {_lacking(column)}
        """
        read = partial(leaf.work, db, partial(db.query_unprepared, query), writes=False)
        ctids = [row["ctid"] for row in as_owner(db, column.table, read)]
        for start in range(0, len(ctids), _BATCH):
            yield ctids[start : start + _BATCH]


def _of_keys(db: Connection, column: SemanticColumn, part: _Part, keys: str) -> dict[int, list[str]]:
    """The rows with these keys that lack a vector, by the leaf that holds them."""
    found = db.query_unprepared(
        f"""
        SELECT t.tableoid::int8 AS leaf, array_agg(t.ctid::text) AS ctids
        FROM {column.table.keys("$1::jsonb")} JOIN {part.rows} AS t ON {column.table.same_key}
        WHERE {column.vector} IS NULL GROUP BY 1
        """,
        ("text",),
        (keys,),
    )
    return {row["leaf"]: row["ctids"] for row in found}


def _fill_rows(db: Connection, column: SemanticColumn, leaf: _Part, ctids: Sequence[str]) -> int:
    """Embed these rows; one whose text changes meanwhile keeps what its writer gives it. Returns how many."""
    fingerprint = f"hashtextextended({column.document}, 0)"
    query = f"""
        SELECT t.ctid::text AS ctid, {fingerprint} AS fingerprint, {column.document} AS document
        FROM {leaf.rows} AS t WHERE t.ctid = ANY($1::tid[]) AND {_lacking(column)}
    """
    found = leaf.work(db, partial(db.query_unprepared, query, ("text[]",), (list(ctids),)), writes=False)
    if not found:
        return 0
    vectors = models.find(db, column.model, "embedding").run(
        "embedding", [row["document"] for row in found], role="document"
    )
    update = f"""
        UPDATE {leaf.rows} AS t
        SET {quote_ident(column.name)} = v.vector::{catalog.schema_of(db, "vector")}.vector,
            {quote_ident(column.text_name)} = {column.document_tsvector}
        FROM ROWS FROM (unnest($1::tid[]), unnest($2), unnest($3)) AS v (ctid, fingerprint, vector)
        WHERE t.ctid = v.ctid AND {column.vector} IS NULL AND {fingerprint} = v.fingerprint
        RETURNING true AS written
    """
    values = [*([row[name] for row in found] for name in ("ctid", "fingerprint")), vectors]

    write = partial(db.query_unprepared, update, ("text[]", "bigint[]", "text[]"), values)
    return len(leaf.work(db, write, writes=True))
