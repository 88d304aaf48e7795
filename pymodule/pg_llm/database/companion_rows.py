"""The rows of a companion table whose source is gone while the table has to stay."""

from __future__ import annotations

from pg_llm.database import ownership
from pg_llm.database.connection import Connection, DatabaseError

_COMPANION = """
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relowner::int8 AS owner
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1 AND EXISTS (
        SELECT FROM llm.companion_table AS t
        WHERE t.companion = c.oid AND NOT EXISTS (SELECT FROM pg_class AS s WHERE s.oid = t.source)
    )
"""


def delete(db: Connection, relation: str) -> None:
    """Delete all rows with the rights of the companion's owner and no others, as that runs its triggers.

    A caller without these rights, and an owner whose code fails, leave them where nobody but the owner sees them.
    """
    for companion in db.rows(_COMPANION, ("regclass",), (relation,)):
        if ownership.acts_for_number(db, companion["owner"]):
            try:
                with db.savepoint():
                    db.run_as(companion["owner"], lambda name=companion["name"]: db.execute(f"DELETE FROM {name}"))  # type: ignore[misc]
            except DatabaseError as error:
                db.warning(f"table {companion['name']} keeps its rows: {error}")
