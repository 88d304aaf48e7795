"""Text classification by any kind of model: trained classifier, entailment, embeddings or a causal language model.

Options: `labels`, a list of [name, description or null], null for those the model was trained on; `many`, whether
several labels may apply; `examples`, a list of [text, [labels]]; `variant`, the wording of the question, from 0; and
where they are given `instruction`, guidelines for a language model, and `allow_none`, whether a text may have no label.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any

from pg_llm.classify.host import choice, entailment, similarity, trained
from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine, Window
from pg_llm.tasks import Steps, WorkItem, stepwise

# Yields windows to be read, and returns the probabilities in the order of the labels.
Scoring = Generator[Sequence[Window], Sequence[Any], Any]


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """The result is a JSON object of label and probability, in the order of the labels; `abstention.NONE` is last."""
    if options.get("instruction") and model.task != "generation":
        raise InvalidInput(
            "only a language model reads an instruction",
            hint="Name a model of the task generation, or describe the labels: 'late: the parcel came late'.",
        )
    names, scorings = _method(model).prepare(model, inputs, options)
    return [stepwise(_to_json(names, scoring)) for scoring in scorings]


def weight(model: Engine, options: dict[str, Any]) -> int:
    """An inference model reads a text once for each label, and so does a language model if several may apply."""
    asks = model.task == "generation" and options["many"]
    return len(options["labels"] or ()) if asks or "entailment" in model.details else 1


def _method(model: Engine) -> Any:
    if model.task == "embedding":
        return similarity
    if model.task == "generation":
        return choice
    return trained if "labels" in model.details else entailment


def _to_json(names: Sequence[str], scoring: Scoring) -> Steps:
    probabilities = [round(float(value), 6) for value in (yield from scoring)]
    return json.dumps(dict(zip(names, probabilities, strict=True)), ensure_ascii=False)
