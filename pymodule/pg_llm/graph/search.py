"""Entity search: by name, folded and looked up among the spans of the query, and by the similarity of embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.database import catalog, models
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import UndefinedGraph
from pg_llm.graph import name_folding, registry

# The score of a name that is a vanishing part of the query; one that is the whole query scores 1.
_PART_SCORE = 0.5


def search(db: Connection, graph: str | None, query: str | None, k: int) -> list[Row]:
    """The k entities of a graph that match a query best; none for a blank query."""
    row = registry.find(db, graph)
    return rank_entities(db, row, query, k) if query is not None and query.strip() and k else []


def rank_entities(db: Connection, graph: Row, query: str, k: int) -> list[Row]:
    """The k entities with the highest scores: of name match and cosine similarity the higher one counts."""
    scores = mentioned_entities(db, graph["id"], query)
    vector = models.find(db, graph["embedding_model"], "embedding").run("embedding", [query], role="query")[0]
    schema = catalog.schema_of(db, "vector")
    nearest = db.rows(
        # The query vector is in a subquery: as a plain parameter its text would be parsed again for every entity.
        f"SELECT e.id, 1 - (e.embedding OPERATOR({schema}.<=>) (SELECT $2::{schema}.vector)) AS score"
        " FROM llm.entity AS e WHERE e.graph = $1 ORDER BY score DESC NULLS LAST, e.id LIMIT $3",
        ("int4", "text", "int4"),
        (graph["id"], vector, k),
    )
    for row in nearest:
        if row["score"] is not None:
            scores[row["id"]] = max(scores.get(row["id"], -1.0), row["score"])
    best = sorted(scores, key=lambda number: (-scores[number], number))[:k]
    visible = {row["id"]: row for row in entities_by_id(db, best)}
    return [
        {
            "entity": number,
            **{column: visible[number][column] for column in ("name", "type", "aliases")},
            "score": scores[number],
        }
        for number in best
        if number in visible
    ]


def mentioned_entities(db: Connection, graph: int, text: str) -> dict[int, float]:
    """The entities whose names stand in the text, with a score that grows with the share of the text that a name is."""
    rows = db.rows(
        "SELECT n.entity, n.folded FROM llm.entity_name AS n WHERE n.graph = $1 AND n.folded = ANY($2)",
        ("int4", "text[]"),
        (graph, sorted(name_folding.candidate_names(text))),
    )
    length = len(name_folding.fold(text)) or 1
    scores: dict[int, float] = {}
    for row in rows:
        score = min(1.0, _PART_SCORE + (1 - _PART_SCORE) * len(row["folded"]) / length)
        scores[row["entity"]] = max(score, scores.get(row["entity"], 0.0))
    return scores


def entities_by_id(db: Connection, numbers: Sequence[int]) -> list[Row]:
    """Id, graph, name, type and aliases of those of the entities that the caller may see."""
    return db.rows(
        "SELECT e.id, e.graph, e.name, e.type, e.aliases FROM llm.entity AS e WHERE e.id = ANY($1)",
        ("int8[]",),
        (list(numbers),),
    )


def check_visible(db: Connection, numbers: Sequence[int]) -> None:
    """Raise UndefinedGraph for an entity that does not exist for the caller."""
    visible = {row["id"] for row in entities_by_id(db, numbers)}
    for number in numbers:
        if number not in visible:
            raise UndefinedGraph(
                f"there is no entity {number}",
                hint="SELECT entity, name FROM graph_search('…') finds entities; merging and deleting take some away.",
            )
