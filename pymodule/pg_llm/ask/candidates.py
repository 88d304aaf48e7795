"""Candidates for a question from all who make some, checked and run; results that agree make it surer."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pg_llm.ask import example, name_embeddings, prompt, schema_reader, value_lookup
from pg_llm.ask.grammar import synthesis
from pg_llm.ask.mention import Linked, ValueMatch
from pg_llm.ask.schema import Schema
from pg_llm.ask.schema_reader import Chosen
from pg_llm.database import models, sandbox, table_access
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.database.sandbox import Checked, Refused
from pg_llm.database.select import Result

# Queries of one question that are run, and how many times the time of one they may take together.
_MOST_RUN = 6
_TOGETHER = 2.0
# How near in meaning a taught question must be, and how likely its SQL then is.
_NEAR, _SAME, _ADAPTED = 0.6, 0.99, 0.9
_MOST_TAUGHT = 3
# What a model's text is worth: on its own, and with each other candidate that says the same.
_WRITTEN, _AGREED = 0.45, 0.85
_TEMPERATURES = (0.0, 0.6)
_MOST_TOKENS = 160
_EMPTY = 0.55
# How fast less likely candidates lose their say; of two that are as likely, neither is sure.
_APART = 12


@dataclass(slots=True)
class Try:
    """A candidate: its SQL, how likely it is by itself, and what became of it."""

    sql: str
    likely: float
    source: str
    checked: Checked | None = None
    result: Result | None = None
    failed: str = ""

    def key(self) -> str | None:
        """Equal for equal rows, in whatever order."""
        if self.result is None:
            return None
        return json.dumps(sorted(json.dumps(row, sort_keys=True, default=str) for row in self.result.rows))


@dataclass(slots=True)
class Outcome:
    """What came of a question."""

    sql: str | None
    confidence: float
    result: Result | None
    explanation: str
    unclear: str
    chinese: bool
    alternatives: list[dict[str, Any]] = field(default_factory=list)


def outcome(db: Connection, question: str, tables: Sequence[int] | None, model: str | None, path: list[str]) -> Outcome:
    """The best candidate with its rows. Raises what cannot be said of the question: errors of arguments, cancel."""
    writer = models.find(db, model, "generation") if model is not None else None
    embedder = models.find(db, None, "embedding")
    chosen = schema_reader.chosen(db, question, tables, embedder)
    known = schema_reader.schema(db, chosen, path)
    taught = _taught(db, question, embedder)
    if not known.tables and not taught:
        nothing = "there is no table that you may read and that the question may be about"
        return Outcome(None, 0.0, None, "", _together(nothing, chosen.left_out), False)
    values = value_lookup.values(db, question, known, chosen.lookup())
    similar = name_embeddings.Meanings(known, embedder)
    found, reasons, linked = synthesis.candidates(question, known, values, similar)
    tries = [each for row in taught if (each := _from_taught(question, *row)) is not None]
    tries += [Try(each.sql, each.likely, "grammar") for each in found]
    if writer is not None:
        tries += _written(writer, question, known, values, [(row[0], row[1]) for row in taught])
    ran = _run(db, tries, path, tables, chosen)
    best = _best(ran, reasons, linked, known)
    best.explanation, best.unclear = (_together(each, chosen.left_out) for each in (best.explanation, best.unclear))
    return best


def _together(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _taught(db: Connection, question: str, embedder: Model) -> list[tuple[str, str, float]]:
    """Taught questions that are near, with their SQL and how near."""
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
    return [(row["question"], row["sql"], row["near"]) for row in rows if row["near"] >= _NEAR]


def _from_taught(question: str, taught: str, sql: str, near: float) -> Try | None:
    if near == 1 or " ".join(question.split()).lower() == taught.lower():
        return Try(sql, _SAME, "taught")
    adapted = example.adapted(" ".join(question.split()), taught, sql)
    return None if adapted is None else Try(adapted, _ADAPTED, "taught")


def _written(
    writer: Model, question: str, known: Schema, values: Sequence[ValueMatch], taught: list[tuple[str, str]]
) -> list[Try]:
    """What a generation model writes, several times."""
    text = prompt.prompt(question, known, values, taught)
    names = [name for table in known.tables for name in (table.sql, *(column.sql for column in table.columns))]
    options = {"max_tokens": _MOST_TOKENS, "temperatures": _TEMPERATURES, "names": names}
    written = map(prompt.sql, json.loads(writer.run("sql_writing", [text], **options)[0]))
    return [Try(sql, _WRITTEN - 0.02 * place, "model") for place, sql in enumerate(written) if sql is not None]


def _run(
    db: Connection, tries: Sequence[Try], path: Sequence[str], tables: Sequence[int] | None, known: Chosen
) -> list[Try]:
    """The likeliest of each source first; what comes twice is run once, and only what reads the tables named.

    Where none were named it may read others, unless those run code that the caller cannot trust.
    """
    ordered = sorted(tries, key=lambda each: -each.likely)
    chosen = [each for each in ordered if each.source != "grammar"] + [
        each for each in ordered if each.source == "grammar"
    ][:_MOST_RUN]
    limits = sandbox.limits(db)
    ends = time.monotonic() + _TOGETHER * limits.seconds
    done: dict[str, Try] = {}
    for each, checked in zip(chosen, sandbox.check(db, [each.sql for each in chosen], path), strict=True):
        if isinstance(checked, Refused):
            each.failed = str(checked)
            continue
        if tables is not None and not set(checked.relations) <= set(tables):
            each.failed = "the SQL reads other tables than those named"
            continue
        others = [oid for oid in checked.relations if oid not in known.oids]
        each.failed = schema_reader.left_out(db, schema_reader.untrusted(db, others)) if tables is None else ""
        if each.failed:
            continue
        each.checked = checked
        before = done.get(checked.qualified)
        if before is not None:
            each.result, each.failed = before.result, before.failed
            continue
        done[checked.qualified] = each
        if time.monotonic() > ends:
            each.failed = "other readings took all the time"
            continue
        try:
            each.result = table_access.as_role(db, known.role, partial(sandbox.run, db, checked, limits))
        except Refused as refused:
            each.failed = str(refused)
    return chosen


def _best(ran: Sequence[Try], reasons: list[str], linked: Linked, known: Schema) -> Outcome:
    good = [each for each in ran if each.result is not None and each.checked is not None]
    unclear = _unclear(linked, reasons, ran)
    if not good:
        first = next((each for each in ran if each.checked is not None), None)
        return Outcome(first.checked.sql if first and first.checked else None, 0.0, None, "", unclear, linked.chinese)
    groups: dict[str | None, list[Try]] = {}
    for each in good:
        groups.setdefault(each.key(), []).append(each)
    scored = sorted(
        ((_confidence(group, good), group) for group in groups.values()), key=lambda pair: -_rank(pair[1], pair[0])
    )
    confidence, group = scored[0]
    best = max(group, key=lambda each: (each.source == "taught", each.likely))
    assert best.result is not None
    assert best.checked is not None
    sure = max(0.0, min(0.99, confidence))
    others = [(sure_, max(its, key=lambda each: each.likely)) for sure_, its in scored[1:]]
    alternatives = [
        {"sql": each.checked.sql, "confidence": round(max(0.0, min(0.99, sure_)), 3)}
        for sure_, each in others
        if each.checked
    ]
    explanation = _explanation(linked, known, best, len(group), len(good))
    if alternatives and sure < 0.75:
        unclear = "; ".join(filter(None, (unclear, f"it may also mean: {alternatives[0]['sql']}")))
    if not best.result.rows:
        unclear = "; ".join(filter(None, (unclear, "no rows match that reading")))
    return Outcome(
        best.checked.sql,
        round(sure, 3),
        best.result,
        explanation,
        unclear or "no reading is sure enough",
        linked.chinese,
        alternatives,
    )


def _rank(group: Sequence[Try], confidence: float) -> float:
    """The likeliest first: that others say the same makes it surer, but not another one likelier."""
    return max(each.likely for each in group) * (_EMPTY if all(map(_is_empty, group)) else 1.0) + 0.1 * confidence


def _is_empty(of: Try) -> bool:
    """Whether there are no rows, or nothing in them; what was taught may well have none."""
    if of.source == "taught":
        return False
    rows = of.result.rows if of.result else []
    return not rows or all(value is None for row in rows for value in row) or rows == [[0]]


def _confidence(group: Sequence[Try], good: Sequence[Try]) -> float:
    """How likely the best of the group is, less the more the others weigh that say otherwise."""
    likely = max(each.likely for each in group)
    sources = {each.source for each in group}
    if "model" in sources and len(sources) > 1:
        likely = max(likely, _AGREED)
    elif sources == {"model"}:
        likely = min(0.7, likely + 0.1 * (len(group) - 1))
    # Of candidates that are as likely as the best, each that disagrees counts; of those far behind, hardly.
    against = sum((each.likely / likely) ** _APART for each in good if each not in group and each.source != "model")
    together = sum((each.likely / likely) ** _APART for each in group if each.source != "model") or 1.0
    share = together / (together + against) if "taught" not in sources else 1.0
    return likely * share * (_EMPTY if all(map(_is_empty, group)) else 1.0)


def _explanation(linked: Linked, known: Schema, best: Try, agree: int, all_: int) -> str:
    if best.source == "taught":
        return "as taught by llm_teach()"
    parts = []
    for mention in linked.mentions:
        if mention.kind == "element" and mention.refs:
            ref = mention.refs[0][0]
            table = known.tables[ref[0]].sql
            column = "" if ref[1] < 0 else known.column(ref).sql
            if (column or table) in best.sql:
                parts.append(f"“{mention.said}” read as {table}{'.' if column else ''}{column}")
    parts = list(dict.fromkeys(parts))
    said = [f"{agree} of {all_} queries tried agree"] if all_ > 1 else []
    source = ["written by the model"] if best.source == "model" else []
    return "; ".join([*source, *parts, *said])


def _unclear(linked: Linked, reasons: Sequence[str], ran: Sequence[Try]) -> str:
    parts = []
    if linked.unknown:
        parts.append("not understood: " + ", ".join(dict.fromkeys(linked.unknown)))
    if not any(each.result is not None for each in ran):
        parts += reasons[:2]
        parts += list(dict.fromkeys(each.failed for each in ran if each.failed))[:2]
    return "; ".join(parts)
