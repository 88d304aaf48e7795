"""Attested words, and the likelihood of letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.values.host import spellings


@pytest.mark.parametrize("word", ["hospital", "Straße", "Kirstin", "KRISTIN", "mañana", "bonjour", "Giovanni"])
def test_words_and_names_of_many_languages_are_attested(word: str) -> None:
    assert spellings.is_attested(word)


@pytest.mark.parametrize("word", ["hopsital", "Krtistin", "xqzzy", "", "4711", "\ud800"])
def test_slips_are_not(word: str) -> None:
    assert not spellings.is_attested(word)


@pytest.mark.parametrize(
    ("right", "wrong"), [("Hamburg", "Hambrug"), ("Zürich", "Zürcih"), ("Madison", "Madiosn"), ("Leipzig", "Liepzig")]
)
def test_letters_of_slips_fit_together_less_well(right: str, wrong: str) -> None:
    likely, unlikely = spellings.log_likelihood(right), spellings.log_likelihood(wrong)
    assert likely is not None
    assert unlikely is not None
    assert likely > unlikely + 1


@given(st.text(max_size=200))
def test_every_text_has_a_likelihood_or_none(text: str) -> None:
    found = spellings.log_likelihood(text)
    assert found is None or found < 0


def test_other_alphabets_have_none() -> None:
    assert spellings.log_likelihood("Москва") is None
