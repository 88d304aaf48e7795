from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from database import value
from multilingual import save_multilingual
from nl2sql import HELD, SEEN, load, own_questions
from psycopg import errors

Connect = Callable[..., psycopg.Connection]


@pytest.fixture
def bakery(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(
        """
        CREATE TABLE baker (baker_id int PRIMARY KEY, name text NOT NULL, town text);
        CREATE TABLE bread (bread_id int PRIMARY KEY, name text NOT NULL, price numeric, flour text, vegan boolean);
        CREATE TABLE batch (
            batch_id int PRIMARY KEY, baker_id int REFERENCES baker, bread_id int NOT NULL REFERENCES bread,
            loaves int, baked_on date
        );
        INSERT INTO baker VALUES (1, 'Ada', 'Ulm'), (2, 'Ben', 'Bonn'), (3, 'Cleo', 'Bonn'), (4, 'Dan', NULL);
        INSERT INTO bread VALUES (1, 'Rye', 4.5, 'rye', true), (2, 'Brioche', 6, 'wheat', false),
            (3, 'Baguette', 2.5, 'wheat', true);
        INSERT INTO batch SELECT n, 1 + n % 3, 1 + n % 2, 10 * n, date '2022-12-01' + 20 * n
        FROM generate_series(1, 10) AS n;
        """
    )
    return db


RIGHT = [
    ("How many bakers are there?", [{"count": 4}], "There are 4 bakers."),
    ("How many bakers live in Bonn?", [{"count": 2}], "2 bakers live in Bonn."),
    (
        "What is the average price of bread?",
        [{"avg": pytest.approx(4.3333, abs=1e-3)}],
        "The average price of bread is 4.3333333333333333.",
    ),
    ("Which bread is the most expensive?", [{"name": "Brioche"}], "The answer is Brioche."),
    ("Which breads are vegan?", [{"name": "Rye"}, {"name": "Baguette"}], "There are 2: Rye and Baguette."),
    ("Which bakers have no batches?", [{"name": "Dan"}], "The answer is Dan."),
    ("Which breads cost more than 4?", [{"name": "Rye"}, {"name": "Brioche"}], "There are 2: Rye and Brioche."),
    ("What is the price of Rye?", [{"price": 4.5}], "The price of Rye is 4.5."),
    ("How many batches were baked in 2023?", [{"count": 9}], None),
    ("Which breads were never baked?", [{"name": "Baguette"}], None),
    ("Which bakers have at least 4 batches?", [{"name": "Ben"}], None),
]


@pytest.mark.parametrize(("question", "rows", "answer"), RIGHT)
def test_a_question_has_rows_and_a_sentence(
    bakery: psycopg.Connection, question: str, rows: Any, answer: str | None
) -> None:
    found = bakery.execute("SELECT answer, rows, confidence, reason, sql FROM ask(%s)", (question,)).fetchone()
    assert found is not None
    assert found[1] == rows, found
    assert found[2] >= 0.65
    assert answer is None or found[0] == answer
    assert len(bakery.execute("SELECT * FROM ask_rows(%s)", (question,)).fetchall()) == len(rows)


@pytest.mark.parametrize(
    ("question", "condition"),
    [
        ("How many guests are from Ohio?", "state = 'OH'"),
        ("How many guests are from Canada?", "country = 'CA'"),
        ("How many Canadian guests are there?", "country = 'CA'"),
        ("How many guests live in the US?", "country = 'US'"),
        ("How many guests have cancelled?", "status = 'cancel'"),
        ("How many guests with level B are there?", "level = 'B'"),
    ],
)
def test_values_go_by_other_names(db: psycopg.Connection, question: str, condition: str) -> None:
    db.execute(
        """
        CREATE TABLE guest (
            guest_id int PRIMARY KEY, name text, email text, state text, country text, status text, level text
        );
        INSERT INTO guest VALUES (1, 'Ann Ross', 'ann@proton.me', 'OH', 'US', 'cancel', 'B'),
            (2, 'Bob Rossi', 'bob@web.de', 'ON', 'CA', 'stay', 'A'),
            (3, 'Cid Vox', 'cid@proton.me', 'CA', 'US', 'stay', 'B'),
            (4, 'Dot Lee', 'dot@web.de', 'NY', 'US', 'stay', 'A')
        """
    )
    assert value(db, "SELECT sql FROM llm_sql(%s)", question) == f"SELECT count(*) FROM guest WHERE {condition}"


def test_groups_come_with_a_chart_and_a_row_each(bakery: psycopg.Connection) -> None:
    answer, rows, chart = bakery.execute(
        "SELECT answer, rows, chart FROM ask('How many loaves did each baker make?')"
    ).fetchone()
    assert sorted((row["name"], row["sum_loaves"]) for row in rows) == [("Ada", 180), ("Ben", 220), ("Cleo", 150)]
    assert chart["mark"]["type"] == "bar"
    assert "Ada (180)" in answer


def test_what_is_not_understood_is_said_and_not_answered(bakery: psycopg.Connection) -> None:
    for question, word in (
        ("Which baker is the nicest?", "nicest"),
        ("What is the capital of France?", "capital"),
        ("What is the salary of Ada?", "salary"),
        ("How many dragons are there?", "dragons"),
    ):
        answer, rows, chart, confidence, reason = bakery.execute(
            "SELECT answer, rows, chart, confidence, reason FROM ask(%s)", (question,)
        ).fetchone()
        assert (answer, rows, chart) == (None, None, None), question
        assert confidence < 0.65
        assert word in reason
        with pytest.raises(errors.NoDataFound, match="no answer"):
            bakery.execute("SELECT * FROM ask_rows(%s)", (question,))


def test_llm_sql_explains_and_tells_what_else_may_be_meant(bakery: psycopg.Connection) -> None:
    sql, confidence, explanation, alternatives = bakery.execute("SELECT * FROM llm_sql('List the names')").fetchone()
    assert sql in ("SELECT name FROM baker", "SELECT name FROM bread")
    assert confidence < 0.7
    assert {each["sql"] for each in alternatives} & {"SELECT name FROM baker", "SELECT name FROM bread"}
    explanation = value(bakery, "SELECT explanation FROM llm_sql('What is the average price of bread?')")
    assert "“price of bread” read as bread.price" in explanation


def test_only_the_tables_that_are_named_are_read(bakery: psycopg.Connection) -> None:
    query = "SELECT sql FROM llm_sql('List the names', ARRAY['bread'::regclass])"
    assert value(bakery, query) == "SELECT name FROM bread"
    bakery.execute("SELECT llm_teach('who bakes', 'SELECT name FROM baker')")
    assert value(bakery, "SELECT answer FROM ask('who bakes', ARRAY['bread'::regclass])") is None
    assert value(bakery, "SELECT answer FROM ask('who bakes')") is not None
    for tables in ("ARRAY[]::regclass[]", "ARRAY[NULL]::regclass[]"):
        with pytest.raises(errors.InvalidParameterValue):
            bakery.execute(f"SELECT * FROM ask('List the names', {tables})")
    for table in ("pg_class", "llm.model", "baker_pkey"):
        with pytest.raises(errors.InsufficientPrivilege, match="not to be asked about"):
            bakery.execute("SELECT * FROM ask('List the names', ARRAY[%s::text::regclass])", (table,))


@pytest.mark.parametrize("question", ["", "   ", "x" * 4001, "x" * (1 << 20)])
def test_questions_have_a_size(bakery: psycopg.Connection, question: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="1 to 4000 characters"):
        bakery.execute("SELECT * FROM ask(%s)", (question,))


@pytest.mark.parametrize(
    "question",
    [
        "?",
        "'",
        '"',
        "\\",
        "🙂 🙂",
        "a" * 4000,
        "((((((",
        "% _ %",
        "\u202e\u0000"[:1],
        "how many " * 300,
        '"' * 3000,
        "the of in",
    ],
)
def test_whatever_is_asked_has_an_outcome(bakery: psycopg.Connection, question: str) -> None:
    found = bakery.execute("SELECT answer, confidence, reason FROM ask(%s)", (question,)).fetchone()
    assert found is not None
    assert 0 <= found[1] <= 1
    assert found[2]


def test_null_is_no_question(bakery: psycopg.Connection) -> None:
    for function in ("ask", "ask_rows", "llm_sql"):
        with pytest.raises(errors.InvalidParameterValue, match="question must not be NULL"):
            bakery.execute(f"SELECT * FROM {function}(NULL)")
    with pytest.raises(errors.UndefinedObject, match="not registered"):
        bakery.execute("SELECT * FROM ask('How many bakers are there?', model => 'nothing')")
    with pytest.raises(errors.InvalidParameterValue, match="generation is needed"):
        bakery.execute("SELECT * FROM ask('How many bakers are there?', model => 'all-minilm-l6-v2')")


def test_without_tables_there_is_nothing_to_ask(db: psycopg.Connection) -> None:
    assert "no table that you may read" in value(db, "SELECT reason FROM ask('How many bakers are there?')")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("ask_timeout", "soon"),
        ("ask_timeout", "0"),
        ("ask_threshold", "2"),
        ("ask_row_limit", "-1"),
        ("ask_cost_limit", "x"),
        ("ask_log", "maybe"),
    ],
)
def test_settings_that_make_no_sense_are_told(bakery: psycopg.Connection, name: str, bad: str) -> None:
    bakery.execute("SELECT set_config(%s, %s, false)", (f"llm.{name}", bad))
    with pytest.raises(errors.InvalidParameterValue, match=f"llm.{name}"):
        bakery.execute("SELECT * FROM ask('How many bakers are there?')")


