"""Compression of an encoder or classifier, and what it costs and earns on rows that nothing has learnt from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from pg_llm import processor
from pg_llm.errors import InvalidInput
from pg_llm.models import loading, source
from pg_llm.models.engine import Engine
from pg_llm.models.spec import ModelSpec
from pg_llm.runtime.training import dataset
from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import distillation, head
from pg_llm.training.metrics import ClassificationMetrics

_KEPT_BACK: Final = 0.2
# Texts that are measured on at most, and how often their time is taken; the least counts, of one and the other in turn.
_MEASURED, _TIMES = 1000, 3
_LEAST_MEASURED: Final = 20
# Texts that an encoder learns from, of which there are their sentences too.
_MOST_TEXTS: Final = 20_000
_DIMENSIONS: Final = {"embedding": 256, "classification": 128}


def run(job: dict[str, Any], rows: list[Example], folder: Path, report: Report) -> dict[str, Any]:
    """Save the compressed model; returns size, speed and quality of both on texts that were kept back.

    `options` of the result are those of what reads the texts. The methods int8 and int4 save nothing.
    """
    base, method, options = ModelSpec.from_wire(job["base"]), job["method"], job["options"]
    training, held_out = dataset.split(rows, _KEPT_BACK)
    held_out = held_out[:_MEASURED]
    if len(held_out) < _LEAST_MEASURED:
        raise InvalidInput(
            f"the query yields {len(rows)} rows, too few to measure on",
            hint=f"Give {round(_LEAST_MEASURED / _KEPT_BACK)} at least.",
        )
    report("loading", 0, 1)
    teacher = _Loaded(base)
    if base.task == "classification" and not teacher.engine.details.get("labels"):
        raise InvalidInput(f'model "{base.name}" has no labels of its own', hint="Train one with llm_fit().")
    if method in ("int8", "int4"):
        made = _in_precision(base, method)
    elif method == "static" and base.task == "embedding":
        dimensions = options["dimensions"] or _DIMENSIONS[base.task]
        distillation.run({**job, "options": {"dimensions": dimensions}}, training, folder, report)
        made = _saved(base.task, folder)
    elif method == "static":
        made = _static_classifier(teacher, training, options, folder, report)
    else:
        made = _smaller_network(teacher, training, method, options, folder, report)
    report("measuring", 0, 1)
    measures = _compared(teacher, _Loaded(made), held_out)
    least = options["min_quality"] * measures["before"]["quality"]
    if method not in ("int8", "int4") and (job.get("is_trial") or measures["after"]["quality"] < least):
        source.discard_exports(source.digest(folder))
    return {**measures, "options": (made.base or made.to_wire())["options"]}


class _Loaded:
    """A model in memory, and the one that it reads with."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self._bases: dict[str, Engine] = {}
        self.engine = loading.load(spec, 0, self._base)

    def _base(self, spec: ModelSpec) -> Engine:
        if spec.key not in self._bases:
            self._bases[spec.key] = loading.load(spec, 0, self._base)
        return self._bases[spec.key]

    @property
    def bytes(self) -> int:
        """Bytes of weights in memory."""
        return self.engine.bytes + sum(engine.bytes for engine in self._bases.values())

    @property
    def file_bytes(self) -> int:
        """Bytes of the weights' files."""
        folders = {source.folder(spec) for spec in (self.spec, *self._specs_below())}
        return sum(file.stat().st_size for folder in folders for file in folder.rglob("*.safetensors"))

    def _specs_below(self) -> list[ModelSpec]:
        return [ModelSpec.from_wire(self.spec.base)] if self.spec.base else []

    def outputs(self, texts: Sequence[str]) -> Any:
        """Unit vectors of the texts, or logits of the labels; windows of a long text are averaged."""
        return head.outputs(self.engine, texts, lambda *_, **__: None)

    def probabilities(self, logits: Any) -> Any:
        """Probabilities of the labels."""
        if self.engine.details.get("multi_label"):
            return 1 / (1 + np.exp(-logits))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def predicted(self, logits: Any) -> list[set[str]]:
        """The labels of each text."""
        labels = self.engine.details["labels"]
        if self.engine.details.get("multi_label"):
            return [{labels[place] for place in np.flatnonzero(row > 0)} for row in logits]
        return [{labels[place]} for place in logits.argmax(axis=1)]


