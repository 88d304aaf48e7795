"""Zero-shot classification by the likelihood that a causal language model gives each label as its answer.

Each likelihood is divided by the one that the label has for texts without content (contextual calibration, Zhao 2021).
Nothing is generated, so nothing has to be parsed.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, cast

import numpy as np

from pg_llm.models.causal import CausalModel
from pg_llm.models.engine import Engine, Message, Window
from pg_llm.tasks import probability
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

_CONTENT_FREE = ("N/A", "[MASK]", "...")
# More labels than these are not listed in the question.
_MAX_LISTED = 30

_priors = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """One label: softmax over the labels; many: a yes-or-no question for each. Only a long text's beginning is read."""
    causal = cast(CausalModel, model)
    names = [name for name, _ in options["labels"]]
    prior = _priors.get(model, sorted(options.items()), lambda: _prior(causal, options))

    def score(text: str) -> Generator[Sequence[Window], Sequence[Any], Any]:
        outputs = yield _questions(causal, causal.truncate(text), options)
        calibrated = np.asarray(outputs) - prior
        if options["many"]:
            return probability.sigmoid(calibrated[:, 0] - calibrated[:, 1])
        return probability.softmax(calibrated[0])

    return names, [score(text) for text in inputs]


def _questions(model: CausalModel, text: str, options: dict[str, Any]) -> list[Window]:
    """One question about all labels, or one for each; `variant` rotates the order in which labels are listed."""
    labels = options["labels"]
    rotation = options["variant"] % len(labels)
    listed = [_described(label) for label in [*labels[rotation:], *labels[:rotation]]]
    if options["many"]:
        return [
            model.question(
                _conversation(
                    text,
                    f'Does "{_described(label)}" describe the text?',
                    [(example, "Yes" if label[0] in names else "No") for example, names in options["examples"]],
                ),
                ["Yes", "No"],
            )
            for label in labels
        ]
    choices = f" Answer with one of: {', '.join(listed)}." if len(labels) <= _MAX_LISTED else ""
    answered = [(example, names[0]) for example, names in options["examples"] if names]
    conversation = _conversation(text, f"What describes the text best?{choices}", answered)
    return [model.question(conversation, [name for name, _ in labels])]


def _described(label: Sequence[str | None]) -> str:
    name, description = label
    return f"{name} ({description})" if description else str(name)


def _conversation(text: str, question: str, answered: Sequence[tuple[str, str]]) -> list[Message]:
    """The question about the text, after the same question about answered examples (few-shot prompting)."""
    messages: list[Message] = []
    for example, answer in answered:
        messages.append({"role": "user", "content": f"Text: {example}\n{question}"})
        messages.append({"role": "assistant", "content": answer})
    return [*messages, {"role": "user", "content": f"Text: {text}\n{question}"}]


def _prior(model: CausalModel, options: dict[str, Any]) -> Any:
    """The mean log-likelihoods of the answers for texts without content."""
    return np.mean([model.forward(_questions(model, text, options)) for text in _CONTENT_FREE], axis=0)
