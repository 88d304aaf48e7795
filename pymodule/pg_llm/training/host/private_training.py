"""Training with differential privacy: a head, or adapters in a transformer, by DP-SGD; and what may be told of it.

Each unit, a row or a person, is either learnt from or measured on, by chance alone. What is learnt spends epsilon of
the ones, and the noisy counts that the metrics are made of spend epsilon of the others: together no more (McSherry
2009, parallel composition). Nothing else is made of the rows but the set of labels, which is public.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from pg_llm.models import source
from pg_llm.models.spec import ModelSpec
from pg_llm.privacy.host import noise
from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import dp_sgd, schedule, trainer
from pg_llm.training.host.dp_sgd import Spent
from pg_llm.training.host.head import Head
from pg_llm.training.host.schedule import PrivatePlan
from pg_llm.training.metrics import ClassificationMetrics

# Rows of one person that are learnt from at most, chosen by chance: they are in memory at a time.
MOST_ROWS = 16
_MOMENTUM = 0.9
# The rows of each unit: one row, or those of a person.
Units = Sequence[Sequence[Example]]
# The labels of each text as items that metrics count.
Predicted = list[set[tuple[str]]]


def run(job: dict[str, Any], rows: list[Example], folder: Path, report: Report) -> dict[str, Any]:
    """Train and save the model to the folder; returns metrics with noise, and what was spent."""
    options, several = job["options"], job["task"] == "tag"
    labels = sorted({label for row in rows for label in (row.truth if several else [row.truth])})
    units = _units(rows)
    training, validation = _split(units, options["validation"])
    plan = schedule.private(job["method"], max(1, round((1 - options["validation"]) * len(units))), options)
    learn = _fit_head if job["method"] == "head" else _fit_adapters
    predicted, spent = learn(job, labels, training, validation, plan, folder, report)
    metrics = _measure(validation, predicted, labels, several, spent.epsilon)
    return {
        **metrics,
        "training_rows": len(units) - metrics["validation_rows"],
        "epsilon": spent.epsilon,
        "delta": spent.delta,
        "noise_multiplier": spent.noise_multiplier,
        "steps": plan.steps,
        "sample_rate": round(plan.sample_rate, 6),
    }


def _units(rows: Sequence[Example]) -> list[list[Example]]:
    """Each row, or some rows of each person."""
    of_person = defaultdict(list)
    for number, row in enumerate(rows):
        of_person[number if row.person is None else row.person].append(row)
    chance = random.SystemRandom()
    return [chance.sample(each, MOST_ROWS) if len(each) > MOST_ROWS else each for each in of_person.values()]


def _split(units: Units, share: float) -> tuple[Units, Units]:
    """Those to learn from, and one row of each of those to measure on: by chance, but a text is on one side only."""
    texts = list(dict.fromkeys(unit[0].text for unit in units))
    measured = {texts[number] for number in dp_sgd.poisson_sample(len(texts), share)}
    chance = random.SystemRandom()
    return (
        [unit for unit in units if unit[0].text not in measured],
        [[chance.choice(unit)] for unit in units if unit[0].text in measured],
    )


def _fit_head(
    job: dict[str, Any],
    labels: list[str],
    training: Units,
    validation: Units,
    plan: PrivatePlan,
    folder: Path,
    report: Report,
) -> tuple[Predicted, Spent]:
    """A linear layer on frozen embeddings, begun at zero."""
    several = job["task"] == "tag"
    rows, measured = _flat(training), _flat(validation)
    vectors = trainer.text_vectors(job, [*rows, *measured], report)
    inputs = torch.tensor(vectors, dtype=torch.float32)
    targets = _targets(rows, labels)
    layer = torch.nn.Linear(inputs.shape[1], len(labels))
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)

    def losses(module: Any, numbers: list[int]) -> torch.Tensor:
        return _losses(module(inputs[numbers]), targets[numbers], several)

    optimizer = torch.optim.SGD(layer.parameters(), plan.learning_rate, momentum=_MOMENTUM)
    spent = dp_sgd.train(layer, losses, _numbers(training), plan, *_budget(job), optimizer, report)
    head = Head(labels, several, layer.weight.detach().numpy(), layer.bias.detach().numpy(), 0.0)
    head.save(folder)
    return head.predict(vectors[len(rows) :]), spent


def _fit_adapters(
    job: dict[str, Any],
    labels: list[str],
    training: Units,
    validation: Units,
    plan: PrivatePlan,
    folder: Path,
    report: Report,
) -> tuple[Predicted, Spent]:
    """LoRA adapters and a new layer in a transformer, kept beside the base."""
    from pg_llm.training.host.transformer import Transformer

    report("loading", 0, 1)
    base = source.folder(ModelSpec.from_wire(job["base"]))
    model = Transformer(base, job["task"], labels, {"max_tokens": 0, "seed": 0, **job["options"]})
    rows, several = _flat(training), job["task"] == "tag"
    targets = _targets(rows, labels)

    def fit(module: Any, forward: Callable[[Any, list[int]], torch.Tensor]) -> Spent:
        def losses(wrapped: Any, numbers: list[int]) -> torch.Tensor:
            return _losses(forward(wrapped, numbers), targets[numbers], several)

        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trained, plan.learning_rate)
        return dp_sgd.train(module, losses, _numbers(training), plan, *_budget(job), optimizer, report)

    spent = model.adapt(rows, fit)
    model.save(folder)
    return model.predict(_flat(validation)), spent


def _flat(units: Units) -> list[Example]:
    return [row for unit in units for row in unit]


def _numbers(units: Units) -> list[list[int]]:
    """The positions of each unit's rows in the list of all."""
    numbers = iter(range(sum(map(len, units))))
    return [[next(numbers) for _ in unit] for unit in units]


def _budget(job: dict[str, Any]) -> tuple[float, float]:
    return job["options"]["epsilon"], job["options"]["delta"]


def _targets(rows: Sequence[Example], labels: list[str]) -> torch.Tensor:
    """Ones where a row has a label: rows x labels."""
    column = {label: number for number, label in enumerate(labels)}
    targets = torch.zeros(len(rows), len(labels))
    for number, row in enumerate(rows):
        for label in [row.truth] if isinstance(row.truth, str) else row.truth:
            targets[number, column[label]] = 1
    return targets


def _losses(logits: torch.Tensor, targets: torch.Tensor, several: bool) -> torch.Tensor:
    """The cross-entropy of each row."""
    if several:
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)
    return torch.nn.functional.cross_entropy(logits, targets, reduction="none")


def _measure(
    validation: Units, predicted: Predicted, labels: list[str], several: bool, epsilon: float
) -> dict[str, float]:
    """Metrics of counts with noise, in which one row moves right, missed or wrong answers, and the number of rows."""
    metrics = ClassificationMetrics()
    for (row,), found in zip(validation, predicted, strict=True):
        metrics.add([(label,) for label in ([row.truth] if isinstance(row.truth, str) else row.truth)], found)
    most = 1 + (len(labels) if several else 2)
    noisy = noise.laplace(metrics.counts(labels), epsilon, most)
    rows = max(1, noisy[-1])
    # Two standard deviations of the sum of the right answers, of which each label's has the noise of `most / epsilon`.
    margin = 2 * math.sqrt(2 * len(labels)) * most / epsilon / rows
    summary = ClassificationMetrics.of_counts(labels, noisy, several).summary()
    return {**summary, "micro_f1_noise": round(min(1.0, margin), 4), "validation_rows": max(0, noisy[-1])}
