"""Labels that were probably meant to be one."""

from __future__ import annotations

from collections import Counter

import pytest
from pg_llm.training import label_variants


@pytest.mark.parametrize(
    "other",
    ["Delivery", "delivery ", "DELIVERY", "deli very", "de-livery", "delivrey", "delivry", "deliveery", "dellvery"],
)
def test_variants_are_told_with_what_they_are_variants_of(other: str) -> None:
    assert label_variants.find(Counter({"delivery": 50, other: 3, "payment": 20})) == [(other, "delivery")]


@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("class 1", "class 2"),
        ("positive", "negative"),
        ("form", "farm"),
        ("delivery", "recovery"),
        ("politician", "musician"),
        ("drlivrey", "delivery"),
        ("+", "-"),
        ("", " "),
    ],
)
def test_other_labels_are_no_variants(label: str, other: str) -> None:
    assert label_variants.find(Counter({label: 50, other: 3})) == []


def test_labels_that_are_as_frequent_are_not_misspelt() -> None:
    assert label_variants.find(Counter({"casualty": 50, "casually": 30})) == []
    # But the same word in other case is, however frequent.
    assert label_variants.find(Counter({"casualty": 50, "Casualty": 50})) == [("casualty", "Casualty")]
