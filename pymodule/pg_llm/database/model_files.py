"""Files of models that were trained here: stored in a table, and restored to the disk when the host needs them.

They reveal the rows that were learnt from, so nobody has rights on that table: roles that may register models store
files through this module, and roles that may use a model restore them to the host's folder and nowhere else. Where the
server's configuration names a key they are encrypted here, and the host's folder lies in memory.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pg_llm import interrupts
from pg_llm.database import file_encryption
from pg_llm.database.connection import Connection
from pg_llm.database.file_encryption import DATA_KEY, Cipher
from pg_llm.database.security_context import run_as_extension_owner
from pg_llm.errors import ModelFilesMissing
from pg_llm.models import source
from pg_llm.runtime import transient

# Bytes of a row of the table.
_PART = 1 << 20
# The data key is known before what it has encrypted.
_ORDER = f"ORDER BY path <> '{DATA_KEY}', path, part"


def store(db: Connection, folder: Path, digest: str) -> None:
    """Store the files of a folder; the caller's right to register models has been checked."""
    run_as_extension_owner(db, lambda: _store(db, folder, digest))


def _store(db: Connection, folder: Path, digest: str) -> None:
    if db.rows("SELECT FROM llm.model_file WHERE digest = $1 LIMIT 1", ("text",), (digest,)):
        return
    for path, part, content in parts(db, folder, digest):
        db.rows(
            "INSERT INTO llm.model_file (digest, path, part, content) VALUES ($1, $2, $3, $4)",
            ("text", "text", "int4", "bytea"),
            (digest, path, part, content),
        )


def parts(db: Connection, folder: Path, digest: str) -> Iterator[tuple[str, int, bytes]]:
    """The files of a model's folder in parts as they are stored: path, number of the part, content."""
    place = file_encryption.key_place()
    if place is None:
        yield from _plain_parts(db, folder)
        return
    cipher = Cipher(db, place, digest)
    yield DATA_KEY, 0, cipher.data_key
    for path, part, content in _plain_parts(db, folder):
        yield path, part, cipher.seal(path, part, content)


def _plain_parts(db: Connection, folder: Path) -> Iterator[tuple[str, int, bytes]]:
    for file in source.files(folder):
        with file.open("rb") as stream:
            for part in itertools.count():
                if not (content := stream.read(_PART)):
                    break
                db.poll()
                yield file.relative_to(folder).as_posix(), part, content


def restore(db: Connection, digest: str) -> None:
    """Write the files of a model to the host's folder. Raises ModelFilesMissing."""
    run_as_extension_owner(db, lambda: _restore_any(db, digest))


def _restore_any(db: Connection, digest: str) -> None:
    own = f"SELECT path, part, content FROM llm.model_file WHERE digest = $1 {_ORDER}"
    if db.rows("SELECT FROM llm.model_file WHERE digest = $1 LIMIT 1", ("text",), (digest,)):
        return _restore(db, digest, own, ("text",), (digest,))
    graphs = "SELECT graph FROM llm.all_graph_model WHERE digest = $1 ORDER BY graph"
    for row in db.rows(graphs, ("text",), (digest,)):
        of_graph = f"SELECT path, part, content FROM llm.all_graph_model_file WHERE graph = $1 {_ORDER}"
        with contextlib.suppress(ModelFilesMissing):
            return _restore(db, digest, of_graph, ("int4",), (row["graph"],))
    raise ModelFilesMissing(f"the files of the trained model {digest} are not in the database")


def _restore(db: Connection, digest: str, query: str, types: tuple[str, ...], values: tuple[Any, ...]) -> None:
    key = file_encryption.key_place()
    transient.place(in_memory=key is not None)
    cipher = None
    target = source.trained_folder(digest)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with interrupts.deferred():
        scratch = Path(tempfile.mkdtemp(prefix=".restore-", dir=target.parent))
    try:
        for (row,) in db.batches(query, types, values, size=1):
            if row["path"] == DATA_KEY:
                cipher = Cipher(db, key, digest, row["content"])
                continue
            # Writing the table must not mean writing anywhere on the disk.
            path = (scratch / row["path"]).resolve()
            if not path.is_relative_to(scratch.resolve()) or path == scratch.resolve():
                raise ModelFilesMissing(f'the stored model {digest} has a file "{row["path"]}" that lies elsewhere')
            path.parent.mkdir(parents=True, exist_ok=True)
            content = cipher.open(row["path"], row["part"], row["content"]) if cipher else row["content"]
            with path.open("ab") as file:
                file.write(content)
        # Files that do not match the digest must not replace another model's.
        if source.digest(scratch) != digest:
            raise ModelFilesMissing(f"the stored files of the trained model {digest} are not those that it had")
        shutil.rmtree(target, ignore_errors=True)
        os.rename(scratch, target)
    finally:
        with interrupts.deferred():
            shutil.rmtree(scratch, ignore_errors=True)


def drop_unused(db: Connection, digest: str) -> bool:
    """Delete the files of a model that nothing refers to any more; true if they are gone."""
    return run_as_extension_owner(db, lambda: _drop_unused(db, digest))


def _drop_unused(db: Connection, digest: str) -> bool:
    used = db.rows(
        """
        SELECT FROM llm.model AS m WHERE m.digest = $1
        UNION ALL SELECT FROM llm.run AS r JOIN llm.model AS m ON m.digest = r.digest WHERE r.base_digest = $1
        LIMIT 1
        """,
        ("text",),
        (digest,),
    )
    if not used:
        for table in ("model_file", "training_lineage"):
            db.rows(f"DELETE FROM llm.{table} WHERE digest = $1", ("text",), (digest,))
        # Whether or not a host runs that is told to forget it.
        source.discard(digest)
    return not used
