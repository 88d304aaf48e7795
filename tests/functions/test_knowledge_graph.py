"""Making graphs and keeping them true: from columns, texts and triples, under every kind of change."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
TRIPLES = "SELECT subject, predicate, object FROM graph_triples(%s)"
MAPPING = json.dumps(
    [
        {"subject": "name", "predicate": "has", "object": "disease"},
        {"subject": "name", "predicate": "sees", "object": "doctor_id.name"},
    ]
)
# All of a graph by names and rows: two graphs that say the same are equal in this.
CONTENT = """
    SELECT 'entity', e.type, e.name, '', '', e.support, NULL, v.key::text, v."column", v.start_pos, v.end_pos
    FROM llm.entity e JOIN llm.graph g ON g.id = e.graph AND g.name = %(graph)s JOIN llm.evidence v ON v.entity = e.id
    UNION ALL
    SELECT 'relation', s.type, s.name, r.predicate, o.name, r.support, r.confidence, v.key::text, v."column",
        v.start_pos, v.end_pos
    FROM llm.relation r JOIN llm.graph g ON g.id = r.graph AND g.name = %(graph)s
    JOIN llm.entity s ON s.id = r.subject JOIN llm.entity o ON o.id = r.object JOIN llm.evidence v ON v.relation = r.id
    ORDER BY 1, 2, 3, 4, 5, 8, 9, 10, 11
"""
# What a relation keeps of its only evidence, where it is not that.
FALSE_SOLE = """
    SELECT r.id FROM llm.all_relation AS r WHERE r.sole_source IS NOT NULL AND ARRAY(
        SELECT (v.source, v.confidence)::text FROM llm.all_evidence AS v WHERE v.relation = r.id
    ) <> ARRAY[(r.sole_source, r.sole_confidence)::text]
