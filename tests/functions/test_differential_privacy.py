"""Noisy figures: what they cost, what a role may ask, and what nobody gets out of them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors, sql
from workbench.cluster import Cluster

Connect = Callable[..., psycopg.Connection]
# So large that the noise is next to nothing: what is left is what the bounds do.
EXACT = 100_000
TABLE = """
    CREATE SCHEMA hospital;
    CREATE TABLE hospital.visit (
        id int PRIMARY KEY, patient int, age int, cost numeric, weight float8, ward char(5), urgent bool, day date
    );
    INSERT INTO hospital.visit SELECT n, n, n % 100, n, n / 10.0, (ARRAY['eye','ear','skin'])[n % 3 + 1], n % 2 = 0,
        date '2026-01-01' + n FROM generate_series(1, 600) AS n;
    -- One person who comes often, and whose values are large.
    INSERT INTO hospital.visit
        SELECT 1000 + n, 1, 50, 1e9, 1e9, 'skin', true, '2026-01-01' FROM generate_series(1, 500) AS n;
    INSERT INTO hospital.visit VALUES (2000, 2001, NULL, 'NaN', 'Infinity', NULL, NULL, 'infinity'),
        (2001, NULL, 1, 1, 1, 'none', true, NULL),
        (2002, 2002, 2147483647, '1e1000', '1e308', 'lone', false, '-infinity');
