"""Who sees what of a semantic index, what its hostile owner or a hostile writer can do, and writers side by side."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator

import companion
import psycopg
import pytest
from database import value
from psycopg import errors
from workbench.cluster import Cluster

Connect = Callable[..., psycopg.Connection]
MODES = ("vector", "text", "hybrid")
ROLES = ("alice", "bob", "nobody", "mallory", "powerful", "plain")
NOTES = """
    CREATE TABLE note (id int PRIMARY KEY, tenant text, body text, secret text DEFAULT 'hidden treasure');
    INSERT INTO note SELECT n, CASE WHEN n % 10 = 0 THEN 'alice' ELSE 'bob' END, 'an engine for boat number ' || n
    FROM generate_series(1, 60) AS n;
    ALTER TABLE note ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON note USING (tenant = CURRENT_USER);
    GRANT SELECT ON note TO alice, bob;
"""


@pytest.fixture
def roles(db: psycopg.Connection) -> Iterator[psycopg.Connection]:
    for name in ROLES:
        db.execute(f"CREATE ROLE {name} LOGIN {'IN ROLE pg_monitor' if name == 'powerful' else ''}")
    yield db
    db.execute(f"RESET ROLE; DROP OWNED BY {', '.join(ROLES)} CASCADE; DROP ROLE {', '.join(ROLES)}")


@pytest.fixture
def notes(roles: psycopg.Connection) -> psycopg.Connection:
    roles.execute(NOTES)
    roles.execute("CALL semantic_index('note', '{body}')")
    return roles


def keys(session: psycopg.Connection, mode: str, k: int = 100, query: str = "boat engine number") -> set[int]:
    found = session.execute("SELECT s.key FROM semantic_search(%s, 'note', %s, %s) AS s", (query, k, mode))
    return {key["id"] for (key,) in found}


def readable(session: psycopg.Connection, query: str) -> set[int]:
    """What a query gives of the column id; nothing where it is refused."""
    try:
        return {id for (id,) in session.execute(query)}
    except errors.InsufficientPrivilege:
        return set()


# 1. Reading.
@pytest.mark.parametrize("mode", MODES)
def test_search_and_companion_show_what_the_source_shows(
    notes: psycopg.Connection, connect: Connect, mode: str
) -> None:
    for name in ("alice", "bob", "nobody", "postgres"):
        session = connect(name)
        allowed = readable(session, "SELECT id FROM note")
        assert readable(session, "SELECT id FROM note_embedding") == allowed
        if name == "nobody":
            with pytest.raises(errors.InsufficientPrivilege):
                keys(session, mode)
        else:
            assert keys(session, mode) == allowed
            # The best that may be read, however many better ones may not.
            assert keys(session, mode, 1, "an engine for boat number 7") <= allowed
            assert len(keys(session, mode, 5)) == min(5, len(allowed))


def test_a_policy_that_changes_counts_at_once(notes: psycopg.Connection, connect: Connect) -> None:
    alice = connect("alice")
    assert len(keys(alice, "vector")) == len(readable(alice, "SELECT id FROM note_embedding")) == 6
    notes.execute("DROP POLICY own ON note; CREATE POLICY few ON note USING (id < 4)")
    assert keys(alice, "vector") == readable(alice, "SELECT id FROM note_embedding") == {1, 2, 3}
    notes.execute("UPDATE note SET id = 100 WHERE id = 1")
    assert keys(alice, "vector") == readable(alice, "SELECT id FROM note_embedding") == {2, 3}
    notes.execute("REVOKE SELECT ON note FROM alice")
    assert readable(alice, "SELECT id FROM note_embedding") == set()
    notes.execute("GRANT SELECT ON note TO alice; ALTER TABLE note DISABLE ROW LEVEL SECURITY")
    assert len(keys(alice, "vector")) == len(readable(alice, "SELECT id FROM note_embedding")) == 60
    notes.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(psycopg.Error):
        alice.execute("SELECT * FROM note_embedding")
    notes.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")


def test_a_policy_with_a_setting_and_one_with_a_subquery(notes: psycopg.Connection, connect: Connect) -> None:
    notes.execute("""
        CREATE TABLE allowed (usename name, id int); INSERT INTO allowed VALUES ('alice', 5), ('alice', 6), ('bob', 7);
        GRANT SELECT ON allowed TO PUBLIC; DROP POLICY own ON note;
        CREATE POLICY own ON note USING (EXISTS (
            SELECT FROM allowed AS a WHERE a.usename = CURRENT_USER AND a.id = note.id
        ) OR id = current_setting('app.note', true)::int);
    """)
    alice = connect("alice")
    assert keys(alice, "hybrid") == readable(alice, "SELECT id FROM note_embedding") == {5, 6}
    alice.execute("SET app.note = 9")
    assert keys(alice, "hybrid") == readable(alice, "SELECT id FROM note_embedding") == {5, 6, 9}


@pytest.mark.parametrize("granted", ["id", "id, tenant", "id, secret", "body", "id, tenant, secret"])
def test_who_may_not_read_the_indexed_columns_reads_nothing_of_them(
    notes: psycopg.Connection, connect: Connect, granted: str
) -> None:
    notes.execute(f"REVOKE SELECT ON note FROM alice; GRANT SELECT ({granted}) ON note TO alice")
    alice = connect("alice")
    assert readable(alice, "SELECT id FROM note_embedding") == set()
    for mode in MODES:
        try:
            rows = alice.execute("SELECT * FROM semantic_search('boat', 'note', mode => %s)", (mode,)).fetchall()
        except errors.InsufficientPrivilege:
            continue
        assert rows == []


def test_columns_that_are_not_granted_are_not_shown(notes: psycopg.Connection, connect: Connect) -> None:
    notes.execute("REVOKE SELECT ON note FROM alice; GRANT SELECT (id, tenant, body) ON note TO alice")
    alice = connect("alice")
    assert len(readable(alice, "SELECT id FROM note_embedding")) == 6
    with contextlib.suppress(errors.InsufficientPrivilege):
        rows = alice.execute("SELECT s::text FROM semantic_search('boat', 'note') AS s").fetchall()
        assert "treasure" not in str(rows)
    with pytest.raises(errors.InsufficientPrivilege):
        alice.execute("""SELECT * FROM semantic_search('boat', 'note', filter => '{"secret": "hidden treasure"}')""")


def test_the_owner_under_forced_row_security(roles: psycopg.Connection, connect: Connect) -> None:
    roles.execute("GRANT CREATE ON SCHEMA public TO bob")
    bob = connect("bob")
    bob.execute(NOTES)
    bob.execute("CALL semantic_index('note', '{body}')")
    assert len(keys(bob, "vector")) == 60
    bob.execute("ALTER TABLE note FORCE ROW LEVEL SECURITY")
    for mode in MODES:
        assert keys(bob, mode) == readable(bob, "SELECT id FROM note")
    bob.execute("INSERT INTO note VALUES (100, 'bob', 'an engine for boat number 100')")
    assert 100 in keys(bob, "vector")
    # Rows that the owner does not see are not rows that are gone.
    before = value(roles, "SELECT count(*) FROM note_embedding")
    with pytest.raises(errors.InsufficientPrivilege, match="does not see all its rows"):
        bob.execute("CALL semantic_refresh('note')")
    with pytest.raises(errors.InsufficientPrivilege, match="does not see all its rows"):
        bob.execute("CALL semantic_index('note', '{body}', name => 'other')")
    assert value(roles, "SELECT count(*) FROM note_embedding") == before
    assert value(roles, "SELECT to_regclass('other') IS NULL")
    bob.execute("ALTER TABLE note DISABLE ROW LEVEL SECURITY")
    assert companion.differences(bob) == {}


def test_views_over_the_companion(notes: psycopg.Connection, connect: Connect) -> None:
    bob, alice = connect("bob"), connect("alice")
    notes.execute("CREATE SCHEMA views; GRANT ALL ON SCHEMA views TO bob; GRANT USAGE ON SCHEMA views TO alice")
    bob.execute("""
        CREATE VIEW views.mine WITH (security_invoker = false) AS SELECT * FROM note_embedding;
        CREATE VIEW views.theirs WITH (security_invoker) AS SELECT * FROM note_embedding;
        CREATE FUNCTION views.definer() RETURNS SETOF int LANGUAGE sql SECURITY DEFINER
            AS 'SELECT id FROM public.note_embedding';
        CREATE FUNCTION views.see(id int) RETURNS boolean LANGUAGE plpgsql COST 0.0001
            AS 'BEGIN RAISE NOTICE $$saw %$$, id; RETURN true; END';
        GRANT SELECT ON views.mine, views.theirs TO alice;
    """)
    theirs = readable(alice, "SELECT id FROM note")
    assert readable(alice, "SELECT id FROM views.theirs") == theirs
    # A view gives nobody more than its owner or its reader may read.
    bobs = readable(bob, "SELECT id FROM note")
    assert readable(alice, "SELECT id FROM views.mine") <= bobs | theirs
    assert readable(alice, "SELECT * FROM views.definer()") == bobs
    # Rows that may not be read reach no function of the query.
    seen: list[str] = []
    alice.add_notice_handler(lambda diagnostic: seen.append(str(diagnostic.message_primary)))
    alice.execute("SELECT FROM note_embedding WHERE views.see(id)")
    assert {int(text.split()[1]) for text in seen} == theirs


def test_the_registry_is_closed(notes: psycopg.Connection, connect: Connect) -> None:
    for name in ("alice", "bob", "nobody"):
        session = connect(name)
        for statement in (
            "SELECT * FROM llm.all_semantic_index",
            "INSERT INTO llm.all_semantic_index DEFAULT VALUES",
            "UPDATE llm.all_semantic_index SET model = 'x'",
            "DELETE FROM llm.all_semantic_index",
            "DELETE FROM llm.semantic_index",
            "CALL semantic_refresh('note')",
            "CALL semantic_drop('note')",
            "CALL semantic_index('note', '{body}', name => 'mine')",
            "INSERT INTO note_embedding SELECT * FROM note_embedding",
            "UPDATE note_embedding SET chunk = 7",
            "DELETE FROM note_embedding",
            "TRUNCATE note_embedding",
            "DROP TABLE note_embedding",
        ):
            with pytest.raises(psycopg.Error) as caught:
                session.execute(statement)
            assert caught.value.sqlstate in ("42501", "55000"), statement
    assert companion.differences(notes) == {}


# 2. A hostile owner.
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
        'BEGIN PERFORM lair.pay(); RETURN coalesce(NEW, OLD); END';
    CREATE TABLE lair.trap (id int PRIMARY KEY, body text);
    INSERT INTO lair.trap VALUES (1, 'a cat'), (2, 'an engine'), (3, 'a violin');
    CALL public.semantic_index('lair.trap', '{body}', sync => '{sync}');
    GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON lair.trap TO powerful, plain;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA lair TO PUBLIC;
"""
# What its owner makes of a companion, `e`, of the kind that a statement on it runs.
ON_COMPANION = {
    "row trigger": "CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON e FOR EACH ROW EXECUTE FUNCTION lair.fire()",
    "statement trigger": "CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON e EXECUTE FUNCTION lair.fire()",
    "trigger that always fires": "CREATE TRIGGER t BEFORE INSERT OR DELETE ON e FOR EACH ROW EXECUTE FUNCTION"
    " lair.fire(); ALTER TABLE e ENABLE ALWAYS TRIGGER t",
    "check": "ALTER TABLE e ADD CHECK (lair.now())",
    "default": "ALTER TABLE e ADD more text DEFAULT lair.same('x')",
    "generated column": "ALTER TABLE e ADD made text GENERATED ALWAYS AS (lair.same(chunk::text)) STORED",
    "index expression": "CREATE INDEX ON e (lair.same(chunk::text))",
    "index predicate": "CREATE INDEX ON e (chunk) WHERE lair.yes()",
    "policy": "CREATE POLICY p ON e USING (lair.now()); ALTER TABLE e FORCE ROW LEVEL SECURITY",
    "restrictive policy": "CREATE POLICY p ON e AS RESTRICTIVE USING (lair.now())",
    "no policy": "DO $$BEGIN EXECUTE (SELECT string_agg(format('DROP POLICY %I ON lair.trap_embedding', polname), ';')"
    " FROM pg_policy WHERE polrelid = 'lair.trap_embedding'::regclass); END$$; CREATE POLICY p ON e USING (lair.now())",
    "rule": "CREATE RULE r AS ON INSERT TO e DO ALSO SELECT lair.pay(); CREATE RULE d AS ON DELETE TO e DO ALSO"
    " SELECT lair.pay()",
    "domain": "CREATE DOMAIN lair.label AS text CHECK (lair.yes()); ALTER TABLE e ADD label lair.label DEFAULT 'x'",
    "view": "ALTER TABLE e RENAME TO real; CREATE VIEW e AS SELECT * FROM lair.real WHERE lair.now()",
    "view in its place": "CREATE TABLE lair.kept AS TABLE e; DROP TABLE e; CREATE VIEW e AS SELECT * FROM lair.kept"
    " WHERE lair.now()",
    "table in its place": "CREATE TABLE lair.kept AS TABLE e; DROP TABLE e; CREATE TABLE e AS TABLE lair.kept;"
    " CREATE TRIGGER t BEFORE INSERT OR DELETE ON e FOR EACH ROW EXECUTE FUNCTION lair.fire()",
    "child": "CREATE TABLE lair.child () INHERITS (e); CREATE POLICY p ON lair.child USING (lair.now());"
    " INSERT INTO lair.child TABLE e; CREATE TRIGGER t BEFORE DELETE ON lair.child FOR EACH ROW"
    " EXECUTE FUNCTION lair.fire()",
    "words of another type": "CREATE DOMAIN lair.ts AS tsvector CHECK (lair.yes());"
    " ALTER TABLE e ALTER words TYPE lair.ts",
    "key of another type": "DROP POLICY readable ON e; ALTER TABLE e ALTER id TYPE bigint; ALTER TABLE e ADD CHECK"
    " (lair.now() AND id > 0); CREATE INDEX ON e (lair.same(chunk::text)); CREATE TRIGGER t BEFORE DELETE ON e"
    " FOR EACH ROW EXECUTE FUNCTION lair.fire()",
    "key that a cast makes": "CREATE DOMAIN lair.number AS int CHECK (lair.yes()); DROP POLICY readable ON e;"
    " ALTER TABLE e ALTER id TYPE text; ALTER TABLE lair.trap ALTER id TYPE lair.number",
    "key of an enum": "CREATE TYPE lair.mood AS ENUM ('1', '2', '3'); ALTER TABLE lair.trap ALTER id TYPE lair.mood"
    " USING id::text::lair.mood; DROP POLICY readable ON e; ALTER TABLE e ALTER id TYPE text; CREATE FUNCTION"
    " lair.mood(text) RETURNS lair.mood LANGUAGE plpgsql AS $$BEGIN PERFORM lair.pay(); RETURN '1'; END$$;"
    " CREATE CAST (text AS lair.mood) WITH FUNCTION lair.mood",
    "policy on the source": "CREATE POLICY p ON lair.trap USING (lair.now()); ALTER TABLE lair.trap ENABLE ROW LEVEL"
    " SECURITY; ALTER TABLE lair.trap FORCE ROW LEVEL SECURITY",
    "event on the source": "CREATE TRIGGER t AFTER INSERT OR UPDATE ON lair.trap EXECUTE FUNCTION lair.fire()",
}
VICTIM = (
    "SELECT * FROM semantic_search('music', 'lair.trap')",
    "SELECT * FROM semantic_search('music', 'lair.trap', mode => 'text')",
    "CALL semantic_refresh('lair.trap')",
    "CALL llm_work()",
    "SELECT * FROM llm.semantic_index",
    "SELECT * FROM llm_staleness",
    "CALL semantic_index('lair.trap', '{body}')",
    "ALTER TABLE lair.trap RENAME COLUMN body TO content",
    "ALTER TABLE lair.trap RENAME COLUMN content TO body",
    "VACUUM ANALYZE lair.trap",
    "CALL semantic_drop('lair.trap')",
    "DROP TABLE lair.trap",
)
# A write of the victim's own on the table runs the owner's code there as PostgreSQL does; on the companion it must not.
WRITES = (
    "INSERT INTO lair.trap VALUES (10, 'a boat'), (11, 'a piano')",
    "UPDATE lair.trap SET body = body || ' again' WHERE id = 10",
    "UPDATE lair.trap SET id = 12 WHERE id = 11",
    "DELETE FROM lair.trap WHERE id >= 10",
    "TRUNCATE lair.trap",
)


