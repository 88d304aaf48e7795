from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.training.metrics import ClassificationMetrics
from sklearn.metrics import precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

LABELS = ["a", "b", "c"]
_SETS = st.lists(st.tuples(*[st.sets(st.sampled_from(LABELS))] * 2), min_size=1, max_size=20)


@given(_SETS)
def test_equals_scikit_learn(rows: list[tuple[set[str], set[str]]]) -> None:
    measures = ClassificationMetrics()
    for true, said in rows:
        measures.add([(label,) for label in true], [(label,) for label in said])
    seen = sorted(set().union(*(true | said for true, said in rows)))
    if not seen:
        assert [row["support"] for row in measures.rows()] == [0, 0, 0]
        return
    to_matrix = MultiLabelBinarizer(classes=LABELS)
    true, said = (to_matrix.fit_transform([row[side] for row in rows]) for side in (0, 1))
    among = {"labels": [LABELS.index(label) for label in seen], "zero_division": 0}
    found = {row["label"]: row for row in measures.rows()}
    each = precision_recall_fscore_support(true, said, **among)
    for column, label in enumerate(seen):
        row = found[label]
        assert [row[name] for name in ("precision", "recall", "f1", "support")] == pytest.approx(
            [part[column] for part in each]
        )
    for average in ("micro", "macro", "weighted"):
        expected = precision_recall_fscore_support(true, said, average=average, **among)[:3]
        row = found[f"{average} avg"]
        assert [row[name] for name in ("precision", "recall", "f1")] == pytest.approx(list(expected))


def test_an_entity_counts_only_if_all_of_it_agrees() -> None:
    measures = ClassificationMetrics()
    measures.add([("PER", 0, 5), ("LOC", 9, 12)], [("PER", 0, 5), ("LOC", 9, 13), ("ORG", 9, 12)])
    micro = measures.rows()[-3]
    assert (micro["precision"], micro["recall"], micro["support"]) == (pytest.approx(1 / 3), 0.5, 2)


@given(_SETS)
def test_the_baseline_is_the_best_constant_answer(rows: list[tuple[set[str], set[str]]]) -> None:
    measures = ClassificationMetrics()
    for true, said in rows:
        measures.add([(label,) for label in true], [(label,) for label in said])
    single = all(len(true) == 1 for true, _ in rows)
    best = 0.0
    for answer in (set(some) for size in range(4) for some in itertools.combinations(LABELS, size)):
        constant = ClassificationMetrics()
        for true, _ in rows:
            constant.add([(label,) for label in true], [(label,) for label in answer])
        if len(answer) == 1 or not single:
            best = max(best, constant.summary()["micro_f1"])
    assert measures.summary()["baseline_f1"] == pytest.approx(best)


def test_of_spans_there_is_no_constant_answer() -> None:
    measures = ClassificationMetrics()
    measures.add([("PER", 0, 5)], [])
    measures.add([], [])
    assert measures.summary()["baseline_f1"] == 0


@given(_SETS, st.booleans())
def test_counts_make_the_same_metrics(rows: list[tuple[set[str], set[str]]], several: bool) -> None:
    measures = ClassificationMetrics()
    for true, said in rows:
        measures.add([(label,) for label in true], [(label,) for label in said])
    again = ClassificationMetrics.of_counts(LABELS, measures.counts(LABELS), several)
    for name in ("micro_f1", "weighted_f1"):
        assert again.summary()[name] == pytest.approx(measures.summary()[name])


def test_noise_makes_no_count_negative() -> None:
    told = ClassificationMetrics.of_counts(["a"], [-3, 2, -1, -5], False).summary()
    assert told == {"micro_f1": 0, "macro_f1": 0, "weighted_f1": 0, "baseline_f1": 1}
    told = ClassificationMetrics.of_counts(["a"], [-3, -2, -1, -5], True).summary()
    assert set(told.values()) == {0}
