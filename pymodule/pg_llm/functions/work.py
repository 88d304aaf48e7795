"""SQL: work in the background: rows that changed are done in batches, by workers or by hand."""

from __future__ import annotations

from pg_llm.columns import upkeep as column_upkeep
from pg_llm.database import ownership
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.search import upkeep as search_upkeep
from pg_llm.work import processing, retrying, workers
from pg_llm.work.processing import Handler

# What keeps the rows of each kind of object true.
HANDLERS: dict[str, Handler] = {"index": search_upkeep.process, "column": column_upkeep.process}


@sql_function
def llm_work(db: Connection, max_rows: int | None, done: int | None, failed: int | None) -> dict[str, int]:
    """Do the background work that waits and that the caller has the rights for; counts rows done and failed."""
    if max_rows is not None and max_rows < 1:
        raise InvalidInput("max_rows must be at least 1", hint="Leave it out for all that waits.")
    count = processing.run(db, HANDLERS, max_rows)
    return {"done": count.done, "failed": count.failed}


@sql_function
def llm_retry_work(db: Connection, target: str | None) -> int:
    """Let rows whose work failed be tried again at once, of one table or of all the caller's; returns how many."""
    return retrying.retry(db, int(ownership.oid(db, target)) if target is not None else None)


@sql_function
def announce_worker(db: Connection) -> None:
    """Make the session one that is told of new work and that llm_workers shows."""
    workers.announce(db)
