"""Backfill of a semantic column: rows without a vector are embedded, in batches that can be interrupted and resumed.

Rows are read and written with the rights of the table's owner: a writer of the table need not see its vectors, and the
caller runs no code that the owner has attached. A partition of another owner is accessed with that owner's rights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pg_llm.database import catalog, models, relation_names, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.database.progress import Report
from pg_llm.database.quoting import quote_ident
from pg_llm.database.security_context import replicate_as
from pg_llm.database.transaction import Commit
from pg_llm.search.semantic_column import SemanticColumn

_R = TypeVar("_R")
# Rows that are embedded by one call of the model, and blocks that are scanned by one query.
_BATCH = 256
_BLOCKS = 256
_PARTITIONS = """
    SELECT c.oid::int8 AS oid, c.relkind = 'r' AS leaf, c.relowner <> w.relowner AS foreign_owned,
           CASE WHEN c.relkind = 'r' THEN 'ONLY ' ELSE '' END || format('%I.%I', n.nspname, c.relname) AS from_item
    FROM pg_class AS w, (SELECT $1::oid UNION SELECT p.relid FROM pg_partition_tree($1::oid) AS p) AS p (oid)
    JOIN pg_class AS c ON c.oid = p.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE w.oid = $1::oid AND c.relkind IN ('r', 'p') ORDER BY c.oid
"""


@dataclass(frozen=True, slots=True)
class _Partition:
    """The table or one of its partitions; `from_item` is its own rows in SQL, `foreign_owned`: it has another owner."""

    oid: int
    from_item: str
    leaf: bool
    foreign_owned: bool

    def run(self, db: Connection, work: Callable[[], _R], writes: bool) -> _R:
        """Run `work` with the acting rights of the table's owner, or as far as these go with another's partition."""
        return table_access.on_part(db, self.oid, work, writes) if self.foreign_owned else work()


def run_as_owner(db: Connection, table: Table, work: Callable[[], _R]) -> _R:
    """Run `work` with the rights of the table's owner; its writes fire no triggers, as the user's write fired them."""
    owner = db.rows("SELECT relowner::int8 AS oid FROM pg_class WHERE oid = $1::oid", ("int8",), (table.oid,))
    return replicate_as(db, owner[0]["oid"], work)


def fill(db: Connection, column: SemanticColumn, report: Report, commit: Commit) -> None:
    """Embed every row that lacks a vector, in passes over all blocks until one finds no row."""
    leaves = _leaves(db, column.table)
    total = sum(run_as_owner(db, column.table, partial(_count, db, leaf, _lacks_vector(column))) for leaf in leaves)
    done = 0
    report("embedding", 0, total)
    before = -1
    while before < done:
        before = done
        for leaf in leaves:
            for ctids in _batches(db, column, leaf):
                done += run_as_owner(db, column.table, partial(_fill_rows, db, column, leaf, ctids))
                commit()
                report("embedding", done, max(total, done))


def filled_count(db: Connection, column: SemanticColumn) -> int:
    """The number of rows that have a vector."""
    has_vector = f"{column.vector} IS NOT NULL"
    return sum(
        run_as_owner(db, column.table, partial(_count, db, leaf, has_vector)) for leaf in _leaves(db, column.table)
    )


def fill_keys(db: Connection, column: SemanticColumn, keys: str) -> None:
    """Embed the rows with these primary keys, a JSON array of objects, in the caller's transaction."""
    partitions = _partitions(db, column.table)
    leaves = [partition for partition in partitions if partition.leaf]
    root = [partition for partition in partitions if partition.oid == column.table.oid]
    # One query on the whole table finds the rows, unless that would read partitions of other owners.
    for partition in leaves if any(other.foreign_owned for other in partitions) else root:
        ctids_by_leaf = partition.run(db, partial(_rows_with_keys, db, column, partition, keys), writes=False)
        for leaf in leaves:
            ctids = ctids_by_leaf.get(leaf.oid, [])
            for start in range(0, len(ctids), _BATCH):
                _fill_rows(db, column, leaf, ctids[start : start + _BATCH])


