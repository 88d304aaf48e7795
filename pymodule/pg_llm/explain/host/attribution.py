"""The task `attribution`: what each token of a text adds to a logit of a classifier, or to a cosine of two texts.

Options: `label`, whose logit, null for the most probable one; or `query`, the text that is compared with; `method`;
`spec`, the model as the registry describes it. The result is a JSON object of `method`, `tokens` as [start, end,
value] and `residual`, so that values and residual together are the score less that of the baseline; or of `reason`,
why nothing can be told. The logit of one label among several is its distance from the mean of all.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from pg_llm.models.engine import Engine, Window
from pg_llm.models.head import HeadModel
from pg_llm.tasks import Steps, WorkItem, batching, passages, stepwise, worker_process

# How far the sum of exact contributions may be from the score that the model gave, as a share of it: weights of eight
# bits round otherwise beside other texts. The difference is part of the residual.
TOLERANCE = 0.02
# Beyond, integrated gradients take minutes.
_LONGEST = 10_000
_TRANSFORMERS = ("onnx", "torch")


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One JSON object per input."""
    return [stepwise(_attribute(model, text, options)) for text in inputs]


def _attribute(model: Engine, text: str, options: dict[str, Any]) -> Steps:
    method = options["method"]
    if method in ("auto", "linear"):
        found = yield from _linear(model, text, options)
        if found is not None:
            return json.dumps(found)
        if method == "linear":
            return json.dumps({"reason": "its score is not linear in the tokens' vectors"})
    if reason := _without_gradients(model, text):
        return json.dumps({"reason": reason})
    return worker_process.call("attribution", options["spec"], text, [options["label"], options["query"]])


def _without_gradients(model: Engine, text: str) -> str | None:
    if model.engine not in _TRANSFORMERS:
        return "it is no transformer"
    if any(importlib.util.find_spec(name) is None for name in ("torch", "captum")):
        return "torch and captum are not installed (./run setup --training)"
    if len(text) > _LONGEST:
        return f"the text has more than {_LONGEST:,} characters"
    return None


def run_in_worker(spec: dict[str, Any], text: str, target: list[str | None]) -> str:
    """Integrated gradients, in a child process: torch is large, and differentiates for seconds."""
    from pg_llm.explain.host import integrated_gradients

    return json.dumps(integrated_gradients.attribute(spec, text, *target))


def _linear(model: Any, text: str, options: dict[str, Any]) -> Generator[Sequence[Window], Sequence[Any], Any]:
    """Contributions that add up to the score, or None where they do not."""
    if not (isinstance(model, HeadModel) or model.task == "embedding"):
        return None
    similarity = options["query"] is not None
    directions = batching.embed(model, [options["query"]]) if similarity else model.weights
    outputs: list[Any] = []
    spans: list[Any] = []
    values: list[Any] = []
    for start, end in passages.ranges(text):
        worker_process.check_caller()
        states = getattr(model, "token_states", _no_states)(text[start:end])
        if states is None:
            return None
        # Of two texts that are compared the first window counts, of one that is classified all do.
        last = 1 if similarity else len(states)
        outputs.extend((yield model.encode([text[start:end]])[0][:last]))
        for each in states[:last]:
            length = float(np.linalg.norm(each.vectors.sum(axis=0))) or 1.0
            values.append(each.vectors @ directions.T / length)
            spans += [span and (start + span[0], start + span[1]) for span in each.spans]
        if similarity:
            break
    contrast, score = _score(model, options, np.mean(outputs, axis=0), directions)
    shares = np.concatenate(values) @ contrast / len(values)
    tokens = [(*span, float(value)) for span, value in zip(spans, shares, strict=True) if span]
    residual = score - sum(value for *_, value in tokens)
    if abs(score - shares.sum()) > TOLERANCE * max(1.0, abs(score)):
        return None
    return {"method": "linear", "tokens": tokens, "residual": residual}


def _no_states(text: str) -> None:
    return None


def _score(model: Any, options: dict[str, Any], output: Any, directions: Any) -> tuple[Any, float]:
    """How much of each direction the score is, and the score less that of the baseline, by what the model gave."""
    if options["query"] is not None:
        return np.ones(1), float(directions[0] @ output)
    column = int(np.argmax(output)) if options["label"] is None else model.details["labels"].index(options["label"])
    contrast = np.eye(len(output))[column]
    if not model.details["multi_label"]:
        contrast = contrast - 1 / len(output)
    return contrast, float(contrast @ (output - model.bias))
