"""Texts to the relations between the entities in them.

An input is a JSON object: `text`, and `entities` as a list of [type, start, end, score]. The result is one too:
`entities`, of the same form, and `relations`, a list of [subject, predicate, object, start, end, score] in which
subject and object are numbers of entities; patterns add `open`, mentions whose relation a phrase may tell.
Options: `relations`, null or an object of name and `subject`, `object`, `words`, `description`; `types`, null or a list
of [name, description]; `known`, the types that the entity model can tell.
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

_kept = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One piece of work per text."""
    given = [json.loads(item) for item in inputs]
    if model.task == "generation":
        return [llm_relations.work(cast(Any, model), item["text"], options) for item in given]
    if model.task == "classification":
        return entity_pairs.prepare(model, given, options)
    if not hasattr(model, "parse"):
        raise InvalidInput(
            "this model finds no relations: it cannot parse",
            hint="Name a spaCy pipeline, the model lac, or one that llm_fit() made for relations.",
        )
    return _by_patterns(cast(ParsingEngine, model), given, options)


def _by_patterns(model: ParsingEngine, given: Sequence[dict[str, Any]], options: dict[str, Any]) -> list[WorkItem]:
    chinese = "PER" in model.details["labels"]
    triggers = chinese_relations.triggers if chinese else lambda said: english_relations.triggers(model, said)
    wanted = _kept.get(model, options["relations"], lambda: (relation_types.relations(options, triggers),))[0]
    kind: Any = chinese_relations.Chinese if chinese else english_relations.English
    known = set(options["known"])

    def read(item: dict[str, Any]) -> Steps:
        text = item["text"]
        entities = [(label, start, end, score) for label, start, end, score in item["entities"]]
        reading = kind(text, entities, wanted, known)
        for start, end in passages.ranges(text):
            outputs = yield model.parse([text[start:end]], start)[0]
            for words in outputs:
                reading.read(words)
        return str(reading.found.written())

    return [stepwise(read(item)) for item in given]
