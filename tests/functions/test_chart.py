from __future__ import annotations

import json
import struct
from typing import Any
from xml.etree import ElementTree

import psycopg
import pytest
from database import value
from psycopg import errors

SALE = """
    CREATE TABLE sale (id int PRIMARY KEY, sold_at timestamptz, city text, amount numeric);
    INSERT INTO sale SELECT n, timestamptz '2024-01-01 12:00+00' + n * interval '1 day',
        (ARRAY['Oslo', 'Rome', '上海'])[n % 3 + 1], n * 10 FROM generate_series(1, 60) n;
"""
BY_CITY = "SELECT city, sum(amount) AS total FROM sale GROUP BY city ORDER BY city"


@pytest.fixture
def sales(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(SALE)
    return db


def chart(db: psycopg.Connection, query: str, *more: Any) -> Any:
    return value(db, f"SELECT llm_chart({', '.join(['%s'] * (1 + len(more)))})", query, *more)


def test_a_query_becomes_a_specification(sales: psycopg.Connection) -> None:
    spec = chart(sales, BY_CITY, None, "Sales 销售额")
    assert spec["$schema"] == "https://vega.github.io/schema/vega-lite/v5.json"
    assert spec["mark"]["type"] == "bar"
    assert spec["title"]["text"] == "Sales 销售额"
    assert {row["x"]: row["value"] for row in spec["data"]["values"]} == {"Oslo": 6300, "Rome": 5900, "上海": 6100}
    assert spec["encoding"]["y"]["title"] == "total"
    line = chart(sales, "SELECT sold_at, amount FROM sale ORDER BY 1")
    assert line["mark"]["type"] == "line"
    assert len(line["data"]["values"]) == 60


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_a_query_becomes_a_picture(sales: psycopg.Connection, engine: str) -> None:
    sales.execute(f"SET llm.engine = '{engine}'")
    svg = value(sales, "SELECT llm_chart_svg(%s, title => '销售额', width => 800, height => 300)", BY_CITY)
    picture = ElementTree.fromstring(svg)
    assert (picture.attrib["width"], picture.attrib["height"]) == ("800", "300")
    assert "上海" in "".join(picture.itertext())
    assert "销售额" in "".join(picture.itertext())
    image = value(sales, "SELECT llm_chart_png(%s, 'pie', scale => 1.5)", BY_CITY)
    assert image.startswith(b"\x89PNG")
    assert struct.unpack(">II", image[16:24]) == (960, 600)


def test_both_engines_draw_the_same(sales: psycopg.Connection) -> None:
    calls = ("SELECT llm_chart_svg(%s)", "SELECT llm_chart_png(%s)")
    shared = [value(sales, call, BY_CITY) for call in calls]
    sales.execute("SET llm.engine = 'backend'")
    assert [value(sales, call, BY_CITY) for call in calls] == shared


def test_null_and_empty(db: psycopg.Connection) -> None:
    for name in ("llm_chart", "llm_chart_svg", "llm_chart_png"):
        assert value(db, f"SELECT {name}(NULL)") is None
        for query in ("", "  ;\n"):
            with pytest.raises(errors.InvalidParameterValue, match="query is empty"):
                db.execute(f"SELECT {name}(%s)", (query,))
    assert chart(db, "SELECT 1 AS n WHERE false")["encoding"]["text"]["value"] == "0 rows"
    assert "0 rows" in value(db, "SELECT llm_chart_svg('SELECT 1 WHERE false')")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1) AS q; SELECT (2",
        "SELECT 1) AS q (a); DROP TABLE sale; --",
        "DELETE FROM sale",
        "INSERT INTO sale VALUES (100) RETURNING id",
        "WITH gone AS (DELETE FROM sale RETURNING id) SELECT * FROM gone",
        "EXPLAIN SELECT 1",
        "SHOW search_path",
        "COPY sale TO STDOUT",
        "CREATE TABLE other (n int)",
        "BEGIN",
        "SELECT FROM sale",
        "SELECT $1",
        "SELECT * FROM sale FOR UPDATE",
        "SELECT nowhere",
        "SELEC 1",
        "nonsense",
        "SELECT writes()",
        "SELECT setval('counter', 7)",
        "SELECT setval('counter', 7) FROM sale ORDER BY 1",
        "SELECT * FROM setval('counter', 7)",
        "SELECT (SELECT setval('counter', 7)), count(*) FROM sale GROUP BY id",
        "WITH a AS MATERIALIZED (SELECT setval('counter', 7)) SELECT * FROM a",
        "SELECT id FROM sale WHERE setval('counter', 7) > 0",
        "SELECT DISTINCT city, setval('counter', 7) FROM sale JOIN (SELECT 1) AS one ON true LIMIT 1",
        "SELECT 1 UNION ALL SELECT setval('counter', 7)",
        "SELECT id / 0 FROM sale",
    ],
)
@pytest.mark.parametrize("outside", [True, False])
def test_a_query_that_is_none_or_writes_is_an_error(sales: psycopg.Connection, query: str, outside: bool) -> None:
    sales.execute("CREATE SEQUENCE counter")
    sales.execute("CREATE FUNCTION writes() RETURNS int VOLATILE LANGUAGE sql AS 'DELETE FROM sale RETURNING id'")
    with pytest.raises(psycopg.Error) as caught, sales.transaction(force_rollback=outside):
        sales.execute("SELECT llm_chart(%s)", (query,))
    assert caught.value.sqlstate is not None
    assert caught.value.sqlstate[:2] in ("22", "25", "0A", "42")
    assert "defect" not in str(caught.value)
    assert value(sales, "SELECT count(*) FROM sale") == 60
    assert value(sales, "SELECT nextval('counter')") == 1
    # What came before and comes after in the same transaction may write.
    with sales.transaction():
        sales.execute("INSERT INTO sale (id) VALUES (1000)")
        chart(sales, BY_CITY)
        sales.execute("INSERT INTO sale (id) VALUES (1001)")
    assert value(sales, "SELECT count(*) FROM sale") == 62


