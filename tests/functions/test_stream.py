"""Streams: definitions, transforms, dead letters, retries, tables as sources, rights."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors, sql
from streams import KAFKA, Reader, create, payments

Connect = Callable[..., psycopg.Connection]


def test_records_are_written_with_their_offset(db: psycopg.Connection) -> None:
    create(db)
    reader = Reader(db, "payments")
    assert reader.write(payments((1, 2.5, "2026-01-01T00:00:00Z"), (2, None, None))) == 2
    assert db.execute("SELECT id, amount FROM payment ORDER BY id").fetchall() == [(1, 2.5), (2, None)]
    stats = 'SELECT partition, "offset", lag, rows, dead, state, error FROM stream_stats'
    assert db.execute(stats).fetchall() == [("payment/0", 2, 0, 2, 0, "running", None)]


def test_what_cannot_be_read_is_a_dead_letter_and_can_be_retried(db: psycopg.Connection) -> None:
    create(db)
    reader = Reader(db, "payments")
    good = payments((1, 1, None))[0]
    bad = ["{broken", '{"id": "x"}', "[1]", "7", '{"id": 3', '{"amount": "\\u0000"}', '{"id": 99999999999999999999}']
    # Missing fields are NULL, unknown ones are left out: a schema may evolve.
    more = ['{"id": 5, "new": {"a": [1]}}', "{}"]
    assert reader.write([good, *bad, *more, good]) == 11
    assert value(db, "SELECT array_agg(id ORDER BY id) FROM payment") == [1, 1, 5, None]
    letters = db.execute('SELECT "offset", sqlstate, payload FROM stream_dead_letter ORDER BY id').fetchall()
    assert [(place, bytes(payload).decode()) for place, _, payload in letters] == list(enumerate(bad, 1))
    assert {state[:2] for _, state, _ in letters} == {"22"}
    assert value(db, "SELECT dead FROM stream_stats") == len(bad)
    assert value(db, "SELECT stream_retry('payments')") == 0
    assert value(db, "SELECT count(*) FROM stream_dead_letter") == len(bad)
    # A column that takes what came: the letters are taken now.
    create(
        db,
        columns='["id text", "amount numeric", "sent_at timestamptz"]',
        transform="SELECT NULL::bigint AS id FROM batch",
    )
    assert value(db, "SELECT stream_retry('payments')") == 2
    assert value(db, "SELECT count(*) FROM stream_dead_letter") == len(bad) - 2


def test_skip_and_stop(db: psycopg.Connection) -> None:
    create(db, on_error="skip")
    reader = Reader(db, "payments")
    reader.write(["broken", '{"id": 1}'])
    assert db.execute("SELECT rows, dead, skipped FROM stream_stats").fetchall() == [(1, 0, 1)]
    create(db, on_error="stop")
    assert reader.write(['{"id": 2}', "broken"]) == -1
    state, error, offset = db.execute('SELECT state, error, "offset" FROM stream_stats').fetchone()
    assert (state, offset) == ("stopped", 2)
    assert "record 3 of payment/0" in error
    assert value(db, "SELECT count(*) FROM payment") == 1
    assert reader.write(['{"id": 2}']) == -1
    db.execute("CALL stream_resume('payments')")
    assert reader.write(['{"id": 2}']) == 1


def test_a_worker_that_lost_its_lease_writes_nothing(db: psycopg.Connection, connect: Connect) -> None:
    create(db)
    slow, quick = Reader(connect(), "payments"), Reader(connect(), "payments")
    slow.write(['{"id": 1}'])
    # As if it had said nothing for long.
    db.execute("UPDATE llm.stream_offset SET lease_until = clock_timestamp() - interval '1 s'")
    db.execute("UPDATE llm.stream_consumer SET seen_at = clock_timestamp() - interval '1 min'")
    quick.lease()
    assert quick.position == 1
    with pytest.raises(errors.SerializationFailure, match="read by another session"):
        slow.write(['{"id": 2}'])
    quick.write(['{"id": 3}'])
    assert value(db, "SELECT array_agg(id ORDER BY id) FROM payment") == [1, 3]


def test_the_lease_of_a_session_that_is_gone_is_free_at_once(db: psycopg.Connection, connect: Connect) -> None:
    create(db)
    gone = connect()
    Reader(gone, "payments").write(['{"id": 1}'])
    gone.close()
    db.execute("SELECT pg_sleep(0.2)")
    assert Reader(connect(), "payments").write(['{"id": 2}']) == 1


def test_partitions_are_shared_evenly(db: psycopg.Connection, connect: Connect) -> None:
    create(db)
    number = value(db, "SELECT id FROM llm.stream_assignments()")
    names = [f"payment/{n}" for n in range(6)]
    lease = "SELECT count(*) FROM llm.stream_lease(%s, %s)"
    first, second, third = connect(), connect(), connect()
    assert value(first, lease, number, names) == 6
    assert value(second, lease, number, names) == 0
    assert value(first, lease, number, names) == 3
    assert value(second, lease, number, names) == 3
    assert value(third, lease, number, names) == 0
    assert [value(c, lease, number, names) for c in (first, second, third)] == [2, 2, 2]
    second.close()
    db.execute("SELECT pg_sleep(0.2)")
    assert [value(c, lease, number, [*names, "payment/6"]) for c in (first, third)] == [4, 3]


def test_upserts_by_key(db: psycopg.Connection) -> None:
    create(db, key=["id"])
    reader = Reader(db, "payments")
    reader.write(payments((1, 1, None), (1, 2, None), (2, 5, None)))
    reader.write(payments((2, 6, None), (3, 7, None)))
    assert db.execute("SELECT id, amount FROM payment ORDER BY id").fetchall() == [(1, 2), (2, 6), (3, 7)]


def test_a_transform_with_metadata_and_a_changed_one(db: psycopg.Connection) -> None:
    transform = "SELECT id, stream_partition AS part, stream_offset AS place, stream_key AS key FROM batch WHERE id > 0"
    create(db, transform=transform)
    reader = Reader(db, "payments")
    reader.write(payments((0, 1, None), (4, 1, None)))
    assert db.execute("SELECT * FROM payment").fetchall() == [(4, "payment/0", 1, "k")]
    create(db, transform="WITH b AS (SELECT max(id) AS id FROM batch) SELECT id * 10 AS id FROM b")
    reader.write(payments((5, 1, None), (6, 1, None)))
    assert value(db, "SELECT array_agg(id) FROM payment") == [4, 60]


NO_STREAMS: list[tuple[dict[str, Any], str]] = [
    ({"source": '{"kind": "zeromq"}'}, "has the kind 'zeromq'"),
    ({"source": "[]"}, "must be a JSON object"),
    ({"source": '{"kind": "kafka", "topic": "a"}'}, 'either "servers" or "security"'),
    ({"source": '{"kind": "kafka", "servers": "a", "topic": "a", "security": "PROD"}'}, "either"),
    ({"source": '{"kind": "kafka", "servers": "a", "topic": "a", "password": "x"}'}, 'has no "password"'),
    ({"source": '{"kind": "kafka", "security": "a secret!", "topic": "a"}'}, "name of a setting"),
    ({"source": '{"kind": "kafka", "servers": "a", "pattern": "("}'}, "no regular expression"),
    ({"source": '{"kind": "kafka", "servers": "a", "topic": "a", "format": "xml"}'}, "format 'xml'"),
    ({"source": '{"kind": "kafka", "servers": "a", "topic": "a", "max_bytes": 0}'}, "max_bytes"),
    ({"source": '{"kind": "http", "port": 80}'}, "port"),
    ({"columns": None}, "columns must say"),
    ({"columns": "[]"}, "1 to 1000"),
    ({"columns": '["id nowhere"]'}, "no type"),
    ({"columns": '["id numeric(9,2)"]'}, "no type that a column"),
    ({"columns": '["id int", "id int"]'}, "no name of its own"),
    ({"columns": '["stream_offset int"]'}, "no name of its own"),
    ({"columns": '["id int); DROP TABLE x"]'}, "no type"),
    ({"transform": ""}, "transform is empty"),
    ({"transform": "SELECT nothing FROM batch"}, "cannot be read"),
    ({"transform": "DELETE FROM pg_class"}, "cannot be read"),
    ({"transform": "SELECT 1) AS q; SELECT (1"}, "cannot be read"),
    ({"transform": "SELECT id, id FROM batch"}, "two of one name"),
    ({"key": ["missing"]}, "no column"),
    ({"event_time": "id"}, "no column of the records with a time"),
    ({"on_error": "ignore"}, "invalid on_error"),
    ({"max_batch": 0}, "max_batch"),
    ({"max_delay": "-1 s"}, "max_delay"),
    ({"target": "a.b.c"}, "target"),
    ({"target": ""}, "target"),
]


def test_what_cannot_be_a_stream(db: psycopg.Connection) -> None:
    for options, match in NO_STREAMS:
        with pytest.raises(errors.InvalidParameterValue, match=match):
            create(db, **options)
    assert value(db, "SELECT count(*) FROM llm.all_stream") == 0
    assert value(db, "SELECT to_regclass('payment')") is None


def test_formats_that_need_a_registry(db: psycopg.Connection) -> None:
    source = {"kind": "kafka", "servers": "a", "topic": "a"}
    for wrong in (
        {"format": "avro"},
        {"format": "protobuf"},
        {"registry": "X"},
        {"format": "avro", "registry": "http://x"},
        {"format": "text", "registry": "X"},
    ):
        with pytest.raises(errors.InvalidParameterValue, match="registry"):
            create(db, source=json.dumps(source | wrong))
    for format_ in ("avro", "protobuf"):
        create(db, format_, format_, source=json.dumps(source | {"format": format_, "registry": "X"}))
        # The worker makes JSON of it.
        assert Reader(db, format_).write(['{"id": 1}']) == 1


def test_csv_and_text(db: psycopg.Connection) -> None:
    source = json.loads(KAFKA)
    create(db, source=json.dumps(source | {"format": "csv"}))
    reader = Reader(db, "payments")
    reader.write(['1,"2.5",2026-01-01', "2,,", "1,2", "x,1,", '"open', ""])
    assert db.execute("SELECT id, amount FROM payment ORDER BY id").fetchall() == [(1, 2.5), (2, None)]
    assert value(db, "SELECT count(*) FROM stream_dead_letter") == 4
    create(db, "lines", "line", source=json.dumps(source | {"format": "text"}), columns=None)
    Reader(db, "lines").write(["{not json", "", "é\n"])
    assert [row[0] for row in db.execute("SELECT value FROM line").fetchall()] == ["{not json", "", "é\n"]


def test_a_table_as_source(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE ticket (id int PRIMARY KEY, body text, vector vector(2))")
    source = '{"kind": "table", "table": "ticket", "events": ["insert", "update", "delete"]}'
    transform = "SELECT id, upper(body) AS body, stream_key AS event FROM batch"
    create(db, "tickets", "routed", source=source, columns=None, transform=transform)
    db.execute("INSERT INTO ticket VALUES (1, 'a', '[1,2]'), (2, 'b', NULL)")
    db.execute("UPDATE ticket SET body = 'c' WHERE id = 2; DELETE FROM ticket WHERE id = 1")
    assert value(db, "SELECT stream_run('tickets', 3)") == 3
    assert value(db, "SELECT stream_run('tickets')") == 1
    assert value(db, "SELECT stream_run('tickets')") == 0
    assert db.execute("SELECT * FROM routed").fetchall() == [
        (1, "A", "insert"),
        (2, "B", "insert"),
        (2, "C", "update"),
        (1, "A", "delete"),
    ]
    db.execute("CALL stream_drop('tickets')")
    assert value(db, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'stream%'") == 0
    assert value(db, "SELECT count(*) FROM llm.stream_change") == 0


def test_writers_of_a_source_need_no_right_on_the_stream(db: psycopg.Connection, connect: Connect, role: str) -> None:
    db.execute(f"CREATE TABLE ticket (id int PRIMARY KEY); GRANT INSERT ON ticket TO {role}")
    create(db, "tickets", "routed", source='{"kind": "table", "table": "ticket"}', columns=None)
    number = value(db, "SELECT id FROM llm.stream_assignments()")
    theirs = connect(user=role)
    theirs.execute("INSERT INTO ticket VALUES (1), (2)")
    # A trigger that somebody makes by hand on a table of their own puts nothing into the stream.
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    theirs.execute("CREATE TABLE planted (id int)")
    theirs.execute(
        f"CREATE TRIGGER stream_{number}_insert AFTER INSERT ON planted REFERENCING NEW TABLE AS changed"
        f" FOR EACH STATEMENT EXECUTE FUNCTION llm.follow_stream({number})"
    )
    theirs.execute("INSERT INTO planted VALUES (666)")
    assert value(db, "SELECT stream_run('tickets')") == 2
    assert value(db, "SELECT array_agg(id ORDER BY id) FROM routed") == [1, 2]


def test_seek_pause_and_drop(db: psycopg.Connection) -> None:
    create(db)
    reader = Reader(db, "payments")
    reader.write(payments((1, 1, None), (2, 1, None)))
    assert value(db, """SELECT stream_seek('payments', 'payment/0', 1)""") == 1
    with pytest.raises(errors.SerializationFailure):
        reader.write(payments((3, 1, None)))
    reader.lease()
    assert reader.position == 1
    for wrong in ("'payments'", "'payments', 'other', 1", "'payments', NULL, -1", "'payments', NULL, 1, now()"):
        with pytest.raises(errors.InvalidParameterValue):
            db.execute(f"SELECT stream_seek({wrong})")
    db.execute("CALL stream_pause('payments')")
    assert reader.write(payments((3, 1, None))) == -1
    assert db.execute("SELECT * FROM llm.stream_assignments()").fetchall() == []
    db.execute("CALL stream_drop('payments')")
    assert value(db, "SELECT count(*) FROM llm.stream_offset") == 0
    assert value(db, "SELECT count(*) FROM payment") == 2
    with pytest.raises(errors.UndefinedObject):
        db.execute("CALL stream_drop('payments')")


def test_a_schema_that_evolves(db: psycopg.Connection) -> None:
    create(db, columns='["id bigint", "amount numeric"]')
    reader = Reader(db, "payments")
    # Producers add a field, leave one out, and write a number as a text: nothing of this needs a new stream.
    reader.write(['{"id": 1, "amount": 5}', '{"id": 2, "amount": 6, "country": "SE"}', '{"id": "3"}'])
    # The new field is taken from the next batch on; the table grows first, and the former records stay as they are.
    db.execute("ALTER TABLE payment ADD COLUMN country text")
    create(db, columns='["id bigint", "amount numeric", "country text"]')
    reader.write(['{"id": 4, "amount": 7, "country": "NO"}', '{"id": 5, "amount": 8}'])
    # A field whose type changed is a dead letter until the stream is told what to make of it.
    reader.write(['{"id": 6, "amount": {"value": 9, "currency": "EUR"}, "country": "DE"}'])
    assert value(db, "SELECT sqlstate FROM stream_dead_letter") == "22P02"
    create(
        db,
        columns='["id bigint", "amount jsonb", "country text"]',
        transform="""
            SELECT id, coalesce(amount ->> 'value', amount #>> '{}')::numeric AS amount, country FROM batch
        """,
    )
    assert value(db, "SELECT stream_retry('payments')") == 1
    assert db.execute("SELECT id, amount, country FROM payment ORDER BY id").fetchall() == [
        (1, 5, None),
        (2, 6, None),
        (3, None, None),
        (4, 7, "NO"),
        (5, 8, None),
        (6, 9, "DE"),
    ]


def test_time_zones(db: psycopg.Connection, connect: Connect) -> None:
    db.execute("SET timezone = 'Asia/Kolkata'")
    create(db, event_time="sent_at")
    db.execute("CALL stream_window('hourly', 'payments', 'tumbling', '1 hour')")
    # Whoever reads it is somewhere else: what has no offset is meant in the zone of whoever made the stream.
    reader = connect()
    reader.execute("SET timezone = 'America/St_Johns'")
    moments = ("2026-01-01T05:30:00", "2026-01-01T00:00:00Z", "2026-01-01T09:00:00+09:00", "2025-12-31T20:30:00-03:30")
    Reader(reader, "payments").write(payments(*((n, 1, at) for n, at in enumerate(moments))))
    # One hour that a clock that is put back shows twice: two windows.
    autumn = ("2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00")
    Reader(reader, "payments").write(payments(*((n, 1, at) for n, at in enumerate(autumn, 10))))
    Reader(reader, "payments").write(payments((20, 1, "2026-01-01T00:00:00 Nowhere/Town"), (21, 1, "yesterday-ish")))
    db.execute("SET timezone = 'UTC'")
    found = db.execute("SELECT window_start::text, rows FROM hourly ORDER BY 1").fetchall()
    assert found == [("2026-01-01 00:00:00+00", 4), ("2026-10-25 00:00:00+00", 1), ("2026-10-25 01:00:00+00", 1)]
    assert value(db, "SELECT count(*) FROM stream_dead_letter WHERE sqlstate LIKE '22%'") == 2


def test_a_transform_that_broke_stops_the_stream(db: psycopg.Connection) -> None:
    create(db)
    reader = Reader(db, "payments")
    db.execute("ALTER TABLE payment DROP COLUMN amount")
    assert reader.write(payments((1, 1, None))) == -1
    assert "amount" in value(db, "SELECT error FROM stream_stats")
    assert value(db, "SELECT count(*) FROM stream_dead_letter") == 0


def test_a_stream_runs_as_its_owner_and_is_seen_by_nobody_else(
    db: psycopg.Connection, connect: Connect, role: str
) -> None:
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}; CREATE TABLE secret (x int); INSERT INTO secret VALUES (1)")
    theirs = connect(user=role)
    theirs.execute("""
        CREATE FUNCTION steal() RETURNS text LANGUAGE plpgsql AS $$
        BEGIN
            IF CURRENT_USER = 'reader' THEN RETURN CURRENT_USER; END IF;
            RAISE 'not as its owner';
        END $$
    """)
    create(theirs, "theirs", "mine", transform="SELECT steal() AS who, id FROM batch")
    create(db)
    # A worker with more rights than the owner runs it with the owner's only.
    assert Reader(db, "theirs").write(payments((1, 1, None))) == 1
    assert value(db, "SELECT who FROM mine") == role
    theirs.execute("""
        CREATE OR REPLACE FUNCTION steal() RETURNS text LANGUAGE sql AS 'SELECT x::text FROM secret';
    """)
    reader = Reader(db, "theirs", "payment/1")
    assert reader.write(payments((1, 1, None))) == -1
    assert "permission denied" in value(db, "SELECT error FROM stream_stats WHERE name = 'theirs' LIMIT 1")
    theirs.execute(
        "CREATE OR REPLACE FUNCTION steal() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; RETURN 1; END $$"
    )
    db.execute("CALL stream_resume('theirs')")
    reader.write(payments((1, 1, None)))
    assert value(db, "SELECT count(*) FROM mine WHERE who <> 'reader'") == 0
    # Others' streams are not there for them.
    assert {row[0] for row in theirs.execute("SELECT name FROM stream_stats").fetchall()} == {"theirs"}
    number = value(db, "SELECT id FROM llm.all_stream WHERE name = 'payments'")
    for call in (
        "CALL stream_drop('payments')",
        "CALL stream_pause('payments')",
        "CALL stream_resume('payments')",
        "SELECT stream_seek('payments', NULL, 0)",
        "SELECT stream_retry('payments')",
        f"SELECT llm.stream_lease({number}, '{{payment/0}}')",
        f"SELECT llm.stream_report({number}, NULL, 'x', true)",
        f"SELECT llm.stream_write({number}, '[]', '[]', '[]', '[]', '[]', '[]', '[]')",
    ):
        with pytest.raises(errors.UndefinedObject):
            theirs.execute(call)
    with pytest.raises(errors.DuplicateObject):
        create(theirs, "payments", "other")
    with pytest.raises(errors.InsufficientPrivilege):
        create(theirs, "into", "payment")
    with pytest.raises(errors.InsufficientPrivilege):
        create(theirs, "from_table", "taken", source='{"kind": "table", "table": "secret"}', columns=None)
    for relation in ("llm.all_stream", "llm.stream_offset", "llm.all_stream_dead_letter", "llm.stream_change"):
        for statement in (f"SELECT * FROM {relation}", f"DELETE FROM {relation}"):
            with pytest.raises(errors.InsufficientPrivilege):
                theirs.execute(statement)


def test_nobody_plants_a_stream_in_anothers_name(db: psycopg.Connection, connect: Connect, role: str) -> None:
    """A database's owner may restore rows of definitions; what they write there runs for nobody but themselves."""
    create(db)
    database = db.info.dbname
    db.execute(f'ALTER DATABASE "{database}" OWNER TO {role}')
    theirs = connect(user=role)
    theirs.execute("""
        INSERT INTO llm.all_stream (name, source, target, columns, transform, key, on_error, max_batch, max_delay,
                                    settings, usename)
        VALUES ('planted', '{"kind": "kafka"}', 'payment', '[["id", "bigint"]]', 'SELECT 1 AS id', '{}', 'skip', 10, 10,
                '{}', 'postgres')
    """)
    assert value(db, "SELECT usename FROM llm.all_stream WHERE name = 'planted'") == role
    assert db.execute("SELECT name FROM llm.stream_assignments()").fetchall() == [("payments",)]
    number = value(db, "SELECT id FROM llm.all_stream WHERE name = 'planted'")
    with pytest.raises(errors.InsufficientPrivilege, match="was made by a role"):
        db.execute("SELECT llm.stream_write(%s, '[]', '[]', '[]', '[]', '[]', '[]', '[]')", (number,))
    db.execute(f'ALTER DATABASE "{database}" OWNER TO postgres')


def test_calls_for_one_text_are_made_for_a_batch_at_once(db: psycopg.Connection) -> None:
    columns = '["id bigint", "body text", "kind text"]'
    told: list[str] = []
    db.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    text = """
        SELECT id, llm_clean(body) AS body, upper(kind) AS kind, llm_classify(body, '{praise,complaint}') AS label
        FROM batch WHERE kind IS DISTINCT FROM 'FROM batch'
    """
    create(db, columns=columns, transform=text, key=["id"])
    assert value(db, "SELECT count(*) FROM llm.all_stream WHERE transform LIKE '%llm_c%_batch(%llm_c%_batch(%'") == 1
    assert told == []
    row_form = text.replace("llm_clean(body)", "llm_clean(body) || ''").replace(
        "llm_classify(", "(SELECT 1) || llm_classify("
    )
    create(db, "others", "other", columns=columns, transform=row_form, key=["id"])
    assert len(told) == 2
    rows: list[dict[str, object]] = [
        {"id": n % 7, "body": body, "kind": kind}
        for n, (body, kind) in enumerate(
            [
                *(("I  am  very happy, thank you", "a"), (None, "b"), ("", None), ("not taken", "FROM batch")),
                *((f"a complaint {n}", f"k{n}") for n in range(10)),
            ]
        )
    ]
    for stream in ("payments", "others"):
        assert Reader(db, stream).write([json.dumps(row) for row in rows]) == len(rows)
    ours = db.execute("SELECT id, body, kind, label FROM payment ORDER BY id").fetchall()
    assert len(ours) == 7
    assert ours == db.execute("SELECT id, body, kind, substr(label, 2) FROM other ORDER BY id").fetchall()


def test_without_temporary_tables_no_transform_is_read(db: psycopg.Connection, connect: Connect, role: str) -> None:
    name = sql.Identifier(role)
    db.execute(sql.SQL("CREATE SCHEMA own AUTHORIZATION {}").format(name))
    db.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(db.info.dbname)))
    owner = connect(role)
    create(owner, target="own.payment")
    with pytest.raises(errors.InsufficientPrivilege) as caught:
        create(owner, target="own.payment", transform="SELECT * FROM batch")
    assert "GRANT TEMPORARY" in str(caught.value.diag.message_hint)
    db.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO PUBLIC").format(sql.Identifier(db.info.dbname)))


def test_a_transform_means_later_what_it_meant(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE price (id bigint, amount numeric); INSERT INTO price VALUES (1, 10)")
    db.execute("CREATE SCHEMA other; CREATE TABLE other.price (id bigint, amount numeric)")
    create(db, transform="SELECT *, (SELECT p.amount FROM price AS p WHERE p.id = batch.id) AS price FROM batch")
    create(db, "parts", "part", transform="SELECT stream_partition, x.id FROM batch AS x;")
    db.execute("SET search_path = other, public")
    assert Reader(db, "payments").write(payments((1, 5, None))) == 1
    assert Reader(db, "parts").write(payments((1, 5, None))) == 1
    assert db.execute("SELECT id, amount, price FROM payment").fetchall() == [(1, 5, 10)]
    assert db.execute("SELECT stream_partition, id FROM part").fetchall() == [("payment/0", 1)]
    db.execute("CREATE TEMPORARY TABLE mine (id bigint)")
    with pytest.raises(errors.InvalidParameterValue, match="reads the temporary table mine"):
        create(db, "temporary", "t", transform="SELECT batch.id FROM batch, mine")
