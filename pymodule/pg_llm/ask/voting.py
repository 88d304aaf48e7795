"""The third stage: run the candidates, let a model mend what fails, and settle on a result by vote.

Votes are for results, not for texts: self-consistency (Wang et al. 2022).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pg_llm.ask import correction, coverage, execution, explanation, operations, sampling
from pg_llm.ask.candidates import Candidate, Proposal, comparable
from pg_llm.ask.context import Context, Scope
from pg_llm.ask.mention import LinkedQuestion
from pg_llm.ask.sampling import Samples
from pg_llm.ask.schema import Schema
from pg_llm.ask.writer import Writer
from pg_llm.database.connection import Connection
from pg_llm.database.select import Result
from pg_llm.errors import Error

# How many queries of the grammar are run.
_MOST_RUN = 6
_HIGHEST_CONFIDENCE = 0.99
# Above this confidence alternatives are no reason for doubt.
_CONFIDENT = 0.75
# How fast less likely candidates stop counting as disagreement; of two equally likely ones neither is confident.
_DISAGREEMENT_EXPONENT = 12
# The weight of an empty result of the grammar where a model has rows, or where it comes of a part of a value or of a
# count of related rows: both may be of the wrong table.
_EMPTY_WEIGHT = 0.55
_RISKY_CONDITION = re.compile(r"ilike '%|\(select (?:count|sum)\b", re.I)
# The share of right answers among those that the grammar is sure of: less than on the questions it was made with (.97).
_GRAMMAR_RELIABILITY = 0.8
# How much likelier a right query of a model's is to be doubted by its words than a wrong one, at the most.
_DOUBT_RATIO = 0.15


@dataclass(slots=True)
class Outcome:
    """The query chosen for a question, its result, confidence and explanation, and the reasons for doubt.

    `question` is the whole one that a follow-up stands for; `readings` are its phrases with their meanings, `choices`
    the readings to choose from where it is not certain which is meant.
    """

    sql: str | None
    confidence: float
    result: Result | None
    explanation: str
    doubt: str
    chinese: bool
    alternatives: list[dict[str, Any]] = field(default_factory=list)
    question: str = ""
    readings: list[tuple[str, str]] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    choices: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """Candidates with the same result; `own` is the confidence of taught SQL and the grammar, `model` a model's."""

    members: list[Candidate]
    own: float = 0.0
    model: float = 0.0
    votes: int = 0
    doubts: list[str] = field(default_factory=list)

    @property
    def confidence(self) -> float:
        """That of the surer source: as both read the same names, their errors are not independent."""
        return max(0.0, min(_HIGHEST_CONFIDENCE, max(self.own, self.model)))

    @property
    def best(self) -> Candidate:
        """The member to show: taught, else of the source that is surer."""
        of_model = self.model > self.own
        return max(
            self.members,
            key=lambda member: (
                member.source == "taught",
                (member.source == "model") == of_model,
                member.score,
                member.votes,
            ),
        )

    def holds(self, source: str) -> bool:
        """Whether a member is of this source."""
        return any(member.source == source for member in self.members)


NO_TABLE = "there is no table that you may read and that the question may be about"


def no_outcome(question: str, scope: Scope, reason: str) -> Outcome:
    """The outcome of a question that no query is looked for."""
    doubt = explanation.join(reason, scope.selection.exclusion_note)
    return Outcome(None, 0.0, None, "", doubt, False, question=question)


def settle(
    db: Connection, context: Context, scope: Scope, proposal: Proposal, writer: Writer | None, threshold: float
) -> Outcome:
    """Run the candidates and choose the best one; excluded tables and a model that failed are always told."""
    tried = _most_likely(proposal.candidates)
    execution.run(db, tried, scope)
    notes = [scope.selection.exclusion_note]
    samples = Samples(writer.samples if writer is not None else 0)
    if writer is not None:
        try:
            sampling.draw(
                db,
                context,
                scope,
                writer,
                samples,
                lambda: _is_decided(tried, samples, proposal, context.schema, writer, threshold),
            )
        except Error as error:
            wrote = "no more" if samples.candidates else "nothing"
            notes.append(f'the model "{writer.model.name}" wrote {wrote}: {error.message}')
    outcome = _vote([*samples.candidates, *tried], proposal, context.schema, writer, threshold, samples.left)
    outcome.explanation = explanation.join(outcome.explanation, *notes)
    outcome.doubt = explanation.join(outcome.doubt, *notes)
    outcome.assumptions = [*context.assumptions, *outcome.assumptions]
    outcome.question = context.question if context.before is None else f"{context.before.question} {context.question}"
    return outcome


