from __future__ import annotations

import pytest
from pg_llm.privacy import merging

TEXT = "Ann Lee, 5 Elm Road, Leeds LS1 4AP"


def test_parts_of_names_and_addresses_are_one() -> None:
    entities = [
        ("GIVEN_NAME", 0, 3, 0.9),
        ("SURNAME", 4, 7, 0.8),
        ("BUILDING_NUMBER", 9, 10, 0.9),
        ("STREET_NAME", 11, 19, 0.9),
        ("CITY", 21, 26, 0.9),
        ("ZIP_CODE", 27, 34, 0.7),
    ]
    found = [(kind, TEXT[start:end]) for kind, start, end, *_ in merging.of_model(TEXT, entities, "m")]
    assert found == [("person", "Ann Lee"), ("address", "5 Elm Road, Leeds LS1 4AP")]


@pytest.mark.parametrize(
    ("labels", "kind"), [(["CITY"], ["location"]), (["ZIP_CODE"], []), (["BUILDING_NUMBER"], []), (["OTHER"], [])]
)
def test_a_part_alone_is_no_address(labels: list[str], kind: list[str]) -> None:
    entities = [(label, 0, 5, 0.9) for label in labels]
    assert [each[0] for each in merging.of_model("Leeds is far", entities, "m")] == kind


def test_two_persons_stay_two() -> None:
    text = "Ann Lee Bob Ray"
    entities = [("GIVEN_NAME", 0, 3, 1), ("SURNAME", 4, 7, 1), ("GIVEN_NAME", 8, 11, 1), ("SURNAME", 12, 15, 1)]
    assert [text[a:b] for _, a, b, *_ in merging.of_model(text, entities, "m")] == ["Ann Lee", "Bob Ray"]


def test_the_surest_stays_then_the_longest() -> None:
    found = [("phone", 0, 8, 0.6, "a"), ("card", 0, 8, 0.9, "b"), ("ip", 2, 4, 0.95, "c"), ("email", 20, 30, 0.4, "d")]
    assert [each[0] for each in merging.without_overlaps("x" * 40, found, ["phone", "card", "ip", "email"], 0.5)] == [
        "ip"
    ]
    # What was found is taken whether it was asked for or not: the digits of a card are no phone number.
    assert merging.without_overlaps("x" * 40, found[:2], ["phone"], 0.5) == []


@pytest.mark.parametrize(
    "text", ["", " ", "One.", "Dr. Lee came. She left early today! 他来了。我走了。\n\nEnd", "no end\nat all " * 50]
)
def test_sentences_are_the_whole_text(text: str) -> None:
    places = merging.sentences(text)
    assert "".join(text[start:end] for start, end in places) == text
    assert all(end - start >= 20 for start, end in places[:-1])


def test_no_model_is_shown_what_patterns_are_sure_of() -> None:
    assert merging.blanked("call 555 now", [("phone", 5, 8, 0.95, "p")]) == "call 000 now"
    assert merging.blanked("call 555 now", [("phone", 5, 8, 0.6, "p")]) == "call 555 now"


def test_many_of_them_take_no_time_in_the_square_of_their_number() -> None:
    found = [("email", start, start + 8, 0.99, "email") for start in range(0, 500_000, 10)]
    text = "a@b.com, " * 56_000
    assert merging.without_overlaps(text, found, ["email"], 0.3) == found
    assert merging.blanked(text, found).count("0") == 400_000


def test_of_those_that_overlap_in_a_chain_every_other_stays() -> None:
    found = [("ip", start, start + 12, 0.9 - start / 1000, "a") for start in range(0, 100, 10)]
    assert [each[1] for each in merging.without_overlaps("x" * 200, found, ["ip"], 0.3)] == [0, 20, 40, 60, 80]


def test_an_address_in_chinese_begins_where_a_model_sees_a_place() -> None:
    text = "公司位于深圳市南山区科技园南路2号。"
    address, place = ("address", 0, 17, 0.85, "cn_address"), ("location", 4, 17, 0.88, "lac")
    assert merging.without_overlaps(text, [address, place], ["address"], 0.3) == [("address", 4, *address[2:])]
    # Another one far inside is a part of it.
    inner = ("location", 10, 13, 0.88, "lac")
    assert merging.without_overlaps(text, [address, inner], ["address"], 0.3) == [address]


def test_no_model_has_its_way_with_what_is_known_to_be_nothing() -> None:
    text = "Lot 021-33-0408"
    nothing, phone = ("", 4, 15, 1.0, "us_ssn"), ("phone", 4, 15, 0.9, "rampart")
    assert merging.blanked(text, [nothing]) == "Lot 00000000000"
    assert merging.without_overlaps(text, [nothing, phone], ["phone"], 0.3) == []
