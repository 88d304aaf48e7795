from __future__ import annotations

import pytest
from pg_llm.ask import taught_examples


@pytest.mark.parametrize(
    ("question", "adapted"),
    [
        ("How old is Ben?", "SELECT age FROM p WHERE name = 'Ben'"),
        ("How old is O'Hara?", "SELECT age FROM p WHERE name = 'O''Hara'"),
        ("How tall is Ben?", None),
        ("How old is Ada and why?", None),
        ("How old is Ada", "SELECT age FROM p WHERE name = 'Ada'"),
    ],
)
def test_a_taught_question_fits_one_that_differs_in_values(question: str, adapted: str | None) -> None:
    assert taught_examples.adapt_sql(question, "How old is Ada?", "SELECT age FROM p WHERE name = 'Ada'") == adapted
