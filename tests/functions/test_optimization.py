from __future__ import annotations

import os
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors

SHOP = """
    CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL, city text, note text);
    INSERT INTO customer SELECT n, 'user' || n || '@example.org', 'city ' || n % 500, repeat('x', 50)
    FROM generate_series(1, 8000) n;
    CREATE TABLE purchase (
        id int PRIMARY KEY, customer_id int NOT NULL, amount numeric, status text, bought_at timestamptz,
        code varchar(20)
    );
    INSERT INTO purchase SELECT n, (n * 7919) % 8000 + 1, n % 1000, CASE WHEN n % 50 = 0 THEN 'open' ELSE 'done' END,
        timestamptz '2024-01-01' + n * interval '1 minute', 'c' || n FROM generate_series(1, 20000) n;
    ANALYZE customer, purchase;
"""
Advice = tuple[str, str, float, float | None, str]


@pytest.fixture
def shop(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(SHOP)
    return db


@pytest.fixture
def hypopg(shop: psycopg.Connection) -> psycopg.Connection:
    """The shop in a database with HypoPG; in CI it must be there."""
    shop.execute("CREATE SCHEMA hypothetical")
    try:
        shop.execute("CREATE EXTENSION hypopg SCHEMA hypothetical")
    except errors.FeatureNotSupported as missing:
        assert not os.environ.get("CI"), missing
        pytest.skip("this PostgreSQL has no HypoPG to install")
    return shop


def advice(db: psycopg.Connection, sql: str) -> list[Advice]:
    return db.execute("SELECT * FROM llm_optimize(%s)", (sql,)).fetchall()


def cost(db: psycopg.Connection, sql: str) -> float:
    return float(value(db, f"EXPLAIN (FORMAT JSON) {sql}")[0]["Plan"]["Total Cost"])


def rows(db: psycopg.Connection, sql: str) -> list[str]:
    return sorted(str(row) for row in db.execute(sql))


def only(found: list[Advice], *kinds: str) -> Advice:
    (one,) = [each for each in found if each[0] in kinds]
    return one


INDEXES = {
    "SELECT * FROM customer WHERE email = 'user7@example.org'": ("index", "customer (email)"),
    "SELECT * FROM customer WHERE 'user7@example.org' = email": ("index", "customer (email)"),
    "SELECT * FROM purchase WHERE amount = ANY ('{7}')": ("index", "purchase (amount)"),
    "SELECT * FROM purchase WHERE code = 'c77' OR code = 'c78'": ("index", "purchase (code)"),
    "SELECT * FROM purchase WHERE code = 'c77'": ("index", "purchase (code)"),
    "SELECT * FROM purchase WHERE bought_at < '2024-01-01 01:00+00'": ("index", "purchase (bought_at)"),
    "SELECT * FROM customer WHERE lower(email) = 'user7@example.org'": ("expression index", "customer (lower(email))"),
    "SELECT * FROM purchase ORDER BY bought_at DESC LIMIT 10": ("index", "purchase (bought_at DESC)"),
    "SELECT p.* FROM purchase p JOIN customer c ON c.id = p.customer_id WHERE c.id = 7": (
        "index",
        "purchase (customer_id)",
    ),
    "WITH p AS (SELECT * FROM purchase) SELECT sum(amount) FROM p WHERE customer_id = 7": (
        "index",
        "purchase (customer_id)",
    ),
}


@pytest.mark.parametrize("sql", INDEXES)
def test_an_index_is_verified_with_hypopg(hypopg: psycopg.Connection, sql: str) -> None:
    kind, suggestion, before, after, evidence = only(advice(hypopg, sql), "index", "expression index")
    assert (kind, suggestion) == (INDEXES[sql][0], f"CREATE INDEX ON public.{INDEXES[sql][1]}")
    assert before == cost(hypopg, sql)
    assert after is not None
    assert after < before * 0.9
    assert "costs by HypoPG" in evidence
    # The figure is what the planner says once the index is there, and then there is nothing left to suggest.
    hypopg.execute(suggestion)
    assert cost(hypopg, sql) == pytest.approx(after, rel=0.25, abs=1)
    assert [each for each in advice(hypopg, sql) if each[0] == kind and each[1] == suggestion] == []


@pytest.mark.parametrize("sql", INDEXES)
def test_an_index_without_hypopg_is_an_estimate_without_a_figure(shop: psycopg.Connection, sql: str) -> None:
    found = [each for each in advice(shop, sql) if "index" in each[0]]
    assert [(kind, text) for kind, text, *_ in found] == [
        (INDEXES[sql][0], f"CREATE INDEX ON public.{INDEXES[sql][1]}")
    ]
    assert found[0][2] == cost(shop, sql)
    assert found[0][3] is None
    assert found[0][4].endswith("an estimate, as HypoPG is not installed in this database")


def test_two_conditions_make_an_index_of_two_columns_where_it_is_better(hypopg: psycopg.Connection) -> None:
    sql = "SELECT * FROM purchase WHERE status = 'open' AND amount = 50"
    _, suggestion, _, after, _ = only(advice(hypopg, sql), "index")
    assert suggestion == "CREATE INDEX ON public.purchase (amount, status)"
    hypopg.execute("CREATE INDEX ON purchase (amount)")
    assert after is not None
    assert cost(hypopg, sql) > after


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM customer",
        "SELECT count(*) FROM purchase WHERE status = 'done'",
        "SELECT * FROM customer WHERE id = 7",
        "SELECT 1",
        "SELECT * FROM pg_class WHERE relpages = 77",
        "SELECT * FROM generate_series(1, 100000) n WHERE n = 7",
        "SELECT * FROM customer WHERE email || random() = 'x'",
        "SELECT * FROM purchase WHERE date_trunc('day', bought_at) = '2024-01-01'",
        "SELECT * FROM customer WHERE email LIKE '%example%'",
        "VALUES (1), (2)",
    ],
)
@pytest.mark.parametrize("extension", [True, False])
def test_nothing_is_suggested_where_nothing_helps(
    request: pytest.FixtureRequest, shop: psycopg.Connection, sql: str, extension: bool
) -> None:
    if extension:
        request.getfixturevalue("hypopg")
    assert advice(shop, sql) == []


