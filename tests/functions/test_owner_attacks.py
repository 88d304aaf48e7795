"""A hostile owner: whatever it hangs on a table, or a table's owner lets it hang there, runs with its own rights only.

Each kind of object meets each function that touches a table, called by a superuser, by a member of the owner's role, by
a role that was granted the table and has more power than the owner, and by one that was granted it and has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
from database import value
from psycopg import errors
from workbench.cluster import Cluster

Connect = Callable[..., psycopg.Connection]

# What runs says as whom, in the server's log, as that outlives what is rolled back; first it tries to be more.
PAYLOAD = """
    CREATE FUNCTION lair.pay() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;
        BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
        RAISE LOG 'payload ran as %', current_user;
    END $$;
    CREATE FUNCTION lair.yes() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
        'BEGIN PERFORM lair.pay(); RETURN true; END';
    CREATE FUNCTION lair.now() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM lair.pay(); RETURN true; END';
    CREATE FUNCTION lair.same(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
        'BEGIN PERFORM lair.pay(); RETURN x; END';
    CREATE FUNCTION lair.fire() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM lair.pay(); RETURN NEW; END';
    CREATE TYPE lair.mood AS ENUM ('good', 'bad');
    CREATE FUNCTION lair.mood_text(lair.mood) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
        $$BEGIN PERFORM lair.pay(); RETURN 'good'; END$$;
    CREATE FUNCTION lair.mood_json(lair.mood) RETURNS json LANGUAGE plpgsql IMMUTABLE AS
        $$BEGIN PERFORM lair.pay(); RETURN '"good"'; END$$;
    CREATE FUNCTION lair.text_mood(text) RETURNS lair.mood LANGUAGE plpgsql IMMUTABLE AS
        $$BEGIN PERFORM lair.pay(); RETURN 'good'; END$$;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA lair TO PUBLIC;
    CREATE TABLE lair.trap (
        id int PRIMARY KEY, body text, tenant text, mood lair.mood, moods lair.mood[], seen_at timestamptz DEFAULT now()
    );
    INSERT INTO lair.trap SELECT n, (ARRAY['a cat', 'an engine', 'a violin'])[n % 3 + 1], 't' || n % 2,
        (ARRAY['good', 'bad']::lair.mood[])[n % 2 + 1], '{good,bad}' FROM generate_series(1, 6) AS n;
"""
# Nobody who reads or writes the table has asked for these.
CASTS = {
    "enum cast to text": "CREATE CAST (lair.mood AS text) WITH FUNCTION lair.mood_text AS IMPLICIT",
    "enum cast to text on assignment": "CREATE CAST (lair.mood AS text) WITH FUNCTION lair.mood_text AS ASSIGNMENT",
    "enum cast to json": "CREATE CAST (lair.mood AS json) WITH FUNCTION lair.mood_json",
    "text cast to enum": "CREATE CAST (text AS lair.mood) WITH FUNCTION lair.text_mood AS ASSIGNMENT",
}
# A plain statement on the table runs these, as PostgreSQL is; so none of ours does for who has more to lose.
OBJECTS = {
    "check": "ALTER TABLE lair.trap ADD CHECK (lair.now())",
    "domain": "CREATE DOMAIN lair.label AS text CHECK (lair.yes());"
    "ALTER TABLE lair.trap ADD label lair.label DEFAULT 'x'",
    "row trigger": "CREATE TRIGGER t BEFORE UPDATE ON lair.trap FOR EACH ROW EXECUTE FUNCTION lair.fire()",
    "last row trigger": "CREATE TRIGGER zzz BEFORE UPDATE ON lair.trap FOR EACH ROW EXECUTE FUNCTION lair.fire()",
    "statement trigger": "CREATE TRIGGER t AFTER UPDATE ON lair.trap FOR EACH STATEMENT EXECUTE FUNCTION lair.fire()",
    "trigger that always fires": "CREATE TRIGGER t BEFORE UPDATE ON lair.trap FOR EACH ROW"
    " EXECUTE FUNCTION lair.fire(); ALTER TABLE lair.trap ENABLE ALWAYS TRIGGER t",
    "policy": "CREATE POLICY p ON lair.trap USING (lair.now()); ALTER TABLE lair.trap FORCE ROW LEVEL SECURITY;"
    "ALTER TABLE lair.trap ENABLE ROW LEVEL SECURITY",
    "default": "ALTER TABLE lair.trap ALTER tenant SET DEFAULT lair.same('t')",
    "generated column": "ALTER TABLE lair.trap ADD made text GENERATED ALWAYS AS (lair.same(body)) STORED",
    "index expression": "CREATE INDEX ON lair.trap (lair.same(body))",
    "index predicate": "CREATE INDEX ON lair.trap (body) WHERE lair.yes()",
    "rule": "CREATE RULE r AS ON UPDATE TO lair.trap DO ALSO SELECT lair.pay()",
}
LABELS = json.dumps(
    [
        {"key": {"id": 1}, "column": "mood", "value": "good"},
        {"key": {"id": 2}, "column": "body", "value": "a ship"},
    ]
)
READING = (
    "SELECT * FROM llm_profile('{t}')",
    "SELECT * FROM llm_duplicates('{t}', threshold => 0.5)",
    """SELECT * FROM llm_golden('{t}', clusters => '[[{{"id": 1}}, {{"id": 4}}]]')""",
    "SELECT * FROM llm_match_batch('{{cat,good}}', '{t}', 'body')",
    "SELECT * FROM semantic_search('music', '{t}', 3, filter => "
    """'{{"mood": ["bad"], "moods": {{"@>": ["bad"]}}}}')""",
    'SELECT * FROM semantic_search(\'music\', \'{t}\', 3, \'text\', \'{{"mood": {{"like": "g%", "<=": "bad"}}}}\')',
    "SELECT llm_fit_recommender('r', '{t}', 'moods', 'mood', 'seen_at')",
    "SELECT llm_fit_recommender('r', '{t}', 'moods', 'mood', 'seen_at', items => '{t}', item_key => 'mood',"
    " item_text => 'moods')",
    "SELECT * FROM ask('How many traps have the mood good?')",
    "SELECT * FROM ask('How many traps have the mood good?', tables => '{{{t}}}')",
    "SELECT * FROM ask_rows('Show the body of the traps of tenant t1', tables => '{{{t}}}')",
    "SELECT * FROM llm_sql('Which moods do traps have?')",
    "CALL llm_catalog_refresh()",
)
# It plans the caller's own statement, in which PostgreSQL folds what is immutable, as EXPLAIN does.
OPTIMIZING = (
    "SELECT * FROM llm_optimize('SELECT id FROM {t} WHERE id NOT IN (SELECT id FROM {t} WHERE body = ''x'')')",
)
# The rows of a query of the caller's own, which no more runs than the query itself.
QUERIES = (
    "SELECT llm_chart('SELECT mood, count(*) FROM {t} GROUP BY 1')",
    "SELECT llm_chart('SELECT mood, moods, id FROM {t}')",
    "SELECT llm_suspect_labels('SELECT mood, body, mood FROM {t}')",
    "SELECT llm_fit('m', 'classify', 'SELECT mood, mood FROM {t} LIMIT 1')",
)
WRITING = (
    "CALL semantic_index('{t}', '{{body,mood}}')",
    "CALL semantic_refresh('{t}')",
    "SELECT semantic_sync('{t}', '{c}', '[{{\"id\": 1}}]')",
    """SELECT llm_merge('{t}', clusters => '[[{{"id": 1}}, {{"id": 4}}]]')""",
    "SELECT * FROM llm_unmerge((SELECT m.id FROM llm.record_merge AS m ORDER BY m.merged_at DESC LIMIT 1))",
)
CLEANING = (
    "SELECT llm_propose_repairs('{run}')",
    """SELECT llm_mark('{run}', '{{"id": 3}}', 'mood', 'bad')""",
    "SELECT * FROM llm_apply('{run}', 0)",
    "SELECT llm_rules('{run}')",
    "SELECT * FROM llm_rollback('{run}')",
)


@pytest.fixture
def lair(db: psycopg.Connection, connect: Connect) -> Iterator[psycopg.Connection]:
    """The table lair.trap of mallory, a member of mallory's role, and two roles that were granted the table."""
    db.execute("""
        CREATE ROLE mallory LOGIN; CREATE ROLE member LOGIN IN ROLE mallory;
        CREATE ROLE powerful LOGIN IN ROLE pg_monitor;
        CREATE ROLE plain LOGIN; CREATE SCHEMA lair; GRANT ALL ON SCHEMA lair TO mallory;
        GRANT USAGE ON SCHEMA lair TO PUBLIC;
        GRANT INSERT ON llm.model, llm.model_file, llm.run, llm.recommender TO member, powerful, plain;
    """)
    # In a session of its own: in one of the superuser's RESET ROLE leads somewhere.
    mallory = connect(user="mallory")
    mallory.execute(PAYLOAD)
    mallory.execute("GRANT SELECT, INSERT, UPDATE ON lair.trap TO powerful, plain")
    yield db
    roles = "mallory, member, powerful, plain"
    db.execute(f"RESET ROLE; DROP OWNED BY {roles} CASCADE; DROP ROLE {roles}")


