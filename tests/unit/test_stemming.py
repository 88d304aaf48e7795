"""The stemmer of the host, which PostgreSQL's dictionaries have too."""

from __future__ import annotations

import pytest
from pg_llm.stemming import stem


@pytest.mark.parametrize(
    ("word", "language", "stemmed"),
    [
        ("Treatments", "english", "treatment"),
        ("running", "english", "run"),
        ("Häuser", "german", "haus"),
        ("chevaux", "french", "cheval"),
        ("", "english", ""),
    ],
)
def test_words_have_the_stem_of_snowball(word: str, language: str, stemmed: str) -> None:
    assert stem(word, language) == stemmed


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(KeyError):
        stem("word", "klingon")
