"""Answer verbalisation by templates: query results as sentences in the language of the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

_MOST_SHOWN = 10
# Patterns of questions whose spaces are normalised.
_WHAT = re.compile(r"(?:what|which|who|whom)(?: (is|are|was|were)|['\u2019]s) (.+)", re.I | re.S)
_HOW_MANY = re.compile(r"how many (.+?) (?:are|were|is) there\b ?(.*)", re.I | re.S)
_HOW_MANY_VERB = re.compile(r"how many (?!.*\b(?:do|does|did|has|is|are|was|were)\b)(.+)", re.I | re.S)
_CHINESE_IS = re.compile(
    r"^(?:请问|请)?(.+?)(?:分别)?(?:是什么|是谁|是多少|是哪个|是哪些|是哪一个|有哪些|为多少|为何|是几|叫什么|是哪位|是哪家|什么)[?\uff1f。\uff01!\s]*$"
)
_CHINESE_MANY = re.compile(r"多少|几(?=[\u4e00-\u9fff])")
_TRIMMED = " \t\n?\uff1f.。!\uff01"


def verbalize(
    question: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], truncated: bool, chinese: bool
) -> str:
    """The result as a sentence that answers the question."""
    values = [row for row in rows if any(value is not None for value in row)]
    if not values:
        return "没有符合条件的数据。" if chinese else "Nothing in the tables matches."
    if len(columns) == 1:
        texts = [format_value(row[0]) for row in values]
        answer_text = _join_values(texts, len(rows), truncated, chinese)
        return (
            _chinese_sentence(question, answer_text, len(texts) == 1)
            if chinese
            else _english_sentence(question, answer_text, len(texts), truncated)
        )
    if len(values) == 1:
        return _join_pairs(columns, values[0], chinese) + ("。" if chinese else ".")
    shown = [_format_row(row) for row in values[: _MOST_SHOWN // 2]]
    more = len(rows) - len(shown)
    if chinese:
        return f"共{len(rows)}{'+' if truncated else ''}条:{';'.join(shown)}{'等' if more > 0 else ''}。".replace(
            ":", "\uff1a"
        ).replace(";", "\uff1b")
    tail = f"; and {'at least ' if truncated else ''}{more} more" if more > 0 or truncated else ""
    return f"{'; '.join(shown)}{tail}."


def format_value(value: Any) -> str:
    """A value formatted for reading; a number keeps its digits."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
    if isinstance(value, dict | list):
        import json

        return json.dumps(value, ensure_ascii=False)[:200]
    return str(value)[:500]


def _format_row(row: Sequence[Any]) -> str:
    first, *rest = (format_value(value) for value in row)
    return f"{first} ({', '.join(rest)})"


def _join_pairs(columns: Sequence[str], row: Sequence[Any], chinese: bool) -> str:
    colon = "\uff1a" if chinese else ": "
    pairs = [f"{name}{colon}{format_value(value)}" for name, value in zip(columns, row, strict=True)]
    return ("\uff0c" if chinese else ", ").join(pairs)


def _join_values(texts: Sequence[str], rows: int, truncated: bool, chinese: bool) -> str:
    shown = texts[:_MOST_SHOWN]
    more = rows - len(shown)
    if chinese:
        return "、".join(shown) + (f"等{rows}{'+' if truncated else ''}项" if more > 0 else "")
    if more > 0 or truncated:
        return ", ".join(shown) + f" and {'at least ' if truncated else ''}{max(more, 1)} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _english_sentence(question: str, answer_text: str, count: int, truncated: bool) -> str:
    text = " ".join(question.split()).strip(_TRIMMED)
    if count == 1 and (match := _HOW_MANY.fullmatch(text)):
        what = " ".join(filter(None, (match[1], match[2])))
        return f"There {'is' if answer_text == '1' else 'are'} {answer_text} {what}."
    if count == 1 and (match := _HOW_MANY_VERB.fullmatch(text)):
        return f"{answer_text} {match[1]}."
    match = _WHAT.fullmatch(text)
    if match and "?" not in match[2] and "." not in match[2]:
        verb = match[1] or "is"
        subject = match[2][0].upper() + match[2][1:]
        return f"{subject} {verb.lower()} {answer_text}."
    least = "more than " if truncated else ""
    return f"The answer is {answer_text}." if count == 1 else f"There are {least}{count}: {answer_text}."


def _chinese_sentence(question: str, answer_text: str, single: bool) -> str:
    text = "".join(question.split()).strip(_TRIMMED)
    if match := _CHINESE_IS.fullmatch(text):
        return f"{match[1]}为{answer_text}。"
    if single and _CHINESE_MANY.search(text):
        return _CHINESE_MANY.sub(answer_text, text, count=1) + "。"
    return f"答案为{answer_text}。"
