"""Hostile roles against what follows tables: companions, their triggers, the queue, workers, event triggers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
from database import value
from psycopg import errors
from workbench.cluster import Cluster

Connect = Callable[..., psycopg.Connection]
ROLES = ("mallory", "alice", "bob")
# What runs says as whom, in the server's log, as that outlives what is rolled back.
PAYLOAD = """
    CREATE FUNCTION lair.pay() RETURNS int LANGUAGE plpgsql AS
        $$BEGIN RAISE LOG 'payload ran as %', current_user; RETURN 1; END$$;
    CREATE FUNCTION lair.fire() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN PERFORM lair.pay(); RETURN NULL; END$$;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA lair TO PUBLIC;
    CREATE TABLE lair.trap (id int PRIMARY KEY, body text);
    INSERT INTO lair.trap VALUES (1, 'a cat'), (2, 'an engine');
"""
# The triggers are renamed while their statement runs: what fires has no transition table, another by its name has.
RENAMING = """
    CREATE FUNCTION lair.rename() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        EXECUTE format('ALTER TRIGGER bare ON %s RENAME TO other', TG_RELID::regclass);
        EXECUTE format('ALTER TRIGGER full_one ON %s RENAME TO bare', TG_RELID::regclass);
        RETURN NULL;
    END$$;
    CREATE TEMP VIEW changed AS SELECT lair.pay() AS id, 'x'::text AS body;
