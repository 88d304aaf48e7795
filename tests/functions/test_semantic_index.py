from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from database import value

Connect = Callable[..., psycopg.Connection]


@pytest.fixture
def note(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, title text, body text, stars int)")
    db.execute("INSERT INTO note SELECT n, 'note ' || n, 'about the number ' || n FROM generate_series(1, 20) n")
    return db


def first(db: psycopg.Connection, query: str, table: str = "note") -> Any:
    rows = db.execute("SELECT s.key FROM semantic_search(%s, %s, k => 1) AS s", (query, table)).fetchall()
    return rows[0][0] if rows else None


def missing(db: psycopg.Connection, table: str = "note") -> int:
    return value(db, f"SELECT count(*) FROM {table} WHERE embedding IS NULL OR embedding_text IS NULL")


def untrue(db: psycopg.Connection, document: str, table: str = "note") -> int:
    """How many rows have a vector that is not that of their text."""
    return value(db, f"SELECT count(*) FROM {table} WHERE embedding <=> llm_embed({document}) > 1e-4")


def rows_embedded(db: psycopg.Connection) -> int:
    return value(db, "SELECT rows FROM llm_status() WHERE model = 'all-minilm-l6-v2'")


def test_writes_keep_a_live_index_true(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title,body}')")
    assert missing(note) == 0
    note.execute("INSERT INTO note VALUES (100, 'bread', 'bake a loaf of bread'), (101, 'car', 'repair an engine')")
    assert first(note, "baking") == {"id": 100}
    note.execute("UPDATE note SET body = 'grow tomatoes', title = 'garden' WHERE id = 100")
    assert first(note, "vegetables in the garden") == {"id": 100}
    note.execute(
        "INSERT INTO note VALUES (101, 'music', 'play the violin') ON CONFLICT (id)"
        " DO UPDATE SET title = excluded.title, body = excluded.body"
    )
    assert first(note, "an instrument in an orchestra") == {"id": 101}
    with note.cursor() as cursor, cursor.copy("COPY note (id, title, body) FROM STDIN") as copy:
        copy.write_row((200, "space", "a rocket flies to the moon"))
    assert first(note, "astronauts") == {"id": 200}
    note.execute(
        "MERGE INTO note USING (VALUES (200, 'sea', 'a ship sails'), (201, 'desert', 'camels rest'))"
        " AS s (id, title, body)"
        " ON note.id = s.id WHEN MATCHED THEN UPDATE SET title = s.title, body = s.body"
        " WHEN NOT MATCHED THEN INSERT (id, title, body) VALUES (s.id, s.title, s.body)"
    )
    assert first(note, "boats") == {"id": 200}
    assert first(note, "sand and heat") == {"id": 201}
    note.execute("DELETE FROM note WHERE id = 201")
    assert first(note, "sand and heat") != {"id": 201}
    assert missing(note) == 0
    assert untrue(note, "title || chr(10) || body") == 0


def test_other_columns_cost_nothing(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title,body}')")
    before = rows_embedded(note)
    note.execute("UPDATE note SET stars = 5")
    note.execute("UPDATE note SET title = title")
    assert rows_embedded(note) == before
    note.execute("UPDATE note SET title = 'other' WHERE id <= 3")
    assert rows_embedded(note) == before + 3


def test_manual_waits_for_refresh(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title}', sync => 'manual')")
    note.execute("UPDATE note SET title = 'changed' WHERE id = 1")
    note.execute("INSERT INTO note VALUES (100, 'new')")
    assert missing(note) == 2
    note.execute("CALL semantic_refresh('note')")
    assert missing(note) == 0


