"""Answer questions: find the best query, and present its result as rows, a sentence and a chart."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments, settings
from pg_llm.ask import candidates, catalog, verbalization
from pg_llm.ask.candidates import Outcome
from pg_llm.charts import drawing
from pg_llm.database import sandbox, search_path
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput, NoAnswer, UndefinedQuestion

_LONGEST = 4000


def suggest_sql(
    db: Connection, question: str | None, tables: list[str] | None, model: str | None
) -> list[dict[str, Any]]:
    """The best SELECT for a question without its result, with its confidence and alternatives."""
    path, oids = sandbox.search_path(db), _table_oids(db, tables)
    with search_path.pinned(db):
        outcome = candidates.best_outcome(db, _checked_question(question), oids, model, path)
        return [
            {
                "sql": outcome.sql,
                "confidence": outcome.confidence,
                "explanation": outcome.explanation or outcome.doubt,
                "alternatives": outcome.alternatives,
            }
        ]


def answer(db: Connection, question: str | None, tables: list[str] | None, model: str | None) -> list[dict[str, Any]]:
    """The result of a question with a sentence and a chart; without them if the confidence is below the threshold."""
    path, oids = sandbox.search_path(db), _table_oids(db, tables)
    with search_path.pinned(db):
        text = _checked_question(question)
        outcome, confident = _answer_and_log(db, text, oids, model, path)
        if not confident or outcome.result is None:
            return [
                {
                    "answer": None,
                    "sql": outcome.sql,
                    "rows": None,
                    "confidence": outcome.confidence,
                    "chart": None,
                    "reason": outcome.doubt,
                }
            ]
        result = outcome.result
        names = [name for name, _ in result.columns]
        sentence = verbalization.verbalize(text, names, result.rows, result.truncated, outcome.chinese)
        return [
            {
                "answer": sentence,
                "sql": outcome.sql,
                "rows": result.objects(),
                "confidence": outcome.confidence,
                "chart": drawing.specification(result.columns, result.rows, None, text),
                "reason": outcome.explanation,
            }
        ]


def answer_rows(
    db: Connection, question: str | None, tables: list[str] | None, model: str | None
) -> list[dict[str, Any]]:
    """The result of a question. Raises NoAnswer if the confidence is below the threshold."""
    path, oids = sandbox.search_path(db), _table_oids(db, tables)
    with search_path.pinned(db):
        outcome, confident = _answer_and_log(db, _checked_question(question), oids, model, path)
        if not confident or outcome.result is None:
            raise NoAnswer(f"no answer: {outcome.doubt}")
        return outcome.result.objects()


def record_feedback(db: Connection, id: str | None, correct: bool | None, sql: str | None) -> None:
    """Record whether a logged answer was right, and learn or forget its SQL as an example."""
    path = sandbox.search_path(db)
    with search_path.pinned(db):
        is_right = arguments.required("correct", correct)
        rows = db.rows(
            "UPDATE llm.ask_log SET correct = $2 WHERE id = $1::uuid RETURNING question, sql",
            ("text", "bool"),
            (arguments.required("id", id), is_right),
        )
        if not rows:
            raise UndefinedQuestion(f"there is no question {id} in your llm.ask_log")
        taught = sql if sql is not None else rows[0]["sql"] if is_right else None
        if is_right and taught is None:
            raise InvalidInput("that question had no SQL", hint="Give the right one: sql => 'SELECT …'.")
        if taught is not None:
            catalog.store_example(db, rows[0]["question"], taught, path)
        elif not is_right:
            catalog.forget_example(db, rows[0]["question"], rows[0]["sql"])


def _checked_question(question: str | None) -> str:
    text = arguments.required("question", question).strip()
    if not 0 < len(text) <= _LONGEST:
        raise InvalidInput(
            f"a question has 1 to {_LONGEST} characters, not {len(text)}", hint="Ask one thing at a time."
        )
    return text


def _table_oids(db: Connection, tables: list[str] | None) -> list[int] | None:
    """The oids of tables named in the caller's search path, which must not be pinned yet."""
    if tables is None:
        return None
    if any(table is None for table in tables):
        raise InvalidInput("tables must not hold NULL", hint="array_remove(tables, NULL) leaves it out.")
    query = (
        "SELECT t.name::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8 AS oid"
        " FROM pg_catalog.unnest($1) AS t (name)"
    )
    return [int(row["oid"]) for row in db.rows(query, ("pg_catalog.text[]",), (list(tables),))]


def _answer_and_log(
    db: Connection, question: str, tables: list[int] | None, model: str | None, path: list[str]
) -> tuple[Outcome, bool]:
    threshold = settings.share("llm.ask_threshold", sandbox.setting(db, "llm.ask_threshold"))
    outcome = candidates.best_outcome(db, question, tables, model, path)
    confident = outcome.result is not None and outcome.confidence >= threshold
    if settings.switch("llm.ask_log", sandbox.setting(db, "llm.ask_log")):
        db.rows(
            "INSERT INTO llm.ask_log (question, sql, confidence, reason) VALUES ($1, $2, $3, $4)",
            ("text", "text", "float4", "text"),
            (question, outcome.sql, outcome.confidence, outcome.explanation if confident else outcome.doubt),
        )
    return outcome, confident