def test_the_threshold_decides_what_is_sure_enough(bakery: psycopg.Connection) -> None:
    bakery.execute("SET llm.ask_threshold = 1")
    found = bakery.execute("SELECT answer, sql FROM ask('How many bakers are there?')").fetchone()
    assert found == (None, "SELECT count(*) FROM baker")


HOSPITAL = """
    CREATE TABLE patient (patient_id int PRIMARY KEY, name text, disease text, age int, ward text);
    COMMENT ON TABLE patient IS '患者';
    COMMENT ON COLUMN patient.name IS '姓名';
    COMMENT ON COLUMN patient.disease IS '疾病';
    COMMENT ON COLUMN patient.age IS '年龄';
    COMMENT ON COLUMN patient.ward IS '科室';
    INSERT INTO patient VALUES (1, 'A', '高血压', 67, '内科'), (2, 'B', '糖尿病', 45, '内科'),
        (3, '王芳', '哮喘', 33, '儿科')
"""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("患者A的疾病是什么？", "患者A的疾病为高血压。"),
        ("What is the disease of patient A?", "The disease of patient A is 高血压."),
        ("患者王芳的年龄是多少？", "患者王芳的年龄为33。"),
        ("有多少患者？", "有3患者。"),
        ("年龄最大的患者是谁？", "年龄最大的患者为A。"),
        ("年龄大于40的患者有哪些？", "年龄大于40的患者为A、B。"),
        ("儿科有多少名患者？", "儿科有1名患者。"),
    ],
)
def test_chinese_is_answered_in_chinese(db: psycopg.Connection, question: str, answer: str) -> None:
    db.execute(HOSPITAL)
    found = db.execute("SELECT answer, sql FROM ask(%s)", (question,)).fetchone()
    assert found is not None
    assert found[0] == answer
    if answer.endswith(("A的疾病为高血压。", "patient A is 高血压.")):
        assert found[1] == "SELECT disease FROM patient WHERE name = 'A'"


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("患者王芳的疾病是什么？", """SELECT "疾病" FROM "患者" WHERE "姓名" = '王芳'"""),
        ("王芳的年龄和疾病是什么？", """SELECT "年龄", "疾病" FROM "患者" WHERE "姓名" = '王芳'"""),
        ("列出所有患者的姓名和疾病", 'SELECT "姓名", "疾病" FROM "患者"'),
        ("年龄大于40的患者有哪些？", """SELECT "姓名" FROM "患者" WHERE "年龄" > 40"""),
        (
            "平均年龄最大的科室是哪个？",
            'SELECT "科室" FROM "患者" GROUP BY "科室" ORDER BY avg("年龄") DESC NULLS LAST'
            " FETCH FIRST 1 ROWS WITH TIES",
        ),
        ("每个科室有多少患者？", 'SELECT "科室", count(*) AS count FROM "患者" GROUP BY "科室"'),
        ("患者王芳的血型是什么？", None),
        ("身高最高的患者是谁？", None),
    ],
)
def test_tables_may_have_chinese_names(db: psycopg.Connection, question: str, sql: str | None) -> None:
    db.execute(
        """
        CREATE TABLE 患者 (编号 int PRIMARY KEY, 姓名 text, 疾病 text, 年龄 int, 科室 text);
        INSERT INTO 患者 VALUES (1, '王芳', '哮喘', 33, '儿科'), (2, '李强', '高血压', 67, '内科')
        """
    )
    assert value(db, "SELECT CASE WHEN answer IS NOT NULL THEN sql END FROM ask(%s)", question) == sql


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("取消的订单有几个？", """SELECT count(*) FROM "订单" WHERE "状态" = '已取消'"""),
        ("已取消的订单有几个？", """SELECT count(*) FROM "订单" WHERE "状态" = '已取消'"""),
        ("没取消的订单有几个？", None),
    ],
)
def test_what_is_done_is_said_without_its_particle(db: psycopg.Connection, question: str, sql: str | None) -> None:
    db.execute(
        """
        CREATE TABLE 订单 (订单编号 int PRIMARY KEY, 状态 text);
        INSERT INTO 订单 VALUES (1, '已取消'), (2, '已完成'), (3, '待付款')
        """
    )
    assert value(db, "SELECT CASE WHEN answer IS NOT NULL THEN sql END FROM ask(%s)", question) == sql


