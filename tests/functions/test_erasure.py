"""Erasure: nothing of a person is left beside its row, in whatever function has kept something."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors, sql
from streams import KAFKA, Reader
from workbench.cluster import Cluster

Connect = Callable[..., psycopg.Connection]
# One word, so that it is a lexeme of its own too.
NAME = "Zyxkanarienvogel"
MAIL = f"{NAME.lower()}@example.org"
TABLES = """
    CREATE TABLE customer (id int PRIMARY KEY, name text, mail text, town text, size text);
    INSERT INTO customer SELECT n, 'Person ' || n, 'p' || n || '@example.org', (ARRAY['Oslo','Rome'])[n % 2 + 1],
        (ARRAY['small','large'])[n % 2 + 1] FROM generate_series(1, 40) AS n;
"""
ERASE = "SELECT place, found FROM llm_erase('customer', '{\"id\": 7}')"
WHERE_IS = "SELECT place, found FROM llm_where_is('customer', '{\"id\": 7}')"


@pytest.fixture
def customer(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(TABLES)
    db.execute("UPDATE customer SET name = %s, mail = %s WHERE id = 7", (NAME, MAIL))
    return db


def plant(db: psycopg.Connection) -> None:
    """Have every function that keeps something keep something of row 7."""
    db.execute("CALL semantic_index('customer', '{name,town}', chunking => 'none')")
    db.execute("CALL semantic_index('customer', '{mail}', name => 'later', sync => 'background')")
    db.execute("CALL llm_column('customer', 'shout', 'upper(name)')")
    db.execute("CREATE VIEW people AS SELECT id, name FROM customer")
    db.execute("CALL semantic_index('people', '{name}', key => '{id}', sync => 'manual')")
    db.execute("UPDATE customer SET mail = 'new.' || mail WHERE id = 7")
    for n in (3, 5):
        db.execute("INSERT INTO customer VALUES (%s, %s, 'x@example.org', 'Oslo', 'small')", (100 + n, NAME[:-1] + "k"))
    marks = json.dumps([{"key": {"id": 7}, "column": "name", "value": NAME + " II"}])
    run = value(db, "SELECT llm_find_errors('customer', labels => %s)", marks)
    db.execute(
        "INSERT INTO llm.change SELECT %s, jsonb_build_object('id', n), 'name', 'a', %s, 1, 'proposed', 'typos',"
        " 'by ' || %s FROM unnest('{7,12}'::int[]) AS n ON CONFLICT DO NOTHING",
        (run, NAME, NAME),
    )
    db.execute("INSERT INTO llm.step VALUES (%s, 99, 'name', 'typos', %s, '', '{c}')", (run, f"make {NAME} of it"))
    db.execute("SELECT llm_define_rule('customer', 'known', %s)", (f"name <> '{NAME}!'",))
    db.execute("INSERT INTO customer SELECT 200, name, mail, town, size FROM customer WHERE id = 9")
    db.execute("""SELECT llm_merge('customer', clusters => '[[{"id": 9}, {"id": 200}]]')""")
    db.execute("UPDATE llm.all_merged_row SET before = before || jsonb_build_object('name', %s::text)", (NAME,))
    db.execute("SELECT graph_create('people')")
    mapping = json.dumps([{"subject": "name", "predicate": "lives in", "object": "town"}])
    db.execute("CALL graph_add_columns('people', 'customer', %s)", (mapping,))
    db.execute(
        "SELECT graph_import('people', %s)", (f"SELECT '{NAME}' AS subject, 'knows' AS predicate, 'Bob' AS object",)
    )
    db.execute("SET llm.ask_log = on")
    db.execute("SELECT * FROM ask(%s, '{customer}')", (f"In which town does {NAME} live?",))
    db.execute("SELECT llm_teach(%s, %s)", (f"Where is {NAME}?", f"SELECT town FROM customer WHERE name = '{NAME}'"))
    db.execute("SELECT llm_describe('customer.name', %s)", (f"such as {NAME}",))
    db.execute("CALL llm_catalog_refresh()")
    db.execute("CREATE TABLE visit (id int, who text, at timestamptz)")
    columns = '["id int", "who text", "at timestamptz"]'
    db.execute("CALL stream_create('visits', %s, 'visit', columns => %s, event_time => 'at')", (KAFKA, columns))
    db.execute("CALL stream_window('visitors', 'visits', 'tumbling', '1 hour', group_by => '{who}')")
    db.execute("CALL stream_alert('seen', 'visits', 'id > 0', dedupe => 'who')")
    good = {"id": 1, "who": NAME, "at": "2026-01-01T00:00:00Z"}
    Reader(db, "visits").write([json.dumps(good), f'{{"id": "{NAME}"}}'])
    db.execute("SELECT llm_fit('sizes', 'classify', 'SELECT name, size FROM customer')")
    db.execute("SELECT llm_classify(name, '{a,b}') FROM customer WHERE id = 7")


def dumped(cluster: Cluster, db: psycopg.Connection) -> list[str]:
    """The lines of a dump without the person's own tables that hold the name, as text or as bytes."""
    tables = [f"--exclude-table-data=public.{name}" for name in ("customer", "visit")]
    command = ["pg_dump", *tables, db.info.dbname]
    environment = {**cluster.environment(), "PGUSER": "postgres"}
    dump = subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60).stdout.lower()
    sought = (NAME.lower().encode(), NAME.encode().hex().encode(), NAME.lower().encode().hex().encode())
    return [line.decode(errors="replace") for line in dump.splitlines() if any(each in line for each in sought)]