@pytest.fixture
def lair(roles: psycopg.Connection, connect: Connect) -> psycopg.Connection:
    roles.execute("CREATE SCHEMA lair; GRANT ALL ON SCHEMA lair TO mallory; GRANT USAGE ON SCHEMA lair TO PUBLIC")
    return connect("mallory")


def payloads(cluster: Cluster, since: int) -> set[str]:
    return set(re.findall(r"payload ran as (\w+)", cluster.log[since:]))


@pytest.mark.parametrize("sync", ["live", "background"])
@pytest.mark.parametrize("kind", ON_COMPANION)
def test_what_hangs_on_a_companion_runs_as_its_owner_only(
    lair: psycopg.Connection, connect: Connect, cluster: Cluster, kind: str, sync: str
) -> None:
    lair.execute(PAYLOAD.replace("{sync}", sync))
    lair.execute(re.sub(r"\be\b", "lair.trap_embedding", ON_COMPANION[kind]))
    on_source = kind.endswith("on the source") or kind.startswith("key")
    for name in ("plain", "powerful", "postgres"):
        victim = connect(name)
        # A plain role is refused nothing, and has nothing to lose.
        harmless = {"mallory", "plain"} if name == "plain" else {"mallory"}
        for statement in (*(() if on_source else WRITES), *VICTIM):
            if name != "postgres" and statement.startswith("DROP"):
                continue
            since = len(cluster.log)
            with contextlib.suppress(psycopg.Error):
                victim.execute(statement)
            assert payloads(cluster, since) <= harmless, f"{name}: {statement}"
    assert not value(lair, "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'")


