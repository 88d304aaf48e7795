"""The specifications of charts, held against files under charts/; PG_LLM_WRITE_CHARTS=1 writes those anew."""

from __future__ import annotations

import base64
import json
import os
import struct
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pg_llm.charts import aggregation, choice
from pg_llm.charts import chart_data as chart_table
from pg_llm.charts.chart_data import chart_data
from pg_llm.charts.host import rendering
from pg_llm.charts.specification import specification
from pg_llm.errors import InvalidInput

GOLDEN = Path(__file__).with_name("golden")
MONTHS = [f"2024-{month:02}-01" for month in range(1, 5)]
CITIES = ["Oslo", "Rome", "上海"]
SALES = [("month", "date"), ("city", "text"), ("sales", "numeric")]
SALES_ROWS = [[m, c, Decimal(10 * i + j)] for i, m in enumerate(MONTHS) for j, c in enumerate(CITIES)]
PAIR = [("height", "real"), ("weight", "real")]
CITY = [("city", "text"), ("people", "bigint")]

# kind that is chosen, or asked for: columns, rows, kind, title
CHARTS: dict[str, tuple[list[tuple[str, str]], list[list[Any]], str | None, str | None]] = {
    "line": (SALES, SALES_ROWS, None, "Sales 销售额"),
    "line_of_measures": ([("day", "date"), ("a", "real"), ("b", "real")], [[m, 1, 2] for m in MONTHS], None, None),
    "line_of_years": ([("year", "integer"), ("n", "integer")], [[1990 + i, i * i] for i in range(4)], None, None),
    "area": (SALES, SALES_ROWS, "area", None),
    "bar": (CITY, [["Oslo", 7], ["Rome", 27], ["上海", 248]], None, None),
    "bar_sideways": (CITY, [[f"a city with a long name, number {i}", i] for i in range(14)], None, None),
    "bar_of_many": (CITY, [[f"city {i}", i + 1] for i in range(60)], None, None),
    "bar_in_groups": (SALES[1:] + SALES[:0], [[c, i] for i, c in enumerate(CITIES * 2)], None, None),
    "bar_of_two_categories": (
        [("city", "text"), ("kind", "text"), ("n", "integer")],
        [[c, k, 3] for c in CITIES for k in "ab"],
        None,
        None,
    ),
    "bar_of_counts": ([("status", "text")], [["new"], ["open"], ["new"], [None]], None, None),
    "bar_in_time": ([("at", "timestamp")], [[f"2024-01-{d:02}T08:00:00"] for d in (1, 1, 3)], None, None),
    "scatter": (PAIR, [[1.5, 2.5], [2.5, 3.0], [0.5, None]], None, None),
    "scatter_of_groups": ([*PAIR, ("g", "text")], [[1.0, 2.0, "a"], [2.0, 3.0, "b"]], "scatter", None),
    "histogram": ([("n", "integer")], [[value] for value in (1, 2, 2, 3, 3, 3, 9)], None, None),
    "heatmap": (
        [("hour", "text"), ("day", "text"), ("n", "integer")],
        [[f"{h:02}", d, h] for h in range(9) for d in ("Mo", "Tu", "We", "Th", "Fr")],
        None,
        None,
    ),
    "pie": (CITY, [["Oslo", 10], ["Rome", 27], ["上海", 63]], "pie", None),
    "number": ([("total", "numeric")], [[Decimal("1234567.891")]], None, "Revenue"),
    "empty": (CITY, [], None, None),
}


