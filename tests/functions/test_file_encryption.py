"""Files of trained models encrypted at rest: in the table, in dumps, and on no disk in plain."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from database import value, write_key
from psycopg import errors
from workbench.cluster import Cluster

FIT = "SELECT llm_fit(%s, 'classify', 'SELECT body, topic FROM example', method => 'head')"
# The names of a head's files and of what is in them.
PLAIN = b"safetensors", b'"weight"', b'"labels"', b"canary-label"
STORED = "SELECT path, content FROM llm.model_file ORDER BY path"


def configure(db: psycopg.Connection, cluster: Cluster, place: str) -> None:
    """As a superuser does it: in the configuration file, then a reload."""
    file = cluster.data / "postgresql.auto.conf"
    lines = [line for line in file.read_text().splitlines() if "model_file_key" not in line]
    file.write_text("\n".join([*lines, f"llm.model_file_key = '{place}'", ""]))
    db.execute("SELECT pg_reload_conf()")


def classify(db: psycopg.Connection) -> str:
    """What the model says of a text that nobody remembers an answer to."""
    return str(value(db, "SELECT llm_classify(%s, model => 'topic')", f"late parcel {secrets.token_hex(8)}"))


def plaintext_files(folder: Path) -> list[Path]:
    """Files below a folder, links not followed, that hold a model in plain."""
    found = []
    for root, _, names in os.walk(folder):
        found += [path for name in names if (path := Path(root, name)).is_file() and _is_plain(path)]
    return found


def _is_plain(path: Path) -> bool:
    content = path.read_bytes()
    return b"canary-label" in content and b"head" in content


def forget(db: psycopg.Connection, cluster: Cluster) -> None:
    """Have the host and its unpacked files gone."""
    pid = value(db, "SELECT max(host_pid) FROM llm_status()")
    if pid:
        os.kill(pid, 15)
        while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            time.sleep(0.02)
    subprocess.run(["rm", "-rf", f"{cluster.data}/pg_llm/pgsql_tmp/models"], check=True)


@pytest.fixture
def examples(db: psycopg.Connection, cluster: Cluster) -> Iterator[psycopg.Connection]:
    db.execute("CREATE TABLE example (body text, topic text)")
    for number in range(8):
        for words, topic in (("late parcel", "canary-label"), ("lovely colour", "praise")):
            db.execute("INSERT INTO example VALUES (%s, %s)", (f"{words} {number}", topic))
    for name in ("models", "next"):
        write_key(db, name, name * 10)
    yield db
    configure(db, cluster, "")
    for name in ("models", "next"):
        (cluster.data / "pg_llm" / "keys" / name).unlink(missing_ok=True)
    forget(db, cluster)


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_what_is_trained_is_stored_encrypted_and_answers(
    examples: psycopg.Connection, cluster: Cluster, engine: str
) -> None:
    examples.execute(f"SET llm.engine = '{engine}'")
    configure(examples, cluster, "file:models")
    # No session turns it off for itself.
    examples.execute("SET llm.model_file_key = ''")
    examples.execute(FIT, ("topic",))
    stored = dict(examples.execute(STORED).fetchall())
    assert {".data_key", "head.json", "head.safetensors"} == stored.keys()
    assert not any(word in content for content in stored.values() for word in PLAIN)
    forget(examples, cluster)
    # The next host would delete it.
    if (unpacked := cluster.data / "pg_llm" / "pgsql_tmp").is_symlink():
        shutil.rmtree(unpacked.resolve(), ignore_errors=True)
        unpacked.unlink()
    assert classify(examples) == "canary-label"
    unpacked = cluster.data / "pg_llm" / "pgsql_tmp"
    if engine == "shared":
        assert unpacked.is_symlink()
        assert unpacked.resolve().is_relative_to("/dev/shm")
        assert unpacked.resolve().stat().st_mode & 0o077 == 0
    assert plaintext_files(cluster.data / "pg_llm") == []
    dump = subprocess.run(["pg_dump", cluster.dsn(examples.info.dbname)], capture_output=True, check=True).stdout
    assert not any(word.hex().encode() in dump for word in PLAIN)
    examples.execute("SELECT llm_drop_model('topic')")
    assert list(unpacked.glob("models/*")) == []
    assert value(examples, "SELECT count(*) FROM llm.model_file") == 0


def test_old_files_keys_and_their_change(examples: psycopg.Connection, cluster: Cluster) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=r"llm\.model_file_key names no key"):
        examples.execute("SELECT llm_encrypt_model_files()")
    examples.execute(FIT, ("topic",))
    (digest,) = examples.execute("SELECT digest FROM llm.model WHERE name = 'topic'").fetchone() or ()
    before = dict(examples.execute(STORED).fetchall())
    configure(examples, cluster, "file:models")
    encrypt = "SELECT digest, action FROM llm_encrypt_model_files(%s)"
    assert examples.execute(encrypt, (None,)).fetchall() == [(digest, "encrypted")]
    assert examples.execute(encrypt, (None,)).fetchall() == []
    encrypted = dict(examples.execute(STORED).fetchall())
    assert not any(word in content for content in encrypted.values() for word in PLAIN)
    assert plaintext_files(cluster.data / "pg_llm") == []
    forget(examples, cluster)
    assert classify(examples) == "canary-label"
    # Another key: the data key alone is wrapped anew.
    configure(examples, cluster, "file:next")
    forget(examples, cluster)
    with pytest.raises(errors.InvalidParameterValue, match="another key than the one in file:next") as caught:
        classify(examples)
    assert "llm_encrypt_model_files" in (caught.value.diag.message_hint or "")
    with pytest.raises(errors.InvalidParameterValue, match="another key"):
        examples.execute(encrypt, (None,))
    assert examples.execute(encrypt, ("file:models",)).fetchall() == [(digest, "rewrapped")]
    rewrapped = dict(examples.execute(STORED).fetchall())
    assert {path for path in encrypted if encrypted[path] != rewrapped[path]} == {".data_key"}
    (cluster.data / "pg_llm" / "keys" / "models").unlink()
    assert classify(examples) == "canary-label"
    # Back to plain.
    configure(examples, cluster, "")
    assert examples.execute(encrypt, ("file:next",)).fetchall() == [(digest, "decrypted")]
    assert dict(examples.execute(STORED).fetchall()) == before
    assert classify(examples) == "canary-label"
    assert not (cluster.data / "pg_llm" / "pgsql_tmp").is_symlink()


def test_without_the_key_nothing_is_served(examples: psycopg.Connection, cluster: Cluster) -> None:
    configure(examples, cluster, "file:models")
    examples.execute(FIT, ("topic",))
    key = cluster.data / "pg_llm" / "keys" / "models"
    former = key.read_bytes()
    key.unlink()
    forget(examples, cluster)
    with pytest.raises(errors.InvalidParameterValue, match="cannot be read: No such file") as caught:
        classify(examples)
    assert caught.value.diag.message_hint
    with pytest.raises(errors.InvalidParameterValue, match="cannot be read"):
        examples.execute(FIT, ("second",))
    configure(examples, cluster, "")
    forget(examples, cluster)
    with pytest.raises(errors.InvalidParameterValue, match="encrypted, and llm.model_file_key names no key") as caught:
        classify(examples)
    assert "postgresql.conf" in (caught.value.diag.message_hint or "")
    write_key(examples, "models", "wrong" * 10)
    configure(examples, cluster, "file:models")
    with pytest.raises(errors.InvalidParameterValue, match="another key than the one in file:models"):
        classify(examples)
    write_key(examples, "models", former.decode().strip())
    assert classify(examples) == "canary-label"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE llm.model_file SET content = set_byte(content, 20, get_byte(content, 20) # 1) WHERE path = 'head.json'",
        "UPDATE llm.model_file SET content = set_byte(content, 40, get_byte(content, 40) # 1) WHERE path = '.data_key'",
        "UPDATE llm.model_file SET content = '' WHERE path = 'head.json'",
        "UPDATE llm.model_file AS f SET content = o.content FROM llm.model_file AS o"
        " WHERE f.path = 'head.json' AND o.path = 'head.safetensors'",
        "UPDATE llm.model_file SET part = 1 WHERE path = 'head.json'",
        "DELETE FROM llm.model_file WHERE path = 'head.json'",
        "DELETE FROM llm.model_file WHERE path = '.data_key'",
    ],
)
def test_files_that_were_changed_are_not_served(examples: psycopg.Connection, cluster: Cluster, change: str) -> None:
    configure(examples, cluster, "file:models")
    examples.execute(FIT, ("topic",))
    forget(examples, cluster)
    examples.execute(change)
    with pytest.raises(errors.UndefinedFile, match="the (encrypted|stored) files of the trained model"):
        classify(examples)


def test_only_superusers_encrypt(examples: psycopg.Connection, role: str) -> None:
    examples.execute(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role}; SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege, match="must be superuser"):
        examples.execute("SELECT llm_encrypt_model_files()")
    examples.execute("RESET ROLE")
    for place in ("", "file:../postgresql.conf", "/etc/passwd", "env:path", "file:a/b"):
        with pytest.raises(errors.InvalidParameterValue, match="not the place of a key"):
            examples.execute("SELECT llm_encrypt_model_files(%s)", (place,))
