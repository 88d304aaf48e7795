"""Storage of the facts that were read from rows: the new facts of a row replace those that it had before.

Graphs are written with the rights of the extension's owner, under ids that the caller has checked: who may write to a
graph is decided before.

No counters are kept: an entity or a relation exists as long as it has evidence. So writers of the same entity do not
wait for each other, and one row costs the same in a graph of any size. A relation is updated only by the second row
that states it, after which its support is counted from the evidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import as_extension_owner
from pg_llm.graph import garbage_collection
from pg_llm.graph.name_folding import fold

# Subject, predicate, object; entities by number.
Triple = tuple[int, str, int]


@dataclass(frozen=True, slots=True)
class EntityMention:
    """A mention of an entity in a row; positions count from 1, the end is excluded, None stands for the whole value."""

    type: str
    name: str
    column: str | None = None
    start: int | None = None
    end: int | None = None
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class RelationMention:
    """A relation between two of a row's entity mentions, given by their positions in the list."""

    subject: int
    predicate: str
    object: int
    column: str | None = None
    start: int | None = None
    end: int | None = None
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class RowFacts:
    """The facts that were read from one row, and the hash of what was read."""

    key: str
    hash: int
    entities: Sequence[EntityMention] = ()
    relations: Sequence[RelationMention] = ()


@dataclass(slots=True)
class _Ids:
    """The ids of entities, each with that of its representative, by type and name; of relations by triple.

    `stated_before` are those relations that may have evidence beside that which is about to be written.
    """

    entities: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    relations: dict[Triple, int] = field(default_factory=dict)
    stated_before: set[int] = field(default_factory=set)


_ROWS = """
    SELECT id, key::text AS key, hash FROM llm.all_graph_row WHERE source = $1 AND key = ANY($2::jsonb[])
    AND found_by = ANY(ARRAY(SELECT hashtextextended(k::jsonb::text, 0) FROM unnest($2) AS u (k)))
"""


@as_extension_owner
def stored_hashes(db: Connection, source: int, keys: Sequence[str]) -> dict[str, int]:
    """By key the hash of each of these rows when it was last read."""
    return {row["key"]: row["hash"] for row in db.rows(_ROWS, ("int4", "text[]"), (source, list(keys)))}


@as_extension_owner
def try_lock_source(db: Connection, source: int) -> bool:
    """Block merging and the source's removal until the transaction ends; False if the source is gone."""
    return bool(db.rows("SELECT FROM llm.all_graph_source WHERE id = $1 FOR KEY SHARE", ("int4",), (source,)))


@as_extension_owner
def stored_rows(db: Connection, source: int, after: int, limit: int) -> list[Row]:
    """Id and key of the rows of a source that the graph has, with ids greater than `after`, in order."""
    return db.rows(
        "SELECT id, key::text AS key FROM llm.all_graph_row WHERE source = $1 AND id > $2 ORDER BY id LIMIT $3",
        ("int4", "int8", "int4"),
        (source, after, limit),
    )


@as_extension_owner
def lock_source_rows(db: Connection, graph: int, source: int, keys: Sequence[str]) -> dict[str, int]:
    """The ids of these rows by key, as jsonb writes it; the rows are locked until the transaction ends."""
    db.rows(
        "INSERT INTO llm.all_graph_row (graph, source, key, hash)"
        " SELECT $1, $2, k::jsonb, 0 FROM unnest($3) AS u (k) ON CONFLICT DO NOTHING",
        ("int4", "int4", "text[]"),
        (graph, source, sorted(keys)),
    )
    return {row["key"]: row["id"] for row in _lock_rows(db, source, keys)}


def _lock_rows(db: Connection, source: int, keys: Sequence[str]) -> list[Row]:
    return db.rows(f"{_ROWS} ORDER BY key FOR UPDATE", ("int4", "text[]"), (source, list(keys)))


@as_extension_owner
def replace_facts(
    db: Connection, graph: int, source: int, rows: dict[str, int], facts: Sequence[RowFacts]
) -> list[int]:
    """Replace the facts of rows whose ids by key are given; returns the ids of all entities that are mentioned."""
    numbers = [rows[each.key] for each in facts]
    entities, relations = _delete_evidence(db, numbers)
    ids = _find_or_create(db, graph, source, facts)
    evidence = [(number, *entry) for number, each in zip(numbers, facts, strict=True) for entry in _evidence(each, ids)]
    _insert_evidence(db, graph, source, evidence, ids)
    db.rows(
        "UPDATE llm.all_graph_row AS r SET hash = u.hash FROM unnest($1, $2) AS u (id, hash)"
        " WHERE r.id = u.id AND r.source = $3",
        ("int8[]", "int8[]", "int4"),
        (numbers, [each.hash for each in facts], source),
    )
    garbage_collection.delete_orphans(
        db, entities - {entry[1] for entry in evidence}, relations - {entry[2] for entry in evidence}
    )
    return sorted({number for pair in ids.entities.values() for number in pair})