def test_rows_without_text_stay_out(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note VALUES (50, NULL, NULL), (51, '', '')")
    note.execute("CALL semantic_index('note', '{title,body}')")
    assert missing(note) == 2
    note.execute("INSERT INTO note VALUES (52, '', NULL), (53, 'text', '')")
    assert missing(note) == 3


def test_text_that_comes_and_goes(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title,body}')")
    for text, count in (("NULL", 1), ("'new text'", 0), ("''", 1)):
        note.execute(f"UPDATE note SET title = {text}, body = {text} WHERE id = 7")
        assert missing(note) == count
    note.execute("UPDATE note SET embedding = NULL")
    assert missing(note) == 1


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_inside_a_transaction_block(note: psycopg.Connection, end: str) -> None:
    note.execute("BEGIN")
    note.execute("SET LOCAL search_path = public")
    note.execute("CALL semantic_index('note', '{title}')")
    assert value(note, "SHOW search_path") == "public"
    assert missing(note) == 0
    note.execute(end)
    assert value(note, "SELECT count(*) FROM llm.embedding_column") == (end == "COMMIT")


def test_inside_other_code(note: psycopg.Connection) -> None:
    note.execute("DO $$ BEGIN CALL semantic_index('note', '{title}'); EXCEPTION WHEN division_by_zero THEN END $$")
    assert missing(note) == 0
    note.execute("BEGIN; SAVEPOINT s; INSERT INTO note VALUES (100, 'a lone wolf'); ROLLBACK TO s")
    note.execute(
        "INSERT INTO note VALUES (100, 'a grand piano'); SAVEPOINT t; CALL semantic_drop('note'); ROLLBACK TO t"
    )
    note.execute("COMMIT")
    assert first(note, "music") == {"id": 100}
    note.execute("UPDATE note SET embedding = NULL; DO $$ BEGIN CALL semantic_refresh('note'); END $$")
    assert missing(note) == 0


def test_two_sessions_ask_for_the_same_index(note: psycopg.Connection, connect: Connect) -> None:
    note.execute("INSERT INTO note SELECT n, 'text ' || n FROM generate_series(100, 900) n")
    threads = [
        threading.Thread(target=connection.execute, args=("CALL semantic_index('note', '{title}')",))
        for connection in (note, connect())
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missing(note) == 0
    assert value(note, "SELECT count(*) FROM pg_indexes WHERE tablename = 'note'") == 3


def test_writers_go_on_while_an_index_is_filled(note: psycopg.Connection, connect: Connect) -> None:
    note.execute("INSERT INTO note SELECT n, 'text ' || n FROM generate_series(100, 1200) n")
    worker = connect()
    filling = threading.Thread(
        target=worker.execute, args=("CALL semantic_index('note', '{title}', method => 'none')",)
    )
    filling.start()
    while not value(note, "SELECT count(*) FROM llm_progress WHERE phase = 'embedding'"):
        time.sleep(0.01)
    written = 0
    while filling.is_alive():
        written += 1
        note.execute("UPDATE note SET title = 'changed ' || id WHERE id %% 200 = %s", (written % 200,))
        note.execute("INSERT INTO note VALUES (%s, %s)", (10_000 + written, f"inserted {written}"))
        note.execute("DELETE FROM note WHERE id = %s", (1200 - written,))
        note.execute("UPDATE note SET id = id + 5000 WHERE id = %s", (300 + written,))
    filling.join()
    assert written > 3
    assert missing(note) == 0
    assert untrue(note, "title") == 0


def test_a_cancelled_fill_goes_on(db: psycopg.Connection, connect: Connect) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, title text)")
    db.execute("INSERT INTO note SELECT n, n || repeat(' some words', 20) FROM generate_series(1, 700) n")
    watcher, pid, seen = connect(), db.info.backend_pid, []

    def cancel_after_the_first_batch() -> None:
        while not value(watcher, "SELECT count(*) FROM llm_progress WHERE phase = 'embedding' AND done > 0"):
            time.sleep(0.05)
        seen.append(watcher.execute("SELECT command, target, total FROM llm_progress").fetchone())
        watcher.execute("SELECT pg_cancel_backend(%s)", (pid,))

    thread = threading.Thread(target=cancel_after_the_first_batch)
    thread.start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        db.execute("CALL semantic_index('note', '{title}')")
    thread.join()
    assert seen == [("semantic_index", "public.note", 700)]
    filled = 700 - missing(db)
    assert 0 < filled < 700
    assert value(watcher, "SELECT count(*) FROM llm_progress") == 0
    before = rows_embedded(db)
    db.execute("CALL semantic_index('note', '{title}')")
    assert missing(db) == 0
    assert rows_embedded(db) - before == 700 - filled


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("public.composite", "(a int, b text, c timestamptz, body text, PRIMARY KEY (c, a, b))"),
        ('"Weird schema"."Tä ""ble"""', '(a int, b text, c timestamptz, body text, "Ke y" uuid PRIMARY KEY)'),
    ],
)
def test_any_name_and_key(db: psycopg.Connection, table: str, key: str) -> None:
    db.execute('CREATE SCHEMA "Weird schema"')
    db.execute(f"CREATE TABLE {table} {key}")
    column = ', "Ke y"' if "Ke y" in key else ""
    row = "7, 'it''s', '2020-02-02 02:02:02.123456+00', 'green apples'" + (", gen_random_uuid()" if column else "")
    db.execute("CALL semantic_index(%s, '{body}')", (table,))
    db.execute(f"INSERT INTO {table} (a, b, c, body{column}) VALUES ({row})")
    assert missing(db, table) == 0
    assert first(db, "fruit", table) == value(
        db,
        f"""SELECT to_jsonb(t) - '{{body,embedding,embedding_text}}'::text[]
                - CASE WHEN to_jsonb(t) ? 'Ke y' THEN '{{a,b,c}}'::text[] ELSE '{{}}' END FROM {table} t""",
    )