@pytest.mark.parametrize(
    "plant",
    [
        "UPDATE note_embedding SET start_pos = -5, end_pos = 2147483647",
        "UPDATE note_embedding SET start_pos = 2147483647, end_pos = -2147483648",
        "UPDATE note_embedding SET text_hash = '\\x00'",
        "UPDATE note_embedding SET chunk = -chunk",
        "INSERT INTO note_embedding SELECT id, chunk + 7, start_pos, end_pos, text_hash, embedding, words"
        " FROM note_embedding",
        "UPDATE note_embedding SET embedding = NULL, words = NULL",
        "UPDATE note_embedding SET embedding = '[nan]'",
        "INSERT INTO note_embedding SELECT id + 1000, chunk, start_pos, end_pos, text_hash, embedding, words"
        " FROM note_embedding",
        "UPDATE note_embedding AS e SET embedding = f.embedding FROM note_embedding AS f WHERE f.id = 1",
        "ALTER TABLE note_embedding ALTER start_pos DROP NOT NULL; UPDATE note_embedding SET start_pos = NULL",
        "ALTER TABLE note_embedding ALTER text_hash DROP NOT NULL; UPDATE note_embedding SET text_hash = NULL",
        "DELETE FROM note_embedding",
        "ALTER TABLE note_embedding DISABLE ROW LEVEL SECURITY",
    ],
)
def test_planted_chunks_show_nothing_but_the_source(notes: psycopg.Connection, connect: Connect, plant: str) -> None:
    """The owner may spoil the ranking; what comes out is text of rows that the caller may read, and once per row."""
    with contextlib.suppress(errors.DataException, errors.IntegrityError):
        for statement in plant.split("; "):
            notes.execute(statement)
    for name in ("alice", "postgres"):
        session = connect(name)
        texts = dict(session.execute("SELECT id, body FROM note").fetchall())
        for mode in MODES:
            rows = session.execute(
                "SELECT s.key, s.row, s.passage FROM semantic_search('boat engine', 'note', 100, %s) AS s", (mode,)
            ).fetchall()
            assert len({key["id"] for key, *_ in rows}) == len(rows)
            for key, row, passage in rows:
                assert row["body"] == texts[key["id"]]
                assert (passage or "") in texts[key["id"]]
    notes.execute("INSERT INTO note VALUES (500, 'alice', 'a new engine')")
    notes.execute("CALL semantic_refresh('note')")
    if "SET text_hash" in plant or "DELETE" in plant:
        assert companion.differences(notes) == {}


