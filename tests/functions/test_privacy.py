from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from database import value, write_key
from psycopg import errors
from workbench.cluster import Cluster

TEXT = "Anna Meier, born 3 March 1984, lives at 12 High Street, Oxford OX1 4AB; write to anna.meier@example.com."
FIND = "SELECT kind, text, start_pos, end_pos, score, recognizer FROM llm_find_personal(%s)"


@pytest.fixture
def keyed(db: psycopg.Connection, cluster: Cluster) -> Iterator[psycopg.Connection]:
    """A database with two keys: everybody writes with `shop`, and none but superusers with `other`."""
    for name in ("shop", "other"):
        write_key(db, name, name * 10)
    db.execute("SELECT llm_register_key('shop', 'file:shop', '{public}')")
    db.execute("SELECT llm_register_key('other', 'file:other')")
    yield db
    for name in ("shop", "other"):
        (cluster.data / "pg_llm" / "keys" / name).unlink()


def test_found_with_kind_place_and_score(db: psycopg.Connection) -> None:
    rows = db.execute(FIND, (TEXT,)).fetchall()
    assert [(row[0], row[1]) for row in rows] == [
        ("person", "Anna Meier"),
        ("date_of_birth", "3 March 1984"),
        ("address", "12 High Street, Oxford OX1 4AB"),
        ("email", "anna.meier@example.com"),
    ]
    assert all(TEXT[row[2] - 1 : row[3] - 1] == row[1] and 0.3 <= row[4] <= 1 for row in rows)
    assert [row[5] for row in rows] == ["rampart", "date_of_birth", rows[2][5], "email"]


def test_a_batch_is_as_its_texts_one_by_one(db: psycopg.Connection) -> None:
    texts = [TEXT, None, "", "我叫王小明，身份证号11010519491231002X。", "nothing here", "🧪 call +44 20 7946 0958"]
    batch = db.execute("SELECT ordinality, kind, text, start_pos FROM llm_find_personal_batch(%s)", (texts,)).fetchall()
    single = [
        (number, *row[:3]) for number, text in enumerate(texts, 1) for row in db.execute(FIND, (text,)).fetchall()
    ]
    assert batch == single
    assert {row[:3] for row in batch} >= {(4, "person", "王小明"), (4, "national_id", "11010519491231002X")}
    assert db.execute("SELECT * FROM llm_find_personal_batch(NULL)").fetchall() == []


def test_kinds_that_are_not_asked_for(db: psycopg.Connection) -> None:
    query = "SELECT kind, text FROM llm_find_personal(%s, %s)"
    text = "Angela Merkel met Siemens in Berlin on 3 March 2019, aged 64; card 4111 1111 1111 1111."
    assert [row[0] for row in db.execute(query, (text, None)).fetchall()] == ["person", "card"]
    wanted = ["organization", "location", "date", "age"]
    assert db.execute(query, (text, wanted)).fetchall() == [
        ("organization", "Siemens"),
        ("location", "Berlin"),
        ("date", "3 March 2019"),
        ("age", "64"),
    ]


REFUSED = [
    ("llm_find_personal('a', '{name}')", 'invalid kind of personal data: "name"'),
    ("llm_find_personal('a', '{}')", "kinds must not be empty"),
    ("llm_find_personal('a', language => 'tlh')", 'invalid language: "tlh"'),
    ("llm_redact('a', method => 'erase')", 'invalid method: "erase"'),
    ("llm_redact('a', method => 'hash')", "this needs a key"),
    ("llm_redact('a', method => 'shift', key => 'shop')", "method shift needs a subject"),
    ("llm_reveal('a', NULL)", "this needs a key"),
    ("llm_pseudonymize('a', NULL, 'shop')", "kind must not be NULL"),
    ("llm_scan_personal()", "either target or schema must be given"),
    ("llm_scan_personal('llm.model', sample => 0)", "sample must lie between"),
    ("llm_register_key('a b', 'file:shop')", 'not the name of a key: "a b"'),
    ("llm_register_key('a', 'file:../pg_hba.conf')", "not the place of a key"),
    ("llm_register_key('a', 'file:nothing')", "cannot be read: No such file"),
    ("llm_register_key('a', 'env:PG_LLM_NOTHING')", "holds no key"),
    ("llm_register_key('a', 'file:shop', '{nobody}')", 'role "nobody" does not exist'),
    ("k_anonymity('llm.model', '{}')", "quasi_identifiers must name columns"),
    ("k_anonymity('llm.model', '{nothing}')", 'has no column "nothing"'),
]


