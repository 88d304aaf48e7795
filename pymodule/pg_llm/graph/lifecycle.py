"""Knowledge graphs: what they are made from, and how they are kept true to it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, models, ownership, search_path
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, Row
from pg_llm.database.progress import reporting
from pg_llm.database.transaction import Commit, pinned
from pg_llm.errors import DuplicateGraph, InsufficientPrivilege, InvalidInput, UndefinedGraph
from pg_llm.graph import catalog as graph_catalog
from pg_llm.graph import extract, ingest, name_vectors, schema, schema_check, store, triggers, triple_import
from pg_llm.graph import source as graph_source
from pg_llm.graph.access import Command

_SYNCS = ("live", "manual")
_NAME_CHARACTERS = 200
_SWEPT = 1000
_MAPPING_HINT = (
    """Write mapping => '[{"subject": "name", "subject_type": "patient", "predicate": "has", "object": "disease"}]';"""
    """ "object": "doctor_id.name" follows a foreign key."""
)
_KEYS = ("subject", "subject_type", "predicate", "object", "object_type")


def graph_create(
    db: Connection, name: str | None, entity_types: list[str | None] | None, relation_types: str | None
) -> None:
    """Make an empty knowledge graph, with the types of entities and relations that it may hold."""
    name = arguments.required("name", name)
    if not name.strip() or len(name) > _NAME_CHARACTERS:
        raise InvalidInput(f"a graph's name has 1 to {_NAME_CHARACTERS} characters")
    schema.parse(entity_types, arguments.parse_json("relation_types", relation_types))
    owner = db.rows("SELECT CURRENT_USER::text AS name")[0]["name"]
    if not graph_catalog.make_graph(
        db, name, entity_types, relation_types, models.find(db, None, "embedding").name, owner
    ):
        raise DuplicateGraph(
            f'there is already a graph "{name}"', hint="Choose another name, or call graph_drop() first."
        )


def graph_add(
    db: Connection,
    graph: str | None,
    target: str | None,
    columns: list[str | None] | None,
    model: str | None,
    sync: str | None,
) -> None:
    """Read the text of a table's columns into a graph, and keep the graph true."""
    with _adding(db, graph, target, sync) as (row, table, commit):
        names = list(dict.fromkeys(ownership.columns(table, columns)))
        able = models.find(db, model, "entities", extract.MODELS)
        _add(
            db,
            row,
            table,
            {
                "kind": "text",
                "columns": names,
                "joined": [],
                "mapping": None,
                "model": able.name,
                "sync": sync,
            },
            commit,
        )


def graph_add_columns(
    db: Connection, graph: str | None, target: str | None, mapping: str | None, sync: str | None
) -> None:
    """Read a table's columns into a graph as entities and relations, without a model, and keep the graph true."""
    with _adding(db, graph, target, sync) as (row, table, commit):
        found = _mapping(db, arguments.parse_json("mapping", mapping), row, table)
        names = graph_source.mapped(found)
        joins = graph_source.joins(db, table, names)
        own = [name if name in table.columns else name.partition(".")[0] for name in names]
        _add(
            db,
            row,
            table,
            {
                "kind": "columns",
                "columns": list(dict.fromkeys(own)),
                "joined": [join.oid for join in joins],
                "mapping": json.dumps(found, ensure_ascii=False),
                "model": None,
                "sync": sync,
            },
            commit,
        )


def graph_import(db: Connection, graph: str | None, query: str | None, source: str | None) -> int:
    """Put ready triples into a graph: the rows of a query; returns how many are new."""
    query = arguments.required("query", query).strip().rstrip(";")
    oid = ownership.oid(db, source) if source is not None else None
    with search_path.pinned(db):
        row = owned(db, graph)
        table = catalog.table(db, oid) if oid is not None else None
        if table:
            # What is said to come from a table speaks in the name of its owner.
            ownership.check_owner(db, table)
        number = _import_source(db, row["id"], table.oid if table else None)
    return triple_import.store(db, row, number, query)