@pytest.fixture(scope="module")
def multilingual() -> Iterator[Path]:
    """A folder with a model of many languages, which the server's user can read."""
    with tempfile.TemporaryDirectory(prefix="pg_llm-multilingual-", dir="/var/tmp") as made:
        Path(made).chmod(0o755)
        save_multilingual(Path(made))
        yield Path(made)


@pytest.mark.slow
def test_a_multilingual_model_stands_in_for_chinese_comments(db: psycopg.Connection, multilingual: Path) -> None:
    db.execute(re.sub("COMMENT ON .*;", "", HOSPITAL))
    assert value(db, "SELECT answer FROM ask('患者A的疾病是什么？')") is None
    db.execute("SELECT llm_register_model('e5', 'embedding', %s)", (f"path:{multilingual}",))
    db.execute("SET llm.embedding_model = 'e5'")
    expected = {
        "患者A的疾病是什么？": "患者A的疾病为高血压。",
        "What is the disease of patient A?": "The disease of patient A is 高血压.",
        "患者王芳的年龄是多少？": "患者王芳的年龄为33。",
        "有多少患者？": "有3患者。",
        "年龄最大的患者是谁？": "年龄最大的患者为A。",
        "年龄大于40的患者有哪些？": "年龄大于40的患者为A、B。",
        "患者A的身高是多少？": None,
        "患者A的血型是什么？": None,
        "What is the blood type of patient A?": None,
    }
    assert {question: value(db, "SELECT answer FROM ask(%s)", question) for question in expected} == expected
    sql = "SELECT sql FROM ask('患者A的疾病是什么？')"
    assert value(db, sql) == "SELECT disease FROM patient WHERE name = 'A'"


