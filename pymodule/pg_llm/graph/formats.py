"""The formats in which graphs travel: GraphML, Turtle, JSON-LD and Cypher; each writer yields pieces of text."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from pg_llm.graph.xml import escaped

Row = dict[str, Any]
_VOCABULARIES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
}

_CONTROL = re.compile("[\0-\x1f]")


def graphml(name: str, entities: Iterable[Row], relations: Iterable[Row]) -> Iterator[str]:
    """As Brandes and others define it (2002); aliases are a JSON list."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    keys = (
        ("node", "name", "string"),
        ("node", "type", "string"),
        ("node", "aliases", "string"),
        ("edge", "predicate", "string"),
        ("edge", "confidence", "double"),
        ("edge", "support", "long"),
    )
    for kind, key, type_ in keys:
        yield f'  <key id="{key}" for="{kind}" attr.name="{key}" attr.type="{type_}"/>\n'
    yield f'  <graph id="{escaped(name)}" edgedefault="directed">\n'
    for row in entities:
        aliases = json.dumps(row["aliases"], ensure_ascii=False) if row["aliases"] else None
        data = {"name": row["name"], "type": row["type"], "aliases": aliases}
        yield f'    <node id="{row["id"]}">{_data(data)}</node>\n'
    for row in relations:
        data = {key: row[key] for key in ("predicate", "confidence", "support")}
        yield (f'    <edge id="r{row["id"]}" source="{row["subject"]}" target="{row["object"]}">{_data(data)}</edge>\n')
    yield "  </graph>\n</graphml>\n"


def turtle(name: str, entities: Iterable[Row], relations: Iterable[Row]) -> Iterator[str]:
    """RDF 1.1 Turtle; names are labels, further names skos:altLabel."""
    for prefix, iri in _VOCABULARIES.items():
        yield f"@prefix {prefix}: <{iri}> .\n"
    yield f"@prefix entity: <{_iri(name, 'entity', '')}> .\n"
    types: dict[str, None] = {}
    for row in entities:
        types.setdefault(row["type"])
        others = "".join(f" ;\n    skos:altLabel {_literal(alias)}" for alias in row["aliases"])
        yield (
            f"entity:{row['id']} a <{_iri(name, 'type', row['type'])}> ;\n"
            f"    rdfs:label {_literal(row['name'])}{others} .\n"
        )
    predicates: dict[str, None] = {}
    for row in relations:
        predicates.setdefault(row["predicate"])
        yield f"entity:{row['subject']} <{_iri(name, 'predicate', row['predicate'])}> entity:{row['object']} .\n"
    for kind, meant, found in (("type", "rdfs:Class", types), ("predicate", "rdf:Property", predicates)):
        for each in found:
            yield f"<{_iri(name, kind, each)}> a {meant} ;\n    rdfs:label {_literal(each)} .\n"


def jsonld(name: str, entities: Iterable[Row], relations: Iterable[Row]) -> Iterator[str]:
    """JSON-LD 1.1 of the same statements as the Turtle has."""
    context = {
        "label": _VOCABULARIES["rdfs"] + "label",
        "altLabel": _VOCABULARIES["skos"] + "altLabel",
        "Class": _VOCABULARIES["rdfs"] + "Class",
        "Property": _VOCABULARIES["rdf"] + "Property",
    }
    leading: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in relations:
        leading[row["subject"]][row["predicate"]].append(row["object"])
    predicates = {predicate: None for found in leading.values() for predicate in found}
    types: dict[str, None] = {}
    yield f'{{"@context": {json.dumps(context)},\n"@graph": [\n'
    begun = False
    for row in entities:
        types.setdefault(row["type"])
        node: dict[str, Any] = {
            "@id": _iri(name, "entity", str(row["id"])),
            "@type": _iri(name, "type", row["type"]),
            "label": row["name"],
        }
        if row["aliases"]:
            node["altLabel"] = list(row["aliases"])
        for predicate, objects in leading[row["id"]].items():
            node[_iri(name, "predicate", predicate)] = [{"@id": _iri(name, "entity", str(each))} for each in objects]
        yield (",\n" if begun else "") + json.dumps(node, ensure_ascii=False)
        begun = True
    for kind, meant, found in (("type", "Class", types), ("predicate", "Property", predicates)):
        for each in found:
            yield ",\n" + json.dumps({"@id": _iri(name, kind, each), "@type": meant, "label": each}, ensure_ascii=False)
    yield "\n]}\n"


def cypher(name: str, entities: Iterable[Row], relations: Iterable[Row]) -> Iterator[str]:
    """Statements that may be run again: what is there already stays as it is."""
    yield "CREATE INDEX pg_llm_entity IF NOT EXISTS FOR (n:Entity) ON (n.id);\n"
    graph = _string(name)
    for row in entities:
        aliases = ", ".join(map(_string, row["aliases"]))
        yield (
            f"MERGE (n:Entity {{id: {row['id']}, graph: {graph}}})"
            f" SET n:{_identifier(row['type'])}, n.name = {_string(row['name'])}, n.aliases = [{aliases}];\n"
        )
    for row in relations:
        yield (
            f"MATCH (s:Entity {{id: {row['subject']}, graph: {graph}}}),"
            f" (o:Entity {{id: {row['object']}, graph: {graph}}})"
            f" MERGE (s)-[r:{_identifier(row['predicate'])}]->(o)"
            f" SET r.confidence = {row['confidence']:.6g}, r.support = {row['support']};\n"
        )


Writer = Callable[[str, Iterable[Row], Iterable[Row]], Iterator[str]]
FORMATS: dict[str, Writer] = {"graphml": graphml, "turtle": turtle, "jsonld": jsonld, "cypher": cypher}


def _data(values: dict[str, Any]) -> str:
    return "".join(
        f'<data key="{key}">{escaped(str(value))}</data>' for key, value in values.items() if value is not None
    )


def _iri(graph: str, kind: str, name: str) -> str:
    return f"urn:pg_llm:{quote(graph, safe='')}:{kind}:{quote(name, safe='')}"


def _literal(text: str) -> str:
    """Of Turtle."""
    return '"' + _escaped(text, '"\\') + '"'


def _string(text: str) -> str:
    """Of Cypher."""
    return "'" + _escaped(text, "'\\") + "'"


def _escaped(text: str, special: Sequence[str]) -> str:
    return "".join(
        f"\\{character}" if character in special else f"\\u{ord(character):04X}" if ord(character) < 32 else character
        for character in text
    )


def _identifier(text: str) -> str:
    """Of Cypher, whose versions differ in what a backslash means there: it becomes a slash, a control a space."""
    return "`" + _CONTROL.sub(" ", text).replace("\\", "/").replace("`", "``") + "`"