def test_arguments_that_cannot_be_used(keyed: psycopg.Connection) -> None:
    for call, message in REFUSED:
        with pytest.raises(errors.InvalidParameterValue, match=message):
            keyed.execute(f"SELECT * FROM {call}")


def test_keys_have_one_name_each(keyed: psycopg.Connection) -> None:
    with pytest.raises(errors.DuplicateObject):
        keyed.execute("SELECT llm_register_key('shop', 'file:other')")
    with pytest.raises(errors.UndefinedObject):
        keyed.execute("SELECT llm_redact('a', method => 'hash', key => 'gone')")
    keyed.execute("SELECT llm_drop_key('shop')")
    with pytest.raises(errors.UndefinedObject):
        keyed.execute("SELECT llm_drop_key('shop')")


def test_nothing_to_redact(keyed: psycopg.Connection) -> None:
    for empty in (None, "", " \n", "x"):
        assert value(keyed, "SELECT llm_redact(%s)", empty) == empty
        assert value(keyed, "SELECT llm_reveal(%s, 'shop')", empty) == empty
        assert keyed.execute("SELECT redacted FROM llm_redact_batch(%s)", ([empty],)).fetchall() == [(empty,)]


def test_methods(keyed: psycopg.Connection) -> None:
    text = "Write to Anna Meier, anna.meier@example.com, card 4111 1111 1111 1111, IP 203.0.113.77."

    def redacted(method: str) -> str:
        return value(keyed, "SELECT llm_redact(%s, method => %s, key => 'shop')", text, method)

    assert redacted("label") == "Write to [person], [email], card [card], IP [ip]."
    assert redacted("mask") == "Write to **** *****, ****.*****@*******.***, card **** **** **** 1111, IP ***.*.***.**."
    assert redacted("remove") == "Write to , , card , IP ."
    assert redacted("generalize") == "Write to [person], [email], card [card], IP 203.0.113.0/24."
    for method in ("hash", "fake", "pseudonym"):
        assert redacted(method) == redacted(method)
        assert not {"Anna", "Meier", "4111"} & set(redacted(method).replace(",", " ").split())


def test_json_by_its_keys_and_rows_by_their_columns(db: psycopg.Connection) -> None:
    given = {
        "user": {"name": "Anna Meier", "dob": "1984-03-03", "tags": ["vip", {"password": "hunter22!"}]},
        "total": 12.5,
        "paid": None,
    }
    assert value(db, "SELECT llm_redact_json(%s)", json.dumps(given)) == {
        "user": {"name": "[person]", "dob": "[date_of_birth]", "tags": ["vip", {"password": "[password]"}]},
        "total": 12.5,
        "paid": None,
    }
    assert value(db, "SELECT llm_redact_json(NULL)") is None
    db.execute("CREATE TABLE guest (id int, name text, born date, note text)")
    db.execute("INSERT INTO guest VALUES (1, 'Anna Meier', '1984-03-03', 'mail anna@example.com'), (2, NULL, NULL, '')")
    rows = db.execute("SELECT llm_redact_row(guest) FROM guest ORDER BY id").fetchall()
    assert rows == [
        ({"id": 1, "name": "[person]", "born": "[date_of_birth]", "note": "mail [email]"},),
        ({"id": 2, "name": None, "born": None, "note": ""},),
    ]