@pytest.mark.parametrize("name", CHARTS)
def test_the_specification_is_the_one_in_the_file(name: str) -> None:
    file = GOLDEN / f"{name}.json"
    found = json.dumps(specification(*CHARTS[name]), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("PG_LLM_WRITE_CHARTS"):
        file.write_text(found)
    assert found == file.read_text()


def test_every_kind_has_a_file_and_every_file_a_chart() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(CHARTS)
    assert set(choice.KINDS) <= set(CHARTS)


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_can_be_drawn(name: str) -> None:
    text = json.dumps(specification(*CHARTS[name]))
    picture = ElementTree.fromstring(rendering.run_in_worker(text, "svg", 1))
    assert float(picture.attrib["width"]) == 640
    image = base64.b64decode(rendering.run_in_worker(text, "png", 2))
    assert image.startswith(b"\x89PNG")
    assert struct.unpack(">II", image[16:24]) == (1280, 2 * round(float(picture.attrib["height"])))


def mark(columns: list[tuple[str, str]], rows: list[list[Any]], kind: str | None = None) -> Any:
    spec = specification(columns, rows, kind, None)
    return [layer["mark"]["type"] for layer in spec["layer"]] if "layer" in spec else spec["mark"]["type"]


@pytest.mark.parametrize(
    ("columns", "rows", "expected"),
    [
        ("date integer", [["2024-01-01", 1]], "line"),
        ("timestamp date", [["2024-01-01T01:00:00", "2024-01-02"]], "bar"),
        ("date text", [["2024-01-01", "a"], ["2024-01-01", "b"]], "line"),
        ("text integer", [["a", 1]], "bar"),
        ("boolean numeric", [[True, 1], [False, 2]], "bar"),
        ("text", [["a"], ["a"]], "bar"),
        ("text text", [["a", "b"], ["a", "b"]], "rect"),
        ("text text", [["a", "b"], ["c", "b"], ["c", "b"]], "rect"),
        ("text text integer", [["a", "b", 1], ["a", "c", 1]], "bar"),
        ("text text integer", [[f"a{i % 9}", f"b{i}", 1] for i in range(18)], "rect"),
        ("text real real", [[f"a{i}", i, i] for i in range(51)], "point"),
        ("text real real", [[f"a{i}", i, i] for i in range(50)], "bar"),
        ("integer integer", [[5, 7], [3, 4]], "point"),
        ("integer integer", [[2001, 7], [2002, 4], [2003, 5]], "line"),
        ("integer integer", [[2001, 7], [2009, 4], [2003, 5]], "point"),
        ("integer", [[1], [2]], "bar"),
        ("real", [[1.0]], ["text", "text"]),
        ("real real real real real", [[1.0, 2.0, 3.0, 4.0, 5.0]], "bar"),
    ],
)
def test_the_kind_follows_from_the_types(columns: str, rows: list[list[Any]], expected: Any) -> None:
    typed = [(f"c{place}", type) for place, type in enumerate(columns.split())]
    assert mark(typed, rows) == expected


@pytest.mark.parametrize("name", ["id", "customer_id", "ID"])
def test_a_key_is_no_measure(name: str) -> None:
    spec = specification([(name, "integer"), ("amount", "numeric")], [[7, 1], [8, 2]], None, None)
    assert spec["mark"]["type"] == "bar"
    assert spec["encoding"]["y"]["title"] == "amount"
    assert mark([(name, "integer")], [[7], [8]]) == "bar"


@pytest.mark.parametrize(
    ("kind", "columns", "rows"),
    [
        ("line", "integer", [[1], [2]]),
        ("area", "text", [["a"]]),
        ("bar", "integer", [[1], [2]]),
        ("scatter", "text integer", [["a", 1]]),
        ("histogram", "text", [["a"]]),
        ("heatmap", "text integer", [["a", 1]]),
        ("pie", "integer", [[1]]),
        ("pie", "text integer", [["a", -1]]),
        ("pie", "text integer", [["a", 0]]),
        ("number", "integer", [[1], [2]]),
        ("number", "text", [["a"]]),
    ],
)
def test_a_kind_that_does_not_fit_says_what_it_needs(kind: str, columns: str, rows: list[list[Any]]) -> None:
    typed = [(f"c{place}", type) for place, type in enumerate(columns.split())]
    with pytest.raises(InvalidInput, match=f"a {kind} chart does not fit this query") as caught:
        specification(typed, rows, kind, None)
    assert f"It needs {choice.KINDS[kind]}." in str(caught.value.hint)


@pytest.mark.parametrize("rows", [[], [["a", 1]]])
def test_a_kind_that_there_is_not(rows: list[list[Any]]) -> None:
    with pytest.raises(InvalidInput, match='no kind of chart "radar"') as caught:
        specification(CITY, rows, "radar", None)
    assert "line, area, bar" in str(caught.value.hint)


@pytest.mark.parametrize("kind", [None, *choice.KINDS])
def test_no_rows_are_told_whatever_the_kind(kind: str | None) -> None:
    spec = specification(CITY, [], kind, "Cities")
    assert spec["encoding"]["text"] == {"value": "0 rows"}
    assert "0 rows" in rendering.run_in_worker(json.dumps(spec), "svg", 1)


@pytest.mark.parametrize("kind", [None, "line", "bar", "scatter", "histogram"])
def test_numbers_that_cannot_be_drawn_are_left_out_and_counted(kind: str | None) -> None:
    numbers = [float("nan"), float("inf"), -float("inf"), None, Decimal("NaN"), Decimal("1e400"), 10**400, 3.5, 4]
    rows = [[f"2024-01-{place + 1:02}", number] for place, number in enumerate(numbers)]
    spec = specification([("day", "date"), ("n", "numeric")], rows, kind, None)
    assert spec["title"]["subtitle"] == "NULL, NaN, Infinity: 7"
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


def test_nothing_but_null_is_a_chart_of_no_rows() -> None:
    for kind in (None, "scatter", "histogram", "line", "bar"):
        spec = specification([("day", "date"), ("n", "real")], [["2024-01-01", None]], kind, None)
        assert spec["encoding"]["text"] == {"value": "0 rows"}
        assert spec["title"]["subtitle"] == "NULL, NaN, Infinity: 1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (0, "0"),
        (Decimal("0.00"), "0"),
        (1234567, "1,234,567"),
        (Decimal("-1234567.891"), "-1,234,567.89"),
        (0.0123456, "0.01235"),
        (43.219999, "43.22"),
        (Decimal("1e400"), "1.0000e+400"),
        (1e-9, "1.0000e-9"),
        (float("nan"), "NaN"),
        (float("-inf"), "-∞"),
    ],
)
def test_a_number_is_written_in_full(value: Any, text: str) -> None:
    spec = specification([("n", "numeric")], [[value]], "number", None)
    assert spec["data"]["values"] == [{"name": "n", "number": text}]


