"""Interpretations of a question: SQL with its score, and what each phrase was read as."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pg_llm.ask.grammar.clause import Misfit
from pg_llm.ask.grammar.composition import compose
from pg_llm.ask.grammar.joins import Unwritable
from pg_llm.ask.grammar.logical_form import Column, Form
from pg_llm.ask.grammar.sql_writer import write
from pg_llm.ask.linking import operators
from pg_llm.ask.linking.cover import Cover, covers
from pg_llm.ask.linking.tokenizer import Token
from pg_llm.ask.mention import Anchor, LinkedQuestion
from pg_llm.ask.schema import Schema

_HIGHEST_SCORE = 0.95
# What a predicate follows: are used, in use, on hold.
_COPULAS = {"be", "in", "on"}
_INTERROGATIVES = {"who", "what", "which", "whose", "whom", "how"}
_MOST = 12
# How much each unit of a join that the question does not name costs, and of a cover's cost beyond the cheapest.
_JOIN_PENALTY, _COVER_PENALTY = 0.06, 0.12
# Joins that cost less than this more are no reason to prefer another reading.
_JOIN_MARGIN = 0.5


@dataclass(frozen=True, slots=True)
class Interpretation:
    """A query with its score, from 0 to 1; `readings` are phrases of the question with their meanings.

    `choice` is the phrase, with its meaning, by which alone this differs from the best interpretation.
    """

    sql: str
    score: float
    readings: Sequence[tuple[str, str]]
    assumptions: Sequence[str] = ()
    choice: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The interpretations of a question, best first; where there are none, why."""

    interpretations: Sequence[Interpretation]
    reasons: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    sql: str
    score: float
    joins: float
    cover: Cover
    form: Form
    # The kinds of what each span is read as, and how surely.
    signature: object


def interpret(linked: LinkedQuestion, schema: Schema) -> Reading:
    """All interpretations in which every content word is accounted for."""
    tokens = linked.tokens
    found_by_sql: dict[str, _Found] = {}
    reasons: dict[str, None] = {}
    for cover in covers(tokens, linked.anchors):
        try:
            form = compose(cover.anchors, tokens, schema)
            left = [n for n in unaccounted(tokens, cover, form) if not _relates(n, tokens, cover, schema)]
            if left:
                if not {tokens[n].text for n in left} <= set(linked.unlinked):
                    reasons["not understood: " + ", ".join(tokens[n].text for n in left)] = None
                continue
            check_fixed(form)
            sql, joins = write(form, schema)
        except (Misfit, Unwritable) as reason:
            reasons[str(reason)] = None
            continue
        score = _HIGHEST_SCORE * _certainty(cover) * form.plausibility
        score *= math.exp(-_JOIN_PENALTY * joins - _COVER_PENALTY * cover.cost)
        signature = tuple((one.kind, one.start, one.end, round(one.score, 2)) for one in cover.anchors)
        if sql not in found_by_sql or found_by_sql[sql].score < score:
            found_by_sql[sql] = _Found(sql, score, joins, cover, form, signature)
    ordered = sorted(_nearest(found_by_sql.values()), key=lambda one: -one.score)[:_MOST]
    return Reading(_interpretations(ordered, schema), list(reasons))


def check_fixed(form: Form) -> None:
    """Raise Misfit where all that is shown is what the question says itself, and for groups of one value."""
    fixed = {
        condition.term.ref
        for condition in form.where
        if isinstance(condition.term, Column)
        and (condition.op == "true" or (condition.op == "in" and len(condition.values) == 1))
    }
    if any(isinstance(term, Column) and term.ref in fixed for term in form.group):
        # By excused and unexcused is no condition.
        raise Misfit("groups of one value")
    if all(isinstance(term, Column) and term.ref in fixed for term in form.select):
        raise Misfit("it would show only what the question says")


