"""The role that reads or writes a table, chosen so that the owner's code never runs with the rights of another role.

A table's owner decides which code runs when its rows are read or written: policies, triggers, checks, index
expressions. So work on a table runs as its owner if the caller has the owner's rights and the owner has not the
caller's. A caller who has only been granted the table works with their own rights, as in a plain SELECT, and is refused
if they are more powerful than the owner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pg_llm.database import foreign_code, search_path
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InsufficientPrivilege

_R = TypeVar("_R")

_OWNERS = "SELECT DISTINCT relowner::int8 AS oid FROM pg_class WHERE oid = ANY($1::oid[])"
# `policies`: those that code was found in may apply to the owner too.
_TABLE = """
    SELECT c.relowner::int8 AS owner, c.relkind NOT IN ('r', 'p', 'm') OR c.relforcerowsecurity AS policies
    FROM pg_class AS c WHERE c.oid = $1::oid
"""
# `trusted`: the owner has the caller's rights anyway; `shared`: the caller has the owner's.
_MEMBERSHIPS = """
    SELECT pg_has_role($1::oid, $2::oid, 'USAGE') AS trusted, pg_has_role($2::oid, $1::oid, 'USAGE') AS shared
"""
# A role is more powerful than another by attributes, or predefined roles, that the other lacks.
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
    """Run `work`, which reads or writes the table, to its end as the role that `role_for` chooses.

    `beside` are further tables that it reads. Raises InsufficientPrivilege as `role_for` does.
    """
    return as_role(db, role_for(db, [oid], writes, beside), work)


def on_part(db: Connection, oid: int, work: Callable[[], _R], writes: bool, beside: Sequence[int] = ()) -> _R:
    """As `on_table` for a table that the caller did not name: no code that the role does not trust may run.

    `beside` are companions of it that are read too.
    """
    touched = [oid, *beside]
    if not writes and foreign_code.are_own(db, touched, db.current_role()):
        return work()
    with search_path.pinned(db):
        role = _role(db, [oid])
        foreign_code.lock(db, touched, role, writes)
        _refuse(db, foreign_code.find_with_companions(db, oid, beside, role, writes), role, named=False)
    return as_role(db, role, work)


def on_unnamed(db: Connection, oid: int, work: Callable[[], _R], beside: Sequence[int] = ()) -> _R:
    """As `on_part` for a table that nobody named, to read it: no code runs that the caller does not trust.

    Not with the rights of its owner either: it could run without end.
    """
    caller = db.current_role()
    with search_path.pinned(db):
        (table,) = db.rows(_TABLE, ("int8",), (oid,))
        if _choose(db, table["owner"], caller) != caller:
            foreign_code.lock(db, [oid, *beside], caller)
            code = foreign_code.find_with_companions(db, oid, beside, caller)
            # The owner reads in the table's own place.
            applied = [row for row in code if table["policies"] or not row["what"].startswith("policy ")]
            _refuse(db, applied, caller, named=False)
    return on_part(db, oid, work, False, beside)


def role_for(db: Connection, oids: Sequence[int], writes: bool = False, beside: Sequence[int] = ()) -> int:
    """The role to run a statement on these tables as; an owner only if all have the same.

    Raises InsufficientPrivilege if code of another owner would run with rights that are not that owner's.
    """
    caller, touched = db.current_role(), [*oids, *beside]
    if not writes and foreign_code.are_own(db, touched, caller):
        return caller
    with search_path.pinned(db):
        role = _role(db, oids)
        foreign_code.lock(db, touched, role, writes)
        _refuse(db, foreign_code.find(db, touched, role, writes), role, named=role == db.current_role())
    return role


def role_for_author(db: Connection, author: int, what: str) -> int:
    """The role to run code as that another role wrote: the author, if the caller has the author's rights.

    Raises InsufficientPrivilege for a caller who does not trust the author and is more powerful.
    """
    with search_path.pinned(db):
        role = _choose(db, author, db.current_role())
        if role != author and not _memberships(db, author, role)["trusted"]:
            name = db.rows("SELECT pg_get_userbyid($1::oid)::text AS name", ("int8",), (author,))[0]["name"]
            _refuse(db, [{"what": what, "owner": name, "oid": author}], role, named=True)
    return role


def as_role(db: Connection, role: int, work: Callable[[], _R]) -> _R:
    """Run `work` to its end as a role that `role_for` or `role_for_author` chose."""
    return work() if role == db.current_role() else db.run_as(role, work)


def check_reading(db: Connection, oids: Sequence[int], role: int) -> None:
    """Raise InsufficientPrivilege if reading these tables as a role would run code it does not trust, now or later."""
    _refuse(db, foreign_code.find_ever(db, oids, role), role, named=False)


def _role(db: Connection, oids: Sequence[int]) -> int:
    owners = [int(row["oid"]) for row in db.rows(_OWNERS, ("int8[]",), (list(oids),))]
    caller = db.current_role()
    return _choose(db, owners[0], caller) if len(owners) == 1 else caller


def _choose(db: Connection, owner: int, caller: int) -> int:
    memberships = _memberships(db, owner, caller)
    return owner if memberships["shared"] and not memberships["trusted"] else caller


def _memberships(db: Connection, owner: int, caller: int) -> Row:
    return db.rows(_MEMBERSHIPS, ("int8", "int8"), (owner, caller))[0]


def _refuse(db: Connection, code: Sequence[Row], role: int, named: bool) -> None:
    """Raise for foreign code, unless the role named the table itself and is no more powerful than the code's owners."""
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