def test_a_syntax_error_has_a_hint(db: psycopg.Connection) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="query cannot be read: syntax error") as caught:
        chart(db, "SELEC 1")
    assert caught.value.diag.message_hint == "query is one SELECT, WITH … SELECT, VALUES or TABLE."


@pytest.mark.parametrize(
    "query",
    [
        "VALUES ('a', 1), ('b', 2)",
        "TABLE sale",
        "WITH c AS (SELECT city FROM sale) SELECT * FROM c -- end",
        "SELECT city, 1 FROM sale;  ",
        "SELECT city, 1 FROM sale; -- done",
        "-- all of them\nSELECT city, ';' AS a FROM sale; ; /* that is /* all */ */",
        "(SELECT city, amount FROM sale) UNION SELECT 'x', 1",
        "SELECT 1 /* ; */",
    ],
)
def test_queries_of_every_form(sales: psycopg.Connection, query: str) -> None:
    assert chart(sales, query)["data"]["values"]


def test_rights_and_search_path_are_the_callers(sales: psycopg.Connection, role: str) -> None:
    sales.execute("CREATE SCHEMA other; CREATE TABLE other.place AS SELECT 'Lima' AS city, 1 AS n")
    sales.execute(f"GRANT USAGE ON SCHEMA other TO {role}; GRANT SELECT ON other.place TO {role}")
    sales.execute("ALTER TABLE sale ENABLE ROW LEVEL SECURITY")
    sales.execute("CREATE POLICY rome ON sale USING (city = 'Rome')")
    sales.execute(f"SET ROLE {role}; SET search_path = other, public")
    assert chart(sales, "SELECT * FROM place")["data"]["values"] == [{"x": "Lima", "value": 1}]
    assert "Lima" in value(sales, "SELECT llm_chart_svg('SELECT * FROM place')")
    assert value(sales, "SHOW search_path") == "other, public"
    for name in ("llm_chart", "llm_chart_svg", "llm_chart_png"):
        with pytest.raises(errors.InsufficientPrivilege, match="permission denied for table sale"):
            sales.execute(f"SELECT {name}('SELECT city, amount FROM sale')")
    sales.execute("RESET ROLE")
    sales.execute(f"GRANT SELECT ON sale TO {role}")
    sales.execute(f"SET ROLE {role}")
    assert [row["x"] for row in chart(sales, BY_CITY)["data"]["values"]] == ["Rome"]