def files_with_name(cluster: Cluster) -> list[str]:
    """Files of the data directory that hold the name, but for the write-ahead log and the server's own log."""
    found = []
    for path in sorted(cluster.data.rglob("*")):
        own = path.relative_to(cluster.data).parts
        is_ours = path.is_file() and own[0] not in ("pg_wal", "log")
        if is_ours and NAME.lower().encode() in path.read_bytes().lower():
            found.append(str(path.relative_to(cluster.data)))
    return found


def test_nothing_is_left_of_a_person(cluster: Cluster, customer: psycopg.Connection) -> None:
    plant(customer)
    assert len(dumped(cluster, customer)) > 15
    customer.execute("ANALYZE; CHECKPOINT")
    assert files_with_name(cluster)
    told = dict(customer.execute(WHERE_IS).fetchall())
    erased = dict(customer.execute(ERASE).fetchall())
    assert set(told) - {"cleaning runs whose rules name the person"} <= set(erased)
    assert {
        *("chunks in public.customer_embedding", "chunks in public.later", "values in public.customer_shout"),
        *("chunks in public.people_embedding", "changes of cleaning runs", "marks of cleaning runs"),
        *("steps of cleaning runs", "rules", "merged rows", "rows of graphs", "entities of graphs", "questions asked"),
        *("taught examples", "descriptions", "catalogue", "dead letters of streams", "alarms"),
        *("windows in public.visitors", "queue of work", 'model "sizes"'),
    } <= set(erased)
    assert dumped(cluster, customer) == []
    # What nobody derived from the person stays.
    assert (
        value(customer, "SELECT count(*) FROM customer_embedding")
        == value(customer, "SELECT count(*) FROM customer") - 1
    )
    assert value(customer, "SELECT count(*) FROM llm.entity WHERE name = 'Bob'") == 1
    assert value(customer, "SELECT count(*) FROM llm.entity WHERE name = 'Person 8'") == 1
    assert dict(customer.execute(WHERE_IS).fetchall()) == {'model "sizes"': 1}
    customer.execute("SELECT llm_drop_model('sizes'); DELETE FROM customer WHERE id = 7; DELETE FROM visit")
    assert value(customer, "SELECT count(*) FROM llm.training_lineage") == 0
    customer.execute("VACUUM (FULL, ANALYZE)")
    customer.execute("VACUUM FULL pg_statistic")
    customer.execute("CHECKPOINT")
    assert files_with_name(cluster) == []


