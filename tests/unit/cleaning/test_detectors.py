from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from dirty import NAMES, formats, read, repair_f1, vote
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.cleaning import distance
from pg_llm.cleaning.host import profile
from pg_llm.cleaning.host.detectors import (
    dependencies,
    ensemble,
    outliers,
    similarity,
    token_edits,
    truth_discovery,
)
from pg_llm.cleaning.host.linkage.linkage import Linkage
from pg_llm.cleaning.host.table import Column, Finding, Table, Value, encode
from pg_llm.cleaning.host.types import inference

MIN_CONFIDENCE = 0.5


def build(names: Iterable[str], columns: Iterable[Iterable[Value]]) -> Table:
    return Table([Column(name, *encode(values)) for name, values in zip(names, columns, strict=True)])


def table(**columns: list[Value]) -> Table:
    return build(columns, columns.values())


def by_cell(findings: Iterable[Finding]) -> dict[tuple[int, int], Finding]:
    return {(int(row), finding.column): finding for finding in findings for row in finding.rows}


def proposed(of: Table) -> dict[tuple[int, int], Value]:
    found = by_cell(ensemble.detect(of))
    return {cell: each.new for cell, each in found.items() if each.confidence and each.confidence >= MIN_CONFIDENCE}


def applied(of: Table) -> dict[tuple[int, int], Value]:
    """What llm_apply writes by default."""
    found = by_cell(ensemble.detect(of))
    return {cell: each.new for cell, each in found.items() if each.confidence and each.confidence >= 0.95}


def texts(values: Iterable[object]) -> list[Value]:
    return [None if value is None else str(value) for value in values]


@given(st.text(), st.text())
def test_distance_is_one(one: str, other: str) -> None:
    most = max(len(one), len(other))
    cost = distance.edit_distance(one, other, most)
    assert cost == similarity.edit_distance(one, other, most)
    assert cost == distance.edit_distance(other, one, most) <= most
    assert (cost == 0) == (one == other)
    assert distance.edit_distance(one, other, 0) == min(cost, 1)


def test_neighbours_that_are_swapped_are_one_edit() -> None:
    assert distance.edit_distance("recieve", "receive", 3) == 1


@given(st.text(min_size=1), st.text(min_size=1))
def test_an_edit_makes_what_it_was_learnt_from(old: str, new: str) -> None:
    assert all(edit.apply(old) == new for edit in token_edits.learn([(old, new)]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Ibuprofn", "Ibuprofen"),
        ("Ibu-profen", "Ibuprofen"),
        ("Ibuprofn 400 mg", "Ibuprofen 400 mg"),
        ("2023-05-01", "2024-05-01"),
        ("0", "000"),
    ],
)
def test_the_right_value_of_one_is_no_edit_of_others(old: str, new: str) -> None:
    assert token_edits.learn([(old, new)]) == []


def test_corrected_misspellings_leave_other_values_alone() -> None:
    of = table(drug=["Ibuprofen"] * 40 + ["Aspirin"] * 40 + ["Morphine"] * 40 + ["Ibuprofn"])
    wrong = ["Ibuprofn", "Iboprofen", "Ibuprofenn", "Ibuproven", "Ibuprofin"]
    of.corrections = [(0, each, "Ibuprofen") for each in wrong for _ in range(3)]
    found = by_cell(ensemble.detect(of))
    assert {cell: each.new for cell, each in found.items()} == {(120, 0): "Ibuprofen"}


def test_an_edit_goes_over_to_values_of_the_same_shape() -> None:
    (edit,) = token_edits.learn([("7:10aDec 1", "7:10 a.m.")])
    assert edit.apply("11:45pDec 2") == "11:45 p.m."
    assert edit.apply("11:45") is None


def test_examples_share_an_edit_though_each_alone_has_several() -> None:
    # Which of two equal numbers is the month, other examples tell.
    pairs = [("4/2/15", "2/15/04"), ("1/1/12", "1/12/01"), ("12/10/10", "10/10/12")]
    (edit,) = token_edits.learn(pairs)
    assert edit.apply("7/11/30") == "11/30/07"


