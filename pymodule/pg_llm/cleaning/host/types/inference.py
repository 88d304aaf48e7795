"""Semantic types of columns: what nearly all values of a column are, by patterns, checksums, dictionaries and CLDR."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from pg_llm.cleaning.host.types import date_columns, missing, number_columns, word_columns
from pg_llm.cleaning.host.types.column_type import ColumnType, Counts
from pg_llm.cleaning.value_sample import sample
from pg_llm.values.host import booleans, codes, contacts, currencies, phones, places
from pg_llm.values.host.characters import folded, plain

# Share of the cells that fit a type.
_MIN_SHARE = 0.9
# A type that is told by a checksum alone needs so many distinct values.
_MIN_CHECKED = 3
_MAX_LENGTH = 200
_FEW = 100
# If the values that do not fit may be slips, so many must fit; of places so many, and each other one must be so rare.
_MIN_MOST, _MIN_PLACES, _MAX_OTHER = 0.7, 5, 0.02
# Writings of yes and no in one column at most; the usual ones have this share.
_MAX_ANSWERS, _MIN_ANSWER = 24, 0.1
# Shorter numbers are dialled within a town, and look like many other codes.
_MIN_PHONE_DIGITS = 7
_FRACTION = re.compile(r"\d*\.\d+")


def infer(counts: Counts, locale: str | None = None) -> ColumnType:
    """The type that at least 90 % of the values have; the name is empty for a column without values.

    `locale` decides between readings that the column leaves open.
    """
    values = _shortened(sample(counts))
    present = {value: count for value, count in values.items() if missing.kind(value) not in ("sure", "sign")}
    known = {value: count for value, count in present.items() if missing.kind(value) is None} or present
    if not known:
        return ColumnType("")
    for find in (_booleans, _checked, _contacts, date_columns.infer, _phones, number_columns.infer, _places):
        found = find(known, locale)
        if found is not None and (found.share >= _MIN_SHARE or found.name in _PLACES):
            return found
    return word_columns.infer(known)


def _shortened(counts: Counts) -> Counts:
    """The same with long values cut: they are texts."""
    shortened: Counter[str] = Counter()
    for value, count in counts.items():
        shortened[value[:_MAX_LENGTH]] += count
    return shortened


def share(counts: Counts, fits: Callable[[str], object]) -> float:
    """The share of the cells whose value fits."""
    fitting = sum(count for value, count in counts.items() if len(value) < _MAX_LENGTH and fits(value))
    return fitting / sum(counts.values())


def _booleans(counts: Counts, _: str | None) -> ColumnType | None:
    truths = {booleans.parse(value) for value in counts}
    common = [value for value, count in counts.items() if count >= _MIN_ANSWER * sum(counts.values())]
    if len(counts) > _MAX_ANSWERS or len(common) > 4 or len(truths - {None}) < 2:
        return None
    fitting = share(counts, lambda value: booleans.parse_in_list(value) is not None)
    return ColumnType("boolean", fitting) if any(booleans.parse(value) is not None for value in common) else None


def _checked(counts: Counts, _: str | None) -> ColumnType | None:
    if len(counts) < _MIN_CHECKED:
        return None
    for name, fits in codes.CHECKED.items():
        if (found := share(counts, lambda value, fits=fits: fits(value.strip()))) >= _MIN_SHARE:  # type: ignore[misc]
            return ColumnType(name, found)
    return None


def _contacts(counts: Counts, _: str | None) -> ColumnType | None:
    for name, fits in (("email", contacts.email), ("url", contacts.url)):
        found = share(counts, fits)
        # Slips of URLs are URLs among URLs.
        if name == "url" and _MIN_MOST <= found < _MIN_SHARE:
            found = share(counts, lambda value: contacts.url_without_slips(value, "http"))
        if found >= _MIN_SHARE:
            return ColumnType(name, found)
    return None


def _phones(counts: Counts, locale: str | None) -> ColumnType | None:
    # Digits alone are numbers or codes, unless a trunk or country code leads them.
    marked = share(counts, lambda value: not plain(value).isdecimal() or value.startswith("0"))
    long = share(counts, lambda value: sum(map(str.isdecimal, value)) >= _MIN_PHONE_DIGITS)
    fractions = share(counts, lambda value: _FRACTION.fullmatch(value))
    if min(marked, long) < _MIN_SHARE or fractions > 1 - _MIN_SHARE:
        return None
    international = [value for value in counts if phones.parse(value) is not None]
    national = [value for value in counts if value not in set(international)]
    region = None
    if len(national) > (1 - _MIN_SHARE) * len(counts):
        region = places.in_words(locale) if locale else None
        region = region or phones.region_of(national)
        if region is None and not international and phones.are_national(national):
            # Several numbering plans have them.
            return ColumnType("phone", marked, ambiguous=True)
    fitting = share(counts, lambda value: phones.parse(value, region) is not None)
    return ColumnType("phone", fitting, region=region) if fitting >= _MIN_SHARE else None


def _places(counts: Counts, _: str | None) -> ColumnType | None:
    """Countries, currencies, languages, states: codes of two letters may be several, and case tells them apart."""
    # A few values tell that a column has none of these.
    few = {value: counts[value] for value in list(counts)[:: len(counts) // _FEW + 1]}
    likely = {name: fits for name, fits in _PLACES.items() if share(few, fits) >= _MIN_SHARE / 2}
    shares = {name: share(counts, fits) for name, fits in likely.items()}
    if not shares:
        return None
    best = max(shares, key=lambda name: shares[name])
    if shares[best] < _MIN_SHARE and not _are_misspelt(counts, _PLACES[best], shares[best]):
        return None
    return ColumnType(best, shares[best])


def _are_misspelt(counts: Counts, fits: Callable[[str], object], found: float) -> bool:
    """Whether many values fit, and each of the others is so rare that it may be a slip."""
    if found < _MIN_MOST or sum(bool(fits(value)) for value in counts) < _MIN_PLACES:
        return False
    others = max((count for value, count in counts.items() if not fits(value)), default=0)
    return others <= _MAX_OTHER * sum(counts.values())


def _is_language(text: str) -> bool:
    # de is German, DE Germany.
    return places.language(text) is not None and not (text.isupper() and len(text) <= 3)


def _is_currency(text: str) -> bool:
    return currencies.code(text) is not None and not any(map(str.isdecimal, text))


_PLACES: dict[str, Callable[[str], object]] = {
    "country": lambda text: places.country(text) if not (text.islower() and len(text) <= 3) else None,
    "state": lambda text: places.states("US").get(folded(text)),
    "currency": _is_currency,
    "language": _is_language,
}