def test_ten_thousand_rows_and_no_more(db: psycopg.Connection) -> None:
    said: list[str | None] = []
    db.add_notice_handler(lambda notice: said.append(notice.message_primary))
    query = "SELECT n::real AS a, sin(n)::real AS b FROM generate_series(1, {}) n"
    assert len(chart(db, query.format(10_000))["data"]["values"]) == 10_000
    assert said == []
    spec = chart(db, query.format(10_001))
    assert len(spec["data"]["values"]) == 10_000
    assert spec["title"]["subtitle"] == "≤ 10,000 rows"
    assert len(said) == 1
    assert len(value(db, "SELECT llm_chart_png(%s)", query.format(10_001))) > 10_000


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1::smallint", 1),
        ("9223372036854775807::bigint", 9223372036854775807),
        ("1.5::real", 1.5),
        ("1e299::numeric", 1e299),
        ("-0.001::numeric(10,3)", -0.001),
        ("'12.34'::money", 12.34),
        ("interval '1 month 2 hours'", (30 * 86400 + 7200) / 86400),
        ("3::positive", 3),
    ],
)
def test_numbers_of_every_type(db: psycopg.Connection, expression: str, expected: float) -> None:
    db.execute("CREATE DOMAIN whole AS int; CREATE DOMAIN positive AS whole CHECK (VALUE > 0)")
    (row,) = chart(db, f"SELECT 'x' AS name, {expression} AS n")["data"]["values"]
    assert row["value"] == pytest.approx(expected)


@pytest.mark.parametrize("expression", ["'NaN'::float8", "'Infinity'::real", "1e308::numeric * 10", "NULL::int"])
def test_numbers_that_cannot_be_drawn(db: psycopg.Connection, expression: str) -> None:
    query = f"SELECT * FROM (VALUES ('a', {expression}), ('b', 2)) AS v (name, n)"
    spec = chart(db, query)
    assert [row["value"] for row in spec["data"]["values"]] == [2]
    assert spec["title"]["subtitle"] == "NULL, NaN, Infinity: 1"
    assert "Infinity: 1" in value(db, "SELECT llm_chart_svg(%s)", query)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true", "true"),
        ("'{1,2,NULL}'::int[]", "{1,2,NULL}"),
        ("""'{"b": [1, null]}'::json""", '{"b": [1, null]}'),
        ("""'{"b": 1}'::jsonb""", '{"b": 1}'),
        ("'\\x00ff'::bytea", "\\x00ff"),
        ("ROW(1, 'a')", "(1,a)"),
        ("'[1,2]'::vector", "[1,2]"),
        ("int4range(1, 5)", "[1,5)"),
        ("time '10:20'", "10:20:00"),
        ("'<a/>'::xml", "<a/>"),
        ("NULL", "NULL"),
        ("repeat('long ', 200000)", ("long " * 60)[:119] + "…"),
        ("'happy'::mood", "happy"),
        ("pg_typeof(1)", "integer"),
        ("'a'::\"char\"", "a"),
    ],
)
def test_everything_else_is_text(db: psycopg.Connection, expression: str, expected: str) -> None:
    db.execute("CREATE TYPE mood AS ENUM ('happy', 'sad')")
    (row,) = chart(db, f"SELECT {expression} AS a, 1 AS n")["data"]["values"]
    assert row == {"x": expected, "value": 1}


def test_times_are_those_that_the_session_sees(db: psycopg.Connection) -> None:
    query = "SELECT timestamptz '2024-07-01 22:30+00' AS t, 1 AS n UNION ALL SELECT 'infinity', 2"
    for style in ("ISO, MDY", "German", "SQL, DMY"):
        db.execute(f"SET DateStyle = '{style}'; SET TimeZone = 'Europe/Berlin'")
        spec = chart(db, query)
        assert spec["data"]["values"] == [{"x": "2024-07-02T00:30:00Z", "value": 1}]
        assert spec["encoding"]["x"]["scale"] == {"type": "utc"}
    dates = "SELECT * FROM (VALUES (date '2024-07-01', 1), ('0044-03-15 BC', 2), ('-infinity', 3)) AS v (d, n)"
    assert chart(db, dates)["data"]["values"] == [{"x": "2024-07-01", "value": 1}]


def test_the_hour_that_comes_twice_is_two_hours(db: psycopg.Connection) -> None:
    db.execute("SET TimeZone = 'Europe/Berlin'")
    hours = "generate_series(timestamptz '2026-10-24 22:00+00', '2026-10-25 03:00+00', '1 hour') AS t"
    spec = chart(db, f"SELECT t, 1 AS n FROM {hours}")
    assert [row["value"] for row in spec["data"]["values"]] == [1] * 6
    assert value(db, "SELECT llm_chart_svg(%s)", f"SELECT t, 1 AS n FROM {hours}").count(">02:00<") == 2
    # A day of 25 hours is still a day.
    days = chart(db, f"SELECT date_trunc('day', t) AS day, count(*) FROM {hours} GROUP BY 1")
    assert days["data"]["values"] == [{"x": "2026-10-25", "value": 6}]


