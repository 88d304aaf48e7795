from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import networkx
import psycopg
import pytest
import rdflib
from database import value
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
TRIPLES = """
    SELECT 'Ada' AS subject, 'person' AS subject_type, 'knows' AS predicate, 'Charles' AS object,
           'person' AS object_type, 0.5 AS confidence
    UNION ALL SELECT 'Ada', 'person', 'lives in', 'London', 'town', 1
    UNION ALL SELECT 'Charles', 'person', 'lives in', 'London', 'town', 1
    UNION ALL SELECT 'London', 'town', 'lies in', 'England', 'country', 0.9
    UNION ALL SELECT 'England', 'country', 'is part of', '<script>alert(1)</script>', 'country', 0.9
    UNION ALL SELECT '北京', '城市', '位于', '中国', '国家', 0.9
"""


@pytest.fixture
def people(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("SELECT graph_create('people')")
    db.execute("SELECT graph_import('people', %s)", (TRIPLES,))
    return db


def entity(connection: psycopg.Connection, name: str) -> int:
    return int(value(connection, "SELECT id FROM llm.entity WHERE name = %s", name))


def names(svg: str) -> set[str]:
    """The names in a picture, from the tips of its nodes."""
    titles = [title.text or "" for title in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")]
    return {title.rpartition(" (")[0] for title in titles[1:] if "(confidence" not in title}


def drawn(connection: psycopg.Connection, arguments: str) -> str:
    return str(value(connection, f"SELECT graph_draw({arguments})"))


# rdflib warns of itself.
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
def test_every_format_has_every_relation(people: psycopg.Connection) -> None:
    triples = set(people.execute("SELECT subject, predicate, object FROM graph_triples('people')").fetchall())
    graphml = networkx.read_graphml(io.BytesIO(value(people, "SELECT graph_export('people')").encode()))
    label = graphml.nodes(data="name")
    assert {(label[s], data["predicate"], label[o]) for s, o, data in graphml.edges(data=True)} == triples
    assert graphml.edges[str(entity(people, "Ada")), str(entity(people, "Charles"))]["confidence"] == 0.5
    for format, parser in (("turtle", "turtle"), ("jsonld", "json-ld")):
        found = rdflib.Graph().parse(data=value(people, "SELECT graph_export('people', %s)", format), format=parser)
        label = {node: str(name) for node, name in found.subject_objects(rdflib.RDFS.label)}
        assert {(label[s], label[p], label[o]) for s, p, o in found if ":entity:" in o} == triples
    cypher = value(people, "SELECT graph_export('people', 'cypher')").splitlines()
    assert len(cypher) == 1 + 7 + 6
    assert sum("MERGE (s)-[r:`lives in`]->(o)" in line for line in cypher) == 2


def test_a_picture_of_all_and_of_what_is_near(people: psycopg.Connection) -> None:
    everybody = {"Ada", "Charles", "London", "England", "<script>alert(1)</script>", "北京", "中国"}
    assert names(drawn(people, "")) == names(drawn(people, "'people'")) == everybody
    assert "<script" not in drawn(people, "")
    england = entity(people, "England")
    assert names(drawn(people, f"'people', {england}")) == {"England", "London", "<script>alert(1)</script>"}
    two = drawn(people, f"entity => {england}, hops => 2")
    assert names(two) == everybody - {"北京", "中国"}
    # Between two of the last step as well.
    assert "Ada knows Charles (confidence 0.50)" in two
    few = drawn(people, f"entity => {england}, hops => 3, limit_to => 2")
    assert len(names(few)) == 2
    assert "the nearest 2 within 3 steps" in few
    best = drawn(people, "limit_to => 3")
    # From the best supported one on along relations, of equals who came first.
    assert names(best) == {"London", "Ada", "England"}
    assert "its 3 best supported entities" in best


def test_entities_without_relations_are_drawn_too(people: psycopg.Connection) -> None:
    people.execute("CREATE TABLE town (id int PRIMARY KEY, name text); INSERT INTO town VALUES (1, 'Nowhere')")
    people.execute("""CALL graph_add_columns('people', 'town', '{"subject": "name"}')""")
    assert "Nowhere" in names(drawn(people, "'people'"))
    assert "Nowhere" in value(people, "SELECT graph_export('people')")


def test_a_picture_says_what_it_needs(people: psycopg.Connection) -> None:
    for arguments, text in (
        ("hops => 0", "hops must lie between 1 and 10"),
        ("hops => NULL", "hops"),
        ("limit_to => 0", "limit_to"),
        ("limit_to => 301", "limit_to must lie between 1 and 300"),
        ("limit_to => NULL", "limit_to"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=text):
            drawn(people, arguments)
    for arguments in ("'none'", "entity => -1", "'people', -1"):
        with pytest.raises(errors.UndefinedObject):
            drawn(people, arguments)
    with pytest.raises(errors.InvalidParameterValue, match='invalid format: "rdfxml"') as caught:
        people.execute("SELECT graph_export('people', 'rdfxml')")
    assert "graphml, turtle, jsonld, cypher" in str(caught.value.diag.message_hint)
    for arguments in ("NULL", "'people', NULL"):
        with pytest.raises(errors.InvalidParameterValue):
            people.execute(f"SELECT graph_export({arguments})")
    people.execute("SELECT graph_create('empty')")
    assert "nothing to see" in drawn(people, "'empty'")
    with pytest.raises(errors.InvalidParameterValue, match="several graphs"):
        drawn(people, "")
    with pytest.raises(errors.UndefinedObject, match="no entity"):
        drawn(people, f"'empty', {entity(people, 'Ada')}")
    assert names(drawn(people, f"entity => {entity(people, 'Ada')}")) == {"Ada", "Charles", "London"}
    for format in ("graphml", "turtle", "jsonld", "cypher"):
        assert value(people, "SELECT graph_export('empty', %s)", format)


def test_each_tenant_draws_and_writes_what_it_sees(db: psycopg.Connection, role: str, connect: Connect) -> None:
    db.execute("CREATE TABLE visit (id int PRIMARY KEY, tenant text, who text, what text)")
    db.execute(
        f"INSERT INTO visit VALUES (1, '{role}', 'Ada', 'flu'), (2, 'other', 'Bob', 'flu'), (3, 'other', 'Ada', 'gout')"
    )
    db.execute("ALTER TABLE visit ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON visit USING (tenant = CURRENT_USER)")
    db.execute(f"GRANT SELECT ON visit TO {role}")
    db.execute("SELECT graph_create('clinic')")
    db.execute(
        """CALL graph_add_columns('clinic', 'visit', '{"subject": "who", "predicate": "has", "object": "what"}')"""
    )
    assert names(drawn(db, "'clinic'")) == {"Ada", "Bob", "flu", "gout"}
    reader = connect(user=role)
    assert names(drawn(reader, "'clinic'")) == {"Ada", "flu"}
    assert names(drawn(reader, f"entity => {entity(db, 'flu')}, hops => 3")) == {"Ada", "flu"}
    for format in ("graphml", "turtle", "jsonld", "cypher"):
        text = value(reader, "SELECT graph_export('clinic', %s)", format)
        assert "Ada" in text
        assert "Bob" not in text
        assert "gout" not in text
    with pytest.raises(errors.UndefinedObject, match="no entity"):
        drawn(reader, f"entity => {entity(db, 'Bob')}")
    db.execute(f"REVOKE SELECT ON visit FROM {role}")
    assert "nothing to see" in drawn(reader, "'clinic'")


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_either_engine_draws_the_same(people: psycopg.Connection, engine: str) -> None:
    people.execute(f"SET llm.engine = '{engine}'")
    assert len(names(drawn(people, "'people'"))) == 7
