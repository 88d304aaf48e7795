from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.graph.resolution import attribute_evidence, clustering, name_similarity
from pg_llm.graph.resolution.attribute_evidence import (
    CLOSE,
    NEAR,
    OTHER,
    SAME,
    Agreement,
    AgreementWeights,
    RelationIndex,
)
from pg_llm.graph.resolution.matching import Cluster, EntityMatcher, Member, Pair
from pg_llm.graph.resolution.name_similarity import NameCollection

# Other names that make "bank", "smith" and the like common.
COMPANY = ["Bank of Norway", "Bank of Spain", "John Smith", "Eva Smith", "Tom Smith", "Harbour Trust", "Delta Trust"]


def odds(one: str, other: str, cosine: float | None = 0.8) -> float:
    return name_similarity.log_odds(NameCollection([one, other, *COMPANY]).compare(0, 1), cosine)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Angela Merkel", "Merkel, Angela"),
        ("Angela Merkel", "A. Merkel"),
        ("Angela Merkel", "Dr. Angela Merkel"),
        ("Siemens", "SIEMENS AG"),
        ("Procter & Gamble", "Procter and Gamble"),
        ("Société Générale", "Societe Generale"),
        ("Microsoft", "Mircosoft"),
        ("Blue Stone Mining", "Bluestone Mining"),
        ("J.P. Morgan Chase", "JPMorgan Chase & Co."),
        ("International Business Machines", "I.B.M."),
        ("Saint Petersburg", "St. Petersburg"),
        ("Toyota Motor Corporation", "Toyota Motor Corp"),
        ("Sony WH-1000XM4", "Sony WH1000 XM4"),
    ],
)
def test_names_of_one_thing(one: str, other: str) -> None:
    assert attribute_evidence.probability(odds(one, other)) > 0.85
    assert odds(one, other) == odds(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bank of Scotland", "Bank of Ireland"),
        ("University of Oslo", "University of Bergen"),
        ("Boeing 737", "Boeing 747"),
        ("Henry VII", "Henry VIII"),
        ("Elizabeth I", "Elizabeth II"),
        ("hepatitis A", "hepatitis B"),
        ("Iran", "Iraq"),
        ("Zambia", "Gambia"),
        ("Niger", "Nigeria"),
        ("North Korea", "South Korea"),
        ("John Smith", "Joan Smith"),
        ("Paul Smith", "Paul Schmidt"),
        ("black leather sofa", "brown leather sofa"),
        ("Siemens", "Siemens Healthineers"),
        ("Room 12", "Room 13"),
        ("IBM", "International Meat Board"),
    ],
)
def test_names_of_two_things(one: str, other: str) -> None:
    assert attribute_evidence.probability(odds(one, other)) < 0.85
    assert odds(one, other) == odds(other, one)


@given(st.text(min_size=1), st.text(min_size=1), st.floats(-1, 1))
def test_any_names_can_be_compared(one: str, other: str, cosine: float) -> None:
    found = odds(one, other, cosine)
    assert -50 < found < 50
    assert found == odds(other, one, cosine)
    assert odds(one, one, cosine) == 4.0


def test_rare_words_tell_more() -> None:
    of = NameCollection(["Bank Zürich", "Bank Basel", *(f"Bank n{chr(97 + n)}" for n in range(20)), "Zürich Markt"])
    assert of.compare(0, 1).shared < of.compare(0, 22).shared


def test_a_word_that_is_everywhere_parts_nothing() -> None:
    letters = [chr(97 + n) * 5 for n in range(20)]
    of = NameCollection([f"{letter} ({source})" for letter in letters for source in ("a1", "b2")])
    assert attribute_evidence.probability(name_similarity.log_odds(of.compare(0, 1), 0.9)) > 0.85
    assert attribute_evidence.probability(name_similarity.log_odds(of.compare(0, 3), 0.9)) < 0.1


def test_agreement_has_levels() -> None:
    alike = {frozenset((10, 11)): 0.9, frozenset((10, 12)): 0.7}
    said = RelationIndex(
        [(1, "in", 10), (2, "in", 10), (3, "in", 11), (4, "in", 12)],
        lambda a, b: alike.get(frozenset((a, b)), 0.1),
        frozenset(),
    )
    assert [said.agreements(1, other)[0].level for other in (2, 3, 4)] == [SAME, CLOSE, NEAR]
    assert said.agreements(3, 4)[0].level == OTHER
    # Seen from the other end too; nothing where one of them is silent.
    assert said.agreements(10, 11)[0].side == ("in", False)
    assert said.agreements(1, 10) == []
    assert said.related(1, 10)
    assert not said.related(1, 2)


