"""Validate and run candidate queries, vote by their results, and raise confidence where independent sources agree.

Agreement of independently made answers is self-consistency (Wang et al. 2022), here of queries by their results.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pg_llm.ask import schema_reader
from pg_llm.ask.candidates import Candidate, Proposal
from pg_llm.ask.context import Context
from pg_llm.ask.mention import LinkedQuestion
from pg_llm.ask.schema import Schema
from pg_llm.database import sandbox, table_access
from pg_llm.database.connection import Connection
from pg_llm.database.sandbox import Refused, ValidatedQuery
from pg_llm.database.select import Result

# How many queries of the grammar are run, and the total time of all as a multiple of the limit for one.
_MOST_RUN = 6
_TOTAL_TIME = 2.0
# The score of a result that generated SQL shares with another source, and the weight of an empty result.
_AGREEMENT_SCORE = 0.85
_EMPTY_WEIGHT = 0.55
_HIGHEST_CONFIDENCE = 0.99
# Above this confidence alternatives are no reason for doubt.
_CONFIDENT = 0.75
# How fast less likely candidates stop counting as disagreement; of two equally likely ones neither is confident.
_DISAGREEMENT_EXPONENT = 12


@dataclass(slots=True)
class Outcome:
    """The query chosen for a question, its result, confidence and explanation, and the reasons for doubt."""

    sql: str | None
    confidence: float
    result: Result | None
    explanation: str
    doubt: str
    chinese: bool
    alternatives: list[dict[str, Any]] = field(default_factory=list)


def no_outcome(context: Context) -> Outcome:
    """The outcome of a question that there are no tables for."""
    nothing = "there is no table that you may read and that the question may be about"
    return Outcome(None, 0.0, None, "", _join_reasons(nothing, context.selection.exclusion_note), False)


def settle(db: Connection, context: Context, proposal: Proposal) -> Outcome:
    """Run the candidates and choose the best one; the tables that were excluded are a reason for doubt."""
    tried = _most_likely(proposal.candidates)
    _validate_and_run(db, tried, context)
    outcome = _vote(tried, proposal, context.schema)
    note = context.selection.exclusion_note
    outcome.explanation = _join_reasons(outcome.explanation, note)
    outcome.doubt = _join_reasons(outcome.doubt, note)
    return outcome


def _join_reasons(*reasons: str) -> str:
    return "; ".join(filter(None, reasons))


def _most_likely(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates in order of their scores, those of the grammar last and not all of them."""
    ordered = sorted(candidates, key=lambda candidate: -candidate.score)
    of_grammar = [candidate for candidate in ordered if candidate.source == "grammar"]
    return [candidate for candidate in ordered if candidate.source != "grammar"] + of_grammar[:_MOST_RUN]


def _validate_and_run(db: Connection, candidates: Sequence[Candidate], context: Context) -> None:
    """Run the candidates in order; duplicates share one result, and those that may not be run have a failure."""
    limits = sandbox.limits(db)
    deadline = time.monotonic() + _TOTAL_TIME * limits.seconds
    first_of: dict[str, Candidate] = {}
    checked = sandbox.check(db, [candidate.sql for candidate in candidates], context.path)
    for candidate, query in zip(candidates, checked, strict=True):
        if isinstance(query, Refused):
            candidate.failure = str(query)
            continue
        candidate.failure = _forbidden(db, query, context)
        if candidate.failure:
            continue
        candidate.validated = query
        same = first_of.setdefault(query.qualified, candidate)
        if same is not candidate:
            candidate.result, candidate.failure = same.result, same.failure
        elif time.monotonic() > deadline:
            candidate.failure = "other readings took all the time"
        else:
            _run(db, candidate, query, limits, context.selection.role)


def _forbidden(db: Connection, query: ValidatedQuery, context: Context) -> str:
    """Why a query may not be run; empty if it may.

    If no tables were named, other tables may be read unless they run code that the caller cannot trust.
    """
    if context.tables is not None:
        inside = set(query.relations) <= set(context.tables)
        return "" if inside else "the SQL reads other tables than those named"
    others = [oid for oid in query.relations if oid not in context.selection.oids]
    return schema_reader.exclusion_note(db, schema_reader.untrusted(db, others))


def _run(db: Connection, candidate: Candidate, query: ValidatedQuery, limits: sandbox.QueryLimits, role: int) -> None:
    try:
        candidate.result = table_access.as_role(db, role, partial(sandbox.run, db, query, limits))
    except Refused as refused:
        candidate.failure = str(refused)