def test_a_row_that_is_gone_is_erased_by_key_and_terms(customer: psycopg.Connection) -> None:
    customer.execute("SELECT llm_teach(%s, 'SELECT 1 FROM customer')", (f"Where is {NAME}?",))
    customer.execute("INSERT INTO llm.cleaning (target, columns, rules) VALUES ('customer', '{name}', '{}')")
    customer.execute(
        "INSERT INTO llm.change"
        " SELECT id, '{\"id\": 7}', 'name', 'a', 'b', 1, 'proposed', 'typos', '' FROM llm.cleaning"
    )
    customer.execute("DELETE FROM customer WHERE id = 7")
    assert customer.execute(ERASE).fetchall() == [("changes of cleaning runs", 1)]
    query = "SELECT place, found FROM llm_erase('customer', '{\"id\": 7}', %s)"
    assert customer.execute(query, ([NAME.upper()],)).fetchall() == [("taught examples", 1)]


def test_values_of_others_name_nobody(customer: psycopg.Connection) -> None:
    customer.execute("SELECT llm_teach('How many in Oslo?', 'SELECT count(*) FROM customer')")
    assert customer.execute(ERASE).fetchall() == []


@pytest.fixture
def stranger(customer: psycopg.Connection, role: str, connect: Connect) -> psycopg.Connection:
    customer.execute(
        sql.SQL("GRANT CREATE ON SCHEMA public TO {0}; GRANT SELECT ON customer TO {0}").format(sql.Identifier(role))
    )
    return connect(role)


def test_only_the_owner_erases_and_nothing_of_others_by_its_words(
    customer: psycopg.Connection, stranger: psycopg.Connection
) -> None:
    for function in ("llm_erase", "llm_where_is"):
        with pytest.raises(errors.InsufficientPrivilege, match="must be owner"):
            stranger.execute(f"SELECT {function}('customer', '{{\"id\": 7}}')")
    customer.execute("SELECT llm_teach('Where is Merkel?', 'SELECT 1 FROM customer')")
    customer.execute("SELECT graph_create('g')")
    customer.execute("SELECT graph_import('g', $$SELECT 'Merkel' AS subject, 'is' AS predicate, 'old' AS object$$)")
    stranger.execute("CREATE TABLE mine (id int PRIMARY KEY, word text); INSERT INTO mine VALUES (1, 'Merkel')")
    stranger.execute("SELECT llm_teach('Who is Merkel?', 'SELECT 1 FROM mine')")
    # Not even whether there is something.
    call = "SELECT place, found FROM {}('mine', '{{\"id\": 1}}', '{{Merkel}}')"
    for function in ("llm_where_is", "llm_erase"):
        assert stranger.execute(call.format(function)).fetchall() == [("taught examples", 1)]
    assert value(customer, "SELECT count(*) FROM llm.all_taught") == 1
    assert value(customer, "SELECT count(*) FROM llm.all_entity WHERE name = 'Merkel'") == 1


def test_nobody_tries_out_what_others_have(customer: psycopg.Connection, stranger: psycopg.Connection) -> None:
    """Neither what their models have learnt from, nor what else stands in a graph that reads one's own table."""
    customer.execute("SELECT llm_fit('sizes', 'classify', 'SELECT name, size FROM customer')")
    stranger.execute("CREATE TABLE mine (id int PRIMARY KEY, word text, kind text)")
    stranger.execute("INSERT INTO mine VALUES (1, 'Person 8', 'Mineword')")
    customer.execute("SELECT graph_create('g')")
    mapping = json.dumps([{"subject": "word", "predicate": "is", "object": "kind"}])
    customer.execute("CALL graph_add_columns('g', 'mine', %s)", (mapping,))
    customer.execute("SELECT graph_import('g', $$SELECT 'Merkel' AS subject, 'is' AS predicate, 'old' AS object$$)")
    for term, found in (("Merkel", 0), ("Mineword", 1)):
        call = "SELECT coalesce(sum(found), 0) FROM llm_where_is('mine', '{\"id\": 2}', %s) WHERE place ~ 'entities'"
        assert value(stranger, call, [term]) == found, term
    told = "SELECT count(*) FROM llm_where_is('mine', '{\"id\": 1}') WHERE place ~ 'model'"
    assert value(stranger, told) == 0
    assert value(customer, told) == 1


