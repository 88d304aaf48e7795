from __future__ import annotations

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
