"""Reading the rows of a source into its graph: all that have changed, or those of some keys."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from pg_llm.database import catalog
from pg_llm.database.connection import Connection, Row
from pg_llm.database.progress import Report
from pg_llm.database.transaction import Commit
from pg_llm.graph import name_vectors, store
from pg_llm.graph.access import Access
from pg_llm.graph.row_reader import Reader
from pg_llm.graph.source import Source

_BATCH = 64
_BLOCKS = 64
_KEYS = 1000


class Filling:
    """One source, what reads it, and with whose rights it is read."""

    def __init__(self, db: Connection, source: Source, graph: Row, access: Access) -> None:
        self._db = db
        self._source = source
        self._graph = graph
        self._access = access
        self._embed = name_vectors.embedder(db, graph["embedding_model"])

    @functools.cached_property
    def _reader(self) -> Reader:
        """Not before it is needed: to forget takes no model."""
        return self._access.model(lambda: Reader(self._db, self._source, self._graph))

    @functools.cached_property
    def _key_and_hash(self) -> str:
        return f"{self._source.table.key_object}::text AS key, {self._source.hash(self._reader.by)} AS hash"

    @property
    def _columns(self) -> str:
        return f"{self._key_and_hash}, {self._source.content}::text AS content"

    def everything(self, report: Report, commit: Commit) -> None:
        """Read whatever is not as the graph knows it; forget rows that are gone. Passes until nothing is left to do."""
        total = int(self._rows(f"SELECT count(*) AS n FROM {self._source.target}")[0]["n"])
        self.forget_gone(commit)
        progress = -1
        while progress:
            progress = done = 0
            for rows, seen in self._stale():
                for start in range(0, len(rows), _BATCH):
                    progress += self._store(rows[start : start + _BATCH])
                    commit()
                    report("reading", min(done + start, total), total)
                done += seen
        report("reading", total, total)

    def keys(self, keys: Sequence[str]) -> None:
        """Read the rows with these primary keys, JSON objects, in the caller's transaction."""
        there = self._keyed(self._columns, self._source.rows, keys)
        self._forget(set(keys) - {row["key"] for row in there})
        known = store.known(self._db, self._source.id, [row["key"] for row in there])
        changed = [row for row in there if known.get(row["key"]) != row["hash"]]
        for start in range(0, len(changed), _BATCH):
            self._store(changed[start : start + _BATCH])

    def forget_gone(self, commit: Commit) -> None:
        """Forget the rows that the table does not have any more."""
        last = 0
        while rows := store.keys(self._db, self._source.id, last, _KEYS):
            last = rows[-1]["id"]
            keys = [row["key"] for row in rows]
            table = self._source.table
            there = self._keyed(f"{table.key_object}::text AS key", f"{self._source.target} AS t", keys)
            if gone := set(keys) - {row["key"] for row in there}:
                self._forget(gone)
                commit()

    def _rows(self, query: str, types: Sequence[str] = (), values: Sequence[object] = ()) -> list[Row]:
        return self._access.read(self._source, lambda: self._db.query_unprepared(query, types, values))

    def _keyed(self, columns: str, rows: str, keys: Sequence[str]) -> list[Row]:
        """Of the rows with these keys, which are JSON, some columns."""
        table = self._source.table
        query = f"SELECT {columns} FROM {table.keys('$1::jsonb')} JOIN {rows} ON {table.same_key}"
        return self._rows(query, ("text",), (f"[{','.join(keys)}]",))

    def _forget(self, keys: set[str]) -> None:
        if keys:
            store.remove(self._db, self._source.id, sorted(keys))

    def _store(self, rows: list[Row]) -> int:
        """Read and write; a row that changed while it was read is left to whoever changed it. How many were written."""
        said = self._access.model(lambda: self._reader.read(rows))
        if not store.hold(self._db, self._source.id):
            return 0
        keys = [row["key"] for row in rows]
        numbers = store.take(self._db, self._source.graph, self._source.id, keys)
        now = self._keyed(self._key_and_hash, self._source.rows, keys)
        current = {row["key"]: row["hash"] for row in now}
        unchanged = [each for each in said if current.get(each.key) == each.hash]
        spoken_of = store.store(self._db, self._source.graph, self._source.id, numbers, unchanged)
        name_vectors.embed(self._db, lambda names: self._access.model(lambda: self._embed(names)), spoken_of)
        self._forget({each.key for each in said if each.key not in current})
        return len(unchanged)

    def _stale(self) -> Iterator[tuple[list[Row], int]]:
        """Some blocks at a time: the rows that the graph does not know as they are, and how many rows there were."""
        for leaf in catalog.parts(self._db, self._source.table, "r"):
            blocks = self._db.query_unprepared(
                "SELECT pg_relation_size($1::regclass) / current_setting('block_size')::bigint AS blocks",
                ("text",),
                (leaf,),
            )[0]["blocks"]
            for first in range(0, blocks, _BLOCKS):
                rows = self._rows(
                    f"SELECT {self._columns} FROM {self._source.relation(f'ONLY {leaf}')}"
                    f" WHERE t.ctid >= '({first},0)' AND t.ctid < '({first + _BLOCKS},0)'"
                )
                known = store.known(self._db, self._source.id, [row["key"] for row in rows])
                yield [row for row in rows if known.get(row["key"]) != row["hash"]], len(rows)


def forget_all(db: Connection, source: int, commit: Commit) -> None:
    """Forget every row of a source."""
    while rows := store.keys(db, source, 0, _KEYS):
        store.remove(db, source, [row["key"] for row in rows])
        commit()
