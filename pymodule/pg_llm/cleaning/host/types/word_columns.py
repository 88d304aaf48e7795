"""Columns of words: codes of one pattern, postcodes, companies, addresses, people's names, categories and texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import cache

from pg_llm.cleaning.host.types.column_type import ColumnType, Counts
from pg_llm.values.host import codes
from pg_llm.values.host.characters import plain

_MIN_SHARE = 0.9
# Share of a column's names that have a legal form (GmbH, Ltd) or a title (Dr.), where the others may go without.
_MIN_LEGAL_FORM, _MIN_TITLE = 0.25, 0.25
# A code's patterns: so few of them cover the column.
_MAX_PATTERNS = 3
_MIN_COVERED = 0.75
# A category has at most this share of distinct values; values longer than this on average are texts.
_MAX_CATEGORY_SHARE = 0.1
_MIN_TEXT_LENGTH, _MIN_TEXT_WORDS = 40, 6
_MAX_CODE_LENGTH = 30
_RUN = re.compile(r"(\[A-Z\]|\[a-z\]|\\d)\1*")
_STREET = re.compile(
    r"(?i)\b(?:st|street|ave|avenue|rd|road|blvd|boulevard|ln|lane|dr|drive|way|ct|court|pl|place|sq|square|hwy"
    r"|rue|chemin|quai|calle|carrer|avenida|av|rua|via|viale|piazza|plaza|ulica|ul)\b|"
    r"(?i:stra(?:ß|ss)e|str\.|weg|gasse|platz|allee|straat|laan|gatan|vägen|gade|vej|veien|katu) ?\d|"
    r"(?:丁目|番地|路\d+号|街\d+号)|(?i:улица|ул\.|проспект|пр-т)"
)
_TITLE = re.compile(r"(?:Dr|Prof|Mr|Mrs|Ms|Miss|Herr|Frau|M|Mme|Mlle|Sr|Sra|Sir|Dame|Rev|Ing)\.?,? [A-ZÀ-Þ]")
_SURNAME_FIRST = re.compile(r"[^\W\d_][\w'’ -]+, [^\W\d_][\w'’. -]+")
_INITIAL = re.compile(r"(?:[A-Z]\. ?)+[A-ZÀ-Þ][\w'-]+|[A-ZÀ-Þ][\w'-]+(?: [A-Z]\.)+ [A-ZÀ-Þ][\w'-]+")


def infer(counts: Counts) -> ColumnType:
    """The type of a column of words; every column has one."""
    total = sum(counts.values())

    def share(fits: Callable[[str], object]) -> float:
        return sum(count for value, count in counts.items() if fits(value)) / total

    postal = share(codes.postcode_country)
    if postal >= _MIN_SHARE and len(counts) > 2:
        countries = Counter(codes.postcode_country(value) for value in counts)
        return ColumnType("postcode", postal, region=countries.most_common(1)[0][0])
    if (found := _code(counts, total)) is not None:
        return found
    length = sum(len(value) * count for value, count in counts.items()) / total
    words = sum(len(value.split()) * count for value, count in counts.items()) / total
    if (fitting := share(_is_address)) >= 0.7 and length < 2 * _MIN_TEXT_LENGTH:
        return ColumnType("address", fitting)
    if words < _MIN_TEXT_WORDS and len(counts) > 2:
        if (fitting := share(has_legal_form)) >= _MIN_LEGAL_FORM:
            return ColumnType("company", fitting)
        if share(_is_person) >= _MIN_SHARE and share(_shows_person) >= _MIN_TITLE:
            return ColumnType("person", share(_is_person))
    if len(counts) <= max(2, _MAX_CATEGORY_SHARE * total) and length <= _MIN_TEXT_LENGTH:
        return ColumnType("category", 1.0)
    return ColumnType("text" if length > _MIN_TEXT_LENGTH or words >= _MIN_TEXT_WORDS else "name", 1.0)


@cache
def _legal_forms() -> frozenset[str]:
    from cleanco import termdata

    forms = {form for each in termdata.terms_by_type.values() for form in each}
    return frozenset(form.casefold().replace(".", "").replace(" ", "") for form in forms)


def has_legal_form(name: str) -> bool:
    """Whether a name ends in a company's legal form: GmbH, Ltd, S.A., Inc."""
    words = name.split()
    if len(words) < 2:
        return False
    forms = _legal_forms()
    last = words[-1].strip(",()").casefold().replace(".", "")
    # Endings of one or two letters in lower case are words, or parts of names.
    return last in forms and (len(last) > 2 or words[-1][0].isupper())


def _is_address(text: str) -> bool:
    return any(map(str.isdecimal, text)) and bool(_STREET.search(text))


def _is_person(name: str) -> bool:
    words = re.findall(r"[^\W\d_][\w'’.-]*", name)
    capitals = sum(word[0].isupper() or not word[0].islower() for word in words)
    return 2 <= len(words) <= 6 and not re.search(r"[\d@/&]", name) and capitals >= min(2, len(words))


def _shows_person(name: str) -> bool:
    return bool(_TITLE.match(name) or _SURNAME_FIRST.fullmatch(name) or _INITIAL.fullmatch(name))


def _code(counts: Counts, total: int) -> ColumnType | None:
    """Codes: no spaces, digits or capitals only, few patterns; other cases of the same patterns are slips."""
    found: Counter[str] = Counter()
    slips: Counter[str] = Counter()
    for value, count in counts.items():
        if _looks_like_code(value):
            found[pattern(value)] += count
        elif _looks_like_code(text := re.sub("(?i)(?<=[0-9])[OIl]|[OIl](?=[0-9])", "0", plain(value)).upper()):
            slips[pattern(text)] += count
    common = found.most_common(_MAX_PATTERNS)
    covered = sum(count for _, count in common)
    slipped = sum(slips[each] for each, _ in common)
    if covered + slipped < _MIN_SHARE * total or covered < _MIN_COVERED * total or len(counts) < 3:
        return None
    # Two letters of a pattern at most are told apart from words of many lengths.
    return ColumnType("code", (covered + slipped) / total, pattern="|".join(each for each, _ in common))


def _looks_like_code(value: str) -> bool:
    looks_like_code = len(value) <= _MAX_CODE_LENGTH and (
        any(map(str.isdecimal, value)) or (value.isupper() and len(value) <= 5)
    )
    words = " " in value and not re.fullmatch("[A-Z0-9-]+ [A-Z0-9-]+", value)
    return looks_like_code and not words and value.isascii() and value.isprintable()


def pattern(value: str) -> str:
    """The value as a regular expression: each digit, capital and small letter by its class, with repetitions."""
    classes = "".join(
        r"\d" if c.isdecimal() else "[A-Z]" if "A" <= c <= "Z" else "[a-z]" if "a" <= c <= "z" else re.escape(c)
        for c in value
    )

    def counted(match: re.Match[str]) -> str:
        times = len(match[0]) // len(match[1])
        return match[1] if times == 1 else f"{match[1]}{{{times}}}"

    return _RUN.sub(counted, classes)
