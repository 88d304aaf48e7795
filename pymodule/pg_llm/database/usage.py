"""Budgets of login roles, and what models have cost."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Any

from pg_llm.database import registry
from pg_llm.database.connection import Connection
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import InvalidInput
from pg_llm.runtime.usage import PERIODS, Ledger

EVERYBODY = "public"
_COLUMNS = (
    *("role", "model", "day", "calls", "texts", "cache_hits", "tokens_in", "tokens_out", "seconds", "money"),
    "redacted",
)


def set_budget(db: Connection, role: str, per: str, limits: Mapping[str, float | None]) -> None:
    """Set the limits of a role for one kind of period; None takes one away."""
    registry.administer(db, "set a budget")
    if per not in PERIODS:
        raise InvalidInput(f'there is no period "{per}"', hint=f"Periods are: {', '.join(PERIODS)}.")
    for unit, amount in limits.items():
        if amount is not None and not 0 <= amount < math.inf:
            raise InvalidInput(f"a budget of {unit} must be 0 or more", hint="NULL takes the limit away.")
    if role != EVERYBODY and not db.rows("SELECT FROM pg_roles WHERE rolname = $1", ("text",), (role,)):
        raise InvalidInput(f'there is no role "{role}"', hint="Name a role that logs in, or public for each of them.")
    _write(db, role, per, limits)


@as_extension_owner
def _write(db: Connection, role: str, per: str, limits: Mapping[str, float | None]) -> None:
    db.rows("DELETE FROM llm.budget WHERE role = $1 AND per = $2", ("text", "text"), (role, per))
    for unit, amount in limits.items():
        if amount is not None:
            db.rows(
                "INSERT INTO llm.budget (role, per, unit, amount) VALUES ($1, $2, $3, $4)",
                ("text", "text", "text", "float8"),
                (role, per, unit, amount),
            )


def read(db: Connection) -> list[dict[str, Any]]:
    """The sums of this database by role, model and day: of roles whose rights the caller has; monitors see all."""
    query = """
        SELECT d.oid::int8 AS database, pg_has_role('pg_read_all_stats', 'USAGE') AS all,
               array(SELECT r.rolname::text FROM pg_roles AS r WHERE pg_has_role(r.oid, 'USAGE')) AS roles
        FROM pg_database AS d WHERE d.datname = current_database()
    """
    (caller,) = db.rows(query)
    with contextlib.closing(Ledger()) as ledger:
        rows = [dict(zip(_COLUMNS, row, strict=True)) for row in ledger.rows(caller["database"])]
    return [row for row in rows if caller["all"] or row["role"] in caller["roles"]]
