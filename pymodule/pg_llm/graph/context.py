"""Retrieval of a graph's facts for a prompt (retrieval-augmented generation), with citations, within a token limit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.database.connection import Connection, Row
from pg_llm.graph import evidence, name_embeddings, registry, search, traversal
from pg_llm.graph.evidence import Triple

# Entities from which facts are collected, their least score, and facts that are ranked.
_MAX_SEEDS, _MAX_FACTS = 5, 500
_MIN_SCORE = 0.3


def context(db: Connection, name: str | None, question: str | None, token_limit: int) -> str | None:
    """The facts about the entities that match a question best, the most similar to it first; None for NULL."""
    graph = registry.find(db, name)
    if question is None:
        return None
    ranked = search.rank_entities(db, graph, question, _MAX_SEEDS)
    seeds = [row["entity"] for row in ranked if row["score"] >= _MIN_SCORE]
    relations = traversal.incident_relations(db, seeds)[0] if seeds else []
    facts = list(dict.fromkeys(relation[:3] for relation in relations))[:_MAX_FACTS]
    if not facts:
        return ""
    sentences = evidence.verbalize(db, facts)
    order = _by_similarity(db, graph, question, [sentences[fact] for fact in facts])
    return _cited(db, [(sentences[facts[number]], facts[number]) for number in order], token_limit)


def _by_similarity(db: Connection, graph: Row, question: str, sentences: Sequence[str]) -> list[int]:
    """The positions of the sentences, those most similar to the question first."""
    scores = name_embeddings.cosines(db, graph, question, sentences)
    return sorted(range(len(sentences)), key=lambda number: (-scores[number], number))


def _cited(db: Connection, facts: Sequence[tuple[str, Triple]], token_limit: int) -> str:
    """As many of the facts as fit, each with the numbers of its sources, and a list of these sources."""
    supporting = evidence.supporting(db, [triple for _, triple in facts])
    lines: list[str] = []
    sources: dict[str, int] = {}
    remaining = token_limit
    for sentence, triple in facts:
        extended = dict(sources)
        numbers = {extended.setdefault(_citation(row), len(extended) + 1) for row in supporting.get(triple, ())}
        line = f"{sentence}.{''.join(f' [{number}]' for number in sorted(numbers))}"
        cost = _token_count(line)
        cost += sum(_token_count(f"[{extended[source]}] {source}") for source in extended.keys() - sources.keys())
        if cost > remaining:
            break
        remaining -= cost
        sources = extended
        lines.append(line)
    return "\n".join([*lines, *(f"[{number}] {source}" for source, number in sources.items())])


def _citation(row: dict[str, Any]) -> str:
    place = f"{row['table']} {json.dumps(row['key'], ensure_ascii=False)}" if row["table"] else "imported"
    passage = f": {' '.join(row['passage'].split())}" if row["passage"] else ""
    return f"{place}{' ' + row['column'] if row['column'] else ''}{passage}"


def _token_count(text: str) -> int:
    """An estimate that errs on the high side: four letters a token, one in scripts without spaces."""
    wide = sum(character >= "\u2e80" for character in text)
    return wide + (len(text) - wide) // 4 + 1
