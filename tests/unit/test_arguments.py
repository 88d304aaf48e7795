"""Checks of SQL arguments."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pg_llm import arguments
from pg_llm.errors import InvalidInput


def test_labels_have_descriptions_and_come_once() -> None:
    given = [" praise ", "complaint: the customer: is unhappy", "praise", "complaint"]
    assert arguments.labels(given) == [("praise", None), ("complaint", "the customer: is unhappy")]
    assert arguments.labels(["a", "a: later"]) == [("a", "later")]
    assert arguments.labels(None) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "labels must not be empty"),
        ([None], "labels must not hold NULL"),
        ([" : x"], "not a label"),
        (["x" * 1001], "not a label"),
        (["a: one", "a: two"], 'label "a" has two descriptions'),
    ],
)
def test_labels_that_are_none(given: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        arguments.labels(given)


def test_texts_of_a_batch() -> None:
    assert arguments.texts(None) == []
    assert arguments.texts(["a", None]) == ["a", None]


@pytest.mark.parametrize(("given", "found"), [(None, 0.5), (0, 0), (1, 1), (0.25, 0.25)])
def test_a_threshold_is_a_probability(given: float | None, found: float) -> None:
    assert arguments.threshold(given) == found


@pytest.mark.parametrize("given", [-0.01, 1.01, float("nan")])
def test_a_threshold_beyond(given: float) -> None:
    with pytest.raises(InvalidInput, match="threshold must lie between 0 and 1"):
        arguments.threshold(given)


def test_choices_and_required_values() -> None:
    assert arguments.choice("format", "svg", ("svg", "png")) == "svg"
    for value in ("gif", None):
        with pytest.raises(InvalidInput) as caught:
            arguments.choice("format", value, ("svg", "png"))
        assert caught.value.hint == "Use one of: svg, png."
    assert arguments.required("name", 0) == 0
    with pytest.raises(InvalidInput, match="name must not be NULL"):
        arguments.required("name", None)


def test_json_is_read_with_numbers_of_python() -> None:
    found = arguments.options({"a": Decimal("2.0"), "b": Decimal("0.5"), "c": [Decimal(3)]})
    assert found == {"a": 2, "b": 0.5, "c": [3]}
    assert [type(found[name]) for name in "ab"] == [int, float]
    for given in (None, [], "{}"):
        with pytest.raises(InvalidInput, match="options must be a JSON object"):
            arguments.options(given)
    assert arguments.parse_json("rule", '{"a": 1}') == {"a": 1}
    assert arguments.parse_json("rule", None) is None
    with pytest.raises(InvalidInput, match="rule is nested too deeply"):
        arguments.parse_json("rule", "[" * 100_000)


KNOWN = [("a", None), ("b", "what b is")]


def test_examples_have_one_label_or_several() -> None:
    given = [{"text": "x", "label": "a"}, {"text": "y", "labels": ["a", "b"]}, {"text": "z", "labels": []}]
    assert arguments.examples(given, KNOWN) == [("x", ["a"]), ("y", ["a", "b"]), ("z", [])]
    assert arguments.examples(None, None) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": "x"}, "examples must be a JSON list of objects"),
        (["x"], "examples must be a JSON list of objects"),
        ([{"text": "x"}], "an object with text and label or labels"),
        ([{"text": 5, "label": "a"}], "an object with text"),
        ([{"text": "x", "labels": "a"}], "an object with text"),
        ([{"text": "x", "labels": [5]}], "an object with text"),
        ([{"text": "x", "label": None}], "an object with text"),
        ([{"text": "x", "label": "a", "more": 1}], "an object with text"),
        ([{"text": "x", "label": "c"}], 'the label "c", which is not among labels'),
    ],
)
def test_examples_that_are_none(given: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        arguments.examples(given, KNOWN)


def test_results_go_where_their_texts_were() -> None:
    assert list(arguments.zip_with_nulls([None, "a", None, "b"], iter([1, 2]))) == [
        (1, None),
        (2, 1),
        (3, None),
        (4, 2),
    ]
