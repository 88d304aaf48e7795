from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from companion import companion, missing, surplus, untrue
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


OURS = "SELECT count(*) FROM pg_trigger WHERE tgname ~ '^llm_'"


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
    assert missing(note) == surplus(note) == untrue(note) == 0
    note.execute("TRUNCATE note")
    assert value(note, "SELECT count(*) FROM note_embedding") == 0


def test_other_columns_cost_nothing(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title,body}')")
    before = rows_embedded(note)
    note.execute("UPDATE note SET stars = 5")
    note.execute("UPDATE note SET title = title")
    assert rows_embedded(note) == before
    note.execute("UPDATE note SET title = 'other' WHERE id <= 3")
    # Each is split first, and then embedded.
    assert rows_embedded(note) == before + 2 * 3


def test_manual_waits_for_refresh(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title}', sync => 'manual')")
    note.execute("UPDATE note SET title = 'changed' WHERE id = 1")
    note.execute("INSERT INTO note VALUES (100, 'new')")
    note.execute("DELETE FROM note WHERE id = 2")
    assert missing(note) == 2
    assert surplus(note) == 2
    assert value(note, OURS) == 0
    note.execute("CALL semantic_refresh('note')")
    assert missing(note) == surplus(note) == untrue(note) == 0


BLANK = ("NULL", "''", "'  '", "E'\\n\\t'")


def test_rows_without_text_stay_out(note: psycopg.Connection) -> None:
    for number, text in enumerate(BLANK, 50):
        note.execute(f"INSERT INTO note VALUES ({number}, {text}, {text})")
    note.execute("CALL semantic_index('note', '{title,body}')")
    rows = "SELECT count(*) FROM note_embedding"
    assert value(note, rows) == 20
    note.execute("INSERT INTO note VALUES (60, '', NULL), (61, 'text', ''), (62, ' ', E'\\n')")
    assert value(note, rows) == 21
    assert missing(note) == surplus(note) == 0


def test_text_that_comes_and_goes(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title,body}')")
    chunks = "SELECT count(*) FROM note_embedding WHERE id = 7"
    for text in ("'some text'", *BLANK, "'new text'"):
        note.execute(f"UPDATE note SET title = {text}, body = {text} WHERE id = 7")
        assert value(note, chunks) == (text not in BLANK)
        assert missing(note) == surplus(note) == untrue(note) == 0
    # What somebody has done to the companion is mended.
    note.execute("DELETE FROM note_embedding WHERE id < 5; UPDATE note_embedding SET text_hash = '' WHERE id = 6")
    assert missing(note) == 5
    note.execute("CALL semantic_refresh('note')")
    assert missing(note) == surplus(note) == 0


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_inside_a_transaction_block(note: psycopg.Connection, end: str) -> None:
    note.execute("BEGIN")
    note.execute("SET LOCAL search_path = public")
    note.execute("CALL semantic_index('note', '{title}')")
    assert value(note, "SHOW search_path") == "public"
    assert missing(note) == 0
    note.execute(end)
    there = end == "COMMIT"
    assert value(note, "SELECT count(*) FROM llm.semantic_index") == there
    assert (value(note, "SELECT to_regclass('note_embedding')") is not None) == there
    assert (value(note, OURS) > 0) == there


def test_inside_other_code(note: psycopg.Connection) -> None:
    note.execute("DO $$ BEGIN CALL semantic_index('note', '{title}'); EXCEPTION WHEN division_by_zero THEN END $$")
    assert missing(note) == 0
    note.execute("BEGIN; SAVEPOINT s; INSERT INTO note VALUES (100, 'a lone wolf'); ROLLBACK TO s")
    note.execute(
        "INSERT INTO note VALUES (100, 'a grand piano'); SAVEPOINT t; CALL semantic_drop('note'); ROLLBACK TO t"
    )
    note.execute("COMMIT")
    assert first(note, "music") == {"id": 100}
    note.execute("DELETE FROM note_embedding; DO $$ BEGIN CALL semantic_refresh('note'); END $$")
    assert missing(note) == 0


def in_two_sessions(sessions: tuple[psycopg.Connection, psycopg.Connection], query: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda session: session.execute(query), sessions))