def facts_of(pairs: int, agreeing: int) -> tuple[RelationIndex, list[tuple[float, Sequence[Agreement]]]]:
    """Pairs whose names say that they are one; so many of them agree in `kept`, none in `moved`."""
    triples = []
    for n in range(pairs):
        one, other = 10 * n, 10 * n + 1
        triples += [(one, "kept", 10 * n + 2), (other, "kept", 10 * n + (2 if n < agreeing else 3))]
        triples += [(one, "moved", 10 * n + 4), (other, "moved", 10 * n + 5)]
    said = RelationIndex(triples, lambda a, b: 0.0, frozenset())
    return said, [(4.0, said.agreements(10 * n, 10 * n + 1)) for n in range(pairs)]


def test_what_often_differs_in_one_thing_says_little() -> None:
    said, pairs = facts_of(200, 200)
    strangers = [(-9.0, said.agreements(10 * n, 10 * n + 10)) for n in range(199)]
    weights = AgreementWeights(said, [*pairs, *strangers])
    kept, moved = (weights.weight(Agreement((name, True), OTHER, 0.0)) for name in ("kept", "moved"))
    assert kept < -2
    assert moved > -1
    assert weights.weight(Agreement(("kept", True), SAME, 0.001)) > 2


def test_what_many_share_says_less() -> None:
    said, pairs = facts_of(100, 100)
    weights = AgreementWeights(said, pairs)
    rare, common = (weights.weight(Agreement(("kept", True), SAME, chance)) for chance in (0.001, 0.5))
    assert rare > common + 1


def test_a_functional_relation_that_differs_speaks_against() -> None:
    said = RelationIndex([(1, "born", 3), (2, "born", 4)], lambda a, b: 0.0, frozenset({"born"}))
    free = RelationIndex([(1, "born", 3), (2, "born", 4)], lambda a, b: 0.0, frozenset())
    found = [
        attribute_evidence.log_odds(of, AgreementWeights(of, [(1.0, of.agreements(1, 2))]), 1, 2, of.agreements(1, 2))
        for of in (said, free)
    ]
    assert found[0] < found[1] - 0.5 < 0


def test_a_group_is_joined_only_as_a_whole() -> None:
    scores = {(1, 2): 0.95, (2, 3): 0.9, (1, 3): 0.1, (4, 5): 0.9}

    def score(a: int, b: int) -> float:
        return scores.get((min(a, b), max(a, b)), 0.0)

    pairs = [(value, *pair) for pair, value in scores.items() if value >= 0.85]
    groups = {n: n for n in range(1, 6)}
    assert clustering.agglomerate(groups, pairs, score, [], 0.85) == [(1, 2, 0.95, (1, 2)), (4, 5, 0.9, (4, 5))]
    assert clustering.agglomerate(groups, pairs, score, [(1, 2)], 0.85)[0][:2] == (2, 3)
    # What is a group already counts with all its members.
    assert clustering.agglomerate({1: 1, 2: 2, 3: 1}, pairs[:2], score, [], 0.85) == [
        (1, 2, pytest.approx(0.925), (1, 2))
    ]


def found(
    members: Sequence[Member], triples: Sequence[attribute_evidence.Triple] = (), apart: Sequence[Pair] = ()
) -> list[Cluster]:
    def cosines(pairs: Sequence[Pair]) -> Mapping[Pair, float]:
        return dict.fromkeys(pairs, 0.8)

    return EntityMatcher(members, triples, [], {}, cosines, apart).match(0.85)


def test_what_is_one_makes_others_one() -> None:
    """Two books by nearly the same name are one once their authors are."""
    members = [
        Member(1, "author", "Angela Berg", 1),
        Member(2, "author", "Berg, Angela", 2),
        Member(3, "book", "The Long Winter", 3),
        Member(4, "book", "Long Winters", 4),
        Member(5, "author", "Uwe Karl", 5),
    ]
    together = found(members, [(3, "by", 1), (4, "by", 2)])
    assert {frozenset(each.entities) for each in together} == {frozenset({1, 2}), frozenset({3, 4})}
    apart = found(members, [(3, "by", 1), (4, "by", 5)])
    assert {frozenset(each.entities) for each in apart} == {frozenset({1, 2})}


def test_what_a_person_parted_stays_so() -> None:
    members = [Member(1, "t", "Angela Berg", 1), Member(2, "t", "Berg, Angela", 2), Member(3, "t", "Angela  Berg", 3)]
    assert [each.entities for each in found(members)] == [{1, 2, 3}]
    assert [each.entities for each in found(members, apart=[(2, 1)])] in ([{1, 3}], [{2, 3}])


def test_types_are_kept_apart() -> None:
    members = [Member(1, "person", "Paris", 1), Member(2, "city", "PARIS", 2)]
    assert found(members) == []


def test_every_entity_has_a_reason() -> None:
    members = [Member(n, "t", name, n) for n, name in enumerate(["Angela Berg", "Berg, Angela", "A. Berg", "Anna Ek"])]
    (together,) = found(members, [(n, "in", 3) for n in range(3)])
    assert together.reasons.keys() == together.entities == {0, 1, 2}
    assert all(score >= 0.85 and reason for score, reason in together.reasons.values())
    assert list(itertools.chain(found([]), found(members[:1]))) == []
