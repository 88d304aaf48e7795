"""The key of a companion table, whose columns have the types of its source's key."""

from __future__ import annotations

from pg_llm.database import ownership
from pg_llm.database.connection import Connection, DatabaseError

# Classes of SQLSTATE: a value that does not fit the type, and one that breaks a constraint.
_UNFIT = ("22", "23")
_COMPANION = """
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.oid::int8 AS oid, c.relowner::int8 AS owner,
           pg_get_userbyid(c.relowner)::text AS owner_name, llm.companion_key_conversion(c.oid) AS conversion
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1
"""


def convert(db: Connection, relation: str) -> None:
    """Give the key the types that the source's key has, with the rights of the companion's owner and no others.

    The table is rewritten, which runs its owner's code. Values that the conversion changed are of no row any more:
    search leaves them out, and a refresh replaces them. Raises InsufficientPrivilege for a caller without these rights.
    """
    (companion,) = db.rows(_COMPANION, ("regclass",), (relation,))
    name, conversion = companion["name"], companion["conversion"]
    if conversion is None:
        return
    if not ownership.acts_for(db, companion["owner_name"]):
        raise ownership.not_owner(f"table {name}", companion["owner_name"])

    def rewrite() -> None:
        db.execute(f"DROP POLICY IF EXISTS readable ON {name}")
        try:
            with db.savepoint():
                db.execute(f"ALTER TABLE {name} {conversion}")
        except DatabaseError as error:
            if error.sqlstate[:2] not in _UNFIT:
                raise
            db.execute(f"DELETE FROM {name}")
            db.execute(f"ALTER TABLE {name} {conversion}")
        db.rows("SELECT llm.create_companion_policy($1::oid::regclass)", ("int8",), (companion["oid"],))

    db.run_as(companion["owner"], rewrite)