def test_times_are_those_of_the_query_whatever_the_zone() -> None:
    given = {
        "2024-03-05 10:00:00+02": "2024-03-05T10:00:00Z",
        "2024-03-05T10:00:00": "2024-03-05T10:00:00Z",
        datetime(2024, 3, 5, 10, tzinfo=UTC): "2024-03-05T10:00:00Z",
        date(2024, 3, 5): "2024-03-05",
        "2024-03-05 00:00:00": "2024-03-05",
        "2024-03-05 10:00:00.123456-08": "2024-03-05T10:00:00.123Z",
        "infinity": None,
        "0044-03-15 BC": None,
        None: None,
    }
    for value, position in given.items():
        assert chart_data([("t", "timestamp with time zone")], [[value]]).columns[0].values == [position]


def test_an_interval_has_the_unit_that_suits_it() -> None:
    for seconds, title in ((90000 * 3, "wait (d)"), (7300, "wait (h)"), (150, "wait (min)"), (0.01, "wait (ms)")):
        column = chart_data([("wait", "interval")], [[seconds], [timedelta(seconds=1)], [None]]).columns[0]
        assert column.name == title
        assert column.role == "number"
        assert column.values[2] is None
    assert chart_data([("wait", "interval")], [[timedelta(hours=3)]]).columns[0].values == [3.0]


HOSTILE = [
    "<script>alert(1)</script>",
    "]]><svg onload='alert(1)'>",
    '"quoted"',
    "a.b[0]['x']\\n",
    "\x00\x01\x1b\ufffe tail",
    "\ud800",
    "x" * 1_000_000,
    "{{7*7}} ${1} #{2}",
    "javascript:alert(1)",
    *chart_table._JAVASCRIPT_NAMES[-6:-1:2],
    "__proto__",
    "datum.x",
    "",
    "line\nbreak",
    "\u202eright to left",
    "NULL",
    "👩‍👩‍👧 🎉",
    "Ω≈ç√",
    "</text></svg>",
]


@pytest.mark.parametrize("kind", choice.KINDS)
@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_every_kind_are_drawn_as_texts(kind: str, text: str) -> None:
    columns = [(text, "text"), (text, "text"), (text, "numeric"), (text, "numeric")]
    rows: list[list[Any]] = [[text, "other", 1, 2], ["other", text, 3, 4], [None, None, 5, 6]]
    drawn = json.dumps(specification(columns, rows[:1] if kind == "number" else rows, kind, text))
    assert len(drawn) < 20_000
    svg = rendering.run_in_worker(drawn, "svg", 1)
    for element in ElementTree.fromstring(svg).iter():
        assert element.tag.rpartition("}")[2] in (
            "svg",
            "g",
            "path",
            "rect",
            "line",
            "text",
            "defs",
            "linearGradient",
            "stop",
            "clipPath",
            "tspan",
            "title",
        )
        assert not [name for name in element.attrib if name.startswith("on") or name.endswith("href")]


