"""English words: their stems, names split into words, and words that often mean the same in a database."""

from __future__ import annotations

import re
from functools import cache

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
# A letter or two of the table's name before what a column holds: sname, pid.
_PREFIXED = re.compile(r"[a-z]{1,2}(name|title|date|code|type|desc)")
_SHORT = {
    "num": "number", "no": "number", "nr": "number", "cnt": "count", "qty": "quantity", "amt": "amount",
    "dept": "department",
    "emp": "employee", "cust": "customer", "addr": "address", "desc": "description", "avg": "average",
    "pct": "percent",
    "dob": "birth date", "yr": "year", "tel": "phone", "img": "image", "acct": "account", "prod": "product",
    "cat": "category", "org": "organization", "mgr": "manager", "msg": "message", "txn": "transaction",
    "tx": "transaction",
    "dt": "date", "ts": "time", "fname": "first name", "lname": "last name", "pos": "position", "ref": "reference",
    "bal": "balance", "loc": "location", "info": "information", "doc": "doctor", "temp": "temperature",
    "max": "maximum",
    "min": "minimum",
}  # fmt: skip
_IRREGULAR = {
    "people": "person", "persons": "person", "children": "child", "men": "man", "women": "woman", "wives": "wife",
    "mice": "mouse", "feet": "foot", "criteria": "criterion", "data": "data", "series": "series",
    "species": "species", "ids": "id",
    "has": "have", "had": "have", "having": "have", "did": "do", "does": "do", "done": "do", "was": "be",
    "were": "be",
    "is": "be", "are": "be", "been": "be", "being": "be", "am": "be", "bought": "buy", "sold": "sell",
    "wrote": "write",
    "written": "write", "made": "make", "paid": "pay", "spent": "spend", "given": "give", "gave": "give",
    "took": "take",
    "taken": "take", "held": "hold", "won": "win", "lost": "lose", "taught": "teach", "built": "build",
    "sent": "send",
    "born": "birth", "began": "begin", "got": "get", "cities": "city", "salaries": "salary", "staff": "staff",
    "analyses": "analysis", "statuses": "status", "addresses": "address", "buses": "bus", "classes": "class",
    "movies": "movie", "cookies": "cookie", "heights": "height", "taxes": "tax", "boxes": "box", "hired": "hire",
    "theses": "thesis", "ties": "tie", "lives": "life", "shelves": "shelf", "leaves": "leave", "years": "year",
}  # fmt: skip
# Sets of words of which one may stand for another, each less surely than for itself.
ALIKE = [
    line.split()
    for line in """
    salary pay wage compensation earning remuneration
    price cost fee charge
    revenue sale turnover income
    customer client buyer purchaser shopper
    employee staff worker personnel
    teacher professor instructor lecturer
    student pupil learner
    movie film
    city town
    country nation
    company firm corporation organization enterprise business
    order purchase
    product item article goods
    quantity amount unit
    phone telephone mobile
    email mail
    start begin
    end finish
    location place address
    doctor physician
    patient case
    disease illness diagnosis condition
    paper publication article
    book title volume
    category kind type genre cuisine
    gender sex
    department division
    vendor supplier seller
    author writer
    journal magazine
    review rating
    user member account
    vehicle car
    flight trip
    transaction payment transfer
    age birth
    job position role occupation
    boss manager supervisor
    house home building
    height altitude elevation tall high
    length long duration
    area size surface
    population inhabitant resident people
    weight heavy
    date day time
    hire join employ
    semester term
    course class lecture
    score grade mark point
    warehouse depot store shop
    discount rebate
    shipment delivery
    stock inventory
    zip postcode postal
    nationality country
    """.strip().splitlines()
]


# Verbs of the past that show no ending.
PAST = {
    "bought", "sold", "wrote", "written", "made", "paid", "spent", "given", "gave", "took", "taken", "held", "won",
    "lost", "taught", "built", "sent", "began", "got", "sung", "sang", "drove", "driven", "flew", "flown", "ate",
    "eaten", "met", "read", "ran", "left", "kept", "led", "fell", "grew", "grown", "knew", "known", "rose", "shown",
    "stood", "spoke", "wore",
}  # fmt: skip


@cache
def stem(word: str) -> str:
    """A word without the endings of number, person and tense."""
    word = word.lower().removesuffix("'s").removesuffix("\u2019s")
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.isascii():
        return word
    for ending, other in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("zes", "z")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + other
    if word.endswith("s") and word[-2] not in "sui":
        return word[:-1]
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) >= 3 and re.search("[aeiouy]", base):
            if base[-1] == base[-2] and base[-1] not in "lsz":
                return base[:-1]
            return base + ("e" if _wants_e(base) else "")
    return word


def _wants_e(base: str) -> bool:
    """Whether the verb behind a base ends with an e: price(d), use(d), locate(d), but visit(ed), own(ed)."""
    return bool(
        re.search(
            r"([^aeiou][aiou](?:[bcdgkmpstuvz])|[aeiou]?[aeo]?[csuvz]|at|iv|(?:[^aeiou])l|in|ir|os|ag|ang|arg)$", base
        )
    ) and not base.endswith(("it", "ss", "own", "er", "on", "et", "join", "ain", "iss", "lis", "min"))


@cache
def split(name: str) -> tuple[str, ...]:
    """The words of a name, stemmed, short forms in full: `orderQty_total` is order, quantity, total."""
    words: list[str] = []
    for part in _PARTS.findall(name):
        ending = _PREFIXED.fullmatch(part.lower())
        words += _SHORT.get(part.lower(), ending[1] if ending else part.lower()).split()
    return tuple(stem(word) for word in words)


@cache
def _sets(word: str) -> frozenset[int]:
    return frozenset(place for place, words in enumerate(ALIKE) if word in words)


@cache
def likeness(a: str, b: str) -> float:
    """From 0 to 1, how surely one stem means the other."""
    if a == b:
        return 1.0
    if _sets(a) & _sets(b):
        return 0.75
    short, long = sorted((a, b), key=len)
    if len(short) >= 4 and long.startswith(short) and len(short) >= 0.6 * len(long):
        return 0.8
    common = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(short))
    if (common >= 4 and common >= 0.75 * len(long)) or (
        common >= 4 and common == len(short) - 1 and len(long) - common <= 4
    ):
        return 0.7
    return 0.0
