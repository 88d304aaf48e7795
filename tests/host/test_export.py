import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pg_llm import file_locks
from pg_llm.errors import DiskFull, Error, InvalidModel, OutOfMemory
from pg_llm.installation import Installation
from pg_llm.models import export, manifest, source

PYMODULE = Path(export.__file__).resolve().parents[2]
# A model as small as its kind can be: one layer of BERT with random weights, and a vocabulary of six words.
TINY = """
import sys, torch
from pathlib import Path
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
from sentence_transformers import SentenceTransformer
folder = Path(sys.argv[1])
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "one", "text"]
tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
special = {f"{name.strip('[]').lower()}_token": name for name in words[:4]}
PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **special).save_pretrained(folder / "bert")
torch.manual_seed(1)
sizes = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
BertModel(BertConfig(vocab_size=6, max_position_embeddings=32, **sizes)).save_pretrained(folder / "bert")
model = SentenceTransformer(str(folder / "bert"), device="cpu")
model.prompts = {"query": "one ", "document": ""}
model.save(str(folder / "model"))
"""
EMBED = """
import json, sys
from pathlib import Path
from pg_llm.models.onnx import OnnxModel
from pg_llm import tasks
from pg_llm.search.host import embedding
model = OnnxModel(Path(sys.argv[1]), 1)
works = embedding.prepare(model, ["text", "", "one text " * 50], {"role": "query"})
units = tasks.windows(works)
vectors = [json.loads(row) for row in tasks.finish(works, model.forward(units))]
print([len(vector) for vector in vectors], [unit.cost for unit in units], "torch" in sys.modules)
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(PYMODULE), "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)


def export_to(cache: Path, model: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "pg_llm.models.export", "--source", f"path:{model}", "--cache", str(cache), *options)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    made = run("-c", TINY, str(folder))
    assert made.returncode == 0, made.stderr
    return folder / "model"


def test_an_export_is_made_once_and_needs_no_torch(tiny: Path, tmp_path: Path) -> None:
    done = export_to(tmp_path, tiny)
    assert done.returncode == 0, done.stderr
    (made,) = tmp_path.iterdir()
    assert done.stdout == f"{made}\n"
    assert made.name == f"{source.digest(tiny)}-embedding-fp32-{export.FORMAT}"
    meta = json.loads((made / "meta.json").read_text())
    assert (meta["details"]["dimensions"], meta["max_tokens"], meta["pad_id"]) == (8, 32, 0)
    assert meta["prompts"] == {"query": "one ", "document": ""}
    assert run("-c", EMBED, str(made)).stdout == "[8, 8, 8] [4, 3, 32] False\n"
    before = (made / "model.onnx").stat().st_mtime_ns
    assert export_to(tmp_path, tiny).stdout == done.stdout
    assert (made / "model.onnx").stat().st_mtime_ns == before


def test_an_export_that_fails_leaves_nothing_and_says_why_in_its_last_line(tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    (broken / "model.safetensors").write_bytes(b"no tensors")
    done = export_to(tmp_path / "cache", broken)
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1]
    assert list((tmp_path / "cache").iterdir()) == []


def write(folder: Path, scratch: Path, task: str, precision: str, base: Path | None) -> None:
    (scratch / "meta.json").write_text(precision)


def test_an_export_that_is_there_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_write", write)
    made = export.export(tmp_path, "digest", "embedding", "fp32", tmp_path / "cache")
    monkeypatch.delattr(export, "_write")
    assert export.export(tmp_path, "digest", "embedding", "fp32", tmp_path / "cache") == made


def test_precision_and_digest_make_another_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_write", write)
    keys = [("a", "embedding", "fp32"), ("b", "embedding", "fp32"), ("a", "embedding", "int8")]
    keys.append(("a", "entities", "fp32"))
    assert len({export.export(tmp_path, *key, tmp_path / "cache") for key in keys}) == 4


def test_of_two_at_once_one_wins_and_both_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2)
    found: list[Path] = []

    def write_together(folder: Path, scratch: Path, task: str, precision: str, base: Path | None) -> None:
        write(folder, scratch, task, precision, base)
        together.wait(10)

    monkeypatch.setattr(export, "_write", write_together)
    cache = tmp_path / "cache"
    target = export._target(cache, "d", "embedding", "fp32")
    # With nothing there, and with something damaged there.
    for _ in "12":
        found.clear()
        threads = [
            threading.Thread(target=lambda: found.append(export.export(tmp_path, "d", "embedding", "fp32", cache)))
            for _ in "12"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [target, target]
        assert list(cache.iterdir()) == [target]
        assert (target / "meta.json").read_text() == "fp32"
        assert manifest.is_whole(target)
        (target / "meta.json").write_text("fp33")


def test_what_a_killed_export_left_is_swept_away_and_what_others_make_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, made = tmp_path / ".export-left", tmp_path / ".export-made"
    for folder in (left, made):
        folder.mkdir()
        (folder / "model.onnx").write_text("half")
    held = file_locks.acquire(made, wait=True)
    monkeypatch.setattr(export, "_write", write)
    export.export(tmp_path, "d", "embedding", "fp32", tmp_path)
    assert made.exists()
    assert not left.exists()
    os.close(held)


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that is as it should be."""
    cache = tmp_path_factory.mktemp("whole")
    assert export_to(cache, tiny).returncode == 0
    return next(cache.iterdir())