def test_the_order_of_the_query_is_that_of_the_bars(sales: psycopg.Connection) -> None:
    assert chart(sales, BY_CITY)["encoding"]["x"]["sort"] == ["Oslo", "Rome", "上海"]
    assert chart(sales, BY_CITY.partition("ORDER")[0])["encoding"]["x"]["sort"] == ["Oslo", "上海", "Rome"]
    months = "SELECT to_char(sold_at, 'FMMonth') AS month, count(*) AS n FROM sale GROUP BY 1"
    assert chart(sales, months)["encoding"]["x"]["sort"] == ["January", "February", "March"]


def test_titles_are_the_comments_of_columns(sales: psycopg.Connection, role: str) -> None:
    sales.execute("CREATE VIEW shown AS SELECT city AS place, amount FROM sale; COMMENT ON COLUMN sale.amount IS 'Net'")
    sales.execute("COMMENT ON COLUMN shown.place IS 'Place of the sale'; COMMENT ON COLUMN shown.amount IS 'Gross'")
    spec = chart(sales, "SELECT place, sum(amount) AS amount FROM shown GROUP BY place")
    assert (spec["encoding"]["x"]["title"], spec["encoding"]["y"]["title"]) == ("Place of the sale", "Gross")
    assert chart(sales, 'SELECT "city", amount FROM public."sale"')["encoding"]["y"]["title"] == "Σ Net"
    # Two comments for one name are none.
    both = "SELECT place, s.amount FROM shown AS v JOIN sale AS s ON v.place = s.city"
    assert chart(sales, both)["encoding"]["y"]["title"] == "Σ amount"
    for query in ('SELECT 1 AS amount, "a.b"."c.d"."e".f FROM sale', "SELECT 1 AS amount, pg_catalog.nowhere.x.y"):
        with pytest.raises(psycopg.Error):
            chart(sales, query)
    assert chart(sales, 'SELECT 1 AS amount, 2 AS """a.b" FROM sale LIMIT 2')["data"]["values"]


def test_a_list_of_names_is_no_chart(sales: psycopg.Connection) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="nothing to draw") as caught:
        chart(sales, "SELECT DISTINCT city FROM sale")
    assert "count(*)" in str(caught.value.diag.message_hint)
    assert chart(sales, "SELECT DISTINCT city FROM sale", "bar")["mark"]["type"] == "bar"


def test_names_of_columns_of_every_kind(db: psycopg.Connection) -> None:
    name = """a.b[0]['x']"y" <script>alert(1)</script>"""
    quoted = '"' + name.replace('"', '""') + '"'
    query = f"SELECT 'x' AS {quoted}, 1 AS {quoted}, 2 AS {quoted}"
    spec = chart(db, query)
    assert [row["value"] for row in spec["data"]["values"]] == [3]
    assert spec["encoding"]["x"]["title"] == name
    svg = value(db, "SELECT llm_chart_svg(%s)", query)
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    many = ", ".join(f"{number} AS c{number}" for number in range(1000))
    assert chart(db, f"SELECT {many}")["mark"]["type"] == "bar"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("width => 1", "width must lie between 100 and 4000"),
        ("height => 100000", "height must lie between 100 and 4000"),
        ("width => NULL", "width must lie between"),
        ("scale => 0", "scale must lie between"),
        ("scale => 'NaN'", "scale must lie between"),
        ("scale => NULL", "scale must not be NULL"),
        ("width => 4000, height => 4000, scale => 3", "at most 64 million pixels"),
        ("kind => 'radar'", 'no kind of chart "radar"'),
        ("kind => 'pie'", "a pie chart does not fit"),
    ],
)
def test_arguments_that_cannot_be(db: psycopg.Connection, arguments: str, says: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=says) as caught:
        db.execute(f"SELECT llm_chart_png('SELECT 1 AS n', {arguments})")
    assert caught.value.diag.message_hint or "NULL" in says


def test_cancel_and_timeout_reach_the_query(db: psycopg.Connection) -> None:
    db.execute("SET statement_timeout = 300")
    with pytest.raises(errors.QueryCanceled):
        chart(db, "SELECT pg_sleep(60)::text")


def test_a_chart_of_what_a_model_says(db: psycopg.Connection) -> None:
    texts = "'{bread and cheese,a football match,soup and bread}'::text[]"
    query = f"SELECT llm_classify(t, '{{food,sport}}') AS topic FROM unnest({texts}) t"
    assert {row["x"] for row in chart(db, query)["data"]["values"]} == {"food", "sport"}


def test_a_specification_is_plain_json(sales: psycopg.Connection) -> None:
    spec = value(sales, "SELECT llm_chart(%s)::text", BY_CITY)
    assert json.loads(spec)["width"] == 640
