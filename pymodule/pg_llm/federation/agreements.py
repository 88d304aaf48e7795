"""Agreements: what a role of another database may learn from, written down by the owner of the rows.

The coordinator never names a query. The owner does, once: it is read with the owner's rights, under the settings of the
owner's session, and runs no code but the server's own.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.database import models, sandbox, search_path, session_settings, table_access
from pg_llm.database.connection import Connection, Row
from pg_llm.database.models import Model
from pg_llm.database.sandbox import Refused
from pg_llm.database.security_context import run_as_extension_owner
from pg_llm.errors import BudgetExceeded, DuplicateObject, InvalidInput, UndefinedObject
from pg_llm.privacy import privacy_budget
from pg_llm.training import labelled_rows
from pg_llm.training.labelled_rows import LabelledRow

TASKS = ("classify", "tag")
MOST_ROUNDS = 10_000
MOST_LABELS = 1000
# With one other, each knows what the other told.
LEAST_OTHERS = 2
_LEAST_ROWS = 5
_KEY = re.compile("[0-9a-f]{64}")
_ADD = """
    INSERT INTO llm.federation (name, owner, role, query, task, labels, base, base_digest, rounds, options, settings)
    SELECT $1, $2::oid, r.oid, $4, $5, $6, $7, $8, $9, $10::jsonb, $11::jsonb FROM pg_roles AS r WHERE r.rolname = $3
    ON CONFLICT (name) DO NOTHING RETURNING id::text AS id
"""
_SEEN = """
    SELECT f.id::text AS id, f.name, f.owner::oid::int8 AS owner_oid, o.rolname::text AS owner, r.rolname::text AS role,
           f.query, f.task, f.labels, f.base, f.base_digest, f.rounds, f.options::text AS options,
           f.settings::text AS settings, f.peer_keys, s.mine
    FROM llm.federation AS f JOIN pg_roles AS o ON o.oid = f.owner LEFT JOIN pg_roles AS r ON r.oid = f.role
    CROSS JOIN LATERAL (SELECT pg_has_role($2::oid, o.oid, 'USAGE') AS mine) AS s
    WHERE ($1 IS NULL OR f.name = $1) AND (s.mine OR r.oid IS NOT NULL AND pg_has_role($2::oid, r.oid, 'USAGE'))
    ORDER BY f.name
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an owner agrees to."""

    name: str
    role: str
    query: str
    task: str
    labels: list[str]
    rounds: int
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Agreement:
    """A row of llm.federation that the caller may see; `mine` is whether the caller has its owner's rights."""

    row: Row

    @property
    def labels(self) -> list[str]:
        """All labels that peers have agreed on, in order."""
        return list(self.row["labels"])

    @property
    def options(self) -> dict[str, Any]:
        """The options that it was made with."""
        return dict(json.loads(self.row["options"]))

    @property
    def paired(self) -> bool:
        """Whether it tells masked sums only."""
        return self.row["peer_keys"] is not None

    def model(self, db: Connection) -> Model:
        """The model that it was made for. Raises InvalidInput where its name stands for another one by now."""
        base = models.find(db, self.row["base"], "embedding")
        if base.wire["digest"] != self.row["base_digest"]:
            raise InvalidInput(
                f'model "{base.name}" is another one than when the agreement "{self.row["name"]}" was made'
            )
        return base

    def key(self, db: Connection) -> str:
        """The public key of its masks."""
        return _keys(db, [self.row["id"]])[0]

    def spend(self, db: Connection, nonce: str | None) -> None:
        """Take one round, for good; a nonce serves once. Raises BudgetExceeded and InvalidInput."""
        if not privacy_budget.use_allowance(db, self.row["id"], self.row["rounds"], nonce):
            raise BudgetExceeded(
                f'the {self.row["rounds"]} rounds of the agreement "{self.row["name"]}" are spent',
                hint="Its owner can make another one by llm_allow_federation().",
            )

    def read(self, db: Connection, work: Callable[[list[LabelledRow]], object]) -> None:
        """Call `work` with some hundred of its rows at a time, with its owner's rights. Raises InvalidInput."""
        query, task, settings = self.row["query"], self.row["task"], json.loads(self.row["settings"])
        db.run_as(self.row["owner_oid"], lambda: _read(db, query, task, settings, self.labels, work))


def allow(db: Connection, terms: Terms, base: str | None) -> dict[str, Any]:
    """Check the query by reading it once, and write the agreement down; returns how many rows and labels it has."""
    path = sandbox.search_path(db)
    with search_path.pinned(db):
        if not db.rows("SELECT FROM pg_roles WHERE rolname = $1", ("text",), (terms.role,)):
            raise InvalidInput(f'role "{terms.role}" does not exist')
        model = models.find(db, base, "embedding")
        if model.wire["digest"] is None:
            raise InvalidInput(
                f'model "{model.name}" is at an address: nobody can tell whether peers have the same one',
                hint="Choose a base that has its files here.",
            )
        query = _checked(db, terms.query, path)
        given: set[str] = set()

        def note(rows: list[LabelledRow]) -> None:
            given.update(label for _, truth in rows for label in labels_of(truth))

        settings = session_settings.current(db)
        rows = db.run_as(db.current_role(), lambda: _read(db, query, terms.task, settings, terms.labels, note))
        values = (terms.name, db.current_role(), terms.role, query, terms.task, terms.labels, model.name)
        types = ("text", "int8", "text", "text", "text", "text[]", "text", "text", "int4", "text", "text")
        more = (model.wire["digest"], terms.rounds, json.dumps(terms.options), json.dumps(settings))
        added = run_as_extension_owner(db, lambda: db.rows(_ADD, types, (*values, *more)))
        if not added:
            raise DuplicateObject(
                f'there is an agreement "{terms.name}" already', hint="llm_revoke_federation() ends one of yours."
            )
        privacy_budget.open_allowance(db, added[0]["id"])
    missing = [label for label in terms.labels if label not in given]
    return {"name": terms.name, "rows": rows, "labels_without_rows": missing}


