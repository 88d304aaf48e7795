from __future__ import annotations

import pytest
from dirty import NAMES, formats, read, repair_f1, vote
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.cleaning import dependencies, distance, learnt, missing, outliers, profile, proposals, sources
from pg_llm.cleaning.shapes import shape
from pg_llm.cleaning.table import Table, Value


def table(**columns: list[Value]) -> Table:
    return Table(list(columns), list(columns.values()))


def proposed(of: Table) -> dict[tuple[int, int], Value]:
    found = proposals.find(of)
    return {cell: each.new for cell, each in found.items() if each.confidence and each.confidence >= proposals.LEAST}


@given(st.text(), st.text())
def test_distance_is_one(one: str, other: str) -> None:
    most = max(len(one), len(other))
    cost = distance.edits(one, other, most)
    assert cost == distance.edits(other, one, most) <= most
    assert (cost == 0) == (one == other)
    assert distance.edits(one, other, 0) == min(cost, 1)


def test_neighbours_that_are_swapped_are_one_edit() -> None:
    assert distance.edits("recieve", "receive", 3) == 1


@given(st.text(min_size=1), st.text(min_size=1))
def test_an_edit_makes_what_it_was_learnt_from(old: str, new: str) -> None:
    assert learnt.edited(old, learnt.edit(old, new)) == new


def test_an_edit_goes_over_to_values_of_the_same_shape() -> None:
    how = learnt.edit("7:10aDec 1", "7:10 a.m.")
    assert how[0] == shape("11:45pDec 2")
    assert learnt.edited("11:45pDec 2", how) == "11:45 p.m."


def test_a_dependency_is_seen_through_errors() -> None:
    left: list[Value] = [f"l{n // 10}" for n in range(200)]
    right: list[Value] = [f"r{n // 10}" if n % 10 else "wrong" for n in range(200)]
    found = dependencies.find(table(left=left, right=right, number=[str(n) for n in range(200)]), 0.5)
    accuracies = {(each.left, each.right): each.accuracy for each in found}
    assert accuracies[0, 1] == pytest.approx(0.9)
    assert all(each.left != 2 and each.right != 2 for each in found)


def test_sources_are_believed_as_far_as_they_are_reliable() -> None:
    # Six of ten sources copy a wrong value for every second thing, and are found out by what is marked.
    things = [f"t{n // 10}" for n in range(400)]
    sites = [f"s{n % 10}" for n in range(400)]

    def said(n: int, fact: str) -> str:
        thing = n // 10
        return f"{fact}{thing}" if n % 10 >= 6 or thing % 2 else f"{fact}{thing}old"

    of = table(
        thing=[*things], site=[*sites], a=[said(n, "a") for n in range(400)], b=[said(n, "b") for n in range(400)]
    )
    panel = sources.panel(of, dependencies.find(of, 0.3))
    assert panel is not None
    assert (panel.thing, panel.source, list(panel.facts)) == (0, 1, [2, 3])
    of.marks = {(10 * thing, fact): f"{'ab'[fact - 2]}{thing}" for thing in range(0, 12, 2) for fact in (2, 3)}
    found = {each.cell: each.new for each in sources.opinions(of, panel)}
    wrong = {(n, fact) for n in range(400) for fact in (2, 3) if (of.columns[fact][n] or "").endswith("old")}
    assert found.keys() == wrong
    assert found[200, 2] == "a20"


def test_rows_that_differ_together_are_no_errors() -> None:
    town: list[Value] = ["north"] * 90 + ["south"] * 10
    code: list[Value] = [f"c{n % 10}" for n in range(100)]
    rate: list[Value] = [f"rate {n % 10}" if n < 90 else f"other {n % 10}" for n in range(100)]
    assert proposed(table(town=town, code=code, rate=rate)) == {}


def test_words_for_nothing_are_missing_only_where_values_are() -> None:
    full: list[Value] = [*["red", "green"] * 20, "none"]
    assert not list(missing.opinions(table(colour=full)))
    assert [each.cell for each in missing.opinions(table(colour=[*full, None]))] == [(40, 0)]
    assert [each.new for each in missing.opinions(table(size=[*map(str, range(40)), "N/A"]))] == [None]


