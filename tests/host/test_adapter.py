"""Low-rank adapters: a few weights of their own beside an encoder that many models share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_bert
from pg_llm.errors import InvalidModel
from pg_llm.installation import installation
from pg_llm.models import loading, source
from pg_llm.models.adapter import AdapterModel
from pg_llm.models.engine import Engine
from pg_llm.models.model_cache import ModelCache
from pg_llm.models.spec import ModelSpec
from pg_llm.models.torch import TorchModel
from pg_llm.runtime.training.dataset import Example
from pg_llm.training.host import trainer
from pg_llm.training.options import TrainingJob

# peft asks transformers for what it calls otherwise by now.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
OPTIONS = {"epochs": 3, "learning_rate": 0.01, "rank": 4, "max_tokens": 16}
CLASSES = [
    Example(f"{where} {what} was seen", what)
    for what in ("red", "green", "blue")
    for where in ("here", "far", "a", "b")
]
TAGS = [Example(example.text, [example.truth, "seen"]) for example in CLASSES]
WORDS = [Example(e.text, [[e.truth, (start := e.text.index(e.truth)), start + len(e.truth)]]) for e in CLASSES]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Exports of these models are of no use to others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        installation.cache_clear()
        yield
    installation.cache_clear()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    folder = tiny_bert.save(tmp_path_factory.mktemp("bert"))
    return ModelSpec("base", "embedding", f"path:{folder}", digest=source.digest(folder))


def learn(base: ModelSpec, folder: Path, task: str, rows: list[Example], **options: Any) -> ModelSpec:
    folder.mkdir()
    job = TrainingJob.checked(task, "lora", {**OPTIONS, **options})
    trainer.run({**job.to_wire(), "base": base.to_wire()}, rows, folder, lambda *_, **__: None)
    kind = "entities" if task == "entities" else "classification"
    return ModelSpec(task, kind, f"path:{folder}", digest=source.digest(folder), base=base.to_wire())


def host() -> tuple[ModelCache, list[str]]:
    """A cache as the model host has it, and the tasks of what it loads."""
    loaded: list[str] = []

    def load(spec: ModelSpec) -> Engine:
        loaded.append(spec.task)
        return loading.load(spec, 1, models.get)

    models = ModelCache(load, loading.weight, 1 << 30)
    return models, loaded


def logits(model: Any, texts: list[str]) -> list[Any]:
    return list(model.forward([windows[0] for windows in model.encode(texts)]))


@pytest.mark.parametrize(("task", "rows"), [("classify", CLASSES), ("tag", TAGS), ("entities", WORDS)])
def test_adapters_beside_their_base_are_what_was_trained(
    base: ModelSpec, tmp_path: Path, task: str, rows: list[Example]
) -> None:
    spec = learn(base, tmp_path / "model", task, rows)
    models, loaded = host()
    model = models.get(spec)
    assert isinstance(model, AdapterModel)
    assert loaded == [spec.task, "adapted"]
    merged = loading.load(replace(spec, options={"engine": "torch"}), 1, models.get)
    assert isinstance(merged, TorchModel)
    assert model.details == merged.details
    texts = ["far green was seen", "blue", "", "a text that is longer than sixteen tokens, as it goes on and on and on"]
    assert [len(windows) for windows in model.encode(texts)] == [len(windows) for windows in merged.encode(texts)]
    for found, wanted, windows in zip(logits(model, texts), logits(merged, texts), model.encode(texts), strict=True):
        words = slice(windows[0].cost) if task == "entities" else slice(None)
        assert np.allclose(np.asarray(found)[words], np.asarray(wanted)[words], atol=1e-4)
    # Not the base with a new layer: the adapters do something.
    plain = {name: np.zeros_like(array) for name, array in model._adapters.items()}
    trained, model._adapters = logits(model, texts), plain
    assert not np.allclose(logits(model, texts)[0], trained[0], atol=1e-3)


def test_many_adapters_share_one_base(base: ModelSpec, tmp_path: Path) -> None:
    specs = [learn(base, tmp_path / str(seed), "classify", CLASSES, seed=seed) for seed in (1, 2)]
    models, loaded = host()
    first, second = (models.get(spec) for spec in specs)
    assert sorted(loaded) == ["adapted", "classification", "classification"]
    assert not np.allclose(logits(first, ["far red"])[0], logits(second, ["far red"])[0], atol=1e-3)
    assert first.bytes < 0.1 * models.get(first._encoder).bytes
    # The files are the adapters, the layers after the encoder, and no path of this machine.
    files = {file.name for file in source.files(tmp_path / "1")}
    assert files == {"adapter_config.json", "adapter_model.safetensors", "config.json"}
    config = json.loads((tmp_path / "1" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == base.digest


def test_adapters_without_their_base_are_refused(base: ModelSpec, tmp_path: Path) -> None:
    spec = learn(base, tmp_path / "model", "classify", CLASSES, epochs=1)
    with pytest.raises(InvalidModel, match="does not say of which model"):
        loading.load(replace(spec, base=None), 1, host()[0].get)


def test_adapters_of_another_network_are_merged(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    folder = tiny_bert.save(tmp_path / "base", "distilbert")
    base = ModelSpec("base", "embedding", f"path:{folder}", digest=source.digest(folder))
    spec = learn(base, tmp_path / "model", "classify", CLASSES)
    models, loaded = host()
    model = models.get(spec)
    assert (model.engine, loaded) == ("onnx", ["classification"])
    merged = loading.load(replace(spec, options={"engine": "torch"}), 1, models.get)
    assert np.allclose(logits(model, ["far red"])[0], logits(merged, ["far red"])[0], atol=1e-4)