def flip(file: Path) -> None:
    """One bit of each of the last kilobytes: weights, not structure."""
    content = bytearray(file.read_bytes())
    for place in range(len(content) // 2, len(content), 64):
        content[place] ^= 0x40
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "bits of the network": lambda folder: flip(folder / "model.onnx"),
    "a network cut off": lambda folder: os.truncate(folder / "model.onnx", 1000),
    "an empty network": lambda folder: os.truncate(folder / "model.onnx", 0),
    "no network": lambda folder: (folder / "model.onnx").unlink(),
    "no tokenizer": lambda folder: (folder / "tokenizer.json").unlink(),
    "another tokenizer": lambda folder: (folder / "tokenizer.json").write_text("{}"),
    "no meta": lambda folder: (folder / "meta.json").unlink(),
    "no manifest": lambda folder: (folder / manifest.NAME).unlink(),
    "a broken manifest": lambda folder: (folder / manifest.NAME).write_text("[1"),
    "a file too many": lambda folder: (folder / "model.onnx.data").write_text("weights"),
    "no folder": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_export_is_made_anew(
    tiny: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """That what is made is right is for the export itself, and one test of a whole server, to say."""
    cache = tmp_path / "cache"
    damaged = cache / whole.name
    shutil.copytree(whole, damaged)
    DAMAGES[damage](damaged)
    assert not manifest.is_whole(damaged)

    def copy(folder: Path, scratch: Path, task: str, precision: str, base: Path | None) -> None:
        shutil.copytree(whole, scratch, dirs_exist_ok=True)
        (scratch / manifest.NAME).unlink()

    def start(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        export.export(tiny, source.digest(tiny), "embedding", "fp32", cache)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(export, "_write", copy)
    monkeypatch.setattr(export.subprocess, "run", start)
    monkeypatch.setattr(source, "installation", lambda: Installation(sys.executable, "", str(cache)))
    assert export.ensure_exported(tiny, source.digest(tiny), "embedding", "fp32") == damaged
    assert manifest.is_whole(damaged)
    assert list(cache.iterdir()) == [damaged]
    assert (damaged / "model.onnx").read_bytes() == (whole / "model.onnx").read_bytes()


@pytest.mark.parametrize(
    ("code", "said", "error"),
    [
        (1, "OSError: [Errno 28] No space left on device: '/x'", DiskFull),
        (1, "RuntimeError: [enforce fail] DefaultCPUAllocator: not enough memory: you tried", OutOfMemory),
        (1, "MemoryError", OutOfMemory),
        (-9, "", OutOfMemory),
        (1, "KeyError: 'bert'", InvalidModel),
    ],
)
def test_an_export_that_fails_says_what_ran_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str, error: type[Error]
) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, code, "", f"lines before\n{said}\n")

    monkeypatch.setattr(export.subprocess, "run", run)
    monkeypatch.setattr(source, "installation", lambda: Installation(sys.executable, "", str(tmp_path)))
    with pytest.raises(error) as caught:
        export.ensure_exported(tmp_path, "d", "embedding", "fp32")
    assert caught.value.hint


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(folder: Path, scratch: Path, task: str, precision: str, base: Path | None) -> None:
        (scratch / "model.onnx").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "_write", fill)
    with pytest.raises(OSError, match="No space"):
        export.export(tmp_path, "digest", "embedding", "fp32", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
