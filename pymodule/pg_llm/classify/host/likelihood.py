"""Zero-shot classification by a causal language model, from how likely each label is as its answer.

Each likelihood is divided by the one that the label has for texts without content (contextual calibration, Zhao 2021).
Nothing that the model writes is ever parsed.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, cast

import numpy as np

from pg_llm.models.causal import CausalModel
from pg_llm.models.engine import Engine, Message, Window
from pg_llm.tasks import probability
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

_NOTHING = ("N/A", "[MASK]", "...")
# More labels than this are not listed in the question.
_LISTED = 30

_kept = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """One label: softmax over the labels; many: a yes-or-no question for each. Of a long text its beginning is read."""
    causal = cast(CausalModel, model)
    names = [name for name, _ in options["labels"]]
    without = _kept.get(model, sorted(options.items()), lambda: _without_text(causal, options))

    def read(text: str) -> Generator[Sequence[Window], Sequence[Any], Any]:
        outputs = yield _questions(causal, causal.truncate(text), options)
        calibrated = np.asarray(outputs) - without
        if options["many"]:
            return probability.sigmoid(calibrated[:, 0] - calibrated[:, 1])
        return probability.softmax(calibrated[0])

    return names, [read(text) for text in inputs]


def _questions(model: CausalModel, text: str, options: dict[str, Any]) -> list[Window]:
    """One question about all labels, or one for each."""
    labels = options["labels"]
    turned = options["variant"] % len(labels)
    listed = [_described(label) for label in [*labels[turned:], *labels[:turned]]]
    if options["many"]:
        return [
            model.question(
                _dialogue(
                    text,
                    f'Does "{_described(label)}" describe the text?',
                    [(shown, "Yes" if label[0] in its else "No") for shown, its in options["examples"]],
                ),
                ["Yes", "No"],
            )
            for label in labels
        ]
    among = f" Answer with one of: {', '.join(listed)}." if len(labels) <= _LISTED else ""
    shown = [(example, its[0]) for example, its in options["examples"] if its]
    return [
        model.question(_dialogue(text, f"What describes the text best?{among}", shown), [name for name, _ in labels])
    ]


def _described(label: Sequence[str | None]) -> str:
    name, description = label
    return f"{name} ({description})" if description else str(name)


def _dialogue(text: str, question: str, shown: Sequence[tuple[str, str]]) -> list[Message]:
    messages: list[Message] = []
    for example, answer in shown:
        messages.append({"role": "user", "content": f"Text: {example}\n{question}"})
        messages.append({"role": "assistant", "content": answer})
    return [*messages, {"role": "user", "content": f"Text: {text}\n{question}"}]


def _without_text(model: CausalModel, options: dict[str, Any]) -> Any:
    """The mean log-likelihoods of the answers for texts that say nothing."""
    return np.mean([model.forward(_questions(model, nothing, options)) for nothing in _NOTHING], axis=0)
