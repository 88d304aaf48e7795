"""Evidence counterfactual: the fewest words without which a text has another label (SEDC, Martens and Provost 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pg_llm.arguments import Label
from pg_llm.classify import scoring
from pg_llm.classify.scoring import Classifier, Scores
from pg_llm.database.connection import Connection
from pg_llm.explain import occlusion, words
from pg_llm.explain.words import Span

# Words that are left out at most: without half of them a text is another one.
_MOST_WORDS = 30


class Counterfactual(NamedTuple):
    """A word that was left out, with its place from 1, the end excluded; and the text without all of them."""

    token: str
    start_pos: int
    end_pos: int
    before: str
    after: str
    changed: str


def counterfactual(
    db: Connection, input: str | None, model: str | None, labels: Sequence[Label] | None
) -> list[Counterfactual]:
    """The words to leave out, in their order; none where the label stays without half of the words."""
    classifier = scoring.Classifier(db, model, scoring.Candidates(labels), multi_label=False)
    if input is None or scoring.is_blank(input):
        return []
    units = words.grouped(words.spans(input), occlusion.MOST_UNITS)
    whole, *others = _scores(classifier, [input, *(occlusion.without(input, [unit]) for unit in units)])
    before = scoring.best(whole)
    # The word without which the label is least likely first.
    ordered = [unit for _, unit in sorted(zip((each[before] for each in others), units, strict=True))]
    prefixes = [sorted(ordered[:size]) for size in range(1, min(_MOST_WORDS, len(units) // 2) + 1)]
    answers = _scores(classifier, [occlusion.without(input, left_out) for left_out in prefixes])
    turned = [left_out for left_out, each in zip(prefixes, answers, strict=True) if scoring.best(each) != before]
    if not turned:
        return []
    left_out = _pruned(classifier, input, turned[0], before, ordered)
    changed = occlusion.without(input, left_out)
    (after,) = _scores(classifier, [changed])
    return [
        Counterfactual(input[start:end], start + 1, end + 1, before, scoring.best(after), changed)
        for start, end in left_out
    ]


def _pruned(
    classifier: Classifier, text: str, left_out: list[Span], before: str, ordered: Sequence[Span]
) -> list[Span]:
    """As few of the words as still turn the label: each is put back that need not be left out, the weakest first."""
    for unit in reversed([unit for unit in ordered if unit in left_out]):
        fewer = [other for other in left_out if other != unit]
        if fewer and scoring.best(_scores(classifier, [occlusion.without(text, fewer)])[0]) != before:
            left_out = fewer
    return left_out


def _scores(classifier: Classifier, texts: Sequence[str]) -> list[Scores]:
    return [scores or {} for scores in classifier.scores(texts)]
