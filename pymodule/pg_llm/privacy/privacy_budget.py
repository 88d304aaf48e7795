"""Privacy budgets (epsilon and delta): given by a table's owner to a role, and spent in a ledger outside the database.

What a statement has seen it has seen, whether its transaction commits or not. So the model host keeps the sums in a
file of the data directory, where one spends after the other; the table says only how much each may.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, models, ownership
from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import run_as_extension_owner
from pg_llm.errors import InvalidInput, NotSupported
from pg_llm.privacy import private_query
from pg_llm.privacy.private_query import COMPARABLE

# The ledger's units: whole numbers, which add up without error.
_UNITS = (Decimal(10) ** 9, Decimal(10) ** 15)
_MOST_EPSILON, _LEAST_EPSILON, _LEAST_DELTA = 1e6, 1e-3, 1e-15
_EVERYBODY = "public"
_SERVER = """
    SELECT pg_is_in_recovery() AS standby, s.system_identifier::text AS system,
           CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline
    FROM pg_control_system() AS s
"""
_ALLOW = """
    INSERT INTO llm.privacy_budget (target, owner, role, unit, epsilon, delta)
    SELECT c.oid::regclass, c.relowner, coalesce(r.oid, 0)::regrole, a.attnum, $4, $5
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = $3
    LEFT JOIN pg_roles AS r ON r.rolname = $2 WHERE c.oid = $1::oid
    ON CONFLICT (target, role) DO UPDATE
        SET owner = excluded.owner, unit = excluded.unit, epsilon = excluded.epsilon, delta = excluded.delta
    RETURNING id::text AS id
"""
# Those that a role may spend from: its own first. A superuser has all rights, but not everybody's budget.
_BUDGETS = """
    SELECT b.id::text AS id, b.epsilon, b.delta, a.attname::text AS unit, c.relowner::int8 AS owner
    FROM llm.privacy_budget AS b JOIN pg_class AS c ON c.oid = b.target AND c.relowner = b.owner
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = b.unit AND NOT a.attisdropped
    JOIN pg_roles AS m ON m.oid = $2::oid
    WHERE b.target = $1::oid AND (b.role = 0 OR b.role = m.oid OR NOT m.rolsuper AND EXISTS (
        SELECT FROM pg_roles AS r WHERE r.oid = b.role AND pg_has_role(m.oid, r.oid, 'USAGE')
    ))
    ORDER BY b.role = m.oid DESC, b.role = 0, b.role::oid
"""
_SEEN = """
    SELECT b.id::text AS id, format('%I.%I', n.nspname, c.relname) AS "table", b.epsilon, b.delta,
           CASE WHEN b.role = 0 THEN 'public' ELSE coalesce(r.rolname::text, b.role::oid::text) END AS role,
           a.attname::text AS unit
    FROM llm.privacy_budget AS b JOIN pg_class AS c ON c.oid = b.target AND c.relowner = b.owner
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = b.unit AND NOT a.attisdropped
    LEFT JOIN pg_roles AS r ON r.oid = b.role
    WHERE b.role = 0 OR pg_has_role($1::oid, c.relowner, 'USAGE')
    OR r.oid IS NOT NULL AND pg_has_role($1::oid, r.oid, 'USAGE')
    ORDER BY 2, 5
"""


def allow(
    db: Connection, target: str | None, role: str | None, epsilon: float | None, delta: float | None, unit: str | None
) -> None:
    """Give a role a budget for a table of the caller's, or another amount of it; what was spent stays spent."""
    table = catalog.relation(db, ownership.oid(db, target), key=(), kinds="rp")
    ownership.check_owner(db, table)
    role = arguments.required("role", role)
    if role != _EVERYBODY and not db.rows("SELECT FROM pg_roles WHERE rolname = $1", ("text",), (role,)):
        raise InvalidInput(f'role "{role}" does not exist')
    unit = arguments.required("unit", unit)
    private_query.cell(table, unit, COMPARABLE, "the unit")
    most, least = arguments.required("epsilon", epsilon), arguments.required("delta", delta)
    if not 0 <= most <= _MOST_EPSILON or not 0 <= least < 1:
        raise InvalidInput(f"epsilon must lie between 0 and {_MOST_EPSILON:g}, and delta between 0 and 1")
    values = (table.oid, role, unit, most, least)
    rows = run_as_extension_owner(db, lambda: db.rows(_ALLOW, ("int8", "text", "text", "float8", "float8"), values))
    _ask_ledger(db, {"op": "open", "id": rows[0]["id"], "server": _server(db)})


