"""Ingestion: the rows of a source are read into its graph, all that have changed or those with some keys."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from pg_llm.database import catalog
from pg_llm.database.connection import Connection, Row
from pg_llm.database.progress import Report
from pg_llm.database.transaction import Commit
from pg_llm.graph import name_embeddings, store
from pg_llm.graph.access import Access
from pg_llm.graph.row_reader import RowReader
from pg_llm.graph.source import Source

# Rows that are read and stored at once, blocks of a table that are compared, and rows of the graph.
_ROW_BATCH = 64
_BLOCK_BATCH = 64
_KEY_BATCH = 1000


class Ingestion:
    """Ingests one source, whose tables are read and whose models run with the rights that `access` says."""

    def __init__(self, db: Connection, source: Source, graph: Row, access: Access) -> None:
        self._db = db
        self._source = source
        self._graph = graph
        self._access = access
        self._embed = name_embeddings.embedder(db, graph["embedding_model"])

    @functools.cached_property
    def _reader(self) -> RowReader:
        """Made when it is first needed, since deleting rows takes no model."""
        return self._access.run_model(lambda: RowReader(self._db, self._source, self._graph))

    @functools.cached_property
    def _key_and_hash(self) -> str:
        return f"{self._source.table.key_object}::text AS key, {self._source.hash(self._reader.fingerprint)} AS hash"

    @property
    def _columns(self) -> str:
        return f"{self._key_and_hash}, {self._source.content}::text AS content"

    def ingest_changes(self, report: Report, commit: Commit) -> None:
        """Delete the rows that are gone and read those that are new or changed, until a pass finds no more."""
        total = int(self._rows(f"SELECT count(*) AS n FROM {self._source.from_item}")[0]["n"])
        self.delete_missing(commit)
        stored = -1
        while stored:
            stored = done = 0
            for rows, scanned in self._stale_rows():
                for start in range(0, len(rows), _ROW_BATCH):
                    stored += self._read_and_store(rows[start : start + _ROW_BATCH])
                    commit()
                    report("reading", min(done + start, total), total)
                done += scanned
        report("reading", total, total)

    def ingest_keys(self, keys: Sequence[str]) -> None:
        """Read the rows with these primary keys, JSON objects, in the caller's transaction."""
        rows = self._rows_with_keys(self._columns, self._source.from_clause, keys)
        self._delete(set(keys) - {row["key"] for row in rows})
        stale = self._changed(rows)
        for start in range(0, len(stale), _ROW_BATCH):
            self._read_and_store(stale[start : start + _ROW_BATCH])

    def delete_missing(self, commit: Commit) -> None:
        """Delete the rows that the table no longer has from the graph."""
        last = 0
        while rows := store.stored_rows(self._db, self._source.id, last, _KEY_BATCH):
            last = rows[-1]["id"]
            keys = [row["key"] for row in rows]
            table = self._source.table
            there = self._rows_with_keys(f"{table.key_object}::text AS key", f"{self._source.from_item} AS t", keys)
            if missing := set(keys) - {row["key"] for row in there}:
                self._delete(missing)
                commit()

    def _rows(self, query: str, types: Sequence[str] = (), values: Sequence[object] = ()) -> list[Row]:
        return self._access.read(self._source, lambda: self._db.query_unprepared(query, types, values))

    def _rows_with_keys(self, columns: str, from_clause: str, keys: Sequence[str]) -> list[Row]:
        """Some columns of the rows with these keys, JSON objects."""
        table = self._source.table
        query = f"SELECT {columns} FROM {table.keys('$1::jsonb')} JOIN {from_clause} ON {table.same_key}"
        return self._rows(query, ("text",), (f"[{','.join(keys)}]",))

    def _delete(self, keys: set[str]) -> None:
        if keys:
            store.delete_rows(self._db, self._source.id, sorted(keys))

    def _read_and_store(self, rows: list[Row]) -> int:
        """Read rows and store their facts; returns how many were stored.

        A row that another session changed while it was read is left to the trigger of that change.
        """
        facts = self._access.run_model(lambda: self._reader.read(rows))
        if not store.try_lock_source(self._db, self._source.id):
            return 0
        keys = [row["key"] for row in rows]
        ids = store.lock_source_rows(self._db, self._source.graph, self._source.id, keys)
        now = self._rows_with_keys(self._key_and_hash, self._source.from_clause, keys)
        current = {row["key"]: row["hash"] for row in now}
        unchanged = [each for each in facts if current.get(each.key) == each.hash]
        entities = store.replace_facts(self._db, self._source.graph, self._source.id, ids, unchanged)
        name_embeddings.embed_missing(
            self._db, lambda names: self._access.run_model(lambda: self._embed(names)), entities
        )
        self._delete({each.key for each in facts if each.key not in current})
        return len(unchanged)

    def _stale_rows(self) -> Iterator[tuple[list[Row], int]]:
        """By ranges of blocks, the rows whose current content the graph lacks, and the number of rows scanned."""
        for leaf in catalog.parts(self._db, self._source.table, "r"):
            blocks = self._db.query_unprepared(
                "SELECT pg_relation_size($1::regclass) / current_setting('block_size')::bigint AS blocks",
                ("text",),
                (leaf,),
            )[0]["blocks"]
            for first in range(0, blocks, _BLOCK_BATCH):
                rows = self._rows(
                    f"SELECT {self._columns} FROM {self._source.from_clause_over(f'ONLY {leaf}')}"
                    f" WHERE t.ctid >= '({first},0)' AND t.ctid < '({first + _BLOCK_BATCH},0)'"
                )
                yield self._changed(rows), len(rows)

    def _changed(self, rows: list[Row]) -> list[Row]:
        """Those of the rows whose hash is not the one that the graph has."""
        hashes = store.stored_hashes(self._db, self._source.id, [row["key"] for row in rows])
        return [row for row in rows if hashes.get(row["key"]) != row["hash"]]


def delete_all_rows(db: Connection, source: int, commit: Commit) -> None:
    """Delete every row of a source from the graph."""
    while rows := store.stored_rows(db, source, 0, _KEY_BATCH):
        store.delete_rows(db, source, [row["key"] for row in rows])
        commit()