def test_hypothetical_indexes_of_the_caller_stay_and_ours_go(hypopg: psycopg.Connection) -> None:
    hypopg.execute("SELECT * FROM hypothetical.hypopg_create_index('CREATE INDEX ON purchase (code)')")
    listed = "SELECT array_agg(index_name ORDER BY 1) FROM hypothetical.hypopg_list_indexes"
    before = value(hypopg, listed)
    assert len(before) == 1
    assert advice(hypopg, "SELECT * FROM customer WHERE email = 'x'")
    assert value(hypopg, listed) == before
    with pytest.raises(psycopg.Error):
        advice(hypopg, "SELECT * FROM customer WHERE email = nowhere")
    assert value(hypopg, listed) == before


def test_like_needs_an_index_that_compares_bytes(hypopg: psycopg.Connection) -> None:
    hypopg.execute(
        'CREATE TABLE word (id int PRIMARY KEY, name text COLLATE "en-x-icu", code varchar(40), c text COLLATE "C")'
    )
    hypopg.execute(
        "INSERT INTO word SELECT n, md5(n::text), md5(n::text), md5(n::text) FROM generate_series(1, 30000) n"
    )
    hypopg.execute("CREATE INDEX ON word (name); CREATE INDEX ON word (c); ANALYZE word")
    assert only(advice(hypopg, "SELECT * FROM word WHERE name LIKE 'abcd%'"), "index")[1] == (
        "CREATE INDEX ON public.word (name text_pattern_ops)"
    )
    plain = value(hypopg, "SELECT datcollate IN ('C', 'POSIX') FROM pg_database WHERE datname = current_database()")
    assert only(advice(hypopg, "SELECT * FROM word WHERE code LIKE 'abcd%'"), "index")[1] == (
        f"CREATE INDEX ON public.word (code{'' if plain else ' varchar_pattern_ops'})"
    )
    assert advice(hypopg, "SELECT * FROM word WHERE c LIKE 'abcd%'") == []
    assert advice(hypopg, "SELECT * FROM word WHERE name LIKE '%abcd'") == []


