"""Data lineage of trained models: which texts each has learnt from, as keyed hashes that tell nobody a text.

The key lies in the data directory and in no dump, so that who has the hashes cannot try texts out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.database.security_context import as_extension_owner

# Bytes of a hash that are kept, and hashes in a row of the table.
_SIZE = 16
_PART = 50_000
_BATCH = 5000
_STORE = """
    INSERT INTO llm.training_lineage (digest, part, key, hashes) SELECT $1, $2, $3, decode($4, 'hex')
    ON CONFLICT (digest, part) DO NOTHING
"""
_INHERIT = """
    INSERT INTO llm.training_lineage (digest, part, key, hashes)
    SELECT $1, $3 + row_number() OVER (ORDER BY n.digest, n.part)::int4, n.key, n.hashes
    FROM llm.training_lineage AS n WHERE n.digest = ANY ($2) AND n.digest <> $1
    ON CONFLICT (digest, part) DO NOTHING
"""
_PARTS = """
    SELECT m.name, n.digest, n.part, n.key FROM llm.training_lineage AS n JOIN llm.model AS m ON m.digest = n.digest
    WHERE $1 IS NULL OR EXISTS (SELECT FROM llm.run AS r WHERE r.digest = n.digest AND r.usename::text = ANY ($1))
    ORDER BY m.name, n.part
"""
_TRAINERS = """
    SELECT CASE WHEN NOT me.rolsuper THEN
        array(SELECT r.rolname::text FROM pg_roles AS r WHERE pg_has_role(r.oid, 'USAGE')) END AS trainers
    FROM pg_roles AS me WHERE me.rolname = CURRENT_USER
"""
_HASHES = "SELECT encode(n.hashes, 'hex') AS hashes FROM llm.training_lineage AS n WHERE n.digest = $1 AND n.part = $2"
_REFIT = "it learnt from the row: fit it anew without, and llm_drop_model() this one"
_LOST = "trained on another server, whose key is not here: nobody can tell what it learnt from"


def record(db: Connection, digest: str, texts: Sequence[str], base: Model | None = None) -> None:
    """Keep the hashes of the texts that a model has learnt from, if any, and those of the models that it is made of."""
    hashes: list[str] = []
    if texts:
        key, found = _fingerprints(db, texts)
        hashes = sorted(set(found))
        _store(db, digest, key, hashes)
    if base is not None:
        below = [wire["digest"] for wire in (base.wire, base.wire["base"]) if wire and wire["digest"]]
        _inherit(db, digest, below, len(hashes) // _PART)


def learnt(db: Connection, texts: Sequence[str], roles: Sequence[str] | None) -> list[tuple[str, int, str]]:
    """The models that have learnt from one of these texts: name, how many of the texts, and what can be done.

    Only those that one of the roles has trained, None for all: else anybody could try out which texts others have.
    """
    if not texts or not _is_any(db):
        return []
    key, hashes = _fingerprints(db, list(dict.fromkeys(texts)))
    return _seen(db, key, set(hashes), roles)


def knows(db: Connection, model: str, texts: Sequence[str]) -> bool:
    """Whether a model has learnt from one of these texts, as far as the caller may know: of models of their roles."""
    return model in {name for name, _, _ in learnt(db, texts, db.rows(_TRAINERS)[0]["trainers"])}


def _fingerprints(db: Connection, texts: Sequence[str]) -> tuple[str, list[str]]:
    """What tells the key from others, and the hash of each text."""
    pairs = [
        json.loads(each)
        for start in range(0, len(texts), _BATCH)
        for each in models.run_without_model(db, "fingerprint", texts[start : start + _BATCH])
    ]
    return pairs[0][0], [pair[1] for pair in pairs]


@as_extension_owner
def _store(db: Connection, digest: str, key: str, hashes: Sequence[str]) -> None:
    for part, start in enumerate(range(0, len(hashes), _PART)):
        packed = "".join(hashes[start : start + _PART])
        db.rows(_STORE, ("text", "int4", "text", "text"), (digest, part, key, packed))


@as_extension_owner
def _inherit(db: Connection, digest: str, below: Sequence[str], last: int) -> None:
    db.rows(_INHERIT, ("text", "text[]", "int4"), (digest, list(below), last))


@as_extension_owner
def _is_any(db: Connection) -> bool:
    return bool(db.rows("SELECT FROM llm.training_lineage LIMIT 1"))


@as_extension_owner
def _seen(db: Connection, key: str, wanted: set[str], roles: Sequence[str] | None) -> list[tuple[str, int, str]]:
    found: dict[tuple[str, str], int] = {}
    for row in db.rows(_PARTS, ("text[]",), (None if roles is None else list(roles),)):
        if row["key"] != key:
            found[row["name"], _LOST] = 1
            continue
        packed = db.rows(_HASHES, ("text", "int4"), (row["digest"], row["part"]))[0]["hashes"]
        here = {packed[start : start + 2 * _SIZE] for start in range(0, len(packed), 2 * _SIZE)}
        found[row["name"], _REFIT] = found.get((row["name"], _REFIT), 0) + len(wanted & here)
    return [(name, count, note) for (name, note), count in found.items() if count]
