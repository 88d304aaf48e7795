from __future__ import annotations

from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors
from psycopg.types.json import Jsonb

PEOPLE = """
    CREATE TABLE person (
        id int PRIMARY KEY, name text, email text UNIQUE, town varchar(20), born date, tags text[], extra jsonb,
        note json, size numeric(9, 3), raw bytea, seen timestamptz, system text,
        upper_name text GENERATED ALWAYS AS (upper(name)) STORED, boss int REFERENCES person
    );
    INSERT INTO person (id, name, email, town, born, tags, extra, note, size, raw, seen, system, boss) VALUES
        (1, 'Ann Lee', NULL, 'Oslo', '1980-02-01', '{a,"b c"}', '{"a": 1}', '{ "a":1 }', 1.50,
         '\\x00ff', '2020-01-01 10:00+00', 'shop', NULL),
        (2, 'Ann B. Lee', 'ann@x.org', 'Oslo', NULL, NULL, '"x"', NULL, NULL, NULL, '2022-01-01 10:00+00', 'crm', 1),
        (3, 'A. Lee', 'lee@x.org', 'Bergen', '1980-02-01', '{}', NULL, NULL, 2, NULL, '2021-01-01 10:00+00', 'crm', 2),
        (4, 'Bob Moe', 'bob@x.org', 'Hamar', '1970-05-05', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 3);
    CREATE TABLE purchase (id int PRIMARY KEY, person int NOT NULL REFERENCES person, what text);
    INSERT INTO purchase VALUES (1, 1, 'tea'), (2, 2, 'tea'), (3, 3, 'cup'), (4, 4, 'pot');
    CREATE TABLE member (person int REFERENCES person ON DELETE CASCADE, club text, role text,
        PRIMARY KEY (person, club));
    INSERT INTO member VALUES (1, 'chess', 'x'), (2, 'chess', 'x'), (3, 'golf', 'y'), (4, 'golf', 'z');
"""
CLUSTERS = Jsonb([[{"id": 1}, {"id": 2}, {"id": 3}]])
RULES = Jsonb({"default": "most_frequent", "columns": {"name": "longest", "town": "most_recent"}, "time": "seen"})
EVERYTHING = """
    SELECT 'person', p.id, p::text FROM person AS p UNION ALL SELECT 'purchase', p.id, p::text FROM purchase AS p
    UNION ALL SELECT 'member', m.person, m::text FROM member AS m ORDER BY 1, 2, 3
"""


