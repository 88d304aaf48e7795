"""The ledger of privacy budgets: what each has spent, in a file that no ROLLBACK of a session undoes.

Inputs are JSON: `op` is open, spend or read. Sums are whole numbers of billionths of epsilon and 1e-15 of delta. A
budget that this ledger does not know, as after a restore or on another server, or whose server has another timeline
than when it was given, is not spent from. Beside budgets it counts how often something was done that may be done so
often: `op` is allow, use or uses. Option `nonce` makes every call one of its own.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pg_llm.errors import BudgetExceeded, Error, InvalidInput, of_file
from pg_llm.models.engine import Engine
from pg_llm.protocol import FOLDER
from pg_llm.tasks import WorkItem

FILE = Path(FOLDER, "privacy.sqlite")
# Of epsilon and of delta.
_UNITS = (1_000_000_000, 1_000_000_000_000_000)
# Seconds that one who spends waits for others.
_WAIT = 30
_TABLE = """
    CREATE TABLE IF NOT EXISTS budget (
        id TEXT PRIMARY KEY, server TEXT NOT NULL, epsilon INTEGER NOT NULL DEFAULT 0, delta INTEGER NOT NULL DEFAULT 0,
        spent_at TEXT
    ) WITHOUT ROWID
"""
_USES = """
    CREATE TABLE IF NOT EXISTS allowance (
        id TEXT PRIMARY KEY, server TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
"""
_NONCES = "CREATE TABLE IF NOT EXISTS nonce (id TEXT, nonce TEXT, PRIMARY KEY (id, nonce)) WITHOUT ROWID"
_SERVE = "INSERT INTO nonce (id, nonce) VALUES (?, ?) ON CONFLICT DO NOTHING"
_ALLOW = "INSERT INTO allowance (id, server) VALUES (?, ?)"
_USE = "UPDATE allowance SET used = used + 1 WHERE id = ? AND server = ? AND used < ?"
_USED = "SELECT used, server FROM allowance WHERE id = ?"
_OPEN = "INSERT INTO budget (id, server) VALUES (?, ?) ON CONFLICT DO UPDATE SET server = excluded.server"
_FIND = "SELECT epsilon, delta, server FROM budget WHERE id = ?"
_SPEND = "UPDATE budget SET epsilon = epsilon + ?, delta = delta + ?, spent_at = ? WHERE id = ?"
_ELSEWHERE = "Its owner can give it anew by dp_allow(); what was spent elsewhere is not known here."


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per request."""
    return [WorkItem((), lambda _, text=text: json.dumps(_answer(json.loads(text)))) for text in inputs]  # type: ignore[misc]


def _answer(request: dict[str, Any]) -> Any:
    with _transaction() as ledger:
        match request["op"]:
            case "open":
                ledger.execute(_OPEN, (request["id"], request["server"]))
                return None
            case "spend":
                return _spend(ledger, request)
            case "allow":
                ledger.execute(_ALLOW, (request["id"], request["server"]))
                return None
            case "use":
                return _use(ledger, request)
            case "uses":
                counts = {each: ledger.execute(_USED, (each,)).fetchone() for each in request["ids"]}
                return {each: row[0] for each, row in counts.items() if row}
            case _:
                found = {each: ledger.execute(_FIND, (each,)).fetchone() for each in request["ids"]}
                return {each: [row[0] / _UNITS[0], row[1] / _UNITS[1]] for each, row in found.items() if row}


def _spend(ledger: sqlite3.Connection, request: dict[str, Any]) -> str:
    """The first of the budgets that has enough left, from which it is taken."""
    wanted = request["epsilon"], request["delta"]
    left = []
    for each in request["budgets"]:
        row = ledger.execute(_FIND, (each["id"],)).fetchone()
        if row is None or row[2] != request["server"]:
            continue
        rest = each["epsilon"] - row[0], each["delta"] - row[1]
        if wanted[0] <= rest[0] and wanted[1] <= rest[1]:
            ledger.execute(_SPEND, (*wanted, datetime.now(UTC).isoformat(timespec="seconds"), each["id"]))
            return str(each["id"])
        left.append(rest)
    if not left:
        raise Error("the ledger of this privacy budget is not on this server", hint=_ELSEWHERE)
    epsilon, delta = (max(0, max(each)) / unit for each, unit in zip(zip(*left, strict=True), _UNITS, strict=True))
    raise BudgetExceeded(
        f"the privacy budget has epsilon {epsilon:g} and delta {delta:g} left, and the answer costs"
        f" {wanted[0] / _UNITS[0]:g} and {wanted[1] / _UNITS[1]:g}",
        hint="dp_spent() says what was spent; the table's owner can raise the budget by dp_allow().",
    )


def _use(ledger: sqlite3.Connection, request: dict[str, Any]) -> bool:
    """Whether it may be done once more, which is noted. Raises Error where it is not known how often it was."""
    nonce = request["nonce"]
    if nonce is not None and not ledger.execute(_SERVE, (request["id"], nonce)).rowcount:
        raise InvalidInput("this nonce has served before", hint="Each round needs one of its own.")
    if ledger.execute(_USE, (request["id"], request["server"], request["most"])).rowcount:
        return True
    row = ledger.execute(_USED, (request["id"],)).fetchone()
    if row is None or row[1] != request["server"]:
        raise Error("how often this was done is not known on this server", hint="Its owner can allow it anew.")
    return False


@contextlib.contextmanager
def _transaction() -> Iterator[sqlite3.Connection]:
    """The ledger, locked against all other processes; what was spent is on the disk when the block has ended."""
    FILE.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(FILE, timeout=_WAIT, isolation_level=None)) as ledger:
            ledger.execute("PRAGMA synchronous = EXTRA")
            ledger.execute("BEGIN IMMEDIATE")
            ledger.execute(_TABLE)
            ledger.execute(_USES)
            ledger.execute(_NONCES)
            yield ledger
            ledger.execute("COMMIT")
    except sqlite3.Error as error:
        raise of_file(
            "the ledger of privacy budgets cannot be read or written",
            error,
            f"The file is {FILE}. Nothing is answered without it.",
        ) from error
