"""Times: in 2021, after March 2020, from 2015 to 2018, in the last 30 days."""

from __future__ import annotations

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parsed_question import Comparison
from pg_llm.ask.mention import Mention

_TIMES = ("year", "period", "date", "month")


def read(cursor: Cursor) -> None:
    """Read relative times, then absolute ones."""
    for index, mention in cursor.of_kind("when"):
        cursor.consume(index)
        op, unit = mention.normalized.split(".")
        cursor.parsed.comparisons.append(Comparison(op, [unit], time_kind=unit))
    for index, mention in cursor.of_kind("time", "super"):
        if mention.kind == "time" or (cursor.chinese and mention.normalized == "desc.date"):
            _read_relative(cursor, index, mention)
    for index, mention in cursor.of_kind(*_TIMES):
        before = index - 1
        marker = (
            cursor.mentions[before]
            if before >= 0 and before not in cursor.consumed and cursor.mentions[before].end >= mention.start - 2
            else None
        )
        if (
            marker
            and marker.kind == "cmp"
            and mention.kind == "year"
            and marker.normalized in (">", "<", ">=", "<=", "<>")
        ):
            # `more than 2000` is a number, `after 2000` a year.
            continue
        op, values, used = _time_comparison(cursor, index, marker)
        if marker and (marker.kind in ("cmp", "between") or cursor.text(marker).lower() == "by"):
            used.append(before)
        cursor.consume(*used)
        near = cursor.before(min(used), gap=2)
        if near is not None and near > 0 and cursor.mentions[near - 1].kind == "group":
            near = None
        operand = cursor.mention_at(near)
        if near is not None and operand is not None and _is_modifier(cursor, near, min(used)):
            cursor.consume(near)
        if cursor.chinese and near is None:
            operand = cursor.mention_at(_event_after(cursor, max(used)))
        cursor.parsed.comparisons.append(
            Comparison(op, list(values), operand, time_kind=mention.kind, start=mention.start)
        )


def _event_after(cursor: Cursor, index: int) -> int | None:
    """The event right after a time: 2020年出生."""
    following = cursor.after(index, ("element",), 1, ())
    if following is None or cursor.mentions[following].role != "verb":
        return None
    cursor.consume(following)
    return following


def _is_modifier(cursor: Cursor, near: int, first: int) -> bool:
    """Admitted in May, the cars of model year 2020: the element before the time is not a target."""
    mention = cursor.mentions[near]
    touches = mention.end == cursor.mentions[first].start and mention.names_column
    return mention.role == "verb" or (touches and not cursor.is_first_element(near))


def _read_relative(cursor: Cursor, index: int, mention: Mention) -> None:
    number, end = 0.0, mention.end
    following = cursor.mentions[index + 1] if index + 1 < len(cursor.mentions) else None
    if following is not None and following.kind == "number" and following.start == end:
        number, end = following.number, following.end
    if cursor.word(end) == "个":
        end += 1
    word = cursor.tokens[end].stem if end < len(cursor.tokens) else ""
    if word not in lexicon.TIME_UNITS or (mention.kind == "super" and not number):
        if mention.normalized == "previous" and word != "name":
            # The last order is a superlative; a last name is neither.
            mention.kind, mention.normalized = "super", "desc.date"
        return
    cursor.consume(*(n for n, other in enumerate(cursor.mentions) if mention.start <= other.start <= end))
    unit = lexicon.TIME_UNITS[word]
    if mention.normalized in ("this", "previous") and not number:
        # Last year is the calendar year, the last 2 years count back from today.
        cursor.parsed.comparisons.append(Comparison(mention.normalized, [unit], time_kind=unit))
        return
    number = number or 1.0
    interval = f"{3 * number:g} month" if unit == "quarter" else f"{number:g} {unit}"
    cursor.parsed.comparisons.append(Comparison("since", [interval], time_kind=unit))


def _time_comparison(cursor: Cursor, index: int, marker: Mention | None) -> tuple[str, list[str], list[int]]:
    """The operator, the times, and the indexes of the mentions that they were read from."""
    mention = cursor.mentions[index]
    until = cursor.after(index, _TIMES, 1, ())
    if until is not None and cursor.word(mention.end) in ("and", "or", ",", "和", "或"):
        return "in", [mention.normalized, cursor.mentions[until].normalized], [index, until]
    values = mention.normalized.split("/")
    if marker and marker.kind == "cmp":
        return marker.normalized.removesuffix(".time"), values, [index]
    if marker and cursor.text(marker).lower() == "by":
        return "<=", values, [index]
    after = index + 1
    next_mention = cursor.mentions[after] if after < len(cursor.mentions) else None
    is_bound = next_mention is not None and (
        next_mention.kind == "above" or (cursor.chinese and next_mention.kind == "cmp")
    )
    if next_mention is not None and is_bound and next_mention.start <= mention.end + 1:
        # 2020 or later, 2020年以后
        return next_mention.normalized.removesuffix(".time"), values, [index, after]
    return "=" if len(values) == 1 else "between", values, [index]