class Watch:
    """Statements of a victim, and as whom payloads ran meanwhile."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen = len(cluster.log)

    def ran_as(self) -> set[str]:
        """Since it was last asked."""
        log, self._seen = self._cluster.log[self._seen :], len(self._cluster.log)
        return set(re.findall(r"payload ran as (\w+)", log))


def attempt(victim: psycopg.Connection, statement: str) -> str | None:
    """The SQLSTATE of a refusal; anything but that, and but data that cannot be learnt from, is a failure."""
    try:
        victim.execute(statement)
    # An implicit cast makes comparisons of the type ambiguous, in every statement.
    except (
        errors.InsufficientPrivilege,
        errors.InvalidParameterValue,
        errors.UndefinedObject,
        errors.AmbiguousFunction,
    ) as error:
        return error.sqlstate
    return None


def all_of(victim: psycopg.Connection, statements: tuple[str, ...], table: str) -> Iterator[str]:
    for statement in statements:
        text = statement.replace("{t}", table).replace("{c}", table.rpartition(".")[2] + "_embedding")
        text = text.replace("{{", "{").replace("}}", "}")
        attempt(victim, text)
        yield text


def cleaned(victim: psycopg.Connection, table: str) -> Iterator[str]:
    """Everything that cleaning does to a table, step by step."""
    try:
        run = str(value(victim, "SELECT llm_find_errors(%s, labels => %s)", table, LABELS))
    except errors.InsufficientPrivilege:
        yield "llm_find_errors"
        return
    yield "llm_find_errors"
    for statement in CLEANING:
        text = statement.replace("{run}", run).replace("{{", "{").replace("}}", "}")
        attempt(victim, text)
        yield text


@pytest.mark.parametrize("kind", [*CASTS, *OBJECTS])
def test_what_hangs_on_a_table_runs_as_its_owner_only(
    lair: psycopg.Connection, connect: Connect, cluster: Cluster, kind: str
) -> None:
    connect(user="mallory").execute((CASTS | OBJECTS)[kind])
    queries = (QUERIES if kind in CASTS else ()) + (() if kind.startswith("index") else OPTIMIZING)
    victims = ["postgres", "member", "powerful", *(["plain"] if kind in CASTS else [])]
    watch = Watch(cluster)
    watch.ran_as()
    for name in victims:
        victim = connect(user=name)
        for statements in (WRITING, READING, queries):
            for text in all_of(victim, statements, "lair.trap"):
                assert watch.ran_as() <= {"mallory"}, (name, text)
        for text in cleaned(victim, "lair.trap"):
            assert watch.ran_as() <= {"mallory"}, (name, text)
    assert not value(lair, "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'")
    # The functions were not all refused; no index is made where the owner may not see all rows.
    is_made = kind != "policy"
    assert value(lair, "SELECT count(*) FROM llm.semantic_index") == is_made
    connect(user="mallory").execute("INSERT INTO lair.trap VALUES (7, 'a piano')")
    if is_made:
        connect(user="postgres").execute("CALL semantic_drop('lair.trap')")
    assert watch.ran_as() <= {"mallory"}


@pytest.mark.parametrize("kind", ["partition", "trigger of a grantee"])
def test_what_others_hang_on_a_table_never_runs_as_its_owner(
    lair: psycopg.Connection, connect: Connect, cluster: Cluster, kind: str
) -> None:
    mallory = connect(user="mallory")
    trigger = "CREATE TRIGGER t BEFORE UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION lair.fire()"
    lair.execute("""
        CREATE TABLE own (id int PRIMARY KEY, body text, tenant text, mood text, moods text[], seen_at timestamptz)
        PARTITION BY RANGE (id)
    """)
    lair.execute("CREATE TABLE part PARTITION OF own FOR VALUES FROM (0) TO (100)")
    lair.execute("INSERT INTO own VALUES (1, 'a cat', 't1'), (2, 'an engine', 't1'), (3, 'a violin', 't2')")
    lair.execute("CALL semantic_index('own', '{body,mood}')")
    if kind == "partition":
        lair.execute("ALTER TABLE part OWNER TO mallory; GRANT ALL ON SCHEMA public TO mallory")
        mallory.execute(trigger.format("part"))
        mallory.execute("CREATE INDEX ON part (lair.same(body)); CREATE INDEX ON part (body) WHERE lair.yes()")
    else:
        lair.execute("GRANT ALL ON own, part TO mallory")
        mallory.execute(trigger.format("own"))
    lair.execute("GRANT ALL ON own TO plain")
    watch, victim = Watch(cluster), connect(user="postgres")
    watch.ran_as()
    for text in all_of(victim, WRITING, "own"):
        assert watch.ran_as() <= {"mallory"}, text
    # A statement of one's own runs it with one's own rights, as PostgreSQL does: this is not the superuser's.
    plain = connect(user="plain")
    assert value(plain, "SELECT count(embedding) FROM own_embedding") == 3
    watch.ran_as()
    if kind == "partition":
        # A plain scan of the whole would run what is on the part.
        for text in all_of(victim, READING, "own"):
            assert watch.ran_as() <= {"mallory"}, text
    for text in cleaned(victim, "own"):
        assert watch.ran_as() <= {"mallory"}, text
    # A writer's own statement runs it as the writer; what follows from that does not run it as the owner.
    heard: list[str] = []
    plain.add_notice_handler(lambda notice: heard.append(str(notice.message_primary)))
    plain.execute("INSERT INTO own (id, body, tenant) VALUES (4, 'a piano', 't1')")
    assert watch.ran_as() <= {"mallory", "plain"}
    plain.execute("UPDATE own SET body = 'a flute' WHERE id = 4")
    assert watch.ran_as() <= {"mallory", "plain"}
    # Where the owner's rights would run it, writers go on and the index does not follow.
    followed = 3 if kind == "partition" else 4
    assert value(lair, "SELECT count(embedding) FROM own_embedding") == followed
    assert any("does not follow" in notice for notice in heard) == (kind == "partition")
    assert not value(lair, "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'")


def test_a_planted_function_is_not_taken_over(lair: psycopg.Connection, connect: Connect, cluster: Cluster) -> None:
    lair.execute("CREATE TABLE lair.own (id int PRIMARY KEY, body text)")
    mallory = connect(user="mallory")
    for name in ("follow_index", "enqueue_work", "companion_ddl"):
        mallory.execute(
            f"CREATE FUNCTION lair.{name}() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM lair.pay(); RETURN NULL; END'"
        )
    mallory.execute(
        "CREATE FUNCTION lair.readable_keys(kind text, id int) RETURNS SETOF record LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM lair.pay(); RETURN QUERY SELECT 1; END'"
    )
    watch = Watch(cluster)
    definers = "SELECT count(*) FROM pg_proc WHERE prosecdef"
    before = value(lair, definers)
    lair.execute("SET search_path = lair, public; CALL semantic_index('lair.own', '{body}')")
    assert value(lair, definers) == before
    lair.execute("INSERT INTO lair.own VALUES (1, 'a cat'); GRANT SELECT ON own TO plain")
    for reader in (lair, connect(user="plain")):
        assert value(reader, "SELECT count(*) FROM lair.own_embedding") == 1
    assert watch.ran_as() == set()
    # What mallory planted is mallory's still.
    mallory.execute("DROP FUNCTION lair.follow_index")


def test_forged_triggers_reach_no_other_table(lair: psycopg.Connection, connect: Connect) -> None:
    lair.execute("CREATE TABLE own (id int PRIMARY KEY, body text); INSERT INTO own VALUES (1, 'a cat')")
    lair.execute("CALL semantic_index('own', '{body}')")
    contents = "SELECT id, chunk, text_hash, embedding::text FROM own_embedding"
    before = lair.execute(contents).fetchall()
    number = value(lair, "SELECT id FROM llm.semantic_index")
    mallory = connect(user="mallory")
    for arguments in ("", f"'{number}'", f"'{number}', 'own'", "'id'", "'x\"; DROP TABLE own'", f"'index', '{number}'"):
        mallory.execute("CREATE TABLE lair.forged (id int PRIMARY KEY, body text, embedding text, embedding_text text)")
        definition = json.dumps(
            {
                "name": "embedding",
                "columns": ["body"],
                "model": "all-minilm-l6-v2",
                "method": "none",
                "metric": "cosine",
                "sync": "live",
                "text_config": "simple",
            }
        )
        mallory.execute(
            f"CREATE TRIGGER f BEFORE UPDATE ON lair.forged FOR EACH ROW"
            f" EXECUTE FUNCTION llm.semantic_forget('{definition}')"
        )
        for function in ("follow_index", "enqueue_work"):
            for event, rows in (
                ("insert", "REFERENCING NEW TABLE AS changed"),
                ("update", "REFERENCING OLD TABLE AS former NEW TABLE AS changed"),
                ("delete", "REFERENCING OLD TABLE AS former"),
                ("truncate", ""),
            ):
                mallory.execute(
                    f"CREATE TRIGGER llm_index_{number}_{event} AFTER {event} ON lair.forged {rows}"
                    f" FOR EACH STATEMENT EXECUTE FUNCTION llm.{function}({arguments})"
                )
            for statement in (
                "INSERT INTO lair.forged VALUES (1, 'a dog')",
                "UPDATE lair.forged SET body = 'a wolf'",
                "DELETE FROM lair.forged",
                "TRUNCATE lair.forged",
            ):
                try:
                    mallory.execute(statement)
                except psycopg.Error as error:
                    assert error.sqlstate != "XX000", error
            for event in ("insert", "update", "delete", "truncate"):
                mallory.execute(f"DROP TRIGGER llm_index_{number}_{event} ON lair.forged")
        mallory.execute("DROP TABLE lair.forged")
    assert lair.execute(contents).fetchall() == before
    assert value(lair, "SELECT count(*) FROM llm.semantic_index") == 1


def test_a_recommender_runs_its_query_as_its_author(
    fitted: psycopg.Connection, connect: Connect, cluster: Cluster
) -> None:
    fitted.execute("""
        CREATE ROLE mallory LOGIN; CREATE ROLE plain LOGIN; CREATE SCHEMA lair;
        GRANT ALL ON SCHEMA lair TO mallory, plain; GRANT INSERT ON llm.recommender TO mallory;
        GRANT SELECT ON purchase, product, recommender_shop TO mallory, plain;
    """)
    try:
        mallory = connect(user="mallory")
        mallory.execute(PAYLOAD)
        copied = """
            INSERT INTO llm.recommender (name, query, search_path, user_column, item_column, time_column, item_text,
                catalogue, version, options, usename)
            SELECT %s, 'SELECT * FROM public.purchase WHERE lair.yes()', 'lair, public', user_column, item_column,
                time_column, '{}', catalogue, version, options, %s FROM llm.recommender WHERE name = 'shop'
        """
        with pytest.raises(errors.InsufficientPrivilege, match="in its name"):
            mallory.execute(copied, ("forged", "postgres"))
        mallory.execute(copied, ("bait", "mallory"))
        fitted.execute("INSERT INTO llm.model SELECT 'bait', task, source FROM llm.model WHERE name = 'shop'")
        watch = Watch(cluster)
        for name, may in (("postgres", {"mallory"}), ("plain", {"mallory", "plain"})):
            victim = connect(user=name)
            for call in (
                "SELECT * FROM recommend('3', 5, 'bait')",
                "SELECT * FROM recommend_for('{1}', 5, 'bait')",
                "SELECT * FROM similar_items('1', 5, 'bait')",
                "SELECT * FROM llm_evaluate_recommender('bait')",
            ):
                attempt(victim, call)
                assert watch.ran_as() <= may, (name, call)
    finally:
        fitted.execute(
            "DELETE FROM llm.recommender WHERE name = 'bait'; DROP OWNED BY mallory, plain CASCADE;"
            " DROP ROLE mallory, plain"
        )


def test_ask_says_which_tables_it_left_out(lair: psycopg.Connection, connect: Connect) -> None:
    connect(user="mallory").execute(OBJECTS["policy"])
    lair.execute("CREATE TABLE engine (id int PRIMARY KEY, name text); INSERT INTO engine VALUES (1, 'diesel')")
    lair.execute("GRANT SELECT ON engine TO powerful, plain")
    told = 'left out: lair.trap (policy p on trap runs code of "mallory")'
    # What mallory may see is what mallory's rights show, and a role that risks nothing may ask in its own name.
    for name, named in (("postgres", None), ("powerful", errors.InsufficientPrivilege), ("plain", None)):
        victim = connect(user=name)
        assert told in value(victim, "SELECT reason FROM ask('How many engines are there?')")
        assert told in value(victim, "SELECT reason FROM ask('How many traps are there?')")
        question = "SELECT rows FROM ask('How many traps are there?', tables => '{lair.trap}')"
        if named:
            with pytest.raises(named, match="policy p on trap"):
                victim.execute(question)
        else:
            (only,) = value(victim, question)
            assert list(only.values()) == [6]
