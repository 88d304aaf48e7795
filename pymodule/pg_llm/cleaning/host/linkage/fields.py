"""Fields to compare: the values of a column in one form by its semantic type, so that equal ones are equal."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np

from pg_llm.cleaning.host.linkage import phonetic
from pg_llm.cleaning.host.table import Codes, Column, Rows
from pg_llm.cleaning.host.types import inference, missing
from pg_llm.cleaning.host.types.column_type import ColumnType
from pg_llm.cleaning.value_sample import sample
from pg_llm.values.host import dates
from pg_llm.values.host.characters import folded

# The last digits of a phone number, which no country or trunk code changes.
_PHONE_DIGITS, _LINE_DIGITS = 9, 4
# A date with its time may have more digits.
_DATE_DIGITS = 9
# Categories of more values, or of a greater share of the rows, are names; texts have so many words on average.
_MAX_CATEGORIES, _MAX_CATEGORY_SHARE, _MIN_TEXT_WORDS = 30, 0.2, 1.6
_MAX_LENGTH = 200
# The rarest words of a text, by which it is found.
_RARE_WORDS = 3
_SAMPLE, _MAX_DATE, _MOST = 300, 30, 0.7
# Three numbers, two with a word between them, or one of eight digits.
_DATE = re.compile(r"\D*\d+\D+\d+\D+\d+\D*|\d+\W*[^\W\d]{3,}\W*\d+|\d{8}")
_PHONE = re.compile(r"(?:[-+()/. x]*\d)+")
_MIN_PHONE, _MIN_DIVIDED = 7, 0.3
_KINDS = {
    "email": "email",
    "phone": "phone",
    "date": "date",
    "datetime": "date",
    "timestamp": "date",
    "integer": "code",
    "decimal": "number",
    "money": "number",
    "percent": "number",
    "measure": "number",
    "postcode": "code",
    "code": "code",
    "iban": "code",
    "isbn": "code",
    "ean": "code",
    "card": "code",
    "ip": "code",
    "url": "code",
    "boolean": "category",
    "text": "text",
    "address": "text",
    "company": "text",
    "person": "text",
}


@dataclass(frozen=True, slots=True)
class BlockingKeys:
    """Keys of rows; a row may have several, or none. `words`: equal keys of other fields of words mean the same."""

    field: int
    rows: Rows
    keys: Codes
    exact: bool = False
    words: bool = False


class Field:
    """A column to compare: `codes` has for each row 0 where it is missing, else the place in `forms` from 1."""

    def __init__(self, number: int, column: Column) -> None:
        self.number = number
        counts = {
            value: times for value, times in zip(column.values, column.occurrences[1:].tolist(), strict=True) if times
        }
        kind = inference.infer(counts)
        # What is at one place is not one thing.
        self.is_place = kind.name == "postcode"
        self.kind = _mostly(counts) or _kind(kind, column, counts)
        normalize = _NORMALIZERS.get(self.kind, folded)
        if self.kind == "date":
            normalize = _date_normalizer(kind)
        codes: defaultdict[str, int] = defaultdict(count(1).__next__)
        codes[""] = 0
        form_of = np.zeros(len(column.values) + 1, dtype=np.int32)
        for code, value in enumerate(column.values, 1):
            if missing.kind(value) not in _MISSING:
                form = normalize(value[:_MAX_LENGTH])
                form_of[code] = codes[value if form == value else form]
        del codes[""]
        self.forms = list(codes)
        self.codes: Codes = form_of[column.codes]
        self.occurrences = np.bincount(self.codes, minlength=len(self.forms) + 1)
        self.occurrences[0] = 0

    @cached_property
    def filled(self) -> int:
        """The number of rows that have a value."""
        return int(self.occurrences.sum())

    @cached_property
    def collisions(self) -> float:
        """The number of pairs of rows with equal values."""
        counts = self.occurrences.astype(float)
        return float((counts * (counts - 1)).sum()) / 2

    def blocking_keys(self, words: WordKeys) -> Iterable[BlockingKeys]:
        """The keys by which rows that may be alike in this field are found."""
        rows = np.flatnonzero(self.codes)
        yield BlockingKeys(self.number, rows, self.codes[rows], exact=True)
        if self.kind == "text":
            yield self._rare_words(words)
        elif self.kind == "name":
            keys = np.array([0, *(words.code(phonetic.soundex(form)) for form in self.forms)], dtype=np.int32)
            yield self._by_value(keys, words=True)
        for part in _PARTS.get(self.kind, ()):
            codes: defaultdict[str, int] = defaultdict(count(1).__next__)
            codes[""] = 0
            yield self._by_value(np.array([0, *(codes[part(form)] for form in self.forms)], dtype=np.int32))

    def _by_value(self, keys: Codes, words: bool = False) -> BlockingKeys:
        of_rows = keys[self.codes]
        rows = np.flatnonzero(of_rows)
        return BlockingKeys(self.number, rows, of_rows[rows], words=words)

    def _rare_words(self, words: WordKeys) -> BlockingKeys:
        """The rarest words of each value that another value has too."""
        of_values = [{words.code(phonetic.soundex(word)) for word in form.split()} for form in self.forms]
        occurrences = Counter(word for found in of_values for word in found)
        chosen = np.zeros((len(self.forms) + 1, _RARE_WORDS), dtype=np.int32)
        for code, found in enumerate(of_values, 1):
            shared = sorted(
                (occurrences[word], word) for word in found if occurrences[word] > 1 or self.filled > len(self.forms)
            )
            for place, (_, word) in enumerate(shared[:_RARE_WORDS]):
                chosen[code, place] = word
        of_rows = chosen[self.codes]
        rows, places = np.nonzero(of_rows)
        return BlockingKeys(self.number, rows, of_rows[rows, places], words=True)


class WordKeys:
    """One code for each phonetic key of a word, the same in all fields."""

    def __init__(self) -> None:
        self._codes: defaultdict[str, int] = defaultdict(count(1).__next__)
        self._codes[""] = 0

    def code(self, key: str) -> int:
        """The code of a key; 0 for the empty one."""
        return self._codes[key]


# Words that may be a value, such as the surname None, are values.
_MISSING = ("sure", "sign")


def _kind(found: ColumnType, column: Column, counts: Mapping[str, int]) -> str:
    kind = _KINDS.get(found.name)
    if kind is not None:
        return kind
    if column.distinct <= min(_MAX_CATEGORIES, _MAX_CATEGORY_SHARE * column.filled):
        return "category"
    words = sum(len(value.split()) * times for value, times in counts.items()) / max(column.filled, 1)
    return "text" if words >= _MIN_TEXT_WORDS else "name"


def _mostly(counts: Mapping[str, int]) -> str | None:
    """What most values are, in whatever mixture of forms: dates, or phone numbers."""
    values = list(sample(counts))[:_SAMPLE]
    short = [value for value in values if len(value) <= _MAX_DATE]
    if sum(bool(_DATE.fullmatch(value) and dates.readings(value)) for value in short) > _MOST * len(values):
        return "date"
    phones = [value for value in short if _PHONE.fullmatch(value) and len(_phone(value)) >= _MIN_PHONE]
    # Numbers without any sign are codes.
    divided = sum(not value.isdecimal() for value in phones)
    return "phone" if len(phones) > _MOST * len(values) and divided > _MIN_DIVIDED * len(values) else None


def _phone(value: str) -> str:
    digits = "".join(filter(str.isdecimal, value))
    return digits[-_PHONE_DIGITS:]


def _email(value: str) -> str:
    name, _, domain = "".join(value.split()).casefold().partition("@")
    return f"{name.partition('+')[0]}@{domain}"


def _code(value: str) -> str:
    return folded(value).replace(" ", "")


def _number(value: str) -> str:
    return "".join(c for c in value if c.isdecimal() or c in ".,-")


def _date_normalizer(found: ColumnType) -> Callable[[str], str]:
    def normalize(value: str) -> str:
        read = dates.read(value, found.order, found.language)
        if read is not None:
            return read.day.strftime("%Y%m%d").zfill(8)
        # A slip of the keyboard: the same order of digits as of the others, so that they can be compared.
        digits = "".join(filter(str.isdecimal, value))[:_DATE_DIGITS]
        if found.order == "DMY":
            return digits[-4:] + digits[2:-4] + digits[:2]
        return digits[-4:] + digits[:-4] if found.order == "MDY" else digits

    return normalize


def _year(form: str) -> str:
    return form[:4] if len(form) == 8 else ""


def _day_and_month(form: str) -> str:
    return "".join(sorted((form[4:6], form[6:8]))) if len(form) == 8 else ""


def _local_part(form: str) -> str:
    return form.partition("@")[0].rstrip("0123456789")


_NORMALIZERS: dict[str, Callable[[str], str]] = {"phone": _phone, "email": _email, "code": _code, "number": _number}
_PARTS: dict[str, tuple[Callable[[str], str], ...]] = {
    "date": (_year, _day_and_month),
    "phone": (lambda form: form[-_LINE_DIGITS:], lambda form: form[:-_LINE_DIGITS]),
    "email": (_local_part,),
    "code": (lambda form: form[:4] if len(form) > 4 else "", lambda form: form[-4:] if len(form) > 4 else ""),
    "name": (lambda form: form[:3],),
}