# 3. A hostile writer, whom the owner lets insert.
def test_what_a_writer_plants_in_the_session(notes: psycopg.Connection, connect: Connect, cluster: Cluster) -> None:
    notes.execute(
        "ALTER TABLE note DISABLE ROW LEVEL SECURITY; GRANT INSERT, UPDATE, DELETE, SELECT ON note TO mallory"
    )
    notes.execute("CREATE SCHEMA lair; GRANT ALL ON SCHEMA lair TO mallory")
    mallory = connect("mallory")
    mallory.execute(
        """
        CREATE FUNCTION lair.pay() RETURNS boolean LANGUAGE plpgsql AS
            'BEGIN RAISE LOG $$payload ran as %$$, current_user; RETURN true; END';
        CREATE FUNCTION lair.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT lair.pay()';
        CREATE FUNCTION lair.eq(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT lair.pay()';
        CREATE OPERATOR lair.= (LEFTARG = text, RIGHTARG = text, FUNCTION = lair.eq);
        CREATE OPERATOR lair.= (LEFTARG = int, RIGHTARG = int, FUNCTION = lair.eq);
        CREATE OPERATOR lair.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = lair.eq);
        CREATE FUNCTION lair.concat_ws(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS
            'SELECT lair.pay()::text';
        CREATE FUNCTION lair.sha256(bytea) RETURNS bytea LANGUAGE sql AS
            $$SELECT convert_to(lair.pay()::text, 'UTF8')$$;
        CREATE FUNCTION lair.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT lair.pay()';
        CREATE DOMAIN lair.text AS pg_catalog.text CHECK (lair.pay());
        CREATE DOMAIN lair.vector AS pg_catalog.text CHECK (lair.pay());
        CREATE DOMAIN lair.jsonb AS pg_catalog.jsonb CHECK (lair.pay());
        CREATE TABLE lair.changed (id int, tenant pg_catalog.text, body pg_catalog.text, secret pg_catalog.text);
        CREATE TEMPORARY TABLE changed (id int, tenant pg_catalog.text, body pg_catalog.text, secret pg_catalog.text);
        CREATE TEMPORARY TABLE old (LIKE changed); CREATE TEMPORARY TABLE note_embedding (LIKE public.note_embedding);
        CREATE TEMPORARY TABLE pg_class (oid oid); CREATE TEMPORARY TABLE note (LIKE public.note);
    """
    )
    since = len(cluster.log)
    mallory.execute("SET search_path = pg_temp, lair, pg_catalog, public")
    for statement in (
        "INSERT INTO public.note (id, tenant, body) SELECT 200, 'm', 'a loaf of bread'",
        "UPDATE public.note SET body = 'a slice of bread' FROM (SELECT 1) AS x WHERE id OPERATOR(pg_catalog.=) 200",
        "UPDATE public.note SET id = 201 WHERE id OPERATOR(pg_catalog.=) 200",
        "SELECT * FROM public.semantic_search('bread', 'public.note')",
        "DELETE FROM public.note WHERE id OPERATOR(pg_catalog.=) 3",
    ):
        mallory.execute(statement)
    assert payloads(cluster, since) <= set()
    assert companion.differences(notes) == {}


