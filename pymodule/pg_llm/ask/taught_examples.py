"""Adapt the SQL of a taught question to a question that differs only in its values."""

from __future__ import annotations

import difflib
import re

_PIECE = re.compile(r'"[^"]*"|(?:[.\'-]{0,9}\w)++|[^\w\s]')
_CJK_PIECE = re.compile(r"[\u3400-\u9fff]|[^\u3400-\u9fff]+")


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
