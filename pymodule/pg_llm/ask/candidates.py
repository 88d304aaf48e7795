"""Collect candidate queries from every source, validate and run them, and raise confidence where results agree.

Agreement of independently made queries by their results is self-consistency (Wang et al. 2022), here by execution.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pg_llm.ask import name_embeddings, prompt, schema_reader, taught_examples, value_lookup
from pg_llm.ask.grammar import synthesis
from pg_llm.ask.mention import LinkedQuestion, ValueMatch
from pg_llm.ask.schema import Schema
from pg_llm.ask.schema_reader import TableSelection
from pg_llm.database import models, sandbox, table_access
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.database.sandbox import Refused, ValidatedQuery
from pg_llm.database.select import Result

# How many queries are run per question, and their total time as a multiple of the limit for one.
_MOST_RUN = 6
_TOTAL_TIME = 2.0
# The similarity that a taught question must have, and the scores of its SQL, unchanged and adapted.
_LEAST_SIMILARITY, _SAME_SCORE, _ADAPTED_SCORE = 0.6, 0.99, 0.9
_MOST_TAUGHT = 3
# The score of generated SQL, alone and if another source agrees.
_GENERATED_SCORE, _AGREEMENT_SCORE = 0.45, 0.85
_TEMPERATURES = (0.0, 0.6)
_MOST_TOKENS = 160
_EMPTY_WEIGHT = 0.55
# How fast less likely candidates stop counting as disagreement; of two equally likely ones neither is confident.
_DISAGREEMENT_EXPONENT = 12


@dataclass(slots=True)
class Candidate:
    """A candidate query, its score from 0 to 1 before it is run, and what running it gave."""

    sql: str
    score: float
    source: str
    checked: ValidatedQuery | None = None
    result: Result | None = None
    failure: str = ""

    def fingerprint(self) -> str | None:
        """A key that is equal for equal results, whatever the order of rows."""
        if self.result is None:
            return None
        return json.dumps(sorted(json.dumps(row, sort_keys=True, default=str) for row in self.result.rows))


@dataclass(slots=True)
class Outcome:
    """The query chosen for a question, its result, confidence and explanation."""

    sql: str | None
    confidence: float
    result: Result | None
    explanation: str
    doubt: str
    chinese: bool
    alternatives: list[dict[str, Any]] = field(default_factory=list)


def best_outcome(
    db: Connection, question: str, tables: Sequence[int] | None, model: str | None, path: list[str]
) -> Outcome:
    """The best candidate with its result; a question without one has an Outcome that says why."""
    writer = models.find(db, model, "generation") if model is not None else None
    embedder = models.find(db, None, "embedding")
    chosen = schema_reader.select_tables(db, question, tables, embedder)
    schema = schema_reader.read_schema(db, chosen, path)
    taught = _similar_taught(db, question, embedder)
    if not schema.tables and not taught:
        nothing = "there is no table that you may read and that the question may be about"
        return Outcome(None, 0.0, None, "", _join_reasons(nothing, chosen.exclusion_note), False)
    values = value_lookup.find_values(db, question, schema, chosen.lookup())
    similar = name_embeddings.NameEmbeddings(schema, embedder)
    queries, reasons, linked = synthesis.candidates(question, schema, values, similar)
    proposed = [query for row in taught if (query := _taught_candidate(question, *row)) is not None]
    proposed += [Candidate(query.sql, query.score, "grammar") for query in queries]
    if writer is not None:
        proposed += _generated_candidates(writer, question, schema, values, [(row[0], row[1]) for row in taught])
    tried = _validate_and_run(db, proposed, path, tables, chosen)
    best = _vote(tried, reasons, linked, schema)
    best.explanation, best.doubt = (
        _join_reasons(query, chosen.exclusion_note) for query in (best.explanation, best.doubt)
    )
    return best


def _join_reasons(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _similar_taught(db: Connection, question: str, embedder: Model) -> list[tuple[str, str, float]]:
    """Taught questions similar to this one, with their SQL and similarity."""
    from pg_llm.database.catalog import schema_of

    if not db.rows("SELECT FROM llm.taught LIMIT 1"):
        return []
    vector = schema_of(db, "vector")
    rows = db.rows(
        f"""
        SELECT t.question, t.sql, CASE WHEN lower(t.question) = lower($3) THEN 1
               ELSE 1 - (t.embedding OPERATOR({vector}.<=>) (SELECT $1::{vector}.vector)) END AS near
        FROM llm.taught AS t WHERE t.model = $2 OR lower(t.question) = lower($3)
        ORDER BY near DESC, t.question LIMIT {_MOST_TAUGHT}
        """,
        ("text", "text", "text"),
        (embedder.run("embedding", [question])[0], embedder.name, " ".join(question.split())),
    )
    return [(row["question"], row["sql"], row["near"]) for row in rows if row["near"] >= _LEAST_SIMILARITY]


def _taught_candidate(question: str, taught: str, sql: str, similarity: float) -> Candidate | None:
    if similarity == 1 or " ".join(question.split()).lower() == taught.lower():
        return Candidate(sql, _SAME_SCORE, "taught")
    adapted_sql = taught_examples.adapt_sql(" ".join(question.split()), taught, sql)
    return None if adapted_sql is None else Candidate(adapted_sql, _ADAPTED_SCORE, "taught")


def _generated_candidates(
    writer: Model, question: str, schema: Schema, values: Sequence[ValueMatch], taught: list[tuple[str, str]]
) -> list[Candidate]:
    """SQL that a generation model writes, at several temperatures."""
    text = prompt.build_prompt(question, schema, values, taught)
    names = [name for table in schema.tables for name in (table.sql, *(column.sql for column in table.columns))]
    options = {"max_tokens": _MOST_TOKENS, "temperatures": _TEMPERATURES, "names": names}
    written = map(prompt.first_statement, json.loads(writer.run("sql_writing", [text], **options)[0]))
    return [
        Candidate(sql, _GENERATED_SCORE - 0.02 * place, "model") for place, sql in enumerate(written) if sql is not None
    ]


def _validate_and_run(
    db: Connection,
    candidates: Sequence[Candidate],
    path: Sequence[str],
    tables: Sequence[int] | None,
    selection: TableSelection,
) -> list[Candidate]:
    """Run candidates most likely first; skip duplicates and queries that read other tables.

    If no tables were named, other tables may be read unless they run code that the caller cannot trust.
    """
    ordered = sorted(candidates, key=lambda candidate: -candidate.score)
    chosen = [candidate for candidate in ordered if candidate.source != "grammar"] + [
        candidate for candidate in ordered if candidate.source == "grammar"
    ][:_MOST_RUN]
    limits = sandbox.limits(db)
    ends = time.monotonic() + _TOTAL_TIME * limits.seconds
    first_of: dict[str, Candidate] = {}
    for candidate, validated in zip(
        chosen, sandbox.check(db, [candidate.sql for candidate in chosen], path), strict=True
    ):
        if isinstance(validated, Refused):
            candidate.failure = str(validated)
            continue
        if tables is not None and not set(validated.relations) <= set(tables):
            candidate.failure = "the SQL reads other tables than those named"
            continue
        others = [oid for oid in validated.relations if oid not in selection.oids]
        candidate.failure = (
            schema_reader.exclusion_note(db, schema_reader.untrusted(db, others)) if tables is None else ""
        )
        if candidate.failure:
            continue
        candidate.checked = validated
        same = first_of.get(validated.qualified)
        if same is not None:
            candidate.result, candidate.failure = same.result, same.failure
            continue
        first_of[validated.qualified] = candidate
        if time.monotonic() > ends:
            candidate.failure = "other readings took all the time"
            continue
        try:
            candidate.result = table_access.as_role(db, selection.role, partial(sandbox.run, db, validated, limits))
        except Refused as refused:
            candidate.failure = str(refused)
    return chosen


def _vote(tried: Sequence[Candidate], reasons: list[str], linked: LinkedQuestion, schema: Schema) -> Outcome:
    successful = [candidate for candidate in tried if candidate.result is not None and candidate.checked is not None]
    unclear = _explain_doubt(linked, reasons, tried)
    if not successful:
        first = next((candidate for candidate in tried if candidate.checked is not None), None)
        return Outcome(first.checked.sql if first and first.checked else None, 0.0, None, "", unclear, linked.chinese)
    groups: dict[str | None, list[Candidate]] = {}
    for candidate in successful:
        groups.setdefault(candidate.fingerprint(), []).append(candidate)
    scored = sorted(
        ((_confidence(group, successful), group) for group in groups.values()),
        key=lambda pair: -_group_rank(pair[1], pair[0]),
    )
    confidence, group = scored[0]
    best = max(group, key=lambda candidate: (candidate.source == "taught", candidate.score))
    assert best.result is not None
    assert best.checked is not None
    confidence_ = max(0.0, min(0.99, confidence))
    others = [
        (confidence__, max(members, key=lambda candidate: candidate.score)) for confidence__, members in scored[1:]
    ]
    alternatives = [
        {"sql": candidate.checked.sql, "confidence": round(max(0.0, min(0.99, confidence__)), 3)}
        for confidence__, candidate in others
        if candidate.checked
    ]
    explanation = _explain(linked, schema, best, len(group), len(successful))
    if alternatives and confidence_ < 0.75:
        unclear = "; ".join(filter(None, (unclear, f"it may also mean: {alternatives[0]['sql']}")))
    if not best.result.rows:
        unclear = "; ".join(filter(None, (unclear, "no rows match that reading")))
    return Outcome(
        best.checked.sql,
        round(confidence_, 3),
        best.result,
        explanation,
        unclear or "no reading is sure enough",
        linked.chinese,
        alternatives,
    )


def _group_rank(group: Sequence[Candidate], confidence: float) -> float:
    """The score of the best member; agreement only breaks ties, as it raises confidence, not likelihood."""
    return (
        max(candidate.score for candidate in group) * (_EMPTY_WEIGHT if all(map(_is_empty, group)) else 1.0)
        + 0.1 * confidence
    )


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
    # Weights fall steeply with the score: candidates far behind the best hardly count.
    disagreeing = sum(
        (candidate.score / score) ** _DISAGREEMENT_EXPONENT
        for candidate in successful
        if candidate not in group and candidate.source != "model"
    )
    agreeing = (
        sum((candidate.score / score) ** _DISAGREEMENT_EXPONENT for candidate in group if candidate.source != "model")
        or 1.0
    )
    share = agreeing / (agreeing + disagreeing) if "taught" not in sources else 1.0
    return score * share * (_EMPTY_WEIGHT if all(map(_is_empty, group)) else 1.0)


def _explain(linked: LinkedQuestion, schema: Schema, best: Candidate, agree: int, all_: int) -> str:
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
    mappings = list(dict.fromkeys(mappings))
    agreement = [f"{agree} of {all_} queries tried agree"] if all_ > 1 else []
    source = ["written by the model"] if best.source == "model" else []
    return "; ".join([*source, *mappings, *agreement])


def _explain_doubt(linked: LinkedQuestion, reasons: Sequence[str], tried: Sequence[Candidate]) -> str:
    parts = []
    if linked.unlinked:
        parts.append("not understood: " + ", ".join(dict.fromkeys(linked.unlinked)))
    if not any(candidate.result is not None for candidate in tried):
        parts += reasons[:2]
        parts += list(dict.fromkeys(candidate.failure for candidate in tried if candidate.failure))[:2]
    return "; ".join(parts)
