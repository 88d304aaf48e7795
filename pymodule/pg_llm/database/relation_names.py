"""Names that relations were read to have: checked once they are locked, so that a query reads what was examined.

What a relation would run is found out by its number, and read by its name. Between the two its owner may rename it and
put another in its place. So each name that a call reads from the catalog is noted, and compared under the locks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from weakref import WeakKeyDictionary

from pg_llm.database.connection import Connection
from pg_llm.errors import ConcurrentChange

_noted: WeakKeyDictionary[Connection, dict[int, str]] = WeakKeyDictionary()
# By the catalogs as they are now, whatever the statement's snapshot shows.
_RENAMED = """
    SELECT n.name FROM unnest($1::oid[], $2::text[]) AS n (oid, name)
    WHERE pg_catalog.to_regclass(n.name)::oid IS DISTINCT FROM n.oid
"""


@contextlib.contextmanager
def fresh(db: Connection) -> Iterator[None]:
    """Begin without notes, for one call of a topic; those of a call around this one are there again afterwards.

    `sql_function` does so; a client that calls topics does it around each call, as names may change between two.
    """
    before = _noted.get(db, {})
    _noted[db] = {}
    try:
        yield
    finally:
        _noted[db] = before


def note(db: Connection, oid: int, name: str) -> str:
    """Note the qualified name that a relation was found to have. Raises ConcurrentChange if it had another before."""
    if _noted.setdefault(db, {}).setdefault(oid, name) != name:
        raise _changed(name)
    return name


def check(db: Connection, oids: Sequence[int]) -> None:
    """Raise ConcurrentChange if a name that was noted for one of these relations means another one by now."""
    noted = _noted.get(db, {})
    names = {oid: noted[oid] for oid in oids if oid in noted}
    if names and (renamed := unstable(db, names)):
        raise _changed(renamed)


def unstable(db: Connection, names: dict[int, str]) -> str | None:
    """The first of these names that does not mean its relation."""
    rows = db.rows(_RENAMED, ("int8[]", "text[]"), (list(names), list(names.values())))
    return str(rows[0]["name"]) if rows else None


def _changed(name: str) -> ConcurrentChange:
    return ConcurrentChange(f"{name} was renamed or replaced while it was being read")
