"""The table that a call names: its number, those of its columns that are meant, whose it is."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.errors import InsufficientPrivilege, InvalidInput


def oid(db: Connection, target: str | None) -> str:
    """The table's oid: PL/Python has its name as the caller's search path shows it, which is about to change."""
    named = (arguments.required("target", target),)
    return str(db.rows("SELECT $1::pg_catalog.oid::pg_catalog.int8 AS oid", ("pg_catalog.regclass",), named)[0]["oid"])


def columns(table: Table, given: list[str | None] | None) -> list[str]:
    """The names, which the table has. Raises InvalidInput."""
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
    """Raise InsufficientPrivilege for a caller who does not act for the table's owner."""
    if not acts_for(db, table.owner):
        raise not_owner(f"table {table.relation}", table.owner)


def not_owner(what: str, owner: str) -> InsufficientPrivilege:
    """The error for somebody else."""
    return InsufficientPrivilege(f"must be owner of {what}", hint=f'Run it as a member of the role "{owner}".')


def acts_for(db: Connection, role: str) -> bool:
    """Whether the caller has the rights of a role."""
    return bool(db.rows("SELECT pg_has_role($1, 'USAGE') AS may", ("text",), (role,))[0]["may"])