@pytest.mark.parametrize("function", ["llm.follow_index", "llm.enqueue_work"])
def test_a_trigger_of_ones_own_with_anothers_index(
    notes: psycopg.Connection, connect: Connect, function: str, cluster: Cluster
) -> None:
    """Another's index as the argument of one's own trigger does nothing to it, and fails no worse than any trigger."""
    if value(notes, "SELECT to_regproc(%s) IS NULL", function):
        pytest.fail(f"there is no {function}")
    (index,) = companion.indexes(notes)
    notes.execute("GRANT CREATE ON SCHEMA public TO mallory")
    mallory = connect("mallory")
    mallory.execute("CREATE TABLE mine (id int PRIMARY KEY, tenant text, body text, secret text)")
    mallory.execute("CREATE TEMPORARY TABLE changed (LIKE mine); CREATE TEMPORARY TABLE old (LIKE mine)")
    mallory.execute("INSERT INTO changed VALUES (1, 'x', 'planted'); INSERT INTO old VALUES (2, 'x', 'planted')")
    waiting = "SELECT count(*) FROM llm.all_work" if value(notes, "SELECT to_regclass('llm.all_work')") else "SELECT 0"
    before = value(notes, waiting)
    arguments = [
        (str(index.id),),
        ("index", str(index.id)),
        (),
        ("x",),
        ("index", "x"),
        ("index", "999999"),
        ("column", "1"),
    ]
    for number, values in enumerate(arguments):
        given = ", ".join(f"'{text}'" for text in values)
        for level in ("ROW", "STATEMENT"):
            for timing in ("BEFORE", "AFTER"):
                for event in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
                    rows = {"INSERT": "NEW TABLE AS changed", "DELETE": "OLD TABLE AS old"}.get(event, "")
                    reference = f"REFERENCING {rows}" if rows and timing == "AFTER" and number % 2 else ""
                    with contextlib.suppress(errors.FeatureNotSupported, errors.UndefinedObject):
                        mallory.execute(
                            f"CREATE TRIGGER t BEFORE {event} ON mine".replace("BEFORE", timing)
                            + f" {reference} FOR EACH {level} EXECUTE FUNCTION {function}({given})"
                        )
                        with contextlib.suppress(psycopg.Error):
                            mallory.execute("INSERT INTO mine VALUES (1, 'm', 'mine'); UPDATE mine SET body = 'x'")
                        with contextlib.suppress(psycopg.Error):
                            mallory.execute("DELETE FROM mine")
                        with contextlib.suppress(psycopg.Error):
                            mallory.execute("TRUNCATE mine")
                        mallory.execute("DROP TRIGGER t ON mine")
    assert companion.differences(notes) == {}
    assert value(notes, waiting) == before


