"""Reading what one graph is made from into another, so that this one is kept true to it as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pg_llm.database import ownership
from pg_llm.database.connection import Connection, Row
from pg_llm.database.progress import Report
from pg_llm.errors import DuplicateGraph
from pg_llm.graph import catalog, ingest, merging, store, triggers
from pg_llm.graph import source as graph_source
from pg_llm.graph.access import Command
from pg_llm.graph.merging import Merge
from pg_llm.graph.schema_check import Allowed
from pg_llm.graph.store import Mention, Said, Statement

_COLUMNS = "kind, columns::text[] AS columns, joined::oid[]::int8[] AS joined, mapping::text AS mapping, model, sync"
_AT_ONCE = 1000


def join(db: Connection, row: Row, other: Row, report: Report) -> None:
    """Give a graph all sources of another that it lacks, read them, and merge there what was merged by hand here."""
    for source in graph_source.of_graph(db, other["id"]):
        ownership.check_owner(db, source.table)
        _check_types(row, source)
    for target in graph_source.imported(db, other["id"]):
        ownership.check_owner(db, target)
    added = [number for each in _sources(db, other["id"]) if (number := _add(db, row, each)) is not None]
    for source in graph_source.of_graph(db, row["id"]):
        if source.id in added:
            if source.row["sync"] == "live":
                triggers.check(db, source)
                triggers.follow(db, source)
            ingest.Filling(db, source, row, Command(db)).everything(report, lambda: None)
    for imported in _sources(db, other["id"]):
        if imported["kind"] == "import":
            _import(db, row, imported)
    _decisions(db, row["id"], other["id"])


def _sources(db: Connection, graph: int) -> list[Row]:
    return db.rows(
        f"SELECT id, target::oid::int8 AS target, {_COLUMNS} FROM llm.own_graph_source WHERE graph = $1 ORDER BY id",
        ("int4",),
        (graph,),
    )


def _check_types(row: Row, source: graph_source.Source) -> None:
    allowed = Allowed(row)
    for item in graph_source.mapping(source.row) if source.row["mapping"] else []:
        for side in ("subject_type", "object_type"):
            if side in item:
                allowed.type(item[side])
        if "predicate" in item:
            allowed.predicate(item["predicate"])


def _add(db: Connection, row: Row, source: Row) -> int | None:
    """The number of the source that was made; None if it is there. Raises DuplicateGraph if it reads otherwise."""
    values = (row["id"], source["kind"], source["target"])
    of = "graph = $1 AND kind = $2 AND target IS NOT DISTINCT FROM $3::oid"
    types = ("int4", "text", "int8")
    there = db.rows(f"SELECT {_COLUMNS} FROM llm.own_graph_source WHERE {of}", types, values)
    if there:
        if any(there[0][name] != source[name] for name in ("columns", "joined", "mapping", "model")):
            raise DuplicateGraph(
                f'the graph "{row["name"]}" reads one of the tables already, and in another way',
                hint=f"SELECT target, columns, mapping FROM llm.graph_source WHERE graph = {row['id']};",
            )
        return None
    about = ("kind", "columns", "joined", "mapping", "model", "sync")
    catalog.make_source(db, row["id"], source["target"], [source[name] for name in about])
    return int(db.rows(f"SELECT id FROM llm.own_graph_source WHERE {of}", types, values)[0]["id"])


def _import(db: Connection, row: Row, source: Row) -> None:
    """What was imported is nowhere but in the other graph, so it is copied from there."""
    target = db.rows(
        "SELECT id FROM llm.own_graph_source"
        " WHERE graph = $1 AND kind = 'import' AND target IS NOT DISTINCT FROM $2::oid",
        ("int4", "int8"),
        (row["id"], source["target"]),
    )[0]["id"]
    allowed = Allowed(row)
    rows = list(
        db.stream("SELECT id, key::text AS key FROM llm.own_graph_row WHERE source = $1", ("int4",), (source["id"],))
    )
    for each in rows:
        store.hold(db, target)
        number = store.take(db, row["id"], target, [each["key"]])[each["key"]]
        for said in _said(db, each["id"], allowed):
            store.add(db, row["id"], target, number, said)
            db.poll()


def _said(db: Connection, row: int, allowed: Allowed) -> Iterator[Sequence[Said]]:
    query = """
        SELECT DISTINCT v.confidence, s.type AS type, s.name AS name, r.predicate, o.type AS object_type,
               o.name AS object
        FROM llm.own_evidence AS v LEFT JOIN llm.own_relation AS r ON v.relation IS NOT NULL AND r.id = v.extracted
        JOIN llm.own_entity AS s ON s.id = coalesce(r.subject, v.extracted)
        LEFT JOIN llm.own_entity AS o ON o.id = r.object
        WHERE v."row" = $1 ORDER BY predicate NULLS FIRST, type, name, object_type, object
    """
    found = list(db.stream(query, ("int8",), (row,)))
    for start in range(0, len(found), _AT_ONCE):
        said = []
        for each in found[start : start + _AT_ONCE]:
            allowed.type(each["type"])
            mentions = [Mention(each["type"], each["name"], confidence=each["confidence"])]
            statements = []
            if each["predicate"] is not None:
                allowed.type(each["object_type"])
                allowed.predicate(each["predicate"])
                if (each["object_type"], each["object"]) != (each["type"], each["name"]):
                    mentions.append(Mention(each["object_type"], each["object"], confidence=each["confidence"]))
                statements = [Statement(0, each["predicate"], len(mentions) - 1, confidence=each["confidence"])]
            said.append(Said("", 0, mentions, statements))
        yield said


def _decisions(db: Connection, graph: int, other: int) -> None:
    """What a person merged or parted in the other graph is merged or parted here too."""
    found = db.rows(
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
    merging.lock(db, graph)
    for row in found:
        if row["state"] == "undone":
            merging.part(db, graph, row["kept"], row["merged"], row["reason"])
            continue
        one, two = merging.standing(db, [row["kept"]]), merging.standing(db, [row["merged"]])
        kept, merged = one[row["kept"]], two[row["merged"]]
        if kept != merged:
            merging.merge(db, graph, [Merge(kept, merged, None, row["reason"])])
