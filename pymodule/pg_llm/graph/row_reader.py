"""Reading facts from the rows of a source: from texts by a model, from columns by a mapping."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.database import models
from pg_llm.database.connection import Connection, Row
from pg_llm.graph import extract, schema
from pg_llm.graph import source as graph_source
from pg_llm.graph.source import Source
from pg_llm.graph.store import EntityMention, RelationMention, RowFacts

# Entities and the relations between them.
_Facts = tuple[list[EntityMention], list[RelationMention]]


class RowReader:
    """Reads the rows of one source; `fingerprint` changes with everything that decides which facts it gives."""

    def __init__(self, db: Connection, source: Source, graph: Row) -> None:
        self._db = db
        self._source = source
        self._kind: str = source.row["kind"]
        self._mapping = graph_source.mapping(source.row) if self._kind == "columns" else []
        self._schema = schema.of_graph(graph)
        self._model: str | None = source.row["model"]
        parts: dict[str, Any] = {"mapping": self._mapping}
        if self._kind == "text":
            parts = {
                "model": models.find(db, self._model, "entities", extract.MODELS).wire["digest"],
                "types": [graph["entity_types"], graph["relation_types"]],
            }
        self.fingerprint = json.dumps(parts, sort_keys=True)

    def read(self, rows: Sequence[Row]) -> list[RowFacts]:
        """The facts of each of these rows, which have `key`, `hash` and `content`."""
        contents = [json.loads(row["content"]) for row in rows]
        facts = self._from_texts(contents) if self._kind == "text" else [self._from_columns(each) for each in contents]
        return [RowFacts(row["key"], row["hash"], *each) for row, each in zip(rows, facts, strict=True)]

    def _from_texts(self, contents: list[dict[str, str]]) -> list[_Facts]:
        """The facts of all texts, extracted in one call of the model."""
        texts = [(number, name, text) for number, content in enumerate(contents) for name, text in content.items()]
        facts: list[_Facts] = [([], []) for _ in contents]
        results = extract.extract(self._db, [text for _, _, text in texts], self._schema, self._model) if texts else []
        for (number, column, _), result in zip(texts, results, strict=True):
            entities, relations = facts[number]
            first = len(entities)
            entities += [
                EntityMention(each.type, each.name, column, each.start + 1, each.end + 1, min(1.0, each.score))
                for each in result.entities
            ]
            relations += [
                RelationMention(
                    first + each.subject,
                    each.predicate,
                    first + each.object,
                    column,
                    each.start + 1,
                    each.end + 1,
                    min(1.0, each.score),
                )
                for each in result.relations
            ]
        return facts

    def _from_columns(self, content: dict[str, str]) -> _Facts:
        positions: dict[tuple[str, str], int] = {}
        entities: list[EntityMention] = []

        def position(item: dict[str, str], side: str) -> int | None:
            """The position of the entity at one side of a mapping's item, which is added if it is new."""
            name = " ".join(content.get(item.get(side, ""), "").split())
            if not name:
                return None
            key = (item[f"{side}_type"], name)
            if key not in positions:
                positions[key] = len(entities)
                entities.append(EntityMention(*key, item[side].partition(".")[0]))
            return positions[key]

        relations = []
        for item in self._mapping:
            subject, object_ = position(item, "subject"), position(item, "object")
            if subject is not None and object_ is not None:
                column = item["object"].partition(".")[0]
                relations.append(RelationMention(subject, item["predicate"], object_, column))
        return entities, relations