def test_outliers_are_reported_without_a_repair() -> None:
    found = list(outliers.opinions(table(size=[*(str(n) for n in range(50)), "1e9", "nan", "inf"])))
    assert [(each.cell, each.confidence) for each in found] == [((50, 0), None)]


def test_dates_that_may_mean_two_days_are_left_alone() -> None:
    dates: list[Value] = [f"2024-03-{day:02}" for day in range(1, 29)]
    assert proposed(table(day=[*dates, "25 Mar 2024", "03/04/2024"])) == {(28, 0): "2024-03-25"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2"], "integer"), (["1.5", "2"], "number"), (["yes", "no"], "boolean"), (["a@b.c"], "email"),
        (["https://x.y"], "url"), (["7:30", "8:15 p.m."], "time"), (["2024-01-02"], "date"), ([], None),
        (["red", "blue"] * 30, "category"), ([f"person {chr(97 + n)}" for n in range(20)], "name"),
    ],
)  # fmt: skip
def test_what_a_column_looks_like(values: list[Value], kind: str | None) -> None:
    assert profile.kind(table(a=values).counts[0]) == kind


@pytest.mark.parametrize("name", NAMES)
def test_public_tables_are_repaired_better_than_by_a_vote(name: str) -> None:
    pair = read(name)
    of = Table(pair.names, [[value or None for value in column] for column in zip(*pair.dirty, strict=True)])
    repairs = {cell: new or "" for cell, new in proposed(of).items()}
    assert repair_f1(pair, repairs) > repair_f1(pair, vote(pair)) + 0.05


@pytest.mark.parametrize("name", [*NAMES, "formats"])
def test_clean_tables_stay_clean(name: str) -> None:
    pair = formats() if name == "formats" else read(name)
    of = Table(pair.names, [list(column) for column in zip(*pair.clean, strict=True)])
    assert len(proposed(of)) <= 0.005 * len(pair.clean) * len(pair.names)


def test_formats_are_repaired() -> None:
    pair = formats(400, seed=11)
    of = Table(pair.names, [list(column) for column in zip(*pair.dirty, strict=True)])
    repairs = {cell: new or "" for cell, new in proposed(of).items()}
    assert repair_f1(pair, repairs) > 0.8


@given(st.lists(st.tuples(*[st.one_of(st.none(), st.text(max_size=8))] * 3), max_size=30))
def test_any_table_is_taken(rows: list[tuple[Value, ...]]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], []]
    for (row, column), opinion in proposals.find(Table(["a", "b", "c"], columns)).items():
        assert 0 <= row < len(rows)
        assert opinion.confidence is None or 0 <= opinion.confidence <= 1
        assert (opinion.new or None) != (columns[column][row] or None) or opinion.confidence is None


def test_long_and_odd_values_are_left_alone() -> None:
    # Quadratic work on a megabyte would not end.
    assert proposed(table(a=["x" * 1_000_000, "y" * 999_999, *map(str, range(100))], b=["\ud800", *["b"] * 101])) == {}


def test_numbers_signs_and_measures_are_no_typos_and_no_units() -> None:
    below: list[Value] = [f"{n % 9}.5" for n in range(300)]
    assert proposed(table(degrees=[*below, "-3.5", "-4.5", "5"])) == {}
    whole: list[Value] = [str(n % 40) for n in range(200)]
    assert proposed(table(wheat=[*whole, "12.5", "13.5", "14.5"])) == {}


def test_a_column_of_names_is_open() -> None:
    names: list[Value] = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}rt lake" for n in range(300)]
    assert proposed(table(place=[*names, "arrt leake", "Jake Lake"])) == {}


def test_what_is_applied_by_default_is_right_also_where_sources_disagree() -> None:
    pair = read("flights")
    of = Table(pair.names, [[value or None for value in column] for column in zip(*pair.dirty, strict=True)])
    sure = {cell: each.new for cell, each in proposals.find(of).items() if each.confidence and each.confidence >= 0.7}
    right = sum(new == pair.clean[row][column] for (row, column), new in sure.items())
    assert len(sure) > 1000
    assert right >= 0.95 * len(sure)
