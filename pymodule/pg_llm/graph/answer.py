"""Questions to a graph: what it says about them, and the answer where it holds one."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pg_llm.database import models
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InvalidInput
from pg_llm.graph import evidence as graph_evidence
from pg_llm.graph import lifecycle, question_words, search
from pg_llm.graph.evidence import Triple

_MOST_TOKENS = 100_000
# Entities that a context begins from, and facts that are weighed for it.
_SEEDS, _WEIGHED = 5, 500
_LIKE = 0.3
# A way counts as meant from so much of the question on; ways of two relations are looked at up to so many.
_MEANT = 0.5
_WAYS = 5_000
# A word beside its translation and beside another thing: how far a model that reads both languages tells them apart.
_SAME_AND_OTHER = ("疾病", ("disease", "river"))
_TOLD_APART = 0.2


def graph_context(db: Connection, question: str | None, graph: str | None, token_limit: int | None) -> str | None:
    """What a graph says that bears on a question, as text with citations, for a prompt."""
    if token_limit is None or not 1 <= token_limit <= _MOST_TOKENS:
        raise InvalidInput(f"token_limit must lie between 1 and {_MOST_TOKENS}")
    of = lifecycle.named(db, graph)
    if question is None:
        return None
    seeds = [row["entity"] for row in search.find(db, of, question, _SEEDS) if row["score"] >= _LIKE]
    facts = list(dict.fromkeys(row[:3] for row in search.around(db, seeds)[0]))[:_WEIGHED] if seeds else []
    if not facts:
        return ""
    said = _spoken(db, facts)
    ordered = _alike(db, of, question, [said[fact] for fact in facts])
    return _within(db, [(said[facts[number]], facts[number]) for number in ordered], token_limit)


def graph_answer(db: Connection, question: str | None, graph: str | None) -> list[tuple[str | None, float, str]]:
    """The answer to a question that a graph holds, with its evidence; NULL where it does not hold it."""
    of = lifecycle.named(db, graph)
    found = _answer(db, of, question) if question is not None and question.strip() else None
    if found is None:
        return [(None, 0.0, "[]")]
    way, score = found
    answers = sorted(way.answers, key=lambda number: (-way.answers[number][0], number))
    names = {row["id"]: row["name"] for row in search.entities(db, answers)}
    triples = list(dict.fromkeys(triple for number in answers for triple in way.answers[number][1]))
    spoken = _spoken(db, triples)
    evidence = [
        {"fact": spoken[triple], **row} for triple, rows in graph_evidence.behind(db, triples).items() for row in rows
    ]
    text = ("、" if any("\u3400" <= c <= "\u9fff" for c in question or "") else ", ").join(
        names[number] for number in answers
    )
    confidence = score * min(way.answers[number][0] for number in answers)
    return [(text, confidence, json.dumps(evidence, ensure_ascii=False))]


@dataclass(slots=True)
class _Way:
    """Relations of one kind, or of two after each other, and what they lead to from one entity."""

    label: str
    hops: int
    # Each answer with its confidence and the relations that lead there.
    answers: dict[int, tuple[float, tuple[Triple, ...]]] = field(default_factory=dict)

    def add(self, answer: int, confidence: float, triples: tuple[Triple, ...]) -> None:
        if answer not in self.answers or confidence > self.answers[answer][0]:
            self.answers[answer] = (confidence, triples)


def _answer(db: Connection, of: Row, question: str) -> tuple[_Way, float] | None:
    """The way that the question means, and how much of the question it accounts for."""
    seeds = _seeds(db, of, question)
    asked = question_words.rest(question, [name for name, _ in seeds.values()])
    if not seeds or not asked:
        return None
    by_label: dict[tuple[str, int], list[_Way]] = defaultdict(list)
    for seed in seeds:
        for way in _ways(db, seed, set(seeds)):
            by_label[way.label, way.hops].append(way)
    merged = [way for way in (_common(ways, len(seeds)) for ways in by_label.values()) if way is not None]
    if not merged:
        return None
    scores = _scores(db, of, asked, [way.label for way in merged])
    order = sorted(
        range(len(merged)), key=lambda n: (-round(scores[n], 3), merged[n].hops, -_sure(merged[n]), merged[n].label)
    )
    best = order[0]
    return (merged[best], scores[best]) if scores[best] >= _MEANT else None


def _seeds(db: Connection, of: Row, question: str) -> dict[int, tuple[str, str]]:
    """Name and type of the entities that a question names; of names within each other the longest."""
    numbers = list(search.mentioned(db, of["id"], question))
    found = {row["id"]: (row["name"], row["type"]) for row in search.entities(db, numbers)}
    folded = [name.casefold() for name, _ in found.values()]
    return {
        number: about
        for number, about in found.items()
        if not any(about[0].casefold() in other and about[0].casefold() != other for other in folded)
    }


def _ways(db: Connection, seed: int, without: set[int]) -> list[_Way]:
    """What leads on from an entity, over one relation and over two."""
    near = search.around(db, [seed])[0][:_WAYS]
    middle = {(o if s == seed else s) for s, _, o, _ in near} - without
    beyond = search.around(db, sorted(middle))[0][:_WAYS] if middle else []
    types = {row["id"]: row["type"] for row in search.entities(db, sorted(search.ends([*near, *beyond])))}
    ways: dict[str, _Way] = {}

    def add(label: str, hops: int, answer: int, confidence: float, *triples: Triple) -> None:
        ways.setdefault(label, _Way(label, hops)).add(answer, confidence, triples)

    first: dict[int, list[tuple[str, float, Triple]]] = defaultdict(list)
    for subject, predicate, object_, confidence in near:
        other = object_ if subject == seed else subject
        if other not in without and other in types:
            triple = (subject, predicate, object_)
            add(f"{predicate} {types[other]}", 1, other, confidence, triple)
            first[other].append((f"{predicate} {types[other]}", confidence, triple))
    for subject, predicate, object_, confidence in beyond:
        for via, other in ((subject, object_), (object_, subject)):
            if via in first and other not in without and other not in first and other in types:
                for label, before, triple in first[via]:
                    add(
                        f"{label} {predicate} {types[other]}",
                        2,
                        other,
                        before * confidence,
                        triple,
                        (subject, predicate, object_),
                    )
    return list(ways.values())


def _common(ways: Sequence[_Way], seeds: int) -> _Way | None:
    """What the ways of one label lead to from every entity that was named."""
    if len(ways) < seeds:
        return None
    both = set.intersection(*(set(way.answers) for way in ways))
    if not both:
        return None
    found = _Way(ways[0].label, ways[0].hops)
    for number in both:
        each = [way.answers[number] for way in ways]
        found.add(number, math.prod(sure for sure, _ in each), tuple(t for _, triples in each for t in triples))
    return found


def _sure(way: _Way) -> float:
    return max(confidence for confidence, _ in way.answers.values())


def _scores(db: Connection, of: Row, asked: str, labels: Sequence[str]) -> list[float]:
    """How much of what is asked each label speaks of: by its words, else by what they mean."""
    words = [question_words.coverage(asked, label) for label in labels]
    if max(words) == 1 or not _understood(db, of, asked):
        return words
    return [max(pair) for pair in zip(words, _cosines(db, of, asked, labels), strict=True)]


def _understood(db: Connection, of: Row, text: str) -> bool:
    """Whether the embedding model reads the text's language: one for English finds all Chinese words alike."""
    if text.isascii():
        return True
    same, other = _cosines(db, of, *_SAME_AND_OTHER)
    return same - other > _TOLD_APART


