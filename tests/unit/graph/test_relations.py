"""Relations: pairs stay few in a long text, words of a family have one form, what is found is there once."""

from __future__ import annotations

import json

import pytest
from pg_llm.graph.host import entity_pairs, relation_types
from pg_llm.graph.host.extraction_result import ExtractionResult, Mention
from pg_llm.graph.host.stemming import stem
from pg_llm.models.pairs import WORDS, hash_words

ANN: Mention = ("PERSON", 0, 3, 1.0)
ACME: Mention = ("ORG", 10, 14, 0.8)


@pytest.mark.parametrize(
    "family",
    [
        ("treat", "treats", "treated", "treating", "treatment"),
        ("acquire", "acquires", "acquired", "acquiring"),
        ("cause", "causes", "caused", "causing"),
        ("stop", "stops", "stopped", "stopping"),
        ("lead", "leads", "leading", "leader"),
    ],
)
def test_a_family_has_one_stem(family: tuple[str, ...]) -> None:
    assert len({stem(word) for word in family}) == 1


@pytest.mark.parametrize("word", ["", "a", "by", "as", "of", "é", "s"])
def test_short_words_stay(word: str) -> None:
    assert stem(word) == word


@pytest.mark.parametrize(
    ("name", "words"), [("works_for", "works for"), ("worksFor", "works for"), ("part-of", "part of"), ("_", "_")]
)
def test_a_name_is_spoken(name: str, words: str) -> None:
    assert relation_types.split_name(name) == words


def test_pairs_are_of_one_sentence_and_of_near_ones() -> None:
    text = "Ann knows Acme. Bob left J. R. Smith Inc. in May."
    places = {name: text.index(name) for name in ("Ann", "Acme", "Bob", "J. R. Smith Inc.", "May")}
    mentions: list[Mention] = [("X", start, start + len(name), 1.0) for name, start in places.items()]
    said = {
        (text[one[1] : one[2]], text[other[1] : other[2]]) for one, other in entity_pairs.candidates(text, mentions)
    }
    assert ("Ann", "Acme") in said
    assert ("Acme", "Ann") in said
    assert ("Bob", "J. R. Smith Inc.") in said
    assert ("Acme", "Bob") not in said
    many: list[Mention] = [("X", 4 * number, 4 * number + 3, 1.0) for number in range(10_000)]
    assert len(list(entity_pairs.candidates("abc " * 10_000, many))) < 25 * len(many)


def test_a_pair_is_shown_with_its_types_and_its_direction() -> None:
    text = "Ann heads Acme now"
    assert entity_pairs.marked_text(text, ANN, ACME).endswith("[subject PERSON: Ann] heads [object ORG: Acme] now")
    one, other = entity_pairs.features(text, ANN, ACME), entity_pairs.features(text, ACME, ANN)
    assert one.startswith("subject PERSON heads object ORG\n")
    assert set(one.split("\n")[1].split()).isdisjoint(other.split("\n")[1].split())
    assert "Acme" not in one


def test_words_are_numbers_of_length_one() -> None:
    columns, value = hash_words("a b c")
    assert len(columns) == 5
    assert max(columns) < WORDS
    assert len(columns) * value**2 == pytest.approx(1)
    assert hash_words("") == ([], 0.0)


def test_what_is_found_is_there_once_and_surest() -> None:
    found = ExtractionResult([ANN, ACME, ("ORG", 10, 14, 0.8)])
    found.add_relation(ANN, "heads", ACME, (4, 9), 0.5)
    found.add_relation(ANN, "heads", ACME, (4, 9), 0.7)
    found.add_relation(ANN, "heads", ANN, (4, 9), 0.9)
    written = json.loads(found.to_json())
    assert written["entities"] == [["PERSON", 0, 3, 1.0], ["ORG", 10, 14, 0.8]]
    assert written["relations"] == [[0, "heads", 1, 0, 14, 0.7]]


def test_what_a_relation_names_takes_the_place_of_what_was_given() -> None:
    found = ExtractionResult([("ORG", 0, 7, 0.9)])
    found.add_relation(("Drug", 0, 7, 0.8), "treats", ("Disease", 15, 23, 0.8), (8, 14), 0.5)
    assert [entity[0] for entity in json.loads(found.to_json())["entities"]] == ["Drug", "Disease"]