"""


@pytest.fixture
def lair(db: psycopg.Connection) -> Iterator[psycopg.Connection]:
    for name in ROLES:
        db.execute(f"CREATE ROLE {name} LOGIN")
    db.execute("CREATE SCHEMA lair AUTHORIZATION mallory; GRANT USAGE ON SCHEMA lair TO PUBLIC")
    db.execute(
        "CREATE TABLE public.victim (id int PRIMARY KEY, body text); INSERT INTO public.victim VALUES (1, 'cat')"
    )
    yield db
    db.execute(f"ALTER DATABASE {db.info.dbname} OWNER TO postgres")
    names = ", ".join(ROLES)
    db.execute(f"RESET ROLE; DROP OWNED BY {names} CASCADE; DROP ROLE {names}")


@pytest.fixture
def mallory(lair: psycopg.Connection, connect: Connect) -> psycopg.Connection:
    session = connect("mallory")
    session.execute(PAYLOAD)
    return session


def ran_as(cluster: Cluster, mark: int) -> set[str]:
    return set(re.findall(r"payload ran as (\w+)", cluster.log[mark:]))


def hang_renamed_triggers(session: psycopg.Connection, table: str, function: str) -> None:
    session.execute(RENAMING)
    session.execute(f"""
        CREATE TRIGGER a_first AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION lair.rename();
        CREATE TRIGGER bare AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function};
        CREATE TRIGGER full_one AFTER INSERT ON {table} REFERENCING NEW TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION {function};
    """)


# 1. Code with the rights of others.
def test_triggers_that_are_renamed_while_they_fire_queue_nothing_of_the_writers(
    mallory: psycopg.Connection, cluster: Cluster
) -> None:
    mallory.execute("CALL semantic_index('lair.trap', '{body}', sync => 'background')")
    number = value(mallory, "SELECT id FROM llm.semantic_index")
    hang_renamed_triggers(mallory, "lair.trap", f"llm.enqueue_work('index', '{number}')")
    mark = len(cluster.log)
    with contextlib.suppress(psycopg.Error):
        mallory.execute("INSERT INTO lair.trap VALUES (3, 'a violin')")
    assert ran_as(cluster, mark) == set()


@pytest.mark.parametrize("kind", ["index", "column"])
def test_the_owner_of_a_partition_gets_no_rights_of_the_owner_of_the_table(
    lair: psycopg.Connection, mallory: psycopg.Connection, cluster: Cluster, kind: str
) -> None:
    lair.execute("""
        CREATE TABLE public.parted (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
        CREATE TABLE lair.part PARTITION OF public.parted FOR VALUES FROM (0) TO (100);
        INSERT INTO public.parted VALUES (1, 'a cat');
    """)
    if kind == "index":
        lair.execute("CALL semantic_index('public.parted', '{body}')")
        number = value(lair, "SELECT id FROM llm.semantic_index")
    else:
        lair.execute("CALL llm_column('public.parted', 'size', 'length(body)')")
        number = value(lair, "SELECT id FROM llm.ai_column")
    lair.execute("ALTER TABLE lair.part OWNER TO mallory")
    hang_renamed_triggers(mallory, "lair.part", f"llm.follow_{kind}('{number}')")
    mark = len(cluster.log)
    with contextlib.suppress(psycopg.Error):
        mallory.execute("INSERT INTO lair.part VALUES (3, 'a violin')")
    assert ran_as(cluster, mark) <= {"mallory"}


def test_a_superuser_who_drops_a_table_runs_no_trigger_of_its_companion(
    lair: psycopg.Connection, mallory: psycopg.Connection, cluster: Cluster
) -> None:
    mallory.execute("""
        CALL semantic_index('lair.trap', '{body}');
        CREATE TRIGGER t BEFORE TRUNCATE ON lair.trap_embedding FOR EACH STATEMENT EXECUTE FUNCTION lair.fire();
        CREATE VIEW lair.looking AS SELECT id FROM lair.trap_embedding;
    """)
    mark = len(cluster.log)
    lair.execute("DROP TABLE lair.trap")
    assert ran_as(cluster, mark) <= {"mallory"}
    assert value(lair, "SELECT count(*) FROM lair.trap_embedding") == 0


@pytest.mark.parametrize("kind", ["index", "column"])
@pytest.mark.parametrize("caller", ["postgres", "bob"])
def test_a_report_on_all_tables_runs_no_policy_of_others(
    mallory: psycopg.Connection, connect: Connect, cluster: Cluster, kind: str, caller: str
) -> None:
    call = {
        "index": "CALL semantic_index('lair.trap', '{body}')",
        "column": "CALL llm_column('lair.trap', 'size', 'length(body)')",
    }
    mallory.execute(f"""
        {call[kind]};
        CREATE POLICY p ON lair.trap USING (lair.pay() = 1); ALTER TABLE lair.trap ENABLE ROW LEVEL SECURITY;
        GRANT SELECT ON lair.trap TO PUBLIC;
    """)
    mark = len(cluster.log)
    connect(caller).execute("SELECT * FROM llm_staleness").fetchall()
    assert ran_as(cluster, mark) <= {"mallory"}


@pytest.mark.parametrize("kind", ["index", "column"])
def test_a_report_counts_what_a_reader_may_read(
    mallory: psycopg.Connection, connect: Connect, cluster: Cluster, kind: str
) -> None:
    call = {
        "index": "CALL semantic_index('lair.trap', '{body}')",
        "column": "CALL llm_column('lair.trap', 'size', 'length(body)')",
    }
    mallory.execute(f"{call[kind]}; GRANT SELECT ON lair.trap TO PUBLIC")
    bob = connect("bob")
    assert bob.execute("SELECT rows, stale, missing FROM llm_staleness").fetchall() == [(2, 0, 0)]
    companion = "trap_embedding" if kind == "index" else "trap_size"
    mark = len(cluster.log)
    for attack in (
        f"CREATE POLICY further ON lair.{companion} USING (lair.pay() = 1)",
        f"DROP POLICY further ON lair.{companion}; DROP POLICY readable ON lair.{companion};"
        f" CREATE POLICY readable ON lair.{companion} USING (lair.pay() = id)",
        f"DROP POLICY readable ON lair.{companion};"
        f" CREATE POLICY readable ON lair.{companion} USING (id IN (SELECT lair.pay()))",
    ):
        mallory.execute(attack)
        assert bob.execute("SELECT rows, stale, missing FROM llm_staleness").fetchall() == [(None, None, None)]
    assert ran_as(cluster, mark) <= {"mallory"}


# 2. Keeping others from what they do.
@pytest.mark.parametrize("caller", ["postgres", "bob"])
def test_a_table_that_cannot_be_read_leaves_the_report_on_the_others(
    lair: psycopg.Connection, mallory: psycopg.Connection, connect: Connect, caller: str
) -> None:
    lair.execute("CALL semantic_index('public.victim', '{body}'); GRANT SELECT ON public.victim TO PUBLIC")
    mallory.execute("""
        CREATE VIEW lair.broken AS SELECT id, body FROM lair.trap;
        CALL semantic_index('lair.broken', '{body}', key => '{id}', sync => 'manual');
        CREATE OR REPLACE VIEW lair.broken AS SELECT 1 / (id - id) AS id, body FROM lair.trap;
        GRANT SELECT ON lair.broken TO PUBLIC;
    """)
    targets = {row[0] for row in connect(caller).execute("SELECT target::text FROM llm_staleness")}
    assert "victim" in targets


SLOW = {
    "sleep": "pg_sleep((SELECT slow FROM lair.switch)) IS NOT NULL",
    "numbers without end": "id < (SELECT count(*) + 9 FROM lair.switch, generate_series(1, 1e12 * slow::int8))",
    "code that catches a cancel": "lair.slow()",
}


@pytest.mark.parametrize("caller", ["postgres", "bob", "monitor"])
@pytest.mark.parametrize("slow", SLOW)
def test_a_view_that_takes_for_ever_leaves_the_report_on_the_others(
    lair: psycopg.Connection, mallory: psycopg.Connection, connect: Connect, caller: str, slow: str
) -> None:
    lair.execute("CALL semantic_index('public.victim', '{body}'); GRANT SELECT ON public.victim TO PUBLIC")
    mallory.execute(f"""
        CREATE TABLE lair.switch (slow float8); INSERT INTO lair.switch VALUES (0);
        GRANT SELECT ON lair.switch, lair.trap TO PUBLIC;
        CREATE FUNCTION lair.slow() RETURNS bool LANGUAGE plpgsql AS $$BEGIN
            WHILE (SELECT slow FROM lair.switch) > 0 LOOP
                BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END;
            END LOOP;
            RETURN true;
        END$$;
        CREATE VIEW lair.slow AS SELECT id, body FROM lair.trap WHERE {SLOW[slow]};
        CALL semantic_index('lair.slow', '{{body}}', key => '{{id}}', sync => 'manual');
        UPDATE lair.switch SET slow = 60; GRANT SELECT ON lair.slow TO PUBLIC;
    """)
    if caller == "monitor":
        lair.execute("GRANT mallory TO bob")
    session = connect("bob" if caller == "monitor" else caller)
    session.execute("SET statement_timeout = '20s'")
    counted = dict(session.execute("SELECT target::text, rows FROM llm_staleness").fetchall())
    assert counted == {"victim": 1, "lair.slow": None}


@pytest.mark.parametrize("hindrance", ["other schema", "foreign key", "view of others"])
def test_whoever_may_drop_a_table_can_in_spite_of_its_companion(
    lair: psycopg.Connection, mallory: psycopg.Connection, connect: Connect, hindrance: str
) -> None:
    lair.execute("GRANT CREATE ON SCHEMA public TO mallory; CREATE SCHEMA own AUTHORIZATION alice")
    lair.execute("GRANT CREATE, USAGE ON SCHEMA own TO mallory")
    mallory.execute("CREATE TABLE own.trap (id int PRIMARY KEY, body text); CALL semantic_index('own.trap', '{body}')")
    mallory.execute(
        {
            "other schema": "ALTER TABLE own.trap_embedding SET SCHEMA lair",
            "foreign key": """
            CREATE TABLE lair.referring (id int, chunk int, FOREIGN KEY (id, chunk) REFERENCES own.trap_embedding);
        """,
            "view of others": "CREATE VIEW lair.looking AS SELECT id FROM own.trap_embedding",
        }[hindrance]
    )
    alice = connect("alice")
    alice.execute("DROP TABLE own.trap")
    assert value(lair, "SELECT count(*) FROM llm.semantic_index") == 0


def test_a_companion_that_belongs_to_somebody_else_hinders_no_ddl(
    lair: psycopg.Connection, mallory: psycopg.Connection
) -> None:
    mallory.execute("CALL semantic_index('lair.trap', '{body}')")
    lair.execute("ALTER TABLE lair.trap_embedding OWNER TO bob")
    mallory.execute("ALTER TABLE lair.trap ADD COLUMN more int")


@pytest.mark.parametrize("sqlstate", ["57014", "57P01", "22012", "40001", "55P03", "53200"])
def test_a_table_whose_code_claims_that_all_ends_holds_up_no_others(
    lair: psycopg.Connection, mallory: psycopg.Connection, sqlstate: str
) -> None:
    mallory.execute(f"""
        CREATE FUNCTION lair.end() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN RAISE EXCEPTION 'all ends' USING ERRCODE = '{sqlstate}'; END$$;
        CALL semantic_index('lair.trap', '{{body}}', sync => 'background');
        CREATE TRIGGER t BEFORE INSERT ON lair.trap_embedding FOR EACH ROW EXECUTE FUNCTION lair.end();
        INSERT INTO lair.trap VALUES (3, 'a violin');
    """)
    lair.execute("CALL semantic_index('public.victim', '{body}', sync => 'background')")
    lair.execute("INSERT INTO public.victim VALUES (2, 'an engine')")
    # One that cannot be told from a cancel by the caller ends the call, but not the next ones.
    for _ in range(3):
        with contextlib.suppress(errors.QueryCanceled):
            lair.execute("CALL llm_work(20)")
    assert value(lair, "SELECT count(*) FROM public.victim_embedding") == 2
    if sqlstate != "40001":
        lair.execute("CALL llm_work()")
    mallory.execute("ALTER TABLE lair.trap_embedding DISABLE TRIGGER USER")
    lair.execute("UPDATE llm.all_work SET next_at = now()")
    lair.execute("CALL llm_work()")
    assert value(lair, "SELECT count(*) FROM lair.trap_embedding") == 3


def test_requests_that_a_dump_made_up_stop_no_worker(lair: psycopg.Connection, mallory: psycopg.Connection) -> None:
    lair.execute("CALL semantic_index('public.victim', '{body}', sync => 'background')")
    number = value(lair, "SELECT id FROM llm.semantic_index")
    lair.execute(f"ALTER DATABASE {lair.info.dbname} OWNER TO mallory")
    row = f"'index', {number}, '{{\"id\": 1}}'"
    mallory.execute(f"INSERT INTO llm.all_work (kind, object, key, state) VALUES ({row}, 'delayed'), ({row}, 'dead')")
    mallory.execute(
        "INSERT INTO llm.all_work (kind, object, key, state, claimed_by, claimed_at)"
        f" VALUES ({row}, 'claimed', 1, now())"
    )
    for attempts in (2**31 - 1, 600, 10):
        with contextlib.suppress(errors.CheckViolation):
            mallory.execute(
                "INSERT INTO llm.all_work (kind, object, key, attempts) VALUES ('index', %s, to_jsonb(%s), %s)",
                (number, attempts, attempts),
            )
    lair.execute("INSERT INTO public.victim VALUES (2, 'an engine')")
    lair.execute("CALL llm_work()")
    assert value(lair, "SELECT count(*) FROM public.victim_embedding") == 2
    lair.execute("SELECT llm_retry_work()")


def test_an_open_transaction_keeps_no_worker_from_announcing_itself(lair: psycopg.Connection, connect: Connect) -> None:
    gone = connect("bob")
    gone.execute("SELECT llm.announce_worker()")
    gone.close()
    holding = connect("bob")
    holding.execute("BEGIN; SELECT llm.announce_worker()")
    lair.execute("SET lock_timeout = '2s'; SELECT llm.announce_worker()")


def test_an_open_transaction_of_others_holds_up_no_worker(
    lair: psycopg.Connection, mallory: psycopg.Connection
) -> None:
    lair.execute("CALL semantic_index('public.victim', '{body}', sync => 'background')")
    mallory.execute("CALL semantic_index('lair.trap', '{body}', sync => 'background')")
    mallory.execute("INSERT INTO lair.trap VALUES (3, 'a violin'); DROP TABLE lair.trap")
    mallory.execute("BEGIN")
    with contextlib.suppress(psycopg.Error):
        mallory.execute("CALL llm_work()")
    lair.execute("INSERT INTO public.victim VALUES (2, 'an engine')")
    lair.execute("SET lock_timeout = '2s'")
    lair.execute("CALL llm_work()")
    assert value(lair, "SELECT count(*) FROM public.victim_embedding") == 2


def test_a_row_that_its_owner_keeps_locked_in_the_queue_holds_up_no_worker(
    lair: psycopg.Connection, mallory: psycopg.Connection
) -> None:
    lair.execute("CALL semantic_index('public.victim', '{body}', sync => 'background')")
    mallory.execute("CALL semantic_index('lair.trap', '{body}', sync => 'background')")
    number = value(lair, "SELECT id FROM llm.semantic_index WHERE target = 'lair.trap'::regclass")
    lair.execute(
        "INSERT INTO llm.all_work (kind, object, key, state, error) VALUES ('index', %s, '{\"id\": 1}', 'dead', 'x')",
        (number,),
    )
    mallory.execute("UPDATE lair.trap SET body = 'a dog' WHERE id = 1")
    mallory.execute("BEGIN; SELECT llm_retry_work()")
    lair.execute("INSERT INTO public.victim VALUES (2, 'an engine'); SET lock_timeout = '2s'")
    lair.execute("CALL llm_work()")
    assert value(lair, "SELECT count(*) FROM public.victim_embedding") == 2


@pytest.mark.parametrize("lock", ["source", "companion"])
def test_a_table_that_its_owner_keeps_locked_holds_up_no_worker(
    lair: psycopg.Connection, mallory: psycopg.Connection, lock: str
) -> None:
    lair.execute("CALL semantic_index('public.victim', '{body}', sync => 'background')")
    mallory.execute("CALL semantic_index('lair.trap', '{body}', sync => 'background')")
    mallory.execute("INSERT INTO lair.trap VALUES (3, 'a violin')")
    mallory.execute(f"BEGIN; LOCK TABLE {'lair.trap' if lock == 'source' else 'lair.trap_embedding'}")
    lair.execute("INSERT INTO public.victim VALUES (2, 'an engine'); SET statement_timeout = '60s'")
    lair.execute("CALL llm_work()")
    assert value(lair, "SELECT count(*) FROM public.victim_embedding") == 2


@pytest.mark.parametrize("kind", ["index", "column"])
def test_the_owner_of_a_partition_keeps_nobody_from_writing_to_others(
    lair: psycopg.Connection, mallory: psycopg.Connection, connect: Connect, kind: str
) -> None:
    lair.execute("GRANT CREATE ON SCHEMA public TO alice, mallory")
    alice = connect("alice")
    alice.execute("""
        CREATE TABLE public.parted (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
        CREATE TABLE public.part_a PARTITION OF public.parted FOR VALUES FROM (0) TO (100);
        CREATE TABLE public.part_b PARTITION OF public.parted FOR VALUES FROM (100) TO (200);
    """)
    alice.execute(
        {
            "index": "CALL semantic_index('public.parted', '{body}')",
            "column": "CALL llm_column('public.parted', 'size', 'length(body)')",
        }[kind]
    )
    lair.execute("ALTER TABLE public.part_b OWNER TO mallory")
    mallory.execute("""
        CREATE FUNCTION lair.yes(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END';
        CREATE INDEX ON public.part_b (id) WHERE lair.yes(id);
        CREATE POLICY p ON public.part_b USING (lair.yes(id)); ALTER TABLE public.part_b ENABLE ROW LEVEL SECURITY;
    """)
    alice.execute("INSERT INTO public.parted VALUES (1, 'a cat'); UPDATE public.parted SET body = 'a dog'")


def test_the_owner_of_a_partition_keeps_nobody_from_adding_others(
    lair: psycopg.Connection, mallory: psycopg.Connection, connect: Connect
) -> None:
    lair.execute("GRANT CREATE ON SCHEMA public TO alice, mallory")
    alice = connect("alice")
    alice.execute("""
        CREATE TABLE public.parted (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
        CREATE TABLE public.part_a PARTITION OF public.parted FOR VALUES FROM (0) TO (100);
        CALL semantic_index('public.parted', '{body}');
    """)
    lair.execute("ALTER TABLE public.part_a OWNER TO mallory")
    number = value(lair, "SELECT id FROM llm.semantic_index")
    mallory.execute(f"DROP TRIGGER llm_index_{number}_insert ON public.part_a")
    alice.execute("CREATE TABLE public.part_b PARTITION OF public.parted FOR VALUES FROM (100) TO (200)")
    alice.execute("INSERT INTO public.parted VALUES (101, 'a cat')")
    assert value(lair, "SELECT count(*) FROM public.parted_embedding") == 1


def test_locked_tables_of_others_leave_the_report_on_the_rest(
    lair: psycopg.Connection, mallory: psycopg.Connection, connect: Connect
) -> None:
    lair.execute("CALL semantic_index('public.victim', '{body}'); GRANT SELECT ON public.victim TO PUBLIC")
    mallory.execute("""
        CALL semantic_index('lair.trap', '{body}'); GRANT SELECT ON lair.trap TO PUBLIC;
    """)
    mallory.execute("BEGIN; LOCK TABLE lair.trap")
    for name in ("postgres", "bob"):
        session = connect(name)
        session.execute("SET statement_timeout = '20s'")
        assert "victim" in {row[0] for row in session.execute("SELECT target::text FROM llm_staleness")}
        session.execute("CALL llm_work()")
    lair.execute("SET statement_timeout = '20s'")
    lair.execute("CREATE TABLE public.further (id int); ALTER TABLE public.further ADD COLUMN more int")
    lair.execute("DROP TABLE public.further")
