"""Made registers of persons over time, who move, marry and are noted by several offices, each in a manner of its own.

Another make than persons.py and linkage_tables.py: eight other countries, lives in place of copies, and the slips of
hearing, scanning, cutting off and transcribing. Odd seeds were looked at while linkage was built, even ones were put
away. `python person_registers.py FIRST LAST STEP` prints how well llm_duplicates does without a server.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

from faker import Faker
from linkage_tables import Made, measure

Value = str | None
_Known = TypeVar("_Known")
_LOCALES = ("da_DK", "hu_HU", "ro_RO", "hr_HR", "fi_FI", "pt_PT", "es_MX", "en_AU")
_FIRST_DAY, _LAST_DAY = date(2004, 1, 1).toordinal(), date(2024, 1, 1).toordinal()
# Letters that are heard as one another, and characters that a scanner takes for one another.
_HEARD = [each.split(":") for each in "ph:f ck:k th:t y:i z:s c:k ie:i ll:l v:w ss:s".split()]
_SCANNED = [each.split(":") for each in "rn:m l:1 o:0 e:c cl:d h:b 5:S 8:B 1:7 0:6".split()]
_TRANSCRIBED = {
    ord(c): text for c, text in zip("äöüåøæőűšžčțșăãç", "ae oe ue aa oe ae o u s z c t s a a c".split(), strict=True)
}
_DAYS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%Y%m%d", "%d-%b-%Y")


@dataclass
class _Office:
    """Who notes persons: which columns it has, in which forms, and how carefully."""

    name: str
    day: str
    capitals: bool
    width: int
    slips: Sequence[Callable[[str, random.Random], str]]
    slip: float
    empty: dict[str, float]


@dataclass
class _Person:
    """A life: names, addresses and telephones with the day from which they are right."""

    given: str
    second: str
    born: date
    sex: str
    family: list[tuple[int, str]]
    homes: list[tuple[int, tuple[str, str, str]]]
    phones: list[tuple[int, str]]
    mails: list[tuple[int, str]]
    record: str


def table(seed: int) -> Made:
    """The register of this seed."""
    chance = random.Random(seed)
    locale = _LOCALES[seed // 2 % len(_LOCALES)]
    fake = Faker(locale)
    fake.seed_instance(seed)
    places = [(fake.postcode(), fake.city()) for _ in range(chance.choice((25, 120, 500)))]
    streets = [fake.street_name() for _ in range(chance.choice((150, 600, 2500)))]
    columns = _columns(chance)
    offices = [_office(number, chance, columns) for number in range(chance.choice((1, 2, 3, 4)))]
    people: list[_Person] = []
    for _ in range(chance.randrange(900, 1800)):
        people += _household(chance, fake, places, streets)
    again = chance.uniform(0.05, 0.5)
    rows: list[tuple[int, dict[str, Value]]] = []
    for number, person in enumerate(people):
        times = 1
        while chance.random() < again and times < 7:
            times += 1
        rows += [(number, _noted(person, chance.choice(offices), chance)) for _ in range(times)]
    chance.shuffle(rows)
    label = f"{locale} {len(rows)} rows, {len(offices)} offices: {' '.join(columns)}"
    return Made(label, {name: [row[name] for _, row in rows] for name in columns}, [number for number, _ in rows])


def _columns(chance: random.Random) -> list[str]:
    shares = {"born": 0.85, "sex": 0.4, "street": 0.8, "postcode": 0.7, "city": 0.8, "phone": 0.6, "mail": 0.5}
    columns = ["given", "family", *(name for name, share in shares.items() if chance.random() < share)]
    columns += ["record", "office"] if chance.random() < 0.2 else ["office"]
    if len(columns) < 6:
        columns[2:2] = [name for name in ("born", "street", "city") if name not in columns]
    return columns


def _office(number: int, chance: random.Random, columns: Sequence[str]) -> _Office:
    return _Office(
        f"office {number + 1}", chance.choice(_DAYS), chance.random() < 0.25, chance.choice((12, 18, 30, 60, 60)),
        chance.sample((_misheard, _scanned, _transcribed, _without_part, _key_beside), 3), chance.uniform(0.03, 0.25),
        {name: chance.uniform(0, 0.06 if name in ("given", "family") else 0.45) for name in columns},
    )  # fmt: skip


def _household(
    chance: random.Random, fake: Faker, places: Sequence[tuple[str, str]], streets: Sequence[str]
) -> list[_Person]:
    """Parents and children, of whom some leave, marry, or are called as their parents are."""
    size = chance.choices((1, 2, 3, 4, 5, 6), (30, 28, 16, 15, 8, 3))[0]

    def home() -> tuple[str, str, str]:
        postcode, city = chance.choice(places)
        return f"{chance.choice(streets)} {1 + int(chance.expovariate(0.03))}", postcode, city

    shared, family = home(), fake.last_name()
    phone, year = fake.phone_number(), chance.randrange(1925, 1985)
    members: list[_Person] = []
    for place in range(size):
        sex = "FM"[place % 2] if place < 2 else chance.choice("FM")
        given, second = ((fake.first_name_female if sex == "F" else fake.first_name_male)() for _ in range(2))
        alike = [member.given for member in members[:2] if member.sex == sex]
        if place > 1 and alike and chance.random() < 0.08:
            given = alike[0]
        age = chance.randrange(-6, 7) if place < 2 else chance.randrange(19, 38)
        born = date(year + age, 1, 1) + timedelta(chance.randrange(365))
        if place > 2 and chance.random() < 0.05:
            born = members[-1].born
        own = fake.last_name() if place == 1 and chance.random() < 0.35 else family
        mail = f"{given}.{own}{chance.randrange(9999)}@{fake.free_email_domain()}".lower().replace(" ", "")
        person = _Person(given, second, born, sex, [(0, own)], [(0, shared)],
                         [(0, phone if chance.random() < 0.5 else fake.phone_number())],
                         [(0, mail)], f"{chance.randrange(10**9):09}")  # fmt: skip
        for _ in range(chance.choices((0, 1, 2), (70, 22, 8))[0]):
            person.homes.append((chance.randrange(_FIRST_DAY, _LAST_DAY), home()))
        if sex == "F" and chance.random() < 0.15:
            person.family.append((chance.randrange(_FIRST_DAY, _LAST_DAY), fake.last_name()))
        if chance.random() < 0.3:
            person.phones.append((chance.randrange(_FIRST_DAY, _LAST_DAY), fake.phone_number()))
        if chance.random() < 0.2:
            person.mails.append((chance.randrange(_FIRST_DAY, _LAST_DAY), fake.email()))
        members.append(person)
    return members


def _noted(person: _Person, office: _Office, chance: random.Random) -> dict[str, Value]:
    day = chance.randrange(_FIRST_DAY, _LAST_DAY)
    street, postcode, city = _then(person.homes, day)
    given = (
        person.given if chance.random() < 0.85 else chance.choice((f"{person.given} {person.second}", person.given[0]))
    )
    row: dict[str, Value] = {
        "given": given, "family": _then(person.family, day), "sex": person.sex, "street": street,
        "postcode": postcode, "city": city, "phone": _then(person.phones, day), "mail": _then(person.mails, day),
        "record": person.record, "office": office.name,
    }  # fmt: skip
    for name, value in row.items():
        if value and name not in ("sex", "office", "record") and chance.random() < office.slip:
            row[name] = chance.choice(office.slips)(value, chance) or None
    born = person.born
    if chance.random() < office.slip / 2:
        year = born.year + chance.choice((-10, -1, 1))
        slips = (date(born.year, 1, 1), born + timedelta(chance.choice((-1, 1, 10))), date(year, born.month, 28))
        born = chance.choice(slips)
    row["born"] = born.strftime(office.day)
    for name in office.empty:
        if chance.random() < office.empty[name]:
            row[name] = None
        value = row[name]
        if value and name in ("given", "family", "street", "city"):
            row[name] = (value.upper() if office.capitals else value)[: office.width]
    return row


def _then(known: Sequence[tuple[int, _Known]], day: int) -> _Known:
    """What was right on a day."""
    return max(((since, value) for since, value in known if since <= day), key=lambda each: each[0])[1]


def _replaced(text: str, pairs: Sequence[Sequence[str]], chance: random.Random) -> str:
    there = [pair for pair in pairs if pair[0] in text]
    return text.replace(*chance.choice(there), 1) if there else text


def _misheard(text: str, chance: random.Random) -> str:
    return _replaced(text, _HEARD, chance)


def _scanned(text: str, chance: random.Random) -> str:
    return _replaced(text, _SCANNED, chance)


def _transcribed(text: str, _: random.Random) -> str:
    return text.translate(_TRANSCRIBED)


def _without_part(text: str, chance: random.Random) -> str:
    parts = text.split()
    if len(parts) > 1:
        del parts[chance.randrange(len(parts))]
    return " ".join(parts)


def _key_beside(text: str, chance: random.Random) -> str:
    rows = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
    place = chance.randrange(len(text))
    beside = [row[max(row.index(c) - 1, 0)] for row in rows for c in text[place].lower() if c in row]
    return text[:place] + (beside[0] if beside else "") + text[place + 1 :]


if __name__ == "__main__":
    measure(table(seed) for seed in range(*map(int, sys.argv[1:])))