def test_a_partitioned_table_gets_its_index_as_a_whole(hypopg: psycopg.Connection) -> None:
    hypopg.execute("CREATE TABLE event (id int, kind int, body text) PARTITION BY RANGE (id)")
    for part in (1, 2):
        hypopg.execute(
            f"CREATE TABLE event_{part} PARTITION OF event FOR VALUES FROM ({part}0000) TO ({part + 1}0000);"
            f"INSERT INTO event SELECT n, n % 3000, 'x' FROM generate_series({part}0000, {part}9999) n"
        )
    hypopg.execute("ANALYZE event")
    found = only(advice(hypopg, "SELECT * FROM event WHERE kind = 7"), "index")
    assert found[1] == "CREATE INDEX ON public.event (kind)"
    assert found[3] is None
    assert found[4].endswith("HypoPG knows no partitioned tables")


def test_a_table_that_was_never_analysed(shop: psycopg.Connection) -> None:
    shop.execute('CREATE TABLE "Fresh" (id int, name text) WITH (autovacuum_enabled = false)')
    assert advice(shop, 'SELECT * FROM "Fresh"') == []
    shop.execute("""INSERT INTO "Fresh" SELECT n, 'x' FROM generate_series(1, 1000) n""")
    kind, suggestion, before, after, evidence = only(advice(shop, 'SELECT * FROM "Fresh" WHERE id = 7'), "statistics")
    assert suggestion == 'ANALYZE public."Fresh"'
    assert before > 0
    assert after is None
    assert "never analysed" in evidence
    shop.execute(suggestion)
    assert [each for each in advice(shop, 'SELECT * FROM "Fresh" WHERE id = 7') if each[0] == kind] == []


EQUAL = {
    "SELECT id FROM customer WHERE id = 1 OR id = 2 OR id = 3": "SELECT id FROM customer WHERE id IN (1, 2, 3)",
    "SELECT DISTINCT id, city FROM customer WHERE city > 'city 4' ORDER BY id": (
        "SELECT id, city FROM customer WHERE city > 'city 4' ORDER BY id"
    ),
    "SELECT id FROM customer WHERE id NOT IN (SELECT customer_id FROM purchase WHERE amount > 500)": (
        "SELECT id FROM customer WHERE NOT EXISTS"
        " (SELECT 1 FROM purchase WHERE amount > 500 AND purchase.customer_id = customer.id)"
    ),
}


@pytest.mark.parametrize("sql", EQUAL)
def test_a_rewrite_that_is_equal_by_definition_or_constraints(shop: psycopg.Connection, sql: str) -> None:
    # Too little for a hash table of the subquery's rows, which is when NOT IN is slow.
    shop.execute("SET work_mem = '64kB'")
    if " OR " in sql and shop.info.server_version >= 180000:
        # The planner does it by itself.
        assert advice(shop, sql) == []
        return
    _, suggestion, before, after, evidence = only(advice(shop, sql), "rewrite")
    assert suggestion == EQUAL[sql]
    assert (before, after) == (cost(shop, sql), cost(shop, suggestion))
    assert after is not None
    assert after < before
    assert evidence.startswith(("equal by definition", "equal by constraints"))
    assert rows(shop, suggestion) == rows(shop, sql)


