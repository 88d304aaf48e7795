"""Kinds of entities under the names that users give them: a model's own, and those that a pattern tells for certain."""

from __future__ import annotations

import re
from collections.abc import Sequence

# The names that users give to the kinds of OntoNotes, CoNLL and the lexical analysis of Chinese.
SYNONYMS = {
    label: frozenset(names.split(", "))
    for label, names in {
        "PERSON": "person, people, human, name of a person, 人物, 人, 人名, 人员",
        "PER": "person, people, human, name of a person, 人物, 人, 人名, 人员",
        "ORG": "organization, organisation, org, company, institution, 机构, 组织, 公司, 企业, 机构名",
        "GPE": "place, location, country, city, state, 地点, 地名, 国家, 城市",
        "LOC": "place, location, country, city, state, region, 地点, 地名, 地区, 国家, 城市",
        "FAC": "facility, building",
        "DATE": "date, 日期, 时间",
        "TIME": "time, date, 日期, 时间",
        "MONEY": "money, amount, 金额",
        "PRODUCT": "product",
        "EVENT": "event",
        "LAW": "law",
        "LANGUAGE": "language",
        "WORK_OF_ART": "work of art, artwork",
        "NORP": "nationality, group",
    }.items()
}
# Kinds of numbers, which are taken for entities only where a label asks for them.
NUMERIC = ("CARDINAL", "ORDINAL", "PERCENT", "QUANTITY")
_PATTERNS = {
    kind: frozenset(names.split(", "))
    for kind, names in {
        "email": "email, e mail, email address, e mail address, 邮箱, 电子邮件",
        "url": "url, uri, link, web address, website, 网址",
        "phone": "phone, phone number, telephone, telephone number, mobile number, 电话, 手机号",
        "iban": "iban, bank account",
        "ip": "ip, ip address, ipv4, ipv6",
        "card": "credit card, credit card number, card number",
    }.items()
}


def pattern(label: str) -> str | None:
    """The kind of pattern that a label names; None for any other label."""
    folded = _folded(label)
    return next((kind for kind, names in _PATTERNS.items() if folded in names), None)


def kinds(label: str, own: Sequence[str]) -> list[str]:
    """Those of a model's own kinds that a label stands for: the one of that name in any case, else by synonym."""
    if label in own:
        return [label]
    folded = _folded(label)
    named = [kind for kind in own if _folded(kind) == folded]
    return named or [kind for kind in own if folded in SYNONYMS.get(kind, ())]


def _folded(label: str) -> str:
    """In small letters, and a known name in the singular."""
    words = re.sub(r"[\W_]+", " ", label).strip().casefold()
    return next((name for name in (words.removesuffix("s"), words.removesuffix("es")) if name in _NAMES), words)


_NAMES = frozenset().union(*SYNONYMS.values(), *_PATTERNS.values(), (label.casefold() for label in SYNONYMS))
