"""Relations as classes: each pair of a text's entities as one row, with the relation between them or none."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.graph.host import entity_pairs
from pg_llm.graph.host.extraction_result import Mention
from pg_llm.models.pairs import WORDS, numbers
from pg_llm.models.spec import NO_RELATION
from pg_llm.runtime.training.dataset import Example

# Pairs without a relation that are learnt from, for each one with a relation.
_MODERATION = 3


def as_classes(
    job: dict[str, Any], training: Sequence[Example], validation: Sequence[Example]
) -> tuple[dict[str, Any], list[Example], list[Example]]:
    """The job and its rows as a classification of pairs; all pairs of the validation rows are kept."""
    render = entity_pairs.worded if job["method"] == "head" else entity_pairs.shown
    learnt = [pair for example in training for pair in pairs(example, render)]
    some = [pair for pair in learnt if pair.truth != NO_RELATION]
    others = sorted((pair for pair in learnt if pair.truth == NO_RELATION), key=_digest)
    measured = [pair for example in validation for pair in pairs(example, render)]
    return {**job, "task": "classify", "nothing": NO_RELATION}, some + others[: _MODERATION * len(some)], measured


def pairs(example: Example, render: Callable[..., str]) -> list[Example]:
    """Each pair of entities that the example marks, as a model is shown it, and its relation: of several the first."""
    relations: dict[tuple[Mention, Mention], str] = {}
    for name, *both in sorted(example.truth, key=lambda item: item[0] is None):
        subject, target = ((str(kind), int(start), int(end), 1.0) for kind, start, end in both)
        relations.setdefault((subject, target), name or NO_RELATION)
    entities = {end for both in relations for end in both}
    return [
        Example(render(example.text, *pair), relations.get(pair, NO_RELATION))
        for pair in entity_pairs.candidates(example.text, list(entities))
    ]


def ends(examples: Sequence[Example]) -> dict[str, list[list[str]]]:
    """For each relation the types of subject and object that it has been seen between."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for example in examples:
        for name, subject, target in example.truth:
            if name is not None:
                found[name].add((subject[0], target[0]))
    return {name: [list(types) for types in sorted(its)] for name, its in sorted(found.items())}


def words(texts: Sequence[str]) -> Any:
    """Which words are in each text, a sparse matrix of shape (texts, WORDS)."""
    from scipy import sparse

    columns, values, starts = [], [], [0]
    for text in texts:
        its, value = numbers(text)
        columns.extend(its)
        values.extend([value] * len(its))
        starts.append(len(columns))
    return sparse.csr_matrix((values, columns, starts), shape=(len(texts), WORDS), dtype="float32")


def _digest(example: Example) -> bytes:
    return hashlib.sha256(example.text.encode()).digest()
