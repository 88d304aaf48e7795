"""Copying the sources of one graph into another, which is kept up to date with them from then on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pg_llm.database import ownership
from pg_llm.database.connection import Connection, Row
from pg_llm.database.progress import Report
from pg_llm.errors import DuplicateGraph
from pg_llm.graph import ingest, mapping, merging, registry, store, triggers
from pg_llm.graph import source as graph_source
from pg_llm.graph.access import CommandAccess
from pg_llm.graph.merging import Merge
from pg_llm.graph.schema import SchemaValidator
from pg_llm.graph.store import EntityMention, RelationMention, RowFacts

_COLUMNS = "kind, columns::text[] AS columns, joined::oid[]::int8[] AS joined, mapping::text AS mapping, model, sync"
_BATCH = 1000


def copy_sources(db: Connection, graph: Row, other: Row, report: Report) -> None:
    """Add all sources of the other graph that a graph lacks, ingest them, and repeat the other's manual merges."""
    for source in graph_source.of_graph(db, other["id"]):
        ownership.check_owner(db, source.table)
        _check_types(graph, source)
    for table in graph_source.import_tables(db, other["id"]):
        ownership.check_owner(db, table)
    added = [number for each in _sources(db, other["id"]) if (number := _add_source(db, graph, each)) is not None]
    for source in graph_source.of_graph(db, graph["id"]):
        if source.id in added:
            if source.row["sync"] == "live":
                triggers.check_readable(db, source)
                triggers.create_triggers(db, source)
            ingest.Ingestion(db, source, graph, CommandAccess(db)).ingest_changes(report, lambda: None)
    for imported in _sources(db, other["id"]):
        if imported["kind"] == "import":
            _copy_import(db, graph, imported)
    _repeat_decisions(db, graph["id"], other["id"])


def _sources(db: Connection, graph: int) -> list[Row]:
    return db.rows(
        f"SELECT id, target::oid::int8 AS target, {_COLUMNS} FROM llm.own_graph_source WHERE graph = $1 ORDER BY id",
        ("int4",),
        (graph,),
    )


def _check_types(graph: Row, source: graph_source.Source) -> None:
    """Raise InvalidInput where the graph does not allow a type of the source's mapping."""
    validator = SchemaValidator(graph)
    for item in graph_source.mapping(source.row) if source.row["mapping"] else []:
        mapping.check_types(validator, item)


def _add_source(db: Connection, graph: Row, source: Row) -> int | None:
    """Create the source; returns its id, or None if the graph has it. Raises DuplicateGraph if it has another one."""
    values = (graph["id"], source["kind"], source["target"])
    condition = "graph = $1 AND kind = $2 AND target IS NOT DISTINCT FROM $3::oid"
    types = ("int4", "text", "int8")
    existing = db.rows(f"SELECT {_COLUMNS} FROM llm.own_graph_source WHERE {condition}", types, values)
    if existing:
        if any(existing[0][name] != source[name] for name in ("columns", "joined", "mapping", "model")):
            raise DuplicateGraph(
                f'the graph "{graph["name"]}" reads one of the tables already, and in another way',
                hint=f"SELECT target, columns, mapping FROM llm.graph_source WHERE graph = {graph['id']};",
            )
        return None
    columns = ("kind", "columns", "joined", "mapping", "model", "sync")
    registry.create_source(db, graph["id"], source["target"], [source[name] for name in columns])
    return int(db.rows(f"SELECT id FROM llm.own_graph_source WHERE {condition}", types, values)[0]["id"])


def _copy_import(db: Connection, graph: Row, source: Row) -> None:
    """Copy imported facts out of the other graph: they are stored nowhere else."""
    target = db.rows(
        "SELECT id FROM llm.own_graph_source"
        " WHERE graph = $1 AND kind = 'import' AND target IS NOT DISTINCT FROM $2::oid",
        ("int4", "int8"),
        (graph["id"], source["target"]),
    )[0]["id"]
    validator = SchemaValidator(graph)
    rows = list(
        db.stream("SELECT id, key::text AS key FROM llm.own_graph_row WHERE source = $1", ("int4",), (source["id"],))
    )
    for row in rows:
        store.try_lock_source(db, target)
        row_id = store.lock_source_rows(db, graph["id"], target, [row["key"]])[row["key"]]
        for facts in _fact_batches(db, row["id"], validator):
            store.add_facts(db, graph["id"], target, row_id, facts)
            db.poll()


def _fact_batches(db: Connection, row: int, validator: SchemaValidator) -> Iterator[Sequence[RowFacts]]:
    """The facts of a row of the other graph, as they were extracted, a batch at a time."""
    query = """
        SELECT DISTINCT v.confidence, s.type AS type, s.name AS name, r.predicate, o.type AS object_type,
               o.name AS object
        FROM llm.own_evidence AS v LEFT JOIN llm.own_relation AS r ON v.relation IS NOT NULL AND r.id = v.extracted
        JOIN llm.own_entity AS s ON s.id = coalesce(r.subject, v.extracted)
        LEFT JOIN llm.own_entity AS o ON o.id = r.object
        WHERE v."row" = $1 ORDER BY predicate NULLS FIRST, type, name, object_type, object
    """
    evidence = list(db.stream(query, ("int8",), (row,)))
    for start in range(0, len(evidence), _BATCH):
        yield [_facts(each, validator) for each in evidence[start : start + _BATCH]]


def _facts(evidence: Row, validator: SchemaValidator) -> RowFacts:
    """The entity, or the relation with its entities, that a piece of evidence is for."""
    confidence = evidence["confidence"]
    validator.check_type(evidence["type"])
    entities = [EntityMention(evidence["type"], evidence["name"], confidence=confidence)]
    if evidence["predicate"] is None:
        return RowFacts("", 0, entities)
    validator.check_type(evidence["object_type"])
    validator.check_predicate(evidence["predicate"])
    if (evidence["object_type"], evidence["object"]) != (evidence["type"], evidence["name"]):
        entities.append(EntityMention(evidence["object_type"], evidence["object"], confidence=confidence))
    relation = RelationMention(0, evidence["predicate"], len(entities) - 1, confidence=confidence)
    return RowFacts("", 0, entities, [relation])


def _repeat_decisions(db: Connection, graph: int, other: int) -> None:
    """Repeat the manual merges and the unmerges of the other graph for the entities of the same names."""
    decisions = db.rows(
        """
        SELECT k.id AS kept, e.id AS merged, m.state, m.reason
        FROM llm.own_merge AS m
        JOIN llm.own_entity AS a ON a.id = m.kept JOIN llm.own_entity AS b ON b.id = m.merged
        JOIN llm.own_entity AS k ON k.graph = $2 AND k.folded = a.folded AND k.type = a.type AND k.name = a.name
        JOIN llm.own_entity AS e ON e.graph = $2 AND e.folded = b.folded AND e.type = b.type AND e.name = b.name
        WHERE m.graph = $1 AND (m.state = 'undone' OR m.score IS NULL) ORDER BY m.merged_at
        """,
        ("int4", "int4"),
        (other, graph),
    )
    merging.lock_graph(db, graph)
    for row in decisions:
        if row["state"] == "undone":
            merging.forbid_merge(db, graph, row["kept"], row["merged"], row["reason"])
            continue
        ids = merging.representatives(db, {row["kept"], row["merged"]})
        kept, merged = ids[row["kept"]], ids[row["merged"]]
        if kept != merged:
            merging.merge(db, graph, [Merge(kept, merged, None, row["reason"])])