@as_extension_owner
def add_facts(db: Connection, graph: int, source: int, row: int, facts: Sequence[RowFacts]) -> int:
    """Add those of the facts to a row that it lacks; returns how many of these are relations."""
    ids = _find_or_create(db, graph, source, facts)
    evidence: dict[tuple[bool, int], tuple[Any, ...]] = {}
    for each in facts:
        for entry in _evidence(each, ids):
            evidence.setdefault((entry[0] is None, entry[2]), (row, *entry))
    existing = db.rows(
        "SELECT relation IS NOT NULL AS related, extracted FROM llm.all_evidence"
        ' WHERE "row" = $1 AND extracted = ANY($2)',
        ("int8", "int8[]"),
        (row, [number for _, number in evidence]),
    )
    for known in existing:
        evidence.pop((known["related"], known["extracted"]), None)
    _insert_evidence(db, graph, source, list(evidence.values()), ids)
    return sum(is_relation for is_relation, _ in evidence)


@as_extension_owner
def delete_rows(db: Connection, source: int, keys: Sequence[str]) -> None:
    """Delete the rows with these keys from the graph, with all that only they support."""
    numbers = [row["id"] for row in _lock_rows(db, source, keys)]
    if not numbers:
        return
    entities, relations = _delete_evidence(db, numbers)
    db.rows("DELETE FROM llm.all_graph_row WHERE id = ANY($1) AND source = $2", ("int8[]", "int4"), (numbers, source))
    garbage_collection.delete_orphans(db, entities, relations)


def _insert_evidence(db: Connection, graph: int, source: int, evidence: Sequence[tuple[Any, ...]], ids: _Ids) -> None:
    if not evidence:
        return
    _clear_sole_evidence(db, {entry[2] for entry in evidence} & ids.stated_before)
    columns = [list(column) for column in zip(*evidence, strict=True)]
    db.rows(
        'INSERT INTO llm.all_evidence (graph, source, "row", entity, relation, extracted, "column", start_pos,'
        " end_pos, confidence) SELECT $1, $2, * FROM unnest($3, $4, $5, $6, $7, $8, $9, $10)",
        ("int4", "int4", "int8[]", "int8[]", "int8[]", "int8[]", "name[]", "int4[]", "int4[]", "float4[]"),
        (graph, source, *columns),
    )


def _evidence(facts: RowFacts, ids: _Ids) -> Iterable[tuple[Any, ...]]:
    """Rows of llm.all_evidence: entity, relation, what was extracted, column, start, end, confidence."""
    entities = [ids.entities[each.type, each.name] for each in facts.entities]
    for mention, (own, representative) in zip(facts.entities, entities, strict=True):
        yield representative, None, own, mention.column, mention.start, mention.end, mention.confidence
    for each in facts.relations:
        (subject, subject_now), (object_, object_now) = entities[each.subject], entities[each.object]
        own = ids.relations[subject, each.predicate, object_]
        now = ids.relations[subject_now, each.predicate, object_now]
        yield None, now, own, each.column, each.start, each.end, each.confidence


def _find_or_create(db: Connection, graph: int, source: int, facts: Sequence[RowFacts]) -> _Ids:
    """The ids of all entities and relations that are mentioned."""
    ids = _Ids()
    names = sorted({(mention.type, mention.name) for each in facts for mention in each.entities})
    if names:
        ids.entities = _entity_ids(db, graph, names)
    extracted: set[Triple] = set()
    stated: dict[Triple, list[float]] = defaultdict(list)
    for row in facts:
        entities = [ids.entities[each.type, each.name] for each in row.entities]
        for each in row.relations:
            (subject, subject_now), (object_, object_now) = entities[each.subject], entities[each.object]
            extracted.add((subject, each.predicate, object_))
            stated[subject_now, each.predicate, object_now].append(each.confidence)
    if stated:
        once = {triple: confidences[0] for triple, confidences in stated.items() if len(confidences) == 1}
        ids.relations, created = _relation_ids(db, graph, sorted(extracted | stated.keys()), source, once)
        ids.stated_before = {ids.relations[triple] for triple in stated} - created
    return ids


