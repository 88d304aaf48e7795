"""Taught questions with their SQL: stored, found by similarity, and adapted to questions that differ in values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pg_llm.database import models, sandbox, search_path
from pg_llm.database.catalog import schema_of
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput

_LONGEST_QUESTION = 4000
# The similarity that a taught question must have.
_LEAST_SIMILARITY = 0.6
_MOST_SIMILAR = 3

_PIECE = re.compile(r'"[^"]*"|(?:[.\'-]{0,9}\w)++|[^\w\s]')
_CJK_PIECE = re.compile(r"[\u3400-\u9fff]|[^\u3400-\u9fff]+")


@dataclass(frozen=True, slots=True)
class Example:
    """A taught question with its SQL, and its similarity to the question that is asked."""

    question: str
    sql: str
    similarity: float


def teach(db: Connection, question: str, sql: str | None) -> None:
    """Store or forget an example, whose tables are looked up in the caller's search path."""
    path = sandbox.search_path(db)
    with search_path.pinned(db):
        store(db, question, sql, path)


def store(db: Connection, question: str, sql: str | None, path: Sequence[str]) -> None:
    """Store a question with its SQL, or forget it. Raises InvalidInput for SQL that the sandbox refuses."""
    if sql is not None:
        store_all(db, [(question, sql)], path)
    else:
        _forget_question(db, _normalized(question))


def store_all(db: Connection, examples: Sequence[tuple[str, str]], path: Sequence[str]) -> None:
    """Store questions with their SQL. Raises InvalidInput for SQL that the sandbox refuses."""
    if not examples:
        return
    texts = [_normalized(question) for question, _ in examples]
    checked = sandbox.check(db, [sql for _, sql in examples], path)
    model = models.find(db, None, "embedding")
    vector = schema_of(db, "vector")
    refused = next((query for query in checked if isinstance(query, sandbox.Refused)), None)
    if refused is not None:
        raise InvalidInput(
            str(refused), hint="One SELECT on tables that you may read, with PostgreSQL's own functions."
        )
    for text, query, embedding in zip(texts, checked, model.run("embedding", texts), strict=True):
        assert isinstance(query, sandbox.ValidatedQuery)
        _forget_question(db, text)
        db.rows(
            f"INSERT INTO llm.taught (question, sql, model, embedding) VALUES ($1, $2, $3, $4::{vector}.vector)",
            ("text",) * 4,
            (text, query.qualified.strip(), model.name, embedding),
        )


def _normalized(question: str) -> str:
    text = " ".join(question.split())
    if not 0 < len(text) <= _LONGEST_QUESTION:
        raise InvalidInput(f"a question has 1 to {_LONGEST_QUESTION} characters")
    return text


def _forget_question(db: Connection, question: str) -> None:
    db.rows("DELETE FROM llm.taught WHERE question = $1", ("text",), (question,))


def forget(db: Connection, question: str, sql: str | None) -> None:
    """Forget a taught question, whatever its case, that has this SQL."""
    query = "DELETE FROM llm.taught WHERE lower(question) = lower($1) AND (sql = $2 OR $2 IS NULL)"
    db.rows(query, ("text", "text"), (" ".join(question.split()), sql))


def similar(db: Connection, question: str, embedder: Model) -> list[Example]:
    """The taught questions that are similar enough, most similar first."""
    if not db.rows("SELECT FROM llm.taught LIMIT 1"):
        return []
    vector = schema_of(db, "vector")
    rows = db.rows(
        f"""
        SELECT t.question, t.sql, CASE WHEN lower(t.question) = lower($3) THEN 1
               ELSE 1 - (t.embedding OPERATOR({vector}.<=>) (SELECT $1::{vector}.vector)) END AS near
        FROM llm.taught AS t WHERE t.model = $2 OR lower(t.question) = lower($3)
        ORDER BY near DESC, t.question LIMIT {_MOST_SIMILAR}
        """,
        ("text", "text", "text"),
        (embedder.run("embedding", [question])[0], embedder.name, " ".join(question.split())),
    )
    return [Example(row["question"], row["sql"], row["near"]) for row in rows if row["near"] >= _LEAST_SIMILARITY]


def adapt_sql(question: str, taught: str, sql: str) -> str | None:
    """The SQL with the values of the new question; None if other words differ."""
    old, new = _split_pieces(taught), _split_pieces(question)
    same = [piece.lower() for piece in old], [piece.lower() for piece in new]
    adapted = sql
    for kind, a, b, c, d in difflib.SequenceMatcher(None, *same, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        before, after = _join_pieces(old[a:b]), _join_pieces(new[c:d])
        if kind != "replace" and (before + after).strip(" ?.!\uff1f\u3002"):
            return None
        if not before or not after:
            continue
        # A value that occurs twice in the SQL is ambiguous.
        literals = list(re.finditer(r"'((?:[^']|'')*)'|(?<![\w.])\d+(?:\.\d+)?(?![\w.])", adapted))
        matches = [match for match in literals if _literal_text(match[0]).lower() == before.lower()]
        if len(matches) != 1:
            return None
        number = matches[0][0][0] != "'"
        if number and not re.fullmatch(r"\d+(\.\d+)?", after):
            return None
        literal = after if number else "'" + after.replace("'", "''") + "'"
        adapted = adapted[: matches[0].start()] + literal + adapted[matches[0].end() :]
    return adapted


def _literal_text(literal: str) -> str:
    return literal[1:-1].replace("''", "'").strip("%") if literal[0] == "'" else literal


def _split_pieces(text: str) -> list[str]:
    return [part for piece in _PIECE.findall(text) for part in _CJK_PIECE.findall(piece)]


def _join_pieces(pieces: list[str]) -> str:
    joined = " ".join(pieces)
    return re.sub(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])", "", joined).strip('"')
