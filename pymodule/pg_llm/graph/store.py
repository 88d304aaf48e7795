"""Writing into a graph what its rows say: each row's own evidence replaces what the row said before.

Only here, in `graph_merging` and in `graph_reasoning` are graphs written, with the rights of the extension's owner and
under numbers that the caller has checked: who may write to a graph is decided before.

Nothing is counted: an entity or relation is there for as long as some evidence is. So writers who speak of the same
entity do not wait for each other, and one row costs the same in a graph of any size. Only who is the second to state a
relation writes to it: that its evidence has to be looked at from now on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import as_extension_owner
from pg_llm.graph.name_folding import fold

# Subject, predicate, object; entities by number.
Triple = tuple[int, str, int]


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity where a row speaks of it; places are from 1 with the end excluded, None for a whole value."""

    type: str
    name: str
    column: str | None = None
    start: int | None = None
    end: int | None = None
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Statement:
    """A relation between two of a row's mentions, by their number."""

    subject: int
    predicate: str
    object: int
    column: str | None = None
    start: int | None = None
    end: int | None = None
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Said:
    """All that one row says."""

    key: str
    hash: int
    mentions: Sequence[Mention] = ()
    statements: Sequence[Statement] = ()


@dataclass(slots=True)
class _Known:
    """Entities by type and name: their number, and that of what stands for them. Relations by ends and predicate.

    `stated_before` are those relations that may have other evidence than what is about to be written.
    """

    entities: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    relations: dict[Triple, int] = field(default_factory=dict)
    stated_before: set[int] = field(default_factory=set)


_ROWS = """
    SELECT id, key::text AS key, hash FROM llm.all_graph_row WHERE source = $1 AND key = ANY($2::jsonb[])
    AND found_by = ANY(ARRAY(SELECT hashtextextended(k::jsonb::text, 0) FROM unnest($2) AS u (k)))
"""


@as_extension_owner
def known(db: Connection, source: int, keys: Sequence[str]) -> dict[str, int]:
    """The hash of each of these rows when it was last read."""
    return {row["key"]: row["hash"] for row in db.rows(_ROWS, ("int4", "text[]"), (source, list(keys)))}


@as_extension_owner
def hold(db: Connection, source: int) -> bool:
    """Until the transaction ends, no merging and no removal of the source; False if it is gone."""
    return bool(db.rows("SELECT FROM llm.all_graph_source WHERE id = $1 FOR KEY SHARE", ("int4",), (source,)))


@as_extension_owner
def keys(db: Connection, source: int, after: int, most: int) -> list[Row]:
    """Rows that were read, in the order of their numbers: `id` and `key`."""
    return db.rows(
        "SELECT id, key::text AS key FROM llm.all_graph_row WHERE source = $1 AND id > $2 ORDER BY id LIMIT $3",
        ("int4", "int8", "int4"),
        (source, after, most),
    )


@as_extension_owner
def take(db: Connection, graph: int, source: int, keys: Sequence[str]) -> dict[str, int]:
    """The numbers of these rows, by key as jsonb writes it; nobody else writes them until the transaction ends."""
    values = (graph, source, sorted(keys))
    db.rows(
        "INSERT INTO llm.all_graph_row (graph, source, key, hash)"
        " SELECT $1, $2, k::jsonb, 0 FROM unnest($3) AS u (k) ON CONFLICT DO NOTHING",
        ("int4", "int4", "text[]"),
        values,
    )
    found = db.rows(
        f"{_ROWS} ORDER BY key FOR UPDATE",
        ("int4", "text[]"),
        (source, list(keys)),
    )
    return {row["key"]: row["id"] for row in found}