def _partitions(db: Connection, table: Table) -> list[_Partition]:
    partitions = [_Partition(**row) for row in db.rows(_PARTITIONS, ("int8",), (table.oid,))]
    for partition in partitions:
        relation_names.note(db, partition.oid, partition.from_item.removeprefix("ONLY "))
    return partitions


def _leaves(db: Connection, table: Table) -> list[_Partition]:
    return [partition for partition in _partitions(db, table) if partition.leaf]


def _lacks_vector(column: SemanticColumn) -> str:
    return f"{column.vector} IS NULL AND {column.document} <> ''"


def _count(db: Connection, leaf: _Partition, condition: str) -> int:
    query = f"SELECT count(*) AS n FROM {leaf.from_item} AS t WHERE {condition}"
    return int(leaf.run(db, lambda: db.query_unprepared(query)[0]["n"], writes=False))


def _batches(db: Connection, column: SemanticColumn, leaf: _Partition) -> Iterator[list[str]]:
    """Rows to fill, by ranges of blocks: no block is read twice, and a resumed call soon reaches the unfilled ones."""
    blocks = db.query_unprepared(
        "SELECT pg_relation_size($1::oid) / current_setting('block_size')::bigint AS blocks", ("int8",), (leaf.oid,)
    )[0]["blocks"]
    for first in range(0, blocks, _BLOCKS):
        query = f"""
            SELECT t.ctid::text AS ctid FROM {leaf.from_item} AS t
            WHERE t.ctid >= '({first},0)' AND t.ctid < '({first + _BLOCKS},0)' AND {_lacks_vector(column)}
        """
        read = partial(leaf.run, db, partial(db.query_unprepared, query), writes=False)
        ctids = [row["ctid"] for row in run_as_owner(db, column.table, read)]
        for start in range(0, len(ctids), _BATCH):
            yield ctids[start : start + _BATCH]


def _rows_with_keys(db: Connection, column: SemanticColumn, partition: _Partition, keys: str) -> dict[int, list[str]]:
    """The ctids of the rows with these keys that lack a vector, by leaf partition."""
    rows = db.query_unprepared(
        f"""
        SELECT t.tableoid::int8 AS leaf, array_agg(t.ctid::text) AS ctids
        FROM {column.table.keys("$1::jsonb")} JOIN {partition.from_item} AS t ON {column.table.same_key}
        WHERE {column.vector} IS NULL GROUP BY 1
        """,
        ("text",),
        (keys,),
    )
    return {row["leaf"]: row["ctids"] for row in rows}


def _fill_rows(db: Connection, column: SemanticColumn, leaf: _Partition, ctids: Sequence[str]) -> int:
    """Embed these rows, except those whose text changes meanwhile: their writer embeds them. Returns how many."""
    fingerprint = f"hashtextextended({column.document}, 0)"
    query = f"""
        SELECT t.ctid::text AS ctid, {fingerprint} AS fingerprint, {column.document} AS document
        FROM {leaf.from_item} AS t WHERE t.ctid = ANY($1::tid[]) AND {_lacks_vector(column)}
    """
    rows = leaf.run(db, partial(db.query_unprepared, query, ("text[]",), (list(ctids),)), writes=False)
    if not rows:
        return 0
    model = models.find(db, column.model, "embedding")
    vectors = model.run("embedding", [row["document"] for row in rows], role="document")
    update = f"""
        UPDATE {leaf.from_item} AS t
        SET {quote_ident(column.name)} = v.vector::{catalog.schema_of(db, "vector")}.vector,
            {quote_ident(column.text_name)} = {column.document_tsvector}
        FROM ROWS FROM (unnest($1::tid[]), unnest($2), unnest($3)) AS v (ctid, fingerprint, vector)
        WHERE t.ctid = v.ctid AND {column.vector} IS NULL AND {fingerprint} = v.fingerprint
        RETURNING true AS written
    """
    values = [*([row[name] for row in rows] for name in ("ctid", "fingerprint")), vectors]
    write = partial(db.query_unprepared, update, ("text[]", "bigint[]", "text[]"), values)
    return len(leaf.run(db, write, writes=True))
