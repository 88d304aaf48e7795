"""Trained models' files brought to what the configuration says: encrypted, under another key, or in plain again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pg_llm.database import file_encryption
from pg_llm.database.connection import Connection
from pg_llm.database.file_encryption import DATA_KEY, Cipher
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import InsufficientPrivilege, InvalidInput
from pg_llm.models import source
from pg_llm.runtime import transient
from pg_llm.settings import KEY_PLACE


@dataclass(frozen=True, slots=True)
class _StoredModel:
    """The files of one model: the table that they lie in, and the column and value that tell its rows."""

    table: str
    column: str
    type: str
    key: str | int
    digest: str


_MODELS = {
    "llm.model_file": ("digest", "text", "SELECT DISTINCT digest AS key, digest FROM llm.model_file ORDER BY digest"),
    "llm.all_graph_model_file": (
        "graph",
        "int4",
        "SELECT graph AS key, digest FROM llm.all_graph_model ORDER BY graph",
    ),
}


def encrypt(db: Connection, old: str | None) -> list[dict[str, str]]:
    """What was done for each model whose files were not as the configuration says.

    `old` is the place of the key that some are encrypted under. Raises InsufficientPrivilege for all but superusers.
    """
    if not db.rows("SELECT FROM pg_roles WHERE rolname = CURRENT_USER AND rolsuper"):
        raise InsufficientPrivilege(
            "must be superuser to encrypt the files of trained models",
            hint="llm.model_file_key in postgresql.conf says which key; who may write that file may call this.",
        )
    if old is not None and not KEY_PLACE.fullmatch(old):
        raise InvalidInput(f'not the place of a key: "{old}"', hint="Write file:NAME or env:NAME.")
    place = file_encryption.key_place()
    if place is None and old is None:
        raise InvalidInput(
            "llm.model_file_key names no key",
            hint="Set it in postgresql.conf and reload, or give old_key to have the files in plain again.",
        )
    transient.place(in_memory=place is not None)
    return _bring_all(db, place, old)


@as_extension_owner
def _bring_all(db: Connection, place: str | None, old: str | None) -> list[dict[str, str]]:
    done = []
    for table, (column, type_, query) in _MODELS.items():
        # Whoever trains meanwhile waits, and reads the configuration anew.
        db.rows(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        for row in db.rows(query):
            model = _StoredModel(table, column, type_, row["key"], row["digest"])
            if action := _bring(db, model, place, old):
                done.append({"digest": model.digest, "action": action})
    return done


def _bring(db: Connection, model: _StoredModel, place: str | None, old: str | None) -> str | None:
    query = f"SELECT content FROM {model.table} WHERE {model.column} = $1 AND path = $2"
    wrapped = db.rows(query, (model.type, "text"), (model.key, DATA_KEY))
    if not wrapped:
        if place is None or not _encrypt(db, model, Cipher(db, place, model.digest)):
            return None
        return "encrypted"
    cipher = Cipher(db, place or old, model.digest, wrapped[0]["content"])
    if place is None:
        _decrypt(db, model, cipher)
        return "decrypted"
    if cipher.is_current():
        return None
    _write(db, model, DATA_KEY, 0, cipher.rewrapped(old or place))
    return "rewrapped"


def _encrypt(db: Connection, model: _StoredModel, cipher: Cipher) -> bool:
    """Encrypt every part; false where there is none."""
    parts = list(_parts(db, model))
    for path, part in parts:
        _write(db, model, path, part, cipher.seal(path, part, _content(db, model, path, part)))
    if parts:
        query = f"INSERT INTO {model.table} ({model.column}, path, part, content) VALUES ($1, $2, 0, $3)"
        db.rows(query, (model.type, "text", "bytea"), (model.key, DATA_KEY, cipher.data_key))
        # What lay on the disk in plain.
        source.discard(model.digest)
    return bool(parts)


def _decrypt(db: Connection, model: _StoredModel, cipher: Cipher) -> None:
    for path, part in _parts(db, model):
        _write(db, model, path, part, cipher.open(path, part, _content(db, model, path, part)))
    query = f"DELETE FROM {model.table} WHERE {model.column} = $1 AND path = $2"
    db.rows(query, (model.type, "text"), (model.key, DATA_KEY))


def _parts(db: Connection, model: _StoredModel) -> Iterator[tuple[str, int]]:
    query = f"SELECT path, part FROM {model.table} WHERE {model.column} = $1 AND path <> $2 ORDER BY path, part"
    for row in db.rows(query, (model.type, "text"), (model.key, DATA_KEY)):
        db.poll()
        yield row["path"], row["part"]


def _content(db: Connection, model: _StoredModel, path: str, part: int) -> bytes:
    query = f"SELECT content FROM {model.table} WHERE {model.column} = $1 AND path = $2 AND part = $3"
    return bytes(db.rows(query, (model.type, "text", "int4"), (model.key, path, part))[0]["content"])


def _write(db: Connection, model: _StoredModel, path: str, part: int, content: bytes) -> None:
    query = f"UPDATE {model.table} SET content = $4 WHERE {model.column} = $1 AND path = $2 AND part = $3"
    db.rows(query, (model.type, "text", "int4", "bytea"), (model.key, path, part, content))