def test_long_texts_that_differ_late_share_a_bar_and_others_do_not() -> None:
    rows = [["x" * 200 + "1", 1], ["x" * 200 + "2", 2], ["y", 4]]
    values = specification(CITY, rows, None, None)["data"]["values"]
    assert [row["value"] for row in values] == [3, 4]
    assert specification(CITY, rows, None, None)["encoding"]["x" if len(values) > 12 else "y"]["title"]


def test_several_rows_of_one_category_are_summed_and_told() -> None:
    spec = specification(CITY, [["Rome", 1], ["Rome", 2], ["Oslo", 5]], None, None)
    assert spec["data"]["values"] == [{"x": "Rome", "value": 3}, {"x": "Oslo", "value": 5}]
    assert spec["encoding"]["y"]["title"] == "Σ people"


def test_of_many_categories_the_largest_are_shown_and_the_rest_as_one() -> None:
    rows = [[f"city {i}"] for i in range(60) for _ in range(i + 1)]
    spec = specification(CITY[:1], rows, None, None)
    values = {row["x"]: row["value"] for row in spec["data"]["values"]}
    assert len(values) == 50
    assert values["… (+11)"] == sum(range(1, 12))
    assert spec["encoding"]["y"]["sort"] == [*(f"city {i}" for i in range(59, 10, -1)), "… (+11)"]
    assert spec["height"] > 400


def test_what_may_be_averages_is_not_summed_as_a_rest() -> None:
    spec = specification(
        [("city", "text"), ("mean", "numeric")], [[f"city {i}", 20 + i] for i in range(60)], None, None
    )
    values = {row["x"]: row["value"] for row in spec["data"]["values"]}
    assert values == {f"city {i}": 20 + i for i in range(10, 60)}
    assert spec["title"]["subtitle"] == "… (+10)"
    rows = [[day, f"s{i}", i] for day in MONTHS for i in range(30)]
    lines = specification([("day", "date"), ("s", "text"), ("mean", "numeric")], rows, None, None)
    assert lines["encoding"]["color"]["sort"] == [f"s{i}" for i in range(20, 30)]
    assert lines["title"]["subtitle"] == "… (+20)"


def test_a_rest_that_is_far_longer_is_cut_off_and_told() -> None:
    rows = [[f"city {i}", 500 + i / 2] for i in range(1_000) for _ in range(2)]
    spec = specification(CITY, rows, None, None)
    last = spec["encoding"]["y"]["sort"][-1]
    assert last == f"… (+951): {sum(1000 + i for i in range(951)):,}"
    assert spec["mark"]["clip"]
    assert spec["encoding"]["x"]["scale"]["domainMax"] == pytest.approx(1_999 * 1.1)
    assert spec["encoding"]["x"]["title"] == "Σ people"
    assert len(spec["data"]["values"]) == 50


@pytest.mark.parametrize("many", [1, 2, 50, 10_000])
def test_points_are_drawn_to_their_number(many: int) -> None:
    start = datetime(2024, 1, 1)
    line = specification(
        [("t", "timestamp"), ("n", "real")], [[start + timedelta(minutes=i), i % 97] for i in range(many)], None, None
    )
    assert len(line["data"]["values"]) == many
    assert line["mark"]["point"] is (many <= 60)
    points = specification(PAIR, [[i % 101, i % 97] for i in range(many)], "scatter", None)
    assert (points["mark"]["size"], points["mark"]["opacity"]) == ((8, 0.25) if many == 10_000 else (60, 0.8))
    bars = specification([("n", "integer")], [[i] for i in range(many)], "histogram", None)["data"]["values"]
    assert sum(each["count"] for each in bars) == many
    assert len(bars) <= 45
    for spec in (line, points):
        assert rendering.run_in_worker(json.dumps(spec), "svg", 1).startswith("<svg")


@pytest.mark.parametrize("kind", [None, "area", "bar"])
def test_series_beyond_ten_are_one_and_no_colour_is_there_twice(kind: str | None) -> None:
    rows = [[day, f"s{i}", i] for day in MONTHS for i in range(30) for _ in range(2)]
    spec = specification([("day", "date"), ("s", "text"), ("n", "integer")], rows, kind, None)
    names = spec["encoding"]["color"]["sort"]
    assert len(names) == 10
    assert names[-1] == "… (+21)"
    assert sum(row["value"] for row in spec["data"]["values"]) == sum(row[2] for row in rows)