@as_extension_owner
def store(db: Connection, graph: int, source: int, rows: dict[str, int], said: Sequence[Said]) -> list[int]:
    """Replace what these rows say; the numbers of the entities that they speak of."""
    numbers = [rows[each.key] for each in said]
    entities, relations_ = _forget(db, numbers)
    known = _known(db, graph, source, said)
    evidence = [
        (number, *entry) for number, each in zip(numbers, said, strict=True) for entry in _evidence(each, known)
    ]
    _write(db, graph, source, evidence, known)
    db.rows(
        "UPDATE llm.all_graph_row AS r SET hash = u.hash FROM unnest($1, $2) AS u (id, hash)"
        " WHERE r.id = u.id AND r.source = $3",
        ("int8[]", "int8[]", "int4"),
        (numbers, [each.hash for each in said], source),
    )
    _clear(db, entities - {entry[1] for entry in evidence}, relations_ - {entry[2] for entry in evidence})
    return sorted({number for pair in known.entities.values() for number in pair})


@as_extension_owner
def add(db: Connection, graph: int, source: int, row: int, said: Sequence[Said]) -> int:
    """Let one row say this too, each thing once; how many relations are new."""
    known = _known(db, graph, source, said)
    given: dict[tuple[bool, int], tuple[Any, ...]] = {}
    for one in said:
        for entry in _evidence(one, known):
            given.setdefault((entry[0] is None, entry[2]), (row, *entry))
    there = db.rows(
        "SELECT relation IS NOT NULL AS related, extracted FROM llm.all_evidence"
        ' WHERE "row" = $1 AND extracted = ANY($2)',
        ("int8", "int8[]"),
        (row, [number for _, number in given]),
    )
    for found in there:
        given.pop((found["related"], found["extracted"]), None)
    _write(db, graph, source, list(given.values()), known)
    return sum(related for related, _ in given)


@as_extension_owner
def remove(db: Connection, source: int, keys: Sequence[str]) -> None:
    """Forget rows that are gone."""
    found = db.rows(
        f"{_ROWS} ORDER BY key FOR UPDATE",
        ("int4", "text[]"),
        (source, list(keys)),
    )
    if not found:
        return
    numbers = [row["id"] for row in found]
    spoken_of = _forget(db, numbers)
    db.rows("DELETE FROM llm.all_graph_row WHERE id = ANY($1) AND source = $2", ("int8[]", "int4"), (numbers, source))
    _clear(db, *spoken_of)


def _write(db: Connection, graph: int, source: int, evidence: Sequence[tuple[Any, ...]], known: _Known) -> None:
    if not evidence:
        return
    _state_again(db, {entry[2] for entry in evidence} & known.stated_before)
    columns = [list(column) for column in zip(*evidence, strict=True)]
    db.rows(
        'INSERT INTO llm.all_evidence (graph, source, "row", entity, relation, extracted, "column", start_pos,'
        " end_pos, confidence) SELECT $1, $2, * FROM unnest($3, $4, $5, $6, $7, $8, $9, $10)",
        ("int4", "int4", "int8[]", "int8[]", "int8[]", "int8[]", "name[]", "int4[]", "int4[]", "float4[]"),
        (graph, source, *columns),
    )


def _evidence(said: Said, known: _Known) -> Iterable[tuple[Any, ...]]:
    """Entity, relation, what was extracted, column, start, end, confidence."""
    ids = [known.entities[each.type, each.name] for each in said.mentions]
    for each, (own, standing) in zip(said.mentions, ids, strict=True):
        yield standing, None, own, each.column, each.start, each.end, each.confidence
    for one in said.statements:
        (subject, subject_now), (object_, object_now) = ids[one.subject], ids[one.object]
        own = known.relations[subject, one.predicate, object_]
        now = known.relations[subject_now, one.predicate, object_now]
        yield None, now, own, one.column, one.start, one.end, one.confidence