def test_distinct_is_needed_without_a_key_that_is_never_null(shop: psycopg.Connection) -> None:
    assert [each for each in advice(shop, "SELECT DISTINCT city FROM customer") if each[0] == "rewrite"] == []
    shop.execute("CREATE TABLE pair (a int, b int, c int, UNIQUE (a, b), UNIQUE (c) DEFERRABLE)")
    shop.execute(
        "INSERT INTO pair SELECT n, NULL, n FROM generate_series(1, 5000) n; INSERT INTO pair VALUES (1, NULL, 0)"
    )
    shop.execute("ANALYZE pair")
    for sql in ("SELECT DISTINCT a, b FROM pair", "SELECT DISTINCT a FROM pair"):
        assert advice(shop, sql) == []


def test_not_in_that_could_meet_null_is_compared_on_the_rows(shop: psycopg.Connection) -> None:
    shop.execute("ALTER TABLE purchase ALTER customer_id DROP NOT NULL; SET work_mem = '64kB'")
    few = "SELECT id FROM customer WHERE id < 5 AND id NOT IN (SELECT customer_id FROM purchase WHERE id < 5000)"
    many = "SELECT id FROM customer WHERE id NOT IN (SELECT customer_id FROM purchase)"
    _, suggestion, _, _, evidence = only(advice(shop, few), "rewrite")
    expected = rows(shop, few)
    assert evidence == f"both gave the same {len(expected)} rows just now; no constraint says that they always will"
    assert rows(shop, suggestion) == expected != []
    # What would take long is not run.
    assert [each for each in advice(shop, many) if each[0] == "rewrite"] == []
    shop.execute("UPDATE purchase SET customer_id = NULL WHERE id = 1")
    assert rows(shop, few) == []
    assert [each for each in advice(shop, few) if each[0] == "rewrite"] == []


def test_a_key_of_a_parent_or_of_a_namesake_is_no_key(shop: psycopg.Connection) -> None:
    for sql in (
        "WITH customer AS (SELECT 1 AS id FROM purchase) SELECT DISTINCT id FROM customer",
        "SELECT DISTINCT c.id FROM customer c JOIN purchase p ON p.customer_id = c.id",
        "SELECT DISTINCT id, generate_series(1, 2) FROM customer",
    ):
        assert [each for each in advice(shop, sql) if each[0] == "rewrite"] == []
    assert only(advice(shop, "SELECT DISTINCT id FROM customer"), "rewrite")
    shop.execute("CREATE TABLE child () INHERITS (customer); INSERT INTO child SELECT * FROM customer; ANALYZE child")
    assert [each for each in advice(shop, "SELECT DISTINCT id FROM customer") if each[0] == "rewrite"] == []
    if shop.info.server_version >= 180000:
        # There a child cannot have NULLs that its parent has not.
        return
    shop.execute(
        "ALTER TABLE child ALTER id DROP NOT NULL; INSERT INTO child (email) VALUES ('x'); SET work_mem = '64kB'"
    )
    not_in = "SELECT id FROM purchase WHERE id < 5 AND customer_id NOT IN (SELECT id FROM customer)"
    assert [each for each in advice(shop, not_in) if each[0] == "rewrite"] == []


@pytest.mark.parametrize("target", ["1 / (id - id)", "leave_trace()"])
def test_a_statement_that_fails_or_writes_is_not_compared(shop: psycopg.Connection, target: str) -> None:
    shop.execute(
        "ALTER TABLE purchase ALTER customer_id DROP NOT NULL; SET work_mem = '64kB'; CREATE TABLE trace (n int)"
    )
    shop.execute(
        "CREATE FUNCTION leave_trace() RETURNS int VOLATILE LANGUAGE sql AS 'INSERT INTO trace VALUES (1) RETURNING n'"
    )
    where = "WHERE id < 5 AND id NOT IN (SELECT customer_id FROM purchase WHERE id < 5000)"
    assert only(advice(shop, f"SELECT id FROM customer {where}"), "rewrite")
    with shop.transaction():
        assert [each for each in advice(shop, f"SELECT {target} FROM customer {where}") if each[0] == "rewrite"] == []
        shop.execute("INSERT INTO trace VALUES (2)")
    assert shop.execute("SELECT n FROM trace").fetchall() == [(2,)]


