"""The life of a graph: it is created, given sources, refreshed, relieved of sources and dropped."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm.database import catalog, models, ownership, search_path
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, Row
from pg_llm.database.progress import reporting
from pg_llm.database.transaction import Commit, pinned
from pg_llm.errors import DuplicateGraph, InvalidInput, UndefinedGraph
from pg_llm.graph import (
    extract,
    garbage_collection,
    ingest,
    mapping,
    name_embeddings,
    registry,
    store,
    triggers,
    triple_import,
)
from pg_llm.graph import source as graph_source
from pg_llm.graph.access import CommandAccess
from pg_llm.graph.source import Source

_SWEEP_BATCH = 1000
_SOURCE_COLUMNS = ("kind", "columns", "joined", "mapping", "model", "sync")


def create(db: Connection, name: str, entity_types: list[str | None] | None, relation_types: str | None) -> None:
    """Create an empty graph that the caller owns. Raises DuplicateGraph."""
    owner = db.rows("SELECT CURRENT_USER::text AS name")[0]["name"]
    model = models.find(db, None, "embedding").name
    if not registry.create_graph(db, name, entity_types, relation_types, model, owner):
        raise DuplicateGraph(
            f'there is already a graph "{name}"', hint="Choose another name, or call graph_drop() first."
        )


def add_text(
    db: Connection,
    graph: str | None,
    target: str | None,
    columns: list[str | None] | None,
    model: str | None,
    sync: str | None,
) -> None:
    """Make a source of columns that a model reads, and ingest it."""
    with _owned_graph_and_table(db, graph, target) as (row, table, commit):
        names = list(dict.fromkeys(ownership.columns(table, columns)))
        extractor = models.find(db, model, "entities", extract.MODELS)
        source = {
            "kind": "text",
            "columns": names,
            "joined": [],
            "mapping": None,
            "model": extractor.name,
            "sync": sync,
        }
        _ingest(db, "graph_add", row, _find_or_create_source(db, row, table, source), commit)


def add_columns(db: Connection, graph: str | None, target: str | None, items: list[Any], sync: str | None) -> None:
    """Make a source of columns that a mapping, given as its `items`, turns into triples, and ingest it."""
    with _owned_graph_and_table(db, graph, target) as (row, table, commit):
        completed = mapping.complete(db, items, row, table)
        names = graph_source.mapped_columns(completed)
        foreign_keys = graph_source.foreign_keys(db, table, names)
        own_columns = [name if name in table.columns else name.partition(".")[0] for name in names]
        source = {
            "kind": "columns",
            "columns": list(dict.fromkeys(own_columns)),
            "joined": [key.oid for key in foreign_keys],
            "mapping": json.dumps(completed, ensure_ascii=False),
            "model": None,
            "sync": sync,
        }
        _ingest(db, "graph_add_columns", row, _find_or_create_source(db, row, table, source), commit)


def import_query(db: Connection, graph: str | None, query: str, attributed_to: str | None) -> int:
    """Import the triples of a query, visible to the readers of a table; returns how many are new."""
    oid = ownership.oid(db, attributed_to) if attributed_to is not None else None
    with search_path.pinned(db):
        row = registry.find_owned(db, graph)
        table = catalog.table(db, oid) if oid is not None else None
        if table:
            # Triples that are attributed to a table speak in the name of its owner.
            ownership.check_owner(db, table)
        source = _find_or_create_import(db, row["id"], table.oid if table else None)
    return triple_import.import_triples(db, row, source, query)


def refresh(db: Connection, graph: str | None, target: str | None) -> None:
    """Ingest all changes of a graph's tables, or of one; delete what nothing supports; embed the names that lack it."""
    oid = ownership.oid(db, target) if target is not None else None
    with pinned(db) as commit:
        row = registry.find_owned(db, graph)
        sources = [each for each in graph_source.of_graph(db, row["id"]) if oid in (None, str(each.table.oid))]
        if oid is not None and not sources:
            raise UndefinedGraph(
                f'the graph "{row["name"]}" is not made from that table',
                hint="CALL graph_add() or graph_add_columns() adds a table.",
            )
        for source in sources:
            _ingest(db, "graph_refresh", row, source, commit)
        with reporting(db, "graph_refresh", row["name"], "") as report:
            for kind in ("relation", "entity"):
                for ids in _id_batches(db, kind, row["id"]):
                    garbage_collection.delete_unsupported(db, kind, ids)
                    commit()
            without_vector = "AND NOT EXISTS (SELECT FROM llm.own_entity_embedding AS m WHERE m.entity = c.id OFFSET 0)"
            embed = name_embeddings.embedder(db, row["embedding_model"])
            for number, ids in enumerate(_id_batches(db, "entity", row["id"], without_vector)):
                name_embeddings.embed_missing(db, embed, ids)
                commit()
                done = number * _SWEEP_BATCH + len(ids)
                report("embedding", done, done)


def remove_source(db: Connection, graph: str | None, target: str | None) -> None:
    """Remove the sources that read a table, or for None the import that is attributed to none."""
    row = registry.find_owned(db, graph)
    sources = db.rows(
        "SELECT id FROM llm.own_graph_source WHERE graph = $1 AND target IS NOT DISTINCT FROM $2",
        ("int4", "regclass"),
        (row["id"], target),
    )
    if not sources:
        raise UndefinedGraph(
            f'the graph "{row["name"]}" is not made from that',
            hint="SELECT target, kind FROM llm.graph_source shows what graphs are made from.",
        )
    for source in sources:
        triggers.drop_triggers(db, source["id"])
        ingest.delete_all_rows(db, source["id"], lambda: None)
        registry.delete_source(db, source["id"])


