"""Trying again what failed, once its cause is gone."""

from __future__ import annotations

from pg_llm.database import ownership
from pg_llm.database.connection import Connection
from pg_llm.work import queue

_OWNER = """
    SELECT c.oid::regclass::text AS relation, pg_get_userbyid(c.relowner)::text AS owner
    FROM pg_class AS c WHERE c.oid = $1::oid
"""


def retry(db: Connection, table: int | None) -> int:
    """Let rows that failed be tried again at once, dead letters too. Returns how many.

    Raises InsufficientPrivilege for a table whose owner's rights the caller lacks.
    """
    if table is not None:
        (row,) = db.rows(_OWNER, ("int8",), (table,))
        if not ownership.acts_for(db, row["owner"]):
            raise ownership.not_owner(row["relation"], row["owner"])
    return queue.retry(db, db.current_role(), table)