"""


@pytest.fixture
def hospital(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(TABLE)
    return db


@pytest.fixture
def analyst(hospital: psycopg.Connection, role: str, connect: Connect) -> psycopg.Connection:
    """A role that has a large budget for the table, and no right on it, nor on its schema."""
    hospital.execute("SELECT dp_allow('hospital.visit', %s, 1e6, 'patient', delta => 1e-3)", (role,))
    return connect(role)


def ask(connection: psycopg.Connection, call: str) -> float:
    return float(value(connection, f"SELECT {call}"))


def test_who_may_not_read_asks(analyst: psycopg.Connection) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        analyst.execute("SELECT count(*) FROM hospital.visit")
    # 602 persons: one by 501 rows, and one row of nobody.
    assert ask(analyst, f"dp_count('SELECT * FROM hospital.visit', {EXACT})") == 602
    assert ask(analyst, f"dp_count('SELECT * FROM hospital.visit', {EXACT}, contributions => 3)") == 604
    query = "SELECT age FROM hospital.visit v WHERE v.ward = ''eye'' AND NOT urgent"
    assert ask(analyst, f"dp_count('{query}', {EXACT})") == 100
    table, role, unit, epsilon, spent, delta = analyst.execute(
        'SELECT "table", role, unit, epsilon, epsilon_spent, delta_spent FROM dp_spent()'
    ).fetchone()
    assert (table, unit, epsilon, spent, delta) == ("hospital.visit", "patient", 1e6, 3 * EXACT, 0)
    assert role == value(analyst, "SELECT current_user::text")


def test_sums_means_quantiles_within_bounds(analyst: psycopg.Connection) -> None:
    # Person 1 has a value of 10 of those that count, in one row; NaN and what is above are the upper bound.
    total = ask(analyst, f"dp_sum('SELECT cost FROM hospital.visit', {EXACT}, '{{0,10}}')")
    low = 1 + sum(min(n, 10) for n in range(2, 601)) + 10 + 10
    assert abs(total - low) < 0.1 or abs(total - low - 9) < 0.1
    age = "SELECT age FROM hospital.visit WHERE age < 100 AND id < 1000"
    ages = [n % 100 for n in range(1, 601)]
    assert abs(ask(analyst, f"dp_mean('{age}', {EXACT}, '{{0,120}}')") - sum(ages) / 600) < 0.1
    assert abs(ask(analyst, f"dp_mean('{age}', {EXACT}, '{{-50,20}}')") - sum(min(a, 20) for a in ages) / 600) < 0.1
    assert abs(ask(analyst, f"dp_quantile('{age}', {EXACT}, '{{0,100}}')") - 49.5) <= 1
    assert abs(ask(analyst, f"dp_quantile('{age}', {EXACT}, '{{0,100}}', 0.9)") - 89.5) <= 1
    assert abs(ask(analyst, f"dp_mean('SELECT weight FROM hospital.visit', {EXACT}, '{{0,1}}')") - 597.5 / 602) < 0.01


def test_histograms_and_groups(analyst: psycopg.Connection) -> None:
    rows = analyst.execute(
        "SELECT * FROM dp_histogram('SELECT age FROM hospital.visit WHERE id < 1000', %s, '{0,18,65,99}')", (EXACT,)
    ).fetchall()
    assert rows == [(0, 18, 108), (18, 65, 282), (65, 99, 204)]
    grouped = "SELECT * FROM dp_group_count('SELECT ward FROM hospital.visit', %s, 1e-6, %s)"
    # `lone` is one person's, `none` nobody's.
    assert {row[0] for row in analyst.execute(grouped, (1, 1)).fetchall()} == {"eye", "ear", "skin"}
    counts = dict(analyst.execute(grouped, (EXACT, 1)).fetchall())
    assert counts in ({"eye": 200, "ear": 200, "skin": 200}, {"eye": 200, "ear": 199, "skin": 201})
    assert dict(analyst.execute(grouped, (EXACT, 2)).fetchall()) == {"eye": 200, "ear": 200, "skin": 201}


def test_noise_is_new_each_time_and_of_its_scale(analyst: psycopg.Connection) -> None:
    count = "SELECT dp_count('SELECT * FROM hospital.visit', %s) FROM generate_series(1, 120)"
    noise = [row[0] - 602 for row in analyst.execute(count, (0.1,)).fetchall()]
    assert len(set(noise)) > 20
    # The mean of |x| of a Laplace distribution of scale 10 is 10, of 120 within 5 of it but for one time in 10 million.
    assert 5 < sum(map(abs, noise)) / len(noise) < 15
    assert math.isclose(value(analyst, "SELECT epsilon_spent FROM dp_spent()"), 12)


def left(connection: psycopg.Connection) -> float:
    return float(value(connection, "SELECT epsilon - epsilon_spent FROM dp_spent()"))


@pytest.fixture
def poor(hospital: psycopg.Connection, analyst: psycopg.Connection, role: str) -> psycopg.Connection:
    """An analyst with a budget of 1."""
    hospital.execute("SELECT dp_allow('hospital.visit', %s, 1, 'patient', 1e-6)", (role,))
    return analyst


COUNT = "SELECT dp_count('SELECT * FROM hospital.visit', %s)"


def test_averaging_ends_with_the_budget(poor: psycopg.Connection, hospital: psycopg.Connection, role: str) -> None:
    for _ in range(10):
        poor.execute(COUNT, (0.1,))
    with pytest.raises(errors.ConfigurationLimitExceeded, match="has epsilon 0 and delta 1e-06 left"):
        poor.execute(COUNT, (0.1,))
    with pytest.raises(errors.ConfigurationLimitExceeded):
        poor.execute(COUNT, (1e-3,))
    assert left(poor) == 0
    # A dearer budget keeps what was spent; a smaller one ends it.
    hospital.execute("SELECT dp_allow('hospital.visit', %s, 1.5, 'patient')", (role,))
    poor.execute(COUNT, (0.5,))
    hospital.execute("SELECT dp_allow('hospital.visit', %s, 0, 'patient')", (role,))
    with pytest.raises(errors.ConfigurationLimitExceeded):
        poor.execute(COUNT, (1e-3,))


def test_what_was_seen_is_paid_whatever_becomes_of_the_transaction(poor: psycopg.Connection) -> None:
    poor.execute("BEGIN")
    poor.execute(COUNT, (0.25,))
    poor.execute("ROLLBACK")
    assert left(poor) == 0.75
    poor.execute(
        "DO $$ BEGIN PERFORM dp_count('SELECT * FROM hospital.visit', 0.25); RAISE 'x';"
        " EXCEPTION WHEN OTHERS THEN END $$"
    )
    assert left(poor) == 0.5
    with poor.transaction():
        poor.execute("SET TRANSACTION READ ONLY")
        poor.execute(COUNT, (0.25,))
    assert left(poor) == 0.25
    # What is refused before a row is read costs nothing.
    for call in (
        "dp_count('SELECT * FROM hospital.visit WHERE age = ''x''', 0.1)",
        "dp_sum('SELECT ward FROM hospital.visit', 0.1, '{0,1}')",
        "dp_sum('SELECT age FROM hospital.visit', 0.1, '{1,0}')",
        "dp_count('SELECT nothing FROM hospital.visit WHERE nothing = 1', 0.1)",
    ):
        with pytest.raises(errors.InvalidParameterValue):
            poor.execute(f"SELECT {call}")
    poor.execute("SET llm.engine = backend")
    poor.execute(COUNT, (0.25,))
    with pytest.raises(errors.ConfigurationLimitExceeded):
        poor.execute(COUNT, (0.25,))
    assert left(poor) == 0


def test_sixteen_who_spend_at_once_spend_what_there_is(poor: psycopg.Connection, role: str, connect: Connect) -> None:
    sessions = [connect(role) for _ in range(16)]
    answers: list[int] = []

    def spend(session: psycopg.Connection) -> None:
        for _ in range(4):
            try:
                session.execute(COUNT, (0.03,))
                answers.append(1)
            except errors.ConfigurationLimitExceeded:
                answers.append(0)

    threads = [threading.Thread(target=spend, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(answers), len(answers)) == (33, 64)
    assert math.isclose(left(poor), 0.01)


REFUSED = [
    "SELECT age FROM hospital.visit WHERE (SELECT count(*) FROM hospital.visit) > 3",
    "SELECT age FROM hospital.visit WHERE id IN (SELECT 1)",
    "SELECT age FROM hospital.visit WHERE EXISTS (SELECT)",
    "SELECT age FROM hospital.visit, hospital.visit AS o",
    "SELECT age FROM hospital.visit WHERE 1 / (age - 5) > 0",
    "SELECT 1 / (age - 5) FROM hospital.visit",
    "SELECT age FROM hospital.visit WHERE ward::int = 1",
    "SELECT age FROM hospital.visit WHERE age + 2147483600 > 0",
    "SELECT age FROM hospital.visit WHERE pg_sleep(age) IS NULL",
    "SELECT age FROM hospital.visit WHERE random() < 2",
    "SELECT age FROM hospital.visit WHERE ward LIKE 'e\\'",
    "SELECT age FROM hospital.visit WHERE ward ~ 'e'",
    "SELECT age FROM hospital.visit WHERE age = patient",
    "SELECT age FROM hospital.visit WHERE age = NULL",
    "SELECT age FROM hospital.visit WHERE ctid = '(0,1)'",
    "SELECT max(age) FROM hospital.visit",
    "SELECT count(*) FILTER (WHERE age > 1) FROM hospital.visit",
    "SELECT DISTINCT age FROM hospital.visit",
    "SELECT age FROM hospital.visit LIMIT 1",
    "SELECT age FROM hospital.visit ORDER BY 1",
    "SELECT age FROM hospital.visit GROUP BY age",
    "SELECT age FROM hospital.visit FOR UPDATE",
    "SELECT age FROM hospital.visit TABLESAMPLE system (1)",
    "SELECT age FROM hospital.visit UNION ALL SELECT age FROM hospital.visit",
    "WITH w AS (SELECT 1 AS age) SELECT age FROM w",
    "SELECT age FROM (SELECT * FROM hospital.visit) AS v",
    "SELECT age, ward FROM hospital.visit",
    "SELECT age FROM hospital.visit; DELETE FROM hospital.visit",
    "SELECT age INTO other FROM hospital.visit",
    "DELETE FROM hospital.visit",
    "SELECT age FROM ONLY hospital.visit",
    "SELECT visit FROM hospital.visit",
    "",
    "SELECT age FROM hospital.visit WHERE" + " NOT" * 500 + " urgent",
    "SELECT age FROM hospital.visit WHERE ward = '" + "x" * 30_000 + "'",
]


def test_a_query_that_is_not_row_by_row_is_refused(poor: psycopg.Connection) -> None:
    for query in REFUSED:
        with pytest.raises(errors.InvalidParameterValue):
            poor.execute("SELECT dp_mean(%s, 0.01, '{0,1}')", (query,))
    assert left(poor) == 1


def test_no_value_makes_an_error(analyst: psycopg.Connection) -> None:
    """Else its presence could be seen: rows hold NaN, infinities, and numbers that no float and no integer holds."""
    conditions = [
        *("age > 99999999999999999999", "age = 1.5", "cost > 1e2000", "cost = 'NaN'", "weight < 1e-300"),
        *(
            "day > '2026-02-30'::text" if False else "day > 'infinity'",
            "ward LIKE '%e%'",
            "ward NOT ILIKE '_'",
            "urgent",
        ),
        *("urgent IS NOT TRUE", "day BETWEEN '4713-01-01 BC' AND '5874897-12-31'", "ward IN ('a', 'eye', '')"),
        *("weight IN (1, 'Infinity')", "age IS NULL", "NOT (age <> 3 OR cost <= 2)", "5 > age"),
    ]
    for condition in conditions:
        for column in ("age", "cost", "weight"):
            analyst.execute(
                "SELECT dp_sum(%s, 1, '{-1e300,1e300}')", (f"SELECT {column} FROM hospital.visit WHERE {condition}",)
            )
    for column in ("age", "cost", "weight"):
        query = f"SELECT {column} FROM hospital.visit"
        analyst.execute("SELECT dp_quantile(%s, 1, '{0,1e-290}'), dp_mean(%s, 1, '{-1,1}')", (query, query))
        analyst.execute("SELECT * FROM dp_histogram(%s, 1, '{-1e300,0,1e300}')", (query,))
    for column in ("ward", "day", "cost", "weight", "urgent"):
        analyst.execute("SELECT * FROM dp_group_count(%s, 1, 1e-6)", (f"SELECT {column} FROM hospital.visit",))


INVALID = [
    "dp_count('SELECT * FROM hospital.visit', NULL)",
    "dp_count(NULL, 0.1)",
    "dp_count('SELECT * FROM hospital.visit', 0)",
    "dp_count('SELECT * FROM hospital.visit', -1)",
    "dp_count('SELECT * FROM hospital.visit', 'NaN')",
    "dp_count('SELECT * FROM hospital.visit', 'Infinity')",
    "dp_count('SELECT * FROM hospital.visit', 0.1, 0)",
    "dp_count('SELECT * FROM hospital.visit', 0.1, NULL)",
    "dp_sum('SELECT * FROM hospital.visit', 0.1, '{0,1}')",
    "dp_sum('SELECT age FROM hospital.visit', 0.1, NULL)",
    "dp_sum('SELECT age FROM hospital.visit', 0.1, '{0}')",
    "dp_sum('SELECT age FROM hospital.visit', 0.1, '{0,NaN}')",
    "dp_sum('SELECT age FROM hospital.visit', 0.1, '{0,Infinity}')",
    "dp_sum('SELECT age FROM hospital.visit', 0.1, '{0,1e-320}')",
    "dp_quantile('SELECT age FROM hospital.visit', 0.1, '{0,1}', 2)",
    "dp_quantile('SELECT age FROM hospital.visit', 0.1, '{0,1}', NULL)",
    "dp_histogram('SELECT age FROM hospital.visit', 0.1, '{1}')",
    "dp_histogram('SELECT age FROM hospital.visit', 0.1, '{1,1}')",
    "dp_group_count('SELECT ward FROM hospital.visit', 0.1, 0)",
    "dp_group_count('SELECT ward FROM hospital.visit', 0.1, 0.9)",
    "dp_allow('hospital.visit', 'nobody at all', 1, 'id')",
    "dp_allow('hospital.visit', 'public', -1, 'id')",
    "dp_allow('hospital.visit', 'public', 'NaN', 'id')",
    "dp_allow('hospital.visit', 'public', 1, 'nothing')",
    "dp_allow('hospital.visit', 'public', 1, NULL)",
    "dp_allow('hospital.visit', 'public', 1, 'id', 1)",
    "dp_allow(NULL, 'public', 1, 'id')",
    "dp_allow('llm_models', 'public', 1, 'name')",
]


def test_arguments(hospital: psycopg.Connection) -> None:
    hospital.execute("SELECT dp_allow('hospital.visit', 'public', 1, 'patient')")
    for call in INVALID:
        with pytest.raises(errors.InvalidParameterValue):
            hospital.execute(f"SELECT {call}")
    assert left(hospital) == 1


def test_only_whom_the_owner_lets_and_about_no_other_table(
    hospital: psycopg.Connection, analyst: psycopg.Connection, role: str, connect: Connect
) -> None:
    hospital.execute("CREATE TABLE hospital.other (id int, patient int)")
    hospital.execute("CREATE VIEW seen AS SELECT * FROM hospital.visit")
    hospital.execute(sql.SQL("GRANT USAGE ON SCHEMA hospital TO {}").format(sql.Identifier(role)))
    with pytest.raises(errors.InsufficientPrivilege, match="must be owner"):
        analyst.execute("SELECT dp_allow('hospital.visit', %s, 1e6, 'id')", (role,))
    messages = set()
    for table in ("hospital.other", "hospital.nothing", "nowhere.visit", "visit", "seen", "pg_catalog.pg_authid"):
        with pytest.raises(errors.InsufficientPrivilege) as told:
            analyst.execute("SELECT dp_count(%s, 0.1)", (f"SELECT * FROM {table}",))
        messages.add(str(told.value.diag.message_primary).replace(table, "x"))
    assert len(messages) == 1
    for statement in (
        "SELECT * FROM llm.privacy_budget",
        "UPDATE llm.privacy_budget SET epsilon = 1e6",
        "INSERT INTO llm.privacy_budget (target, owner, role, unit, epsilon, delta) VALUES (1259, 10, 0, 1, 1, 0)",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            analyst.execute(statement)
    # A superuser has no part in what was given to others.
    with pytest.raises(errors.InsufficientPrivilege, match="privacy budget"):
        hospital.execute("SELECT dp_count('SELECT * FROM hospital.visit', 0.1)")
    # A new owner has let nobody.
    hospital.execute("CREATE ROLE heir; ALTER TABLE hospital.visit OWNER TO heir")
    with pytest.raises(errors.InsufficientPrivilege, match="privacy budget"):
        analyst.execute("SELECT dp_count('SELECT * FROM hospital.visit', 0.1)")
    hospital.execute("ALTER TABLE hospital.visit OWNER TO postgres; DROP ROLE heir")
    analyst.execute("SELECT dp_count('SELECT * FROM hospital.visit', 0.1)")


def test_members_share_one_budget(hospital: psycopg.Connection, role: str, connect: Connect) -> None:
    hospital.execute("CREATE ROLE researchers")
    hospital.execute(sql.SQL("GRANT researchers TO {}").format(sql.Identifier(role)))
    hospital.execute("SELECT dp_allow('hospital.visit', 'researchers', 0.3, 'patient')")
    first, second = connect(role), connect(role)
    first.execute(COUNT, (0.2,))
    with pytest.raises(errors.ConfigurationLimitExceeded):
        second.execute(COUNT, (0.2,))
    second.execute("SET ROLE researchers")
    with pytest.raises(errors.ConfigurationLimitExceeded):
        second.execute(COUNT, (0.2,))
    # Its own comes first, then the common one.
    hospital.execute("SELECT dp_allow('hospital.visit', %s, 0.2, 'patient')", (role,))
    first.execute(COUNT, (0.2,))
    assert sorted(first.execute("SELECT epsilon, epsilon_spent FROM dp_spent()").fetchall()) == [(0.2, 0.2), (0.3, 0.2)]
    hospital.execute("DROP OWNED BY researchers; DROP ROLE researchers")


def test_a_ledger_that_is_not_there_answers_nothing(
    hospital: psycopg.Connection, poor: psycopg.Connection, cluster: Cluster
) -> None:
    """As after a restore: the table says what there was, and nobody knows what was spent."""
    hospital.execute("UPDATE llm.privacy_budget SET id = gen_random_uuid()")
    with pytest.raises(errors.InternalError_, match="ledger of this privacy budget is not on this server"):
        poor.execute(COUNT, (0.1,))
    assert value(poor, "SELECT epsilon_spent FROM dp_spent()") is None


def test_other_ways_to_look(hospital: psycopg.Connection, analyst: psycopg.Connection) -> None:
    hospital.execute("CREATE INDEX ON hospital.visit (patient); ANALYZE hospital.visit")
    used = "SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE relname = 'visit'"
    hospital.execute("SELECT pg_stat_force_next_flush()")
    before = value(hospital, used)
    shown: list[str] = []
    analyst.add_notice_handler(lambda notice: shown.append(f"{notice.message_primary} {notice.message_detail}"))
    analyst.execute("SET client_min_messages = debug1; SET debug_print_plan = on; SET debug_print_parse = on")
    analyst.execute("SET enable_seqscan = off")
    analyst.execute("SELECT dp_count('SELECT * FROM hospital.visit WHERE patient = 7', 0.1)")
    assert shown
    assert not any("patient" in each for each in shown)
    analyst.execute("SELECT pg_stat_force_next_flush()")
    analyst.execute("SELECT 1")
    assert value(hospital, used) == before
    # Settings are as they were.
    assert value(analyst, "SHOW enable_indexscan") == "on"


def test_row_security_that_the_owner_does_not_pass_by(
    hospital: psycopg.Connection, role: str, connect: Connect
) -> None:
    hospital.execute("CREATE ROLE keeper; ALTER TABLE hospital.visit OWNER TO keeper")
    hospital.execute("GRANT ALL ON SCHEMA hospital TO keeper")
    hospital.execute("ALTER TABLE hospital.visit ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    hospital.execute("CREATE POLICY few ON hospital.visit USING (id < 10)")
    hospital.execute("SELECT dp_allow('hospital.visit', %s, 1, 'patient')", (role,))
    reader = connect(role)
    with pytest.raises(errors.InsufficientPrivilege, match="does not see all its rows"):
        reader.execute(COUNT, (0.1,))
    assert left(reader) == 1
    hospital.execute("ALTER TABLE hospital.visit NO FORCE ROW LEVEL SECURITY")
    reader.execute(COUNT, (0.1,))
    hospital.execute("ALTER TABLE hospital.visit OWNER TO postgres; DROP OWNED BY keeper; DROP ROLE keeper")
