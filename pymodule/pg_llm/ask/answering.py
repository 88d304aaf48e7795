"""Answer questions: find the best query, and present its result as rows, a sentence and a chart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm import settings
from pg_llm.ask import (
    calibration,
    candidates,
    causality,
    context,
    explanation,
    follow_up,
    taught_examples,
    verbalization,
    voting,
)
from pg_llm.ask.follow_up import Previous
from pg_llm.ask.voting import Outcome
from pg_llm.charts.specification import specification
from pg_llm.database import models, query_text, sandbox, search_path
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput, NoAnswer, UndefinedQuestion


def suggest_sql(
    db: Connection, question: str, tables: list[str] | None, model: str | None, after: str | None = None
) -> dict[str, Any]:
    """The best SELECT for a question without its result, with its confidence and alternatives."""
    path, oids = sandbox.search_path(db), _table_oids(db, tables)
    with search_path.pinned(db):
        outcome = _best_outcome(db, question, oids, model, path, _previous(db, after))
    return {
        "sql": outcome.sql,
        "confidence": outcome.confidence,
        "explanation": outcome.explanation or outcome.doubt,
        "alternatives": outcome.alternatives,
    }


def answer(
    db: Connection,
    question: str,
    tables: list[str] | None,
    model: str | None,
    after: str | None = None,
    explain: bool = False,
) -> dict[str, Any]:
    """The result of a question with a sentence, a chart, and how it was read; `after` is the question that it follows.

    Without them if the confidence is below the threshold, where the readings may be to choose from. `explain` lays the
    SQL out and tells what else was tried.
    """
    path, oids = sandbox.search_path(db), _table_oids(db, tables)
    with search_path.pinned(db):
        outcome, confident, logged = _answer_and_log(db, question, oids, model, path, _previous(db, after))
        row: dict[str, Any] = {
            "answer": None,
            "sql": _laid_out(db, outcome.sql) if explain and outcome.sql else outcome.sql,
            "rows": None,
            "confidence": outcome.confidence,
            "chart": None,
            "reason": explanation.join(outcome.doubt, _told_alternatives(outcome) if explain else ""),
            "readings": [{"phrase": phrase, "meaning": meaning} for phrase, meaning in outcome.readings],
            "assumptions": outcome.assumptions,
            "clarify": outcome.choices or None,
            "id": logged,
        }
        if not confident or outcome.result is None:
            return row
        result = outcome.result
        names = [name for name, _ in result.columns]
        cut = _cut(result.rows) if result.truncated else ""
        return row | {
            "answer": verbalization.verbalize(outcome.question, names, result.rows, result.truncated, outcome.chinese),
            "rows": result.objects(),
            "chart": specification(
                result.columns, result.rows, None, outcome.question, ordered=query_text.is_ordered(outcome.sql or "")
            ),
            "reason": explanation.join(outcome.explanation, cut, _told_alternatives(outcome) if explain else ""),
            "clarify": None,
        }


def _cut(rows: Sequence[Any]) -> str:
    return f"only the first {len(rows)} rows (llm.ask_row_limit)"


def _laid_out(db: Connection, sql: str) -> str:
    """The query with a line for each clause."""
    laid_out: dict[str, str] = json.loads(models.run_without_model(db, "sql_check", [sql], purpose="layout")[0])
    return laid_out.get("sql", sql)


def _told_alternatives(outcome: Outcome) -> str:
    return explanation.join(*(f"also tried ({each['confidence']}): {each['sql']}" for each in outcome.alternatives))


def answer_rows(
    db: Connection, question: str, tables: list[str] | None, model: str | None, after: str | None = None
) -> list[dict[str, Any]]:
    """The result of a question. Raises NoAnswer if the confidence is below the threshold."""
    path, oids = sandbox.search_path(db), _table_oids(db, tables)
    with search_path.pinned(db):
        outcome, confident, _ = _answer_and_log(db, question, oids, model, path, _previous(db, after))
        if not confident or outcome.result is None:
            # To the client alone: an error's message goes to the server's log too, and this one repeats the question.
            db.notice(outcome.doubt)
            raise NoAnswer("no answer: no reading is sure enough")
        if outcome.result.truncated:
            db.notice(_cut(outcome.result.rows))
        return outcome.result.objects()


def record_feedback(db: Connection, id: str, correct: bool, sql: str | None) -> None:
    """Record whether a logged answer was right, and learn or forget its SQL as an example."""
    path = sandbox.search_path(db)
    with search_path.pinned(db):
        logged = db.rows(
            "UPDATE llm.ask_log SET correct = $2 WHERE id = $1::uuid RETURNING question, sql",
            ("text", "bool"),
            (id, correct),
        )
        if not logged:
            raise UndefinedQuestion(f"there is no question {id} in your llm.ask_log")
        question, answered = logged[0]["question"], logged[0]["sql"]
        right = sql if sql is not None else answered if correct else None
        if right is not None:
            taught_examples.store(db, question, right, path)
        elif correct:
            raise InvalidInput("that question had no SQL", hint="Give the right one: sql => 'SELECT …'.")
        else:
            taught_examples.forget(db, question, answered)


def _previous(db: Connection, after: str | None) -> Previous | None:
    return None if after is None else follow_up.previous(db, after)


def _table_oids(db: Connection, tables: list[str] | None) -> list[int] | None:
    """The oids of tables named in the caller's search path, which must not be pinned yet."""
    if tables is None:
        return None
    query = (
        "SELECT t.name::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8 AS oid"
        " FROM pg_catalog.unnest($1) AS t (name)"
    )
    return [int(row["oid"]) for row in db.rows(query, ("pg_catalog.text[]",), (list(tables),))]


