"""Hyperparameter search: TPE proposes (Bergstra and others 2011), successive halving ends poor trials (Li 2020).

Each trial learns from the training rows and is scored on the validation rows. The best is measured on test rows, which
no trial has seen.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import optuna

from pg_llm.errors import InvalidInput
from pg_llm.runtime.training import checkpoints, dataset
from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import augmentation, schedule, trainer

# Of a learning rate: from that which is chosen by method and task, down and up.
_FACTOR: Final = 5.0
_BATCH_SIZES: Final = (8, 16, 32)
_RANKS: Final = (4, 8, 16, 32)


def run(job: dict[str, Any], rows: Sequence[Example], folder: Path, report: Report) -> dict[str, Any]:
    """Save the model of the best trial; returns its metrics on the test rows, and every trial."""
    share = job["options"]["validation"]
    rest, test = dataset.split(rows, share)
    training, validation = dataset.split(rest, share)
    if not (training and validation and test):
        raise InvalidInput(
            f"{len(rows)} rows are too few to learn from, to choose by and to measure on",
            hint="Give more rows of each label, or train with llm_fit().",
        )
    scratch = folder.parent / checkpoints.FOLDER
    search = _Search(job, training, validation, scratch, report)
    best = search.run()
    model = trainer.untrained({**job, "options": best}, rows)
    plan = schedule.of(job["task"], job["method"], len(training), best)
    copies = partial(augmentation.augmented, copies=best["augment"], seed=best["seed"])
    chosen = model.train(copies(training), validation, job["method"], plan, scratch / "best", report)
    measured = model.evaluate(test)
    if len(rows) <= trainer.REFITTED_ROWS:
        model.refit(copies(rows), job["method"], plan, scratch / "best", report)
    model.save(folder, job["base"]["digest"])
    counts = {"training_rows": len(training), "validation_rows": len(validation), "test_rows": len(test)}
    return {**chosen, **measured, **counts, "options": best, "trials": search.trials}


class _Search:
    """The trials so far."""

    def __init__(
        self,
        job: dict[str, Any],
        training: list[Example],
        validation: list[Example],
        scratch: Path,
        report: Report,
    ) -> None:
        self._job = job
        self._training = training
        self._validation = validation
        self._scratch = scratch
        self._report = report
        self._plan = schedule.of(job["task"], job["method"], len(training), job["options"])
        self.trials: list[dict[str, Any]] = []

    def run(self) -> dict[str, Any]:
        """The options of the best trial; the first has those that a training without a search would have."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=self._job["options"]["seed"]),
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
        )
        usual = {"batch_size": self._plan.batch_size, "learning_rate": self._plan.learning_rate}
        study.enqueue_trial({**self._job["options"], **usual}, skip_if_exists=False)
        study.optimize(self._score, n_trials=self._job["trials"])
        best: dict[str, Any] = self.trials[study.best_trial.number]["options"]
        return best

    def _score(self, trial: optuna.Trial) -> float:
        options = {**self._job["options"], **self._proposed(trial)}
        plan = schedule.of(self._job["task"], self._job["method"], len(self._training), options)
        model = trainer.untrained({**self._job, "options": options}, [*self._training, *self._validation])
        pruned = False

        def is_poor(epoch: int, score: float) -> bool:
            nonlocal pruned
            trial.report(score, epoch)
            pruned = trial.should_prune()
            return pruned

        def report(phase: str, done: int, total: int, **detail: Any) -> None:
            self._report(phase, done, total, trial=trial.number + 1, trials=self._job["trials"], **detail)

        scratch = self._scratch / f"trial-{trial.number}"
        augmented = augmentation.augmented(self._training, options["augment"], options["seed"])
        started = time.monotonic()
        metrics = model.train(augmented, self._validation, self._job["method"], plan, scratch, report, is_poor)
        shutil.rmtree(scratch)
        score = max(epoch["score"] for epoch in metrics["epochs"])
        told = {"score": score, "is_pruned": pruned, "epochs": metrics["epochs"]}
        self.trials.append({"options": options, "seconds": round(time.monotonic() - started, 1), **told})
        if pruned:
            raise optuna.TrialPruned
        return float(score)

    def _proposed(self, trial: optuna.Trial) -> dict[str, Any]:
        """Values of the hyperparameters that the caller has left open."""
        usual = self._plan.learning_rate
        ranges: dict[str, Callable[[str], Any]] = {
            "learning_rate": lambda name: trial.suggest_float(name, usual / _FACTOR, usual * _FACTOR, log=True),
            "batch_size": lambda name: trial.suggest_categorical(name, _BATCH_SIZES),
            "warmup": lambda name: trial.suggest_float(name, 0, 0.3),
            "weight_decay": lambda name: trial.suggest_float(name, 0, 0.1),
        }
        if self._job["task"] == "classify":
            ranges["label_smoothing"] = lambda name: trial.suggest_float(name, 0, 0.2)
        if self._job["method"] == "lora":
            ranges["rank"] = lambda name: trial.suggest_categorical(name, _RANKS)
        return {name: suggest(name) for name, suggest in ranges.items() if name not in self._job["fixed"]}