def learnt(old: list[str], **marks: str | None) -> dict[str, Value]:
    """What is proposed for the values of a column by marks of its first rows."""
    of = table(a=[*old])
    of.marks = {(row, 0): marks[f"m{row}"] for row in range(len(marks))}
    found = by_cell(ensemble.detect(of))
    return {old[row]: each.new for (row, _), each in found.items() if (row, 0) not in of.marks and each.confidence}


@pytest.mark.parametrize(
    ("marks", "value", "new"),
    [
        ([("12.0 oz", "12.0"), ("16.0 OZ", "16.0"), ("8.4 ounces", "8.4")], "24.0 fl. oz", "24.0"),
        ([("0.055999999999999994%", "0.056"), ("0.07%", "0.07"), ("0.05%", "0.05")], "0.08199999999999999%", "0.082"),
        ([("1,200", "1200"), ("2,500", "2500")], "77,001", "77001"),
        ([("42000", "2014-12-27"), ("42001", "2014-12-28")], "42010", "2015-01-06"),
        ([("a_b_c", "a b c"), ("x_y", "x y")], "l_m_n_o", "l m n o"),
        ([("N/A", None), ("N/A", None), ("5.1", "5.1")], "N/A", None),
        ([("Ref: ab", "ab"), ("Ref: c d", "c d")], "Ref: zzz", "zzz"),
        ([("3.0", "3"), ("4.50", "4.5")], "7.00", "7"),
    ],
)
def test_marks_teach_programs(marks: list[tuple[str, Value]], value: str, new: Value) -> None:
    old = [*(each for each, _ in marks), value]
    found = learnt(old, **{f"m{row}": truth for row, (_, truth) in enumerate(marks)})
    assert found[value] == new


def test_a_program_that_right_values_contradict_is_not_learnt() -> None:
    marks: dict[str, str | None] = {
        "m0": "Atlantic Highlands",
        "m1": "Portland",
        "m2": "New York City",
        "m3": "San Luis",
    }
    found = learnt(
        ["Atlantic Highlands NJ", "Portland OR", "New York City", "San Luis", "South San Francisco"], **marks
    )
    assert found == {}


def test_a_dependency_is_seen_through_errors() -> None:
    left: list[Value] = [f"l{n // 10}" for n in range(200)]
    right: list[Value] = [f"r{n // 10}" if n % 10 else "wrong" for n in range(200)]
    found = dependencies.discover(table(left=left, right=right, number=[str(n) for n in range(200)]), 0.5)
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
    panel = truth_discovery.find_panel(of, dependencies.discover(of, 0.3))
    assert panel is not None
    assert (panel.entity, panel.source, list(panel.attributes)) == (0, 1, [2, 3])
    of.marks = {(10 * thing, fact): f"{'ab'[fact - 2]}{thing}" for thing in range(0, 12, 2) for fact in (2, 3)}
    found = {cell: each.new for cell, each in by_cell(truth_discovery.detect(of, panel)).items()}
    wrong = {(n, fact) for n in range(400) for fact in (2, 3) if of.columns[fact].value(n).endswith("old")}
    assert found.keys() == wrong
    assert found[200, 2] == "a20"


def test_rows_that_differ_together_are_no_errors() -> None:
    town: list[Value] = ["north"] * 90 + ["south"] * 10
    code: list[Value] = [f"c{n % 10}" for n in range(100)]
    rate: list[Value] = [f"rate {n % 10}" if n < 90 else f"other {n % 10}" for n in range(100)]
    assert proposed(table(town=town, code=code, rate=rate)) == {}


def test_words_for_nothing_are_missing() -> None:
    assert proposed(table(size=[*map(str, range(40)), "N/A"])) == {(40, 0): None}
    assert proposed(table(size=[*map(str, range(40)), "", "k.A."])) == {(41, 0): ""}


def test_outliers_are_reported_without_a_repair() -> None:
    found = by_cell(outliers.detect(table(size=[*(str(n) for n in range(50)), "1e9", "nan", "inf"])))
    assert [(cell, each.confidence) for cell, each in found.items()] == [((50, 0), None)]


