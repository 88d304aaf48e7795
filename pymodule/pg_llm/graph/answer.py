"""Question answering over a graph: the question is linked to entities and matched with the paths that leave them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from pg_llm.database.connection import Connection, Row
from pg_llm.graph import evidence, name_embeddings, question_words, registry, search, traversal
from pg_llm.graph.evidence import Triple

# A pattern answers a question if it covers so much of it.
_MIN_SCORE = 0.5
# Relations of each hop that are looked at.
_MAX_RELATIONS = 5_000
# A word beside its translation and beside an unrelated word, and the margin by which a model that reads both languages
# tells the two apart.
_TRANSLATION_TEST = ("疾病", ("disease", "river"))
_TRANSLATION_MARGIN = 0.2

# Text of the answer, confidence, evidence as JSON.
Answer = tuple[str | None, float, str]


@dataclass(slots=True)
class PathPattern:
    """The predicates and entity types on paths of one or two hops, and the entities at their ends.

    Each answer has its confidence and the relations of the surest path to it.
    """

    label: str
    hops: int
    answers: dict[int, tuple[float, tuple[Triple, ...]]] = field(default_factory=dict)

    def add(self, answer: int, confidence: float, triples: tuple[Triple, ...]) -> None:
        """Add a path to an answer unless a surer one is known."""
        if answer not in self.answers or confidence > self.answers[answer][0]:
            self.answers[answer] = (confidence, triples)

    @property
    def confidence(self) -> float:
        """The confidence of the surest answer."""
        return max(confidence for confidence, _ in self.answers.values())


def answer_question(db: Connection, name: str | None, question: str | None) -> Answer:
    """The entities at the ends of the pattern that covers the question best; None where no pattern covers it."""
    graph = registry.find(db, name)
    match = _best_pattern(db, graph, question) if question is not None and question.strip() else None
    if match is None:
        return (None, 0.0, "[]")
    pattern, score = match
    answers = sorted(pattern.answers, key=lambda number: (-pattern.answers[number][0], number))
    names = {row["id"]: row["name"] for row in search.entities_by_id(db, answers)}
    triples = list(dict.fromkeys(triple for number in answers for triple in pattern.answers[number][1]))
    sentences = evidence.verbalize(db, triples)
    passages = [
        {"fact": sentences[triple], **row} for triple, rows in evidence.supporting(db, triples).items() for row in rows
    ]
    separator = "、" if any("\u3400" <= character <= "\u9fff" for character in question or "") else ", "
    confidence = score * min(pattern.answers[number][0] for number in answers)
    return separator.join(names[number] for number in answers), confidence, json.dumps(passages, ensure_ascii=False)


def _best_pattern(db: Connection, graph: Row, question: str) -> tuple[PathPattern, float] | None:
    """The pattern that the question means, and the share of the question that it covers."""
    seeds = _linked_entities(db, graph, question)
    words = question_words.content_words(question, seeds.values())
    if not seeds or not words:
        return None
    by_label: dict[tuple[str, int], list[PathPattern]] = defaultdict(list)
    for seed in seeds:
        for pattern in _patterns_from(db, seed, set(seeds)):
            by_label[pattern.label, pattern.hops].append(pattern)
    candidates = [common for group in by_label.values() if (common := _intersection(group, len(seeds))) is not None]
    if not candidates:
        return None
    scores = _scores(db, graph, words, [pattern.label for pattern in candidates])
    best = min(
        range(len(candidates)),
        key=lambda n: (-round(scores[n], 3), candidates[n].hops, -candidates[n].confidence, candidates[n].label),
    )
    return (candidates[best], scores[best]) if scores[best] >= _MIN_SCORE else None


def _linked_entities(db: Connection, graph: Row, question: str) -> dict[int, str]:
    """The names of the entities that a question mentions; of names that contain each other the longest."""
    numbers = list(search.mentioned_entities(db, graph["id"], question))
    names = {row["id"]: row["name"] for row in search.entities_by_id(db, numbers)}
    folded = [name.casefold() for name in names.values()]
    return {
        number: name
        for number, name in names.items()
        if not any(name.casefold() in other and name.casefold() != other for other in folded)
    }


def _patterns_from(db: Connection, seed: int, excluded: set[int]) -> list[PathPattern]:
    """The patterns of all paths of one and two hops from an entity that end at none of the excluded ones."""
    near = traversal.incident_relations(db, [seed])[0][:_MAX_RELATIONS]
    middle = {(object_ if subject == seed else subject) for subject, _, object_, _ in near} - excluded
    beyond = traversal.incident_relations(db, sorted(middle))[0][:_MAX_RELATIONS] if middle else []
    numbers = sorted(traversal.endpoints([*near, *beyond]))
    types = {row["id"]: row["type"] for row in search.entities_by_id(db, numbers)}
    patterns: dict[str, PathPattern] = {}

    def add(label: str, hops: int, answer: int, confidence: float, *triples: Triple) -> None:
        patterns.setdefault(label, PathPattern(label, hops)).add(answer, confidence, triples)

    first_hops: dict[int, list[tuple[str, float, Triple]]] = defaultdict(list)
    for subject, predicate, object_, confidence in near:
        other = object_ if subject == seed else subject
        if other not in excluded and other in types:
            triple = (subject, predicate, object_)
            label = f"{predicate} {types[other]}"
            add(label, 1, other, confidence, triple)
            first_hops[other].append((label, confidence, triple))
    for subject, predicate, object_, confidence in beyond:
        second = (subject, predicate, object_)
        for via, other in ((subject, object_), (object_, subject)):
            if via in first_hops and other not in excluded and other not in first_hops and other in types:
                for label, first_confidence, first in first_hops[via]:
                    add(f"{label} {predicate} {types[other]}", 2, other, first_confidence * confidence, first, second)
    return list(patterns.values())


def _intersection(patterns: Sequence[PathPattern], seeds: int) -> PathPattern | None:
    """The answers that patterns of one label have in common, if there is one from every seed."""
    if len(patterns) < seeds:
        return None
    shared = set.intersection(*(set(pattern.answers) for pattern in patterns))
    if not shared:
        return None
    common = PathPattern(patterns[0].label, patterns[0].hops)
    for number in shared:
        answers = [pattern.answers[number] for pattern in patterns]
        confidence = math.prod(confidence for confidence, _ in answers)
        common.add(number, confidence, tuple(triple for _, triples in answers for triple in triples))
    return common


def _scores(db: Connection, graph: Row, words: str, labels: Sequence[str]) -> list[float]:
    """How well each label covers the words: by the words themselves, else also by cosine similarity."""
    coverages = [question_words.coverage(words, label) for label in labels]
    if max(coverages) == 1 or not _model_reads(db, graph, words):
        return coverages
    return [max(pair) for pair in zip(coverages, name_embeddings.cosines(db, graph, words, labels), strict=True)]


def _model_reads(db: Connection, graph: Row, text: str) -> bool:
    """Whether the embedding model reads the text's language: to a model for English all Chinese words are alike."""
    if text.isascii():
        return True
    translation, unrelated = name_embeddings.cosines(db, graph, *_TRANSLATION_TEST)
    return translation - unrelated > _TRANSLATION_MARGIN