def test_hashes_of_texts_are_closed_and_by_a_key(customer: psycopg.Connection, stranger: psycopg.Connection) -> None:
    customer.execute("SELECT llm_fit('sizes', 'classify', 'SELECT name, size FROM customer')")
    with pytest.raises(errors.InsufficientPrivilege):
        stranger.execute("SELECT * FROM llm.training_lineage")
    assert value(customer, "SELECT length(hashes) FROM llm.training_lineage") == 40 * 16
    # Another server has another key.
    customer.execute("UPDATE llm.training_lineage SET key = 'other'")
    note = "SELECT note FROM llm_where_is('customer', '{\"id\": 7}') WHERE place = 'model \"sizes\"'"
    assert "another server" in value(customer, note)


VIEWS = {
    "key": ("SELECT id AS number, name, note FROM patient", "{number}"),
    "view of a view": ("SELECT * FROM (SELECT number AS own, name, note FROM below) AS b", "{own}"),
    "no key": ("SELECT upper(name) AS who, name, note FROM patient", "{who}"),
}


@pytest.mark.parametrize("view", VIEWS)
def test_chunks_of_a_view_are_found_by_its_key_or_by_stems(db: psycopg.Connection, view: str) -> None:
    db.execute("""
        CREATE TABLE patient (id int PRIMARY KEY, name text, note text);
        INSERT INTO patient VALUES (1, 'Zebulon Quartermaine', 'likes Esmeralda'), (2, 'Bob Smith', 'Dr. "X" \\ Y'),
            (3, 'Ann Hill', 'nothing');
        CREATE VIEW below AS SELECT name, note, id AS number FROM patient;
    """)
    query, key = VIEWS[view]
    db.execute(f"CREATE VIEW shown AS {query}")
    db.execute("CALL semantic_index('shown', '{name,note}', key => %s, sync => 'manual')", (key,))
    for number in (1, 2):
        call = f"llm_where_is('patient', '{{\"id\": {number}}}')"
        assert db.execute(f"SELECT place, found FROM {call}").fetchall() == [("chunks in public.shown_embedding", 1)]
    call = "SELECT found FROM llm_erase('patient', '{\"id\": 1}')"
    assert db.execute(call).fetchall() == [(1,)]
    assert value(db, "SELECT count(*) FROM shown_embedding") == 2
    if view != "no key":
        # By the key also where the row is gone, and so no text names the person.
        db.execute("DELETE FROM patient WHERE id = 2")
        call = "SELECT found FROM llm_erase('patient', '{\"id\": 2}')"
        assert db.execute(call).fetchall() == [(1,)]
        assert value(db, "SELECT count(*) FROM shown_embedding") == 1


def test_the_key_of_another_table_is_not_the_persons(db: psycopg.Connection) -> None:
    db.execute("""
        CREATE TABLE patient (id int PRIMARY KEY, name text);
        INSERT INTO patient VALUES (1, 'Zebulon Quartermaine'), (2, 'Bob Smith');
        CREATE TABLE stay (id int PRIMARY KEY, patient int);
        INSERT INTO stay VALUES (1, 2), (2, 1);
        CREATE VIEW shown AS SELECT s.id, p.name FROM stay AS s JOIN patient AS p ON p.id = s.patient;
    """)
    db.execute("CALL semantic_index('shown', '{name}', key => '{id}', sync => 'manual')")
    db.execute("SELECT llm_erase('patient', '{\"id\": 1}')")
    assert value(db, "SELECT array_agg(id) FROM shown_embedding") == [1]