def _known(db: Connection, graph: int, source: int, said: Sequence[Said]) -> _Known:
    """The numbers of all entities and relations that are spoken of; new ones are made."""
    known = _Known()
    names = sorted({(each.type, each.name) for one in said for each in one.mentions})
    if names:
        known.entities = _entities(db, graph, names)
    read: set[Triple] = set()
    stated: dict[Triple, list[float]] = defaultdict(list)
    for one in said:
        ids = [known.entities[each.type, each.name] for each in one.mentions]
        for each in one.statements:
            (subject, subject_now), (object_, object_now) = ids[each.subject], ids[each.object]
            read.add((subject, each.predicate, object_))
            stated[subject_now, each.predicate, object_now].append(each.confidence)
    if stated:
        once = {triple: confidences[0] for triple, confidences in stated.items() if len(confidences) == 1}
        known.relations, made = _relations(db, graph, sorted(read | stated.keys()), source, once)
        known.stated_before = {known.relations[triple] for triple in stated} - made
    return known


def _entities(db: Connection, graph: int, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    folded = [fold(name) for _, name in names]
    types, spelt = ([name[place] for name in names] for place in range(2))
    wanted = set(names)
    while True:
        # Held, so that nobody removes meanwhile what nothing speaks for any more.
        rows = db.rows(
            "SELECT id, coalesce(merged_into, id) AS standing, type, name FROM llm.all_entity"
            " WHERE graph = $1 AND folded = ANY($2) ORDER BY id FOR KEY SHARE",
            ("int4", "text[]"),
            (graph, sorted(set(folded))),
        )
        found = {(row["type"], row["name"]): (row["id"], row["standing"]) for row in rows}
        if wanted <= found.keys():
            return {name: found[name] for name in wanted}
        db.rows(
            "INSERT INTO llm.all_entity (graph, type, name, folded) SELECT $1, * FROM unnest($2, $3, $4)"
            " ON CONFLICT DO NOTHING",
            ("int4", "text[]", "text[]", "text[]"),
            (graph, types, spelt, folded),
        )


@as_extension_owner
def relations(db: Connection, graph: int, triples: Sequence[Triple]) -> dict[Triple, int]:
    """The numbers of these relations; new ones are made."""
    return _relations(db, graph, triples, None, {})[0]


def _relations(
    db: Connection, graph: int, triples: Sequence[Triple], source: int | None, once: Mapping[Triple, float]
) -> tuple[dict[Triple, int], set[int]]:
    """The same, and which are new; of those the source will state `once` some, with that confidence."""
    subjects, predicates, objects = ([triple[place] for triple in triples] for place in range(3))
    sources, confidences = [source if triple in once else None for triple in triples], [*map(once.get, triples)]
    wanted = set(triples)
    made: set[int] = set()
    while True:
        rows = db.rows(
            "SELECT id, subject, predicate, object FROM llm.all_relation"
            " WHERE subject = ANY($1) AND object = ANY($2) ORDER BY id FOR KEY SHARE",
            ("int8[]", "int8[]"),
            (sorted(set(subjects)), sorted(set(objects))),
        )
        found = {(row["subject"], row["predicate"], row["object"]): row["id"] for row in rows}
        if wanted <= found.keys():
            return {triple: found[triple] for triple in wanted}, made
        new = db.rows(
            "INSERT INTO llm.all_relation (graph, subject, predicate, object, sole_source, sole_confidence)"
            " SELECT $1, * FROM unnest($2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id",
            ("int4", "int8[]", "text[]", "int8[]", "int4[]", "float4[]"),
            (graph, subjects, predicates, objects, sources, confidences),
        )
        made |= {row["id"] for row in new}


def _state_again(db: Connection, numbers: Collection[int]) -> None:
    """These relations get evidence beside what there was."""
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
def weigh(db: Connection, numbers: Collection[int]) -> None:
    """Look how often these relations are stated now, which nobody else may be about to change."""
    db.rows(
        "UPDATE llm.all_relation AS r SET (sole_source, sole_confidence) = (SELECT"
        " CASE WHEN count(*) = 1 THEN min(v.source) END, CASE WHEN count(*) = 1 THEN min(v.confidence) END"
        " FROM llm.all_evidence AS v WHERE v.relation = r.id) WHERE r.id = ANY($1)",
        ("int8[]",),
        (sorted(numbers),),
    )


def _forget(db: Connection, rows: Sequence[int]) -> tuple[set[int], set[int]]:
    """Take the rows' evidence away; the numbers of the entities and of the relations that it spoke for."""
    gone = db.rows(
        'DELETE FROM llm.all_evidence WHERE "row" = ANY($1) RETURNING entity, relation, extracted',
        ("int8[]",),
        (list(rows),),
    )
    found: tuple[set[int], set[int]] = (set(), set())
    for row in gone:
        kind = 0 if row["entity"] is not None else 1
        found[kind].update((row["extracted"], row["entity"] if kind == 0 else row["relation"]))
    return found


def _clear(db: Connection, entities: set[int], relations_: set[int]) -> None:
    """Remove those of these that nothing speaks for any more."""
    # Locked in the order in which writers hold them: entities, then relations.
    _locked(
        db, "entity", sorted(entities), "NOT EXISTS (SELECT FROM llm.all_evidence AS v WHERE v.entity = c.id OFFSET 0)"
    )
    for kind, doubtful in (("relation", relations_), ("entity", entities)):
        if doubtful:
            sweep(db, kind, sorted(doubtful))


# A subquery with OFFSET is asked for each number, by index; as a join it would read the whole graph.
_NEEDED = {
    "relation": """
    EXISTS (SELECT FROM llm.all_evidence AS v WHERE v.relation = c.id OFFSET 0)
    OR EXISTS (SELECT FROM llm.all_evidence AS v WHERE v.extracted = c.id AND v.relation IS NOT NULL OFFSET 0)
""",
    # What was extracted as a name that is merged speaks for another entity, which its row knows.
    "entity": """
    EXISTS (SELECT FROM llm.all_evidence AS v WHERE v.entity = c.id OFFSET 0)
    OR EXISTS (SELECT FROM llm.all_evidence AS v WHERE v.extracted = c.id AND v.entity = (
        SELECT e.merged_into FROM llm.all_entity AS e WHERE e.id = c.id OFFSET 0) OFFSET 0)
    OR EXISTS (SELECT FROM llm.all_relation AS r WHERE r.subject = c.id OFFSET 0)
    OR EXISTS (SELECT FROM llm.all_relation AS r WHERE r.object = c.id OFFSET 0)
    OR EXISTS (SELECT FROM llm.all_entity AS a WHERE a.merged_into = c.id OFFSET 0)
""",
}


@as_extension_owner
def sweep(db: Connection, kind: str, numbers: Sequence[int]) -> int:
    """Remove the entities or relations among these that nothing needs; how many that were.

    They are locked before they are looked at for good: whoever has begun to speak of one holds it.
    """
    unneeded = f"NOT ({_NEEDED[kind]})"
    removed = 0
    # Names that were merged into others first, then those.
    while numbers and (locked := _locked(db, kind, numbers, unneeded)):
        sure = db.rows(f"SELECT c.id FROM unnest($1) AS c (id) WHERE {unneeded}", ("int8[]",), (locked,))
        gone = db.rows(
            f"DELETE FROM llm.all_{kind} WHERE id = ANY($1)"
            f" RETURNING {'merged_into' if kind == 'entity' else 'NULL::int8'} AS other",
            ("int8[]",),
            ([row["id"] for row in sure],),
        )
        removed += len(gone)
        numbers = [row["other"] for row in gone if row["other"] is not None]
    return removed


def _locked(db: Connection, kind: str, numbers: Sequence[int], condition: str) -> list[int]:
    """Those of these that the condition on `c.id` holds for, locked until the transaction ends."""
    if not numbers:
        return []
    found = db.rows(f"SELECT c.id FROM unnest($1) AS c (id) WHERE {condition}", ("int8[]",), (list(numbers),))
    locked = (
        db.rows(
            f"SELECT id FROM llm.all_{kind} WHERE id = ANY($1) ORDER BY id FOR UPDATE",
            ("int8[]",),
            ([row["id"] for row in found],),
        )
        if found
        else []
    )
    return [row["id"] for row in locked]
