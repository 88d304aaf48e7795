"""Hyperparameter search: each trial is told, poor ones end early, and the score is of rows that none has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_bert
from pg_llm.errors import InvalidInput
from pg_llm.models.spec import ModelSpec
from pg_llm.runtime.training.dataset import Example
from pg_llm.training.host import trainer
from pg_llm.training.host.transformer import Transformer
from pg_llm.training.options import TrainingJob

ROWS = [
    Example(f"{where} the {what} was {how}", what)
    for what in ("kettle", "novel", "bicycle")
    for where in ("here", "there", "today", "once")
    for how in ("red", "old", "seen", "sold")
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert.save(tmp_path_factory.mktemp("base"))


def tune(base: Path, folder: Path, trials: int, **options: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    folder.mkdir()
    job = TrainingJob.searched("classify", None, {"epochs": 2, **options}, trials).to_wire()
    reports: list[dict[str, Any]] = []
    wire = {**job, "base": ModelSpec("base", "embedding", f"path:{base}").to_wire()}
    told = trainer.run(wire, ROWS, folder, lambda *_, **detail: reports.append(detail))
    return told, reports


def test_the_best_trial_is_measured_on_rows_that_none_has_seen(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[str] = set()
    measured: set[str] = set()
    train, evaluate = Transformer.train, Transformer.evaluate

    def training(self: Transformer, rows: list[Example], validation: list[Example], *others: Any) -> Any:
        seen.update(example.text for example in (*rows, *validation))
        return train(self, rows, validation, *others)

    def measuring(self: Transformer, rows: list[Example]) -> Any:
        measured.update(example.text for example in rows)
        return evaluate(self, rows)

    monkeypatch.setattr(Transformer, "train", training)
    monkeypatch.setattr(Transformer, "evaluate", measuring)
    told, reports = tune(base, tmp_path / "model", 4, weight_decay=0.02)
    assert measured
    assert not measured & seen
    assert len(measured | seen) == len(ROWS)
    assert told["test_rows"] == len(measured)
    assert len(told["trials"]) == 4
    # The first is what would have been trained without a search.
    usual = told["trials"][0]["options"]
    assert (usual["batch_size"], usual["learning_rate"], usual["warmup"]) == (8, 5e-5, 0.1)
    assert {trial["options"]["weight_decay"] for trial in told["trials"]} == {0.02}
    assert len({trial["options"]["learning_rate"] for trial in told["trials"]}) == 4
    finished = [trial for trial in told["trials"] if not trial["is_pruned"]]
    best = max(finished, key=lambda trial: trial["score"])
    assert told["options"] == best["options"]
    assert {(detail["trial"], detail["trials"]) for detail in reports if "trial" in detail} == {
        (number, 4) for number in range(1, 5)
    }
    # The same rows and seed make the same search.
    again, _ = tune(base, tmp_path / "again", 2, weight_decay=0.02)
    assert [trial["options"] for trial in again["trials"]] == [trial["options"] for trial in told["trials"][:2]]


class Untrained:
    """Stands for the networks of all trials, which get these scores one after the other."""

    def __init__(self, scores: list[float]) -> None:
        self._scores = iter(scores)

    def train(
        self, training: Any, validation: Any, method: str, plan: Any, scratch: Path, report: Any, is_poor: Any = None
    ) -> Any:
        scratch.mkdir(parents=True)
        score = next(self._scores)
        epochs = []
        for epoch in (1, 2, 3):
            epochs.append({"epoch": epoch, "score": score})
            if is_poor and is_poor(epoch, score):
                break
        return {"epochs": epochs}

    def evaluate(self, rows: Any) -> dict[str, float]:
        return {"macro_f1": 0.5}

    def refit(self, *_: Any) -> None: ...

    def save(self, *_: Any) -> None: ...


def test_poor_trials_end_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Untrained([0.5, 0.9, 0.1, 0.8, 0.95, 0])
    monkeypatch.setattr(trainer, "untrained", lambda *_: model)
    told, _ = tune(tmp_path, tmp_path / "model", 5)
    assert [trial["is_pruned"] for trial in told["trials"]] == [False, False, True, True, False]
    assert [len(trial["epochs"]) for trial in told["trials"]] == [3, 3, 1, 1, 3]
    assert told["options"] == told["trials"][4]["options"]
    assert told["macro_f1"] == 0.5
    # Nothing of a trial stays, and the last training begins in a folder of its own.
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["best"]


def test_rows_for_each_of_three_uses_are_needed(tmp_path: Path) -> None:
    few = [Example(f"the {what} is {how}", what) for what in ("kettle", "novel") for how in ("red", "old")]
    wire = {**TrainingJob.searched("classify", None, {}, 2).to_wire(), "base": {}}
    with pytest.raises(InvalidInput, match="4 rows are too few"):
        trainer.run(wire, few, tmp_path / "model", lambda *_, **__: None)