def test_a_cast_of_rows_hides_nothing(db: psycopg.Connection) -> None:
    # Of a name that is stop words alone, stems are none.
    db.execute("""
        CREATE TABLE patient (id int PRIMARY KEY, name text); INSERT INTO patient VALUES (1, 'Will Will');
        CREATE VIEW shown AS SELECT upper(name) AS who FROM patient; SET default_text_search_config = 'english';
        CALL semantic_index('shown', '{who}', key => '{who}', sync => 'manual');
        CREATE FUNCTION hide(shown_embedding) RETURNS text LANGUAGE sql AS $$SELECT ''::text$$;
        CREATE CAST (shown_embedding AS text) WITH FUNCTION hide(shown_embedding);
    """)
    assert db.execute("SELECT found FROM llm_erase('patient', '{\"id\": 1}')").fetchall() == [(1,)]


# What a reader of the table hangs on the companion of a view of its own, and what the note says.
HINDRANCES = {
    "trigger that fails": (
        "CREATE FUNCTION his.no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'nobody erases here'; END$$;"
        " CREATE TRIGGER no BEFORE DELETE ON his.seen_embedding FOR EACH ROW EXECUTE FUNCTION his.no()",
        "trigger no on seen_embedding would run code of others",
    ),
    "trigger that sleeps on": (
        "CREATE FUNCTION his.no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN LOOP"
        " BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END$$;"
        " CREATE TRIGGER no BEFORE DELETE ON his.seen_embedding EXECUTE FUNCTION his.no()",
        "trigger no on seen_embedding would run code of others",
    ),
    "index": (
        "CREATE FUNCTION his.no(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';"
        " CREATE INDEX no ON his.seen_embedding (id) WHERE id = his.no(id)",
        "index his.no would run code of others",
    ),
    "rule": ("CREATE RULE no AS ON DELETE TO his.seen_embedding DO INSTEAD NOTHING", "cannot perform DELETE RETURNING"),
    "foreign key": (
        "CREATE TABLE his.referring (id int, chunk int,"
        " CONSTRAINT no FOREIGN KEY (id, chunk) REFERENCES his.seen_embedding ON DELETE CASCADE)",
        "foreign key no would run code of others",
    ),
    "policy": (
        "ALTER TABLE his.seen_embedding FORCE ROW LEVEL SECURITY; DROP POLICY readable ON his.seen_embedding",
        "row-level security hides rows of it from its owner",
    ),
    "lock": ("BEGIN; LOCK TABLE his.seen_embedding", "somebody holds a lock on it"),
    "statistics": ("BEGIN; ANALYZE his.seen_embedding", "somebody holds a lock on it"),
}


@pytest.fixture
def reader(db: psycopg.Connection, role: str, connect: Connect) -> psycopg.Connection:
    """Somebody who may read the table, and has an index on a view of it."""
    db.execute("""
        CREATE TABLE patient (id int PRIMARY KEY, name text);
        INSERT INTO patient VALUES (1, 'Zebulon Quartermaine'), (2, 'Bob Smith');
        CALL semantic_index('patient', '{name}');
    """)
    name = sql.Identifier(role)
    db.execute(sql.SQL("CREATE SCHEMA his AUTHORIZATION {0}; GRANT SELECT ON patient TO {0}").format(name))
    session = connect(role)
    session.execute("CREATE VIEW his.seen AS SELECT * FROM patient")
    session.execute("CALL semantic_index('his.seen', '{name}', key => '{id}', sync => 'manual'); ANALYZE")
    return session


@pytest.mark.parametrize("hindrance", HINDRANCES)
def test_who_may_read_a_table_keeps_nobody_from_erasing(
    db: psycopg.Connection, reader: psycopg.Connection, hindrance: str
) -> None:
    statements, note = HINDRANCES[hindrance]
    reader.execute(statements)
    told: list[str] = []
    db.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    db.execute("SET statement_timeout = '30s'")
    rows = db.execute("SELECT place, found, note FROM llm_erase('patient', '{\"id\": 1}')").fetchall()
    assert [row[:2] for row in rows] == [
        ("chunks in public.patient_embedding", 1),
        ("chunks in his.seen_embedding", 1),
    ]
    assert rows[0][2] is None
    assert rows[1][2].startswith(f"not erased: {note}")
    assert rows[1][2].endswith(f'it belongs to the role "{reader.info.user}"')
    assert "not erased: chunks in his.seen_embedding" in told
    assert value(db, "SELECT count(*) FROM patient_embedding") == 1