@pytest.fixture
def people(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(PEOPLE)
    return db


def everything(db: psycopg.Connection) -> list[Any]:
    return db.execute(EVERYTHING).fetchall()


def merged(db: psycopg.Connection, clusters: Jsonb = CLUSTERS, rules: Jsonb = RULES) -> str:
    return str(value(db, "SELECT llm_merge('person', %s, clusters => %s)", rules, clusters))


def test_an_equal_email_is_enough_and_null_says_nothing(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE lead (id int PRIMARY KEY, name text, email text, phone text, born date)")
    db.execute("""
        INSERT INTO lead SELECT n, 'n' || md5(n::text), md5('e' || n) || '@x.org', '0171 ' || 1000000 + n * 7919,
               date '1950-01-01' + n * 37 FROM generate_series(1, 60) AS n
    """)
    db.execute("INSERT INTO lead (id, email) SELECT 100, upper(email) FROM lead WHERE id = 7")
    db.execute("INSERT INTO lead (id, phone) SELECT 101, '+49 171/' || substr(phone, 6) FROM lead WHERE id = 9")
    db.execute("INSERT INTO lead (id, email) VALUES (102, 'N/A'), (103, 'n/a'), (104, '-'), (105, '-')")
    # One name, two birthdays.
    db.execute("INSERT INTO lead SELECT 106, name, NULL, NULL, born + 9999 FROM lead WHERE id = 11")
    rows = db.execute("SELECT (key_a ->> 'id')::int, (key_b ->> 'id')::int FROM llm_duplicates('lead')").fetchall()
    assert set(rows) == {(7, 100), (9, 101)}


def test_a_golden_record_is_shown_made_and_undone(people: psycopg.Connection) -> None:
    before = everything(people)
    query = "SELECT kept, removed, golden, changed FROM llm_golden('person', %s, clusters => %s)"
    kept, removed, golden, changed = people.execute(query, (RULES, CLUSTERS)).fetchone() or ()
    assert everything(people) == before
    assert kept == {"id": 1}
    assert removed == [{"id": 2}, {"id": 3}]
    assert (golden["name"], golden["town"], golden["born"]) == ("Ann B. Lee", "Oslo", "1980-02-01")
    assert golden["email"] in ("ann@x.org", "lee@x.org")
    assert (changed["name"], changed["email"]) == ("Ann Lee", None)
    run = merged(people)
    row = people.execute("SELECT name, email, upper_name, boss FROM person WHERE id = 1").fetchone()
    assert row == ("Ann B. Lee", golden["email"], "ANN B. LEE", None)
    assert value(people, "SELECT boss FROM person WHERE id = 4") == 1
    assert [row[0] for row in people.execute("SELECT id FROM person ORDER BY 1")] == [1, 4]
    assert people.execute("SELECT person FROM purchase ORDER BY id").fetchall() == [(1,), (1,), (1,), (4,)]
    assert people.execute("SELECT * FROM member ORDER BY 1, 2").fetchall() == [
        (1, "chess", "x"),
        (1, "golf", "y"),
        (4, "golf", "z"),
    ]
    mapped = people.execute("SELECT key ->> 'id', kept ->> 'id' FROM llm.merged_row WHERE run = %s ORDER BY 1", (run,))
    assert mapped.fetchall() == [("1", "1"), ("2", "1"), ("3", "1")]
    people.execute("SET datestyle = 'German, DMY'")
    assert people.execute("SELECT * FROM llm_unmerge(%s)", (run,)).fetchone() == (8, 0, 0)
    people.execute("RESET datestyle")
    assert everything(people) == before
    with pytest.raises(errors.InvalidParameterValue, match="undone already"):
        people.execute("SELECT * FROM llm_unmerge(%s)", (run,))


def test_what_was_edited_since_stays(people: psycopg.Connection) -> None:
    run = merged(people)
    people.execute("UPDATE person SET name = 'Anna' WHERE id = 1")
    people.execute("UPDATE purchase SET person = 4 WHERE id = 3")
    people.execute("DELETE FROM purchase WHERE id = 2")
    people.execute("INSERT INTO person (id, name) VALUES (3, 'Carl')")
    _, edited, gone = people.execute("SELECT * FROM llm_unmerge(%s)", (run,)).fetchone() or ()
    assert (edited, gone) == (2, 2)
    assert value(people, "SELECT name FROM person WHERE id = 1") == "Anna"
    assert value(people, "SELECT name FROM person WHERE id = 3") == "Carl"
    assert value(people, "SELECT person FROM purchase WHERE id = 3") == 4


def test_a_refusal_names_the_table_and_leaves_nothing(people: psycopg.Connection) -> None:
    people.execute("UPDATE member SET role = 'other' WHERE person = 2")
    before = everything(people)
    with pytest.raises(errors.UniqueViolation, match="rows of public.member cannot point to golden records"):
        merged(people)
    people.execute("CREATE TABLE visit (person int REFERENCES person); INSERT INTO visit VALUES (2)")
    with pytest.raises(errors.InvalidParameterValue, match="visit has no primary key"):
        merged(people)
    people.execute("DROP TABLE visit; UPDATE member SET role = 'x' WHERE person = 2")
    people.execute("CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    people.execute("CREATE TRIGGER keep BEFORE DELETE ON person FOR EACH ROW EXECUTE FUNCTION keep()")
    with pytest.raises(errors.InvalidParameterValue, match="2 rows of public.person could not be removed"):
        merged(people)
    people.execute("DROP TRIGGER keep ON person; UPDATE member SET role = 'other' WHERE person = 2")
    assert everything(people) == before
    assert value(people, "SELECT count(*) FROM llm.record_merge") == 0


@pytest.mark.parametrize(
    ("rules", "clusters", "message"),
    [
        ([], [], "not a survivorship"),
        ({"default": "best"}, [], "there is no rule"),
        ({"default": ["x"]}, [], "there is no rule"),
        ({"default": "most_recent"}, [], "needs a column of time"),
        ({"default": "source", "source": "system"}, [], "needs a column of source"),
        ({"columns": {"x'; DROP TABLE person": "longest"}}, [], "there is no column"),
        ({"columns": ["name"]}, [], "must be an object"),
        ({"sources": "crm"}, [], "must be a list"),
        ({}, {}, "must be a JSON list"),
        ({}, [{"id": 1}], "not a cluster"),
        ({}, [[{"nr": 1}]], "not a cluster"),
        ({}, [[{"id": 1}, {"id": 99}]], "has no row"),
        ({}, [[{"id": 1}, {"id": 2}], [{"id": 2}, {"id": 3}]], "in two clusters"),
    ],
)
def test_malformed_input(people: psycopg.Connection, rules: Any, clusters: Any, message: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=message):
        merged(people, Jsonb(clusters), Jsonb(rules))
    assert merged(people, Jsonb([]), Jsonb({}))
    assert merged(people, Jsonb([[{"id": 1}, {"id": 1}]]), Jsonb({}))


def test_the_source_decides(people: psycopg.Connection) -> None:
    rules = Jsonb({"default": "source", "source": "system", "sources": ["crm", "shop"]})
    query = "SELECT kept, golden ->> 'town', golden ->> 'email' FROM llm_golden('person', %s, clusters => %s)"
    kept, town, email = people.execute(query, (rules, CLUSTERS)).fetchone() or ()
    assert kept in ({"id": 2}, {"id": 3})
    assert (town, email) in (("Oslo", "ann@x.org"), ("Bergen", "lee@x.org"))


def test_found_duplicates_are_merged(people: psycopg.Connection) -> None:
    people.execute("""
        INSERT INTO person (id, name, email, town, born)
        SELECT n, 'p' || md5(n::text), md5('e' || n) || '@x.org', 'town' || n % 9, date '1950-01-01' + n * 37
        FROM generate_series(10, 80) AS n;
        INSERT INTO person (id, name, town, born)
        SELECT 100 + id, replace(name, 'p', 'pp'), town, born FROM person WHERE id BETWEEN 20 AND 24
    """)
    before = everything(people)
    run = value(people, "SELECT llm_merge('person', columns => '{name,email,town,born}')")
    rows = people.execute("SELECT key ->> 'id' FROM llm.merged_row WHERE run = %s AND after IS NULL", (run,)).fetchall()
    assert {row[0] for row in rows if len(row[0]) == 3} == {"120", "121", "122", "123", "124"}
    people.execute("SELECT llm_unmerge(%s)", (run,))
    assert everything(people) == before


def test_others_see_and_undo_nothing(people: psycopg.Connection, role: str) -> None:
    run = merged(people)
    people.execute(f"SET ROLE {role}")
    assert people.execute("SELECT FROM llm.merged_row").fetchall() == []
    with pytest.raises(errors.UndefinedObject, match="no merge"):
        people.execute("SELECT llm_unmerge(%s)", (run,))
    with pytest.raises(errors.InsufficientPrivilege):
        people.execute("SELECT llm_merge('person', clusters => '[[{\"id\": 1}, {\"id\": 4}]]')")


def test_another_owners_trigger_never_runs_with_the_callers_rights(people: psycopg.Connection, role: str) -> None:
    people.execute(f"GRANT REFERENCES, SELECT ON person TO {role}; GRANT CREATE ON SCHEMA public TO {role}")
    people.execute(f"SET ROLE {role}")
    people.execute("CREATE TABLE trap (id int PRIMARY KEY, person int REFERENCES person, ran_as text)")
    people.execute("INSERT INTO trap VALUES (1, 2)")
    people.execute("CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
                   " $$ BEGIN new.ran_as := CURRENT_USER; RETURN new; END $$")  # fmt: skip
    people.execute("CREATE TRIGGER note BEFORE UPDATE ON trap FOR EACH ROW EXECUTE FUNCTION note()")
    people.execute("RESET ROLE")
    merged(people)
    assert people.execute("SELECT person, ran_as FROM trap").fetchall() == [(1, role)]


def test_texts_are_matched_with_a_reference_table(db: psycopg.Connection, role: str) -> None:
    db.execute("CREATE TABLE city (code text PRIMARY KEY, name text)")
    db.execute("INSERT INTO city SELECT 'c' || n, 'City' || md5(n::text) FROM generate_series(1, 200) AS n")
    db.execute(
        "INSERT INTO city VALUES ('OSL', 'Oslo'), ('BGO', 'Bergen'), ('GRU', 'São Paulo'), ('x', NULL), ('y', '')"
    )
    query = "SELECT key, value FROM llm_match(%s, 'city', 'name')"
    assert db.execute(query, ("sao paulo",)).fetchall() == [({"code": "GRU"}, "São Paulo")]
    assert db.execute(query, ("Reykjavik",)).fetchall() == db.execute(query, (None,)).fetchall() == []
    batch = "SELECT ordinality, value FROM llm_match_batch(%s, 'city', 'name') ORDER BY 1"
    assert db.execute(batch, (["Bergn", None, "", "nowhere", "OSLO"],)).fetchall() == [(1, "Bergen"), (5, "Oslo")]
    db.execute("UPDATE city SET name = 'Reykjavík' WHERE code = 'OSL'")
    assert db.execute(query, ("Reykjavik",)).fetchall() == [({"code": "OSL"}, "Reykjavík")]
    assert db.execute("SELECT FROM llm_match('Bergenn', 'city', 'name', k => 3, threshold => 0)").rowcount == 3
    for call, message in (
        ("'a', 'city', 'nmae'", "no column"),
        ("'a', 'city', NULL", "must not be NULL"),
        ("'a', 'city', 'name', 0", "k must"),
        ("'a', 'city', 'name', 1, 2", "threshold"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=message):
            db.execute(f"SELECT llm_match({call})")
    db.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        db.execute(query, ("Oslo",))