REVIEWS = """
    CREATE TABLE product (id int PRIMARY KEY, brand text);
    INSERT INTO product SELECT n, 'brand ' || n FROM generate_series(1, 300) n;
    CREATE TABLE review (id int PRIMARY KEY, product_id int NOT NULL, body text);
    INSERT INTO review SELECT n, n % 300 + 1, CASE WHEN n % 2 = 0 THEN 'bread and cheese' ELSE 'a football match' END
    FROM generate_series(1, 600) n;
    ANALYZE product, review;
"""


def test_a_model_is_asked_after_the_join_that_leaves_few_rows(db: psycopg.Connection) -> None:
    db.execute(REVIEWS)
    sql = (
        "SELECT r.id, p.brand FROM review r JOIN product p ON p.id = r.product_id"
        " WHERE p.brand = 'brand 7' AND llm_classify(r.body, '{food,sport}') = 'food' ORDER BY r.id"
    )
    found = advice(db, sql)
    kind, suggestion, before, after, evidence = found[0]
    assert kind == "model calls"
    assert suggestion.startswith("WITH candidates AS MATERIALIZED (SELECT ")
    assert after is not None
    assert after < before / 10
    assert evidence.startswith("equal by definition")
    expected = db.execute(sql)
    found_rows = db.execute(suggestion)
    assert [column.name for column in found_rows.description or ()] == [c.name for c in expected.description or ()]
    assert found_rows.fetchall() == expected.fetchall() != []


def test_the_planner_itself_puts_a_model_after_cheap_conditions(db: psycopg.Connection) -> None:
    db.execute(REVIEWS)
    sql = "SELECT id FROM review WHERE llm_classify(body, '{food,sport}') = 'food' AND product_id = 7"
    assert [each for each in advice(db, sql) if each[0] == "model calls"] == []


def test_a_function_that_does_something_is_not_moved(db: psycopg.Connection) -> None:
    db.execute(REVIEWS)
    sql = (
        "SELECT r.id FROM review r JOIN product p ON p.id = r.product_id"
        " WHERE p.brand = 'brand 7' AND llm_mine(r.body) = 'food'"
    )
    made = "CREATE OR REPLACE FUNCTION llm_mine(t text) RETURNS text {} COST 10000 LANGUAGE sql AS 'SELECT $1 LIMIT 1'"
    db.execute(made.format("STABLE"))
    assert "model calls" in [each[0] for each in advice(db, sql)]
    db.execute(made.format("VOLATILE"))
    assert "model calls" not in [each[0] for each in advice(db, sql)]


def test_a_similarity_of_pairs_becomes_one_embedding_per_row(db: psycopg.Connection) -> None:
    db.execute(REVIEWS)
    sql = (
        "SELECT a.id AS left, b.id AS right, llm_similarity(a.body, b.brand) FROM review a, product b"
        " WHERE a.id < 20 AND b.id < 20 AND llm_similarity(a.body, b.brand) > 0.01"
        " ORDER BY llm_similarity(a.body, b.brand), 1, 2"
    )
    kind, suggestion, before, after, evidence = advice(db, sql)[0]
    assert kind == "model calls"
    assert suggestion.count("llm_embed(") == 2
    assert "llm_similarity(" not in suggestion
    assert after is not None
    assert after < before / 10
    assert "up to rounding" in evidence
    expected, found = db.execute(sql).fetchall(), db.execute(suggestion).fetchall()
    assert len(expected) > 10
    assert {row[:2] for row in found} == {row[:2] for row in expected}
    similarity = {row[:2]: row[2] for row in expected}
    assert all(row[2] == pytest.approx(similarity[row[:2]], abs=1e-5) for row in found)