# 4. Side by side.
def waits(db: psycopg.Connection, session: psycopg.Connection, thread: threading.Thread) -> bool:
    """Whether a statement that a thread runs comes to wait for a lock; False once it has ended."""
    query = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)"
    until = time.monotonic() + 5
    while thread.is_alive() and time.monotonic() < until:
        if value(db, query, session.info.backend_pid):
            return True
        time.sleep(0.01)
    return False


def in_thread(session: psycopg.Connection, statements: tuple[str, ...]) -> tuple[threading.Thread, list[psycopg.Error]]:
    failed: list[psycopg.Error] = []

    def run() -> None:
        try:
            for statement in statements:
                session.execute(statement)
        except psycopg.Error as error:
            failed.append(error)
            session.execute("ROLLBACK")

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failed


FIRST = {
    "insert": "INSERT INTO note VALUES (9, 'a new lemon')",
    "change": "UPDATE note SET body = 'a sour lemon' WHERE id = 2",
    "move": "UPDATE note SET id = 9 WHERE id = 2",
    "delete": "DELETE FROM note WHERE id = 2",
    "replace": "DELETE FROM note WHERE id = 2; INSERT INTO note VALUES (2, 'another lemon')",
    "empty": "TRUNCATE note",
}
SECOND = {
    "insert": "INSERT INTO note VALUES (9, 'a second lemon') ON CONFLICT (id) DO UPDATE SET body = excluded.body",
    "change": "UPDATE note SET body = body || ', twice' WHERE id IN (2, 9)",
    "move": "UPDATE note SET id = 19 WHERE id = 2",
    "delete": "DELETE FROM note WHERE id IN (2, 9)",
    "refresh": "CALL semantic_refresh('note')",
    "work": "CALL llm_work()",
    "index": "CALL semantic_index('note', '{body}', name => 'second', method => 'none')",
}


