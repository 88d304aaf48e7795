"""Currencies: signs, ISO 4217 codes and names in many languages, and amounts freed of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from pg_llm.values.host import locales
from pg_llm.values.host.characters import folded, plain

# Signs that one currency has; `$`, `¥` and `kr` are several countries'.
SIGNS = {
    "€": "EUR", "£": "GBP", "₹": "INR", "₽": "RUB", "₩": "KRW", "₪": "ILS", "₺": "TRY", "₴": "UAH", "₫": "VND",
    "₱": "PHP", "฿": "THB", "₦": "NGN", "₡": "CRC", "₲": "PYG", "₸": "KZT", "₮": "MNT", "₭": "LAK", "₾": "GEL",
    "₼": "AZN", "₵": "GHS", "R$": "BRL", "US$": "USD", "A$": "AUD", "C$": "CAD", "CA$": "CAD", "AU$": "AUD",
    "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "NT$": "TWD", "MX$": "MXN", "zł": "PLN", "Kč": "CZK", "Ft": "HUF",
    "лв": "BGN", "руб": "RUB", "円": "JPY", "元": "CNY", "원": "KRW", "Fr": "CHF", "SFr": "CHF", "CN¥": "CNY",
    "JP¥": "JPY", "RM": "MYR", "Rp": "IDR", "lei": "RON",
}  # fmt: skip
# Signs of more than one currency: amounts are freed of them, and no code is given.
_SHARED = ("$", "¥", "kr", "Kr", "USD$", "TL", "Rs", "R")
_WORDS = {"euro": "EUR", "euros": "EUR", "yen": "JPY", "yuan": "CNY", "renminbi": "CNY"}
# "dollar" and "pound" alone are several countries' currencies.
_SHARED_NAMES = frozenset("dollar dollars pound pounds peso pesos franc francs krone krona dinar rupee crown".split())


@cache
def _affixes() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What may stand before an amount, and after it."""
    import pycountry

    signs = sorted((*SIGNS, *_SHARED), key=len, reverse=True)
    written = "|".join(re.escape(sign) for sign in signs)
    codes = "|".join(sorted(currency.alpha_3 for currency in pycountry.currencies))
    words = "[Ee]uros?|dollars?|[Yy]en"
    return (
        re.compile(rf"(?P<sign>{written}|{codes})\.? ?(?=[-+(.,]? ?\d)"),
        re.compile(rf"(?<=[\d)-]) ?(?P<sign>{written}|{codes}|{words})\.?$"),
    )


def split(text: str) -> tuple[str, str | None]:
    """The amount without its currency, and the currency's code (or its sign, if several currencies have it)."""
    before, after = _affixes()
    found = None
    # A sign before the currency stays before the amount.
    sign = text[:1] if text[:1] in ("-", "+") else ""
    rest = text[len(sign) :].lstrip()
    if match := before.match(rest):
        found, rest = match["sign"], rest[match.end() :]
        text = sign + rest
    if match := after.search(text):
        other = match["sign"]
        if found is not None and code(found) != code(other):
            return text, None
        found, text = other, text[: match.start()]
    return text.strip(), None if found is None else code(found) or found


def code(text: str) -> str | None:
    """The ISO 4217 code of a sign, a code or a currency's name in some language; None if several have it."""
    import pycountry

    text = plain(text).rstrip(".") if text not in SIGNS else text
    if text in SIGNS:
        return SIGNS[text]
    if len(text) == 3 and text.isascii() and pycountry.currencies.get(alpha_3=text.upper()):
        return text.upper()
    name = folded(text)
    if name in _SHARED_NAMES:
        return None
    if name in _WORDS:
        return _WORDS[name]
    found = _names().get(name, frozenset())
    return next(iter(found)) if len(found) == 1 else None


@cache
def _names() -> Mapping[str, frozenset[str]]:
    import pycountry

    current = {currency.alpha_3 for currency in pycountry.currencies}
    return locales.meanings(lambda locale: ((c, name) for c, name in locale.currencies.items() if c in current))
