"""Texts that mean a value of a list: equal but for signs, misspelt, ambiguous, absent."""

from __future__ import annotations

import pytest
from pg_llm.cleaning.host.reference_matching import ReferenceList, run_in_worker

TOWNS = ["Bergen", "Bergamo", "Oslo", "São Paulo", "Saint-Étienne", "St. Gallen", "Springfield", "Los Angeles", "李庄"]
TOWNS += [f"Town {n}" for n in range(100)] + [f"{n}th Street" for n in range(50)]


def matched(text: str, k: int = 1, threshold: float = 0.5, values: list[str] = TOWNS) -> list[str]:
    found = ReferenceList(values, values).match(text, k, threshold)
    assert sum(each.score for each in found) <= 1.0001
    return [values[each.place] for each in found]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("BERGEN", "Bergen"),
        ("sao  paulo", "São Paulo"),
        ("Saint Etienne", "Saint-Étienne"),
        ("Springfeild", "Springfield"),
        ("Angeles, Los", "Los Angeles"),
        ("李庄", "李庄"),
        ("Town 42", "Town 42"),
    ],
)
def test_what_is_meant(text: str, value: str) -> None:
    assert matched(text) == [value]


@pytest.mark.parametrize("text", ["", " ", "Reykjavik", "?", "\ud800", "x" * 1_000_000])
def test_it_abstains(text: str) -> None:
    assert matched(text) == []


COUNTRIES = ["Germany", "France", "Ivory Coast", "Australia", "South Korea", "Atlantis"]


@pytest.mark.parametrize(
    ("text", "values", "value"),
    [
        ("Deutschland", COUNTRIES, "Germany"),
        ("ドイツ", COUNTRIES, "Germany"),
        ("Côte d'Ivoire", COUNTRIES, "Ivory Coast"),
        ("Republic of Korea", COUNTRIES, "South Korea"),
        ("FR", COUNTRIES, "France"),
        ("Austrelia", COUNTRIES, "Australia"),
        ("Atlantys", COUNTRIES, "Atlantis"),
        ("allemand", ["English", "German", "French"], "German"),
        ("€", ["Euro", "US Dollar", "Japanese Yen"], "Euro"),
    ],
)
def test_names_of_other_languages_and_codes(text: str, values: list[str], value: str) -> None:
    assert matched(text, values=values) == [value]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        # As like to Australia as a misspelling of it.
        ("Austria", COUNTRIES),
        ("Autriche", COUNTRIES),
        # Codes of states, of which most are a country's too.
        ("Germany", ["AL", "AR", "CA", "CO", "DE", "GA", "IL", "IN", "LA", "MD"]),
        ("Deutschland", ["Hamburg", "Bremen", "Berlin", "Germany"]),
    ],
)
def test_what_is_not_in_the_list_is_not_found_by_its_name_elsewhere(text: str, values: list[str]) -> None:
    assert matched(text, values=values) == []


def test_values_that_differ_by_signs_only_share_the_probability() -> None:
    values = ["A.B.", "ab", "AB"]
    assert matched("AB", values=values) == ["AB"]
    assert matched("a b.", 3, 0.0, values=["A-B", "a b", "C"]) == ["A-B", "a b"]
    assert matched("a-b", values=["A-B", "a b", "C"]) == []


def test_more_candidates_come_in_order_of_probability() -> None:
    found = ReferenceList(TOWNS, TOWNS).match("Bergenn", 5, 0.0)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert TOWNS[found[0].place] == "Bergen"


def test_an_empty_list_has_nothing() -> None:
    assert matched("Oslo", values=[]) == []
    assert matched("Oslo", values=["Bern"]) == []


def test_a_list_that_is_not_known_is_asked_for() -> None:
    question = {"do": "match", "digest": "a", "k": 1, "threshold": 0.5}
    assert run_in_worker(question, "Oslo") == "null"
    run_in_worker({"do": "begin"})
    run_in_worker({"do": "rows"}, '["{}"]', '["Oslo"]')
    run_in_worker({"do": "end", "digest": "a"})
    assert run_in_worker(question, "oslo", "Bern") == '[[["{}", "Oslo", 0.99]], []]'


MODELS = [
    "X K-12 drill",
    "Acme saw 300",
    "Acme saw 500",
    "Hammer GBH 2-26",
    "Zloty (1950–1995)",
    "型号K12电钻",
    "C42-0123",
]


@pytest.mark.parametrize(
    "text",
    [
        "X K-24 drill",
        "x k13 drill",
        "Acme saw 400",
        "Hammer GBH 2-28",
        "Hammer GBX 3-26",
        "Zloty 1951-1995",
        "型号K24电钻",
    ],
)
def test_another_model_is_not_meant(text: str) -> None:
    assert matched(text, values=MODELS) == []
    assert matched(text, 2, 0.01, values=MODELS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("X K12 dril", "X K-12 drill"),
        ("drill X K 012", "X K-12 drill"),
        ("Acme saw 500 W", "Acme saw 500"),
        ("Zloty, 1950–1995", "Zloty (1950–1995)"),
        ("Zloti 1950 1995", "Zloty (1950–1995)"),
        # A code alone has nothing else that it may be known by.
        ("C42-00123", "C42-0123"),
    ],
)
def test_the_same_model_is_meant(text: str, value: str) -> None:
    assert matched(text, values=MODELS) == [value]


def test_a_word_of_other_values_is_no_misspelling() -> None:
    trades = ("Metallbau", "Maschinenbau", "Elektrotechnik", "Gartenbau")
    names = [f"{name} {trade} AG" for name in ("Brandt", "Vogel", "Kramer", "Seidel") for trade in trades]
    names.remove("Brandt Metallbau AG")
    values = ReferenceList(names, names)
    assert values.match("Brandt Metallbau AG", 1, 0.5) == []
    meant = ("Brandt Maschinenbau", "Brandt Maschinenbua AG", "Brandt Masch.bau AG", "Brandt Maschinenbau AG Bremen")
    for text in meant:
        (found,) = values.match(text, 1, 0.5)
        assert values.values[found.place] == "Brandt Maschinenbau AG"