def test_two_sessions_ask_for_the_same_index(note: psycopg.Connection, connect: Connect) -> None:
    note.execute("INSERT INTO note SELECT n, 'text ' || n FROM generate_series(100, 900) n")
    sessions = (note, connect())
    in_two_sessions(sessions, "CALL semantic_index('note', '{title}')")
    assert missing(note) == 0
    assert value(note, "SELECT count(*) FROM pg_indexes WHERE tablename = 'note_embedding'") == 3
    assert value(note, "SELECT count(*) FROM llm.semantic_index") == 1
    # Nothing to embed, so that both come to build the indexes at once.
    for _ in range(5):
        for (name,) in note.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'note_embedding' AND indexdef !~ 'UNIQUE'"
        ).fetchall():
            note.execute(f"DROP INDEX {name}")
        in_two_sessions(sessions, "CALL semantic_index('note', '{title}')")
        assert value(note, "SELECT count(*) FROM pg_indexes WHERE tablename = 'note_embedding'") == 3


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
    assert written > 1
    assert missing(note) == surplus(note) == untrue(note) == 0


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
    assert rows_embedded(db) - before == 2 * (700 - filled)


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
        f"""SELECT to_jsonb(t) - 'body'
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
    assert missing(db) == surplus(db) == untrue(db) == 0
    # A key is given in full, however few digits the session shows.
    found = first(db, "music")
    db.execute("RESET extra_float_digits")
    assert found == value(db, "SELECT to_jsonb(t) - 'body' FROM note AS t")
    db.execute("DELETE FROM note")
    assert surplus(db) == 0


def test_names_as_long_and_odd_as_they_may_be(db: psycopg.Connection) -> None:
    table, column, name = "t" * 63, "größe $1 %s \"' \\", "ä" * 31 + "x"
    quoted = '"' + column.replace('"', '""') + '"'
    db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, {quoted} int, body json)")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="1 to 63 bytes"):
        db.execute("CALL semantic_index(%s, ARRAY['body'], name => %s)", (table, name + "x"))
    db.execute("CALL semantic_index(%s, ARRAY[%s, 'body'], name => %s)", (table, column, name))
    db.execute(f'INSERT INTO {table} VALUES (1, 42, \'{{"fruit": "apple"}}\')')
    db.execute(f'UPDATE {table} SET body = \'{{"pet": "hamster"}}\'')
    assert missing(db, table) == surplus(db, table) == untrue(db, table) == 0
    assert value(db, "SELECT columns FROM llm.semantic_index") == [column, "body"]
    db.execute("CALL semantic_drop(%s, %s)", (table, name))
    # The name that is chosen where none is given is cut to what an identifier holds.
    db.execute("CALL semantic_index(%s, '{body}')", (table,))
    assert companion(db, table) == "t" * 53 + "_embedding"
    db.execute(
        "CREATE TABLE other (id int PRIMARY KEY, body text); CALL semantic_index('other', '{body}', name => 'o')"
    )
    db.execute("CALL semantic_drop('other')")


@pytest.mark.parametrize("name", ["chunk", "embedding", "words", "text_hash", "t", "c", "k", "key", "number"])
def test_a_key_of_any_name(db: psycopg.Connection, name: str) -> None:
    db.execute(f"CREATE TABLE note ({name} int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a cat')")
    db.execute("CALL semantic_index('note', '{body}')")
    db.execute("INSERT INTO note VALUES (2, 'a violin'), (3, 'an engine'); DELETE FROM note WHERE body = 'an engine'")
    assert first(db, "music") == {name: 2}
    assert value(db, "SELECT count(*) FROM note_embedding") == 2


def test_an_unlogged_table_has_an_unlogged_companion(db: psycopg.Connection) -> None:
    db.execute("CREATE UNLOGGED TABLE note (id int PRIMARY KEY, body text)")
    db.execute("INSERT INTO note VALUES (1, 'a cat'); CALL semantic_index('note', '{body}')")
    db.execute("INSERT INTO note VALUES (2, 'an engine'); UPDATE note SET body = 'a violin' WHERE id = 1")
    assert missing(db) == surplus(db) == 0
    assert first(db, "music") == {"id": 1}
    assert value(db, "SELECT relpersistence::text FROM pg_class WHERE oid = 'note_embedding'::regclass") == "u"
    db.execute("CALL semantic_drop('note')")


def test_a_temporary_table_is_refused(db: psycopg.Connection) -> None:
    db.execute("CREATE TEMPORARY TABLE note (id int PRIMARY KEY, body text)")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="is temporary") as caught:
        db.execute("CALL semantic_index('note', '{body}')")
    assert "llm_embed" in caught.value.diag.message_hint


def test_an_index_moves_with_its_table(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title}')")
    note.execute('CREATE SCHEMA s; ALTER TABLE note RENAME TO "Memo"; ALTER TABLE "Memo" SET SCHEMA s')
    note.execute("""INSERT INTO s."Memo" VALUES (100, 'a lone wolf'); UPDATE s."Memo" SET title = 'x' WHERE id = 1""")
    assert missing(note, 's."Memo"') == 0
    assert first(note, "animals", 's."Memo"') == {"id": 100}
    note.execute("ALTER TABLE note_embedding RENAME TO vectors")
    note.execute("""INSERT INTO s."Memo" VALUES (101, 'a deep sea')""")
    assert missing(note, 's."Memo"') == 0
    assert value(note, "SELECT name FROM llm.semantic_index") == "vectors"
    note.execute("""CALL semantic_refresh('s."Memo"', 'vectors'); CALL semantic_drop('s."Memo"')""")
    assert value(note, OURS) == 0


@pytest.mark.parametrize("column", ["body", "id"])
def test_an_index_that_lost_a_column_can_be_dropped_only(note: psycopg.Connection, column: str) -> None:
    note.execute("CALL semantic_index('note', '{title,body}')")
    note.execute(f"ALTER TABLE note DROP COLUMN {column}")
    note.execute("INSERT INTO note (title) VALUES ('writers go on')" if column == "id" else "SELECT 1")
    note.execute("UPDATE note SET title = 'changed'; DELETE FROM note WHERE stars = 1")
    for call in ("CALL semantic_refresh('note')", "SELECT * FROM semantic_search('writers', 'note')"):
        with pytest.raises(psycopg.errors.UndefinedObject, match="has lost a column") as caught:
            note.execute(call)
        assert "semantic_drop('public.note', 'note_embedding')" in caught.value.diag.message_hint
    note.execute("CALL semantic_drop('public.note', 'note_embedding')")
    assert value(note, OURS) == 0
    assert value(note, "SELECT to_regclass('note_embedding')") is None


def test_a_companion_that_is_dropped_takes_the_index_along(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title}')")
    note.execute("DROP TABLE note_embedding")
    assert value(note, OURS) == 0
    assert value(note, "SELECT count(*) FROM llm.all_semantic_index") == 0
    note.execute("INSERT INTO note VALUES (100, 'writers go on')")
    with pytest.raises(psycopg.errors.UndefinedObject, match="has no semantic index"):
        note.execute("CALL semantic_drop('note')")
    note.execute("CALL semantic_index('note', '{title}'); DROP TABLE note")
    assert value(note, "SELECT to_regclass('note_embedding')") is None
    assert value(note, "SELECT count(*) FROM llm.all_semantic_index") == 0


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
    db.execute("INSERT INTO note_b VALUES (4, 'b', 'a deep sea'), (5, 'b', 'a high mountain')")
    assert missing(db) == 0
    assert first(db, "ocean") == {"id": 4, "kind": "b"}
    assert first(db, "ocean", "note_a")["kind"] == "a"
    db.execute("UPDATE note SET kind = 'b' WHERE id = 1")
    db.execute("UPDATE note SET kind = 'a', body = 'a blue rose' WHERE id = 1")
    assert missing(db) == surplus(db) == untrue(db) == 0
    db.execute("ALTER TABLE note DETACH PARTITION note_b; INSERT INTO note_b VALUES (6, 'b', 'on its own')")
    assert value(db, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'note_b'::regclass") == 0
    assert first(db, "mountain") != {"id": 5, "kind": "b"}
    db.execute("CALL semantic_refresh('note')")
    assert missing(db) == surplus(db) == 0
    db.execute("CALL semantic_drop('note')")
    assert value(db, OURS) == 0


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
    note.execute("CREATE TABLE mine (id int PRIMARY KEY, title text)")
    for number in ("1", "x", "-1", "99999999999"):
        note.execute(
            "CREATE OR REPLACE TRIGGER t AFTER INSERT ON mine REFERENCING NEW TABLE AS changed FOR EACH STATEMENT"
            f" EXECUTE FUNCTION llm.follow_index('{number}'); INSERT INTO mine VALUES (1, 'mine'); DELETE FROM mine"
        )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        note.execute("CALL semantic_drop('note')")
    note.execute("RESET ROLE")
    assert missing(note) == surplus(note) == 0
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
        ("semantic_index('note', '{title}', name => 'keyless')", psycopg.errors.DuplicateObject, "already a table"),
        ("semantic_index('note', '{title}', name => '')", psycopg.errors.InvalidParameterValue, "bytes"),
        ("semantic_index('keyless', '{body}')", psycopg.errors.InvalidParameterValue, "no primary key"),
        ("semantic_index('note_view', '{title}')", psycopg.errors.InvalidParameterValue, "no primary key"),
        ("semantic_index('note_view', '{title}', key => '{id}')", psycopg.errors.InvalidParameterValue, "not a table"),
        ("semantic_index('note', '{title}', key => '{nope}')", psycopg.errors.InvalidParameterValue, "no column"),
        ("semantic_index('note', '{title}', storage => 'bits')", psycopg.errors.InvalidParameterValue, "storage"),
        ("semantic_index('note', '{title}', chunking => 'odd')", psycopg.errors.InvalidParameterValue, "chunking"),
        ("semantic_index('note', '{title}', chunk_tokens => 1)", psycopg.errors.InvalidParameterValue, "chunk_tokens"),
        ("semantic_index('note', '{title}', template => 'x')", psycopg.errors.InvalidParameterValue, "exactly once"),
        (
            "semantic_index('note', '{title}', template => '{nope}{chunk}')",
            psycopg.errors.InvalidParameterValue,
            "nope",
        ),
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


@pytest.mark.parametrize("storage", ["vector", "halfvec"])
def test_storages(note: psycopg.Connection, storage: str) -> None:
    note.execute("CALL semantic_index('note', '{body}', storage => %s)", (storage,))
    found = note.execute("SELECT s.key FROM semantic_search('number 7', 'note', 1, 'vector') s").fetchall()
    assert found == [({"id": 7},)]
    type_ = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'note_embedding'::regclass"
    assert value(note, type_ + " AND attname = 'embedding'") == f"{storage}(384)"


def test_an_index_leaves_the_table_as_it_was(note: psycopg.Connection) -> None:
    columns = (
        "SELECT jsonb_agg(attname ORDER BY attnum)::text FROM pg_attribute WHERE attrelid = 'note'::regclass"
        " AND NOT attisdropped"
    )
    catalog = (
        f"SELECT ({columns}), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_proc),"
        " (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_constraint), (SELECT count(*) FROM pg_policy)"
    )
    before = note.execute(catalog).fetchone()
    note.execute("CALL semantic_index('note', '{title}')")
    note.execute("CALL semantic_index('note', '{body}', name => 'second')")
    assert value(note, columns) == before[0]
    with pytest.raises(psycopg.errors.UndefinedObject, match="several"):
        note.execute("SELECT * FROM semantic_search('x', 'note')")
    row = value(note, "SELECT s.row FROM semantic_search('x', 'note', 1, name => 'second') s")
    assert row.keys() == {"id", "title", "body", "stars"}
    note.execute("CALL semantic_drop('note', 'note_embedding')")
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
    assert value(note, "SELECT tableowner FROM pg_tables WHERE tablename = 'note_embedding'") == role
    note.execute("CALL semantic_refresh('note')")
    note.execute("CALL semantic_drop('note')")
    assert value(note, OURS) == 0


def test_renamed_columns_are_followed(note: psycopg.Connection) -> None:
    note.execute("CALL semantic_index('note', '{title}')")
    note.execute("ALTER TABLE note RENAME COLUMN title TO heading; ALTER TABLE note RENAME COLUMN id TO number")
    note.execute(
        "INSERT INTO note (number, heading) VALUES (100, 'a lone wolf'); UPDATE note SET heading = 'x' || number"
    )
    note.execute("UPDATE note SET heading = 'a grand piano' WHERE number = 7; CALL semantic_refresh('note')")
    assert first(note, "music") == {"number": 7}
    assert value(note, "SELECT columns FROM llm.semantic_index") == ["heading"]
    assert value(note, "SELECT count(*) FROM note_embedding") == 21
    note.execute("CALL semantic_drop('note')")
    note.execute("INSERT INTO note VALUES (101, 'x')")


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
    catalog = (
        "SELECT (SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = 'note'::regclass AND attnum > 0"
        " AND NOT attisdropped), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_proc),"
        " (SELECT count(*) FROM pg_class), (SELECT count(*) FROM llm.all_semantic_index)"
    )
    before = note.execute(catalog).fetchone()
    # A model whose files are not those that were registered fails only when it is asked.
    note.execute("UPDATE llm.model SET digest = 'other' WHERE name = 'all-minilm-l6-v2'")
    with pytest.raises(psycopg.Error, match="are not those that were registered"):
        note.execute("CALL semantic_index('note', '{title}')")
    assert note.execute(catalog).fetchone() == before
    note.execute("INSERT INTO note VALUES (100, 'writers go on')")


def test_a_table_that_refuses_updates_can_be_indexed(note: psycopg.Connection) -> None:
    note.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$not now$$; END';
        CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON note FOR EACH ROW EXECUTE FUNCTION refuse();
        ALTER TABLE note ENABLE ALWAYS TRIGGER refuse;
    """)
    note.execute("CALL semantic_index('note', '{title}')")
    note.execute("INSERT INTO note VALUES (100, 'a lone wolf')")
    assert missing(note) == 0
    with pytest.raises(psycopg.errors.RaiseException, match="not now"):
        note.execute("UPDATE note SET title = 'x'")


