"""The task `relations`: relation extraction by patterns on a parse, by a pair classifier or by a generative model.

An input is a JSON object of `text` and `entities`, a list of [type, start, end, score]. The result is a JSON object of
`entities` in the same form and `relations`, a list of [subject, predicate, object, start, end, score], in which subject
and object are positions in the list of entities; patterns add `open`, pairs of entities whose relation a phrase may
tell. Options: `relations`, null or an object that maps names to objects of `subject`, `object`, `words` and
`description`; `types`, null or a list of [name, description]; `known`, the types that the entity model recognizes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from pg_llm.errors import InvalidInput
from pg_llm.graph.host import chinese_relations, english_relations, entity_pairs, llm_relations, relation_types
from pg_llm.models.engine import Engine, ParsingEngine
from pg_llm.tasks import Steps, WorkItem, passages, stepwise
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

_relation_cache = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One piece of work per text."""
    items = [json.loads(item) for item in inputs]
    if model.task == "generation":
        return [llm_relations.work(cast(Any, model), item["text"], options) for item in items]
    if model.task == "classification":
        return entity_pairs.prepare(model, items, options)
    if not hasattr(model, "parse"):
        raise InvalidInput(
            "this model finds no relations: it cannot parse",
            hint="Name a spaCy pipeline, the model lac, or one that llm_fit() made for relations.",
        )
    return _by_patterns(cast(ParsingEngine, model), items, options)


def _by_patterns(model: ParsingEngine, items: Sequence[dict[str, Any]], options: dict[str, Any]) -> list[WorkItem]:
    # Of the parsing models, the Chinese one has the label PER, where the English ones have PERSON.
    chinese = "PER" in model.details["labels"]
    triggers = chinese_relations.triggers if chinese else lambda words: english_relations.triggers(model, words)
    relations = _relation_cache.get(
        model, options["relations"], lambda: (relation_types.parse_relations(options, triggers),)
    )[0]
    extractor_class: Any = (
        chinese_relations.ChineseRelationExtractor if chinese else english_relations.EnglishRelationExtractor
    )
    recognized = set(options["known"])

    def steps(item: dict[str, Any]) -> Steps:
        text = item["text"]
        entities = [(label, start, end, score) for label, start, end, score in item["entities"]]
        extractor = extractor_class(text, entities, relations, recognized)
        for start, end in passages.ranges(text):
            outputs = yield model.parse([text[start:end]], start)[0]
            for words in outputs:
                extractor.read(words)
        return str(extractor.result.to_json())

    return [stepwise(steps(item)) for item in items]
