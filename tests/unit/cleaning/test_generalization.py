"""Examples of a step as SQL: what is made of them is looked at as text; the server runs it in tests of guards."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest
from pg_llm.cleaning.host import generalization


def programs(detector: str, pairs: list[tuple[Any, Any]], description: str = "", **more: str) -> list[dict[str, str]]:
    step = {"detector": detector, "description": description, "condition": "", "expression": "", "pairs": pairs} | more
    (item,) = generalization.prepare(None, [json.dumps(step)], {})
    made: list[dict[str, str]] = json.loads(str(item.finish([])))
    return made


def pattern(condition: str) -> str:
    """The regular expression that values must match first."""
    found = re.search(r"\{c\} ~ E?'((?:[^']|'')*)'", condition)
    assert found is not None
    return found[1].replace("\\\\", "\\").replace("{{", "{").replace("}}", "}")


def test_digits_are_as_many_as_in_the_examples() -> None:
    (made,) = programs("number", [("12,50", "12.50"), ("7,25", "7.25"), ("100,10", "100.10")])
    written = pattern(made["condition"])
    assert re.search(written, "4000,99")
    for other in ("1,234", "1,2", "1,2,3", "12.50", "x,12", ""):
        assert not re.search(written, other), other


def test_a_mark_before_three_digits_is_no_example() -> None:
    assert programs("number", [("1,234", "1.234"), ("5,678", "5.678")]) == []


def test_days_are_those_of_the_calendar() -> None:
    for form, shown in (("2021-03-05", "%Y-%m-%d"), ("05/03/21", "%d/%m/%y"), ("5.3.2021", "%-d.%-m.%Y")):
        days = re.compile(f"^(?:{generalization._days(form)})$")
        start = date(1995, 1, 1)
        for number in range(16 * 366):
            assert days.match((start + timedelta(number)).strftime(shown)), number
    iso = re.compile(f"^(?:{generalization._days('2021-03-05')})$")
    wrong = ["2021-02-29", "1900-02-29", "2021-04-31", "2021-13-01", "2021-00-10", "2021-01-00", "2021-12-32"]
    assert not any(map(iso.match, wrong))
    assert iso.match("2000-02-29")


def test_dates_in_another_order_are_written_as_the_column_s() -> None:
    pairs = [("25.03.2021", "2021-03-25"), ("01.12.2020", "2020-12-01")]
    (made,) = programs("date", pairs, "dates are written as 2021-03-05")
    written = pattern(made["condition"])
    assert re.search(written, "31.01.1999")
    assert not re.search(written, "1.1.1999")
    assert " || '-' || " in made["expression"]
    assert "02" in made["condition"]


def test_one_example_is_none() -> None:
    assert programs("phone", [("030 901820", "+4930901820")]) == []


@pytest.mark.parametrize(("old", "others"), [("n/a", True), ("unknown", False)])
def test_words_for_no_value(old: str, others: bool) -> None:
    (made,) = programs("missing", [(old, None)])
    assert f"'{old}'" in made["condition"]
    assert ("'#ref!'" in made["condition"]) == others
    assert made["expression"] == "NULL"
    assert programs("missing", [(old, "")])[0]["expression"] == "''"
    assert programs("missing", [(old, None), ("-", "0")]) == []


def test_damaged_characters_are_replaced_wherever_they_stand() -> None:
    (made,) = programs("encoding", [("caf\u00c3\u00a9", "café"), ("M\u00c3\u00bcller", "Müller")])
    assert made["expression"].count("replace(") == 2
    # The same damage with two meanings has none.
    assert programs("encoding", [("a\u00c3\u00a9", "aé"), ("b\u00c3\u00a9", "bè")]) == []


def test_case_and_space_have_one_writing() -> None:
    (made,) = programs("case", [("OSLO", "Oslo"), (" oslo", "Oslo"), ("n  y", "N Y")])
    assert "WHEN 'oslo' THEN 'Oslo' WHEN 'n y' THEN 'N Y'" in made["expression"]


def test_a_step_with_sql_keeps_it_and_days_stay_days() -> None:
    given = {"condition": "{c} ~ 'x'", "expression": "left({c}, 10)"}
    (made,) = programs("learnt", [("2/1/15", "2015-01-02")], **given)
    assert made["condition"].startswith("{c} ~ 'x' AND left({c}, 10) ~ ")
    assert programs("learnt", [("2 kg", "2")], **given) == [given]


def test_what_has_no_rule_has_none() -> None:
    assert programs("typo", [("Bergn", "Bergen"), ("Osloo", "Oslo")]) == []
    assert programs("number", []) == []
    assert programs("variant", [("x" * 500, "y"), ("z" * 500, "y")]) == []
