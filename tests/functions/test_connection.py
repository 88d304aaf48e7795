"""One interface, two adapters: the same code gives the same through PL/Python and through psycopg."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from database import value
from pg_llm.database import relation_names
from pg_llm.database.connection import DatabaseError
from pg_llm.database.psycopg_connection import PsycopgConnection
from pg_llm.errors import InsufficientPrivilege, InvalidInput
from pg_llm.runtime import client as host_client
from workbench.cluster import Cluster

Run = Callable[[str], Any]
# What a body of Python code finds of `db`, as JSON; in a backend by a function made for it.
BACKEND = """
    CREATE OR REPLACE FUNCTION pg_temp.run_body() RETURNS text LANGUAGE plpython3u AS $body$
    import json
    from pg_llm.database.plpy_connection import BACKEND as db
    from pg_llm.database.connection import DatabaseError
    def body():
{body}
    return json.dumps(body(), default=str)
    $body$
"""


@pytest.fixture
def client(db: psycopg.Connection) -> Iterator[PsycopgConnection]:
    with psycopg.connect(db.info.dsn) as connection:
        yield PsycopgConnection(connection, trusted=True)


@pytest.fixture(params=["backend", "client"])
def run(request: pytest.FixtureRequest, db: psycopg.Connection, client: PsycopgConnection) -> Run:
    """Runs the body of a function that has `db`, a connection, and gives what it returns, by way of JSON."""

    def in_backend(body: str) -> Any:
        indented = "\n".join("        " + line for line in body.strip("\n").splitlines())
        db.execute(BACKEND.replace("{body}", indented))
        return json.loads(value(db, "SELECT pg_temp.run_body()"))

    def in_client(body: str) -> Any:
        indented = "\n".join("    " + line for line in body.strip("\n").splitlines())
        names: dict[str, Any] = {"db": client, "DatabaseError": DatabaseError}
        exec(f"def body():\n{indented}", names)
        return json.loads(json.dumps(names["body"](), default=str))

    return in_backend if request.param == "backend" else in_client


VALUES = {
    "1::int8": 1,
    "1.5::float8": 1.5,
    "1.50::numeric": "1.50",
    "true": True,
    "NULL::text": None,
    "'a'::text": "a",
    "'a'::name::text": "a",
    "'{1,2}'::int[]": [1, 2],
    "'{a,NULL}'::text[]": ["a", None],
    "'\\x00ff'::bytea": "b'\\x00\\xff'",
    """'{"a": [1]}'::jsonb""": '{"a": [1]}',
    "'2024-02-29'::date": "2024-02-29",
    "'1 day'::interval": "1 day",
    "'[1,2]'::public.vector": "[1,2]",
    "'pg_class'::regclass": "pg_class",
    "123456789012345678901234567890::numeric": "123456789012345678901234567890",
}


@pytest.mark.parametrize("expression", VALUES)
def test_values_come_alike(run: Run, expression: str) -> None:
    assert run(f"return db.rows({f'SELECT {expression} AS v'!r})[0]['v']") == VALUES[expression]


PARAMETERS = {
    "text": "it's \\ %s {0} $1",
    "text[]": ["a,b", 'c"d', None],
    "int8": 2**40,
    "int8[]": [],
    "float4": 0.5,
    "bool": False,
    "bytea": b"\x00\xff",
}


@pytest.mark.parametrize("kind", PARAMETERS)
@pytest.mark.parametrize("method", ["rows", "query_unprepared", "stream", "prepare"])
def test_parameters_have_their_types(run: Run, kind: str, method: str) -> None:
    given = PARAMETERS[kind]
    query = "SELECT $1 AS v, pg_typeof($1)::text AS t, '{}' AS braces, '100%' AS percent"
    call = (
        f"db.prepare({query!r}, [{kind!r}]).rows([{given!r}])"
        if method == "prepare"
        else f"list(db.{method}({query!r}, [{kind!r}], [{given!r}]))"
    )
    (row,) = run(f"return {call}")
    assert row["v"] == (str(given) if isinstance(given, bytes) else given)
    full = {"int8": "bigint", "int8[]": "bigint[]", "float4": "real", "bool": "boolean"}
    assert (row["t"], row["braces"], row["percent"]) == (full.get(kind, kind), "{}", "100%")


def test_rows_come_in_batches(run: Run) -> None:
    body = "return [len(rows) for rows in db.batches('SELECT generate_series(1, $1) AS n', ['int4'], [7], size=3)]"
    assert run(body) == [3, 3, 1]
    half = "return next(db.stream('SELECT generate_series(1, 10000) AS n'))['n']"
    assert run(half) == 1


def test_rows_without_columns_are_rows(run: Run) -> None:
    assert run("return db.rows('SELECT FROM generate_series(1, 2)')") == [{}, {}]
    assert run("return db.rows('SELECT WHERE false')") == []


def test_a_query_is_described(run: Run) -> None:
    assert run("return db.describe('SELECT 1 AS a, now() AS b')") == [["a", 23], ["b", 1184]]
    two = """
    try:
        db.describe('SELECT 1); DROP TABLE x; SELECT (2')
    except DatabaseError as error:
        return error.sqlstate
    """
    assert run(two) == "42601"


def test_errors_tell_what_the_server_says(run: Run) -> None:
    body = """
    try:
        with db.savepoint():
            db.execute('SELECT nothing')
    except DatabaseError as error:
        return [str(error), error.sqlstate, error.position, db.rows('SELECT 1 AS one')[0]['one']]
    """
    message, sqlstate, position, one = run(body)
    assert (message, sqlstate, position, one) == ('column "nothing" does not exist', "42703", 8, 1)


def test_a_savepoint_undoes_what_fails(run: Run) -> None:
    body = """
    db.execute('CREATE TEMP TABLE kept (n int)')
    db.execute('INSERT INTO kept VALUES (1)')
    try:
        with db.savepoint():
            db.execute('INSERT INTO kept VALUES (2)')
            raise KeyError
    except KeyError:
        pass
    return [row['n'] for row in db.query_unprepared('SELECT n FROM kept')]
    """
    assert run(body) == [1]


def test_a_query_has_an_end(run: Run) -> None:
    body = """
    from pg_llm.database.timeout import TimedOut, time_limit
    try:
        with time_limit(db, 0.2):
            db.execute('SELECT pg_sleep(20)')
    except TimedOut:
        after = db.rows("SELECT current_setting('statement_timeout') AS t")[0]['t']
        return [db.rows('SELECT 1 AS one')[0]['one'], after]
    """
    assert run(body) == [1, "0"]


def test_the_role_is_another_only_inside(run: Run, db: psycopg.Connection, role: str) -> None:
    oid = value(db, f"SELECT '{role}'::regrole::oid::int8")
    body = f"""
    before = db.current_role()
    inside = db.run_as({oid}, lambda: [db.current_role(), db.rows('SELECT CURRENT_USER::text AS u')[0]['u']])
    try:
        with db.savepoint():
            db.run_as({oid}, lambda: db.execute('CREATE ROLE nobody'))
    except DatabaseError as error:
        refused = error.sqlstate
    return [inside, refused, db.current_role() == before]
    """
    assert run(body) == [[oid, role], "42501", True]


def test_a_client_that_is_not_trusted_takes_nobodys_rights(db: psycopg.Connection, role: str) -> None:
    with psycopg.connect(db.info.dsn) as connection:
        plain = PsycopgConnection(connection)
        assert plain.run_as(plain.current_role(), lambda: 1) == 1
        with pytest.raises(InsufficientPrivilege):
            plain.run_as(value(db, f"SELECT '{role}'::regrole::oid::int8"), lambda: 1)


def test_statements_are_not_kept_for_ever(client: PsycopgConnection) -> None:
    for number in range(1000):
        assert client.rows(f"SELECT {number} AS n")[0]["n"] == number
    assert client.rows("SELECT count(*) AS n FROM pg_prepared_statements")[0]["n"] <= 201


# A slice of the topics, through SQL and through a client that runs the same code.
Call = Callable[..., list[Any]]
TEXTS = ["cats and dogs", "tax law", "space flight", "the law of tax returns", "a flight to the moon", None, " "]


@pytest.fixture(params=["sql", "client"])
def call(
    request: pytest.FixtureRequest,
    db: psycopg.Connection,
    client: PsycopgConnection,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Call]:
    """Calls a function by the module of its face, its name, and all arguments, each with its type; gives the rows."""
    value(db, "SELECT llm_similarity('the host', 'is running')")

    def by_sql(topic: str, name: str, *arguments: tuple[str, Any]) -> list[Any]:
        places = ", ".join(f"%s::{kind}" for kind, _ in arguments)
        values = [
            json.dumps(given) if kind == "jsonb" and not isinstance(given, str | None) else given
            for kind, given in arguments
        ]
        kind = value(db, "SELECT prokind::text FROM pg_proc WHERE proname = %s", name)
        if kind == "p":
            db.execute(f"CALL {name}({places})", values)
            return []
        return db.execute(f"SELECT * FROM {name}({places})", values).fetchall()

    def by_client(topic: str, name: str, *arguments: tuple[str, Any]) -> list[Any]:
        face = getattr(importlib.import_module(f"pg_llm.functions.{topic}"), name).__wrapped__
        client.execute("SET search_path = public")
        with relation_names.fresh(client):
            result = face(client, *(given for _, given in arguments))
        rows = [] if result is None else [(result,)] if isinstance(result, str | int | float) else list(result)
        client.commit()
        return [tuple(row.values()) if isinstance(row, dict) else row for row in rows]

    # A client finds the host where a backend does: in the data directory.
    monkeypatch.chdir(cluster.data)
    yield by_sql if request.param == "sql" else by_client
    host_client.disconnect()


@pytest.fixture
def note(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text, town text)")
    for number, text in enumerate(TEXTS, 1):
        db.execute("INSERT INTO note VALUES (%s, %s, %s)", (number, text, "Oslo" if number % 2 else "Rome"))
    return db


# How semantic_index splits texts where nobody says so: from key to sentences.
CHUNKING: list[tuple[str, Any]] = [("text[]", None), ("text", "auto"), ("int", None), ("int", 0), ("text", None)]
CHUNKING += [("text", "vector"), ("text", "outlying")]


def test_semantic_search_by_both(call: Call, note: psycopg.Connection) -> None:
    index = [
        ("regclass", "note"),
        ("text[]", ["body"]),
        ("text", None),
        ("text", "embedding"),
        ("text", "hnsw"),
        ("text", "cosine"),
        ("text", "live"),
        *CHUNKING,
    ]
    call("semantic_index", "semantic_index", *index)
    # Neither NULL nor blank text has a vector.
    assert value(note, "SELECT count(*) FROM embedding") == 5
    note.execute("INSERT INTO note VALUES (8, 'a rocket in orbit')")
    assert value(note, "SELECT count(*) FROM embedding WHERE id = 8") == 1
    query = [("text", "spacecraft"), ("regclass", "note"), ("int", 3), ("text", "hybrid")]
    options = [("jsonb", None), ("text", None), ("text", "row"), ("float8", None), ("text", None), ("int8", 50)]
    rows = call("semantic_search", "semantic_search", *query, *options)
    assert {json.loads(str(row[0]).replace("'", '"'))["id"] for row in rows} == {3, 5, 8}
    call("semantic_index", "semantic_drop", ("regclass", "note"), ("text", "embedding"))
    assert value(note, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'note'::regclass") == 0


def test_a_failed_index_leaves_nothing_by_either(call: Call, note: psycopg.Connection) -> None:
    index = [("regclass", "note"), ("text[]", ["nothing"]), ("text", None), ("text", "embedding"), ("text", "hnsw")]
    with pytest.raises((psycopg.Error, InvalidInput), match="has no column"):
        call("semantic_index", "semantic_index", *index, ("text", "cosine"), ("text", "live"), *CHUNKING)
    assert value(note, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'note'::regclass") == 0


def test_labels_by_both(call: Call) -> None:
    labels = ("text[]", ["animals", "taxes", "space"])
    inputs = ("text[]", ["cats and dogs", None, "a flight to the moon"])
    rows = call(
        "classification",
        "llm_classify_batch",
        inputs,
        labels,
        ("text", None),
        ("jsonb", None),
        ("text", None),
        ("bool", False),
    )
    assert [row[:2] for row in rows] == [(1, "animals"), (2, None), (3, "space")]


def test_cleaning_by_both(call: Call, note: psycopg.Connection) -> None:
    note.execute(
        "INSERT INTO note SELECT n, 'a text', 'Oslo' FROM generate_series(10, 60) AS n; "
        "INSERT INTO note VALUES (70, 'a text', 'Oslo  ')"
    )
    given = [("regclass", "note"), ("text[]", ["town"]), ("jsonb", None), ("jsonb", None)]
    ((run,),) = call("cleaning", "llm_find_errors", *given)
    assert call("cleaning", "llm_propose_repairs", ("uuid", run)) == [(1,)]
    call("cleaning", "llm_apply", ("uuid", run), ("real", 0.5), ("bigint", None), ("text", None), ("text", None))
    assert value(note, "SELECT town FROM note WHERE id = 70") == "Oslo"
    call("cleaning", "llm_rollback", ("uuid", run))
    assert value(note, "SELECT town FROM note WHERE id = 70") == "Oslo  "


def test_graphs_by_both(call: Call, note: psycopg.Connection) -> None:
    call("knowledge_graph", "graph_create", ("text", "towns"), ("text[]", None), ("jsonb", None))
    note.execute("ALTER TABLE note ADD country text; UPDATE note SET country = 'Italy' WHERE town = 'Rome'")
    mapping = json.dumps([{"subject": "town", "predicate": "lies in", "object": "country"}])
    graph = [("text", "towns"), ("regclass", "note")]
    call("knowledge_graph", "graph_add_columns", *graph, ("jsonb", mapping), ("text", "live"))
    rows = call("knowledge_graph", "graph_triples", ("text", "towns"))
    assert [(row[0], row[2], row[3]) for row in rows] == [("Rome", "lies in", "Italy")]
    rows = call("graph_search", "graph_search", ("text", "Italy"), ("text", "towns"), ("int", 1))
    assert "Italy" in map(str, rows[0])


def test_questions_and_charts_by_both(call: Call, note: psycopg.Connection) -> None:
    rows = call(
        "ask",
        "ask_rows",
        ("text", "How many notes are there?"),
        ("regclass[]", ["note"]),
        ("text", None),
        ("uuid", None),
    )
    assert "7" in json.dumps(rows, default=str)
    rows = call(
        "chart",
        "llm_chart_svg",
        ("text", "SELECT town, count(*) FROM note GROUP BY 1"),
        ("text", "bar"),
        ("text", None),
        ("int", 400),
        ("int", 300),
    )
    assert rows[0][0].startswith("<svg")


def test_advice_by_both(call: Call, note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note SELECT n, 'x', 'Oslo' FROM generate_series(100, 20000) AS n; ANALYZE note")
    rows = call("optimization", "llm_optimize", ("text", "SELECT * FROM note WHERE body = 'tax law'"))
    assert any("CREATE INDEX" in str(row) for row in rows)


def test_recommendations_by_both(call: Call, fitted: psycopg.Connection, request: pytest.FixtureRequest) -> None:
    """The recommender of the shop, read by a client of that database."""
    if request.node.callspec.params["call"] == "sql":
        rows = fitted.execute("SELECT item FROM recommend('3', 5, 'shop')").fetchall()
        assert len(rows) == 5
        return
    from pg_llm.functions import recommendation

    with psycopg.connect(fitted.info.dsn) as connection:
        other = PsycopgConnection(connection, trusted=True)
        other.execute("SET search_path = pg_catalog, pg_temp")
        rows = recommendation.recommend.__wrapped__(other, "3", 5, "shop", True, None, 0.0)
    assert [row[0] for row in rows] == [row[0] for row in fitted.execute("SELECT item FROM recommend('3', 5, 'shop')")]