def test_dates_that_may_mean_two_days_are_left_alone() -> None:
    dates: list[Value] = [f"2024-03-{day:02}" for day in range(1, 29)]
    assert proposed(table(day=[*dates, "25 Mar 2024", "03/04/2024"])) == {(28, 0): "2024-03-25"}


@pytest.mark.parametrize("name", NAMES)
def test_public_tables_are_repaired_better_than_by_a_vote(name: str) -> None:
    pair = read(name)
    of = build(pair.names, [[value or None for value in column] for column in zip(*pair.dirty, strict=True)])
    repairs = {cell: new or "" for cell, new in proposed(of).items()}
    assert repair_f1(pair, repairs) > repair_f1(pair, vote(pair)) + 0.05


@pytest.mark.parametrize("name", [*NAMES, "formats"])
def test_clean_tables_stay_clean(name: str) -> None:
    pair = formats() if name == "formats" else read(name)
    of = build(pair.names, [list(column) for column in zip(*pair.clean, strict=True)])
    assert len(proposed(of)) <= 0.005 * len(pair.clean) * len(pair.names)


def test_formats_are_repaired() -> None:
    pair = formats(400, seed=11)
    of = build(pair.names, [list(column) for column in zip(*pair.dirty, strict=True)])
    repairs = {cell: new or "" for cell, new in proposed(of).items()}
    assert repair_f1(pair, repairs) > 0.8


@given(st.lists(st.tuples(*[st.one_of(st.none(), st.text(max_size=8))] * 3), max_size=30))
def test_any_table_is_taken(rows: list[tuple[Value, ...]]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], []]
    findings = ensemble.detect(build(["a", "b", "c"], columns))
    for (row, column), finding in by_cell(findings).items():
        assert 0 <= row < len(rows)
        assert finding.confidence is None or 0 <= finding.confidence <= 1
        assert (finding.new or None) != (columns[column][row] or None) or finding.confidence is None
    assert len(by_cell(findings)) == sum(len(finding.rows) for finding in findings)


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


@pytest.mark.parametrize(("name", "marked", "least"), [("hospital", 0, 300), ("flights", 0, 0), ("flights", 20, 2000)])
def test_what_is_applied_by_default_is_right(name: str, marked: int, least: int) -> None:
    pair = read(name)
    of = build(pair.names, [[value or None for value in column] for column in zip(*pair.dirty, strict=True)])
    of.marks = {
        (row, column): pair.clean[row][column] or None
        for row in random.Random(1).sample(range(len(pair.dirty)), marked)
        for column in range(len(pair.names))
    }
    sure = applied(of)
    right = sum((new or "") == pair.clean[row][column] for (row, column), new in sure.items())
    assert len(sure) >= least
    assert right >= 0.98 * len(sure)


def test_recorded_numbers_are_not_voted_away() -> None:
    # Two columns that are nearly always 0, and their sum.
    repair = [n if n % 20 == 0 else 0 for n in range(1, 1001)]
    other = [3 * n if n % 100 == 7 else 0 for n in range(1, 1001)]
    total = [a + b for a, b in zip(repair, other, strict=True)]
    assert proposed(table(repair=texts(repair), other=texts(other), total=texts(total))) == {}
    # The same as words.
    words = [
        [f"{name}{n}" if n else "none" for n in column] for name, column in (("r", repair), ("o", other), ("t", total))
    ]
    assert proposed(table(repair=texts(words[0]), other=texts(words[1]), total=texts(words[2]))) == {}


@pytest.mark.parametrize("default", ["none", "0", ""])
def test_a_frequent_default_makes_no_dependency(default: str) -> None:
    rare = [f"kind {n % 7}" if n % 25 == 3 else default for n in range(1000)]
    of = table(town=texts(f"town {n % 40}" for n in range(1000)), damage=texts(rare))
    assert proposed(of) == {}


