"""Say how a question was read: which words became what, what was assumed, why there is doubt, what to choose from."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm.ask import metrics, operations
from pg_llm.ask.candidates import Candidate
from pg_llm.ask.mention import LinkedQuestion, Mention
from pg_llm.ask.schema import Schema

# The phrase of a question with its meaning.
Reading = tuple[str, str]
# How far below the best interpretation another one may be and still be offered.
_LEAST_DISTANCE = 0.1
_MOST_CHOICES = 3


def join(*reasons: str) -> str:
    """The reasons that there are, each once."""
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def readings(candidate: Candidate, linked: LinkedQuestion, schema: Schema) -> list[Reading]:
    """Which phrases of the question became what, in its order: names and values, operations, and periods."""
    if candidate.interpretation is not None:
        found = dict(candidate.interpretation.readings)
    else:
        found = {phrase: metric.sql for phrase, metric in _named_metrics(candidate, linked, schema)}
        for mention in linked.mentions:
            meaning = _meaning(mention, schema, candidate.sql)
            if meaning:
                found.setdefault(_phrase(mention, linked), meaning)
    for phrase, meaning in (*operations.done(linked.question, candidate.sql), *_periods(candidate, linked)):
        found.setdefault(phrase, meaning)
    question = linked.question.lower()
    return sorted(found.items(), key=lambda pair: question.find(pair[0].lower()))


def _periods(candidate: Candidate, linked: LinkedQuestion) -> Iterator[Reading]:
    """The periods whose first or last day the SQL compares with."""
    for anchor in linked.anchors:
        if anchor.kind == "period" and anchor.period is not None:
            first, after = anchor.period.begin, anchor.period.end
            if any(day is not None and day.isoformat() in candidate.sql for day in (first, after)):
                last = None if after is None else after - datetime.timedelta(days=1)
                yield anchor.text, " ".join(f"{word} {day}" for word, day in (("from", first), ("to", last)) if day)


def assumptions(candidate: Candidate, linked: LinkedQuestion, schema: Schema) -> list[str]:
    """What the reading takes for granted, in short sentences."""
    said = list(candidate.interpretation.assumptions) if candidate.interpretation is not None else []
    said += [
        f"{anchor.text} = {meaning}"
        for anchor in linked.anchors
        for phrase, meaning in _periods(candidate, linked)
        if anchor.period is not None and anchor.period.relative and anchor.text == phrase
    ]
    said += [f"{phrase} = {metric.sql}" for phrase, metric in _named_metrics(candidate, linked, schema)]
    read = candidate.validated.relations if candidate.validated is not None else []
    # Where all are strangers' none of them stands out.
    if any(table.trusted for table in schema.tables):
        strangers = (table for table in schema.tables if table.oid in read and not table.trusted)
        said += [f'{table.sql} is a table of "{table.owner}"' for table in strangers]
    return list(dict.fromkeys(said))


def _named_metrics(candidate: Candidate, linked: LinkedQuestion, schema: Schema) -> Iterator[tuple[str, Any]]:
    """The metrics that the question names and whose columns the SQL reads."""
    text = candidate.sql.lower()
    for metric in schema.metrics:
        phrase = metrics.named_in(metric.phrases, linked.question)
        names = [schema.column(ref).name.lower() for ref in metric.refs] or [metric.sql.lower()]
        if phrase is not None and all(name in text for name in names):
            yield phrase, metric


def _phrase(mention: Mention, linked: LinkedQuestion) -> str:
    between = "" if linked.chinese else " "
    return between.join(token.text for token in linked.tokens[mention.start : mention.end])


def _meaning(mention: Mention, schema: Schema, sql: str) -> str:
    """The table, column or value that a mention names, where the SQL holds it; else empty."""
    if mention.kind == "value":
        for match in mention.value_matches:
            if match.value in sql and schema.column(match.ref).name in sql:
                return f"{schema.tables[match.ref[0]].sql}.{schema.column(match.ref).sql} = '{match.value}'"
    if mention.kind == "element" and mention.refs:
        ref = mention.refs[0][0]
        table = schema.tables[ref[0]].sql
        column = "" if ref[1] < 0 else schema.column(ref).sql
        if (column or table) in sql:
            return f"{table}.{column}" if column else table
    return ""


def doubt(linked: LinkedQuestion, reasons: Sequence[str], tried: Sequence[Candidate]) -> str:
    """Why no reading may be the right one."""
    parts = []
    if linked.unlinked:
        parts.append("not understood: " + ", ".join(dict.fromkeys(linked.unlinked)))
    written = [candidate for candidate in tried if candidate.source == "model"]
    if not written and _is_foreign(linked):
        parts.append("without a language model questions are read in English and Chinese only")
    elif all(candidate.result is None for candidate in tried):
        parts += reasons[:2]
        parts += list(dict.fromkeys(candidate.failure for candidate in tried if candidate.failure))[:2]
    if written and all(candidate.result is None for candidate in written):
        parts.append(f"what the model wrote was not run: {written[0].failure}")
    return "; ".join(parts)


def _is_foreign(linked: LinkedQuestion) -> bool:
    """True for a question of whose words most are unknown: it is likely to be in another language."""
    return 2 * len(linked.unlinked) > sum(token.text[:1].isalpha() for token in linked.tokens)


def choices(candidates: Sequence[Candidate], linked: LinkedQuestion, schema: Schema) -> list[dict[str, Any]]:
    """Two or three readings with different results to choose from, the best one first; none where they differ in more.

    Those of the grammar may differ in one phrase only; where a model and the grammar disagree, each is a choice.
    """
    best, *others = candidates
    near = [other for other in others if other.source != best.source or _differs_in_phrase(other, best)]
    offered = [best, *near][:_MOST_CHOICES]
    if len(offered) < 2:
        return []
    phrases = {each.interpretation.choice[0] for each in near if each.interpretation and each.interpretation.choice}
    if len(phrases) > 1:
        return []
    phrase = next(iter(phrases), None)
    return [_choice(candidate, phrase, linked, schema) for candidate in offered]


def _differs_in_phrase(other: Candidate, best: Candidate) -> bool:
    if other.interpretation is None or best.interpretation is None or other.interpretation.choice is None:
        return False
    return other.score >= best.score - _LEAST_DISTANCE


def _choice(candidate: Candidate, phrase: str | None, linked: LinkedQuestion, schema: Schema) -> dict[str, Any]:
    assert candidate.validated is not None
    found = readings(candidate, linked, schema)
    meaning = dict(found).get(phrase) if phrase else "; ".join(f"{said}: {meant}" for said, meant in found)
    if candidate.interpretation is not None and candidate.interpretation.choice is not None:
        meaning = candidate.interpretation.choice[1]
    return {"phrase": phrase, "meaning": meaning, "sql": candidate.validated.sql}