def test_tables_join_on_pseudonyms_and_every_byte_comes_back(keyed: psycopg.Connection) -> None:
    keyed.execute("""
        CREATE TABLE client (id int, name text, phone text, born date);
        INSERT INTO client SELECT n, 'Client ' || n % 40, '+44 20 7946 0' || 100 + n % 30, '1980-01-01'::date + n
        FROM generate_series(1, 60) n;
        CREATE TABLE call AS SELECT n AS id, '+44 20 7946 0' || 100 + n % 45 AS phone FROM generate_series(1, 90) n;
        CREATE TABLE client_p AS SELECT id, llm_pseudonymize(name, 'person', 'shop') AS name,
            llm_pseudonymize(phone, 'phone', 'shop') AS phone,
            llm_pseudonymize(born::text, 'date_of_birth', 'shop', subject => name) AS born FROM client;
        CREATE TABLE call_p AS SELECT id, llm_pseudonymize(phone, 'phone', 'shop') AS phone FROM call;
    """)
    joined = "SELECT count(*), count(DISTINCT phone) FROM client{0} JOIN call{0} USING (phone)"
    assert keyed.execute(joined.format("_p")).fetchone() == keyed.execute(joined.format("")).fetchone()
    assert value(keyed, "SELECT count(*) FROM client JOIN client_p p USING (id) WHERE client.phone = p.phone") == 0
    assert value(keyed, r"SELECT bool_and(phone ~ '^\+\d\d \d\d \d{4} \d{4}$') FROM client_p")
    revealed = """
        SELECT c.name = llm_reveal(p.name, 'shop', 'person') AND c.phone = llm_reveal(p.phone, 'shop', 'phone')
            AND c.born::text = llm_reveal(p.born, 'shop', 'date_of_birth', subject => c.name)
        FROM client c JOIN client_p p USING (id)
    """
    assert keyed.execute(f"SELECT bool_and(same) FROM ({revealed}) AS r (same)").fetchone() == (True,)


def test_texts_are_revealed_with_their_key_and_no_other(keyed: psycopg.Connection) -> None:
    texts = [
        TEXT,
        "🧪 Ünïcode: anna@example.com\t\n",
        "[person:AAAAAAAAAAAAAAAAAAAAAAAA] [person:x]",
        "卡号4111 1111 1111 1111。",
    ]
    query = (
        "SELECT array_agg(redacted ORDER BY ordinality) FROM llm_redact_batch(%s, method => 'pseudonym', key => 'shop')"
    )
    pseudonymous = value(keyed, query, texts)
    assert not [word for word in ("Anna", "example.com", "4111") if word in "".join(pseudonymous)]
    for text, hidden in zip(texts, pseudonymous, strict=True):
        assert value(keyed, "SELECT llm_reveal(%s, 'shop')", hidden) == text
        assert value(keyed, "SELECT llm_reveal(%s, 'other')", hidden) == hidden


def test_days_keep_their_distance(keyed: psycopg.Connection) -> None:
    text = "admitted 2026-03-01, discharged 2026-03-08"
    query = "SELECT llm_redact(%s, method => 'shift', key => 'shop', subject => %s)"
    days = value(
        keyed,
        r"SELECT array_agg(d[1]::date) FROM regexp_matches(%s, '\d{4}-\d\d-\d\d', 'g') d",
        value(keyed, query, text, "patient 7"),
    )
    assert (days[1] - days[0]).days == 7
    assert value(keyed, query, text, "patient 7") != value(keyed, query, text, "patient 8")