def graph_refresh(db: Connection, graph: str | None, target: str | None) -> None:
    """Bring a graph up to date with its tables: manual ones, new partitions, refitted models, interrupted reading."""
    oid = ownership.oid(db, target) if target is not None else None
    with pinned(db) as commit:
        row = owned(db, graph)
        sources = [each for each in graph_source.of_graph(db, row["id"]) if oid in (None, str(each.table.oid))]
        if oid is not None and not sources:
            raise UndefinedGraph(
                f'the graph "{row["name"]}" is not made from that table',
                hint="CALL graph_add() or graph_add_columns() adds a table.",
            )
        for source in sources:
            _fill(db, "graph_refresh", row, source, commit)
        with reporting(db, "graph_refresh", row["name"], "") as report:
            for kind in ("relation", "entity"):
                for numbers in _numbers(db, kind, row["id"]):
                    store.sweep(db, kind, numbers)
                    commit()
            bare = "AND NOT EXISTS (SELECT FROM llm.own_entity_embedding AS m WHERE m.entity = c.id OFFSET 0)"
            embed = name_vectors.embedder(db, row["embedding_model"])
            for done, numbers in enumerate(_numbers(db, "entity", row["id"], bare)):
                name_vectors.embed(db, embed, numbers)
                commit()
                report("embedding", done * _SWEPT + len(numbers), done * _SWEPT + len(numbers))


def graph_remove(db: Connection, graph: str | None, target: str | None) -> None:
    """Take out of a graph what one table supports, or with NULL what was imported for its owner alone."""
    row = owned(db, graph)
    found = db.rows(
        "SELECT id FROM llm.own_graph_source WHERE graph = $1 AND target IS NOT DISTINCT FROM $2",
        ("int4", "regclass"),
        (row["id"], target),
    )
    if not found:
        raise UndefinedGraph(
            f'the graph "{row["name"]}" is not made from that',
            hint="SELECT target, kind FROM llm.graph_source shows what graphs are made from.",
        )
    for source in found:
        _remove(db, source["id"])


def graph_drop(db: Connection, graph: str | None) -> None:
    """Remove a graph with all it holds and its triggers; the tables it was made from stay as they are."""
    row = owned(db, graph)
    for source in db.rows("SELECT id FROM llm.own_graph_source WHERE graph = $1", ("int4",), (row["id"],)):
        triggers.unfollow(db, source["id"])
    graph_catalog.remove_graph(db, row["id"])


def graph_triples(db: Connection, graph: str | None) -> Iterator[Row]:
    """The relations of a graph with the names and types of their ends, as far as the caller may see them."""
    return _triples(db, named(db, graph)["id"])


def graph_sync(db: Connection, source: int | None, keys: str | None) -> None:
    """Read rows with these keys into a graph of one's own again, or with NULL forget all."""
    number = arguments.required("source", source)
    own = db.rows("SELECT graph FROM llm.own_graph_source WHERE id = $1 AND kind <> 'import'", ("int4",), (number,))
    if not own or not store.hold(db, number):
        # None of the caller's, or dropped meanwhile.
        return
    if keys is None:
        ingest.forget_all(db, number, lambda: None)
        return
    ingest.Filling(db, graph_source.numbered(db, number), numbered(db, own[0]["graph"]), Command(db)).keys(
        _keys(db, keys)
    )


def _keys(db: Connection, given: str) -> list[str]:
    """Each once, as jsonb writes it."""
    found = db.rows(
        "SELECT k.key::text AS key, jsonb_typeof(k.key) = 'object' AS well FROM jsonb_array_elements("
        "CASE WHEN jsonb_typeof($1::jsonb) = 'array' THEN $1::jsonb ELSE '[1]' END) AS k (key)",
        ("text",),
        (given,),
    )
    if not all(row["well"] for row in found):
        raise InvalidInput("keys must be a JSON list of objects", hint="""Write keys => '[{"id": 1}]'.""")
    return list(dict.fromkeys(row["key"] for row in found))


