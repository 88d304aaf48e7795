from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pg_llm.runtime.training.dataset import Example, split

_ROWS = st.lists(st.tuples(st.text(max_size=3), st.sampled_from("abc")), min_size=2, max_size=60)


@given(_ROWS, st.sampled_from([0.1, 0.2, 0.5]))
def test_a_text_is_on_one_side_and_nothing_is_lost(rows: list[tuple[str, str]], share: float) -> None:
    examples = [Example(*row) for row in rows]
    training, validation = split(examples, share)
    assert sorted((e.text, e.truth) for e in training + validation) == sorted(rows)
    assert not {e.text for e in training} & {e.text for e in validation}


def test_every_label_is_on_both_sides() -> None:
    examples = [Example(f"{label}{number}", label) for label in "ab" for number in range(2 if label == "a" else 50)]
    training, validation = split(examples, 0.2)
    assert {e.truth for e in training} == {e.truth for e in validation} == {"a", "b"}
    assert len(validation) == 11


_LABELS = st.lists(st.sampled_from("abcdef"), max_size=3, unique=True) | st.none()


@given(st.lists(_LABELS, min_size=5, max_size=80))
def test_rows_of_several_labels_or_none_are_split_as_they_should_be(truths: list[list[str] | None]) -> None:
    examples = [Example(str(number), truth) for number, truth in enumerate(truths)]
    training, validation = split(examples, 0.2)
    assert sorted(e.text for e in training + validation) == sorted(e.text for e in examples)
    assert abs(len(validation) - 0.2 * len(examples)) <= 1
    assert validation


def test_a_rare_label_is_on_both_sides() -> None:
    common, rare = [["often", 0, 1]], [["often", 0, 1], ["rarely", 2, 3]]
    examples = [Example(f"text {number}", rare if number % 10 == 0 else common) for number in range(100)]
    shares = [sum(e.truth is rare for e in side) for side in split(examples, 0.2)]
    assert shares == [8, 2]
    relations = [Example(e.text, [[None, *e.truth], [e.truth[0][0], *e.truth]]) for e in examples]
    assert [len(side) for side in split(relations, 0.2)] == [80, 20]
