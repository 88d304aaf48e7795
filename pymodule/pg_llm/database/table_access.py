"""With whose rights a table is read and written, so that code of its owner never runs with those of a stranger.

A table's owner decides what runs when its rows are read or written: policies, triggers, checks, index expressions. Work
on a table therefore has its owner's rights where the caller could take them anyway and the owner could not take the
caller's; where the caller has been granted the table and no more, it keeps its own, as in a plain SELECT, unless it is
more powerful than the owner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pg_llm.database import foreign_code, search_path
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InsufficientPrivilege

_R = TypeVar("_R")

_OWNERS = "SELECT DISTINCT relowner::int8 AS oid FROM pg_class WHERE oid = ANY($1::oid[])"
_BETWEEN = """
    SELECT pg_has_role($1::oid, $2::oid, 'USAGE') AS trusted, pg_has_role($2::oid, $1::oid, 'USAGE') AS shared
"""
# What makes a role more powerful than another: attributes, and predefined roles that the other has not.
_MORE_POWERFUL = """
    SELECT coalesce(bool_or(
        me.rolsuper AND NOT o.rolsuper OR me.rolcreaterole AND NOT o.rolcreaterole
        OR me.rolcreatedb AND NOT o.rolcreatedb OR me.rolreplication AND NOT o.rolreplication
        OR me.rolbypassrls AND NOT o.rolbypassrls OR EXISTS (
            SELECT FROM pg_roles AS p WHERE p.oid < 16384 AND NOT p.rolsuper
            AND pg_has_role(me.oid, p.oid, 'USAGE') AND NOT pg_has_role(o.oid, p.oid, 'USAGE')
        )
    ), false) AS more
    FROM pg_roles AS me, pg_roles AS o WHERE me.oid = $1::oid AND o.oid = ANY($2::oid[])
"""


def on_table(db: Connection, oid: int, work: Callable[[], _R], writes: bool = False, beside: Sequence[int] = ()) -> _R:
    """Run `work`, which reads or writes the table and runs to its end, with the rights that it may have there.

    `beside` are further tables that it reads.

    Raises InsufficientPrivilege where code of somebody else would run with rights that are not its owner's.
    """
    return as_role(db, role_for(db, [oid], writes, beside), work)


def on_part(db: Connection, oid: int, work: Callable[[], _R], writes: bool) -> _R:
    """As `on_table` for a part that the caller did not name: no code is run that the role cannot trust."""
    with search_path.pinned(db):
        role = _role(db, [oid])
        foreign_code.lock(db, [oid], role, writes)
        _refuse(db, foreign_code.find(db, [oid], role, writes), role, named=False)
    return as_role(db, role, work)


def role_for(db: Connection, oids: Sequence[int], writes: bool = False, beside: Sequence[int] = ()) -> int:
    """The role with whose rights a statement on these tables is run; the owner's only where all have the same.

    Raises InsufficientPrivilege where code of somebody else would run with rights that are not its owner's.
    """
    with search_path.pinned(db):
        role = _role(db, oids)
        touched = [*oids, *beside]
        foreign_code.lock(db, touched, role, writes)
        _refuse(db, foreign_code.find(db, touched, role, writes), role, named=role == db.current_role())
    return role


def role_for_author(db: Connection, author: int, what: str) -> int:
    """The role with whose rights code that a role wrote is run: the author's where the caller could take them.

    Raises InsufficientPrivilege for a caller who cannot trust the author and is more powerful.
    """
    with search_path.pinned(db):
        role = _choose(db, author, db.current_role())
        if role != author and not _between(db, author, role)["trusted"]:
            name = db.rows("SELECT pg_get_userbyid($1::oid)::text AS name", ("int8",), (author,))[0]["name"]
            _refuse(db, [{"what": what, "owner": name, "oid": author}], role, named=True)
    return role


def as_role(db: Connection, role: int, work: Callable[[], _R]) -> _R:
    """Run `work` to its end with the rights of a role that `role_for` or `role_for_author` gave."""
    return work() if role == db.current_role() else db.run_as(role, work)


def check_reading(db: Connection, oids: Sequence[int], role: int) -> None:
    """Raise InsufficientPrivilege where reading these tables in the name of a role would run somebody else's code."""
    _refuse(db, foreign_code.find_ever(db, oids, role), role, named=False)


def _role(db: Connection, oids: Sequence[int]) -> int:
    owners = [int(row["oid"]) for row in db.rows(_OWNERS, ("int8[]",), (list(oids),))]
    me = db.current_role()
    return _choose(db, owners[0], me) if len(owners) == 1 else me


def _choose(db: Connection, owner: int, me: int) -> int:
    between = _between(db, owner, me)
    return owner if between["shared"] and not between["trusted"] else me


def _between(db: Connection, owner: int, me: int) -> Row:
    return db.rows(_BETWEEN, ("int8", "int8"), (owner, me))[0]


def _refuse(db: Connection, code: Sequence[Row], role: int, named: bool) -> None:
    """A role of no particular power may run what it has named, as in any statement of its own on that table."""
    if not code:
        return
    owners = sorted({row["oid"] for row in code})
    if named and not db.rows(_MORE_POWERFUL, ("int8", "int8[]"), (role, owners))[0]["more"]:
        return
    first = code[0]
    raise InsufficientPrivilege(
        f'{first["what"]} would run code of the role "{first["owner"]}" with rights that are not its own',
        detail=f"In all: {', '.join(row['what'] for row in code[:20])}.",
        hint="Call this as a member of that role that has no more rights than it, or give the object to an owner that"
        " you trust.",
    )