def test_a_classification_over_a_join_becomes_one_per_row(db: psycopg.Connection) -> None:
    db.execute(REVIEWS)
    sql = (
        "SELECT b.id, llm_classify(a.brand, '{food,sport}') AS topic FROM product a"
        " JOIN review b ON b.product_id <> a.id WHERE a.id <= 2 AND b.id <= 30"
    )
    found = [each for each in advice(db, sql) if each[0] == "model calls"]
    assert "a_once AS MATERIALIZED" in found[0][1]
    assert rows(db, found[0][1]) == rows(db, sql)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("", "sql is empty"),
        (" ; ", "sql is empty"),
        ("-- nothing", "sql is empty"),
        ("SELEC 1", 'syntax error at or near "SELEC", at character 1'),
        ("SELECT '上海' FORM customer c d", 'syntax error at or near "customer", at character 18'),
        ("SELECT 1; SELECT 2", "sql holds 2 statements, the second at character 11"),
        ("DELETE FROM customer", "no SELECT, but a DELETE"),
        ("CREATE TABLE x (n int)", "no SELECT, but a CREATE"),
        ("EXPLAIN ANALYZE DELETE FROM customer", "no SELECT, but a EXPLAIN"),
        ("SELECT 1 INTO x", "sql writes"),
        ("WITH gone AS (DELETE FROM customer RETURNING id) SELECT * FROM gone", "sql writes"),
        ("SELECT * FROM customer FOR UPDATE", "sql locks rows"),
        ("SELECT $1", r"sql has the parameter \$1"),
        ("SELECT nowhere FROM customer", 'column "nowhere" does not exist, at character 8'),
        ("SELECT * FROM nowhere", 'relation "nowhere" does not exist, at character 15'),
        ("SELECT nothing(1)", "function nothing.* does not exist, at character 8"),
        ("SELECT " + "NOT " * 4900 + "true", "nested too deeply"),
        ("SELECT " + "(" * 9990 + ")" * 9990, "sql cannot be read"),
        ("SELECT " + "+".join(["1"] * 9000), "nested too deeply"),
        ("SELECT '" + "x" * 1_000_000 + "'", "sql has 1000009 characters"),
    ],
)
def test_what_is_no_select_is_told_with_its_place(db: psycopg.Connection, sql: str, says: str) -> None:
    db.execute("CREATE TABLE customer AS SELECT 7 AS id")
    for engine in ("shared", "backend"):
        db.execute(f"SET llm.engine = '{engine}'")
        with pytest.raises(psycopg.Error, match=says) as caught:
            advice(db, sql)
        assert caught.value.sqlstate is not None
        assert caught.value.sqlstate[:2] in ("22", "42")
        assert caught.value.diag.message_hint
    assert value(db, "SELECT count(*) FROM customer") == 1


def test_null_is_no_advice(db: psycopg.Connection) -> None:
    assert db.execute("SELECT * FROM llm_optimize(NULL)").fetchall() == []


def test_both_engines_say_the_same(shop: psycopg.Connection) -> None:
    sql = "SELECT id FROM customer WHERE lower(email) = 'x' OR id = 1 OR id = 2"
    found = advice(shop, sql)
    shop.execute("SET llm.engine = 'backend'")
    assert advice(shop, sql) == found


def test_rights_and_search_path_are_the_callers(shop: psycopg.Connection, role: str) -> None:
    shop.execute("CREATE SCHEMA own; CREATE TABLE own.customer AS SELECT * FROM public.customer; ANALYZE own.customer")
    shop.execute(f"GRANT USAGE ON SCHEMA own TO {role}; GRANT SELECT ON own.customer TO {role}")
    shop.execute(f"SET ROLE {role}; SET search_path = own, public")
    sql = "SELECT * FROM customer WHERE email = 'x'"
    assert only(advice(shop, sql), "index")[1] == "CREATE INDEX ON own.customer (email)"
    assert value(shop, "SHOW search_path") == "own, public"
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied for table purchase"):
        advice(shop, "SELECT * FROM purchase WHERE code = 'x'")
    shop.execute("RESET ROLE; CREATE VIEW own.seen AS SELECT * FROM public.purchase")
    shop.execute(f"GRANT SELECT ON own.seen TO {role}; SET ROLE {role}")
    assert only(advice(shop, "SELECT * FROM seen WHERE code = 'c1'"), "index")[1].endswith("public.purchase (code)")


