"""What several classifiers say together: the mean, and a disagreement that ambiguity alone does not make."""

from __future__ import annotations

import pytest
from pg_llm.classify import ensemble
from pg_llm.errors import InvalidInput

AB = ["first", "second"]


def test_models_that_agree_do_not_disagree() -> None:
    label, score, disagreement = ensemble.verdict(AB, [{"x": 0.9, "y": 0.1}] * 2)
    assert (label, score, disagreement) == ("x", pytest.approx(0.9), pytest.approx(0, abs=1e-12))


def test_an_ambiguous_text_is_no_disagreement() -> None:
    assert ensemble.verdict(AB, [{"x": 0.5, "y": 0.5}] * 2).disagreement == pytest.approx(0, abs=1e-12)


def test_models_that_contradict_each_other_disagree_wholly() -> None:
    contradicting = ensemble.verdict(AB, [{"x": 1.0, "y": 0.0}, {"x": 0.0, "y": 1.0}])
    assert contradicting.score == 0.5
    assert contradicting.disagreement == pytest.approx(1)
    slightly = ensemble.verdict(AB, [{"x": 0.9, "y": 0.1}, {"x": 0.6, "y": 0.4}])
    assert slightly.label == "x"
    assert 0 < slightly.disagreement < 0.2


def test_it_stays_between_0_and_1_with_many_models_and_labels() -> None:
    three = ensemble.verdict(["a", "b", "c"], [{"x": 1.0, "y": 0.0}, {"x": 0.0, "y": 1.0}, {"x": 0.0, "y": 1.0}])
    assert (three.label, three.score) == ("y", pytest.approx(2 / 3))
    assert 0.9 < three.disagreement <= 1
    one_label = ensemble.verdict(AB, [{"x": 1.0}, {"x": 1.0}])
    assert one_label == ("x", 1.0, 0.0)


@pytest.mark.parametrize("scores", [[None, None], [{}, {}], [{"x": 1.0, "y": 0.0}, None]])
def test_nothing_is_said_without_all_answers(scores: list[dict[str, float] | None]) -> None:
    assert ensemble.verdict(AB, scores) == ensemble.NO_VERDICT


def test_models_of_other_labels_are_no_ensemble() -> None:
    with pytest.raises(InvalidInput, match='"first" and "second" have other labels: y, z'):
        ensemble.verdict(AB, [{"x": 0.9, "y": 0.1}, {"x": 0.9, "z": 0.1}])