def test_a_reader_who_does_not_hinder_is_erased_from(db: psycopg.Connection, reader: psycopg.Connection) -> None:
    query = "SELECT place, found, note FROM {}('patient', '{{\"id\": 1}}') WHERE place ~ 'his'"
    for function in ("llm_where_is", "llm_erase"):
        assert db.execute(query.format(function)).fetchall() == [("chunks in his.seen_embedding", 1, None)]
    assert value(db, "SELECT count(*) FROM his.seen_embedding") == 1
    assert value(db, "SELECT count(*) FROM pg_stats WHERE tablename = 'seen_embedding'") == 0


def test_many_tables_of_one_who_hinders_cost_no_more_than_some(
    db: psycopg.Connection, reader: psycopg.Connection
) -> None:
    names = [f"n{number}" for number in range(12)]
    for name in names:
        options = f"key => '{{id}}', sync => 'manual', name => '{name}'"
        reader.execute(f"CALL semantic_index('his.seen', '{{name}}', {options})")
    reader.execute(f"BEGIN; LOCK TABLE {', '.join(f'his.{name}' for name in names)}")
    db.execute("SET statement_timeout = '20s'")
    call = "SELECT count(*) FROM llm_where_is('patient', '{\"id\": 1}') WHERE note ~ '^not looked at'"
    # That one too which is not locked, as it is the last.
    assert value(db, call) == 13


def test_rows_that_others_hold_locked_are_told(db: psycopg.Connection, reader: psycopg.Connection) -> None:
    reader.execute("SELECT llm_teach('Who is Zebulon Quartermaine?', 'SELECT 1 FROM patient')")
    reader.execute("BEGIN; SELECT llm_teach('Who is Zebulon Quartermaine?', 'SELECT 2 FROM patient')")
    db.execute("SET statement_timeout = '30s'")
    query = "SELECT place FROM llm_erase('patient', '{\"id\": 1}') WHERE note ~ '^not erased: another transaction'"
    assert db.execute(query).fetchall() == [("taught examples",)]
    reader.execute("COMMIT")
    assert db.execute(ERASE.replace("customer", "patient").replace("7", "1")).fetchall() == [("taught examples", 1)]


def test_what_ones_own_trigger_keeps_is_told(customer: psycopg.Connection) -> None:
    customer.execute("""
        CALL semantic_index('customer', '{name}');
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
        CREATE TRIGGER keep BEFORE DELETE ON customer_embedding FOR EACH ROW EXECUTE FUNCTION keep();
    """)
    (row,) = customer.execute("SELECT place, note FROM llm_erase('customer', '{\"id\": 7}')").fetchall()
    assert row[0] == "chunks in public.customer_embedding"
    assert row[1].startswith("not erased: 1 of its rows are still there")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'customer', NULL", "key must not be NULL"),
        ("'customer', '7'", "key must be an object"),
        ("'customer', '{}'", "key must be an object"),
        ("""'customer', '{"id": null}'""", "key must be an object"),
        ("""'customer', '{"name": "a"}'""", "the primary key of public.customer is id"),
        ("""'customer', '{"nothing": 1}'""", 'has no column "nothing"'),
        ("""'customer', '{"id": 1}', '{ab}'""", "terms are at most"),
        ("""NULL, '{"id": 1}'""", "target must not be NULL"),
        ("""'llm.model', '{"name": "lac"}'""", None),
    ],
)
def test_what_is_refused(customer: psycopg.Connection, arguments: str, message: str | None) -> None:
    if message is None:
        customer.execute(f"SELECT llm_where_is({arguments})")
        return
    with pytest.raises(errors.InvalidParameterValue, match=message):
        customer.execute(f"SELECT llm_erase({arguments})")