def test_an_association_with_exceptions_is_no_law() -> None:
    # Nine in ten rows of a person have one value, and the tenth another: it changed.
    of = table(
        person=texts(f"p{n // 10}" for n in range(2000)),
        status=texts(("single", "married", "widowed")[(n // 10 + (n % 10 == 9)) % 3] for n in range(2000)),
    )
    assert proposed(of) == {}


def test_a_law_with_a_misspelling_is_applied() -> None:
    towns = [f"town of {chr(97 + n // 26)}{chr(97 + n % 26)}ville" for n in range(40)]
    city = [towns[n // 10] for n in range(400)]
    city[123] = city[123].replace("ville", "vlile")
    assert applied(table(zip=texts(f"{10000 + n // 10}" for n in range(400)), city=texts(city))) == {
        (123, 1): towns[12]
    }


def test_a_value_that_is_sound_elsewhere_is_never_replaced_by_default() -> None:
    towns = [f"town of {chr(97 + n // 26)}{chr(97 + n % 26)}ville" for n in range(40)]
    city = [towns[n // 10] for n in range(400)]
    city[123] = towns[30]
    of = table(zip=texts(f"{10000 + n // 10}" for n in range(400)), city=texts(city))
    assert applied(of) == {}
    assert (123, 1) in by_cell(ensemble.detect(of))


@pytest.mark.parametrize(
    "values",
    [
        ["Atlantic Southwest"] * 300 + ["Atlantic Southeast"] * 3 + [f"Airline {chr(97 + n)}ia" for n in range(26)],
        ["Bros Entertainment"] * 40 + ["Eros Entertainment"] + [f"{n} Pictures" for n in range(60)],
        ["KC-135E"] * 40 + ["EC-135E"] + ["B-737"] * 50,
        ["auto(l4)"] * 80 + ["auto(s4)"] * 3 + ["manual(m5)"] * 60,
        ["Austria"] * 300 + ["Australia"] * 2 + ["France"] * 100,
        ["Nigeria"] * 300 + ["Niger"] * 2 + ["France"] * 100,
        ["Iran"] * 100 + ["Iraq"] * 2 + ["France"] * 100,
        ["M"] * 100 + ["F"] * 3,
        ["Type I"] * 200 + ["Type II"] * 5,
        ["DE", "FR", "NA", "US", "NO", "SE", "AT"] * 10 + [None] * 5,
        ["Smith", "Null", "None", "Nan", "Jones", "Miller"] * 10 + [None] * 5,
        [f"US{chr(10)}USA", f"AS{chr(10)}ASM", f"GU{chr(10)}GUM"],
    ],
)
def test_rare_values_that_may_be_sound_are_left_alone(values: list[Value]) -> None:
    assert proposed(table(value=values)) == {}


def test_many_misspellings_of_one_value_bear_one_another_out() -> None:
    right = "acute care hospital"
    wrong = [right[:n] + "x" + right[n + 1 :] for n in (1, 2, 3, 12, 13, 14, 15, 16, 17)]
    of = table(kind=[*[right] * 500, *["children's ward"] * 400, *wrong])
    assert set(proposed(of).values()) == {right}
    assert len(proposed(of)) == len(wrong)
    # Letters that fit together may be those of another word.
    alone = table(kind=[*[right] * 500, *["children's ward"] * 400, right.replace("acute", "acete")])
    assert set(proposed(alone).values()) == {right}
    assert applied(alone) == {}


NAMES = ("Kristin", "Margaret", "Dorothy", "Stephanie", "Virginia", "Deborah", "Gloria", "Beverly", "Judith", "Hannah")


@pytest.mark.parametrize("rows", [1, 2, 5, 40])
def test_rare_names_that_are_attested_are_not_written_over(rows: int) -> None:
    slips = ["Margarbet", "Dorofhy", "Stephqnie", "Virgiinia", "Debrah", "Glhoria", "Bevwrly", "Judihth"]
    values: list[Value] = [*[name for name in NAMES for _ in range(900)], *["Kirstin"] * rows, *slips]
    first = len(NAMES) * 900
    written = applied(table(name=values))
    assert not {(first + row, 0) for row in range(rows)} & written.keys()
    assert len(written) >= 6


def test_a_misspelling_that_many_rows_share_is_proposed_and_spoils_no_others() -> None:
    slips = ["Margarbet", "Dorofhy", "Stephqnie", "Virgiinia", "Debrah", "Glhoria", "Bevwrly", "Judihth"]
    middling = [f"{name} {title}" for name in NAMES for title in ("Senior", "Junior", "Third", "Fourth")]
    shared = ["Hanbnah"] * 60
    values: list[Value] = [*[name for name in NAMES for _ in range(900)], *middling * 12, *shared, *slips]
    found = proposed(table(name=values))
    first = len(values) - len(slips) - len(shared)
    assert {found.get((first + row, 0)) for row in range(len(shared))} == {"Hannah"}
    # Values of a dozen rows are no evidence against slips of one cell.
    assert sum((len(values) - 1 - n, 0) in applied(table(name=values)) for n in range(len(slips))) >= 6


ISO = [f"20{10 + n % 12}-{1 + n % 12:02}-{1 + n % 28:02}" for n in range(300)]


@pytest.mark.parametrize("odd", ["02/08/22", "13/02/22", "25/03/45", "03/04/2024", "03.04.2024", "31-02-24"])
def test_dates_with_two_readings_stay(odd: str) -> None:
    assert proposed(table(day=[*ISO, *[odd] * 6])) == {}


def test_dates_with_one_reading_are_written_as_the_others() -> None:
    of = table(day=[*ISO, "25.03.2024", "Mar 5, 2024"])
    assert proposed(of) == {(300, 0): "2024-03-25", (301, 0): "2024-03-05"}
    # A column that does not say which number is the day.
    assert proposed(table(day=[*(f"0{1 + n % 9}/0{1 + n % 8}/2024" for n in range(100)), "2024-03-25"])) == {}


def test_one_mark_says_nothing_of_other_cells() -> None:
    of = table(size=texts(10 + n % 7 for n in range(98)))
    of.marks = {(0, 0): "10.50"}
    assert proposed(of) == {(0, 0): "10.50"}
    towns = ["Atlantic Highlands NJ", *["New York City", "South San Francisco", "Boston"] * 20]
    of = table(town=texts(towns))
    of.marks = {(0, 0): "Atlantic Highlands"}
    assert proposed(of) == {(0, 0): "Atlantic Highlands"}
    # A second one that agrees, and a third that does not.
    of = table(size=texts([*(f"{n} oz" for n in range(40)), *range(40)]))
    of.marks = {(1, 0): "1", (2, 0): "2"}
    assert len(proposed(of)) == 40
    of.marks |= {(row, 0): f"{row} oz" for row in (3, 4, 5)}
    assert len(proposed(of)) == 2


def test_years_are_no_sources() -> None:
    # Persons over years: what changes is no contradiction.
    n = 2000
    of = table(
        person=texts(f"p{row // 10}" for row in range(n)),
        year=texts(1990 + row % 10 for row in range(n)),
        job=texts(("clerk", "driver")[(row // 10 + (row % 10 > 6)) % 2] for row in range(n)),
        town=texts(("Oslo", "Hamar")[(row // 10 + (row % 10 > 7)) % 2] for row in range(n)),
    )
    assert proposed(of) == {}


def test_an_answer_is_no_word_for_nothing() -> None:
    of = table(allergy=texts([*["nuts", "milk"] * 20, "none", "unknown", None]))
    assert proposed(of) == {(41, 0): None}
    assert applied(of) == {}


def test_mixed_up_encodings_are_mended() -> None:
    of = table(
        name=texts(
            [
                "Chlo\u00c3\u00a9 Vik",
                "AT&amp;T",
                "Jos\u00c3\u00a9 y Mar\u00c3\u00ada",
                "Ã",
                "a&copy=2",
                "<b>&amp;</b>",
                "&lt;script&gt;",
            ]
        )
    )
    assert applied(of) == {(0, 0): "Chloé Vik", (1, 0): "AT&T", (2, 0): "José y María"}


def large(rows: int) -> dict[str, list[Value]]:
    """Numbers, names, words and dates, most of them different."""
    made = random.Random(3)
    return {
        "amount": texts(f"{made.randrange(10**7) / 100:.2f}" for _ in range(rows)),
        "name": texts(f"{made.choice('abcdefgh')}x{made.randrange(rows // 3)}" for _ in range(rows)),
        "word": texts("".join(made.choices("abcdefghij", k=made.randrange(3, 9))) for _ in range(rows)),
        "city": texts(made.choice(["Oslo", "Bergen", "Hamar", "Molde"]) for _ in range(rows)),
        "day": texts(
            f"20{made.randrange(10, 25)}-{made.randrange(1, 13):02}-{made.randrange(1, 29):02}" for _ in range(rows)
        ),
    }


def test_time_grows_with_the_rows() -> None:
    seconds = []
    for rows in (5_000, 20_000):
        of = build(*zip(*large(rows).items(), strict=True))
        started = time.thread_time()
        ensemble.detect(of)
        profile.of_table(of)
        list(Linkage(of.columns, 0.9).steps())
        seconds.append(time.thread_time() - started)
    assert seconds[1] < 8 * seconds[0] + 1


@pytest.mark.parametrize("distinct", [20_000, 60_000])
def test_many_numbers_take_no_long_time(distinct: int) -> None:
    # Comparing each with each other took hours.
    started = time.thread_time()
    assert proposed(table(eur=texts(f"{100 + n % distinct / 100:.2f}" for n in range(100_000)))) == {}
    assert time.thread_time() - started < 20


@pytest.mark.parametrize(
    "look",
    [inference.infer, profile.patterns, lambda counts: ensemble.detect(table(a=list(counts) * 3))],
)
def test_long_values_take_no_long_time(look: Callable[[Counter[str]], object]) -> None:
    hostile = [
        "1" * 500_000 + "x",
        "9" * 500_000,
        "a@" + "." * 500_000 + "@",
        "." * 500_000,
        "1-" * 250_000,
        "a b " * 100_000,
    ]
    started = time.thread_time()
    look(Counter(hostile))
    assert time.thread_time() - started < 10


def test_a_refusal_counts_against_its_detector() -> None:
    of = table(size=texts([f"{10 + n % 9} kg" if n % 10 == 3 else 10 + n % 9 for n in range(100)]))

    def confidence(decisions: dict[int, bool], new: str | None = None) -> float:
        of.decisions = {((row, 0), new or before[row, 0].new): accepted for row, accepted in decisions.items()}
        return by_cell(ensemble.detect(of))[23, 0].confidence or 0

    before = by_cell(ensemble.detect(of))
    first, second, mostly = confidence({3: False}), confidence({3: False, 13: False}), confidence({3: False, 13: True})
    assert 0.95 <= (before[23, 0].confidence or 0) > mostly > first > second
    assert second < 0.7
    # What was refused was another value; what was accepted alone changes nothing.
    assert confidence({3: False}, "other") == confidence({3: True}) == before[23, 0].confidence


TOWNS = ["Portland OR", "San Diego CA", "Denver CO", "Austin TX", "New York City", "Boise ID", "New York"]


def test_one_column_is_split_into_two_by_marks() -> None:
    of = table(city=[*TOWNS, "Salem", "Reno"], state=texts([*[None] * 7, "OR", "NV"]))
    of.marks = {(0, 0): "Portland", (0, 1): "OR", (2, 0): "Denver", (2, 1): "CO"}
    found = {cell: each.new for cell, each in by_cell(ensemble.detect(of)).items() if cell not in of.marks}
    assert found == {
        (row, column): TOWNS[row][:-3] if not column else TOWNS[row][-2:] for row in (1, 3, 5) for column in (0, 1)
    }
    state = by_cell(ensemble.detect(of))[1, 1]
    assert state.determinant == (0, "San Diego CA")
    assert state.step is not None
    assert state.step.description == "2 capitals at the end after ' ' of city"
    # One mark says nothing, and a mark that nothing is there speaks against it.
    of.marks = {(0, 0): "Portland", (0, 1): "OR"}
    assert {cell for cell in by_cell(ensemble.detect(of)) if cell not in of.marks} == set()
    of.marks = {(0, 1): "OR", (2, 1): "CO", (3, 1): None}
    assert {cell for cell in by_cell(ensemble.detect(of)) if cell not in of.marks} == set()


def test_a_value_that_stands_in_another_column() -> None:
    of = table(
        name=[f"p{n}" for n in range(8)],
        city=["Oslo", "Bergen", "Hamar", None, None, None, None, None],
        note=[None, None, None, "Oslo", "Bergen", "Hamar", "late", "Bodø"],
    )
    of.marks = {(3, 1): "Oslo", (4, 1): "Bergen"}
    found = {cell: each.new for cell, each in by_cell(ensemble.detect(of)).items() if cell not in of.marks}
    # What is no known value of the column may be anything.
    assert found == {(5, 1): "Hamar"}


LARGE = {"Bergen": 12_000, "Hamar": 9_000, "Molde": 8_000, "Narvik": 5_000, "Austria": 300, "Australia": 4_000}


@pytest.mark.parametrize("times", [1, 10])
def test_a_misspelling_that_many_rows_share_is_one_by_its_share(times: int) -> None:
    slips = {"Bergn": ("Bergen", 60), "Hamra": ("Hamar", 40), "Mollde": ("Molde", 40), "Narwik": ("Narvik", 20)}
    counts = Counter(LARGE) + Counter({slip: count for slip, (_, count) in slips.items()})
    of = table(town=[town for town, count in counts.items() for _ in range(count * times)])
    found = {of.columns[0].value(row): new for (row, _), new in proposed(of).items()}
    assert found == {slip: right for slip, (right, _) in slips.items()}


def test_a_misspelling_that_recurs_beside_one_determinant_is_one() -> None:
    # Bergn has no postcode of its own, Berg has one.
    towns = {"5003": "Bergen", "5004": "Bergen", "5005": "Bergen", "2317": "Hamar", "6411": "Molde", "1733": "Berg"}
    rows = [(code, town) for code, town in towns.items() for _ in range(200 if town != "Berg" else 4)]
    rows += [(code, "Bergn") for code in ("5003", "5004", "5005") for _ in range(3)]
    codes, names = zip(*rows, strict=True)
    found = proposed(table(code=[*codes], town=[*names]))
    assert found == {(row, 1): "Bergen" for row, name in enumerate(names) if name == "Bergn"}


@pytest.mark.parametrize("is_product", [True, False])
@pytest.mark.parametrize("word", [None, "#REF!"])
def test_a_number_that_two_others_give(is_product: bool, word: str | None) -> None:
    chance = random.Random(4)
    rows = []
    for _ in range(200):
        price, amount = round(chance.uniform(2, 90), 2), chance.randint(2, 30)
        made = price * amount if is_product else price + amount
        rows.append([f"{price:.2f}", str(amount), f"{made:.2f}"])
    right = [list(row) for row in rows]
    rows[3][2] = rows[4][0] = rows[5][1] = word
    rows[6][2] = rows[6][2].replace(".", "")
    # A fee is no slip, and of two missing numbers neither is known.
    rows[7][2] = f"{float(rows[7][2]) + 7:.2f}"
    rows[8][0] = rows[8][1] = None
    found = proposed(build(["price", "amount", "total"], list(zip(*rows, strict=True))))
    assert found == {cell: right[cell[0]][cell[1]] for cell in ((3, 2), (4, 0), (5, 1), (6, 2))}


def test_no_number_is_made_of_numbers_that_agree_by_chance() -> None:
    chance = random.Random(5)
    columns = [[str(chance.randint(0, most)) if n % 20 else None for n in range(300)] for most in (1, 1, 2, 9)]
    pairs = enumerate(zip(*columns[:2], strict=True))
    columns.append([str(int(a or 0) * int(b or 0)) if n % 7 else None for n, (a, b) in pairs])
    assert proposed(build("abcde", columns)) == {}