def _entity_ids(db: Connection, graph: int, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """Id and representative of each type and name; entities that do not exist are created."""
    folded = [fold(name) for _, name in names]
    types, spellings = ([name[place] for name in names] for place in range(2))
    wanted = set(names)
    while True:
        # The lock keeps garbage collection from deleting an entity before its evidence is written.
        rows = db.rows(
            "SELECT id, coalesce(merged_into, id) AS standing, type, name FROM llm.all_entity"
            " WHERE graph = $1 AND folded = ANY($2) ORDER BY id FOR KEY SHARE",
            ("int4", "text[]"),
            (graph, sorted(set(folded))),
        )
        ids = {(row["type"], row["name"]): (row["id"], row["standing"]) for row in rows}
        if wanted <= ids.keys():
            return {name: ids[name] for name in wanted}
        db.rows(
            "INSERT INTO llm.all_entity (graph, type, name, folded) SELECT $1, * FROM unnest($2, $3, $4)"
            " ON CONFLICT DO NOTHING",
            ("int4", "text[]", "text[]", "text[]"),
            (graph, types, spellings, folded),
        )


@as_extension_owner
def relation_ids(db: Connection, graph: int, triples: Sequence[Triple]) -> dict[Triple, int]:
    """The ids of relations; those that do not exist are created."""
    return _relation_ids(db, graph, triples, None, {})[0]


def _relation_ids(
    db: Connection, graph: int, triples: Sequence[Triple], source: int | None, once: Mapping[Triple, float]
) -> tuple[dict[Triple, int], set[int]]:
    """The same, and the ids of those that were created.

    Of relations that this call states once, the confidence is given: they keep it as that of their sole evidence.
    """
    subjects, predicates, objects = ([triple[place] for triple in triples] for place in range(3))
    sources, confidences = [source if triple in once else None for triple in triples], [*map(once.get, triples)]
    wanted = set(triples)
    created: set[int] = set()
    while True:
        rows = db.rows(
            "SELECT id, subject, predicate, object FROM llm.all_relation"
            " WHERE subject = ANY($1) AND object = ANY($2) ORDER BY id FOR KEY SHARE",
            ("int8[]", "int8[]"),
            (sorted(set(subjects)), sorted(set(objects))),
        )
        ids = {(row["subject"], row["predicate"], row["object"]): row["id"] for row in rows}
        if wanted <= ids.keys():
            return {triple: ids[triple] for triple in wanted}, created
        new = db.rows(
            "INSERT INTO llm.all_relation (graph, subject, predicate, object, sole_source, sole_confidence)"
            " SELECT $1, * FROM unnest($2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id",
            ("int4", "int8[]", "text[]", "int8[]", "int4[]", "float4[]"),
            (graph, subjects, predicates, objects, sources, confidences),
        )
        created |= {row["id"] for row in new}


def _clear_sole_evidence(db: Connection, numbers: Collection[int]) -> None:
    """Note that these relations have more than one piece of evidence from now on."""
    if not numbers:
        return
    locked = db.rows(
        "SELECT id FROM llm.all_relation WHERE id = ANY($1) AND sole_source IS NOT NULL ORDER BY id FOR NO KEY UPDATE",
        ("int8[]",),
        (sorted(numbers),),
    )
    db.rows(
        "UPDATE llm.all_relation SET sole_source = NULL, sole_confidence = NULL WHERE id = ANY($1)",
        ("int8[]",),
        ([row["id"] for row in locked],),
    )


@as_extension_owner
def update_sole_evidence(db: Connection, numbers: Collection[int]) -> None:
    """Note for these relations whether they have one piece of evidence only. The graph is locked."""
    db.rows(
        "UPDATE llm.all_relation AS r SET (sole_source, sole_confidence) = (SELECT"
        " CASE WHEN count(*) = 1 THEN min(v.source) END, CASE WHEN count(*) = 1 THEN min(v.confidence) END"
        " FROM llm.all_evidence AS v WHERE v.relation = r.id) WHERE r.id = ANY($1)",
        ("int8[]",),
        (sorted(numbers),),
    )


def _delete_evidence(db: Connection, rows: Sequence[int]) -> tuple[set[int], set[int]]:
    """Delete the evidence of rows; returns the entities and the relations that it supported."""
    deleted = db.rows(
        'DELETE FROM llm.all_evidence WHERE "row" = ANY($1) RETURNING entity, relation, extracted',
        ("int8[]",),
        (list(rows),),
    )
    entities: set[int] = set()
    relations: set[int] = set()
    for row in deleted:
        if row["entity"] is not None:
            entities.update((row["extracted"], row["entity"]))
        else:
            relations.update((row["extracted"], row["relation"]))
    return entities, relations
