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