def _is_decided(
    tried: Sequence[Candidate],
    samples: Samples,
    proposal: Proposal,
    schema: Schema,
    writer: Writer,
    threshold: float,
) -> bool:
    """True if nothing more that a model writes is likely to change what is answered.

    A taught query stands. A sure reading of the grammar needs one sample that confirms it, and no query is mended
    against it. A majority of the samples stands where its confidence suffices, and falls where its words are in doubt;
    else it must be out of reach.
    """
    everything = [*samples.candidates, *tried]
    groups = group_results(everything, proposal.linked, schema, writer, proposal.before, samples.left)
    if groups:
        _weigh_conflict(groups, threshold)
        best = max(groups, key=_rank)
        if best.own >= threshold:
            return best.holds("taught") or best.votes > 0 or not samples.left
        if best.confidence >= threshold:
            return not correction.problem(best.best)
    of_model = max(groups, key=lambda group: group.votes, default=Group([]))
    if 2 * of_model.votes > writer.samples and of_model.doubts:
        return True
    return 2 * (of_model.votes + samples.open_votes) <= writer.samples


def _most_likely(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates in order of their scores, those of the grammar last and not all of them."""
    ordered = sorted(candidates, key=lambda candidate: (-candidate.score, -candidate.votes))
    of_grammar = [candidate for candidate in ordered if candidate.source == "grammar"]
    return [candidate for candidate in ordered if candidate.source != "grammar"] + of_grammar[:_MOST_RUN]


def _vote(
    tried: Sequence[Candidate],
    proposal: Proposal,
    schema: Schema,
    writer: Writer | None,
    threshold: float,
    left: int,
) -> Outcome:
    """Choose the surest group of candidates with the same result; so many samples are not asked for."""
    linked = proposal.linked
    doubt = explanation.doubt(linked, proposal.reasons, tried)
    groups = group_results(tried, linked, schema, writer, proposal.before, left)
    if not groups:
        valid = (candidate.validated.sql for candidate in tried if candidate.validated is not None)
        return Outcome(next(valid, None), 0.0, None, "", doubt, linked.chinese)
    _weigh_conflict(groups, threshold)
    chosen, *others = sorted(groups, key=_rank, reverse=True)
    best = chosen.best
    assert best.result is not None
    assert best.validated is not None
    doubt = explanation.join(doubt, *(f"the model's query {each}" for each in chosen.doubts))
    read = explanation.readings(best, linked, schema)
    rivals = [group.best for group in others if group.own > 0 or group.votes > 1]
    alternatives = [_alternative(group) for group in others]
    if alternatives and chosen.confidence < _CONFIDENT:
        doubt = explanation.join(doubt, f"it may also mean: {alternatives[0]['sql']}")
    if not best.result.rows:
        doubt = explanation.join(doubt, "no rows match that reading")
    return Outcome(
        best.validated.sql,
        round(chosen.confidence, 3),
        best.result,
        _explain(best, chosen, sum(len(group.members) for group in groups), writer, left, read),
        doubt or "no reading is sure enough",
        linked.chinese,
        alternatives,
        readings=read,
        assumptions=explanation.assumptions(best, linked, schema),
        choices=explanation.choices([best, *rivals], linked, schema),
    )


def group_results(
    tried: Sequence[Candidate],
    linked: LinkedQuestion,
    schema: Schema,
    writer: Writer | None,
    before: str = "",
    left: int = 0,
) -> list[Group]:
    """Candidates that ran, grouped by their results, with the confidences of each source by itself.

    `before` is the question that a follow-up is about as well; so many samples are `left`, and not asked for.
    """
    successful = [candidate for candidate in tried if candidate.result is not None and candidate.validated is not None]
    by_result: dict[str | None, Group] = {}
    for candidate in successful:
        by_result.setdefault(candidate.fingerprint(), Group([])).members.append(candidate)
    own = [candidate for candidate in successful if candidate.source != "model"]
    for group in by_result.values():
        mine = [member for member in group.members if member.source != "model"]
        if mine:
            group.own = _own_confidence(mine, own)
        written = [member for member in group.members if member.source == "model"]
        if written and writer is not None:
            # Who names columns of the wrong tables is as likely to join the wrong ones in each sample.
            group.votes = sum(member.votes for member in written if not member.repaired) or 1
            group.model = writer.reliability.confidence(group.votes, writer.samples, left)
            group.doubts = min((_doubts(member, linked, schema, before) for member in written), key=len)
            group.model = _doubted(group.model) if group.doubts else group.model
    return list(by_result.values())


def _doubts(candidate: Candidate, linked: LinkedQuestion, schema: Schema, before: str) -> list[str]:
    """What the question states and the query does not read, and what it adds; a query without a table reads nothing."""
    if candidate.validated is not None and not candidate.validated.relations:
        return ["reads no table"]
    unread = coverage.unread_words(linked, schema, candidate.sql) + operations.missing(linked.question, candidate.sql)
    added = operations.unasked(linked, candidate.sql, before)
    added += [] if before else coverage.unasked_groups(linked, schema, candidate.sql)
    said = (("does not read", unread), ("adds what nothing asks for", added))
    return [f"{what}: {', '.join(words)}" for what, words in said if words]


def _doubted(confidence: float) -> float:
    """The confidence in a query whose words are in doubt, by Bayes' rule."""
    return confidence * _DOUBT_RATIO / (confidence * _DOUBT_RATIO + 1 - confidence)


def _weigh_conflict(groups: Sequence[Group], threshold: float) -> None:
    """Where the grammar and most of a model's samples are sure of different results, at most one of them is right.

    The posterior of each, given that they differ, by Bayes' rule on errors that are independent. Rows that are
    shown by other columns are no other result, and of an empty result and another one the empty one is likelier wrong.
    """
    model = max(groups, key=lambda group: group.model)
    rival = max(groups, key=lambda group: group.own)
    if rival is model or model.votes < 2 or model.doubts or rival.own < threshold or rival.holds("taught"):
        return
    if _may_be_same_rows(rival.best, model.best):
        return
    if _is_empty(rival.best) and not _is_empty(model.best):
        rival.own *= _EMPTY_WEIGHT
        return
    p, r = model.model, _GRAMMAR_RELIABILITY
    model.model = max(model.own, p * (1 - r) / (p * (1 - r) + 1 - p))
    # Relative to what the grammar's reliability is without a model.
    rival.own *= (1 - p) / (r * (1 - p) + 1 - r)


def _is_empty(candidate: Candidate) -> bool:
    """True if there are no rows, no values in them, or a single 0."""
    rows = candidate.result.rows if candidate.result else []
    return not rows or all(value is None for row in rows for value in row) or rows == [[0]]


def _may_be_same_rows(one: Candidate, other: Candidate) -> bool:
    """True if both may show the same rows by other columns: one column is equal, or rows are as many and distinct."""
    if one.result is None or other.result is None or len(one.result.rows) != len(other.result.rows):
        return False
    columns, others = (
        [tuple(sorted(map(comparable, column))) for column in zip(*rows, strict=True)]
        for rows in (one.result.rows, other.result.rows)
    )
    several = len(one.result.rows) > 1
    if set(columns) & set(others):
        return several or len(columns) != len(others)
    return several and all(
        len({tuple(map(comparable, row)) for row in rows}) == len(rows) for rows in (one.result.rows, other.result.rows)
    )


def _rank(group: Group) -> tuple[bool, float]:
    """Taught SQL first, as a person said that it is right; then by confidence."""
    return group.holds("taught"), group.confidence


def _alternative(group: Group) -> dict[str, Any]:
    assert group.best.validated is not None
    return {"sql": group.best.validated.sql, "confidence": round(group.confidence, 3)}


def _own_confidence(group: Sequence[Candidate], successful: Sequence[Candidate]) -> float:
    """The score of the group's best member, reduced by candidates of similar score that disagree."""
    score = max(candidate.score for candidate in group)
    agreeing = _weight(group, score) or 1.0
    disagreeing = _weight([candidate for candidate in successful if candidate not in group], score)
    share = 1.0 if any(candidate.source == "taught" for candidate in group) else agreeing / (agreeing + disagreeing)
    risky = (each.source == "grammar" and _is_empty(each) and _RISKY_CONDITION.search(each.sql) for each in group)
    return score * share * (_EMPTY_WEIGHT if all(risky) else 1.0)


def _weight(candidates: Iterable[Candidate], score: float) -> float:
    """The total weight of votes; it falls steeply below the score, so that unlikely candidates hardly count."""
    return sum((candidate.score / score) ** _DISAGREEMENT_EXPONENT for candidate in candidates)


def _explain(
    best: Candidate, chosen: Group, total: int, writer: Writer | None, left: int, read: Sequence[tuple[str, str]]
) -> str:
    if best.source == "taught":
        return "as chosen" if best.interpretation is not None else "as taught by llm_teach()"
    agreement = f"{len(chosen.members)} of {total} queries tried agree" if total > 1 else ""
    source = ""
    if chosen.votes and writer is not None:
        known = "measured" if writer.reliability.measured else "assumed, llm_calibrate_ask() measures it"
        said = f'{chosen.votes} of {writer.samples - left} samples of the model "{writer.model.name}"'
        source = f"{said} agree on this result (confidence {known})"
    return explanation.join(source, *(f"“{phrase}” read as {meaning}" for phrase, meaning in read), agreement)
