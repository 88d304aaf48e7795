"""English words: their stems, names split into words, and words that often mean the same in a database."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable
from functools import cache

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
# A letter or two of the table's name before what a column holds: sname, pid.
_PREFIXED = re.compile(r"[a-z]{1,2}(name|title|date|code|type|desc)")
# Short forms that stand for one word in most schemas; of others (comm, exch) the question must tell what they are of.
# Short forms that stand for the same word in most schemas; what others (comm, exch) stand for, the question tells.
_SHORT = {
    short: said
    for short, said in (
        pair.split(maxsplit=1)
        for pair in """
        num number, no number, nr number, nbr number, cnt count, qty quantity, amt amount, dept
        department, emp employee, cust customer, addr address, desc description, descr description, avg
        average, pct percent, dob birth date, yr year, tel phone, ph phone, img image, acct account, acc
        account, prod product, cat category, org organization, mgr manager, msg message, txn transaction,
        tx transaction, dt date, ts time, tm time, nm name, fname first name, lname last name, mname
        middle name, pos position, ref reference, bal balance, loc location, info information, doc doctor,
        temp temperature, max maximum, min minimum, tot total, ccy currency, ctry country, cntry country,
        st state, stat status, sts status, typ type, cd code, lang language, pmt payment, pymt payment,
        ord order, qtr quarter, wk week, mth month, hr hour, hrs hour, secs second, mins minute, lvl
        level, grp group, mkt market, mfr manufacturer, wt weight, ht height, len length, vol volume, univ
        university, sal salary, appt appointment, sched schedule, cmt comment, pkg package, lat latitude,
        lon longitude, lng longitude, freq frequency, dur duration, dest destination, orig origin, src
        source, sess session
        """.split(",")
    )
}
_IRREGULAR = {
    "people": "person", "persons": "person", "children": "child", "men": "man", "women": "woman", "wives": "wife",
    "mice": "mouse", "feet": "foot", "criteria": "criterion", "data": "data", "series": "series",
    "species": "species",
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


# Parts of names that are written together with others, beside those above.
_PARTS_OF_NAMES = set(
    """
    id name date code number time type key first last full middle birth day year month count status state street line
    group level rate percent value limit balance url text note file user hour week total net gross tax unit ship bill
    due create update
    """.split()
)
# Short words that are no short form of a longer one.
_WHOLE = set(
    """
    act ad age aid aim air am an and are area arm art as ask at back bad bag ban band bank bar base bat bath be bed
    bet bid big bill bin bit boat body bond book box boy bug bus but buy by call camp can cap car card care case cash
    cast cell cent chat city club coat cold cook cost crew crop cup cut data day deal death debt deck desk diet do dog
    door draw drug due each egg end eye face fact fair fall fan farm fast fat fee film fine fire firm fish fit flat
    fly food foot for form free fuel full fun fund gain game gap gas gate gift girl go goal gold good grade ground
    hall hand hat he head heat her hill him hit home hot i id idea if in inn is it item job join key kid kind king kit
    lab lake land lane law lead left let lid lie life light line link list load loan long lot love low mail main male
    man many map mark mass me meal men mile milk mind mine mode moon my need net new news night node note of off oil
    old on open or order out own pack page pain paid pair pan park part pass path pay pen per pet pick pie pin pipe
    plan plane plant plate play plot plus poem pool poor port post press pub pump race rain rank rate raw read real
    red rent rest rice ride ring risk road rock role roof room root rose row rule run safe sale salt sea seat self
    sell set sex she shop show side sign sin site size skin sky slot snow so soil son song star stay step stop store
    sun tag take tale talk tank tap task tax tea team tell ten test text than that the then they thing this tie till
    time tip to toe ton tone tool top tour town toy trade train tree trip try tub turn two type unit up us use van
    view vote wage walk wall war was water way we wed well wet who win wind wine wire with wood word work year yes you
    zip zone
    """.split()
)


# Verbs of the past that show no ending.
PAST = {
    "bought", "sold", "wrote", "written", "made", "paid", "spent", "given", "gave", "took", "taken", "held", "won",
    "lost", "taught", "built", "sent", "began", "got", "sung", "sang", "drove", "driven", "flew", "flown", "ate",
    "eaten", "met", "read", "ran", "left", "kept", "led", "fell", "grew", "grown", "knew", "known", "rose", "shown",
    "stood", "spoke", "wore",
}  # fmt: skip
# Short forms that no English word ends with.
_ENDINGS = frozenset({"dt", "nm", "cd", "qty", "amt", "cnt", "pct", "nbr", "addr", "desc"})
_VOWELS = frozenset("aeiou")
_SHORTEST_COMPOUND = 4
# Shares of a word that its short form must keep: of its letters where it is cut anywhere, of its consonants.
_MUCH, _MOST = 0.4, 0.6
# What a short form is worth of which nearly nothing is left.
_ABBREVIATED = 0.72


@cache
def stem(word: str) -> str:
    """A word without the endings of number, person and tense."""
    word = word.lower().removesuffix("'s").removesuffix("\u2019s")
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.isascii():
        return word
    if word.endswith("people"):
        return f"{word[:-6]}person"
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


def compound(word: str, known: Collection[str]) -> tuple[str, ...]:
    """The words of a name's part that are written as one, if they are known: `unitprice` is unit, price."""
    if len(word) < _SHORTEST_COMPOUND or word in _KNOWN or not word.isalpha():
        return (word,)
    for cut in range(len(word) - 2, 1, -1):
        parts = (word[:cut], word[cut:])
        if parts[1] in _ENDINGS or all(is_known(part) or part in known for part in parts):
            return tuple(each for part in parts for each in split(part))
    return (word,)