def test_nothing_is_created_written_or_run(hypopg: psycopg.Connection) -> None:
    hypopg.execute("CREATE TABLE trace (n int); CREATE SEQUENCE counter")
    hypopg.execute(
        "CREATE FUNCTION leave_trace() RETURNS int VOLATILE LANGUAGE sql AS"
        " 'INSERT INTO trace VALUES (1); SELECT nextval(''counter'')::int'"
    )
    state = "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM trace), (SELECT last_value FROM counter)"
    before = hypopg.execute(state).fetchall()
    for sql in (
        "SELECT leave_trace(), * FROM customer WHERE email = 'x'",
        "SELECT id FROM customer WHERE id < 50 AND id NOT IN (SELECT customer_id + leave_trace() FROM purchase)",
        "SELECT DISTINCT id, note FROM customer",
    ):
        advice(hypopg, sql)
    assert hypopg.execute(state).fetchall() == before
    with hypopg.transaction():
        hypopg.execute("INSERT INTO trace VALUES (7)")
        advice(hypopg, "SELECT id FROM customer WHERE id = 1 OR id = 2")
        hypopg.execute("INSERT INTO trace VALUES (8)")
    assert value(hypopg, "SELECT count(*) FROM trace") == 2


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT "select", "from" FROM (SELECT 1 AS "select", 2 AS "from") AS "where;" ;',
        "SELECT id FROM customer -- comment",
        "TABLE customer",
        "SELECT * FROM customer, purchase WHERE customer.id = purchase.customer_id AND code LIKE E'a\\\\_%'",
        "SELECT xmlelement(name a), json_build_object('a', 1), (ARRAY[1, 2])[1], interval '1' day FROM customer",
        "SELECT count(*) FILTER (WHERE city = 'x') OVER (PARTITION BY note) FROM customer GROUP BY city, note",
        "SELECT * FROM customer c LEFT JOIN LATERAL"
        " (SELECT * FROM purchase p WHERE p.customer_id = c.id LIMIT 1) l ON true",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5)"
        " SELECT * FROM r, customer WHERE id = n",
        "SELECT * FROM customer WHERE (id, city) IN (SELECT id, status FROM purchase)",
    ],
)
def test_statements_of_every_form(hypopg: psycopg.Connection, sql: str) -> None:
    for kind, suggestion, before, after, evidence in advice(hypopg, sql):
        assert kind in ("index", "expression index", "rewrite", "statistics", "model calls")
        assert suggestion
        assert evidence
        assert before > 0
        assert after is None or after < before


def test_a_statement_with_very_many_conditions_has_its_advice(hypopg: psycopg.Connection) -> None:
    columns = [f"c{number}" for number in range(150)]
    hypopg.execute(f"CREATE TABLE wide ({', '.join(f'{column} int' for column in columns)})")
    hypopg.execute(f"INSERT INTO wide SELECT {', '.join('n' for _ in columns)} FROM generate_series(1, 3000) n")
    hypopg.execute("ANALYZE wide")
    found = only(advice(hypopg, f"SELECT 1 FROM wide WHERE {' AND '.join(f'{each} = 7' for each in columns)}"), "index")
    assert found[1].startswith("CREATE INDEX ON public.wide (c")


def test_the_largest_saving_comes_first(hypopg: psycopg.Connection) -> None:
    sql = "SELECT DISTINCT id, email FROM customer WHERE email = 'user7@example.org'"
    found = advice(hypopg, sql)
    shares: list[Any] = [after / before for _, _, before, after, _ in found if after is not None]
    assert shares == sorted(shares)
    assert found[0][0] == "index"
