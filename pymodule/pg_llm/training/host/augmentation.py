"""Data augmentation: noisy copies of labelled texts to learn from, beside the texts as they are."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.runtime.training.dataset import Example
from pg_llm.training.perturbation import attacks

# Of each copy, one kind: those that leave the label as it is, the most frequent first.
_KINDS = ("typos", "ocr", "look_alikes", "case")


def augmented(examples: Sequence[Example], copies: int, seed: int) -> list[Example]:
    """The examples, and as many noisy copies of each; of rows to measure on there are none."""
    noisy = [
        Example(attacks.perturb(kind, example.text, "", (), seed), example.truth)
        for kind in _KINDS[:copies]
        for example in examples
    ]
    return [*examples, *noisy]