def drop(db: Connection, graph: str | None) -> None:
    """Delete a graph and the triggers on its tables."""
    row = registry.find_owned(db, graph)
    for source in db.rows("SELECT id FROM llm.own_graph_source WHERE graph = $1", ("int4",), (row["id"],)):
        triggers.drop_triggers(db, source["id"])
    registry.delete_graph(db, row["id"])


def sync_rows(db: Connection, source: int, keys: str | None) -> None:
    """Ingest the rows of an own source that have these keys, a JSON list; for NULL delete all its rows."""
    own = db.rows("SELECT graph FROM llm.own_graph_source WHERE id = $1 AND kind <> 'import'", ("int4",), (source,))
    if not own or not store.try_lock_source(db, source):
        # It belongs to another role, or was dropped meanwhile.
        return
    if keys is None:
        ingest.delete_all_rows(db, source, lambda: None)
        return
    row = registry.by_id(db, own[0]["graph"])
    ingestion = ingest.Ingestion(db, graph_source.by_id(db, source), row, CommandAccess(db))
    ingestion.ingest_keys(_parse_keys(db, keys))


def _parse_keys(db: Connection, given: str) -> list[str]:
    """The keys in a JSON list, each once, as jsonb writes them. Raises InvalidInput."""
    rows = db.rows(
        "SELECT k.key::text AS key, jsonb_typeof(k.key) = 'object' AS well FROM jsonb_array_elements("
        "CASE WHEN jsonb_typeof($1::jsonb) = 'array' THEN $1::jsonb ELSE '[1]' END) AS k (key)",
        ("text",),
        (given,),
    )
    if not all(row["well"] for row in rows):
        raise InvalidInput("keys must be a JSON list of objects", hint="""Write keys => '[{"id": 1}]'.""")
    return list(dict.fromkeys(row["key"] for row in rows))


@contextlib.contextmanager
def _owned_graph_and_table(
    db: Connection, graph: str | None, target: str | None
) -> Iterator[tuple[Row, Table, Commit]]:
    """The graph and the table, both of which the caller owns, and the function that commits."""
    oid = ownership.oid(db, target)
    with pinned(db) as commit:
        row = registry.find_owned(db, graph)
        table = catalog.table(db, oid)
        ownership.check_owner(db, table)
        yield row, table, commit


def _find_or_create_source(db: Connection, row: Row, table: Table, wanted: dict[str, Any]) -> Source:
    """The source of a table and a kind. Raises DuplicateGraph if there is one with other properties."""
    existing = db.rows(
        "SELECT kind, columns::text[] AS columns, joined::oid[]::int8[] AS joined, mapping::text AS mapping, model,"
        " sync FROM llm.own_graph_source WHERE graph = $1 AND kind = $2 AND target = $3::oid",
        ("int4", "text", "int8"),
        (row["id"], wanted["kind"], table.oid),
    )
    if not existing:
        registry.create_source(db, row["id"], table.oid, [wanted[name] for name in _SOURCE_COLUMNS])
    elif not _same_source(existing[0], wanted):
        raise DuplicateGraph(
            f'the graph "{row["name"]}" reads {table.relation} already, and in another way',
            hint=f"SELECT graph_remove('{row['name']}', '{table.relation}'); first.",
        )
    return next(
        source
        for source in graph_source.of_graph(db, row["id"])
        if source.table.oid == table.oid and source.row["kind"] == wanted["kind"]
    )


def _same_source(existing: Row, wanted: dict[str, Any]) -> bool:
    """Whether two sources are the same; their mappings are compared as JSON."""
    return all(existing[name] == wanted[name] for name in _SOURCE_COLUMNS if name != "mapping") and (
        json.loads(existing["mapping"] or "null") == json.loads(wanted["mapping"] or "null")
    )


def _ingest(db: Connection, command: str, row: Row, source: Source, commit: Commit) -> None:
    with reporting(db, command, source.table.relation, row["name"]) as report:
        if source.row["sync"] == "live":
            triggers.check_readable(db, source)
            triggers.create_triggers(db, source)
            commit()
        ingest.Ingestion(db, source, row, CommandAccess(db)).ingest_changes(report, commit)


def _find_or_create_import(db: Connection, graph: int, target: int | None) -> int:
    """The id of the source that keeps what is imported for the readers of a table."""
    query = (
        "SELECT id FROM llm.own_graph_source"
        " WHERE graph = $1 AND kind = 'import' AND target IS NOT DISTINCT FROM $2::oid"
    )
    rows = db.rows(query, ("int4", "int8"), (graph, target))
    if not rows:
        registry.create_source(db, graph, target, ("import", [], [], None, None, "manual"))
        rows = db.rows(query, ("int4", "int8"), (graph, target))
    return int(rows[0]["id"])


def _id_batches(db: Connection, kind: str, graph: int, condition: str = "") -> Iterator[Sequence[int]]:
    """The ids of a graph's entities or relations that meet a condition on `c`, a batch at a time."""
    last = 0
    query = (
        f"SELECT id FROM llm.own_{kind} AS c WHERE graph = $1 AND id > $2 {condition} ORDER BY id LIMIT {_SWEEP_BATCH}"
    )
    while ids := [row["id"] for row in db.rows(query, ("int4", "int8"), (graph, last))]:
        yield ids
        last = ids[-1]
