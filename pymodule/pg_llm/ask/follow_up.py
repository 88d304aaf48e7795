"""Follow-up questions: an elliptical question ("And in Austria?") completed by the one before it (ellipsis resolution).

Only what stands in place of something of the same kind is put in: a value of the same column, a period, a grouping, a
number of rows. Anything else is left to a language model, which is shown the question before with its SQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pg_llm.ask.mention import ValueMatch
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.errors import InvalidInput, UndefinedQuestion

_INVALID_TEXT = "22P02"
# What opens an elliptical question, and what ends one.
_OPENING = re.compile(
    r"(?:(?:and|but|now|then|so|ok|please|only|just|(?:the )?same(?: thing)?|what about|how about"
    r"|(?:break|split) (?:it|that|this|them|these|those)(?: down| up)?|show (?:me )?(?:it|that|this|them)"
    r"|the|those)\b[\s,]*"
    r"|那么|那|换成|改成|只看|只要|看看|如果是)+",
    re.I,
)
_ENDING = " \t\n?\uff1f.。!\uff01呢吗"
_PREPOSITION = re.compile(
    r"(?:in|from|for|of|at|with|on|during|since|to|by|per|在|按)(?:\s+|(?=[\u3400-\u9fff]))", re.I
)
_MONTH = "january|february|march|april|may|june|july|august|september|october|november|december"
_PERIOD = re.compile(
    rf"(?:(?:the\s+)?(?:last|this|previous|current)\s+(?:day|week|month|quarter|year)|today|yesterday"
    rf"|(?:(?:{_MONTH})|q[1-4]|(?:the\s+)?(?:first|second|third|fourth)\s+quarter)(?:\s+(?:of\s+)?(?:19|20)\d\d)?"
    r"|(?<!\d)(?:19|20)\d\d年(?:第?[一二三四1-4]季度|\d{1,2}月)?|\b(?:19|20)\d\d\b(?:-\d\d){0,2}"
    r"|去年|今年|前年|上个?月|本月|这个月|上周|本周|今天|昨天)",
    re.I,
)
_GROUP = re.compile(
    r"\b(?:by|per|for each|in each)\s+[a-z]\w*(?:\s+(?!(?:in|for|from|with|of|on|at|and)\b)[a-z]\w*){0,2}"
    r"|按[\u3400-\u9fff]{1,8}",
    re.I,
)
# What asks for a part of what was counted before.
_AMONG = re.compile(
    r"how many (?:of )?(?:them|those|these)(?: are| were| come| came)? ((?:from|in|with) .+)|其中(.+?)的?有多少.?", re.I
)
_HOW_MANY = re.compile(r"how many\b|.*多少", re.I)
# How whole questions begin, and the words that refer to what was said before.
_WHOLE = re.compile(
    r"(?:how|what|which|who|whose|when|where|list|show|give|count|find)\b.{12}|.{3,}(?:多少|哪|什么|几|谁)", re.I
)
_REFERENCE = re.compile(
    r"\b(?:them|their|they|those|these|that|this|its?|his|her|same|also|else)\b|其中|它|他|她|这|那", re.I
)
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_TOP = re.compile(r"(?:\b(?:top|first|best|last)\s+)(\d{1,4})\b|前(\d{1,4})", re.I)

FindValues = Callable[[str], Sequence[ValueMatch]]


@dataclass(frozen=True, slots=True)
class Previous:
    """A question of the caller's log with its SQL, and the SQL of each choice that it was answered with."""

    question: str
    sql: str | None
    choices: Sequence[str] = ()


def previous(db: Connection, id: str) -> Previous:
    """The logged question that another one follows. Raises UndefinedQuestion."""
    query = "SELECT question, sql, clarify::text AS clarify FROM llm.ask_log WHERE id = $1::uuid"
    try:
        with db.savepoint():
            rows = db.rows(query, ("text",), (id,))
    except DatabaseError as error:
        if error.sqlstate != _INVALID_TEXT:
            raise
        raise InvalidInput(f'after must be the id of a question, not "{id[:50]}"') from error
    if not rows:
        raise UndefinedQuestion(
            f"there is no question {id} in your llm.ask_log", hint="SET llm.ask_log = on keeps questions."
        )
    row = rows[0]
    # A role may write anything into its own log.
    offered = json.loads(row["clarify"] or "[]")
    choices = [choice.get("sql") for choice in offered if isinstance(choice, dict)] if isinstance(offered, list) else []
    return Previous(row["question"], row["sql"], [sql for sql in choices if isinstance(sql, str)])


def chosen(question: str, before: Previous) -> str | None:
    """The SQL of the choice that a bare number names; None for anything else."""
    match = re.fullmatch(r"\s*+([1-9])\s*+[.)]?+\s*+", question)
    place = int(match[1]) - 1 if match else -1
    return before.choices[place] if 0 <= place < len(before.choices) else None


def complete(question: str, before: str, find_values: FindValues) -> str | None:
    """The whole question that an elliptical one stands for; None if it is not certain which."""
    text = " ".join(question.split())
    opening = _OPENING.match(text)
    body = re.sub(
        r"(?<!\s)\s++(?:ones?|only|instead|please)$|的$", "", text[opening.end() if opening else 0 :].strip(_ENDING)
    )
    among = _AMONG.fullmatch(body)
    if among is not None and _HOW_MANY.match(before.strip()):
        # A part of what was counted is counted with one more condition.
        body = among[1] or among[2]
    preposition = _PREPOSITION.match(body)
    rest = body[preposition.end() :] if preposition else body
    whole = before.strip().rstrip(_ENDING)
    chinese = _CHINESE.search(whole) is not None
    if not rest:
        return None
    for pattern, spoken in ((_PERIOD, rest), (_GROUP, body), (_TOP, body)):
        if pattern.fullmatch(spoken):
            there = list(pattern.finditer(whole))
            if len(there) == 1:
                return whole[: there[0].start()] + spoken + whole[there[0].end() :] + "?"
            added = f"in {rest}" if rest[0].isdigit() and not preposition and not chinese else body
            return None if there or pattern is _TOP else _added(whole, added)
    return _with_value(whole, rest, body if preposition or chinese else None, find_values)


def stands_alone(question: str) -> bool:
    """True for a whole question that refers to nothing before it."""
    text = " ".join(question.split())
    return _WHOLE.match(text) is not None and _REFERENCE.search(text) is None


def _with_value(whole: str, rest: str, added: str | None, find_values: FindValues) -> str | None:
    """The question before with another value in place of that of the same column, or as one more condition."""
    named = [match for match in find_values(rest) if match.whole and match.end - match.start == len(rest)]
    refs = {match.ref for match in named}
    there = {(match.start, match.end) for match in find_values(whole) if match.ref in refs and match.whole}
    longest = [span for span in there if not any(_inside(span, other) for other in there)]
    if len(longest) == 1:
        start, end = longest[0]
        return whole[:start] + rest + whole[end:] + "?"
    return _added(whole, added) if refs and not there and added else None


def _inside(span: tuple[int, int], other: tuple[int, int]) -> bool:
    return span != other and other[0] <= span[0] and span[1] <= other[1]


def _added(whole: str, added: str) -> str | None:
    """A condition at the end, of a Chinese sentence at its beginning."""
    return f"{added}{whole}?" if _CHINESE.search(whole) else f"{whole} {added}?"
