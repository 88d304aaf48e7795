"""What the rows of a source say: texts through a model, columns through their mapping."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.database import models
from pg_llm.database.connection import Connection, Row
from pg_llm.graph import extract, schema
from pg_llm.graph import source as graph_source
from pg_llm.graph.source import Source
from pg_llm.graph.store import Mention, Said, Statement


class Reader:
    """Reads the rows of one source; `by` changes with whatever decides what it finds."""

    def __init__(self, db: Connection, source: Source, graph: Row) -> None:
        self._db = db
        self._source = source
        self._kind: str = source.row["kind"]
        self._mapping = graph_source.mapping(source.row) if self._kind == "columns" else []
        self._schema = schema.parse(graph["entity_types"], json.loads(graph["relation_types"] or "null"))
        self._model: str | None = source.row["model"]
        by: dict[str, Any] = {"mapping": self._mapping}
        if self._kind == "text":
            by = {
                "model": models.find(db, self._model, "entities", extract.MODELS).wire["digest"],
                "types": [graph["entity_types"], graph["relation_types"]],
            }
        self.by = json.dumps(by, sort_keys=True)

    def read(self, rows: Sequence[Row]) -> list[Said]:
        """Of rows with `key`, `hash` and `content`, what each says."""
        contents = [json.loads(row["content"]) for row in rows]
        found = self._texts(contents) if self._kind == "text" else [self._columns(content) for content in contents]
        return [Said(row["key"], row["hash"], *said) for row, said in zip(rows, found, strict=True)]

    def _texts(self, contents: list[dict[str, str]]) -> list[tuple[list[Mention], list[Statement]]]:
        pieces = [(number, name, text) for number, content in enumerate(contents) for name, text in content.items()]
        found: list[tuple[list[Mention], list[Statement]]] = [([], []) for _ in contents]
        results = extract.find(self._db, [text for _, _, text in pieces], self._schema, self._model) if pieces else []
        for (number, column, _), result in zip(pieces, results, strict=True):
            mentions, statements = found[number]
            first = len(mentions)
            mentions += [
                Mention(each.type, each.name, column, each.start + 1, each.end + 1, min(1.0, each.score))
                for each in result.entities
            ]
            statements += [
                Statement(
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
        return found

    def _columns(self, content: dict[str, str]) -> tuple[list[Mention], list[Statement]]:
        places: dict[tuple[str, str], int] = {}
        mentions: list[Mention] = []

        def mention(item: dict[str, str], side: str) -> int | None:
            name = " ".join(content.get(item.get(side, ""), "").split())
            if not name:
                return None
            known = (item[f"{side}_type"], name)
            if known not in places:
                places[known] = len(mentions)
                mentions.append(Mention(*known, item[side].partition(".")[0]))
            return places[known]

        statements = []
        for item in self._mapping:
            subject, object_ = mention(item, "subject"), mention(item, "object")
            if subject is not None and object_ is not None:
                column = item["object"].partition(".")[0]
                statements.append(Statement(subject, item["predicate"], object_, column))
        return mentions, statements