"""


@pytest.fixture
def clinic(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("""
        CREATE TABLE doctor (id int PRIMARY KEY, name text);
        CREATE TABLE patient (id int PRIMARY KEY, name text, disease text, doctor_id int REFERENCES doctor);
        INSERT INTO doctor VALUES (1, 'Dr Li'), (2, 'Dr Wu');
        INSERT INTO patient VALUES (1, 'Ann', 'flu', 1), (2, 'Bob', 'flu', 2), (3, 'Cid', 'gout', NULL);
        SELECT graph_create('clinic');
    """)
    db.execute("CALL graph_add_columns('clinic', 'patient', %s)", (MAPPING,))
    return db


def nothing_is_left(db: psycopg.Connection) -> bool:
    tables = ("graph", "graph_source", "graph_row", "entity", "relation", "evidence")
    return not any(value(db, f"SELECT count(*) FROM llm.all_{table}") for table in tables)


def test_columns_become_entities_and_relations(clinic: psycopg.Connection) -> None:
    assert clinic.execute(TRIPLES, ("clinic",)).fetchall() == [
        ("Ann", "has", "flu"),
        ("Ann", "sees", "Dr Li"),
        ("Bob", "has", "flu"),
        ("Bob", "sees", "Dr Wu"),
        ("Cid", "has", "gout"),
    ]
    types = clinic.execute(
        "SELECT type, name, support FROM llm.entity WHERE name IN ('flu', 'Dr Li', 'Ann') ORDER BY 1"
    )
    assert types.fetchall() == [("disease", "flu", 2), ("doctor", "Dr Li", 1), ("patient", "Ann", 1)]
    assert value(clinic, "SELECT bool_and(embedding IS NOT NULL) FROM llm.entity")


def test_every_change_of_a_row_changes_what_the_row_supported(clinic: psycopg.Connection) -> None:
    clinic.execute("UPDATE patient SET disease = 'cold' WHERE id = 1; DELETE FROM patient WHERE id = 3")
    clinic.execute("INSERT INTO patient VALUES (4, 'Dan', NULL, 1), (5, '', 'gout', NULL), (6, NULL, NULL, NULL)")
    assert clinic.execute(TRIPLES, ("clinic",)).fetchall() == [
        ("Ann", "has", "cold"),
        ("Ann", "sees", "Dr Li"),
        ("Bob", "has", "flu"),
        ("Bob", "sees", "Dr Wu"),
        ("Dan", "sees", "Dr Li"),
    ]
    clinic.execute("UPDATE doctor SET name = 'Dr Lee' WHERE id = 1")
    assert ("Ann", "sees", "Dr Lee") in clinic.execute(TRIPLES, ("clinic",)).fetchall()
    clinic.execute("UPDATE patient SET id = id + 100 WHERE id = 1")
    assert value(clinic, """SELECT count(*) FROM llm.evidence WHERE key = '{"id": 101}'""") == 5
    assert value(clinic, """SELECT count(*) FROM llm.evidence WHERE key = '{"id": 1}'""") == 0
    clinic.execute("TRUNCATE patient")
    assert clinic.execute(TRIPLES, ("clinic",)).fetchall() == []
    # Not even invisible remains of people who were deleted.
    assert value(clinic, "SELECT count(*) FROM llm.all_entity") == 0


def test_what_two_rows_say_stays_until_both_are_gone(clinic: psycopg.Connection) -> None:
    clinic.execute("INSERT INTO patient VALUES (7, 'Ann', 'flu', 1)")
    support = "SELECT support FROM graph_triples('clinic') WHERE subject = 'Ann' AND predicate = 'has'"
    assert value(clinic, support) == 2
    clinic.execute("DELETE FROM patient WHERE id = 1")
    assert value(clinic, support) == 1
    clinic.execute("DELETE FROM patient WHERE id = 7")
    assert clinic.execute(support).fetchall() == []


def test_a_rolled_back_change_never_was(clinic: psycopg.Connection) -> None:
    before = clinic.execute(CONTENT, {"graph": "clinic"}).fetchall()
    with clinic.transaction(force_rollback=True):
        clinic.execute("UPDATE patient SET name = 'Eve', disease = 'plague'")
        assert ("Eve", "has", "plague") in clinic.execute(TRIPLES, ("clinic",)).fetchall()
    assert clinic.execute(CONTENT, {"graph": "clinic"}).fetchall() == before


def change(db: psycopg.Connection, chance: random.Random, values: Callable[[], tuple[str | None, ...]]) -> None:
    """One INSERT, UPDATE or DELETE of `fact`, of one row or of some."""
    number = chance.randint(1, 40)
    match chance.randint(0, 3):
        case 0:
            db.execute("DELETE FROM fact WHERE id = %s", (number,))
        case 1:
            db.execute("UPDATE fact SET (s, o) = (%s, %s) WHERE id BETWEEN %s AND %s", (*values(), number, number + 2))
        case _:
            query = (
                "INSERT INTO fact VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE SET (s, o) = (EXCLUDED.s, EXCLUDED.o)"
            )
            db.execute(query, (number, *values()))


def test_after_a_thousand_random_changes_it_equals_one_built_from_scratch(db: psycopg.Connection) -> None:
    chance = random.Random(11)
    db.execute("CREATE TABLE fact (id int PRIMARY KEY, s text, o text); SELECT graph_create('live')")
    mapping = '[{"subject": "s", "predicate": "p", "object": "o"}]'
    db.execute("CALL graph_add_columns('live', 'fact', %s)", (mapping,))
    for _ in range(1000):
        change(db, chance, lambda: (chance.choice("abcdef"), chance.choice(["x", "y", None])))
    db.execute("SELECT graph_create('anew')")
    db.execute("CALL graph_add_columns('anew', 'fact', %s, sync => 'manual')", (mapping,))
    content = db.execute(CONTENT, {"graph": "live"}).fetchall()
    assert len(content) > 10
    assert content == db.execute(CONTENT, {"graph": "anew"}).fetchall()
    assert db.execute(FALSE_SOLE).fetchall() == []
    assert value(db, "SELECT count(*) FROM llm.all_relation WHERE sole_source IS NOT NULL") > 0
    # No entity is kept that nobody speaks of.
    count = "SELECT count(*) FROM llm.all_entity e JOIN llm.graph g ON g.id = e.graph WHERE g.name = %s"
    assert value(db, count, "live") == value(db, count, "anew")


def test_the_same_holds_for_texts(db: psycopg.Connection) -> None:
    chance = random.Random(5)
    people = ["Ann Smith", "Bob Jones", "Cid Brown", "Dan Miller"]
    schema = '{"knows": {"subject": "person", "object": "person", "words": ["know"]}}'
    db.execute("CREATE TABLE fact (id int PRIMARY KEY, s text, o text)")
    db.execute("SELECT graph_create('live', NULL, %s)", (schema,))
    db.execute("CALL graph_add('live', 'fact', '{s,o}')")
    for _ in range(100):
        change(db, chance, lambda: (f"{chance.choice(people)} knows {chance.choice(people)}.", None))
    db.execute("SELECT graph_create('anew', NULL, %s)", (schema,))
    db.execute("CALL graph_add('anew', 'fact', '{s,o}', sync => 'manual')")
    content = db.execute(CONTENT, {"graph": "live"}).fetchall()
    assert {row[3] for row in content} == {"", "knows"}
    assert db.execute(FALSE_SOLE).fetchall() == []
    assert content == db.execute(CONTENT, {"graph": "anew"}).fetchall()


def test_writers_beside_each_other_lose_nothing(clinic: psycopg.Connection, connect: Connect) -> None:
    failed: list[Exception] = []

    def write(first: int) -> None:
        connection = connections[first]
        try:
            for number in range(20):
                key = 1000 + 100 * first + number
                # Every other name is written by all four.
                name = f"P{number}" if number % 2 else f"P{key}"
                connection.execute("INSERT INTO patient VALUES (%s, %s, 'flu', 1)", (key, name))
                if number % 3 == 0:
                    connection.execute("DELETE FROM patient WHERE id = %s", (key,))
        except psycopg.Error as error:
            failed.append(error)

    connections = [connect() for _ in range(4)]
    threads = [threading.Thread(target=write, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert clinic.execute(FALSE_SOLE).fetchall() == []
    clinic.execute("SELECT graph_create('anew')")
    clinic.execute("CALL graph_add_columns('anew', 'patient', %s, sync => 'manual')", (MAPPING,))
    content = clinic.execute(CONTENT, {"graph": "clinic"}).fetchall()
    assert content == clinic.execute(CONTENT, {"graph": "anew"}).fetchall()


def test_manual_graphs_wait_for_refresh(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE t (id int PRIMARY KEY, a text, b text); INSERT INTO t VALUES (1, 'a', 'b'), (2, 'c', 'd')")
    db.execute("SELECT graph_create('g')")
    mapping = '{"subject": "a", "predicate": "p", "object": "b"}'
    db.execute("CALL graph_add_columns('g', 't', %s, sync => 'manual')", (mapping,))
    db.execute("UPDATE t SET b = 'new' WHERE id = 1; DELETE FROM t WHERE id = 2")
    assert db.execute(TRIPLES, ("g",)).fetchall() == [("a", "p", "b"), ("c", "p", "d")]
    db.execute("CALL graph_refresh('g')")
    assert db.execute(TRIPLES, ("g",)).fetchall() == [("a", "p", "new")]
    with pytest.raises(errors.DuplicateObject, match="in another way"):
        db.execute("CALL graph_add_columns('g', 't', %s)", (mapping,))
    db.execute("CALL graph_add_columns('g', 't', %s, sync => 'manual')", (mapping,))


def test_partitions_are_followed(db: psycopg.Connection) -> None:
    db.execute("""
        CREATE TABLE part (id int, kind text, a text, b text, PRIMARY KEY (kind, id)) PARTITION BY LIST (kind);
        CREATE TABLE part_x PARTITION OF part FOR VALUES IN ('x');
        INSERT INTO part VALUES (1, 'x', 'a', 'b');
        SELECT graph_create('g');
    """)
    db.execute("""CALL graph_add_columns('g', 'part', '{"subject": "a", "predicate": "p", "object": "b"}')""")
    db.execute("INSERT INTO part VALUES (2, 'x', 'c', 'd'); INSERT INTO part_x VALUES (3, 'x', 'e', 'f')")
    db.execute("CREATE TABLE part_y PARTITION OF part FOR VALUES IN ('y'); UPDATE part SET kind = 'y' WHERE id = 1")
    db.execute("CALL graph_refresh('g'); INSERT INTO part_y VALUES (4, 'y', 'g', 'h')")
    assert [row[0] for row in db.execute(TRIPLES, ("g",))] == ["a", "c", "e", "g"]


def test_a_truncated_partition_takes_only_its_own_rows(db: psycopg.Connection) -> None:
    db.execute("""
        CREATE TABLE part (id int PRIMARY KEY, a text, b text) PARTITION BY RANGE (id);
        CREATE TABLE low PARTITION OF part FOR VALUES FROM (0) TO (10);
        CREATE TABLE high PARTITION OF part FOR VALUES FROM (10) TO (20);
        INSERT INTO part VALUES (1, 'a', 'b'), (11, 'c', 'd'); SELECT graph_create('g');
    """)
    db.execute("""CALL graph_add_columns('g', 'part', '{"subject": "a", "predicate": "p", "object": "b"}')""")
    db.execute("TRUNCATE low")
    assert db.execute(TRIPLES, ("g",)).fetchall() == [("c", "p", "d")]
    db.execute("TRUNCATE part")
    assert db.execute(TRIPLES, ("g",)).fetchall() == []


def test_a_table_that_leads_to_itself_is_followed_both_ways(db: psycopg.Connection) -> None:
    db.execute("""
        CREATE TABLE staff (id int PRIMARY KEY, name text, boss int REFERENCES staff);
        INSERT INTO staff VALUES (1, 'Ann', NULL), (2, 'Bob', 1); SELECT graph_create('g');
    """)
    mapping = '{"subject": "name", "predicate": "reports to", "object": "boss.name"}'
    db.execute("CALL graph_add_columns('g', 'staff', %s)", (mapping,))
    db.execute("UPDATE staff SET name = 'Eve' WHERE id = 1; INSERT INTO staff VALUES (3, 'Cid', 2)")
    assert db.execute(TRIPLES, ("g",)).fetchall() == [("Bob", "reports to", "Eve"), ("Cid", "reports to", "Bob")]


def test_triples_are_imported_once(db: psycopg.Connection, role: str) -> None:
    db.execute("SELECT graph_create('g')")
    query = """SELECT 'Aspirin' AS subject, 'drug' AS subject_type, 'treats' AS predicate, o AS object,
                      0.5 AS confidence FROM unnest('{gout,flu,NULL,flu," "}'::text[]) AS u (o)"""
    assert value(db, "SELECT graph_import('g', %s)", query) == 2
    assert value(db, "SELECT graph_import('g', %s)", query) == 0
    rows = db.execute(
        "SELECT subject_type, object, object_type, confidence, support FROM graph_triples('g')"
    ).fetchall()
    assert rows == [("drug", "flu", "entity", 0.5, 1), ("drug", "gout", "entity", 0.5, 1)]
    db.execute("CALL graph_refresh('g')")
    assert value(db, "SELECT bool_and(embedding IS NOT NULL) FROM llm.entity")
    # Nobody else sees them, unless they come with a table whose readers may.
    db.execute(f"CREATE TABLE shown (id int PRIMARY KEY); GRANT SELECT ON shown TO {role}")
    db.execute("SELECT graph_import('g', 'SELECT 1 AS subject, 2 AS predicate, 3 AS object', 'shown')")
    db.execute("CALL graph_refresh('g')")
    db.execute(f"SET ROLE {role}")
    assert db.execute(TRIPLES, ("g",)).fetchall() == [("1", "2", "3")]
    # Of no row, they are not for those from whom rows are hidden.
    db.execute("RESET ROLE; ALTER TABLE shown ENABLE ROW LEVEL SECURITY")
    db.execute(f"SET ROLE {role}")
    assert db.execute(TRIPLES, ("g",)).fetchall() == []
    db.execute("RESET ROLE; SELECT graph_remove('g')")
    assert db.execute(TRIPLES, ("g",)).fetchall() == [("1", "2", "3")]
    db.execute("SELECT graph_drop('g')")
    assert nothing_is_left(db)


def test_dropping_leaves_tables_and_nothing_else(clinic: psycopg.Connection) -> None:
    clinic.execute("SELECT graph_remove('clinic', 'patient')")
    assert clinic.execute(TRIPLES, ("clinic",)).fetchall() == []
    clinic.execute("CALL graph_add_columns('clinic', 'patient', %s)", (MAPPING,))
    assert len(clinic.execute(TRIPLES, ("clinic",)).fetchall()) == 5
    clinic.execute("SELECT graph_drop('clinic')")
    assert nothing_is_left(clinic)
    assert value(clinic, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zz%'") == 0
    assert value(clinic, "SELECT count(*) FROM pg_proc WHERE proname LIKE 'graph\\_%\\_sync%'") == 0
    clinic.execute("INSERT INTO patient VALUES (9, 'Zoe', 'flu', 1)")


def test_the_schema_keeps_out_what_does_not_belong(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE t (id int PRIMARY KEY, a text, b text)")
    db.execute("""SELECT graph_create('g', '{drug,disease}', '{"treats": {"subject": "drug", "object": "disease"}}')""")
    for mapping, message in (
        ('{"subject": "a", "subject_type": "city"}', 'no entity type "city"'),
        (
            '{"subject": "a", "subject_type": "drug", "predicate": "hurts", "object": "b", "object_type": "disease"}',
            'no relation type "hurts"',
        ),
        ('{"subject": "c", "subject_type": "drug"}', 'no column "c"'),
        ('{"subject": "a.name", "subject_type": "drug"}', "no foreign key"),
        ('{"subject": "a", "predicate": "p"}', "both a predicate and an object"),
        ("[]", "JSON list of objects"),
        ('{"subject": 1}', "both a predicate and an object"),
        ('{"column": "a"}', "both a predicate and an object"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=message) as caught:
            db.execute("CALL graph_add_columns('g', 't', %s)", (mapping,))
        assert caught.value.diag.message_hint
    with pytest.raises(errors.InvalidParameterValue, match='no entity type "entity"'):
        db.execute("SELECT graph_import('g', 'SELECT 1 AS subject, 2 AS predicate, 3 AS object')")
    for query, message in (
        ("SELECT 1 AS subject, 2 AS object", 'no column "predicate"'),
        ("SELECT 1 AS subject, 2 AS predicate, 3 AS object, 4 AS colour", 'column "colour"'),
        (
            "SELECT 'a' AS subject, 'drug' AS subject_type, 'treats' AS predicate, 'b' AS object,"
            " 'disease' AS object_type, 7 AS confidence",
            "between 0 and 1",
        ),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=message):
            db.execute("SELECT graph_import('g', %s)", (query,))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("SELECT graph_create(NULL)", errors.InvalidParameterValue, "name must not be NULL"),
        ("SELECT graph_create(' ')", errors.InvalidParameterValue, "1 to 200"),
        ("SELECT graph_create('clinic')", errors.DuplicateObject, "already a graph"),
        ("SELECT graph_create('x', '{}')", errors.InvalidParameterValue, "must not be empty"),
        ("SELECT graph_create('x', NULL, '{}')", errors.InvalidParameterValue, "must not be empty"),
        ("""SELECT graph_create('x', '{a}', '{"p": {"subject": "b"}}')""", errors.InvalidParameterValue, "not among"),
        ("SELECT * FROM graph_triples('nowhere')", errors.UndefinedObject, 'no graph "nowhere"'),
        ("CALL graph_add('nowhere', 'patient', '{name}')", errors.UndefinedObject, "no graph"),
        ("CALL graph_add('clinic', 'patient', '{nothing}')", errors.InvalidParameterValue, "no column"),
        ("CALL graph_add('clinic', 'patient', NULL)", errors.InvalidParameterValue, "at least one column"),
        ("CALL graph_add('clinic', NULL, '{name}')", errors.InvalidParameterValue, "target must not be NULL"),
        ("CALL graph_add('clinic', 'keyless', '{a}')", errors.InvalidParameterValue, "no primary key"),
        ("CALL graph_add('clinic', 'seen', '{name}')", errors.InvalidParameterValue, "is not a table"),
        ("CALL graph_add('clinic', 'patient', '{name}', sync => 'never')", errors.InvalidParameterValue, "sync"),
        ("CALL graph_add('clinic', 'patient', '{name}', 'all-minilm-l6-v2')", errors.InvalidParameterValue, "does"),
        ("CALL graph_refresh('clinic', 'doctor')", errors.UndefinedObject, "not made from"),
        ("SELECT graph_remove('clinic', 'doctor')", errors.UndefinedObject, "not made from"),
        ("SELECT graph_drop(NULL)", errors.InvalidParameterValue, "graph must not be NULL"),
        ("SELECT graph_import('clinic', NULL)", errors.InvalidParameterValue, "query must not be NULL"),
    ],
)
def test_bad_input_is_told_and_loses_nothing(
    clinic: psycopg.Connection, call: str, error: type[Exception], message: str
) -> None:
    clinic.execute("CREATE TABLE keyless (a text); CREATE VIEW seen AS TABLE patient")
    before = clinic.execute(CONTENT, {"graph": "clinic"}).fetchall()
    with pytest.raises(error, match=message):
        clinic.execute(call)
    assert clinic.execute(CONTENT, {"graph": "clinic"}).fetchall() == before


@pytest.mark.parametrize(
    "name", ["'; DROP TABLE patient; --", "x" * 10_000, "患者A 🧪", '"quoted" \\ back', "%s {} $1"]
)
def test_names_are_only_names(clinic: psycopg.Connection, name: str) -> None:
    clinic.execute("INSERT INTO patient VALUES (8, %s, %s, NULL)", (name, name))
    assert (name, "has", name) in clinic.execute(TRIPLES, ("clinic",)).fetchall()
    clinic.execute("DELETE FROM patient WHERE id = 8")
    assert (name, "has", name) not in clinic.execute(TRIPLES, ("clinic",)).fetchall()


def test_a_self_relation_is_one(clinic: psycopg.Connection) -> None:
    clinic.execute("SELECT graph_import('clinic', 'SELECT 1 AS subject, 2 AS predicate, 1 AS object')")
    assert clinic.execute(TRIPLES + " WHERE subject = '1'", ("clinic",)).fetchall() == [("1", "2", "1")]


def test_a_renamed_column_is_told(clinic: psycopg.Connection) -> None:
    clinic.execute("ALTER TABLE patient RENAME disease TO illness")
    with pytest.raises(errors.InvalidParameterValue, match='column "disease".*gone') as caught:
        clinic.execute("INSERT INTO patient VALUES (8, 'Kim', 'flu', NULL)")
    assert "graph_remove" in caught.value.diag.message_hint
    clinic.execute("SELECT graph_remove('clinic', 'patient')")
    clinic.execute("INSERT INTO patient VALUES (8, 'Kim', 'flu', NULL)")


def test_a_dropped_table_takes_its_evidence_out_of_sight(clinic: psycopg.Connection) -> None:
    clinic.execute("DROP TABLE patient")
    assert clinic.execute(TRIPLES, ("clinic",)).fetchall() == []
    clinic.execute("CALL graph_refresh('clinic')")
    clinic.execute("SELECT graph_drop('clinic')")
    assert nothing_is_left(clinic)


def test_reading_can_be_cancelled_and_taken_up_again(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE t (id int PRIMARY KEY, a text, b text); SELECT graph_create('g')")
    db.execute("INSERT INTO t SELECT n, 'a' || n, 'b' || n % 7 FROM generate_series(1, 1000) n")
    mapping = '{"subject": "a", "predicate": "p", "object": "b"}'
    db.execute("SET statement_timeout = '300ms'")
    with pytest.raises(errors.QueryCanceled):
        db.execute("CALL graph_add_columns('g', 't', %s)", (mapping,))
    db.execute("RESET statement_timeout")
    db.execute("CALL graph_add_columns('g', 't', %s)", (mapping,))
    assert len(db.execute(TRIPLES, ("g",)).fetchall()) == 1000


def test_a_day_is_the_same_whatever_the_writers_session_shows(db: psycopg.Connection) -> None:
    mapping = [
        {"subject": "name", "subject_type": "person", "predicate": name, "object": name, "object_type": "day"}
        for name in ("born", "seen")
    ]
    db.execute("CREATE TABLE sighting (id int PRIMARY KEY, name text, born date, seen timestamptz)")
    db.execute("SELECT graph_create('days')")
    db.execute("INSERT INTO sighting VALUES (1, 'Ann', '2020-02-03', '2020-02-03 10:00+00')")
    db.execute("SET TimeZone = 'America/Lima'")
    db.execute("CALL graph_add_columns('days', 'sighting', %s)", (json.dumps(mapping),))
    db.execute("SET DateStyle = 'German, DMY'; SET TimeZone = 'Asia/Tokyo'")
    db.execute("INSERT INTO sighting VALUES (2, 'Bob', '03.02.2020', '03.02.2020 19:00')")
    db.execute("RESET DateStyle; RESET TimeZone")
    triples = db.execute("SELECT subject, predicate, object FROM graph_triples('days') ORDER BY 1, 2").fetchall()
    assert [triple[2] for triple in triples] == ["2020-02-03", "2020-02-03 10:00:00+00"] * 2
