"""Relation extraction as classification: each pair of a text's entities is one example, its relation the label."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.graph.host import entity_pairs
from pg_llm.graph.host.extraction_result import Mention
from pg_llm.models.pairs import WORDS, hash_words
from pg_llm.models.spec import NO_RELATION
from pg_llm.runtime.training.dataset import Example

# Training examples without a relation, for each one with a relation.
_NEGATIVES_PER_POSITIVE = 3


def to_classification(
    job: dict[str, Any], training: Sequence[Example], validation: Sequence[Example]
) -> tuple[dict[str, Any], list[Example], list[Example]]:
    """The job and its rows as a classification of pairs; negatives are sampled for training only."""
    render = entity_pairs.features if job["method"] == "head" else entity_pairs.marked_text
    pairs = [pair for example in training for pair in pair_examples(example, render)]
    positives = [pair for pair in pairs if pair.truth != NO_RELATION]
    negatives = sorted((pair for pair in pairs if pair.truth == NO_RELATION), key=_digest)
    sampled = positives + negatives[: _NEGATIVES_PER_POSITIVE * len(positives)]
    validation_pairs = [pair for example in validation for pair in pair_examples(example, render)]
    return {**job, "task": "classify", "negative_label": NO_RELATION}, sampled, validation_pairs


def pair_examples(example: Example, render: Callable[..., str]) -> list[Example]:
    """Each pair of entities that the example marks, rendered for a model, with its first relation or none."""
    relations: dict[tuple[Mention, Mention], str] = {}
    for name, *arguments in sorted(example.truth, key=lambda item: item[0] is None):
        subject, target = ((str(type_), int(start), int(end), 1.0) for type_, start, end in arguments)
        relations.setdefault((subject, target), name or NO_RELATION)
    entities = {argument for pair in relations for argument in pair}
    return [
        Example(render(example.text, *pair), relations.get(pair, NO_RELATION))
        for pair in entity_pairs.candidates(example.text, list(entities))
    ]


def argument_types(examples: Sequence[Example]) -> dict[str, list[list[str]]]:
    """For each relation the pairs of subject and object types that it occurs between."""
    types: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for example in examples:
        for name, subject, target in example.truth:
            if name is not None:
                types[name].add((subject[0], target[0]))
    return {name: [list(pair) for pair in sorted(pairs)] for name, pairs in sorted(types.items())}


def word_features(texts: Sequence[str]) -> Any:
    """Hashed bags of words and bigrams: a sparse matrix of shape (texts, WORDS)."""
    from scipy import sparse

    columns, values, starts = [], [], [0]
    for text in texts:
        hashed, value = hash_words(text)
        columns.extend(hashed)
        values.extend([value] * len(hashed))
        starts.append(len(columns))
    return sparse.csr_matrix((values, columns, starts), shape=(len(texts), WORDS), dtype="float32")


def _digest(example: Example) -> bytes:
    return hashlib.sha256(example.text.encode()).digest()