def _check_network(spec: ModelSpec) -> None:
    """Raise InvalidInput for a model without a network in safetensors of its own."""
    folder = None if spec.base else source.folder(spec)
    if folder is None or source.is_static(folder) or not any(folder.rglob("*.safetensors")):
        raise InvalidInput(
            f'model "{spec.name}" has no network of its own in safetensors',
            hint="Compress the embedding model that it reads with, or use the method static.",
        )


def _in_precision(base: ModelSpec, precision: str) -> ModelSpec:
    _check_network(base)
    return replace(base, options={**base.options, "precision": precision, "engine": "onnx", "device": "cpu"})


def _saved(task: str, folder: Path, base: dict[str, Any] | None = None) -> ModelSpec:
    """What the folder holds, in the precision that this processor is fast at."""
    is_network = not source.is_static(folder)
    options = {"precision": "int8"} if is_network and processor.has_vnni() else {}
    return ModelSpec("compressed", task, f"path:{folder}", options=options, base=base)


def _smaller_network(
    teacher: _Loaded, training: Sequence[Example], method: str, options: dict[str, Any], folder: Path, report: Report
) -> ModelSpec:
    """A network of fewer or narrower layers; on that of a head a new head, which lies beside it."""
    spec = teacher.spec
    if not (spec.base and (source.folder(spec) / "head.json").exists()):
        _shrink(teacher, training, method, options, folder, report)
        return _saved(spec.task, folder)
    _shrink(_Loaded(ModelSpec.from_wire(spec.base)), training, method, options, folder, report)
    own = _saved("embedding", folder)
    vectors = head.embed(loading.load(own, 0, _refuse_base), [example.text for example in training], report)
    multi_label = bool(teacher.engine.details["multi_label"])
    head.fit(vectors, training, multi_label, options.get("seed", 0)).save(folder)
    return ModelSpec("compressed", spec.task, f"path:{folder}", base=own.to_wire())


def _refuse_base(spec: ModelSpec) -> Engine:
    raise InvalidInput(f'the model "{spec.name}" builds on another model')