def test_a_table_that_takes_the_place_of_another_takes_the_name_of_its_index(db: psycopg.Connection) -> None:
    # As dbt makes a table anew: the old one is dropped last.
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    db.execute("CALL semantic_index('note', '{body}')")
    with db.transaction():
        db.execute("CREATE TABLE note_new AS SELECT 1 AS id, 'a cat' AS body")
        db.execute("ALTER TABLE note RENAME TO note_old")
        db.execute("ALTER TABLE note_new RENAME TO note")
        db.execute("CALL semantic_index('note', '{body}', key => '{id}')")
        named = db.execute("SELECT target::text, companion::text FROM llm.semantic_index ORDER BY 1").fetchall()
        assert named == [("note", "note_embedding"), ("note_old", "note_old_embedding")]
        db.execute("INSERT INTO note_old VALUES (2, 'a dog')")
        db.execute("DROP TABLE note_old")
    assert value(db, "SELECT s.key FROM semantic_search('kitten', 'note') AS s") == {"id": 1}
    assert value(db, "SELECT count(*) FROM pg_class WHERE relname = 'note_old_embedding'") == 0


def test_a_companion_whose_own_default_name_is_taken_keeps_its_name(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text); CREATE TABLE memo (id int PRIMARY KEY, body text)")
    db.execute("CALL semantic_index('note', '{body}', name => 'memo_embedding')")
    db.execute("CREATE TABLE note_embedding (id int)")
    with pytest.raises(psycopg.errors.DuplicateObject, match='already a table, view or index "memo_embedding"'):
        db.execute("CALL semantic_index('memo', '{body}')")


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_a_new_owner_of_a_view_takes_the_index_over(db: psycopg.Connection, role: str, kind: str) -> None:
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}; CREATE {kind} note AS SELECT 1 AS id, 'a cat'::text AS body")
    db.execute("CALL semantic_index('note', '{body}', key => '{id}', sync => 'manual')")
    db.execute(f"ALTER {kind} note OWNER TO {role}")
    assert value(db, "SELECT tableowner FROM pg_tables WHERE tablename = 'note_embedding'") == role
    assert value(db, "SELECT s.passage FROM semantic_search('kitten', 'note') AS s") == "a cat"


def test_later_chunks_follow_the_title(db: psycopg.Connection) -> None:
    text = " ".join(f"Sentence {n} tells of the harbour and its ships." for n in range(60))
    db.execute("CREATE TABLE guide (id int PRIMARY KEY, title text, body text)")
    db.execute("INSERT INTO guide VALUES (1, 'Lisbon', %s), (2, %s, %s), (3, NULL, %s)", (text, text, text, text))
    db.execute("CALL semantic_index('guide', '{title,body}', chunk_tokens => 64)")
    query = """
        SELECT e.chunk, e.embedding <=> llm_embed(CASE WHEN e.chunk > 1 THEN %s ELSE '' END || s.passage) < 1e-4
        FROM semantic_search('harbour', 'guide', k => 100, mode => 'vector', group_by => 'chunk') AS s
        JOIN guide_embedding AS e ON s.start_pos = e.start_pos AND s.key = jsonb_build_object('id', e.id)
        WHERE e.id = %s
    """
    # A first column that is long, or empty, is no title.
    for number, title in ((1, "Lisbon: "), (2, ""), (3, "")):
        chunks = db.execute(query, (title, number)).fetchall()
        assert len(chunks) > 5
        assert all(same for _, same in chunks), chunks
