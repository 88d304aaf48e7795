"""Serialization of graphs as GraphML, Turtle, JSON-LD and Cypher; each writer yields the parts of a text."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from pg_llm import xml

Row = dict[str, Any]
_VOCABULARIES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
}

_CONTROL_CHARACTER = re.compile("[\0-\x1f]")


def graphml(name: str, entities: Iterable[Row], relations: Iterable[Row]) -> Iterator[str]:
    """GraphML (Brandes and others 2002); aliases are a JSON list."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    keys = (
        ("node", "name", "string"),
        ("node", "type", "string"),
        ("node", "aliases", "string"),
        ("edge", "predicate", "string"),
        ("edge", "confidence", "double"),
        ("edge", "support", "long"),
    )
    for element, key, type_ in keys:
        yield f'  <key id="{key}" for="{element}" attr.name="{key}" attr.type="{type_}"/>\n'
    yield f'  <graph id="{xml.escape(name)}" edgedefault="directed">\n'
    for row in entities:
        aliases = json.dumps(row["aliases"], ensure_ascii=False) if row["aliases"] else None
        data = {"name": row["name"], "type": row["type"], "aliases": aliases}
        yield f'    <node id="{row["id"]}">{_data(data)}</node>\n'
    for row in relations:
        data = {key: row[key] for key in ("predicate", "confidence", "support")}
        yield (f'    <edge id="r{row["id"]}" source="{row["subject"]}" target="{row["object"]}">{_data(data)}</edge>\n')
    yield "  </graph>\n</graphml>\n"


def turtle(name: str, entities: Iterable[Row], relations: Iterable[Row]) -> Iterator[str]:
    """RDF 1.1 Turtle; names are rdfs:label, aliases skos:altLabel."""
    for prefix, iri in _VOCABULARIES.items():
        yield f"@prefix {prefix}: <{iri}> .\n"
    yield f"@prefix entity: <{_iri(name, 'entity', '')}> .\n"
    types: dict[str, None] = {}
    for row in entities:
        types.setdefault(row["type"])
        aliases = "".join(f" ;\n    skos:altLabel {_turtle_literal(alias)}" for alias in row["aliases"])
        yield (
            f"entity:{row['id']} a <{_iri(name, 'type', row['type'])}> ;\n"
            f"    rdfs:label {_turtle_literal(row['name'])}{aliases} .\n"
        )
    predicates: dict[str, None] = {}
    for row in relations:
        predicates.setdefault(row["predicate"])
        yield f"entity:{row['subject']} <{_iri(name, 'predicate', row['predicate'])}> entity:{row['object']} .\n"
    for kind, rdf_class, labels in (("type", "rdfs:Class", types), ("predicate", "rdf:Property", predicates)):
        for label in labels:
            yield f"<{_iri(name, kind, label)}> a {rdf_class} ;\n    rdfs:label {_turtle_literal(label)} .\n"


def jsonld(name: str, entities: Iterable[Row], relations: Iterable[Row]) -> Iterator[str]:
    """JSON-LD 1.1 with the same statements as the Turtle."""
    context = {
        "label": _VOCABULARIES["rdfs"] + "label",
        "altLabel": _VOCABULARIES["skos"] + "altLabel",
        "Class": _VOCABULARIES["rdfs"] + "Class",
        "Property": _VOCABULARIES["rdf"] + "Property",
    }
    objects_of: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in relations:
        objects_of[row["subject"]][row["predicate"]].append(row["object"])
    predicates = {predicate: None for of_subject in objects_of.values() for predicate in of_subject}
    types: dict[str, None] = {}
    yield f'{{"@context": {json.dumps(context)},\n"@graph": [\n'
    separator = ""
    for row in entities:
        types.setdefault(row["type"])
        node: dict[str, Any] = {
            "@id": _iri(name, "entity", str(row["id"])),
            "@type": _iri(name, "type", row["type"]),
            "label": row["name"],
        }
        if row["aliases"]:
            node["altLabel"] = list(row["aliases"])
        for predicate, objects in objects_of[row["id"]].items():
            node[_iri(name, "predicate", predicate)] = [{"@id": _iri(name, "entity", str(each))} for each in objects]
        yield separator + json.dumps(node, ensure_ascii=False)
        separator = ",\n"
    for kind, rdf_class, labels in (("type", "Class", types), ("predicate", "Property", predicates)):
        for label in labels:
            definition = {"@id": _iri(name, kind, label), "@type": rdf_class, "label": label}
            yield ",\n" + json.dumps(definition, ensure_ascii=False)
    yield "\n]}\n"


def cypher(name: str, entities: Iterable[Row], relations: Iterable[Row]) -> Iterator[str]:
    """Cypher statements, which are idempotent: run again, they change nothing."""
    yield "CREATE INDEX pg_llm_entity IF NOT EXISTS FOR (n:Entity) ON (n.id);\n"
    graph = _cypher_string(name)
    for row in entities:
        aliases = ", ".join(map(_cypher_string, row["aliases"]))
        yield (
            f"MERGE (n:Entity {{id: {row['id']}, graph: {graph}}})"
            f" SET n:{_cypher_identifier(row['type'])}, n.name = {_cypher_string(row['name'])},"
            f" n.aliases = [{aliases}];\n"
        )
    for row in relations:
        yield (
            f"MATCH (s:Entity {{id: {row['subject']}, graph: {graph}}}),"
            f" (o:Entity {{id: {row['object']}, graph: {graph}}})"
            f" MERGE (s)-[r:{_cypher_identifier(row['predicate'])}]->(o)"
            f" SET r.confidence = {row['confidence']:.6g}, r.support = {row['support']};\n"
        )


Writer = Callable[[str, Iterable[Row], Iterable[Row]], Iterator[str]]
FORMATS: dict[str, Writer] = {"graphml": graphml, "turtle": turtle, "jsonld": jsonld, "cypher": cypher}


def _data(values: dict[str, Any]) -> str:
    return "".join(
        f'<data key="{key}">{xml.escape(str(value))}</data>' for key, value in values.items() if value is not None
    )


def _iri(graph: str, kind: str, name: str) -> str:
    return f"urn:pg_llm:{quote(graph, safe='')}:{kind}:{quote(name, safe='')}"


def _turtle_literal(text: str) -> str:
    return '"' + _backslash_escaped(text, '"\\') + '"'


def _cypher_string(text: str) -> str:
    return "'" + _backslash_escaped(text, "'\\") + "'"


def _backslash_escaped(text: str, special: Sequence[str]) -> str:
    return "".join(
        f"\\{character}" if character in special else f"\\u{ord(character):04X}" if ord(character) < 32 else character
        for character in text
    )


def _cypher_identifier(text: str) -> str:
    """A name in backticks. A backslash becomes a slash, as versions of Cypher differ in its meaning there."""
    return "`" + _CONTROL_CHARACTER.sub(" ", text).replace("\\", "/").replace("`", "``") + "`"