def _shrink(
    teacher: _Loaded, training: Sequence[Example], method: str, options: dict[str, Any], folder: Path, report: Report
) -> None:
    """Save what the method makes of the teacher's network."""
    from pg_llm.training.host.student import Student

    spec = teacher.spec
    _check_network(spec)
    student = Student(source.folder(spec), spec.task)
    if method == "prune":
        student.prune(options["share"])
    else:
        wanted = options["layers"] or max(1, student.layers // 2)
        if wanted >= student.layers:
            raise InvalidInput(
                f'model "{spec.name}" has {student.layers} layers', hint="Set layers in target to fewer."
            )
        student.keep_layers(wanted)
    if method != "layers":
        texts = _texts(training, spec.task)
        outputs = head.outputs(teacher.engine, texts, report)
        targets = outputs if spec.task == "embedding" else teacher.probabilities(outputs)
        student.learn(texts, targets, options["epochs"], options["seed"], report)
    student.save(folder)


def _texts(training: Sequence[Example], task: str) -> list[str]:
    """The texts to learn from; for an encoder, which reads questions too, their sentences beside them."""
    texts = list(dict.fromkeys(example.text for example in training))[:_MOST_TEXTS]
    if task == "embedding":
        texts += distillation.sentences(training, _MOST_TEXTS - len(texts))
    return texts


def _static_classifier(
    teacher: _Loaded, training: Sequence[Example], options: dict[str, Any], folder: Path, report: Report
) -> ModelSpec:
    from pg_llm.training.host.static_classifier import StaticClassifier

    labels, multi_label = teacher.engine.details["labels"], bool(teacher.engine.details.get("multi_label"))
    table, tokenizer = distillation.input_vectors(teacher.spec, options["dimensions"] or _DIMENSIONS["classification"])
    texts = [example.text for example in training]
    probabilities = teacher.probabilities(head.outputs(teacher.engine, texts, report))
    # From both, teacher and labels, more is learnt than from one (Hinton, Vinyals and Dean 2015).
    targets = (probabilities + _truths(training, labels)) / 2
    student = StaticClassifier(table, tokenizer, len(labels), options["seed"])
    student.learn(texts, targets, report, multi_label=multi_label)
    learnt, weights, bias = student.tensors()
    distillation.save(folder, learnt.astype(np.float16), tokenizer)
    head.Head(labels, multi_label, weights, bias, 1.0).save(folder)
    own = ModelSpec("compressed", "embedding", f"path:{folder}").to_wire()
    return _saved("classification", folder, own)


def _truths(examples: Sequence[Example], labels: Sequence[str]) -> Any:
    """A row of zeros and ones for each example; a label that the teacher does not know is none."""
    truths = [{example.truth} if isinstance(example.truth, str) else set(example.truth) for example in examples]
    return np.array([[float(label in truth) for label in labels] for truth in truths])


@dataclass(frozen=True, slots=True)
class _Measured:
    """Bytes in memory and on disk, texts a second, and quality from 0 to 1."""

    bytes: int
    file_bytes: int
    rows_per_second: float
    quality: float

    def to_json(self) -> dict[str, Any]:
        return {
            "bytes": self.bytes,
            "file_bytes": self.file_bytes,
            "rows_per_second": round(self.rows_per_second, 1),
            "quality": round(self.quality, 4),
        }


def _compared(teacher: _Loaded, student: _Loaded, held_out: Sequence[Example]) -> dict[str, Any]:
    texts = [example.text for example in held_out]
    outputs, seconds = [], []
    for model in (teacher, student):
        outputs.append(model.outputs(texts))
        seconds.append(float("inf"))
    for _ in range(_TIMES):
        for place, model in enumerate((teacher, student)):
            started = time.perf_counter()
            model.outputs(texts)
            seconds[place] = min(seconds[place], time.perf_counter() - started)
    if teacher.spec.task == "embedding":
        agreement = distillation.agreement(outputs[1], outputs[0])
        qualities = [1.0, agreement]
    else:
        predicted = [model.predicted(rows) for model, rows in zip((teacher, student), outputs, strict=True)]
        agreement = float(np.mean([first == second for first, second in zip(*predicted, strict=True)]))
        qualities = [_f1(labels, held_out) for labels in predicted]
    before, after = (
        _Measured(model.bytes, model.file_bytes, len(texts) / taken, quality).to_json()
        for model, taken, quality in zip((teacher, student), seconds, qualities, strict=True)
    )
    return {
        "held_out_rows": len(texts),
        "before": before,
        "after": after,
        "cosine": _cosine(*outputs),
        "agreement": round(agreement, 4),
    }


def _f1(predicted: Sequence[set[str]], held_out: Sequence[Example]) -> float:
    """Macro F1 where each text has one label, else micro F1."""
    metrics = ClassificationMetrics()
    for labels, example in zip(predicted, held_out, strict=True):
        truth = [example.truth] if isinstance(example.truth, str) else example.truth
        metrics.add([(label,) for label in truth], [(label,) for label in labels])
    single = all(isinstance(example.truth, str) for example in held_out)
    return float(metrics.summary()["macro_f1" if single else "micro_f1"])


def _cosine(first: Any, second: Any) -> float | None:
    """The mean cosine similarity of the outputs; None where they are of unequal length."""
    if first.shape != second.shape:
        return None
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return round(float(((first * second).sum(axis=1) / np.maximum(norms, 1e-12)).mean()), 4)
