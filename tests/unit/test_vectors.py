import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm import vectors

_NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda number: number == 0 or abs(number) > 1e-6)
_VECTORS = st.lists(_NUMBERS, min_size=3, max_size=3).filter(any)


@pytest.mark.parametrize(
    ("a", "b", "similarity"),
    [("[1,0]", "[1,0]", 1), ("[1,0]", "[0,5]", 0), ("[1,0]", "[-2,0]", -1), ("[1, 1]", "[1,0]", math.sqrt(0.5))],
)
def test_cosine_of_known_vectors(a: str, b: str, similarity: float) -> None:
    assert vectors.cosine(a, b) == pytest.approx(similarity)


def test_a_vector_without_length_is_like_nothing() -> None:
    assert vectors.cosine("[0,0]", "[1,2]") == 0.0


def test_vectors_of_different_length_have_no_cosine() -> None:
    with pytest.raises(ValueError, match="zip"):
        vectors.cosine("[1,2]", "[1,2,3]")


@given(_VECTORS, _VECTORS, st.floats(0.01, 100))
def test_cosine_is_symmetric_bounded_and_blind_to_scale(a: list[float], b: list[float], scale: float) -> None:
    found = vectors.cosine(str(a), str(b))
    assert -1 - 1e-9 <= found <= 1 + 1e-9
    assert vectors.cosine(str(b), str(a)) == pytest.approx(found)
    assert vectors.cosine(str([scale * x for x in a]), str(b)) == pytest.approx(found, abs=1e-9)


def test_numbers_and_literals_are_alike() -> None:
    assert vectors.cosine([1.0, 0.0], "[1,1]") == pytest.approx(0.5**0.5)
    assert vectors.parse("[0.5,-2]") == [0.5, -2]
    assert vectors.inner_product([1, 2], [3, 4]) == 11


def test_a_normalized_vector_has_length_one_and_zero_stays_zero() -> None:
    assert vectors.normalized([3.0, 4.0]) == [0.6, 0.8]
    assert vectors.normalized([0.0, 0.0]) == [0.0, 0.0]
