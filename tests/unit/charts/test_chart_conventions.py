"""What a reader of a chart takes for granted: order, zero, gaps, colours, two scales, and the hour that comes twice."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pg_llm.charts import ordering
from pg_llm.charts.host import rendering
from pg_llm.charts.specification import specification

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
DAYS = ["Monday   ", "Tuesday  ", "Wednesday", "Thursday ", "Friday   ", "Saturday ", "Sunday   "]


def spec_of(columns: str, rows: list[list[Any]], kind: str | None = None, **more: Any) -> Any:
    typed = [(f"c{place}", type_) for place, type_ in enumerate(columns.split(","))]
    spec = specification(typed, rows, kind, None, **more)
    rendering.run_in_worker(json.dumps(spec), "svg", 1)
    return spec


def bars(spec: Any) -> Any:
    return next(axis for axis in (spec["encoding"]["x"], spec["encoding"]["y"]) if axis["field"] == "x")["sort"]


@pytest.mark.parametrize(
    "labels",
    [
        MONTHS,
        DAYS,
        [day.strip()[:3].upper() for day in DAYS],
        ["一月", "二月", "三月", "十月", "十二月"],
        ["周一", "周二", "周六", "周日"],
        ["1月", "2月", "10月"],
        ["08:00", "09:30", "10:00"],
        ["9", "10", "11"],
        ["-1", "0.5", "2"],
        ["Q1 2024", "Q2 2024", "Q1 2025"],
        ["2024-W09", "2024-W10", "2025-W01"],
        ["2024-09", "2024-10", "2025-01"],
        ["0-9", "10-19", "20-99"],
    ],
)
def test_labels_that_have_an_order_are_in_it(labels: list[str]) -> None:
    shuffled = sorted(labels, key=lambda label: label[::-1])
    assert ordering.natural([*shuffled, "NULL"]) == [*labels, "NULL"]
    values = [[label, n] for n, label in enumerate(shuffled)]
    assert bars(spec_of("text,numeric", values)) == [label.strip() for label in labels]


@pytest.mark.parametrize(
    "labels",
    [
        ["Rome", "Oslo"],
        ["May", "June", "Rome"],
        ["10115", "20095"],
        ["01.02.2024", "02.01.2024"],
        ["1", "a"],
        ["1-2", "3"],
        ["item 1", "item 2"],
        [],
        ["NULL"],
    ],
)
def test_other_labels_have_none(labels: list[str]) -> None:
    assert ordering.natural(labels) is None


def test_bars_are_sorted_by_value_unless_the_query_orders_them() -> None:
    rows = [["a", 2], ["b", 9], ["c", 5]]
    assert bars(spec_of("text,numeric", rows)) == ["b", "c", "a"]
    assert bars(spec_of("text,numeric", rows, ordered=True)) == ["a", "b", "c"]
    long = [[f"a long name of month number {n}", (n * 7) % 13] for n in range(13)]
    assert bars(spec_of("text,numeric", long, ordered=True)) == [label for label, _ in long]


def test_hours_and_weekdays_of_a_heat_map_are_in_order() -> None:
    rows = [[day, f"{hour:02}", hour] for hour in range(23, -1, -1) for day in reversed(DAYS)]
    spec = spec_of("text,text,bigint", rows)
    assert spec["encoding"]["x"]["sort"] == [day.strip() for day in DAYS]
    assert spec["encoding"]["y"]["sort"] == [f"{hour:02}" for hour in range(24)]


def test_steps_of_a_scale_are_bars_in_their_order() -> None:
    spec = spec_of("numeric,bigint", [[hour, hour % 5] for hour in (9, 7, 8, 12, 10, 11)])
    assert spec["mark"]["type"] == "bar"
    assert bars(spec) == ["7", "8", "9", "10", "11", "12"]
    assert spec_of("real,bigint", [[float(hour), 1] for hour in range(5)])["mark"]["type"] == "point"
    assert spec_of("integer,bigint", [[hour * 3, 1] for hour in range(5)])["mark"]["type"] == "point"


def test_years_beside_a_text_are_the_axis() -> None:
    rows = [[year, city, year % 7] for year in range(2018, 2024) for city in ("Oslo", "Rome")]
    spec = spec_of("integer,text,bigint", rows)
    assert (spec["mark"]["type"], spec["encoding"]["x"]["title"], spec["encoding"]["y"]["title"]) == (
        "line",
        "c0",
        "c2",
    )
    assert spec["encoding"]["color"]["sort"] == ["Oslo", "Rome"]


def test_counts_begin_at_zero_and_integers_have_integer_ticks() -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 6)]
    counts = spec_of("date,bigint", [[day, 97 + place] for place, day in enumerate(days)])
    assert counts["encoding"]["y"]["scale"] == {"zero": True}
    integers = spec_of("date,integer", [[day, 7 + place] for place, day in enumerate(days)])
    assert integers["encoding"]["y"] == integers["encoding"]["y"] | {
        "scale": {"zero": False},
        "axis": {"values": [7, 8, 9, 10, 11], "format": "d"},
    }
    counted = spec_of("date,text", [[day, "a"] for day in days])
    assert counted["encoding"]["y"]["axis"]["values"] == [0, 1]
    near = spec_of("date,numeric", [[day, 1.5 + place] for place, day in enumerate(days)])
    assert near["encoding"]["y"]["scale"] == {"zero": True}
    far = spec_of("date,numeric", [[day, 99.5 + place] for place, day in enumerate(days)])
    assert far["encoding"]["y"]["scale"] == {"zero": False}


def test_where_nothing_was_counted_the_count_is_zero() -> None:
    rows = [["2024-01-01", "a"], ["2024-01-01", "b"], ["2024-01-04", "a"]]
    values = spec_of("date,text", rows)["data"]["values"]
    assert [(row["x"], row["series"], row["value"]) for row in values] == [
        (f"2024-01-{day:02}", series, int(day in (1, 4) and (day, series) != (4, "b")))
        for day in range(1, 5)
        for series in "ab"
    ]
    months = spec_of("date,text", [["2023-11-05", "a"], ["2024-02-09", "a"]])["data"]["values"]
    assert [row["value"] for row in months] == [1, 0, 0, 1]
    assert [row["x"] for row in months] == ["2023-11-01", "2023-12-01", "2024-01-01", "2024-02-01"]


def test_a_line_is_interrupted_at_null_and_bends_nowhere() -> None:
    rows = [["2024-01-01", 1.5], ["2024-01-02", None], ["2024-01-03", 3.5]]
    spec = spec_of("date,numeric", rows)
    assert [row["value"] for row in spec["data"]["values"]] == [1.5, None, 3.5]
    assert spec["mark"]["invalid"] == "break-paths-filter-domains"
    assert "interpolate" not in spec["mark"]
    # A path begins anew after the gap.
    drawn = rendering.run_in_worker(json.dumps(spec), "svg", 1)
    assert any(path.count("M") == 2 for path in drawn.split('d="')[1:] if 'stroke-width="2"' in path.split(">")[0])
    assert spec["title"]["subtitle"] == "NULL, NaN, Infinity: 1"


def test_measures_of_different_size_have_an_axis_each() -> None:
    rows = [["2024-01-01", 41_000, 0.21, 39_000], ["2024-01-02", 45_000, 0.26, 44_000]]
    spec = spec_of("date,numeric,numeric,numeric", rows)
    left, right = spec["layer"]
    assert spec["resolve"] == {"scale": {"y": "independent"}}
    assert left["transform"][0]["filter"]["oneOf"] == ["c1", "c3"]
    assert right["transform"][0]["filter"]["oneOf"] == ["c2"]
    assert (left["encoding"]["y"]["title"], right["encoding"]["y"]["title"]) == ("c1, c3", "c2")
    assert right["encoding"]["y"]["axis"]["orient"] == "right"
    same = spec_of("date,numeric,numeric", [["2024-01-01", 41, 21], ["2024-01-02", 45, 26]])
    assert "layer" not in same
    # The first measure is on the left whatever its size.
    turned = spec_of("text,numeric,numeric", [["a", 0.5, 900], ["b", 0.7, 800]])
    assert turned["layer"][0]["encoding"]["y"]["title"] == "c1"
    assert [layer["mark"]["type"] for layer in turned["layer"]] == ["bar", "point"]
    sideways = spec_of("text,numeric,numeric", [[f"a name that is long {n}", 0.5, 900] for n in range(13)])
    assert sideways["layer"][1]["encoding"]["x"]["axis"]["orient"] == "top"


@pytest.mark.parametrize("zeros", [[0, 0], [5, 0]])
def test_a_measure_of_zeros_needs_no_axis_of_its_own(zeros: list[int]) -> None:
    assert "layer" not in spec_of("text,integer,integer", [["a", *zeros], ["b", *zeros]])


def berlin(utc: datetime) -> str:
    """The text of a moment in the night in which Berlin puts its clocks back."""
    hours = 2 if utc < datetime(2026, 10, 25, 1, tzinfo=utc.tzinfo) else 1
    return utc.astimezone(timezone(timedelta(hours=hours))).isoformat()


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    start = datetime(2026, 10, 24, 22, tzinfo=timezone.utc)  # noqa: UP017
    hours = [berlin(start + timedelta(hours=n)) for n in range(6)]
    spec = spec_of("timestamp with time zone,integer", [[hour, 1] for hour in hours])
    values = spec["data"]["values"]
    assert [row["value"] for row in values] == [1] * 6
    assert len({row["x"] for row in values}) == 6
    # The labels are those of the clock: 02:00 twice.
    drawn = rendering.run_in_worker(json.dumps(spec), "svg", 1)
    assert [drawn.count(f">{hour:02}:00<") for hour in range(5)] == [1, 1, 2, 1, 1]
    counted = spec_of("timestamp with time zone", [[hour] for hour in hours for _ in range(3)])
    assert [row["value"] for row in counted["data"]["values"]] == [3] * 6


def test_days_around_the_change_stay_days() -> None:
    rows = [["2026-10-24T00:00:00+02:00", 1], ["2026-10-25T00:00:00+02:00", 1], ["2026-10-26T00:00:00+01:00", 1]]
    values = spec_of("timestamp with time zone,integer", rows)["data"]["values"]
    assert [row["x"] for row in values] == ["2026-10-24", "2026-10-25", "2026-10-26"]


def test_a_list_of_names_is_no_chart() -> None:
    for rows in ([["Rome"], ["Oslo"]], [["Rome"]]):
        assert specification([("city", "text")], rows, None, None) is None
        assert spec_of("text", rows, "bar")["mark"]["type"] == "bar"
    assert spec_of("text", [["Rome"], ["Rome"]])["mark"]["type"] == "bar"


def test_comments_are_titles_where_they_are_short() -> None:
    titles = {"c0": "City of the customer\nas on the invoice", "c1": "x" * 61}
    spec = spec_of("text,numeric", [["Rome", 1]], titles=titles)
    assert spec["encoding"]["x"]["title"] == "City of the customer"
    assert spec["encoding"]["y"]["title"] == "c1"