@pytest.mark.parametrize("sync", ["live", "background"])
@pytest.mark.parametrize(
    ("isolation", "ending"),
    [
        ("READ COMMITTED", "COMMIT"),
        pytest.param("READ COMMITTED", "ROLLBACK", marks=pytest.mark.slow),
        pytest.param("REPEATABLE READ", "COMMIT", marks=pytest.mark.slow),
    ],
)
def test_two_writers(db: psycopg.Connection, connect: Connect, sync: str, isolation: str, ending: str) -> None:
    """One has written and not ended; the other writes, waits where PostgreSQL makes it wait, and ends after it."""
    other = connect()
    for first in FIRST:
        for second in SECOND:
            db.execute("DROP TABLE IF EXISTS note; CREATE TABLE note (id int PRIMARY KEY, body text)")
            db.execute("INSERT INTO note VALUES (1, 'a red apple'), (2, 'a yellow lemon'), (3, 'a green pear')")
            db.execute("CALL semantic_index('note', '{body}', method => 'none', sync => %s)", (sync,))
            db.execute("BEGIN")
            db.execute(FIRST[first])
            block = second in ("insert", "change", "move", "delete")
            begin, end = ((f"BEGIN ISOLATION LEVEL {isolation}",), ("COMMIT",)) if block else ((), ())
            thread, failed = in_thread(other, (*begin, SECOND[second], *end))
            waits(db, other, thread)
            db.execute(ending)
            thread.join(30)
            assert not thread.is_alive(), f"{first}, {second}"
            states = {error.sqlstate for error in failed}
            assert states <= {"40001"} if isolation == "REPEATABLE READ" and block else not states, f"{first}, {second}"
            companion.settle(db)
            different = companion.differences(db, vectors=False)
            assert different == {}, f"{first}, {second}, {ending}: {different}"


