"""A taught question's SQL for a question that differs from it in values only."""

from __future__ import annotations

import difflib
import re

_PIECE = re.compile(r'"[^"]*"|(?:[.\'-]{0,9}\w)++|[^\w\s]')
_CJK_PIECE = re.compile(r"[\u3400-\u9fff]|[^\u3400-\u9fff]+")


def adapted(question: str, taught: str, sql: str) -> str | None:
    """The SQL with the values of the new question; None where something else is different too."""
    old, new = _pieces(taught), _pieces(question)
    same = [piece.lower() for piece in old], [piece.lower() for piece in new]
    found = sql
    for kind, a, b, c, d in difflib.SequenceMatcher(None, *same, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        before, after = _text(old[a:b]), _text(new[c:d])
        if kind != "replace" and (before + after).strip(" ?.!\uff1f\u3002"):
            return None
        if not before or not after:
            continue
        # One value may stand in the SQL once only, or nobody knows which is meant.
        literals = list(re.finditer(r"'((?:[^']|'')*)'|(?<![\w.])\d+(?:\.\d+)?(?![\w.])", found))
        its = [match for match in literals if _bare(match[0]).lower() == before.lower()]
        if len(its) != 1:
            return None
        number = its[0][0][0] != "'"
        if number and not re.fullmatch(r"\d+(\.\d+)?", after):
            return None
        literal = after if number else "'" + after.replace("'", "''") + "'"
        found = found[: its[0].start()] + literal + found[its[0].end() :]
    return found


def _bare(literal: str) -> str:
    return literal[1:-1].replace("''", "'").strip("%") if literal[0] == "'" else literal


def _pieces(text: str) -> list[str]:
    return [part for piece in _PIECE.findall(text) for part in _CJK_PIECE.findall(piece)]


def _text(pieces: list[str]) -> str:
    joined = " ".join(pieces)
    return re.sub(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])", "", joined).strip('"')