def _cosines(db: Connection, of: Row, text: str, others: Sequence[str]) -> list[float]:
    found = models.find(db, of["embedding_model"], "embedding").run("embedding", [text, *others], role="document")
    first, *vectors = (json.loads(vector) for vector in found)
    return [sum(a * b for a, b in zip(first, vector, strict=True)) for vector in vectors]


def _alike(db: Connection, of: Row, question: str, texts: Sequence[str]) -> list[int]:
    """The texts' numbers, those most like the question first."""
    scores = _cosines(db, of, question, texts)
    return sorted(range(len(texts)), key=lambda number: (-scores[number], number))


def _spoken(db: Connection, triples: Sequence[Triple]) -> dict[Triple, str]:
    """Each relation in words."""
    names = {row["id"]: row["name"] for row in search.entities(db, sorted(search.ends(triples)))}
    return {triple: f"{names[triple[0]]} {triple[1]} {names[triple[2]]}" for triple in triples}


def _within(db: Connection, facts: Sequence[tuple[str, Triple]], token_limit: int) -> str:
    """As many of the facts, each with its citations, as fit."""
    behind = graph_evidence.behind(db, [triple for _, triple in facts])
    lines: list[str] = []
    sources: dict[str, int] = {}
    left = token_limit
    for said, triple in facts:
        new = dict(sources)
        cited = [new.setdefault(_source(row), len(new) + 1) for row in behind.get(triple, ())]
        line = f"{said}.{''.join(f' [{number}]' for number in sorted(set(cited)))}"
        cost = _tokens(line) + sum(_tokens(f"[{new[text]}] {text}") for text in new.keys() - sources.keys())
        if cost > left:
            break
        left -= cost
        sources = new
        lines.append(line)
    return "\n".join([*lines, *(f"[{number}] {text}" for text, number in sources.items())])


def _source(row: dict[str, Any]) -> str:
    place = f"{row['table']} {json.dumps(row['key'], ensure_ascii=False)}" if row["table"] else "imported"
    passage = f": {' '.join(row['passage'].split())}" if row["passage"] else ""
    return f"{place}{' ' + row['column'] if row['column'] else ''}{passage}"


def _tokens(text: str) -> int:
    """A careful estimate: four letters a token, one where words are not spaced."""
    wide = sum(character >= "\u2e80" for character in text)
    return wide + (len(text) - wide) // 4 + 1
