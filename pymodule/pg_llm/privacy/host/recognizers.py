"""Recognizers of personal data: a pattern, a check where there is one, and words around it that speak for its kind.

A pattern says for itself how sure it is; one that many other numbers fit counts only where such a word stands near.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Span = tuple[int, int]
# The kind of a place that is known to hold nothing personal, so that no model takes it for something.
NOTHING = ""
# What was found: kind, start, end, score, recognizer.
Found = tuple[str, int, int, float, str]

# Characters before and behind a match in which words speak for its kind.
_BEFORE, _BEHIND = 50, 25
# What stands between such a word and its number.
_NUMBERED = re.compile(r"(?:[\s:#.=(]++|\b(?:no|nos|nr|num|number|nummer|numero|número|n[°º]|is)\b)*+", re.IGNORECASE)
_SEPARATORS = str.maketrans("", "", " -./\u00a0")


@dataclass(frozen=True, slots=True)
class Recognizer:
    """`pattern` has a group `value` where not all that matches is the value; `check` is told it without separators.

    `alone` is the score without a word of `context` near, `near` the one with it. What stands right behind a word of
    `against`, and near none of `context`, is NOTHING.
    """

    name: str
    kind: str
    pattern: re.Pattern[str]
    alone: float
    near: float = 0.0
    context: re.Pattern[str] | None = None
    check: Callable[[str], bool] | None = None
    against: re.Pattern[str] | None = None

    def find(self, text: str) -> Iterator[Found]:
        """What it finds in a text."""
        group = "value" if "value" in self.pattern.groupindex else 0
        for match in self.pattern.finditer(text):
            start, end = match.span(group)
            if self.check and not self.check(match[group].translate(_SEPARATORS)):
                continue
            score = self.near if self.context and is_near(self.context, text, start, end) else self.alone
            if score == self.alone and self.against and is_right_behind(self.against, text, start):
                yield NOTHING, start, end, 1.0, self.name
            elif score:
                yield self.kind, start, end, score, self.name


def is_near(context: re.Pattern[str], text: str, start: int, end: int) -> bool:
    """Whether such a word stands near the place, in its line."""
    before = text[max(0, start - _BEFORE) : start].rpartition("\n")[2]
    behind = text[end : end + _BEHIND].partition("\n")[0]
    return bool(context.search(before) or context.search(behind))


def is_right_behind(against: re.Pattern[str], text: str, start: int) -> bool:
    """Whether what stands there is numbered by such a word: "lot no. …", "version: …"."""
    before = text[max(0, start - _BEHIND) : start]
    return any(_NUMBERED.fullmatch(before, match.end()) for match in against.finditer(before))


def words(listed: str) -> re.Pattern[str]:
    """A pattern for any of the words, at the beginning of a word; Chinese ones anywhere."""
    each = sorted((word.strip() for word in listed.split(",")), key=len, reverse=True)
    latin = "|".join(re.escape(word) for word in each if word.isascii() or not "\u4e00" <= word[0] <= "\u9fff")
    chinese = "|".join(word for word in each if "\u4e00" <= word[0] <= "\u9fff")
    return re.compile("|".join(filter(None, (rf"(?<![^\W\d_])(?:{latin})" if latin else "", chinese))), re.IGNORECASE)


def number(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """The pattern, where neither letters nor digits stand beside it."""
    return re.compile(rf"(?<![A-Za-z0-9])(?<![A-Za-z0-9][-.])(?:{pattern})(?![A-Za-z0-9])(?!-\d)", flags)
