"""Reading the rows of a source into its graph: all that have changed, or those of some keys."""

from __future__ import annotations

from collections.abc import Iterator

from pg_llm.functions import graph_store, session
from pg_llm.functions import semantic_column as catalog
from pg_llm.functions.graph_reading import Reader
from pg_llm.functions.graph_source import Source
from pg_llm.functions.progress import Report
from pg_llm.functions.session import Row
from pg_llm.functions.transaction import Commit

_BATCH = 64
_BLOCKS = 64
_KEYS = 1000


class Filling:
    """One source, what reads it, and the embedding model of its graph."""

    def __init__(self, source: Source, graph: Row) -> None:
        self._source = source
        self._reader = Reader(source, graph)
        self._model: str = graph["embedding_model"]
        self._hash = source.hash(self._reader.by)
        self._columns = (
            f"{source.table.key_object}::text AS key, {self._hash} AS hash, {source.content}::text AS content"
        )

    def everything(self, report: Report, commit: Commit) -> None:
        """Read whatever is not as the graph knows it; forget rows that are gone. Passes until nothing is left to do."""
        total = int(session.rows_once(f"SELECT count(*) AS n FROM {self._source.table.relation}")[0]["n"])
        self._forget_gone(commit)
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

    def keys(self, keys: str) -> None:
        """Read the rows with these primary keys, a JSON array of objects, in the caller's transaction."""
        table = self._source.table
        wanted = f"jsonb_populate_recordset(NULL::{table.relation}, $1::jsonb)"
        there = session.rows_once(
            f"SELECT {self._columns} FROM {wanted} AS k JOIN {self._source.rows} ON {table.same_key}",
            ("text",),
            (keys,),
        )
        of_key = table.key_object.replace("t.", "k.")
        gone = session.rows_once(
            f"SELECT {of_key}::text AS key FROM {wanted} AS k"
            f" WHERE NOT EXISTS (SELECT FROM {table.relation} AS t WHERE {table.same_key})", ("text",), (keys,),
        )  # fmt: skip
        if gone:
            graph_store.remove(self._source.id, [row["key"] for row in gone])
        known = graph_store.known(self._source.id, [row["key"] for row in there])
        changed = [row for row in there if known.get(row["key"]) != row["hash"]]
        for start in range(0, len(changed), _BATCH):
            self._store(changed[start : start + _BATCH])

    def _store(self, rows: list[Row]) -> int:
        """Read and write; a row that changed while it was read is left to whoever changed it. How many were written."""
        said = self._reader.read(rows)
        if not graph_store.hold(self._source.id):
            return 0
        numbers = graph_store.take(self._source.graph, self._source.id, [row["key"] for row in rows])
        table = self._source.table
        now = session.rows_once(
            f"SELECT {table.key_object}::text AS key, {self._hash} AS hash"
            f" FROM unnest($1::jsonb[]) AS u (key), jsonb_populate_record(NULL::{table.relation}, u.key) AS k"
            f" JOIN {self._source.rows} ON {table.same_key}",
            ("text[]",),
            ([row["key"] for row in rows],),
        )
        current = {row["key"]: row["hash"] for row in now}
        unchanged = [each for each in said if current.get(each.key) == each.hash]
        graph_store.store(self._source.graph, self._source.id, numbers, unchanged, self._model)
        gone = [each.key for each in said if each.key not in current]
        if gone:
            graph_store.remove(self._source.id, gone)
        return len(unchanged)

    def _stale(self) -> Iterator[tuple[list[Row], int]]:
        """Some blocks at a time: the rows that the graph does not know as they are, and how many rows there were."""
        for leaf in catalog.parts(self._source.table, "r"):
            blocks = session.rows_once(
                "SELECT pg_relation_size($1::regclass) / current_setting('block_size')::bigint AS blocks",
                ("text",), (leaf,),
            )[0]["blocks"]  # fmt: skip
            for first in range(0, blocks, _BLOCKS):
                rows = session.rows_once(
                    f"SELECT {self._columns} FROM {self._source.relation(f'ONLY {leaf}')}"
                    f" WHERE t.ctid >= '({first},0)' AND t.ctid < '({first + _BLOCKS},0)'"
                )
                known = graph_store.known(self._source.id, [row["key"] for row in rows])
                yield [row for row in rows if known.get(row["key"]) != row["hash"]], len(rows)

    def _forget_gone(self, commit: Commit) -> None:
        table = self._source.table
        last = 0
        while True:
            rows = session.rows(
                "SELECT id, key::text AS key FROM llm.own_graph_row WHERE source = $1 AND id > $2 ORDER BY id LIMIT $3",
                ("int4", "int8", "int4"), (self._source.id, last, _KEYS),
            )  # fmt: skip
            if not rows:
                return
            last = rows[-1]["id"]
            gone = session.rows_once(
                f"SELECT u.key FROM unnest($1) AS u (key), jsonb_populate_record(NULL::{table.relation}, u.key::jsonb)"
                f" AS k WHERE NOT EXISTS (SELECT FROM {table.relation} AS t WHERE {table.same_key})",
                ("text[]",),
                ([row["key"] for row in rows],),
            )
            if gone:
                graph_store.remove(self._source.id, [row["key"] for row in gone])
                commit()


def forget_all(source: int, commit: Commit) -> None:
    """Forget every row of a source."""
    while True:
        rows = session.rows(
            "SELECT key::text AS key FROM llm.own_graph_row WHERE source = $1 LIMIT $2", ("int4", "int4"),
            (source, _KEYS),
        )  # fmt: skip
        if not rows:
            return
        graph_store.remove(source, [row["key"] for row in rows])
        commit()