def _vote(tried: Sequence[Candidate], proposal: Proposal, schema: Schema) -> Outcome:
    """Group candidates by their results, and choose the best one of the best group."""
    linked = proposal.linked
    doubt = _explain_doubt(linked, proposal.reasons, tried)
    successful = [candidate for candidate in tried if candidate.result is not None and candidate.validated is not None]
    if not successful:
        valid = (candidate.validated.sql for candidate in tried if candidate.validated is not None)
        return Outcome(next(valid, None), 0.0, None, "", doubt, linked.chinese)
    groups: dict[str | None, list[Candidate]] = {}
    for candidate in successful:
        groups.setdefault(candidate.fingerprint(), []).append(candidate)
    ranked = sorted(
        ((_confidence(group, successful), group) for group in groups.values()),
        key=lambda pair: -_group_rank(pair[1], pair[0]),
    )
    confidence, group = ranked[0]
    confidence = _clamp(confidence)
    best = max(group, key=lambda candidate: (candidate.source == "taught", candidate.score))
    assert best.result is not None
    assert best.validated is not None
    alternatives = [_alternative(members, other_confidence) for other_confidence, members in ranked[1:]]
    if alternatives and confidence < _CONFIDENT:
        doubt = _join_reasons(doubt, f"it may also mean: {alternatives[0]['sql']}")
    if not best.result.rows:
        doubt = _join_reasons(doubt, "no rows match that reading")
    return Outcome(
        best.validated.sql,
        round(confidence, 3),
        best.result,
        _explain(linked, schema, best, len(group), len(successful)),
        doubt or "no reading is sure enough",
        linked.chinese,
        alternatives,
    )


def _alternative(group: Sequence[Candidate], confidence: float) -> dict[str, Any]:
    best = max(group, key=lambda candidate: candidate.score)
    assert best.validated is not None
    return {"sql": best.validated.sql, "confidence": round(_clamp(confidence), 3)}


def _clamp(confidence: float) -> float:
    return max(0.0, min(_HIGHEST_CONFIDENCE, confidence))


def _group_rank(group: Sequence[Candidate], confidence: float) -> float:
    """The score of the best member; agreement only breaks ties, as it raises confidence, not likelihood."""
    return max(candidate.score for candidate in group) * _result_weight(group) + 0.1 * confidence


def _result_weight(group: Sequence[Candidate]) -> float:
    return _EMPTY_WEIGHT if all(map(_is_empty, group)) else 1.0


def _is_empty(candidate: Candidate) -> bool:
    """True if there are no rows, or no values in them; a taught query may well have an empty result."""
    if candidate.source == "taught":
        return False
    rows = candidate.result.rows if candidate.result else []
    return not rows or all(value is None for row in rows for value in row) or rows == [[0]]


def _confidence(group: Sequence[Candidate], successful: Sequence[Candidate]) -> float:
    """The score of the group's best member, reduced by candidates of similar score that disagree."""
    score = max(candidate.score for candidate in group)
    sources = {candidate.source for candidate in group}
    if "model" in sources and len(sources) > 1:
        score = max(score, _AGREEMENT_SCORE)
    elif sources == {"model"}:
        score = min(0.7, score + 0.1 * (len(group) - 1))
    agreeing = _weight(group, score) or 1.0
    disagreeing = _weight([candidate for candidate in successful if candidate not in group], score)
    share = agreeing / (agreeing + disagreeing) if "taught" not in sources else 1.0
    return score * share * _result_weight(group)


def _weight(candidates: Iterable[Candidate], score: float) -> float:
    """The total weight of votes; it falls steeply below the score, so that unlikely candidates hardly count."""
    likely = (candidate.score / score for candidate in candidates if candidate.source != "model")
    return sum(ratio**_DISAGREEMENT_EXPONENT for ratio in likely)


def _explain(linked: LinkedQuestion, schema: Schema, best: Candidate, agree: int, total: int) -> str:
    if best.source == "taught":
        return "as taught by llm_teach()"
    mappings = []
    for mention in linked.mentions:
        if mention.kind == "element" and mention.refs:
            ref = mention.refs[0][0]
            table = schema.tables[ref[0]].sql
            column = "" if ref[1] < 0 else schema.column(ref).sql
            if (column or table) in best.sql:
                mappings.append(f"“{mention.normalized}” read as {table}{'.' if column else ''}{column}")
    agreement = f"{agree} of {total} queries tried agree" if total > 1 else ""
    source = "written by the model" if best.source == "model" else ""
    return _join_reasons(source, *dict.fromkeys(mappings), agreement)


def _explain_doubt(linked: LinkedQuestion, reasons: Sequence[str], tried: Sequence[Candidate]) -> str:
    parts = []
    if linked.unlinked:
        parts.append("not understood: " + ", ".join(dict.fromkeys(linked.unlinked)))
    if all(candidate.result is None for candidate in tried):
        parts += reasons[:2]
        parts += list(dict.fromkeys(candidate.failure for candidate in tried if candidate.failure))[:2]
    return "; ".join(parts)
