from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors

Connect = Callable[..., psycopg.Connection]


@pytest.fixture
def ward(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(
        """
        CREATE TABLE ward (id int PRIMARY KEY, bezeichnung text, sgr numeric);
        COMMENT ON COLUMN ward.bezeichnung IS 'name of the ward';
        INSERT INTO ward VALUES (1, 'North', 12.5), (2, 'South', 30);
        CREATE SCHEMA other;
        CREATE TABLE other.thing (id int PRIMARY KEY, colour text);
        """
    )
    return db


def contents(db: psycopg.Connection) -> dict[tuple[str, str], str]:
    rows = db.execute("""SELECT target::text, "column"::text, content FROM llm.catalog""")
    return {(target, column): content for target, column, content in rows}


def test_the_catalogue_holds_names_comments_and_descriptions_but_no_value(ward: psycopg.Connection) -> None:
    ward.execute("SELECT llm_describe('ward.sgr', 'size in beds')")
    ward.execute("CALL llm_catalog_refresh()")
    found = contents(ward)
    assert found["ward", ""] == "ward"
    assert found["ward", "bezeichnung"] == "bezeichnung. name of the ward"
    assert found["ward", "sgr"] == "sgr. size in beds"
    assert found["other.thing", "colour"] == "colour"
    assert "North" not in repr(found)
    assert not any(target.startswith(("llm.", "pg_")) for target, _ in found)


def test_a_refresh_follows_what_has_changed_and_only_that(ward: psycopg.Connection) -> None:
    ward.execute("CALL llm_catalog_refresh()")
    embedded = value(ward, "SELECT rows FROM llm_status() WHERE model = 'all-minilm-l6-v2'")
    ward.execute("CALL llm_catalog_refresh()")
    assert value(ward, "SELECT rows FROM llm_status() WHERE model = 'all-minilm-l6-v2'") == embedded
    ward.execute("ALTER TABLE ward RENAME COLUMN sgr TO beds; DROP TABLE other.thing")
    ward.execute("CALL llm_catalog_refresh()")
    found = contents(ward)
    assert ("ward", "beds") in found
    assert ("ward", "sgr") not in found
    assert len(found) == 4


def test_a_refresh_of_one_schema_leaves_the_others(ward: psycopg.Connection) -> None:
    ward.execute("CALL llm_catalog_refresh('{other}')")
    assert {target for target, _ in contents(ward)} == {"other.thing"}
    ward.execute("CALL llm_catalog_refresh('{public}')")
    assert {target for target, _ in contents(ward)} == {"other.thing", "ward"}
    for schemas in ("{nowhere}", "{public,NULL}"):
        with pytest.raises(errors.InvalidParameterValue, match="there is no schema"):
            ward.execute("CALL llm_catalog_refresh(%s)", (schemas,))
    ward.execute("CALL llm_catalog_refresh('{}')")
    assert len(contents(ward)) == 7


def test_a_refresh_reports_progress_commits_and_can_be_cancelled(db: psycopg.Connection, connect: Connect) -> None:
    columns = ", ".join(f"measured_{n} int" for n in range(40))
    for number in range(60):
        db.execute(f"CREATE TABLE station_{number} ({columns.replace('measured', f'measured_{number}')})")
    worker = connect()
    pid = worker.info.backend_pid
    seen: list[tuple[str, int, int]] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            worker.execute("CALL llm_catalog_refresh()")
        except psycopg.Error as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        query = "SELECT phase, done, total FROM llm_progress WHERE command = 'llm_catalog_refresh'"
        seen += db.execute(query).fetchall()
        if any(phase == "embedding" and done for phase, done, _ in seen):
            db.execute("SELECT pg_cancel_backend(%s)", (pid,))
            break
    thread.join()
    assert isinstance(failed[0], errors.QueryCanceled)
    assert ("embedding", 0, 60 * 41) in seen
    held = value(db, "SELECT count(*) FROM llm.catalog")
    assert 0 < held < 60 * 41
    db.execute("CALL llm_catalog_refresh()")
    assert value(db, "SELECT count(*) FROM llm.catalog") == 60 * 41


def test_a_description_makes_a_column_known(ward: psycopg.Connection) -> None:
    question = "What is the average number of beds?"
    assert value(ward, "SELECT answer FROM ask(%s)", question) is None
    ward.execute("SELECT llm_describe('ward.sgr', 'number of beds')")
    assert value(ward, "SELECT rows FROM ask(%s)", question) == [{"avg": 21.25}]
    ward.execute("SELECT llm_describe('ward.sgr', NULL)")
    assert value(ward, "SELECT answer FROM ask(%s)", question) is None


@pytest.mark.parametrize(
    "name", ["ward", "public.ward", "ward.sgr", "public.ward.sgr", '"ward"."sgr"', "other.thing.colour"]
)
def test_names_are_found_as_the_caller_writes_them(ward: psycopg.Connection, name: str) -> None:
    ward.execute("SELECT llm_describe(%s, 'what it is')", (name,))
    assert value(ward, "SELECT count(*) FROM llm.description") == 1


@pytest.mark.parametrize(
    "name", ["nothing", "ward.nothing", "a.b.c.d", "", "ward;", "pg_class", "llm.model", "thing", "x" * 100_000]
)
def test_what_is_no_table_or_column_is_told(ward: psycopg.Connection, name: str) -> None:
    with pytest.raises(errors.UndefinedObject) as found:
        ward.execute("SELECT llm_describe(%s, 'what it is')", (name,))
    assert found.value.diag.message_hint


def test_descriptions_have_a_size(ward: psycopg.Connection) -> None:
    for text in ("", "  ", "x" * 4001):
        with pytest.raises(errors.InvalidParameterValue, match="1 to 4000 characters"):
            ward.execute("SELECT llm_describe('ward', %s)", (text,))
    with pytest.raises(errors.InvalidParameterValue, match="must not be NULL"):
        ward.execute("SELECT llm_describe(NULL, 'x')")


def test_a_taught_question_and_one_that_differs_in_a_value(ward: psycopg.Connection) -> None:
    sql = "SELECT sgr FROM ward WHERE bezeichnung = 'North'"
    ward.execute("SELECT llm_teach('How big is the unit up North?', %s)", (sql,))
    found = ward.execute("SELECT sql, rows, confidence, reason FROM ask('how big is the unit up north?')").fetchone()
    assert found == (
        "SELECT sgr FROM public.ward WHERE bezeichnung = 'North'",
        [{"sgr": 12.5}],
        pytest.approx(0.99),
        "as taught by llm_teach()",
    )
    assert value(ward, "SELECT rows FROM ask('How big is the unit up South?')") == [{"sgr": 30}]
    assert value(ward, "SELECT answer FROM ask('How old is the unit up South?')") is None
    ward.execute("SELECT llm_teach('How big is the unit up North?', NULL)")
    assert value(ward, "SELECT count(*) FROM llm.taught") == 0


def test_teaching_takes_sql_that_may_be_run(ward: psycopg.Connection) -> None:
    for sql, reason in (
        ("DELETE FROM ward", "no SELECT"),
        ("SELECT pg_sleep(1)", "pg_sleep"),
        ("SELECT * FROM nothing", "no table nothing"),
        ("", "0 statements"),
        ("SELECT '" + "x" * 20_000 + "'", "longer than 20000"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=reason):
            ward.execute("SELECT llm_teach('a question', %s)", (sql,))
    for question in ("", "  ", "x" * 4001):
        with pytest.raises(errors.InvalidParameterValue, match="1 to 4000"):
            ward.execute("SELECT llm_teach(%s, 'SELECT 1')", (question,))
    with pytest.raises(errors.InvalidParameterValue, match="must not be NULL"):
        ward.execute("SELECT llm_teach(NULL, 'SELECT 1')")


def test_what_a_role_keeps_goes_into_dumps_and_stays_its_own(ward: psycopg.Connection, role: str) -> None:
    query = """
        SELECT count(*) FROM unnest((SELECT extconfig FROM pg_extension WHERE extname = 'pg_llm')) AS t (oid)
        WHERE t.oid::regclass::text IN ('llm.all_catalog', 'llm.all_description', 'llm.all_taught', 'llm.all_ask',
            'llm.all_ask_calibration')
    """
    assert value(ward, query) == 5
    ward.execute("SELECT llm_describe('ward', 'mine')")
    ward.execute(f"GRANT SELECT ON ward TO {role}; SET ROLE {role}")
    ward.execute("SELECT llm_describe('ward', 'theirs')")
    assert ward.execute("SELECT usename::text, description FROM llm.description").fetchall() == [(role, "theirs")]
