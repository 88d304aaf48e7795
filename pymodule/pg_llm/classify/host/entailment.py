"""Zero-shot classification by natural-language inference: does the text entail that it is about a label (Yin 2019)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from pg_llm.classify.abstention import NONE, with_none
from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine, Window
from pg_llm.tasks import passages, probability

_HYPOTHESES = ("This example is {}.", "This text is about {}.", "It is {}.")


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """One label: softmax of the entailment logits; many: entailment against contradiction, label by label."""
    if options["examples"]:
        raise InvalidInput("an inference model takes no examples", hint="Train a classifier on them with llm_fit().")
    labels = options["labels"]
    entailed, contradicted = model.details["entailment"]
    template = _HYPOTHESES[options["variant"] % len(_HYPOTHESES)]
    hypotheses = [template.format(description or name) for name, description in labels]

    def score(text: str) -> Generator[Sequence[Window], Sequence[Any], Any]:
        best: list[Any] = [None] * len(hypotheses)
        for start, end in passages.ranges(text):
            pairs = model.encode([(text[start:end], hypothesis) for hypothesis in hypotheses])
            outputs = yield [window for windows in pairs for window in windows]
            ends = np.cumsum([len(windows) for windows in pairs])[:-1]
            for row, part in enumerate(np.split(np.asarray(outputs), ends)):
                # In a long text the window with the strongest entailment of a label decides.
                best[row] = max((*part, *best[row : row + 1]) if start else part, key=lambda row: row[entailed])
        logits = np.asarray(best)
        applies = probability.softmax(logits[:, [contradicted, entailed]])[:, 1]
        if options["many"]:
            return applies
        best_label = probability.softmax(logits[:, entailed])
        return with_none(best_label, applies.max()) if options.get("allow_none") else best_label

    names = [name for name, _ in labels]
    abstains = options.get("allow_none") and not options["many"]
    return [*names, NONE] if abstains else names, [score(text) for text in inputs]
