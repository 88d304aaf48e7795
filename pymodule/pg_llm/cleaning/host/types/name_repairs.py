"""Names and other short words that are written otherwise than their column: marks, case, order, letters of a script."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from pg_llm.cleaning.host.types import missing
from pg_llm.cleaning.host.types.column_type import ColumnType, Counts, ValueRepair
from pg_llm.values.host import letter_case, personal_names

TYPES = frozenset("name category person company country state".split())
# Where few names recur in many rows, they are categories.
_OF_PEOPLE = frozenset(("person", "name", "category"))
_SURE, _LIKELY, _UNSURE = 0.97, 0.9, 0.75
_MIN_COUNT = 10
# If more of the cells have a sign, a case or an order, it is one of the column's own.
_MAX_SHARE = 0.15
_RECURRING = 3
# Share of a column's names whose first word is that of another, which makes it one of people.
_MIN_GIVEN = 0.3
# Longer values are texts.
_MAX_LENGTH = 80
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u201e": "\u201c", "\u2018": "\u2019", "\u00ab": "\u00bb"}
_TAIL = re.compile(r"(?<=[\w)'\".])\s*[,;*]+$")
# Abbreviations are shorter.
_POINT = re.compile(r"(?<=[a-z\u00df-\u00ff]{5})\.$")
_BREAK = re.compile(r"(?<![^\S\r\n])[^\S\r\n]*+[\r\n]\s*+")
_FAMILY_FIRST = re.compile(r"([^\W\d_][\w'\u2019-]*), ([^\W\d_][\w'\u2019-]*\.?)")
_CASE = "case as most others have"
_WORD = re.compile(r"[^\W\d_]+")
# Letters of Cyrillic and Greek that look like Latin ones.
_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТХУаеорсухіјѕԁΑΒΕΖΗΙΚΜΝΟΡΤΥΧο",
    "ABESIJKMHOPCTXYaeopcyxijsdABEZHIKMNOPTYXo",
)
_OTHER_SCRIPT = re.compile("[\u0370-\u04ff\u0500-\u052f]")


def repairs(counts: Counts, column: ColumnType) -> Iterator[ValueRepair]:
    """Names in the writing of their column."""
    total = sum(counts.values())
    short = {value: count for value, count in counts.items() if len(value) <= _MAX_LENGTH}
    if total < _MIN_COUNT or 2 * sum(short.values()) < total:
        return
    for find in (_letters, _breaks, _quotes, _tails, _points, _titles, _order, _case):
        # What recurs, and never occurs otherwise, is a writing of its own.
        found = {
            value: each
            for value, each in find(short, column)
            if counts[value] < _RECURRING or each.new in counts or find is _letters
        }
        if sum(counts[value] for value in found) <= _MAX_SHARE * total:
            yield from found.values()


Found = Iterator[tuple[str, ValueRepair]]


def _letters(counts: Counts, _: ColumnType) -> Found:
    """Single letters of another script in a word of Latin ones."""
    for value in counts:
        if not value.isascii() and _OTHER_SCRIPT.search(value) and re.search("[A-Za-z]", value):
            new = value.translate(_ALIKE)
            if not _OTHER_SCRIPT.search(new):
                step, reason = "letters of one script", "it has letters of another script that look alike"
                yield value, ValueRepair(value, new, _SURE, "encoding", step, reason)


def _breaks(counts: Counts, _: ColumnType) -> Found:
    for value in counts:
        if (new := _BREAK.sub(" ", value).strip()) != value and new and _BREAK.search(value):
            yield value, ValueRepair(value, new, _SURE, "space", "without line breaks", "hardly any other has lines")


def _quotes(counts: Counts, _: ColumnType) -> Found:
    for value in counts:
        if len(value) > 3 and _QUOTES.get(value[0]) == value[-1]:
            bare = value[1:-1].strip()
            if bare and not any(quote in bare for quote in (value[0], value[-1])):
                step = "signs around values are taken off"
                yield value, ValueRepair(value, bare, _SURE, "variant", step, "most others have no such signs")


def _tails(counts: Counts, _: ColumnType) -> Found:
    for value in counts:
        if (new := _TAIL.sub("", value)) != value:
            step = "signs around values are taken off"
            yield value, ValueRepair(value, new, _LIKELY, "variant", step, "most others have no such sign")


def _points(counts: Counts, _: ColumnType) -> Found:
    ends = Counter(value.split()[-1] for value in counts if _POINT.search(value))
    for value in counts:
        if _POINT.search(value) and ends[value.split()[-1]] == 1:
            step = "signs around values are taken off"
            yield value, ValueRepair(value, value[:-1], _UNSURE, "variant", step, "most others have no full stop")


def _order(counts: Counts, column: ColumnType) -> Found:
    """`Lindgren, Anna` among names like `Anna Lindgren`: other rows show which of both is the given name."""
    if column.name not in _OF_PEOPLE:
        return
    turned = {value: match for value in counts if (match := _FAMILY_FIRST.fullmatch(value))}
    given: Counter[str] = Counter()
    family: Counter[str] = Counter()
    for value in counts:
        words = value.split()
        if value not in turned and len(words) > 1:
            given[words[0]] += 1
            family[words[-1]] += 1
    # Given names recur more than family names do.
    recurring = sum(number for number in given.values() if number > 1)
    short = sum(len(value.split()) in (2, 3) for value in counts)
    are_people = recurring > _MIN_GIVEN * given.total() and len(given) < len(family)
    # Titles have as many words as they like.
    if short < (1 - _MAX_SHARE) * len(counts):
        return
    step = "given name first"
    for value, match in turned.items():
        first, last = match[2], match[1]
        new = f"{first} {last}"
        if new in counts or (given[first] > 1 and given[first] > family[first] and given[last] <= family[last] + 1):
            reason = f"{new!r} occurs too" if new in counts else f"{given[first]} others begin with {first!r}"
            yield value, ValueRepair(value, new, _LIKELY, "variant", step, reason)
        elif are_people and given[last] <= family[last]:
            yield value, ValueRepair(value, new, _UNSURE, "variant", step, "others begin with the given name")


def _titles(counts: Counts, column: ColumnType) -> Found:
    """A title before a name that the column has without it."""
    for value in counts if column.name in _OF_PEOPLE else ():
        if (bare := personal_names.without_title(value)) is not None and counts.get(bare, 0) >= counts[value]:
            yield value, ValueRepair(value, bare, _UNSURE, "variant", "names without titles", f"{bare!r} occurs too")


def _case(counts: Counts, column: ColumnType) -> Found:
    """Capitals alone, or small letters alone, among names with both."""
    casings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    mixed = capitals = 0
    for value, count in counts.items():
        if value[:1].isupper() and not value.isupper():
            mixed += count
            for word in _WORD.findall(value):
                casings[word.casefold()][word] += count
        elif value.isupper():
            capitals += count
    if capitals >= (1 - _MAX_SHARE) * sum(counts.values()):
        for value in counts:
            if value.islower():
                yield value, ValueRepair(value, value.upper(), _LIKELY, "case", _CASE, "others are in capitals")
    if mixed < (1 - 2 * _MAX_SHARE) * sum(counts.values()):
        return
    known = {folded_word: words.most_common(1)[0][0] for folded_word, words in casings.items()}
    for value in counts:
        # A word for nothing is in no name's case.
        words = _WORD.findall(value) if missing.kind(value) is None else []
        letters = sum(map(len, words))
        if not ((value.isupper() and letters > 4) or (value.islower() and letters > 3)):
            continue
        unknown = [word for word in words if word.casefold() not in known]
        # IKEA is no name in capitals, nor is what a company calls itself.
        if any(word.isupper() and (len(word) < 6 or column.name == "company") for word in unknown):
            continue
        # Between small letters a particle is one, at the beginning it is not.
        title = letter_case.title(value if value.islower() else value.lower())
        new = _WORD.sub(lambda match, known=known: known.get(match[0].casefold(), match[0]), title)  # type: ignore[misc]
        new = new[:1].upper() + new[1:]
        if new != value:
            confidence = _UNSURE if unknown else _LIKELY
            reason = "most others have capitals and small letters"
            yield value, ValueRepair(value, new, confidence, "case", _CASE, reason)
