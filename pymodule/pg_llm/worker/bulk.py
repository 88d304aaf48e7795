"""Bulk embedding: a semantic index is filled by actors on many machines, each with the model in its own process.

What is done is in the companion table, row by row: a job that was interrupted goes on where it was, and one that is run
twice finds nothing to do. Each actor is an ordinary client with the rights of the role that it logs in as.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator

import psycopg

from pg_llm.database import companion_backfill, models, ownership
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.psycopg_connection import PsycopgConnection
from pg_llm.database.transaction import pinned
from pg_llm.errors import Error, InvalidInput, UndefinedIndex
from pg_llm.interrupts import Interrupted
from pg_llm.search import backfill, semantic_index, upkeep
from pg_llm.search.semantic_index import SemanticIndex
from pg_llm.worker import session

_log = logging.getLogger(__name__)
# Seconds between two lines about how far it is.
_PAUSE = 5.0


class Embedder:
    """An actor: makes the chunks of rows true, with a connection and a model of its own."""

    def __init__(self, dsn: str, index: int) -> None:
        self._dsn, self._index = dsn, index
        self._open = contextlib.ExitStack()

    def ready(self) -> None:
        """Connect, and load the model. Raises Error."""
        # What models have cost is written below the working directory, as below the server's data directory.
        os.chdir(tempfile.mkdtemp(prefix="pg_llm-"))
        with _portable():
            self._db = self._open.enter_context(_opened(self._dsn))
            with pinned(self._db):
                models.find(self._db, self._found().definition.model, "embedding").ask("load")

    def run(self, keys: str) -> list[str]:
        """Make the chunks of the rows with these keys, a JSON array, true; returns those that others were writing.

        Raises Error.
        """
        with _portable(), pinned(self._db) as commit:
            index = self._found()
            busy = upkeep.as_owner(self._db, index, lambda: upkeep.update_rows(self._db, index, keys, lock=True))
            commit()
        return busy

    def _found(self) -> SemanticIndex:
        index = semantic_index.by_id(self._db, self._index)
        if index is None:
            raise UndefinedIndex("the semantic index was dropped, or has lost a column")
        return index


def fill(dsn: str, target: str, name: str | None, actors: int, address: str | None) -> int:
    """Give every row of the table the chunks of its text; returns how many rows needed it.

    `actors` is their number, 0 for one on each node of the cluster at `address`, None for one that is started here.
    Raises Error, DatabaseError and psycopg.Error.
    """
    with contextlib.ExitStack() as stack:
        db = stack.enter_context(_opened(dsn))
        # On the role's own search path, as in SQL.
        oid = ownership.oid(db, target)
        commit = stack.enter_context(pinned(db))
        index = semantic_index.find(db, oid, name)
        _check(db, index)
        total = backfill.count(db, index)
        # Only here, as Ray is there only where somebody has installed it.
        from pg_llm.worker.actor_pool import ActorPool

        pool = ActorPool(address, actors, Embedder, dsn, index.id)
        taken = 0

        def batches() -> Iterator[str]:
            nonlocal taken
            for keys, _ in backfill.stale_keys(db, index):
                # No snapshot is held while these rows are read.
                commit()
                for start in range(0, len(keys), upkeep.BATCH):
                    batch = keys[start : start + upkeep.BATCH]
                    taken += len(batch)
                    yield f"[{', '.join(batch)}]"

        busy: list[str] = []
        said = time.monotonic()
        for left in pool.run(batches()):
            busy += left
            if time.monotonic() > said + _PAUSE:
                said = time.monotonic()
                _log.info("%d rows are read or being read, of %d at most.", taken, total)
        companion_backfill.update_busy(db, busy, upkeep.BATCH, lambda keys: next(pool.run([keys])))
        upkeep.as_owner(db, index, lambda: upkeep.delete_orphans(db, index))
        commit()
    return taken


def _check(db: Connection, index: SemanticIndex) -> None:
    if index.owner != db.current_role():
        owner = db.rows("SELECT pg_get_userbyid($1::oid)::text AS name", ("int8",), (index.owner,))[0]["name"]
        raise ownership.not_owner(f"table {index.source.relation}", owner)
    model = models.find(db, index.definition.model, "embedding")
    if model.wire["source"].startswith("database:"):
        raise InvalidInput(
            f'model "{model.name}" was trained in this database, whose files of models no client may read',
            hint=f"CALL semantic_refresh('{index.source.relation}') has the server fill the index.",
        )


@contextlib.contextmanager
def _portable() -> Iterator[None]:
    """Whatever is raised inside is an Error, which another process can read."""
    try:
        yield
    except Interrupted as error:
        raise Error(str(error)) from None
    except (DatabaseError, psycopg.Error) as error:
        raise Error(str(error), hint=getattr(error, "hint", None)) from None


@contextlib.contextmanager
def _opened(dsn: str) -> Iterator[PsycopgConnection]:
    """A connection whose models run in this process."""
    with session.connected(dsn) as connection:
        session.schema_of_extension(connection)
        connection.execute("SET default_transaction_isolation = 'read committed'")
        connection.execute("SET client_connection_check_interval = '1s'")
        connection.execute("SET llm.engine = 'backend'")
        connection.autocommit = False
        yield PsycopgConnection(connection)