def unaccounted(tokens: Sequence[Token], cover: Cover, form: Form) -> list[int]:
    """The indexes of content words that no part of the form comes of."""
    content = [anchor for anchor in cover.anchors if not anchor.is_empty]
    last = max((anchor.start for anchor in content), default=0)
    empty = {n for anchor in cover.anchors if anchor not in content for n in anchor.words}
    # A second interrogative asks for something: who of "and who wrote it" is no empty word.
    asked = {n for n in empty if n > 1 and tokens[n].text.lower() in _INTERROGATIVES}
    empty -= {n for n in asked if n > last or (tokens[n - 2].text, tokens[n].text) == ("and", "which")}
    # A verb that a question ends with is what it says of the rows: which rooms are taken, which are in use.
    said = operators.SUPPORT - operators.EXISTENCE
    empty -= {n for n in range(last + 1, len(tokens)) if tokens[n].stem in said and tokens[n - 1].stem in _COPULAS}
    return [n for n in range(len(tokens)) if n not in form.words() and n not in empty]


def _relates(place: int, tokens: Sequence[Token], cover: Cover, schema: Schema) -> bool:
    """True for a verb that says no more than that rows of two tables named beside it are related, or which are."""
    if place not in cover.uncovered or tokens[place].stem not in operators.RELATIONS:
        return False
    named = [anchor for anchor in cover.anchors if anchor.ref is not None]
    if all(anchor.kind == "value" for anchor in named):
        # How many electronics we sold is no number of products.
        return False
    if len({anchor.ref[0] for anchor in named if anchor.ref}) > 1:
        return True
    ended = tokens[place - 1].stem in _COPULAS and not any(a.start > place and not a.is_empty for a in cover.anchors)
    return any(anchor.end <= place for anchor in named) and not ended


def _certainty(cover: Cover) -> float:
    """The score of the least certain name or value."""
    return min((anchor.score for anchor in cover.anchors), default=1.0)


def _readings(cover: Cover, form: Form, schema: Schema) -> list[tuple[str, str]]:
    """What names, values and adjectives of the question were read as."""
    found = ((anchor.text, _meaning(anchor, form, schema)) for anchor in cover.anchors if not anchor.is_empty)
    return [(phrase, meaning) for phrase, meaning in found if meaning]


def _meaning(anchor: Anchor, form: Form, schema: Schema) -> str:
    if anchor.kind == "metric":
        return schema.metrics[int(anchor.number)].sql
    ref = anchor.ref
    if ref is None and anchor.meaning[1:] and anchor.meaning[1] in operators.ATTRIBUTES:
        said = [(part.words, part.term) for part in form.where]
        said += [(form.order[0].words, form.order[0])] if form.order else []
        ref = next((term.ref for held, term in said if isinstance(term, Column) and anchor.words <= held), None)
    if ref is None:
        return ""
    table = schema.tables[ref[0]].sql
    name = table if ref[1] < 0 else f"{table}.{schema.column(ref).sql}"
    return f"{name} = '{anchor.text}'" if anchor.kind == "value" else name


def _nearest(found: Collection[_Found]) -> list[_Found]:
    """Those that no other one beats which reads the same words as surely and needs fewer joins."""
    least: dict[object, float] = {}
    for one in found:
        least[one.signature] = min(one.joins, least.get(one.signature, one.joins))
    return [one for one in found if one.joins <= least[one.signature] + _JOIN_MARGIN]


def _interpretations(ordered: Sequence[_Found], schema: Schema) -> list[Interpretation]:
    """The interpretations, each with the one anchor by which it differs from the best."""
    made = []
    for one in ordered:
        different = [anchor for anchor in one.cover.anchors if anchor not in ordered[0].cover.anchors]
        choice = (different[0].text, _meaning(different[0], one.form, schema)) if len(different) == 1 else None
        readings, assumptions = _readings(one.cover, one.form, schema), tuple(one.form.assumptions)
        made.append(Interpretation(one.sql, round(one.score, 3), readings, assumptions, choice))
    return made
