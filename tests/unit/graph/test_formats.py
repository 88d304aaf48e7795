from __future__ import annotations

import io
import json
import re
from typing import Any

import networkx
import pytest
import rdflib
from pg_llm import xml
from pg_llm.graph import formats

HOSTILE = [
    "a",
    "",
    "<script>&\"'`",
    "tab\tand\nline\r",
    "back\\slash \\u0060 `",
    "王小明",
    "\x01\x1f",
    "ends.",
    "  ",
    "%20:;#?",
    "'; MATCH (n) DETACH DELETE n; //",
    "\ud7ff\ue000\U0010ffff",
    "x" * 100_000,
]
ENTITIES: list[dict[str, Any]] = [
    {"id": number, "name": name, "type": HOSTILE[-1 - number] or "t", "aliases": HOSTILE[:number]}
    for number, name in enumerate(HOSTILE)
]
RELATIONS: list[dict[str, Any]] = [
    {
        "id": 7 * number,
        "subject": number,
        "predicate": name or "p",
        "object": (3 * number) % len(HOSTILE),
        "confidence": 0.25,
        "support": 3,
    }
    for number, name in enumerate(HOSTILE)
] + [
    {"id": 1, "subject": 0, "predicate": "other", "object": 0, "confidence": 1.0, "support": 1},
    {"id": 2, "subject": 0, "predicate": "third", "object": 3, "confidence": 0.5, "support": 2},
    {"id": 3, "subject": 0, "predicate": "fourth", "object": 3, "confidence": 0.5, "support": 2},
]
GRAPH = "a 'graph' <of> \\ ours 图"


def written(format: str) -> str:
    return "".join(formats.FORMATS[format](GRAPH, ENTITIES, iter(RELATIONS)))


def told(text: str) -> str:
    """What XML keeps of a text."""
    return re.sub("[\x01\x1f\uffff]", "\ufffd", text)


def test_graphml_comes_back() -> None:
    found = networkx.read_graphml(io.BytesIO(written("graphml").encode()), force_multigraph=True)
    assert {
        (int(number), data["name"], data["type"], tuple(json.loads(data.get("aliases", "[]"))))
        for number, data in found.nodes(data=True)
    } == {(row["id"], told(row["name"]), told(row["type"]), tuple(row["aliases"])) for row in ENTITIES}
    edges = [
        (key, int(start), data["predicate"], int(end), data["confidence"], data["support"])
        for start, end, key, data in found.edges(keys=True, data=True)
    ]
    assert sorted(edges) == sorted(
        (f"r{row['id']}", row["subject"], told(row["predicate"]), row["object"], row["confidence"], row["support"])
        for row in RELATIONS
    )


# rdflib warns of itself.
RDFLIB = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")


@RDFLIB
@pytest.mark.parametrize(("format", "parser"), [("turtle", "turtle"), ("jsonld", "json-ld")])
def test_rdf_comes_back(format: str, parser: str) -> None:
    found = rdflib.Graph().parse(data=written(format), format=parser)
    label, other = rdflib.RDFS.label, rdflib.SKOS.altLabel
    names = {str(node): str(name) for node, name in found.subject_objects(label)}
    entity = {node: int(node.rpartition(":")[2]) for node in names if ":entity:" in node}
    assert {(entity[node], names[node]) for node in entity} == {(row["id"], row["name"]) for row in ENTITIES}
    triples = {
        (entity[str(s)], names[str(p)], entity[str(o)]) for s, p, o in found if str(o) in entity and str(s) in entity
    }
    assert triples == {(row["subject"], row["predicate"], row["object"]) for row in RELATIONS}
    types = {(entity[str(s)], names[str(o)]) for s, o in found.subject_objects(rdflib.RDF.type) if str(s) in entity}
    assert types == {(row["id"], row["type"]) for row in ENTITIES}
    aliases = {(entity[str(s)], str(o)) for s, o in found.subject_objects(other)}
    assert aliases == {(row["id"], alias) for row in ENTITIES for alias in row["aliases"]}


@RDFLIB
def test_both_rdf_forms_say_the_same() -> None:
    turtle, jsonld = (
        rdflib.Graph().parse(data=written(format), format=parser)
        for format, parser in (("turtle", "turtle"), ("jsonld", "json-ld"))
    )
    assert set(turtle) == set(jsonld)


def test_nothing_breaks_out_of_cypher() -> None:
    lines = written("cypher").removesuffix("\n").split("\n")
    assert len(lines) == 1 + len(ENTITIES) + len(RELATIONS)
    string = r"'(?:[^'\\\n]|\\u[0-9A-F]{4}|\\['\\])*'"
    name = r"`(?:[^`\\\n]|``)*`"
    for line in lines[1:]:
        rest = re.sub(f"({string})|{name}", lambda found: "S" if found[1] else "N", line)
        assert re.fullmatch(
            r"MERGE \(n:Entity \{id: \d+, graph: S\}\) SET n:N, n\.name = S, n\.aliases = \[(S(, S)*)?\];"
            r"|MATCH \(s:Entity \{id: \d+, graph: S\}\), \(o:Entity \{id: \d+, graph: S\}\)"
            r" MERGE \(s\)-\[r:N\]->\(o\) SET r\.confidence = [\d.]+, r\.support = \d+;",
            rest,
        ), rest


def test_xml_keeps_what_it_can() -> None:
    assert xml.escape("<a b=\"c\" d='e'>&\n\0\ud800") == "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;&#10;\ufffd\ufffd"