@pytest.mark.parametrize(
    ("type", "key"),
    [
        ("float8", "0.1::float8 + 0.2"),
        ("numeric", "'NaN'"),
        ("bigint", "9223372036854775807"),
        ("char(4)", "'ab'"),
        ("text", "E'\\x07 é ''\"\\\\'"),
        ("bytea", "'\\xdeadbeef'"),
        ("timestamptz", "'2020-01-02 03:04:05.123456+00'"),
        ("timestamp", "'-infinity'"),
        ("date", "'0044-03-15 BC'"),
        ("interval", "'1 year -2 days'"),
        ("uuid", "gen_random_uuid()"),
        ("inet", "'::1'"),
        ("int4range", "'[1,5)'"),
        ("jsonb", """'{"b": [1, null]}'"""),
        ("text[]", "'{a,NULL,\"b,c\"}'"),
        ("mood", "'so so'"),
        ("positive", "1.10"),
        ("fine", "'so so'"),
    ],
)
def test_any_type_of_key(db: psycopg.Connection, type: str, key: str) -> None:
    db.execute("SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Tokyo'; SET extra_float_digits = 0")
    db.execute("CREATE TYPE mood AS ENUM ('so so'); CREATE DOMAIN positive AS numeric CHECK (value > 0)")
    db.execute("CREATE DOMAIN fine AS mood")
    db.execute(f"CREATE TABLE note (id {type} PRIMARY KEY, body text)")
    db.execute("CALL semantic_index('note', '{body}')")
    db.execute(f"INSERT INTO note VALUES ({key}, 'green apples')")
    assert missing(db) == 0
    db.execute("UPDATE note SET body = 'a grand piano'")
    assert missing(db) == 0
    assert untrue(db, "body") == 0


def test_names_as_long_and_odd_as_they_may_be(db: psycopg.Connection) -> None:
    table, column, name = "t" * 63, "größe $1 %s \"' \\", "ä" * 17 + "xy"
    quoted = '"' + column.replace('"', '""') + '"'
    db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, {quoted} int, body json)")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="1 to 36 bytes"):
        db.execute("CALL semantic_index(%s, ARRAY['body'], name => %s)", (table, name + "x"))
    db.execute("CALL semantic_index(%s, ARRAY[%s, 'body'], name => %s)", (table, column, name))
    db.execute(f'INSERT INTO {table} VALUES (1, 42, \'{{"fruit": "apple"}}\')')
    db.execute(f'UPDATE {table} SET body = \'{{"pet": "hamster"}}\'')
    same = value(db, f"""SELECT "{name}" <=> llm_embed('42' || chr(10) || body) < 1e-4 FROM {table}""")
    assert same
    assert value(db, "SELECT columns FROM llm.embedding_column") == [column, "body"]
    db.execute("CALL semantic_drop(%s, %s)", (table, name))


