"""Entities that a pattern and a check tell for certain: e-mail, web and IP addresses, phone, account and card numbers.

The result is as that of `entities`, with score 1. Option `kinds`: which of the patterns, each with the label to give.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pg_llm.models.engine import Engine
from pg_llm.tasks import Steps, WorkItem, passages, stepwise

Span = tuple[int, int]

# Letters, digits and the underscore; Chinese and Japanese put no space between them and what is looked for.
_W = r"[^\W\u3040-\u9fff]"
# Lengths are bounded, so that no pattern takes more than time in proportion to the text.
_EMAIL = re.compile(
    rf"(?<!{_W})(?<![.+%-])(?:{_W}|[+%-]){{1,64}}(?:\.(?:{_W}|[+%-]){{1,64}}){{0,8}}"
    rf"@(?:[^\W_](?:(?:{_W}|-){{0,61}}[^\W_])?\.){{1,8}}[^\W\d_\u3040-\u9fff]{{2,24}}(?!{_W}|-)"
)
_URL = re.compile(rf"(?<!{_W})(?:(?:https?|ftp)://|www\.)[^\s<>\"\u201c\u201d\u3002\uff0c]{{3,2000}}", re.IGNORECASE)
_URL_END = ".,;:!?'\u2019"
_IBAN = re.compile(rf"(?<!{_W})[A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,3}})?(?!{_W})")
_CARD = re.compile(rf"(?<!{_W})(?<![.-])(?<!\d )\d(?:[ -]?\d){{12,18}}(?!{_W}|-)")
_IP = re.compile(
    rf"(?<!{_W})(?<![.:])(?:\d{{1,3}}(?:\.\d{{1,3}}){{3}}|[0-9a-fA-F]{{0,4}}(?::[0-9a-fA-F]{{0,4}}){{2,7}})(?!{_W}|:|\.\d)"
)


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per text."""
    return [stepwise(_find(text, options["kinds"])) for text in inputs]


def _find(text: str, labels: dict[str, str]) -> Steps:
    written = []
    for first, last in passages.ranges(text):
        found = {span: label for kind, label in labels.items() for span in _FINDERS[kind](text[first:last])}
        end = 0
        # A longer match takes precedence: an address of a page may hold one of mail.
        for start, stop in sorted(found, key=lambda span: (span[0], -span[1])):
            if start >= end:
                written.append([found[start, stop], start + first, stop + first, 1.0])
                end = stop
        yield ()
    return json.dumps(written, ensure_ascii=False)


def emails(text: str) -> Iterator[Span]:
    """Addresses of e-mail."""
    return (match.span() for match in _EMAIL.finditer(text))


def urls(text: str) -> Iterator[Span]:
    """Addresses of pages, without the punctuation after them."""
    for match in _URL.finditer(text):
        url = match[0].rstrip(_URL_END)
        # A bracket that was opened before the address does not belong to it.
        while url.endswith((")", "]", "}")) and url.count(url[-1]) > url.count("([{"[")]}".index(url[-1])]):
            url = url[:-1].rstrip(_URL_END)
        yield match.start(), match.start() + len(url)


def phones(text: str) -> Iterator[Span]:
    """Phone numbers with the code of their country."""
    import phonenumbers

    # Without a country only numbers that begin with + or 00 are certain.
    return ((match.start, match.end) for match in phonenumbers.PhoneNumberMatcher(text, None))


def ibans(text: str) -> Iterator[Span]:
    """Numbers of accounts with right check digits."""
    for match in _IBAN.finditer(text):
        code = match[0].replace(" ", "")
        digits = "".join(str(int(character, 36)) for character in code[4:] + code[:4])
        if 15 <= len(code) <= 34 and int(digits) % 97 == 1:
            yield match.span()


def cards(text: str) -> Iterator[Span]:
    """Numbers of cards, by Luhn's check."""
    for match in _CARD.finditer(text):
        digits = [int(character) for character in match[0] if character.isdigit()]
        doubled = [digit if place % 2 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(digits[::-1], 1)]
        if len(set(digits)) > 1 and sum(doubled) % 10 == 0:
            yield match.span()


def ip_addresses(text: str) -> Iterator[Span]:
    """Addresses of IPv4 and IPv6."""
    for match in _IP.finditer(text):
        try:
            ipaddress.ip_address(match[0])
        except ValueError:
            continue
        if match[0] != "::":
            yield match.span()


_FINDERS: dict[str, Callable[[str], Iterator[Span]]] = {
    "email": emails,
    "url": urls,
    "phone": phones,
    "iban": ibans,
    "card": cards,
    "ip": ip_addresses,
}