def test_who_may_write_reveal_and_register(
    keyed: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection], cluster: Cluster
) -> None:
    reader = connect(role)
    token = value(reader, "SELECT llm_pseudonymize('Anna Meier', 'person', 'shop')")
    for call in (
        "llm_reveal(%s, 'shop')",
        "llm_reveal(%s, 'shop', 'person')",
        "llm_pseudonymize(%s, 'person', 'other')",
        "llm_redact(%s, method => 'hash', key => 'other')",
        "llm_register_key(%s, 'file:shop')",
        "llm_drop_key(%s)",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute(f"SELECT {call}", (token,))
    with pytest.raises(errors.InsufficientPrivilege):
        reader.execute("UPDATE llm.redaction_key SET revealers = '{-}'")
    keyed.execute("SELECT llm_drop_key('shop')")
    keyed.execute("SELECT llm_register_key('shop', 'file:shop', '{public}', %s)", ([role],))
    assert value(reader, "SELECT llm_reveal(%s, 'shop')", token) == "Anna Meier"
    # Not undone by ROLLBACK, and not silent.
    assert f'key "shop" was used to reveal a text by the role "{role}"' in cluster.log


def test_who_takes_the_name_of_a_dropped_revealer_reveals_nothing(
    keyed: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    token = value(keyed, "SELECT llm_pseudonymize('Anna Meier', 'person', 'shop')")
    keyed.execute("SELECT llm_drop_key('shop')")
    keyed.execute("CREATE ROLE revealer LOGIN")
    try:
        keyed.execute("SELECT llm_register_key('shop', 'file:shop', revealers => '{revealer}')")
        with connect("revealer") as revealer:
            assert value(revealer, "SELECT llm_reveal(%s, 'shop')", token) == "Anna Meier"
        keyed.execute("DROP ROLE revealer")
        keyed.execute("CREATE ROLE revealer LOGIN")
        with connect("revealer") as revealer, pytest.raises(errors.InsufficientPrivilege):
            revealer.execute("SELECT llm_reveal(%s, 'shop')", (token,))
    finally:
        keyed.execute("DROP ROLE IF EXISTS revealer")


def test_another_key_in_the_place_of_one_is_noticed(keyed: psycopg.Connection, cluster: Cluster) -> None:
    (cluster.data / "pg_llm" / "keys" / "shop").write_text("stolen" * 10, encoding="ascii")
    with pytest.raises(errors.InvalidParameterValue, match="not the one that was registered"):
        keyed.execute("SELECT llm_pseudonymize('never seen', 'person', 'shop')")


def test_columns_of_tables_and_schemas(db: psycopg.Connection, role: str, connect: Callable[..., Any]) -> None:
    db.execute("""
        CREATE SCHEMA shop;
        CREATE TABLE shop.customer (id int PRIMARY KEY, name text, dob date, doc jsonb, secret text, amount numeric);
        INSERT INTO shop.customer SELECT n, (ARRAY['Anna Meier','Paul Weber','Rosa Klein'])[n % 3 + 1],
            '1970-01-01'::date + n * 91, jsonb_build_object('mail', 'user' || n || '@example.com'), 'x', n * 1.5
        FROM generate_series(1, 60) n;
        CREATE TABLE shop.nothing (id int, word text); INSERT INTO shop.nothing VALUES (1, 'tree'), (2, NULL);
        CREATE TABLE shop.empty (name text);
        GRANT USAGE ON SCHEMA shop TO reader; GRANT SELECT (id, name, amount) ON shop.customer TO reader;
    """)
    query = 'SELECT "column", kind, share, examples_masked[1] FROM llm_scan_personal({})'
    of_table = db.execute(query.format("'shop.customer', sample => 40")).fetchall()
    assert [row[:2] for row in of_table] == [("name", "person"), ("dob", "date_of_birth"), ("doc", "email")]
    assert all(row[2] == 1 for row in of_table)
    assert of_table[1][3] == "****-**-**"
    assert db.execute(query.format("schema => 'shop'")).fetchall() == of_table
    # What the caller may not read is not read.
    assert connect(role).execute(query.format("schema => 'shop'")).fetchall() == of_table[:1]
    with pytest.raises(errors.InsufficientPrivilege):
        connect(role).execute(query.format("'shop.nothing'"))


def test_a_table_that_cannot_be_read_leaves_the_scan_of_the_others(
    db: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection]
) -> None:
    db.execute(f"""
        CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO {role};
        CREATE TABLE shop.open (id int PRIMARY KEY, mail text); INSERT INTO shop.open VALUES (1, 'anna@example.org');
        CREATE TABLE shop.closed (id int PRIMARY KEY, body text); INSERT INTO shop.closed VALUES (1, 'x');
        CREATE FUNCTION shop.no() RETURNS bool LANGUAGE plpgsql AS $$BEGIN RAISE 'no'; END$$;
        CREATE TABLE shop.broken (mail text); INSERT INTO shop.broken VALUES ('anna@example.org');
        ALTER TABLE shop.broken ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON shop.broken USING (shop.no());
        CREATE TABLE shop.locked (mail text);
        GRANT SELECT ON shop.open, shop.broken, shop.locked TO {role};
        CALL semantic_index('shop.closed', '{{body}}');
        CALL llm_column('shop.closed', 'loud', 'upper(body)');
    """)
    db.execute("BEGIN; LOCK TABLE shop.locked")
    session = connect(role)
    told: list[str] = []
    session.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    session.execute("SET statement_timeout = '30s'")
    rows = session.execute("""SELECT "table", "column", kind FROM llm_scan_personal(schema => 'shop')""").fetchall()
    db.execute("ROLLBACK")
    assert rows == [("shop.open", "mail", "email")]
    left_out = [message.partition(" is left out: ")[0] for message in told]
    assert left_out == ["shop.broken", "shop.closed_loud", "shop.locked"]


def test_k_anonymity(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE person (age int, postcode text)")
    assert db.execute("SELECT * FROM k_anonymity('person', '{age}')").fetchone() == (None, 0)
    db.execute("INSERT INTO person VALUES (40, '80'), (40, '80'), (40, '81'), (40, '81'), (40, '81'), (NULL, '80')")
    assert db.execute("SELECT * FROM k_anonymity('person', '{age,postcode}')").fetchone() == (1, 3)
    assert db.execute("SELECT * FROM k_anonymity('person', '{postcode}')").fetchone() == (3, 2)


def test_a_long_text_and_many_rows(db: psycopg.Connection) -> None:
    assert value(db, "SELECT count(*) FROM llm_find_personal(repeat('word ', 6000) || 'a@example.com')") == 1
    found = db.execute(
        "SELECT count(*), count(DISTINCT ordinality) FROM llm_find_personal_batch("
        " ARRAY(SELECT 'user' || n || '@example.com wrote' FROM generate_series(1, 300) n))"
    )
    assert found.fetchone() == (300, 300)


def test_l_diversity(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE person (age int, town text, illness text)")
    query = "SELECT * FROM l_diversity('person', '{age,town}', 'illness')"
    assert db.execute(query).fetchone() == (None, 0)
    db.execute(
        "INSERT INTO person VALUES (1,'a','x'), (1,'a','y'), (1,'a','y'), (2,'a','x'), (2,'a',NULL), (NULL,'a','z')"
    )
    assert db.execute(query).fetchone() == (1, 3)
    db.execute("DELETE FROM person WHERE age IS NULL")
    assert db.execute(query).fetchone() == (2, 2)
    for call in ("'{}', 'illness'", "'{age}', NULL", "'{age}', 'nothing'"):
        with pytest.raises(errors.InvalidParameterValue):
            db.execute(f"SELECT * FROM l_diversity('person', {call})")


def test_a_proposal_reaches_k_and_holds_when_it_is_carried_out(db: psycopg.Connection) -> None:
    db.execute(
        "CREATE TABLE person AS SELECT n AS id, n * 37 %% 90 AS age, date '1950-01-01' + n * 17 AS born,"
        " (10000 + n * 7919 %% 80000)::text AS postcode, n %% 2 = 0 AS woman, '10.0.0.1'::inet AS ip"
        " FROM generate_series(1, 400) AS n",
        (),
    )
    for least in (2, 5, 20, 400):
        rows = db.execute(
            "SELECT * FROM k_anonymity_proposal('person', '{age,born,postcode,woman,ip}', %s)", (least,)
        ).fetchall()
        k, groups = rows[0][3:]
        assert k >= least
        expressions = ", ".join(f"{expression} AS c{place}" for place, (_, _, expression, _, _) in enumerate(rows))
        db.execute(f"DROP VIEW IF EXISTS shown; CREATE VIEW shown AS SELECT {expressions} FROM person")
        assert db.execute("SELECT * FROM k_anonymity('shown', '{c0,c1,c2,c3,c4}')").fetchone() == (k, groups)
    with pytest.raises(errors.InvalidParameterValue, match="fewer than 401 rows"):
        db.execute("SELECT k_anonymity_proposal('person', '{age,woman}', 401)")
    for call in ("'{}', 2", "'{age}', 1", "'{age}', NULL", "'{nothing}', 2"):
        with pytest.raises(errors.InvalidParameterValue):
            db.execute(f"SELECT k_anonymity_proposal('person', {call})")