_GRAPH = """
    SELECT g.id, g.name, g.entity_types, g.relation_types::text AS relation_types, g.embedding_model, g.usename::text,
           g.usename = CURRENT_USER AS own
    FROM llm.graph AS g
"""


def named(db: Connection, graph: str | None) -> Row:
    """The graph of that name, or the only one. Raises UndefinedGraph and InvalidInput."""
    found = db.rows(_GRAPH + " WHERE $1 IS NULL OR g.name = $1 ORDER BY g.name LIMIT 2", ("text",), (graph,))
    if not found:
        raise UndefinedGraph(f'there is no graph "{graph}"' if graph is not None else "there is no graph yet")
    if len(found) > 1:
        raise InvalidInput(
            "there are several graphs, so one must be named",
            hint=f"Write graph => '{found[0]['name']}'. SELECT name FROM llm.graph shows them all.",
        )
    return found[0]


def numbered(db: Connection, graph: int) -> Row:
    """The graph of that number."""
    return db.rows(_GRAPH + " WHERE g.id = $1", ("int4",), (graph,))[0]


def owned(db: Connection, graph: str | None) -> Row:
    """The same, and its owner is asking. Raises InsufficientPrivilege."""
    found = named(db, arguments.required("graph", graph))
    if not found["own"]:
        raise not_owner(found)
    return found


def not_owner(graph: Row) -> InsufficientPrivilege:
    """The error for somebody who does not own a graph."""
    if graph["usename"] is not None:
        return ownership.not_owner(f'graph "{graph["name"]}"', graph["usename"])
    return InsufficientPrivilege(
        f'the owner of the graph "{graph["name"]}" was renamed or dropped',
        hint="A superuser gives it to a role: UPDATE llm.all_graph SET usename = 'ROLE' WHERE name = …;",
    )


@contextlib.contextmanager
def _adding(
    db: Connection, graph: str | None, target: str | None, sync: str | None
) -> Iterator[tuple[Row, Table, Commit]]:
    oid = ownership.oid(db, target)
    with pinned(db) as commit:
        row = owned(db, graph)
        table = catalog.table(db, oid)
        arguments.choice("sync", sync, _SYNCS)
        ownership.check_owner(db, table)
        yield row, table, commit


def _mapping(db: Connection, given: Any, graph: Row, table: Table) -> list[dict[str, Any]]:
    """The mapping with all types in it. Raises InvalidInput for one that does not fit the table or the graph."""
    items = [given] if isinstance(given, dict) else given
    if not isinstance(items, list) or not items:
        raise InvalidInput("mapping must be a JSON list of objects", hint=_MAPPING_HINT)
    allowed = schema_check.Allowed(graph)
    found = []
    for item in items:
        well = (
            isinstance(item, dict)
            and item.keys() <= set(_KEYS)
            and all(isinstance(value, str) and value for value in item.values())
        )
        if not well or "subject" not in item or ("predicate" in item) != ("object" in item):
            raise InvalidInput(
                "each part of a mapping has a subject, and beside it both a predicate and an object or neither",
                hint=_MAPPING_HINT,
            )
        full = {"subject_type": table.relation.rpartition(".")[2].strip('"'), **item}
        if "object" in item:
            full.setdefault("object_type", _type(db, table, item["object"]))
        for side in ("subject_type", "object_type"):
            if side in full:
                allowed.type(full[side])
        if "predicate" in full:
            allowed.predicate(full["predicate"])
        found.append(full)
    return found


def _type(db: Connection, table: Table, name: str) -> str:
    """The type of what stands in a column: its name, or that of the table that a foreign key leads to."""
    if name in table.columns:
        return name
    return graph_source.joins(db, table, [name])[0].relation.rpartition(".")[2].strip('"')


