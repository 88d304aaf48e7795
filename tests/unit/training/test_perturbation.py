"""Perturbations: seeded, of the text alone, and no more than they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.training.perturbation import attacks, noise

TEXT = "The courier delivered the wrong parcel and nobody answered my letters about it."
LABELS = ["bad", "good"]


def changed_words(text: str) -> int:
    return sum(a != b for a, b in zip(TEXT.split(), text.split(), strict=True))


@pytest.mark.parametrize("name", attacks.NAMES)
def test_the_same_seed_makes_the_same_text(name: str) -> None:
    once, again, other = (attacks.perturb(name, TEXT, "bad", LABELS, seed) for seed in (7, 7, 8))
    assert once == again
    assert once != TEXT
    assert name in ("case", "truncation", "injection", "negation") or other != once


def test_typos_slip_in_a_fifth_of_the_longer_words() -> None:
    assert [changed_words(attacks.perturb("typos", TEXT, "bad", LABELS, seed)) for seed in range(20)].count(2) > 15
    long = noise.typos(TEXT, attacks.generator(0, "typos", TEXT), 1.0)
    assert 6 <= changed_words(long) <= 9
    assert [word for word in long.split() if len(word) < 4] == [word for word in TEXT.split() if len(word) < 4]


def test_look_alikes_look_alike_and_are_others() -> None:
    found = attacks.perturb("look_alikes", TEXT, "bad", LABELS, 3)
    assert not found.isascii()
    assert len(found.replace("\u200b", "")) == len(TEXT)


def test_case_truncation_negation_injection() -> None:
    assert attacks.perturb("case", TEXT, "bad", LABELS, 0) == TEXT.upper()
    assert attacks.perturb("case", "ABC Def", "bad", LABELS, 0) == "abc def"
    assert attacks.perturb("truncation", TEXT, "bad", LABELS, 0) == TEXT[: TEXT.index(" answered")][: -len(" nobody")]
    assert attacks.perturb("negation", "It is good.", "bad", LABELS, 0) == "It is not good."
    assert attacks.perturb("negation", "Good.", "bad", LABELS, 0) == "It is not true that: Good."
    assert attacks.perturb("injection", TEXT, "bad", LABELS, 0).startswith(TEXT)
    assert "good" in attacks.perturb("injection", TEXT, "bad", LABELS, 0)
    assert [name for name in attacks.NAMES if not attacks.keeps_label(name)] == ["negation"]


@given(st.text(max_size=60), st.sampled_from(attacks.NAMES), st.integers(0, 5))
def test_any_text_has_a_perturbation(text: str, name: str, seed: int) -> None:
    found = attacks.perturb(name, text, "bad", LABELS, seed)
    assert found == attacks.perturb(name, text, "bad", LABELS, seed)
    assert len(found) <= 2 * len(text) + 120