@pytest.mark.parametrize(
    ("times", "unit", "places"),
    [
        (["2024-01-01T08:00:00", "2024-01-01T08:00:30"], "utcyearmonthdatehoursminutesseconds", 2),
        (["2024-01-01T08:00:00", "2024-01-01T08:50:30"], "utcyearmonthdatehoursminutes", 2),
        (["2024-01-01T08:00:00", "2024-01-03T08:10:00", "2024-01-03T08:20:00"], "utcyearmonthdatehours", 2),
        (["2024-01-01", "2024-01-01"], "utcyearmonthdate", 1),
        (["2024-01-01", "2024-01-09", "2024-05-09"], "utcyearmonth", 2),
        (["1914-07-28", "2024-05-09"], "utcyear", 2),
    ],
)
def test_bars_in_time_are_as_wide_as_can_be_seen(times: list[str], unit: str, places: int) -> None:
    spec = specification([("t", "timestamp")], [[time] for time in times], "bar", None)
    assert spec["encoding"]["x"]["timeUnit"] == unit
    assert len(spec["data"]["values"]) == places
    assert sum(row["value"] for row in spec["data"]["values"]) == len(times)


@pytest.mark.parametrize("values", [[0.0], [5.0] * 9, [-1e299, 1e299], [1e-300, 2e-300], [1.0, 1.0000001], [0.1, 0.7]])
def test_bins_hold_every_value_once(values: list[float]) -> None:
    bins = aggregation.histogram_bins(values, all(value.is_integer() for value in values))
    assert sum(count for _, _, count in bins) == len(values)
    assert all(start < end for start, end, _ in bins)
    assert len(bins) <= 45


def test_duplicate_names_of_columns_stay_two_columns() -> None:
    spec = specification([("n", "real"), ("n", "real")], [[1.0, 10.0], [2.0, 20.0]], None, None)
    assert spec["data"]["values"] == [{"x": 1.0, "y": 10.0}, {"x": 2.0, "y": 20.0}]


def test_a_chart_reads_no_address_and_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\nSECRET\n")
    base = specification(*CHARTS["bar"])
    image = {"mark": {"type": "image"}, "encoding": {"url": {"value": f"file://{secret}"}}}
    for change in (
        {"data": {"url": f"file://{secret}", "format": {"type": "csv"}}},
        {"data": {"url": "http://127.0.0.1:9/x.json"}},
        {"mark": "image"},
        image,
        {"layer": [image]},
        {"datasets": {"a": []}},
        {"encoding": {"x": {"field": "x"}, "href": {"value": "javascript:alert(1)"}}},
        {"transform": [{"lookup": "x", "from": {"data": {"url": "x.csv"}, "key": "x"}}]},
    ):
        with pytest.raises(InvalidInput, match="a chart"):
            rendering.run_in_worker(json.dumps({**base, **change}), "svg", 1)
    # The renderer on its own does not read them either.
    spec = {
        "data": {"url": f"file://{secret}", "format": {"type": "csv"}},
        "mark": "text",
        "encoding": {"text": {"field": "a"}},
    }
    assert "SECRET" not in rendering._renderer().vegalite_to_svg(spec, vl_version="5.21", allowed_base_urls=[])
    with pytest.raises(ValueError, match="not allowed"):
        rendering._renderer().vegalite_to_svg({**spec, "data": {"url": "http://127.0.0.1:9/x"}}, allowed_base_urls=[])


def test_a_specification_that_is_none_is_an_error_in_one_line() -> None:
    with pytest.raises(InvalidInput, match="the chart cannot be drawn") as caught:
        rendering.run_in_worker(json.dumps({"mark": 5}), "svg", 1)
    assert "\n" not in caught.value.message


def inked(text: str) -> bytes:
    """The pixels of a picture with that text alone."""
    spec = specification([("n", "integer")], [], None, None)
    spec["encoding"]["text"]["value"] = text
    return base64.b64decode(rendering.run_in_worker(json.dumps(spec), "png", 1))


def test_every_script_has_its_own_glyphs() -> None:
    missing = inked("\U000fffff")
    for signs in ("北京", "東京", "서울", "かな", "🎉🥰", "ไท", "עב", "ЖЯ"):
        first, second = (inked(sign) for sign in signs)
        assert len({missing, first, second}) == 3, signs
