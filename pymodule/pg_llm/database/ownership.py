"""The table that a call names: its oid, the columns of it that are named, and whether the caller owns it."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.errors import InsufficientPrivilege, InvalidInput


def oid(db: Connection, target: str | None) -> str:
    """The table's oid, resolved on the caller's search path: PL/Python gets a regclass as the name on that path."""
    query = (
        "SELECT $1::pg_catalog.oid::pg_catalog.int8 AS oid"
        " FROM pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid"
    )
    rows = db.rows(query, ("pg_catalog.regclass",), (arguments.required("target", target),))
    if not rows:
        # A number is a regclass, too, whether or not a relation has it.
        raise InvalidInput(f"there is no table {target}")
    return str(rows[0]["oid"])


def columns(table: Table, given: list[str | None] | None) -> list[str]:
    """The given names, each of which is a column of the table. Raises InvalidInput."""
    names = [column for column in given or [] if column is not None]
    if not names or len(names) != len(given or []):
        raise InvalidInput(
            "columns must name at least one column, and no NULL", hint="Write columns => '{title,body}'."
        )
    for name in names:
        if name not in table.columns:
            known = ", ".join(table.columns)
            raise InvalidInput(f'table {table.relation} has no column "{name}"', hint=f"It has: {known}.")
    return names


def check_owner(db: Connection, table: Table) -> None:
    """Raise InsufficientPrivilege for a caller without the rights of the table's owner."""
    if not acts_for(db, table.owner):
        raise not_owner(f"table {table.relation}", table.owner)


def check_sees_all(db: Connection, table: Table) -> None:
    """Raise InsufficientPrivilege where row-level security hides rows of a table from the current role.

    To be called as the table's owner, before what is derived from rows that seem to be gone is deleted.
    """
    if db.rows("SELECT row_security_active($1::oid) AS is", ("int8",), (table.oid,))[0]["is"]:
        raise InsufficientPrivilege(
            f"the owner of {table.relation} does not see all its rows, as it has FORCE ROW LEVEL SECURITY",
            hint=f"ALTER TABLE {table.relation} NO FORCE ROW LEVEL SECURITY; or let the owner bypass it: ALTER ROLE …"
            " BYPASSRLS.",
        )


def not_owner(what: str, owner: str) -> InsufficientPrivilege:
    """The error for a caller who is not the owner."""
    return InsufficientPrivilege(f"must be owner of {what}", hint=f'Run it as a member of the role "{owner}".')


def acts_for(db: Connection, role: str) -> bool:
    """Whether the caller has the rights of a role, given by name."""
    return bool(db.rows("SELECT pg_has_role($1, 'USAGE') AS may", ("text",), (role,))[0]["may"])


def acts_for_number(db: Connection, role: int) -> bool:
    """Whether the caller has the rights of a role, given by number."""
    return bool(db.rows("SELECT pg_has_role($1::oid, 'USAGE') AS may", ("int8",), (role,))[0]["may"])