def test_a_chinese_group_and_what_is_not_known(db: psycopg.Connection) -> None:
    db.execute(HOSPITAL)
    rows = value(db, "SELECT rows FROM ask('每个科室有多少患者？')")
    assert sorted((row["ward"], row["count"]) for row in rows) == [("儿科", 1), ("内科", 2)]
    answer, reason = db.execute("SELECT answer, reason FROM ask('患者A的身高是多少？')").fetchone()
    assert answer is None
    assert "身高" in reason


def test_questions_are_kept_where_that_is_wanted_and_feedback_teaches(bakery: psycopg.Connection) -> None:
    question = "Which baker is the nicest?"
    bakery.execute("SELECT * FROM ask(%s)", (question,))
    assert value(bakery, "SELECT count(*) FROM llm.ask_log") == 0
    bakery.execute("SET llm.ask_log = on")
    bakery.execute("SELECT * FROM ask(%s)", (question,))
    id, asked, correct = bakery.execute("SELECT id, question, correct FROM llm.ask_log").fetchone()
    assert (asked, correct) == (question, None)
    with pytest.raises(errors.InvalidParameterValue):
        bakery.execute("SELECT ask_feedback(%s, false, 'DELETE FROM baker')", (id,))
    bakery.execute("SELECT ask_feedback(%s, false, 'SELECT name FROM baker WHERE name = ''Ada''')", (id,))
    assert value(bakery, "SELECT correct FROM llm.ask_log") is False
    assert value(bakery, "SELECT answer FROM ask(%s)", question) == "The answer is Ada."
    id = value(bakery, "SELECT id FROM llm.ask_log WHERE correct IS NULL")
    bakery.execute("SELECT ask_feedback(%s, false)", (id,))
    assert value(bakery, "SELECT answer FROM ask(%s)", question) is None
    bakery.execute("SELECT * FROM ask('How many bakers are there?')")
    id = value(bakery, "SELECT id FROM llm.ask_log WHERE question LIKE 'How many%'")
    bakery.execute("SELECT ask_feedback(%s, true)", (id,))
    assert value(bakery, "SELECT reason FROM ask('How many bakers are there?')") == "as taught by llm_teach()"


