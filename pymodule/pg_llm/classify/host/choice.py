"""Zero-shot classification by a language model that chooses among answers: the label, or yes or no for each label.

Where the engine gives likelihoods, each is divided by the one that the answer has for texts without content (contextual
calibration, Zhao 2021): a small model prefers some answers whatever it is asked. Of several labels that are asked about
each fits such a text as one of them would, not in one case of two. Nothing is generated, so nothing has to be parsed. A
long text is read in parts that a prompt holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from typing import Any, cast

import numpy as np

from pg_llm.classify.abstention import NONE
from pg_llm.models.engine import ChoiceEngine, Engine, Message, Window, gives_likelihoods
from pg_llm.tasks import passages, probability
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

_CONTENT_FREE = ("N/A", "[MASK]", "...")
# More labels than these are not listed in the question, but for those with a description.
_MAX_LISTED = 30
_NONE_ANSWER = "none of these"

_priors = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """One label: softmax over the answers, averaged over the parts; many: yes or no, by the part that says it most."""
    chooser = cast(ChoiceEngine, model)
    names = [name for name, _ in options["labels"]]
    questions = _Questions(chooser, options)
    # Filled by the first text that asks, and then the same for all.
    prior: list[Any] = _priors.get(model, sorted(options.items()), list) if gives_likelihoods(model) else [0.0]
    scorings = [_score(questions, text, prior, first=not place) for place, text in enumerate(inputs)]
    return [*names, NONE] if questions.abstains else names, scorings


def _score(
    questions: _Questions, text: str, prior: list[Any], *, first: bool
) -> Generator[Sequence[Window], Sequence[Any], Any]:
    if not prior and not first:
        yield ()
    if not prior:
        windows = [questions.about(each) for each in _CONTENT_FREE]
        outputs = yield list(itertools.chain.from_iterable(windows))
        prior.append(questions.prior([np.asarray(part) for part in _split(outputs, len(windows[0]))]))
    read, total = 0, np.zeros(())
    for ranges in passages.prompt_parts(questions.model, text):
        parts = [text[start:end] for start, end in ranges]
        outputs = yield [window for part in parts for window in questions.about(part)]
        for part, answers in zip(parts, _split(outputs, len(outputs) // len(parts)), strict=True):
            found = questions.probabilities(np.asarray(answers) - prior[0])
            if questions.many:
                total = np.maximum(total, found)
            else:
                length = max(len(part), 1)
                read, total = read + length, total + length * found
    return total / read if read else total


def _split(outputs: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [outputs[start : start + size] for start in range(0, len(outputs), size)]


class _Questions:
    """What is asked about a text; option `variant` rotates the order in which labels are listed."""

    def __init__(self, model: ChoiceEngine, options: dict[str, Any]) -> None:
        self.model = model
        self._labels = options["labels"]
        self._examples = options["examples"]
        self._guidelines: list[Message] = []
        if instruction := options.get("instruction"):
            self._guidelines = [{"role": "system", "content": instruction}]
        self.many = options["many"]
        self.abstains = bool(options.get("allow_none")) and not self.many
        self._answers = [name for name, _ in self._labels]
        rotation = options["variant"] % len(self._labels)
        listed = [_described(label) for label in [*self._labels[rotation:], *self._labels[:rotation]]]
        if self.abstains:
            # No label of the user's: those have no space at the end.
            self._answers.append(_NONE_ANSWER if _NONE_ANSWER not in self._answers else f"{_NONE_ANSWER} ")
            listed.append(_NONE_ANSWER)
        described = [_described(label) for label in self._labels if label[1]]
        self._choices = f" Answer with one of: {', '.join(listed)}." if len(listed) <= _MAX_LISTED else ""
        if not self._choices and described:
            self._choices = f" Some of the answers are: {', '.join(described)}."

    def about(self, text: str) -> list[Window]:
        """One question about all labels, or one for each."""
        if not self.many:
            answered = [(example, names[0]) for example, names in self._examples if names]
            conversation = self._conversation(text, f"What describes the text best?{self._choices}", answered)
            return [self.model.question(conversation, self._answers)]
        return [
            self.model.question(
                self._conversation(
                    text,
                    f'Does "{_described(label)}" describe the text?',
                    [(example, "Yes" if label[0] in names else "No") for example, names in self._examples],
                ),
                ["Yes", "No"],
            )
            for label in self._labels
        ]

    def prior(self, answers: Sequence[Any]) -> Any:
        """What is taken off the logarithms for a text, from those for texts without content."""
        mean = np.mean(answers, axis=0)
        return mean + np.array([np.log(max(len(mean) - 1, 1)), 0.0]) if self.many else mean

    def probabilities(self, answers: Any) -> Any:
        """The probabilities of the labels from the logarithms for one part, shape (questions, answers)."""
        if self.many:
            return probability.sigmoid(answers[:, 0] - answers[:, 1])
        return probability.softmax(answers[0])

    def _conversation(self, text: str, question: str, answered: Sequence[tuple[str, str]]) -> list[Message]:
        """The question about the text, after the same question about answered examples (few-shot prompting)."""
        messages = list(self._guidelines)
        for example, answer in answered:
            messages.append({"role": "user", "content": f"Text: {example}\n{question}"})
            messages.append({"role": "assistant", "content": answer})
        return [*messages, {"role": "user", "content": f"Text: {text}\n{question}"}]


def _described(label: Sequence[str | None]) -> str:
    name, description = label
    return f"{name} ({description})" if description else str(name)
