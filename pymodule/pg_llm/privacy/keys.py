"""Keys of pseudonyms: where they lie, and who may write with them and read back.

A key lies in a file or the environment of the server; the table has its name, its place, a fingerprint and roles.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any

from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.errors import DuplicateKey, InsufficientPrivilege, InvalidInput, UndefinedKey

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")
_FIND = """
    SELECT k.source, k.fingerprint, s.rolsuper OR EXISTS (
        SELECT FROM unnest(CASE $2 WHEN 'reveal' THEN k.revealers ELSE k.writers END) AS r (role)
        WHERE r.role::oid = 0 OR pg_has_role($3::oid, r.role, 'USAGE')
    ) AS allowed
    FROM llm.redaction_key AS k, pg_roles AS s WHERE k.name = $1 AND s.oid = $3::oid
"""
# Roles by number, so that whoever takes the name of a dropped one has not its rights; everybody is number 0.
_ROLES = """ARRAY(
    SELECT coalesce(p.oid, 0)::regrole
    FROM unnest({names}::text[]) AS r (name) LEFT JOIN pg_roles AS p ON p.rolname = r.name
)"""
_REGISTER = f"""
    INSERT INTO llm.redaction_key (name, source, fingerprint, writers, revealers)
    VALUES ($1, $2, $3, {_ROLES.format(names="$4")}, {_ROLES.format(names="$5")})
    ON CONFLICT (name) DO NOTHING RETURNING name
"""


def find(db: Connection, name: str | None, use: str = "write") -> dict[str, str]:
    """The key as a task is told it. Raises InvalidInput, UndefinedKey, and InsufficientPrivilege for who may not."""
    if name is None:
        raise InvalidInput(
            "this needs a key", hint="Write key => 'NAME'; llm_register_key() says where a key lies and who may use it."
        )
    rows = db.rows(_FIND, ("text", "text", "int8"), (name, use, db.current_role()))
    if not rows:
        raise UndefinedKey(f'key "{name}" is not registered')
    if not rows[0]["allowed"]:
        raise InsufficientPrivilege(
            f'permission denied to {"reveal" if use == "reveal" else "write pseudonyms"} with the key "{name}"',
            hint="llm.redaction_key says which roles may; llm_register_key() sets them.",
        )
    return {"name": name, "source": rows[0]["source"], "fingerprint": rows[0]["fingerprint"]}


def register(
    db: Connection, name: str, source: str, writers: Sequence[str | None], revealers: Sequence[str | None]
) -> str:
    """Read the key once and note its place, fingerprint and roles; returns the fingerprint."""
    _administer(db)
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f'not the name of a key: "{name}"', hint="Use letters, digits, '.', '_' and '-', at most 63."
        )
    for role in (*writers, *revealers):
        if role != "public" and not db.rows("SELECT FROM pg_roles WHERE rolname = $1", ("text",), (role,)):
            raise InvalidInput(f'role "{role}" does not exist')
    # Results are remembered by what was asked, and another key may lie there by now.
    (fingerprint,) = models.run_without_model(db, "redaction_key", [source], nonce=secrets.token_hex(8))
    added = db.rows(
        _REGISTER,
        ("text", "text", "text", "text[]", "text[]"),
        (name, source, fingerprint, list(writers), list(revealers)),
    )
    if not added:
        raise DuplicateKey(f'key "{name}" is already registered')
    return str(fingerprint)


def drop(db: Connection, name: str) -> None:
    """Forget the key's name; the key itself stays where it is."""
    _administer(db)
    if not db.rows("DELETE FROM llm.redaction_key WHERE name = $1 RETURNING name", ("text",), (name,)):
        raise UndefinedKey(f'key "{name}" is not registered')


def _administer(db: Connection) -> None:
    allowed: Any = db.rows("SELECT has_table_privilege('llm.redaction_key', 'INSERT') AS allowed")[0]["allowed"]
    if not allowed:
        raise InsufficientPrivilege(
            "permission denied to register keys", hint="It takes the INSERT right on llm.redaction_key."
        )