def test_feedback_is_on_ones_own_questions(bakery: psycopg.Connection, role: str) -> None:
    bakery.execute("SET llm.ask_log = on; SELECT * FROM ask('How many bakers are there?')")
    id = value(bakery, "SELECT id FROM llm.ask_log")
    bakery.execute(f"SET ROLE {role}")
    for one in (id, "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(errors.UndefinedObject, match="there is no question"):
            bakery.execute("SELECT ask_feedback(%s, true)", (one,))
    for arguments in ("NULL, true", f"'{id}', NULL"):
        with pytest.raises(errors.InvalidParameterValue, match="must not be NULL"):
            bakery.execute(f"SELECT ask_feedback({arguments})")


def test_the_callers_path_says_which_table_is_meant(bakery: psycopg.Connection) -> None:
    bakery.execute("CREATE SCHEMA mine; CREATE TABLE mine.baker (baker_id int PRIMARY KEY, name text)")
    bakery.execute("SET search_path = mine, public")
    assert (
        value(bakery, "SELECT sql FROM ask('How many bakers are there?', ARRAY['baker'::regclass])")
        == "SELECT count(*) FROM baker"
    )
    sql = value(bakery, "SELECT sql FROM ask('How many bakers are there?', ARRAY['public.baker'::regclass])")
    assert sql == "SELECT count(*) FROM public.baker"


def test_among_many_tables_the_right_ones_are_found(bakery: psycopg.Connection) -> None:
    for number in range(60):
        bakery.execute(f"CREATE TABLE filler_{number} (code_{number} int, remark_{number} text)")
    question = "What is the average price of bread?"
    assert value(bakery, "SELECT sql FROM ask(%s)", question) == "SELECT avg(price) FROM bread"
    bakery.execute("CALL llm_catalog_refresh()")
    assert value(bakery, "SELECT sql FROM ask(%s)", question) == "SELECT avg(price) FROM bread"
    assert value(bakery, "SELECT rows FROM ask('Which bakers have no batches?')") == [{"name": "Dan"}]
    bakery.execute("CREATE TABLE bk_subscr AS SELECT 1 AS subscr_id, 30 AS dscnt")
    question = "What is the average discount of our subscribers?"
    assert value(bakery, "SELECT sql FROM ask(%s)", question) == "SELECT avg(dscnt) FROM bk_subscr"


@pytest.mark.slow
def test_a_model_that_writes_is_held_to_what_exists(bakery: psycopg.Connection) -> None:
    sql, confidence, _, alternatives = bakery.execute(
        "SELECT * FROM llm_sql('How many bakers are there?', model => 'smollm2-135m-instruct')"
    ).fetchone()
    assert sql == "SELECT count(*) FROM baker"
    assert confidence > 0.5
    assert isinstance(alternatives, list)


def test_companion_tables_of_searches_are_not_asked_unless_named(bakery: psycopg.Connection) -> None:
    bakery.execute("CALL semantic_index('baker', '{town}')")
    question = "How many chunks are there?"
    assert value(bakery, "SELECT sql FROM ask(%s)", question) is None
    assert value(bakery, "SELECT sql FROM ask(%s, '{baker_embedding}')", question) is not None


def test_the_backend_engine_answers_the_same(bakery: psycopg.Connection) -> None:
    bakery.execute("SET llm.engine = 'backend'")
    assert value(bakery, "SELECT rows FROM ask('How many bakers live in Bonn?')") == [{"count": 2}]


@pytest.mark.parametrize("database", [*SEEN, *HELD])
def test_no_question_is_a_defect(db: psycopg.Connection, database: str) -> None:
    load(db, database)
    asked = [question.text for question in own_questions([database])]
    random = Random(database)
    pieces = [re.findall(r"[A-Za-z0-9]+|[\u4e00-\u9fff]{1,3}|\S", text) for text in asked]
    for _ in range(50):
        one, other = random.sample(pieces, 2)
        joined = [*one[: random.randrange(len(one))], *other[random.randrange(len(other)) :]]
        joined.insert(random.randrange(len(joined) + 1), random.choice(random.choice(pieces)))
        asked.append(("" if database.endswith("_zh") else " ").join(joined))
    for question in asked:
        found = db.execute("SELECT sql, confidence, explanation FROM llm_sql(%s)", (question,)).fetchone()
        assert found is not None, question
        assert 0 <= found[1] <= 1
        assert found[0] or found[2], question


def test_rows_beyond_the_limit_are_told(bakery: psycopg.Connection) -> None:
    bakery.execute("SET llm.ask_row_limit = 2")
    answer, rows, reason = bakery.execute("SELECT answer, rows, reason FROM ask('List all bakers')").fetchone()
    assert len(rows) == 2
    assert "more than 2: " in answer
    assert "only the first 2 rows (llm.ask_row_limit)" in reason
    told: list[str] = []
    bakery.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    assert len(bakery.execute("SELECT ask_rows('List all bakers')").fetchall()) == 2
    assert [notice for notice in told if "llm.ask_row_limit" in notice]


@pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres, MDY"])
def test_the_style_of_dates_in_a_session_changes_no_answer(db: psycopg.Connection, style: str) -> None:
    db.execute("CREATE TABLE member (id int PRIMARY KEY, city text, born date)")
    db.execute("INSERT INTO member SELECT n, 'Oslo', date '2020-01-01' + n FROM generate_series(1, 9) AS n")
    question = "How many members were born after 2020-01-05?"
    usual = db.execute("SELECT sql, answer FROM ask(%s, '{member}')", (question,)).fetchall()
    assert usual[0][1] is not None
    db.execute(f"SET DateStyle = '{style}'")
    assert db.execute("SELECT sql, answer FROM ask(%s, '{member}')", (question,)).fetchall() == usual
