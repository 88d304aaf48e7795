"""Training where the models are: heads, self-training, label errors and pairs of entities, on an echoing base model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from echo import EchoEngine, run
from pg_llm.errors import Error
from pg_llm.models import loading, source
from pg_llm.models.spec import NO_RELATION, ModelSpec
from pg_llm.runtime.training.dataset import Example
from pg_llm.training.host import entity_pair_examples, head, logistic, text_vectors, trainer
from safetensors.numpy import load_file
from threadpoolctl import threadpool_limits

BASE = ModelSpec("base", "embedding", "path:/base").to_wire()
LABELS = {"praise": ("good", "great", "fine"), "complaint": ("bad", "awful", "poor")}
ROWS = [
    Example(f"{word} {word} {number} {'so' if number % 2 else 'very'}", label)
    for label, words in LABELS.items()
    for word in words
    for number in range(6)
]


class Reports:
    """Keeps what a training reports."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int, int]] = []

    def __call__(self, phase: str, done: int, total: int, **detail: Any) -> None:
        self.phases.append((phase, done, total))


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[EchoEngine]:
    model = EchoEngine()
    monkeypatch.setattr(loading, "load", lambda spec, threads, get: model)
    monkeypatch.setattr(logistic, "STRENGTHS", (1.0, 10.0))
    # Threads for vectors of 16 numbers cost more than they bring.
    with threadpool_limits(1):
        yield model


def job(method: str, task: str = "classify", **options: Any) -> dict[str, Any]:
    chosen = {"validation": 0.2, "seed": 0, **options}
    return {"task": task, "method": method, "options": chosen, "base": BASE}


def test_a_head_learns_and_is_saved(tmp_path: Path) -> None:
    reports = Reports()
    measured = trainer.run(job("head"), ROWS, tmp_path, reports)
    assert measured["macro_f1"] > 0.8
    assert (measured["training_rows"], measured["validation_rows"]) == (28, 8)
    saved = json.loads((tmp_path / "head.json").read_text())
    assert saved == {"labels": ["complaint", "praise"], "multi_label": False}
    assert load_file(tmp_path / "head.safetensors")["weights"].shape == (2, 16)
    assert ("embedding", 36, 36) in reports.phases
    assert reports.phases[-1] == ("fitting", 2, 2)


def test_tags_are_learnt_each_for_itself(tmp_path: Path) -> None:
    rows = [Example(row.text, [row.truth] if row.truth == "praise" else [row.truth, "any"]) for row in ROWS]
    trainer.run(job("head", "tag"), rows, tmp_path, Reports())
    assert json.loads((tmp_path / "head.json").read_text()) == {
        "labels": ["any", "complaint", "praise"],
        "multi_label": True,
    }


def test_embeddings_that_come_with_the_rows_are_taken(tmp_path: Path, base: EchoEngine) -> None:
    folders = tmp_path / "with", tmp_path / "without"
    vectors = run(text_vectors.prepare(EchoEngine(), [row.text for row in ROWS], {}), EchoEngine())
    known = [Example(row.text, row.truth, literal) for row, literal in zip(ROWS, vectors, strict=True)]
    measured = []
    for folder, rows in zip(folders, (known, ROWS), strict=True):
        folder.mkdir()
        measured.append(trainer.run(job("head"), rows, folder, Reports()))
        assert bool(base.read) == (rows is ROWS)
    assert measured[0] == measured[1]
    weights = [load_file(folder / "head.safetensors")["weights"] for folder in folders]
    assert weights[0] == pytest.approx(weights[1], abs=1e-4)


def test_long_texts_are_embedded_by_the_mean_of_their_windows() -> None:
    model = EchoEngine(window=10)
    (long, first, last) = head.embed(model, ["aaaaaaaaa bbbb", "aaaaaaaaa ", "bbbb"], Reports())
    mean = np.mean([first, last], axis=0)
    assert long == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    (literal,) = run(text_vectors.prepare(model, ["aaaaaaaaa bbbb"], {}), model)
    assert json.loads(literal) == pytest.approx(long.tolist(), abs=1e-6)