@pytest.mark.parametrize("kind", ["TEMPORARY", "UNLOGGED"])
def test_tables_that_do_not_last(db: psycopg.Connection, kind: str) -> None:
    db.execute(f"CREATE {kind} TABLE note (id int PRIMARY KEY, body text)")
    db.execute("INSERT INTO note VALUES (1, 'a cat'); CALL semantic_index('note', '{body}')")
    db.execute("INSERT INTO note VALUES (2, 'an engine'); UPDATE note SET body = 'a violin' WHERE id = 1")
    assert missing(db) == 0
    assert first(db, "music") == {"id": 1}
    db.execute("CALL semantic_drop('note')")


def test_an_index_moves_with_its_table(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title}')")
    note.execute('CREATE SCHEMA s; ALTER TABLE note RENAME TO "Memo"; ALTER TABLE "Memo" SET SCHEMA s')
    note.execute("""INSERT INTO s."Memo" VALUES (100, 'a lone wolf'); UPDATE s."Memo" SET title = 'x' WHERE id = 1""")
    assert missing(note, 's."Memo"') == 0
    assert first(note, "animals", 's."Memo"') == {"id": 100}
    note.execute("""CALL semantic_refresh('s."Memo"'); CALL semantic_drop('s."Memo"')""")
    assert value(note, "SELECT count(*) FROM pg_proc WHERE proname LIKE 'embedding_sync%'") == 0


def test_an_indexed_column_that_is_dropped_takes_the_index_along(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title,body}')")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        note.execute("ALTER TABLE note DROP COLUMN body")
    note.execute("ALTER TABLE note DROP COLUMN body CASCADE")
    assert value(note, "SELECT count(*) FROM llm.embedding_column") == 0
    note.execute("INSERT INTO note VALUES (100, 'writers go on'); UPDATE note SET title = 'changed'")


