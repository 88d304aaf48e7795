from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.classify.host import bio_tags

WORDS = [(position * 5, position * 5 + 4) for position in range(12)]
_CUTS = st.lists(st.tuples(st.sampled_from(["", "PER", "LOC"]), st.integers(1, 3)), max_size=8)


@given(_CUTS)
def test_tags_and_back(cuts: list[tuple[str, int]]) -> None:
    entities, first = [], 0
    for label, length in cuts:
        last = min(first + length, len(WORDS))
        if label and first < last:
            entities.append((label, WORDS[first][0], WORDS[last - 1][1]))
        first = last
    tags = bio_tags.encode(WORDS, entities)
    assert set(tags) <= set(bio_tags.tags(["LOC", "PER"]))
    assert bio_tags.decode(tags, WORDS) == entities


def test_what_goes_on_without_a_beginning_begins() -> None:
    assert bio_tags.decode(["I-PER", "I-PER", "I-LOC", "O", "I-LOC"], WORDS[:5]) == [
        ("PER", 0, 9),
        ("LOC", 10, 14),
        ("LOC", 20, 24),
    ]


def test_a_word_belongs_to_the_entity_it_overlaps() -> None:
    assert bio_tags.encode([(0, 4), (5, 9)], [["PER", 2, 4]]) == ["B-PER", "O"]
    assert bio_tags.encode([(0, 4), (5, 9)], []) == ["O", "O"]


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_most_probable_sequence_is_the_best_of_all_that_are_allowed(words: int, seed: int) -> None:
    tags = bio_tags.tags(["LOC", "PER"])
    scores = np.random.default_rng(seed).normal(size=(words, len(tags)))

    def is_allowed(path: tuple[int, ...]) -> bool:
        named = ["O", *(tags[number] for number in path)]
        return all(not tag.startswith("I-") or before[2:] == tag[2:] for before, tag in itertools.pairwise(named))

    def score(path: tuple[int, ...]) -> float:
        return float(sum(row[number] for row, number in zip(scores, path, strict=True)))

    best = max(filter(is_allowed, itertools.product(range(len(tags)), repeat=words)), key=score)
    assert bio_tags.most_probable(scores, tags) == list(best)


def test_what_goes_on_is_not_begun_where_a_beginning_is_nearly_as_probable() -> None:
    tags = bio_tags.tags(["PER"])
    # One by one the words would be O, I-PER.
    scores = np.log([[0.5, 0.45, 0.05], [0.1, 0.1, 0.8]])
    assert [tags[number] for number in bio_tags.most_probable(scores, tags)] == ["B-PER", "I-PER"]
    assert bio_tags.most_probable(np.zeros((2, 1)), ["O"]) == [0, 0]
    assert bio_tags.most_probable(np.zeros((0, 3)), tags) == []
