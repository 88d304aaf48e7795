"""Standard forms that libraries convert values to, and the words of an instruction that name them."""

from __future__ import annotations

import re

EXAMPLES = (
    "ISO date|ISO timestamp|E.164 phone, US|country code|country name|US state code|currency code|language code|"
    "strip the unit|only the unit|number|number in kg|boolean|email|URL|only the domain|only the zip code|"
    "only the house number|without the title|trim spaces|NULL if there is no value|lower case|upper case|title case|"
    "plain text|damage only"
).split("|")

# Before the name of a part: an instruction that says more about it is for a model.
_ONLY = r"(?:(?:only|just|the|extract|get|keep|return|give|convert|parse|it|a|an|as|to|in|into|its) )*"
_WITHOUT = r"(?:without|strip|remove|drop|no|less)\b.*"

# The first form whose pattern is found is meant.
_PATTERNS = {
    "damage": r"\bdamage\b",
    "plain text": rf"^{_ONLY}plain text$|^{_WITHOUT}\b(html|tags|markup)$",
    "title case": r"\btitle ?case\b",
    "title": rf"^{_WITHOUT}\btitles?$",
    "missing": r"^null\b|\bnull if\b",
    "house number": rf"^{_ONLY}house numbers?$",
    "postcode": rf"^{_ONLY}(zip|postal|post)? ?codes?$|^{_ONLY}(postcodes?|zips?|plz)$",
    "domain": rf"^{_ONLY}(domains?|host ?names?)( names?)?$",
    "url": rf"^{_ONLY}(normali[sz]ed )?(urls?|web address(es)?)$",
    "date": r"\bdates?\b|\btimestamps?\b|\bdatetimes?\b",
    "phone": r"\be ?164\b|\bphone",
    "state": r"\b(state|province|region|subdivision)\b.*\bcode|\bstates?\b",
    "country name": r"\bcountry\b.*\bname\b|\bcountries\b.*\bname",
    "country": r"\bcountr(y|ies)\b",
    "currency": r"\bcurrenc(y|ies)\b",
    "language": r"\blanguages?\b",
    "unit": rf"^{_WITHOUT}\bunits?$",
    "unit alone": rf"^{_ONLY}units?( of measure(ment)?)?$",
    "quantity": rf"^{_ONLY}(?:numbers?|amounts?|values?|quantity|quantities|convert(?:ed)?) (?:in|to|into) \S+$",
    "number": rf"^{_ONLY}(?:(?:plain|decimal) )?numbers?\b|\bnumeric\b",
    "boolean": r"\bboolean\b|\btrue or false\b|\byes or no\b",
    "email": r"\be ?mails?\b",
    "spaces": r"^(?:(?:trim|collapse|normali[sz]e|single|white|extra|and|remove|double) ?)+spaces?$|^trim$",
    "lower case": r"\blower ?case\b",
    "upper case": r"\bupper ?case\b",
}


def makes_null(instruction: str) -> bool:
    """Whether the empty text stands for NULL in what the instruction makes of values."""
    return find(instruction) == "missing"


def find(instruction: str) -> str | None:
    """The form that an instruction names; None if it names none, so that only a model may understand it."""
    words = re.sub(r"[\W_]+", " ", instruction.casefold()).strip()
    return next((form for form, pattern in _PATTERNS.items() if re.search(pattern, words)), None)
