"""Answer questions: find the best query, and present its result as rows, a sentence and a chart."""

from __future__ import annotations

from typing import Any

from pg_llm import settings
from pg_llm.ask import calibration, candidates, context, taught_examples, verbalization, voting
from pg_llm.ask.voting import Outcome
from pg_llm.charts.specification import specification
from pg_llm.database import query_text, sandbox, search_path
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput, NoAnswer, UndefinedQuestion


def suggest_sql(db: Connection, question: str, tables: list[str] | None, model: str | None) -> dict[str, Any]:
    """The best SELECT for a question without its result, with its confidence and alternatives."""
    path, oids = sandbox.search_path(db), _table_oids(db, tables)
    with search_path.pinned(db):
        outcome = _best_outcome(db, question, oids, model, path)
    return {
        "sql": outcome.sql,
        "confidence": outcome.confidence,
        "explanation": outcome.explanation or outcome.doubt,
        "alternatives": outcome.alternatives,
    }


def answer(db: Connection, question: str, tables: list[str] | None, model: str | None) -> dict[str, Any]:
    """The result of a question with a sentence and a chart; without them if the confidence is below the threshold."""
    path, oids = sandbox.search_path(db), _table_oids(db, tables)
    with search_path.pinned(db):
        outcome, confident = _answer_and_log(db, question, oids, model, path)
        row: dict[str, Any] = {
            "answer": None,
            "sql": outcome.sql,
            "rows": None,
            "confidence": outcome.confidence,
            "chart": None,
        }
        if not confident or outcome.result is None:
            return row | {"reason": outcome.doubt}
        result = outcome.result
        names = [name for name, _ in result.columns]
        return row | {
            "answer": verbalization.verbalize(question, names, result.rows, result.truncated, outcome.chinese),
            "rows": result.objects(),
            "chart": specification(
                result.columns, result.rows, None, question, ordered=query_text.is_ordered(outcome.sql or "")
            ),
            "reason": outcome.explanation,
        }


def answer_rows(db: Connection, question: str, tables: list[str] | None, model: str | None) -> list[dict[str, Any]]:
    """The result of a question. Raises NoAnswer if the confidence is below the threshold."""
    path, oids = sandbox.search_path(db), _table_oids(db, tables)
    with search_path.pinned(db):
        outcome, confident = _answer_and_log(db, question, oids, model, path)
        if not confident or outcome.result is None:
            raise NoAnswer(f"no answer: {outcome.doubt}")
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
    db: Connection, question: str, tables: list[int] | None, model: str | None, path: list[str]
) -> tuple[Outcome, bool]:
    """The outcome, and whether its confidence reaches llm.ask_threshold."""
    outcome = _best_outcome(db, question, tables, model, path)
    confident = outcome.result is not None and outcome.confidence >= _threshold(db)
    if settings.switch("llm.ask_log", db.setting("llm.ask_log")):
        db.rows(
            "INSERT INTO llm.ask_log (question, sql, confidence, reason) VALUES ($1, $2, $3, $4)",
            ("text", "text", "float4", "text"),
            (question, outcome.sql, outcome.confidence, outcome.explanation if confident else outcome.doubt),
        )
    return outcome, confident


def _threshold(db: Connection) -> float:
    return settings.share("llm.ask_threshold", db.setting("llm.ask_threshold"))


def _best_outcome(
    db: Connection, question: str, tables: list[int] | None, model: str | None, path: list[str]
) -> Outcome:
    """Gather what is known, propose candidates, and settle on one; without one the outcome says why."""
    threshold = _threshold(db)
    writer = calibration.find_writer(db, model)
    row_count = calibration.sample_row_count(db) if writer is not None else 0
    gathered, scope = context.gather(db, question, tables, path, row_count)
    if not gathered.schema.tables and not gathered.examples:
        return voting.no_outcome(scope)
    return voting.settle(db, gathered, scope, candidates.propose(gathered, writer), writer, threshold)