def test_dropping_mends_what_was_dropped_by_hand(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title}')")
    note.execute("ALTER TABLE note DROP COLUMN embedding")
    note.execute("CALL semantic_drop('note')")
    note.execute("INSERT INTO note VALUES (100, 'writers go on')")
    assert value(note, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zz%'") == 0


def test_partitions(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE note (id int, kind text, body text, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind)")
    db.execute("CREATE TABLE note_a PARTITION OF note FOR VALUES IN ('a')")
    db.execute("INSERT INTO note VALUES (1, 'a', 'a red rose')")
    db.execute("CALL semantic_index('note', '{body}')")
    db.execute("INSERT INTO note VALUES (2, 'a', 'a fast train')")
    db.execute("INSERT INTO note_a VALUES (3, 'a', 'a slow snail')")
    assert missing(db) == 0
    assert first(db, "railway") == {"id": 2, "kind": "a"}
    db.execute("CREATE TABLE note_b PARTITION OF note FOR VALUES IN ('b')")
    db.execute("INSERT INTO note_b VALUES (4, 'b', 'a deep sea')")
    db.execute("CALL semantic_refresh('note')")
    db.execute("INSERT INTO note_b VALUES (5, 'b', 'a high mountain')")
    assert missing(db) == 0
    assert first(db, "ocean") == {"id": 4, "kind": "b"}
    assert first(db, "ocean", "note_a")["kind"] == "a"
    before = rows_embedded(db)
    db.execute("UPDATE note SET kind = 'b' WHERE id = 1")
    assert rows_embedded(db) == before
    db.execute("UPDATE note SET kind = 'a', body = 'a blue rose' WHERE id = 1")
    assert missing(db) == untrue(db, "body") == 0
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        db.execute("CALL semantic_drop('note_a')")
    db.execute("ALTER TABLE note DETACH PARTITION note_b; INSERT INTO note_b VALUES (6, 'b', 'on its own')")
    db.execute("CALL semantic_drop('note')")
    assert value(db, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zz%'") == 0


def test_an_ordinary_owner_needs_no_superuser(db: psycopg.Connection, role: str) -> None:
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {role}")
    db.execute("CREATE TABLE note (id int PRIMARY KEY, title text); INSERT INTO note VALUES (1, 'a cat')")
    for sync in ("live", "manual"):
        db.execute("CALL semantic_index('note', '{title}', sync => %s)", (sync,))
        db.execute("INSERT INTO note VALUES (2, 'an engine'); UPDATE note SET title = 'a violin' WHERE id = 1")
        db.execute("CALL semantic_refresh('note')")
        assert missing(db) == 0
        assert first(db, "music") == {"id": 1}
        db.execute("CALL semantic_drop('note'); DELETE FROM note WHERE id = 2")


def test_who_may_only_insert_can_insert(note: psycopg.Connection, role: str) -> None:
    note.execute("CREATE ROLE owner_of_note")
    note.execute("ALTER TABLE note OWNER TO owner_of_note")
    note.execute("GRANT CREATE ON SCHEMA public TO owner_of_note")
    note.execute("CALL semantic_index('note', '{title}')")
    note.execute(f"GRANT INSERT ON note TO {role}; GRANT CREATE ON SCHEMA public TO {role}")
    note.execute(f"SET ROLE {role}")
    note.execute("INSERT INTO note VALUES (100, 'a lone wolf')")
    # A trigger of one's own writing on a table of one's own does nothing to the other.
    note.execute("CREATE TABLE mine (id int PRIMARY KEY, embedding text)")
    note.execute(
        "CREATE TRIGGER t AFTER INSERT ON mine REFERENCING NEW TABLE AS changed FOR EACH STATEMENT"
        " EXECUTE FUNCTION llm.semantic_follow('embedding'); INSERT INTO mine VALUES (1)"
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        note.execute("CALL semantic_drop('note')")
    note.execute("RESET ROLE")
    assert missing(note) == 0
    note.execute("CALL semantic_drop('note')")
    note.execute("DROP OWNED BY owner_of_note CASCADE")
    note.execute("DROP ROLE owner_of_note")


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        ("semantic_index('note', '{nope}')", psycopg.errors.InvalidParameterValue, "no column"),
        ("semantic_index('note', '{}')", psycopg.errors.InvalidParameterValue, "at least one"),
        ("semantic_index('note', NULL)", psycopg.errors.InvalidParameterValue, "at least one"),
        ("semantic_index('note', '{title}', method => 'magic')", psycopg.errors.InvalidParameterValue, "method"),
        ("semantic_index('note', '{title}', metric => NULL)", psycopg.errors.InvalidParameterValue, "metric"),
        ("semantic_index('note', '{title}', name => 'stars')", psycopg.errors.DuplicateObject, "already has a column"),
        ("semantic_index('note', '{title}', name => '')", psycopg.errors.InvalidParameterValue, "bytes"),
        ("semantic_index('keyless', '{body}')", psycopg.errors.InvalidParameterValue, "no primary key"),
        ("semantic_index('note_view', '{title}')", psycopg.errors.InvalidParameterValue, "not a table"),
        ("semantic_index('nowhere', '{title}')", psycopg.errors.UndefinedTable, "nowhere"),
        ("semantic_refresh('note')", psycopg.errors.UndefinedObject, "no semantic index"),
        ("semantic_drop('note')", psycopg.errors.UndefinedObject, "no semantic index"),
    ],
)
def test_what_cannot_be_indexed(note: psycopg.Connection, call: str, error: type[Exception], says: str) -> None:
    note.execute("CREATE TABLE keyless (body text)")
    note.execute("CREATE VIEW note_view AS SELECT * FROM note")
    with pytest.raises(error, match=says):
        note.execute(f"CALL {call}")


@pytest.mark.parametrize("method", ["hnsw", "ivfflat", "none"])
@pytest.mark.parametrize("metric", ["cosine", "l2", "inner_product"])
def test_methods_and_metrics(note: psycopg.Connection, method: str, metric: str) -> None:
    note.execute("CALL semantic_index('note', '{body}', method => %s, metric => %s)", (method, metric))
    found = note.execute("SELECT s.key FROM semantic_search('number 7', 'note', 1, 'vector') s").fetchall()
    assert found == [({"id": 7},)]
    assert value(note, "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE %s", f"% USING {method} %") == (
        method != "none"
    )


def test_drop_leaves_the_table_as_it_was(note: psycopg.Connection) -> None:
    catalog = (
        "SELECT (SELECT jsonb_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'note'::regclass"
        " AND NOT attisdropped)::text, (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zz%'),"
        " (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_class)"
    )
    before = note.execute(catalog).fetchone()
    note.execute("CALL semantic_index('note', '{title}')")
    note.execute("CALL semantic_index('note', '{body}', name => 'second')")
    with pytest.raises(psycopg.errors.UndefinedObject, match="several"):
        note.execute("SELECT * FROM semantic_search('x', 'note')")
    row = value(note, "SELECT s.row FROM semantic_search('x', 'note', 1, name => 'second') s")
    assert row.keys() == {"id", "title", "body", "stars"}
    note.execute("CALL semantic_drop('note', 'embedding')")
    note.execute("CALL semantic_drop('note')")
    assert note.execute(catalog).fetchone() == before


def test_a_new_owner_takes_the_index_over(note: psycopg.Connection, role: str) -> None:
    note.execute("CALL semantic_index('note', '{title}')")
    note.execute(f"GRANT CREATE ON SCHEMA public TO {role}; ALTER TABLE note OWNER TO {role}")
    # Writers go on at once.
    note.execute("INSERT INTO note VALUES (99, 'a grand piano')")
    note.execute(f"SET ROLE {role}")
    note.execute("INSERT INTO note VALUES (100, 'a lone wolf')")
    assert missing(note) == 0
    note.execute("CALL semantic_refresh('note')")
    note.execute("CALL semantic_drop('note')")
    assert value(note, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zz%'") == 0


def test_a_lost_column_is_told(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title}')")
    note.execute("ALTER TABLE note RENAME COLUMN title TO heading")
    for call in ("INSERT INTO note VALUES (100, 'x')", "CALL semantic_refresh('note')"):
        with pytest.raises(psycopg.errors.UndefinedObject, match="has lost its column") as caught:
            note.execute(call)
        assert "semantic_drop" in caught.value.diag.message_hint
    note.execute("CALL semantic_drop('note')")
    note.execute("INSERT INTO note VALUES (100, 'x')")


def test_triggers_of_the_table_fire_once(note: psycopg.Connection) -> None:
    note.execute("""
        CREATE TABLE fired (event text);
        CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO fired VALUES (TG_LEVEL || TG_OP); RETURN NEW; END';
        CREATE TRIGGER each_row BEFORE INSERT OR UPDATE ON note FOR EACH ROW EXECUTE FUNCTION fire();
        CREATE TRIGGER statement AFTER INSERT OR UPDATE ON note EXECUTE FUNCTION fire();
    """)
    note.execute("CALL semantic_index('note', '{title}')")
    assert value(note, "SELECT count(*) FROM fired") == 0
    note.execute("INSERT INTO note VALUES (100, 'a lone wolf'); UPDATE note SET title = 'a sheep' WHERE id = 100")
    fired = [event for (event,) in note.execute("SELECT event FROM fired ORDER BY event")]
    assert fired == ["ROWINSERT", "ROWUPDATE", "STATEMENTINSERT", "STATEMENTUPDATE"]
    assert missing(note) == 0


def test_what_fails_leaves_nothing_behind(note: psycopg.Connection) -> None:
    note.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$not now$$; END';
        CREATE TRIGGER refuse BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION refuse();
        ALTER TABLE note ENABLE ALWAYS TRIGGER refuse;
    """)
    catalog = (
        "SELECT (SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = 'note'::regclass AND attnum > 0"
        " AND NOT attisdropped), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_proc),"
        " (SELECT count(*) FROM pg_class)"
    )
    before = note.execute(catalog).fetchone()
    with pytest.raises(psycopg.errors.RaiseException, match="not now"):
        note.execute("CALL semantic_index('note', '{title}')")
    assert note.execute(catalog).fetchone() == before