def budgets(db: Connection, oid: int) -> list[Row]:
    """The budgets for a table that the caller may spend from, in the order in which they are tried."""
    role = db.current_role()
    return run_as_extension_owner(db, lambda: db.rows(_BUDGETS, ("int8", "int8"), (oid, role)))


def spend(db: Connection, found: list[Row], epsilon: float, delta: float) -> None:
    """Take a price from the first of the budgets that has enough left, for good. Raises BudgetExceeded."""
    price = {"epsilon": _units(epsilon, 0, ROUND_CEILING), "delta": _units(delta, 1, ROUND_CEILING)}
    limits = [
        {
            "id": row["id"],
            "epsilon": _units(row["epsilon"], 0, ROUND_FLOOR),
            "delta": _units(row["delta"], 1, ROUND_FLOOR),
        }
        for row in found
    ]
    _ask_ledger(db, {"op": "spend", "budgets": limits, "server": _server(db), **price})


def spent(db: Connection) -> list[dict[str, Any]]:
    """The budgets that the caller may spend from or has given, with what was spent of each."""
    role = db.current_role()
    rows = run_as_extension_owner(db, lambda: db.rows(_SEEN, ("int8",), (role,)))
    sums = _ask_ledger(db, {"op": "read", "ids": [row["id"] for row in rows]}) if rows else {}
    nothing = (None, None)
    return [
        {**row, "epsilon_spent": sums.get(row["id"], nothing)[0], "delta_spent": sums.get(row["id"], nothing)[1]}
        for row in rows
    ]


def open_allowance(db: Connection, id_: str) -> None:
    """Begin to count how often something is done."""
    _ask_ledger(db, {"op": "allow", "id": id_, "server": _server(db)})


def use_allowance(db: Connection, id_: str, most: int, nonce: str | None) -> bool:
    """Note for good that it is done once more; false where it was done so often already.

    Raises InvalidInput for a nonce that has served before.
    """
    return bool(_ask_ledger(db, {"op": "use", "id": id_, "most": most, "nonce": nonce, "server": _server(db)}))


def uses(db: Connection, ids: Sequence[str]) -> dict[str, int]:
    """How often each was done, as far as this server knows."""
    return dict(_ask_ledger(db, {"op": "uses", "ids": list(ids)})) if ids else {}


def checked(name: str, value: float | None) -> float:
    """A price that can be paid. Raises InvalidInput."""
    least, most = (_LEAST_EPSILON, _MOST_EPSILON) if name == "epsilon" else (_LEAST_DELTA, 0.1)
    given = arguments.required(name, value)
    if not math.isfinite(given) or not least <= given <= most:
        raise InvalidInput(f"{name} must lie between {least:g} and {most:g}")
    return float(given)


def _units(amount: float, place: int, rounding: str) -> int:
    return int((Decimal(repr(float(amount))) * _UNITS[place]).to_integral_value(rounding=rounding))


def _server(db: Connection) -> str:
    """Which server this is, and on which timeline: a copy of the ledger on another one knows not all that was spent."""
    (row,) = run_as_extension_owner(db, lambda: db.rows(_SERVER))
    if row["standby"]:
        raise NotSupported("a standby has not the ledger of privacy budgets", hint="Ask the primary.")
    return f"{row['system']}/{row['timeline']}"


def _ask_ledger(db: Connection, request: dict[str, Any]) -> Any:
    # What is remembered of an earlier request is no answer to this one.
    nonce = secrets.token_hex(16)
    return json.loads(models.run_without_model(db, "privacy_ledger", [json.dumps(request)], nonce=nonce)[0])