def is_whole(word: str) -> bool:
    """Whether it is a word of its own, no short form of another."""
    return word in _WHOLE or word in _KNOWN


def is_known(word: str) -> bool:
    """Whether it is a common word, or a common short form of one."""
    return word in _SHORT or stem(word) in _KNOWN


@cache
def abbreviates(short: str, word: str) -> float:
    """How much of a word is left in its short form, from 0 (it is none) to 1.

    A short form is how the word begins, best up to a vowel (trans|action), or its first letter and most of the
    consonants (shr of share); the rest of such a form counts as far as the consonants go.
    """
    if not 1 < len(short) < len(word) or short[0] != word[0] or is_whole(short):
        return 0.0
    if word.startswith(short):
        share = len(short) / len(word)
        cut = len(short) > 2 and short[-1] not in _VOWELS and word[len(short)] in _VOWELS
        return share if cut or share >= _MUCH else 0.0
    rest = iter(word)
    if sum(letter in _VOWELS for letter in short[1:]) > 1 or not all(letter in rest for letter in short):
        return 0.0
    share = len(_consonants(short)) / len(_consonants(word))
    return share if share >= _MOST else 0.0


def shortened(word: str) -> Iterable[str]:
    """Short forms that names may well have of a word: known ones, up to the second vowel or later, the consonants."""
    yield from (short for short, said in _SHORT.items() if word in said.split())
    cuts = (end for end in range(4, len(word) - 1) if word[end] in _VOWELS and word[end - 1] not in _VOWELS)
    yield from (word[:end] for end in itertools.islice(cuts, 1))
    yield _consonants(word)


@cache
def _consonants(word: str) -> str:
    """A word's first letter and the consonants after it, double ones once."""
    return word[:1] + re.sub(r"[aeiou]|(.)(?=\1)", "", word[1:])


_KNOWN = frozenset({word for line in ALIKE for word in line} | {word for said in _SHORT.values() for word in said.split()} | _PARTS_OF_NAMES)


@cache
def _sets(word: str) -> frozenset[int]:
    return frozenset(place for place, words in enumerate(ALIKE) if word in words)


def alike(word: str) -> Iterable[str]:
    """The words that may stand for it."""
    return (other for place in _sets(word) for other in ALIKE[place])


@cache
def likeness(a: str, b: str) -> float:
    """From 0 to 1, how surely a word of a question means one of a name, both stemmed: the latter may be a short form."""
    if a == b:
        return 1.0
    if _sets(a) & _sets(b):
        return 0.75
    if a in _KNOWN and b in _KNOWN:
        return 0.0
    short, long = sorted((a, b), key=len)
    if len(short) >= 4 and long.startswith(short) and len(short) >= 0.6 * len(long):
        return 0.8
    common = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(short))
    if (common >= 4 and common >= 0.75 * len(long)) or (
        common >= 4 and common == len(short) - 1 and len(long) - common <= 4
    ):
        return 0.7
    # The ending of a number may be part of a short form, and the other way round.
    left = max(abbreviates(form, a) for form in (b, f"{b}s", b.removesuffix("s")))
    return _ABBREVIATED + (1 - _ABBREVIATED) * 0.7 * left if left else 0.0
