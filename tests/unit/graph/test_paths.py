from __future__ import annotations

import random

import pytest
from pg_llm.graph import name_folding, paths, question_words


def test_folding_makes_one_form() -> None:
    assert name_folding.fold(" Ａcme\t GMBH ") == "acme gmbh" == name_folding.fold("ACME  GmbH")
    assert len(name_folding.fold("x" * 10_000)) == name_folding.MAX_FOLDED


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("What does Aspirin treat?", {"aspirin", "does aspirin", "aspirin treat"}, {"spirin", "aspir"}),
        ("患者A的疾病是什么", {"患者a", "疾病", "患者a的疾病"}, set()),
        ("the U.S. dollar", {"u.s.", "u.s. dollar"}, {"ollar"}),
        ("", set(), {""}),
        ("\U0001f9ea", {"\U0001f9ea"}, set()),
    ],
)
def test_names_may_stand_anywhere_between_words(text: str, inside: set[str], outside: set[str]) -> None:
    found = name_folding.candidate_names(text)
    assert inside <= found
    assert not outside & found


def test_spans_of_a_long_text_are_bounded() -> None:
    assert len(name_folding.candidate_names("字" * 100_000)) <= 200
    assert len(name_folding.candidate_names(" ".join(str(n) for n in range(100_000)))) < 20_000


def all_paths(
    relations: list[tuple[int, int, float]], a: int, b: int, hops: int
) -> list[tuple[float, tuple[int, ...]]]:
    near: dict[int, dict[int, float]] = {}
    for one, other, sure in relations:
        for start, end in ((one, other), (other, one)):
            if start != end:
                near.setdefault(start, {})[end] = max(sure, near.get(start, {}).get(end, 0))
    found = []
    stack = [((a,), 1.0)]
    while stack:
        walk, sure = stack.pop()
        if walk[-1] == b:
            found.append((len(walk), -sure, walk))
            continue
        if len(walk) <= hops:
            stack += [
                ((*walk, other), sure * its) for other, its in near.get(walk[-1], {}).items() if other not in walk
            ]
    return [(-sure, walk) for _, sure, walk in sorted(found)]


def test_paths_are_those_of_an_exhaustive_search() -> None:
    chance = random.Random(2)
    compared = 0
    for _ in range(60):
        relations = [(chance.randrange(9), chance.randrange(9), chance.choice([0.5, 0.7, 1.0])) for _ in range(14)]
        edges = paths.EdgeIndex()
        for one, other, sure in relations:
            edges.add(one, "p", other, sure)
        for hops in range(1, 7):
            expected = all_paths(relations, 0, 8, hops)[:5]
            found, whole = paths.k_shortest(edges, 0, 8, hops, 5)
            assert whole
            assert [(1 + len(walk), (0, *(edge.end for edge in walk))) for walk in found] == [
                (len(walk), walk) for _, walk in expected
            ]
            compared += len(found)
    assert compared > 100


def test_the_surest_relation_stands_for_its_pair() -> None:
    edges = paths.EdgeIndex()
    edges.add(1, "perhaps", 2, 0.2)
    edges.add(2, "surely", 1, 0.9)
    edges.add(1, "itself", 1, 1.0)
    found, _ = paths.k_shortest(edges, 1, 2, 3, 5)
    assert [(walk[0].predicate, walk[0].forward) for walk in found] == [("surely", False)]


@pytest.mark.parametrize(
    ("question", "named", "left"),
    [
        ("患者A的疾病是什么？", ["患者A"], "疾病"),
        ("What is the disease of patient A?", ["patient A"], "disease"),
        ("Which drugs does ASPIRIN interact with?", ["Aspirin"], "drugs interact"),
        ("Aspirin?", ["Aspirin"], ""),
    ],
)
def test_what_is_asked_beside_the_names(question: str, named: list[str], left: str) -> None:
    assert question_words.content_words(question, named) == left


def test_words_cover_their_other_forms_only() -> None:
    assert question_words.coverage("treat", "is treated with drug") == 1
    assert question_words.coverage("disease price", "has disease") == 0.5
    assert question_words.coverage("cat", "category") == 0
    assert question_words.coverage("疾病", "疾病 疾病") == 1
    assert question_words.coverage("血型", "用药 药物") == 0
