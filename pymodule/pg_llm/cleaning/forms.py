"""Standard forms that libraries convert values to, and the words of an instruction that name them."""

from __future__ import annotations

import re

EXAMPLES = (
    "ISO date|ISO timestamp|E.164 phone, US|country code|country name|US state code|currency code|language code|"
    "strip the unit|number|boolean|email|lower case|upper case|title case|damage only"
).split("|")

# The first form whose pattern is found is meant.
_PATTERNS = {
    "damage": r"\bdamage\b",
    "date": r"\bdates?\b|\btimestamps?\b|\bdatetimes?\b",
    "phone": r"\be ?164\b|\bphone",
    "state": r"\b(state|province|region|subdivision)\b.*\bcode|\bstates?\b",
    "country name": r"\bcountry\b.*\bname\b|\bcountries\b.*\bname",
    "country": r"\bcountr(y|ies)\b",
    "currency": r"\bcurrenc(y|ies)\b",
    "language": r"\blanguages?\b",
    "unit": r"\bunits?\b",
    "number": r"\bnumbers?\b|\bnumeric\b",
    "boolean": r"\bboolean\b|\btrue or false\b|\byes or no\b",
    "email": r"\be ?mails?\b",
    "lower case": r"\blower ?case\b",
    "upper case": r"\bupper ?case\b",
    "title case": r"\btitle ?case\b",
}


def find(instruction: str) -> str | None:
    """The form that an instruction names; None if it names none, so that only a model may understand it."""
    words = re.sub(r"[\W_]+", " ", instruction.casefold()).strip()
    return next((form for form, pattern in _PATTERNS.items() if re.search(pattern, words)), None)
