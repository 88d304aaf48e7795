"""Words of one meaning in several writings: truth values, countries, states, currencies, addresses of mail."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

from rapidfuzz.distance import OSA

from pg_llm.cleaning.host.types.column_type import ColumnType, Counts, ValueRepair
from pg_llm.values.host import booleans, contacts, currencies, places
from pg_llm.values.host.characters import folded

_SURE, _LIKELY = 0.97, 0.9
_MIN_COUNT = 5
_MIN_DOMINANT_SHARE = 0.6
# Share of the addresses in small letters, and of those with one scheme, that makes the others exceptions.
_MIN_SMALL, _MIN_SCHEME = 0.9, 0.75
# How often a host must occur, and how much more often than another, to be what that one should be.
_MIN_HOST, _HOST_RATIO, _MIN_HOST_LENGTH = 20, 20, 8


def _state_code(text: str) -> str | None:
    return places.states("US").get(folded(text))


# What a value means, by type, and the forms that a column may write it in.
_MEANINGS: dict[str, Callable[[str], str | None]] = {
    "country": places.country,
    "state": _state_code,
    "currency": currencies.code,
}


def repairs(counts: Counts, column: ColumnType) -> Iterator[ValueRepair]:
    """Values that mean what others mean that are written in the column's form."""
    if column.name == "boolean":
        yield from _truth_values(counts)
    elif column.name in ("email", "url"):
        yield from _addresses(counts, column.name)
    elif column.name in _MEANINGS:
        yield from _variants(counts, column.name, _MEANINGS[column.name])


def _truth_values(counts: Counts) -> Iterator[ValueRepair]:
    """Each truth value in the word that most cells have for it, if yes and no are one pair (true and false)."""
    words: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for value, count in counts.items():
        if (truth := booleans.parse_in_list(value)) is not None:
            words[truth][value] += count
    for each in words.values():
        if not each:
            return
        best, most = each.most_common(1)[0]
        if most < max(_MIN_COUNT, _MIN_DOMINANT_SHARE * each.total()):
            return
    for each in words.values():
        best = each.most_common(1)[0][0]
        for value in each:
            if value != best:
                yield ValueRepair(value, best, _SURE, "boolean", "one word for yes and one for no", "the same answer")


def _addresses(counts: Counts, kind: str) -> Iterator[ValueRepair]:
    is_right, parse = (contacts.is_email, contacts.email) if kind == "email" else (contacts.is_url, contacts.url)
    step = f"slips in {kind} addresses"
    small = sum(count for value, count in counts.items() if value == value.lower())
    is_small = small >= _MIN_SMALL * sum(counts.values())
    scheme, most = _most_frequent_scheme(counts)
    is_one_scheme = most >= _MIN_SCHEME * sum(counts.values())
    hosts = _misspelt_hosts(counts) if kind == "email" else {}
    for value in counts:
        local, _, host = value.strip().rpartition("@")
        if host in hosts:
            reason = f"{hosts[host]!r} is frequent"
            yield ValueRepair(value, f"{local}@{hosts[host]}", _LIKELY, kind, "hosts of mail misspelt", reason)
            continue
        if kind == "email":
            new = parse(value) or parse(contacts.without_at_in_words(value))
            if new is not None and is_small and value.isupper():
                new = new.lower()
        else:
            new = contacts.url_without_slips(value, scheme if is_one_scheme else None)
        if new is None or new == value:
            continue
        if new.casefold() == value.casefold():
            # Case is no error, but where all others go without capitals.
            if is_small and (value.isupper() if kind == "email" else value[:5] != new[:5]):
                yield ValueRepair(value, new, _LIKELY, kind, f"{kind} addresses in small letters", "as all others")
        elif not (kind == "url" and is_right(value)):
            confidence = _LIKELY if is_right(value) or contacts.lacks_scheme(value, new) else _SURE
            yield ValueRepair(value, new, confidence, kind, step, "not an address as it is")


def _misspelt_hosts(counts: Counts) -> dict[str, str]:
    """Rare hosts one slip away from a frequent one, which they should be."""
    hosts: Counter[str] = Counter()
    for value, count in counts.items():
        if contacts.is_email(value.strip()):
            hosts[value.strip().rpartition("@")[2]] += count
    frequent = [host for host, count in hosts.items() if count >= _MIN_HOST and len(host) >= _MIN_HOST_LENGTH]
    found = {}
    for host, count in hosts.items():
        # ymail.com is another host: hardly anybody mistypes the first letter, and .co is a domain as .com is.
        near = [
            each
            for each in frequent
            if each != host
            and each[0] == host[0]
            and each.rpartition(".")[2] == host.rpartition(".")[2]
            and OSA.distance(host, each, score_cutoff=1) <= 1
        ]
        if len(near) == 1 and count * _HOST_RATIO <= hosts[near[0]]:
            found[host] = near[0]
    return found


def _most_frequent_scheme(counts: Counts) -> tuple[str | None, int]:
    schemes: Counter[str] = Counter()
    for value, count in counts.items():
        schemes[value.partition("://")[0].strip().lower() if "://" in value else ""] += count
    return max(
        ((scheme, count) for scheme, count in schemes.items() if scheme), key=lambda each: each[1], default=(None, 0)
    )


def _variants(counts: Counts, name: str, meaning: Callable[[str], str | None]) -> Iterator[ValueRepair]:
    """Values of the column's minority forms, in the writing that its other cells have for the same meaning."""
    by_meaning: dict[str, Counter[str]] = {}
    forms: Counter[str] = Counter()
    for value, count in counts.items():
        if (code := meaning(value)) is not None:
            by_meaning.setdefault(code, Counter())[value] += count
            forms[_form(value, code)] += count
    if not forms:
        return
    form, most = forms.most_common(1)[0]
    if most < max(_MIN_COUNT, _MIN_DOMINANT_SHARE * forms.total()):
        return
    for code, values in by_meaning.items():
        fitting = Counter({value: count for value, count in values.items() if _form(value, code) == form})
        best = fitting.most_common(1)[0][0] if fitting else _written(name, code, form)
        for value, count in values.items():
            if best is None or value == best or (_form(value, code) == form and count * 5 > values[best]):
                continue
            step = f"one writing of each {name}"
            yield ValueRepair(value, best, _SURE if fitting else _LIKELY, "variant", step, f"{best!r} is the same")


def _form(value: str, code: str) -> str:
    text = value.strip()
    if len(text) <= 3 and text.isascii() and text.isalpha():
        return f"code of {len(text)}"
    # Quotation marks and the like are none of the column's forms.
    return "name" if re.fullmatch(r"[^\W\d_][\w .,'()&-]*", text) else "other"


def _written(name: str, code: str, form: str) -> str | None:
    if name == "country" and form.startswith("code"):
        return places.country_form(code, "alpha_2" if form.endswith("2") else "alpha_3")
    return code if form.startswith("code") else None