def _answer_and_log(
    db: Connection,
    question: str,
    tables: list[int] | None,
    model: str | None,
    path: list[str],
    before: Previous | None = None,
) -> tuple[Outcome, bool, str | None]:
    """The outcome, whether its confidence reaches llm.ask_threshold, and its id in the log, if there is one."""
    outcome = _best_outcome(db, question, tables, model, path, before)
    confident = _is_sure(db, outcome)
    if not settings.switch("llm.ask_log", db.setting("llm.ask_log")):
        return outcome, confident, None
    reason = outcome.explanation if confident else outcome.doubt
    choices = None if confident or not outcome.choices else json.dumps(outcome.choices)
    logged = db.rows(
        "INSERT INTO llm.ask_log (question, sql, confidence, reason, clarify) VALUES ($1, $2, $3, $4, $5::jsonb)"
        " RETURNING id::text AS id",
        ("text", "text", "float4", "text", "text"),
        (outcome.question, outcome.sql, outcome.confidence, reason, choices),
    )
    return outcome, confident, str(logged[0]["id"])


def _threshold(db: Connection) -> float:
    return settings.share("llm.ask_threshold", db.setting("llm.ask_threshold"))


def _best_outcome(
    db: Connection,
    question: str,
    tables: list[int] | None,
    model: str | None,
    path: list[str],
    before: Previous | None = None,
) -> Outcome:
    """The outcome over all tables; where those of strangers may be what leaves it in doubt, over the others alone."""
    outcome, own = _settled(db, question, tables, model, path, before)
    if tables is None and own and not _is_sure(db, outcome):
        alone, _ = _settled(db, question, own, model, path, before)
        if _is_sure(db, alone):
            alone.assumptions.append(f"none of the tables of others is meant: {len(own)} are yours or a superuser's")
            return alone
    return outcome


def _is_sure(db: Connection, outcome: Outcome) -> bool:
    return outcome.result is not None and outcome.confidence >= _threshold(db)


def _settled(
    db: Connection,
    question: str,
    tables: list[int] | None,
    model: str | None,
    path: list[str],
    before: Previous | None,
) -> tuple[Outcome, list[int]]:
    """Gather what is known, propose candidates, and settle on one; without one the outcome says why.

    Also the tables that the caller trusts, where there are others beside them.
    """
    threshold = _threshold(db)
    writer = calibration.find_writer(db, model)
    row_count = calibration.sample_row_count(db) if writer is not None else 0
    gathered, scope = context.gather(db, question, tables, path, row_count, before)
    if not gathered.schema.tables and not gathered.examples:
        return voting.no_outcome(question, scope, voting.NO_TABLE), []
    # Where a question like it was taught, a person has said what answers it.
    if causality.asks_for_effect(gathered.question) and not gathered.examples:
        return voting.no_outcome(gathered.question, scope, causality.REASON), []
    own = [table.oid for table in gathered.schema.tables if table.trusted]
    outcome = voting.settle(db, gathered, scope, candidates.propose(gathered), writer, threshold)
    return outcome, own if len(own) < len(gathered.schema.tables) else []
