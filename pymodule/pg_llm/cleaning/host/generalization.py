"""Programs in SQL that make all examples of a step, and of other values only those that look like an example.

Programming by example (Gulwani 2011): what the examples of a step have in common, kept as narrow as they are: groups of
digits have the lengths that were seen, words are those that were seen, and a date is one that the calendar has.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm.cleaning.host.detectors import programs, token_edits
from pg_llm.cleaning.host.detectors.programs import Program, literal
from pg_llm.cleaning.host.detectors.value_patterns import Shape, shape, tokens
from pg_llm.cleaning.host.types import missing
from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem

Pairs = Sequence[tuple[str, str]]
_MIN_EXAMPLES = 2
_MOST_EXAMPLES = 500
_MAX_LENGTH = 100
# Spaces around a word for no value.
_MARGIN = 10
_MOST_SHAPES = 20
_MOST_WORDS = 12
_MOST_CANDIDATES = 4
# A group of so many digits after a single mark may be a thousand's as well as decimals.
_THOUSAND = 3
_NUMERIC = ("number", "unit")
_WRITINGS = frozenset((*_NUMERIC, "date", "phone", "boolean", "variant"))
_TIDY = r"regexp_replace(btrim({c}), '\s+', ' ', 'g')"
_FORM = re.compile("2021|March|Mar|21|03|05|3|5")


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """Per step, as JSON with `detector`, `description`, `condition`, `expression` and `pairs`, a list of programs."""
    return [WorkItem((), lambda _, text=text: json.dumps(list(_of_step(json.loads(text))))) for text in inputs]  # type: ignore[misc]


def _of_step(step: dict[str, Any]) -> Iterator[dict[str, str]]:
    detector = step["detector"]
    whole = [(old, new) for old, new in step["pairs"] if old]
    pairs = [(old, new) for old, new in whole if new and len(old) <= _MAX_LENGTH]
    if step["expression"]:
        valid = _valid_day(pairs, step["description"], step["expression"])
        yield _program(step["condition"] + valid, step["expression"])
    elif detector == "missing":
        yield from _words(whole)
    elif detector == "encoding":
        yield from _replacements(pairs)
    elif detector == "case":
        yield from _canonical(pairs)
    elif detector in _WRITINGS:
        for condition, expression in _common_programs(pairs[:_MOST_EXAMPLES], detector):
            yield _program(condition + _valid_day(pairs, step["description"], expression), expression)


def _program(condition: str, expression: str) -> dict[str, str]:
    return {"condition": condition, "expression": expression}


def _words(pairs: Sequence[tuple[str, str | None]]) -> Iterator[dict[str, str]]:
    """The words of the examples in any case, with those that mean nothing else if one of these is among them."""
    news = {new or "" for _, new in pairs}
    if news != {""}:
        return
    words = {" ".join(old.lower().split()) for old, _ in pairs if len(old) <= _MAX_LENGTH}
    if any(missing.kind(old) == "sure" for old, _ in pairs):
        words |= missing.SURE
    listed = ", ".join(map(literal, sorted(words)))
    is_null = any(new is None for _, new in pairs)
    longest = max(map(len, words)) + _MARGIN
    yield _program(f"length({{c}}) <= {longest} AND lower({_TIDY}) IN ({listed})", "NULL" if is_null else "''")


def _canonical(pairs: Pairs) -> Iterator[dict[str, str]]:
    """One writing for a value in any case and with any spaces."""
    news = {" ".join(new.lower().split()): new for old, new in pairs if old.lower().split() == new.lower().split()}
    if news:
        ready = ", ".join(map(literal, news.values()))
        folded = ", ".join(map(literal, news))
        whens = " ".join(f"WHEN {literal(old)} THEN {literal(new)}" for old, new in news.items())
        # Most values are written so, and need no more than a comparison.
        yield _program(f"{{c}} NOT IN ({ready}) AND lower({_TIDY}) IN ({folded})", f"CASE lower({_TIDY}) {whens} END")


def _replacements(pairs: Pairs) -> Iterator[dict[str, str]]:
    """Sequences of characters that always became the same, the longest first."""
    found: dict[str, str] = {}
    for old, new in pairs:
        for tag, start, end, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if tag != "equal" and found.setdefault(old[start:end], new[first:last]) != new[first:last]:
                return
    damaged = [text for text in sorted(found, key=len, reverse=True) if len(text) > 1 and not text.isascii()]
    if not damaged or len(damaged) < len(found):
        return
    expression = "{c}"
    for text in damaged:
        expression = f"replace({expression}, {literal(text)}, {literal(found[text])})"
    yield _program(" OR ".join(f"strpos({{c}}, {literal(text)}) > 0" for text in damaged), expression)


def _common_programs(pairs: Pairs, detector: str) -> Iterator[tuple[str, str]]:
    """Few programs that make most examples (set cover), each where a value is written as one of its examples."""
    left = dict(pairs)
    decimals = max((len(new.partition(".")[2]) for new in left.values()), default=0)
    candidates = dict.fromkeys(token_edits.learn(left.items()))
    for old, new in pairs[:_MIN_EXAMPLES]:
        candidates |= dict.fromkeys(programs.propose(old, new, decimals))
    usable = [each for each in candidates if each.expression and not each.general and _agrees(each, left)]
    for _ in range(_MOST_CANDIDATES):
        made = {each: [old for old, new in left.items() if each.apply(old) == new] for each in usable}
        best = max(usable, key=lambda each: len(made[each]), default=None)
        if best is None or len(made[best]) < _MIN_EXAMPLES:
            return
        examples = made[best]
        if written := _written_as(examples, detector):
            yield f"{{c}} ~ {literal(written)} AND ({best.condition})", best.expression
        left = {old: new for old, new in left.items() if old not in set(examples)}


def _agrees(program: Program, pairs: dict[str, str]) -> bool:
    return all(program.apply(old) in (None, old, new) for old, new in pairs.items())


def _written_as(examples: Sequence[str], detector: str) -> str:
    """A regular expression for values that are written as the examples; empty where these are too diverse."""
    by_shape: defaultdict[Shape, list[list[str]]] = defaultdict(list)
    for example in examples:
        parts = tokens(example)
        if detector not in _NUMERIC or not _may_be_grouped(parts):
            by_shape[shape(example)].append(parts)
    if not by_shape or len(by_shape) > _MOST_SHAPES:
        return ""
    patterns = [
        "".join(_token_class(column, place, detector) for place, column in enumerate(zip(*rows, strict=True)))
        for rows in by_shape.values()
    ]
    return f"^(?:{'|'.join(patterns)})$"


def _may_be_grouped(parts: Sequence[str]) -> bool:
    """Whether a single mark has three digits after it, and at most three before."""
    marks = [place for place, part in enumerate(parts) if part in (",", ".")]
    return len(marks) == 1 and [len(part) for part in parts[marks[0] + 1 : marks[0] + 2]] == [_THOUSAND]


def _token_class(seen: Sequence[str], place: int, detector: str) -> str:
    if all(part.isdecimal() for part in seen):
        if detector in _NUMERIC and not place:
            return r"\d+"
        lengths = sorted({len(part) for part in seen})
        return "(?:" + "|".join(rf"\d{{{length}}}" for length in lengths) + ")"
    words = sorted(set(seen))
    return "(?:" + "|".join(map(re.escape, words)) + ")" if len(words) <= _MOST_WORDS else "[[:alpha:]]+"


def _valid_day(pairs: Pairs, description: str, expression: str) -> str:
    """A further condition where the examples become dates: the calendar has the new one."""
    form = description.removeprefix("dates are written as ")
    if form == description:
        if not pairs or not all(re.fullmatch(_days("2021-03-05"), new) for _, new in pairs):
            return ""
        form = "2021-03-05"
    return f" AND {expression} ~ {literal(f'^(?:{_days(form)})$')}"


def _days(form: str) -> str:
    """A regular expression for the days in a form, which is shown by 5 March 2021."""
    leap = "(?:0[48]|[2468][048]|[13579][26])"
    any_year = (r"\d{4}", r"\d{2}")
    kinds = [
        (*any_year, "0[13578]|1[02]", r"0[1-9]|[12]\d|3[01]"),
        (*any_year, "0[469]|11", r"0[1-9]|[12]\d|30"),
        (*any_year, "02", r"0[1-9]|1\d|2[0-8]"),
        (rf"\d\d{leap}|(?:[02468][048]|[13579][26])00", f"{leap}|00", "02", "29"),
    ]
    return "|".join(_in_form(form, *kind) for kind in kinds)


def _in_form(form: str, long_year: str, year: str, month: str, day: str) -> str:
    words = {
        "2021": f"(?:{long_year})",
        "21": f"(?:{year})",
        "03": f"(?:{month})",
        "05": f"(?:{day})",
        "3": f"(?:{_unpadded(month)})",
        "5": f"(?:{_unpadded(day)})",
        "March": "[[:alpha:]]+",
        "Mar": "[[:alpha:]]+",
    }
    pieces = re.split(f"({_FORM.pattern})", form)
    return "".join(words.get(piece, re.escape(piece)) for piece in pieces)


def _unpadded(pattern: str) -> str:
    return "|".join(part.removeprefix("0") for part in pattern.split("|"))
