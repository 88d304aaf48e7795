"""Every content word is accounted for: a query that lacks a condition is not one of the question."""

from __future__ import annotations

from dataclasses import replace

import pytest
import shop_questions as shop
from pg_llm.ask.grammar import composition, synthesis
from pg_llm.ask.grammar.clause import Misfit
from pg_llm.ask.grammar.logical_form import Condition, Form, Related, Share, Term
from pg_llm.ask.linking.cover import covers
from shop_questions import FORMS

QUESTIONS = [question for form in FORMS.values() for questions in form.values() for question in questions]


def without_conditions(form: Form) -> list[Form]:
    """The form without each of its conditions, those of subqueries too."""
    shorter = [replace(form, where=form.where[:n] + form.where[n + 1 :]) for n in range(len(form.where))]
    shorter += [replace(form, having=form.having[:n] + form.having[n + 1 :]) for n in range(len(form.having))]
    for n, condition in enumerate(form.where):
        shorter += [replace(form, where=[*form.where[:n], one, *form.where[n + 1 :]]) for one in _thinned(condition)]
    for n, term in enumerate(form.select):
        shorter += [replace(form, select=[*form.select[:n], one, *form.select[n + 1 :]]) for one in _thinned_term(term)]
    if form.divisor is not None:
        shorter += [replace(form, divisor=each) for each in without_conditions(form.divisor)]
    return shorter


def _thinned(condition: Condition) -> list[Condition]:
    parts = condition.inner
    thinned = [replace(condition, inner=parts[:n] + parts[n + 1 :]) for n in range(len(parts))]
    if condition.term is not None:
        thinned += [replace(condition, term=term) for term in _thinned_term(condition.term)]
    return thinned


def _thinned_term(term: Term) -> list[Term]:
    if not isinstance(term, Related | Share):
        return []
    parts = term.conditions
    return [replace(term, conditions=parts[:n] + parts[n + 1 :]) for n in range(len(parts))]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_query_without_one_of_its_conditions_leaves_words_over(question: str) -> None:
    market = shop.schema()
    linked = shop.linked(question, market)
    read = 0
    for cover in covers(linked.tokens, linked.anchors):
        try:
            form = composition.compose(cover.anchors, linked.tokens, market)
        except Misfit:
            continue
        if synthesis.unaccounted(linked.tokens, cover, form):
            continue
        read += 1
        for shorter in without_conditions(form):
            if not _is_implied(form, shorter):
                assert synthesis.unaccounted(linked.tokens, cover, shorter), (form, shorter)
    assert read


def _is_implied(form: Form, shorter: Form) -> bool:
    """True where only the existence of rows was dropped that the order, or a mention, implies too."""
    dropped = [condition for condition in form.where if condition not in shorter.where]
    return len(dropped) == 1 and dropped[0].op in ("exists", "null") and not dropped[0].words