@pytest.mark.parametrize("call", ["CALL semantic_refresh('note')", "CALL llm_work()"])
@pytest.mark.parametrize("sync", ["live", "background", "manual"])
def test_a_snapshot_from_before(db: psycopg.Connection, connect: Connect, sync: str, call: str) -> None:
    """A refresh in a transaction that still sees the old rows fails or does right; it never restores what is gone."""
    other = connect()
    for first in FIRST.values():
        db.execute("DROP TABLE IF EXISTS note; CREATE TABLE note (id int PRIMARY KEY, body text)")
        db.execute("INSERT INTO note VALUES (1, 'a red apple'), (2, 'a yellow lemon'), (3, 'a green pear')")
        db.execute("CALL semantic_index('note', '{body}', method => 'none', sync => %s)", (sync,))
        db.execute("UPDATE note SET body = 'a ripe pear' WHERE id = 3")
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
        db.execute(first)
        with contextlib.suppress(errors.SerializationFailure):
            other.execute(call)
        with contextlib.suppress(psycopg.Error):
            other.execute("COMMIT")
        other.execute("ROLLBACK")
        companion.settle(db)
        assert companion.differences(db, vectors=False) == {}, first


@pytest.mark.parametrize("sync", ["live", "background"])
def test_writers_while_an_index_is_filled(db: psycopg.Connection, connect: Connect, sync: str) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    db.execute("INSERT INTO note SELECT n, 'text ' || n FROM generate_series(1, 1500) AS n")
    filler = connect()
    call = f"CALL semantic_index('note', '{{body}}', method => 'none', sync => '{sync}')"
    thread, failed = in_thread(filler, (call,))
    while thread.is_alive() and not value(db, "SELECT count(*) FROM llm_progress WHERE phase = 'embedding'"):
        time.sleep(0.01)
    written = 0
    while thread.is_alive():
        written += 1
        db.execute("UPDATE note SET body = 'changed ' || id WHERE id %% 150 = %s", (written % 150,))
        db.execute("INSERT INTO note VALUES (%s, %s)", (10_000 + written, f"inserted {written}"))
        db.execute("DELETE FROM note WHERE id = %s", (1500 - written,))
        db.execute("UPDATE note SET id = id + 5000 WHERE id = %s", (300 + written,))
        db.execute(
            "DELETE FROM note WHERE id = %s; INSERT INTO note VALUES (%s, 'new')".replace("%s", str(700 + written))
        )
    thread.join()
    assert failed == []
    assert written > 3
    companion.settle(db)
    assert companion.differences(db) == {}


def test_many_writers_at_once(db: psycopg.Connection, connect: Connect) -> None:
    """Nobody is made to wait for another's rows, nor deadlocks, only because there is an index."""
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    db.execute("INSERT INTO note SELECT n, 'text ' || n FROM generate_series(1, 40) AS n")
    db.execute("CALL semantic_index('note', '{body}')")
    sessions = [connect() for _ in range(4)]
    for session in sessions:
        session.execute("SET deadlock_timeout = '100ms'")
    # Each has ten rows of its own, written in any order within one transaction.
    orders = [range(1, 11), range(20, 10, -1), range(21, 31), range(40, 30, -1)]
    threads = []
    for session, order in zip(sessions, orders, strict=True):
        writes = (f"UPDATE note SET body = body || '.' WHERE id = {id}" for id in order)
        threads.append(in_thread(session, ("BEGIN", *writes, "COMMIT") * 3))
    for thread, _ in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert [failed for _, failed in threads] == [[], [], [], []]
    # A writer that has not ended holds up nobody who writes other rows.
    sessions[0].execute("BEGIN; UPDATE note SET body = 'held' WHERE id = 1; INSERT INTO note VALUES (100, 'new')")
    sessions[1].execute("SET lock_timeout = '2s'; UPDATE note SET body = 'free' WHERE id = 2")
    sessions[1].execute("INSERT INTO note VALUES (101, 'new'); DELETE FROM note WHERE id = 3")
    sessions[0].execute("ROLLBACK")
    assert companion.differences(db) == {}
