"""Texts to probabilities of labels, by whatever the model is.

Options: `labels`, a list of [name, description or null], null for those the model was trained on; `many`, whether
several labels may apply; `examples`, a list of [text, [labels]]; `variant`, which wording of the question, from 0.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any

from pg_llm.classify.host import entailment, similarity, trained
from pg_llm.models.engine import Engine, Window
from pg_llm.tasks import Steps, WorkItem, stepwise

# The probabilities in the order of the labels, once the windows that are yielded have been read.
Judging = Generator[Sequence[Window], Sequence[Any], Any]


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """The result is a JSON object of label and probability, in the order of the labels."""
    if model.task == "embedding":
        way: Any = similarity
    elif model.task == "generation":
        from pg_llm.classify.host import likelihood

        way = likelihood
    else:
        way = trained if "labels" in model.details else entailment
    names, judgings = way.prepare(model, inputs, options)
    return [stepwise(_named(names, judging)) for judging in judgings]


def weight(model: Engine, options: dict[str, Any]) -> int:
    """An inference model reads a text once for each label."""
    return len(options["labels"] or ()) if "entailment" in model.details else 1


def _named(names: Sequence[str], judging: Judging) -> Steps:
    found = [round(float(value), 6) for value in (yield from judging)]
    return json.dumps(dict(zip(names, found, strict=True)), ensure_ascii=False)