def test_self_training_keeps_the_best_round(tmp_path: Path) -> None:
    few = [row for row in ROWS if row.text.split()[0] in ("good", "bad")]
    pool = [Example(row.text, None) for row in ROWS if row.text.split()[0] not in ("good", "bad")]
    measured = trainer.run(job("self_train", threshold=0.6, rounds=3), [*few, *pool], tmp_path, Reports())
    rounds = measured["rounds"]
    assert measured["macro_f1"] == max(rounds)
    assert measured["supervised_macro_f1"] == rounds[0]
    assert measured["gained"] == (max(rounds) > rounds[0])
    assert measured["gained"] or measured["added_rows"] == 0
    assert (tmp_path / "head.json").exists()


def test_a_wrong_label_is_suspected() -> None:
    rows = [Example(f"{word} {word}", label) for label, words in LABELS.items() for word in words for _ in range(6)]
    rows[3] = Example(rows[3].text, "complaint")
    found = trainer.suspects(job("suspects"), rows, Reports())
    assert found[0]["position"] == 3
    assert found[0]["suggested"] == "praise"
    assert 0 <= found[0]["quality"] < 0.5


TEXT = "Ada met Bob in Rome"
ADA, BOB, ROME = ["PER", 0, 3], ["PER", 8, 11], ["LOC", 15, 19]


def test_each_pair_of_entities_is_an_example() -> None:
    example = Example(TEXT, [["met", ADA, BOB], [None, BOB, ROME]])
    pairs = entity_pair_examples.pair_examples(example, lambda text, subject, target: f"{subject[1]} {target[1]}")
    assert {pair.text: pair.truth for pair in pairs} == {
        "0 8": "met",
        "8 0": NO_RELATION,
        "0 15": NO_RELATION,
        "15 0": NO_RELATION,
        "8 15": NO_RELATION,
        "15 8": NO_RELATION,
    }


def test_of_several_relations_of_a_pair_the_named_one_counts() -> None:
    example = Example(TEXT, [[None, ADA, BOB], ["met", ADA, BOB]])
    (found, _) = entity_pair_examples.pair_examples(example, lambda text, subject, target: str(subject[1]))
    assert found == Example("0", "met")


def test_negative_pairs_are_sampled_for_training_only() -> None:
    examples = [Example(f"{TEXT} {number}", [["met", ADA, BOB], [None, BOB, ROME]]) for number in range(4)]
    converted, training, validation = entity_pair_examples.to_classification(job("head"), examples, examples)
    assert (converted["task"], converted["negative_label"]) == ("classify", NO_RELATION)
    assert [pair.truth for pair in training].count("met") == 4
    assert [pair.truth for pair in training].count(NO_RELATION) == 12
    assert len(validation) == 24
    # Shown in full to a transformer, masked to a head.
    _, shown, _ = entity_pair_examples.to_classification(job("lora"), examples, [])
    assert "Ada" in shown[0].text
    assert "Ada" not in training[0].text


def test_types_of_subject_and_object_are_kept(tmp_path: Path) -> None:
    examples = [Example(f"{TEXT} {number}", [["met", ADA, BOB], ["in", BOB, ROME]]) for number in range(10)]
    trainer.run(job("head", "relations"), examples, tmp_path, Reports())
    assert source.argument_types(tmp_path) == {"in": [["PER", "LOC"]], "met": [["PER", "PER"]]}
    assert set(json.loads((tmp_path / "head.json").read_text())["labels"]) == {"in", "met", NO_RELATION}


def test_words_are_hashed_to_rows_of_length_one() -> None:
    matrix = entity_pair_examples.word_features(["a b", "", "a"])
    assert np.sqrt(matrix.multiply(matrix).sum(axis=1)).ravel().tolist()[0] == pytest.approx([1.0, 0.0, 1.0])


def test_a_base_may_not_build_on_another() -> None:
    with pytest.raises(Error, match='"head" builds on another model'):
        trainer._refuse_base(ModelSpec("head", "classification", "path:/x"))
