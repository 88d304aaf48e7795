"""Operations: whether a query does what the question's words ask for, and nothing that they do not ask for.

The words are those of the closed classes of English and Chinese: quantifiers, negations, comparatives, superlatives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pg_llm.ask.linking.operators import CHINESE_DIGITS, MEASURE_WORDS, NUMBER_WORDS
from pg_llm.ask.mention import LinkedQuestion

_AVERAGE = re.compile(r"\b(?:average|mean|avg)\b|平均", re.I)
_COUNT = re.compile(
    rf"\bhow many\b|\bcount\b|(?<!phone )\bnumber of\b|(?:多少|(?<!哪)几)[{MEASURE_WORDS}]|人数|次数",
    re.I,
)
_SHARE = re.compile(r"\b(?:percent(?:age)?|ratio|share|fraction|proportion)\b|占|比例|百分|率", re.I)
_NEGATION = re.compile(
    r"\b(?:never|not|no(?! matter)|without|neither|nor|except|excluding|(?!don)\w+n['\u2019]t)\b|没|未|从来|不(?!同)",
    re.I,
)
_SUPERLATIVE = re.compile(
    r"(?<!at )\b(?:most|least|fewest|top|(?!(?:rest|west|test|interest|request|guest|forest|latest)\b)\w{2,}est)\b"
    r"|最|前[\d一二三四五十]",
    re.I,
)
_SUM = re.compile(r"\b(?:total|sum|altogether|in all)\b|总(?!部)|合计", re.I)
_EACH = re.compile(r"\b(?:each|per|every)\b|每|各", re.I)
# Which words ask for an operation, and what does it in SQL.
_OPERATIONS = (
    (_AVERAGE, re.compile(r"\bavg\s*\(|/|percentile")),
    (_COUNT, re.compile(r"count\s*\(|sum\s*\(|num|count|/")),
    (_SHARE, re.compile(r"/|avg")),
    (_NEGATION, re.compile(r"\bnot\b|<>|!=|\bexcept\b|is null|= ?0\b|false|<|left join")),
    (_SUPERLATIVE, re.compile(r"order by|max\s*\(|min\s*\(|rank|\ball\s*\(|limit")),
    (_SUM, re.compile(r"sum\s*\(|count\s*\(")),
    (_EACH, re.compile(r"group by|partition|\(\s*select|^(?!.*\b(?:sum|count|avg|min|max)\s*\()", re.S)),
)
_GROUPED = re.compile(r"group by|partition by")
# What SQL does that no word may ask for.
_MEAN = re.compile(r"\bavg\s*\(")
_LIMIT = re.compile(r"\blimit\s++\d++\s*+;?+\s*+$")
_ROWS = re.compile(r"\blimit\s++(\d++)\s*+;?+\s*+$")
# A year that a number is compared with.
_YEAR = re.compile(r"(?:=|<|>|between|and)\s*((?:19|20)\d\d)\b(?!-)")
# A number that something is compared with, other than a part of a date; 0, 1 and 2 (both) are said by many words.
_PART_OF_DATE = re.compile(
    r"(?:extract|date_part)\s*+\([^()]*+\)(?:::\w++)?+\s*+(?:[<>=]++|between)\s*+\d++(?:\s*+and\s*+\d++)?+"
)
_NUMBER = re.compile(r"(?:[<>=]|\bbetween|\band)\s*+(\d++(?:\.\d++)?+)(?![-:/\w])")
_SMALL = {0.0, 1.0, 2.0}
# Words by which one number stands for another: two hours are 120 minutes.
_UNIT = re.compile(
    r"\b(?:second|minute|hour|day|week|month|quarter|year|decade|half|double|dozen)s?\b|秒|分钟|小时|天|周|月|季|年|半|倍",
    re.I,
)
_WHOLE_YEAR = re.compile(r"(?:19|20)\d\d")
_COUNTED = re.compile(r"count\s*\(\s*(?:distinct\s+)?[\w.*]+\s*\)\s*(?:as \w+\s*)?(?:,|from)")
_ASKS_MEAN = re.compile(rf"{_AVERAGE.pattern}|{_SHARE.pattern}|typical|usual|均", re.I)
_ASKS_LIMIT = re.compile(
    rf"{_SUPERLATIVE.pattern}|\d|\b(?:latest|first|last|one|two|three|four|five|ten|best|worst|single|more|less)\b|谁|第",
    re.I,
)
_ASKS_COUNT = re.compile(
    rf"{_COUNT.pattern}|{_SHARE.pattern}|{_SUPERLATIVE.pattern}|{_EACH.pattern}|{_AVERAGE.pattern}"
    r"|number|total|times|frequent|any\b|量|数|有多少|多少(?=[^钱?\uff1f])",
    re.I,
)
_LITERAL = re.compile(r"'((?:[^']|'')*)'")
_WORD = re.compile(r"[^\W_]+")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_RELATIVE_TIME = re.compile(r"\b(?:last|this|past|current|recent|ago|today)\b|去年|今年|上|本|近|今", re.I)
# Parts of dates and formats of to_char().
_UNITS = re.compile(r"day|week|month|quarter|year|hour|epoch|dow|[ymdhq: ./-]+", re.I)
# Codes as US and AAPL stand for words.
_LONGEST_CODE = 5


def missing(question: str, sql: str) -> list[str]:
    """The words that ask for an operation which the query does not do; it may be in the name of a column."""
    text = sql.lower()
    found = ((asked.search(question), done) for asked, done in _OPERATIONS)
    return [match[0] for match, done in found if match and match[0].lower() not in text and not done.search(text)]


def done(question: str, sql: str) -> list[tuple[str, str]]:
    """The words that ask for an operation, with what the query does for them, as in SQL."""
    text = sql.lower()
    told = ((asked, _GROUPED if asked is _EACH else operation) for asked, operation in _OPERATIONS)
    found = ((asked.search(question), operation.search(text)) for asked, operation in told)
    return [(word[0], made[0].rstrip(" (")) for word, made in found if word and made and made[0]]


def unasked(linked: LinkedQuestion, sql: str, before: str = "") -> list[str]:
    """What the query does and no word asks for: an average, a limit, a count, and values to compare with.

    The words of the question before count too.
    """
    question, text = f"{before} {linked.question}", sql.lower()
    does = (("avg", _MEAN, _ASKS_MEAN), ("limit", _LIMIT, _ASKS_LIMIT), ("count", _COUNTED, _ASKS_COUNT))
    found = [name for name, done, asked in does if done.search(text) and not asked.search(question)]
    found += _unasked_numbers(question.lower(), text)
    found += [] if before else _unasked_bounds(linked, text)
    return found + list(_unasked_values(question.lower(), linked, sql))


def _unasked_numbers(question: str, text: str) -> Iterator[str]:
    """A number of rows, other than one, and a year to compare with that the question does not say."""
    said = {float(number) for number in re.findall(r"\d+", question)}
    said |= {float(number) for word, number in NUMBER_WORDS.items() if re.search(rf"\b{word}\b", question)}
    said |= {float(number) for digit, number in CHINESE_DIGITS.items() if digit in question}
    limit = _ROWS.search(text)
    if limit is not None and float(limit[1]) > 1 and float(limit[1]) not in said:
        yield limit[0].strip()
    years = {int(year) for year in _YEAR.findall(text)}
    if not _RELATIVE_TIME.search(question):
        yield from (str(year) for year in sorted(years) if not {year - 1, year, year + 1} & said)


def _unasked_bounds(linked: LinkedQuestion, text: str) -> Iterator[str]:
    """A number to compare with that the question does not say: at least 3 is also more than 2, 20 % is .2."""
    if _UNIT.search(linked.question):
        return
    said = {anchor.number for anchor in linked.anchors if anchor.kind == "number"}
    near = _SMALL.union(*({number, number - 1, number + 1, number / 100, 1 - number / 100} for number in said))
    for number in dict.fromkeys(_NUMBER.findall(_PART_OF_DATE.sub("", _LITERAL.sub("''", text)))):
        if float(number) not in near and not _WHOLE_YEAR.fullmatch(number):
            yield number


def _unasked_values(question: str, linked: LinkedQuestion, sql: str) -> Iterator[str]:
    words = _WORD.findall(question)
    linked_values = {match.value.lower() for mention in linked.mentions for match in mention.value_matches}
    for literal in dict.fromkeys(_LITERAL.findall(sql)):
        value = literal.strip("%_ ").lower()
        if not value or value in linked_values or value in question or _UNITS.fullmatch(value):
            continue
        if not _is_said(value, question, words) and not (len(value) <= _LONGEST_CODE and literal.strip("%").isupper()):
            yield f"'{literal}'"


def _is_said(value: str, question: str, words: list[str]) -> bool:
    """True if a word of the value begins like one of the question's, or a year of it is said or counted from today."""
    if re.fullmatch(r"[\d\-: ./]+", value):
        years = [int(year) for year in re.findall(r"(?:19|20)\d\d", value)]
        near = (str(year + step) for year in years for step in (0, -1))
        return not years or any(year in question for year in near) or bool(_RELATIVE_TIME.search(question))
    if _CHINESE.search(value):
        return any(character in question for character in value)
    parts = _WORD.findall(value)
    return len(value) <= 2 or any(
        part[:3] == word[:3] or part in word for part in parts if len(part) > 2 for word in words
    )