def pair(db: Connection, name: str, peer_keys: Sequence[str | None]) -> None:
    """Note the keys of the other peers, without whose masks nothing is told any more. Raises InvalidInput."""
    agreement = _own(db, name)
    keys = sorted({str(key) for key in peer_keys})
    if (
        not all(_KEY.fullmatch(key) for key in keys)
        or not LEAST_OTHERS <= len(keys) == len(peer_keys)
        or agreement.key(db) in keys
    ):
        raise InvalidInput(
            "peer_keys are the keys of two other peers or more, each once, of 64 hexadecimal digits",
            hint="llm_federations() shows each peer its own; have them by another way than through the coordinator.",
        )
    update = "UPDATE llm.federation SET peer_keys = $2 WHERE id = $1::uuid"
    run_as_extension_owner(db, lambda: db.rows(update, ("text", "text[]"), (agreement.row["id"], keys)))


def revoke(db: Connection, name: str) -> None:
    """End an agreement of the caller's. Raises UndefinedObject."""
    agreement = _own(db, name)
    delete = "DELETE FROM llm.federation WHERE id = $1::uuid"
    run_as_extension_owner(db, lambda: db.rows(delete, ("text",), (agreement.row["id"],)))


def _own(db: Connection, name: str) -> Agreement:
    agreement = find(db, name)
    if not agreement.row["mine"]:
        raise _undefined(name)
    return agreement


def find(db: Connection, name: str) -> Agreement:
    """The agreement of that name that the caller has made or may ask under. Raises UndefinedObject."""
    rows = _seen(db, name)
    if not rows:
        raise _undefined(name)
    return Agreement(rows[0])


def listed(db: Connection) -> list[dict[str, Any]]:
    """Each agreement that the caller has made or may ask under; its query is shown to who has the owner's rights."""
    rows = _seen(db, None)
    ids = [row["id"] for row in rows]
    spent = privacy_budget.uses(db, ids)
    return [
        {
            **row,
            "rounds_spent": spent.get(row["id"]),
            "key": key,
            "query": row["query"] if row["mine"] else None,
        }
        for row, key in zip(rows, _keys(db, ids), strict=True)
    ]


def checked_labels(labels: Sequence[str | None] | None) -> list[str]:
    """The labels, sorted as all peers sort them. Raises InvalidInput."""
    names = sorted({name for name, _ in arguments.labels(arguments.required("labels", labels)) or ()})
    if not 2 <= len(names) <= MOST_LABELS:
        raise InvalidInput(
            f"labels are 2 to {MOST_LABELS}, and these are {len(names)}",
            hint="Give all labels that any of the peers has, the same ones at each.",
        )
    return names


def _keys(db: Connection, ids: Sequence[str]) -> list[str]:
    return models.run_without_model(db, "federation_key", ids, nonce=secrets.token_hex(8)) if ids else []


def labels_of(truth: Any) -> list[str]:
    """The labels of a row, whether it has one or several."""
    return [truth] if isinstance(truth, str) else truth


def _checked(db: Connection, query: str, path: Sequence[str]) -> str:
    """The query with its relations qualified. Raises InvalidInput for one that would run code of users."""
    checked = sandbox.check(db, [query], path)[0]
    if isinstance(checked, Refused):
        raise InvalidInput(
            str(checked), hint=f"It has the form {labelled_rows.SHAPES['classify']}, by functions of SQL."
        )
    return checked.qualified


def _read(
    db: Connection,
    query: str,
    task: str,
    settings: dict[str, str],
    labels: Sequence[str],
    work: Callable[[list[LabelledRow]], object],
) -> int:
    """How many rows a checked query of the current role has, each of which `work` was given. Raises InvalidInput."""
    # Whatever the session that asks has set, the text means what its owner wrote, and is not shown to it.
    session_settings.apply(db, settings)
    db.execute(sandbox.SAFE_SETTINGS)
    # Again each time: what a view or a table's owner says may have changed.
    checked = sandbox.check(db, [query], ["pg_catalog"])[0]
    if isinstance(checked, Refused):
        raise InvalidInput(str(checked))
    table_access.check_reading(db, checked.relations, db.current_role())
    known = set(labels)
    rows = 0
    for batch in labelled_rows.read(db, query, task):
        if not all(known.issuperset(labels_of(truth)) for _, truth in batch):
            raise InvalidInput(
                "the query yields a row with a label that was not agreed on",
                hint="labels are those of all peers together: leave other rows out, or agree on more.",
            )
        work(batch)
        rows += len(batch)
    if rows < _LEAST_ROWS:
        raise InvalidInput(f"the query yields {rows} rows, and {_LEAST_ROWS} are the least")
    return rows


def _seen(db: Connection, name: str | None) -> list[Row]:
    role = db.current_role()
    return run_as_extension_owner(db, lambda: db.rows(_SEEN, ("text", "int8"), (name, role)))


def _undefined(name: str) -> UndefinedObject:
    return UndefinedObject(
        f'there is no agreement "{name}" for you', hint="SELECT name FROM llm_federations() shows those that there are."
    )