def _add(db: Connection, row: Row, table: Table, wanted: dict[str, Any], commit: Commit) -> None:
    """Make the source, unless it is there as it is wanted, and read it."""
    columns = ("kind", "columns", "joined", "mapping", "model", "sync")
    there = db.rows(
        "SELECT kind, columns::text[] AS columns, joined::oid[]::int8[] AS joined, mapping::text AS mapping, model,"
        " sync FROM llm.own_graph_source WHERE graph = $1 AND kind = $2 AND target = $3::oid",
        ("int4", "text", "int8"),
        (row["id"], wanted["kind"], table.oid),
    )
    if there:
        same = all(there[0][name] == wanted[name] for name in columns if name != "mapping")
        if not same or json.loads(there[0]["mapping"] or "null") != json.loads(wanted["mapping"] or "null"):
            raise DuplicateGraph(
                f'the graph "{row["name"]}" reads {table.relation} already, and in another way',
                hint=f"SELECT graph_remove('{row['name']}', '{table.relation}'); first.",
            )
    else:
        graph_catalog.make_source(db, row["id"], table.oid, [wanted[name] for name in columns])
    source = next(
        each
        for each in graph_source.of_graph(db, row["id"])
        if each.table.oid == table.oid and each.row["kind"] == wanted["kind"]
    )
    _fill(db, "graph_add" if wanted["kind"] == "text" else "graph_add_columns", row, source, commit)


def _fill(db: Connection, command: str, row: Row, source: graph_source.Source, commit: Commit) -> None:
    with reporting(db, command, source.table.relation, row["name"]) as report:
        if source.row["sync"] == "live":
            triggers.check(db, source)
            triggers.follow(db, source)
            commit()
        ingest.Filling(db, source, row, Command(db)).everything(report, commit)


def _import_source(db: Connection, graph: int, target: int | None) -> int:
    """The source that imports for the readers of that table are kept under."""
    find = (
        "SELECT id FROM llm.own_graph_source"
        " WHERE graph = $1 AND kind = 'import' AND target IS NOT DISTINCT FROM $2::oid"
    )
    values = (graph, target)
    found = db.rows(find, ("int4", "int8"), values)
    if not found:
        graph_catalog.make_source(db, graph, target, ("import", [], [], None, None, "manual"))
        found = db.rows(find, ("int4", "int8"), values)
    return int(found[0]["id"])


def _remove(db: Connection, source: int) -> None:
    triggers.unfollow(db, source)
    ingest.forget_all(db, source, lambda: None)
    graph_catalog.remove_source(db, source)


def _triples(db: Connection, graph: int) -> Iterator[Row]:
    query = """
        SELECT s.name AS subject, s.type AS subject_type, r.predicate, o.name AS object, o.type AS object_type,
               r.confidence, r.support
        FROM llm.relation AS r JOIN llm.entity AS s ON s.id = r.subject AND s.graph = r.graph
        JOIN llm.entity AS o ON o.id = r.object AND o.graph = r.graph
        WHERE r.graph = $1 AND s.graph = $1 AND o.graph = $1
        ORDER BY s.name COLLATE "C", s.type COLLATE "C", r.predicate COLLATE "C", o.name COLLATE "C", o.type COLLATE "C"
    """
    return db.stream(query, ("int4",), (graph,))


def _numbers(db: Connection, kind: str, graph: int, condition: str = "") -> Iterator[Sequence[int]]:
    """The numbers of a graph's entities or relations, some at a time."""
    last = 0
    query = f"SELECT id FROM llm.own_{kind} AS c WHERE graph = $1 AND id > $2 {condition} ORDER BY id LIMIT {_SWEPT}"
    while found := [row["id"] for row in db.rows(query, ("int4", "int8"), (graph, last))]:
        yield found
        last = found[-1]
