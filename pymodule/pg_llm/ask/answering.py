"""Questions answered by SQL: read, checked, run with the caller's rights, compared, and said in a sentence."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments, settings
from pg_llm.ask import answer, candidates, catalog
from pg_llm.ask.candidates import Outcome
from pg_llm.charts import drawing
from pg_llm.database import sandbox, search_path
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput, NoAnswer, UndefinedQuestion

_LONGEST = 4000


def llm_sql(db: Connection, question: str | None, tables: list[str] | None, model: str | None) -> list[dict[str, Any]]:
    """The SELECT that answers a question about your tables, how sure it is, and what else the question may mean."""
    path, oids = sandbox.search_path(db), _oids(db, tables)
    with search_path.pinned(db):
        found = candidates.outcome(db, _asked(question), oids, model, path)
        return [
            {
                "sql": found.sql,
                "confidence": found.confidence,
                "explanation": found.explanation or found.unclear,
                "alternatives": found.alternatives,
            }
        ]


def ask(db: Connection, question: str | None, tables: list[str] | None, model: str | None) -> list[dict[str, Any]]:
    """The answer to a question about your tables, SQL, rows, chart; below llm.ask_threshold only why there is none."""
    path, oids = sandbox.search_path(db), _oids(db, tables)
    with search_path.pinned(db):
        asked = _asked(question)
        found, sure = _answered(db, asked, oids, model, path)
        if not sure or found.result is None:
            return [
                {
                    "answer": None,
                    "sql": found.sql,
                    "rows": None,
                    "confidence": found.confidence,
                    "chart": None,
                    "reason": found.unclear,
                }
            ]
        result = found.result
        names = [name for name, _ in result.columns]
        said = answer.sentence(asked, names, result.rows, result.cut, found.chinese)
        return [
            {
                "answer": said,
                "sql": found.sql,
                "rows": result.objects(),
                "confidence": found.confidence,
                "chart": drawing.specification(result.columns, result.rows, None, asked),
                "reason": found.explanation,
            }
        ]


def ask_rows(db: Connection, question: str | None, tables: list[str] | None, model: str | None) -> list[dict[str, Any]]:
    """The rows that answer a question about your tables, one object each; an error where none are sure enough."""
    path, oids = sandbox.search_path(db), _oids(db, tables)
    with search_path.pinned(db):
        found, sure = _answered(db, _asked(question), oids, model, path)
        if not sure or found.result is None:
            raise NoAnswer(f"no answer: {found.unclear}")
        return found.result.objects()


def ask_feedback(db: Connection, id: str | None, correct: bool | None, sql: str | None) -> None:
    """Say whether a question of your llm.ask_log was answered rightly, or by which SQL it is; this teaches."""
    path = sandbox.search_path(db)
    with search_path.pinned(db):
        right = arguments.required("correct", correct)
        found = db.rows(
            "UPDATE llm.ask_log SET correct = $2 WHERE id = $1::uuid RETURNING question, sql",
            ("text", "bool"),
            (arguments.required("id", id), right),
        )
        if not found:
            raise UndefinedQuestion(f"there is no question {id} in your llm.ask_log")
        taught = sql if sql is not None else found[0]["sql"] if right else None
        if right and taught is None:
            raise InvalidInput("that question had no SQL", hint="Give the right one: sql => 'SELECT …'.")
        if taught is not None:
            catalog.teach(db, found[0]["question"], taught, path)
        elif not right:
            catalog.forget(db, found[0]["question"], found[0]["sql"])


def _asked(question: str | None) -> str:
    text = arguments.required("question", question).strip()
    if not 0 < len(text) <= _LONGEST:
        raise InvalidInput(
            f"a question has 1 to {_LONGEST} characters, not {len(text)}", hint="Ask one thing at a time."
        )
    return text


def _oids(db: Connection, tables: list[str] | None) -> list[int] | None:
    """The tables, whose names are those of the caller's path: asked before it is pinned."""
    if tables is None:
        return None
    if any(table is None for table in tables):
        raise InvalidInput("tables must not hold NULL", hint="array_remove(tables, NULL) leaves it out.")
    query = (
        "SELECT t.name::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8 AS oid"
        " FROM pg_catalog.unnest($1) AS t (name)"
    )
    return [int(row["oid"]) for row in db.rows(query, ("pg_catalog.text[]",), (list(tables),))]


def _answered(
    db: Connection, question: str, tables: list[int] | None, model: str | None, path: list[str]
) -> tuple[Outcome, bool]:
    threshold = settings.share("llm.ask_threshold", sandbox.setting(db, "llm.ask_threshold"))
    found = candidates.outcome(db, question, tables, model, path)
    sure = found.result is not None and found.confidence >= threshold
    if settings.switch("llm.ask_log", sandbox.setting(db, "llm.ask_log")):
        db.rows(
            "INSERT INTO llm.ask_log (question, sql, confidence, reason) VALUES ($1, $2, $3, $4)",
            ("text", "text", "float4", "text"),
            (question, found.sql, found.confidence, found.explanation if sure else found.unclear),
        )
    return found, sure
