"""A made table of persons of which some come several times, with households, twins, namesakes and moves: seeded.

It was made before anything was tuned; tuning used other seeds, and `customers`, a smaller table of another make.
"""

from __future__ import annotations

import datetime
import random
import string
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from faker.providers.person.de_DE import Provider as German
from faker.providers.person.en_US import Provider as American

Row = list[str | None]
PERSON_COLUMNS = "first_name last_name birth_date street postcode city phone email registered source".split()
CUSTOMER_COLUMNS = "name born address place mobile company".split()
_STREET_KINDS = ("Street", "Avenue", "Road", "Lane", "Drive", "Court", "Boulevard", "Place")
_SHORT = {"Street": "St", "Avenue": "Ave", "Road": "Rd", "Lane": "Ln", "Drive": "Dr", "Boulevard": "Blvd"}
_NICKNAMES = {
    "William": "Bill", "Robert": "Bob", "Richard": "Rick", "Elizabeth": "Liz", "Margaret": "Peggy", "James": "Jim",
    "Michael": "Mike", "Thomas": "Tom", "Katherine": "Kate", "Jennifer": "Jen", "Christopher": "Chris",
    "Matthew": "Matt", "Joseph": "Joe", "Anthony": "Tony", "Edward": "Ted", "Patricia": "Pat", "Susan": "Sue",
    "Deborah": "Debbie", "Samuel": "Sam", "Benjamin": "Ben", "Daniel": "Dan", "David": "Dave", "Andrew": "Andy",
}  # fmt: skip
_DOMAINS = ("gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "example.org", "mail.example.net")
_SYLLABLES = "ka lo mi ren tor vel shi ban dor wick ham ley ford bury ton mar sel no ri pa gre hol ster".split()


class _Weighted:
    """Draws from a vocabulary by weight."""

    def __init__(self, weights: dict[str, float]) -> None:
        self._values = list(weights)
        self._cumulated = list(accumulate(weights.values()))

    def draw(self, chance: random.Random) -> str:
        return chance.choices(self._values, cum_weights=self._cumulated)[0]


def _weights(names: Any) -> dict[str, float]:
    """Weights of a provider's names: its own, or by rank as names are distributed (Zipf)."""
    if isinstance(names, dict):
        return {str(name): float(weight) for name, weight in names.items()}
    return {str(name): 1 / (rank + 10) for rank, name in enumerate(dict.fromkeys(names))}


def persons(rows: int, seed: int) -> tuple[list[int], list[Row]]:
    """So many rows of PERSON_COLUMNS in random order, and which person each is about; a fifth repeats another."""
    chance = random.Random(seed)
    first, last = _Weighted(_weights(American.first_names)), _Weighted(_weights(American.last_names))
    world = _World(chance, rows)
    known: list[Row] = []
    while len(known) < rows * 4 // 5:
        known += _household(chance, world, first, last)
    known = known[: rows * 4 // 5]
    people = list(range(len(known)))
    found = list(known)
    while len(found) < rows:
        # Most who come again come twice, few five times.
        person = chance.randrange(len(known))
        for _ in range(chance.choices((1, 2, 3, 4), (70, 20, 7, 3))[0]):
            found.append(_again(chance, world, last, known[person]))
            people.append(person)
    order = list(range(rows))
    chance.shuffle(order)
    return [people[place] for place in order], [found[place] for place in order]


class _World:
    """Towns with postcodes and streets; more people live in some of them."""

    def __init__(self, chance: random.Random, rows: int) -> None:
        towns = {}
        while len(towns) < max(20, min(3000, rows // 100)):
            towns["".join(chance.choices(_SYLLABLES, k=chance.choice((2, 3)))).title()] = 1 / (len(towns) + 5)
        self._towns = _Weighted(towns)
        self._postcodes = {town: [f"{chance.randrange(500, 99950):05}" for _ in range(1 + int(40 * weight))]
                           for town, weight in towns.items()}  # fmt: skip
        streets = max(200, min(20_000, rows // 20))
        # No provider gives one address twice.
        self.emails: set[str] = set()
        self._streets = [
            f"{''.join(chance.choices(_SYLLABLES, k=2)).title()} {chance.choice(_STREET_KINDS)}" for _ in range(streets)
        ]

    def address(self, chance: random.Random) -> list[str | None]:
        town = self._towns.draw(chance)
        street = f"{int(chance.paretovariate(0.7)) % 2000 + 1} {chance.choice(self._streets)}"
        if chance.random() < 0.15:
            street += f" Apt {chance.randrange(1, 60)}"
        return [street, chance.choice(self._postcodes[town]), town]


def _household(chance: random.Random, world: _World, first: _Weighted, last: _Weighted) -> list[Row]:
    """One to five persons at one address, some with one telephone, twins and namesakes among them."""
    size = chance.choices((1, 2, 3, 4, 5), (38, 30, 14, 13, 5))[0]
    address, surname = world.address(chance), last.draw(chance)
    phone = _phone(chance) if chance.random() < 0.4 else None
    shared_email = size > 1 and chance.random() < 0.04
    eldest = chance.randrange(1930, 2000)
    members: list[Row] = []
    for place in range(size):
        given = first.draw(chance)
        born = _day(chance, eldest + (chance.randrange(-4, 5) if place < 2 else chance.randrange(20, 36)))
        if place == 1 and chance.random() < 0.25:
            surname = last.draw(chance)
        if place > 2 and chance.random() < 0.04:
            born = members[-1][2] or born
        if place > 1 and chance.random() < 0.03:
            given = members[0][0] or given
        number = phone if phone and chance.random() < 0.7 else _phone(chance)
        email = members[0][7] if shared_email and place else _email(chance, world, given, surname, born)
        members.append([given, surname, born, *address, number, email, _day(chance, 2012 + chance.randrange(12)),
                        chance.choice(("shop", "newsletter", "call centre"))])  # fmt: skip
    for member in members:
        for column, share in ((2, 0.06), (6, 0.15), (7, 0.25), (4, 0.03)):
            if chance.random() < share:
                member[column] = None
    return members


def _phone(chance: random.Random) -> str:
    return f"({chance.randrange(201, 990)}) {chance.randrange(200, 1000)}-{chance.randrange(10000):04}"


def _email(chance: random.Random, world: _World, given: str, surname: str, born: str) -> str:
    initial = given[:1]
    name = chance.choice((f"{given}.{surname}", f"{initial}{surname}", f"{given}{born[:4]}", f"{surname}{initial}"))
    tail = str(chance.randrange(1, 999)) if chance.random() < 0.5 else ""
    while (email := f"{name}{tail}@{chance.choice(_DOMAINS)}".lower()) in world.emails:
        tail = str(chance.randrange(1, 99_999))
    world.emails.add(email)
    return email


def _day(chance: random.Random, year: int) -> str:
    return (datetime.date(year, 1, 1) + datetime.timedelta(chance.randrange(365))).isoformat()


def _again(chance: random.Random, world: _World, last: _Weighted, known: Row) -> Row:
    """The person as another clerk, another day or another form has them."""
    row = list(known)
    row[8], row[9] = _day(chance, 2012 + chance.randrange(12)), chance.choice(("shop", "newsletter", "call centre"))
    if chance.random() < 0.10:
        row[3:6] = world.address(chance)
        if chance.random() < 0.5:
            row[6] = _phone(chance)
    if chance.random() < 0.03:
        row[1] = last.draw(chance)
    if chance.random() < 0.12:
        row[6] = _phone(chance)
    if chance.random() < 0.12:
        row[7] = _email(chance, world, row[0] or "", row[1] or "", row[2] or "1980")
    for column, share in enumerate((0.02, 0.01, 0.10, 0.12, 0.12, 0.08, 0.25, 0.30)):
        if chance.random() < share:
            row[column] = None
    for _ in range(chance.choices((0, 1, 2, 3), (35, 35, 20, 10))[0]):
        column = chance.randrange(8)
        value = row[column]
        if value:
            row[column] = chance.choice(_DAMAGES[column])(chance, value)
    if chance.random() < 0.02:
        row[0], row[1] = row[1], row[0]
    return row


def _typo(chance: random.Random, text: str) -> str:
    """One letter or digit missing, doubled, replaced or swapped with the next."""
    place = chance.randrange(len(text))
    other = chance.choice(string.digits if text[place].isdigit() else string.ascii_lowercase)
    pair = text[place : place + 2]
    return text[:place] + chance.choice(("", text[place] * 2, other, pair[::-1])) + text[place + len(pair) :]


def _replaced_digit(chance: random.Random, text: str) -> str:
    places = [place for place, c in enumerate(text) if c.isdigit()]
    place = chance.choice(places) if places else 0
    return text[:place] + chance.choice(string.digits) + text[place + 1 :]


def _day_and_month_swapped(_: random.Random, text: str) -> str:
    year, month, day = text.split("-") if text.count("-") == 2 else (text, "01", "01")
    return f"{year}-{day}-{month}" if day <= "12" else text


def _another_form(chance: random.Random, phone: str) -> str:
    digits = "".join(filter(str.isdigit, phone))
    return chance.choice((digits, f"+1 {digits}", f"{digits[:3]}.{digits[3:6]}.{digits[6:]}", f"1-{digits}"))


def _abbreviated(_: random.Random, street: str) -> str:
    words = [_SHORT.get(word, word) for word in street.split()]
    return " ".join("#" if word == "Apt" else word for word in words)


def _without_flat(_: random.Random, street: str) -> str:
    return street.split(" Apt ")[0]


def _nickname(chance: random.Random, name: str) -> str:
    return _NICKNAMES.get(name) or _typo(chance, name)


_upper: Callable[[random.Random, str], str] = lambda _, text: text.upper()  # noqa: E731 - one of a list of damages
_DAMAGES: Sequence[Sequence[Callable[[random.Random, str], str]]] = (
    (_typo, _typo, _nickname, _upper, lambda _, text: text[0], lambda c, text: f"{text} {c.choice('ABCJMRS')}."),
    (_typo, _typo, _typo, _upper, lambda c, text: f"{text}-{c.choice(('Lee', 'Hall', 'Stone'))}"),
    (_replaced_digit, _day_and_month_swapped, lambda _, text: text[:4] + "-01-01"),
    (_typo, _abbreviated, _abbreviated, _without_flat, _upper),
    (_replaced_digit, lambda c, text: f"{text}-{c.randrange(10000):04}"),
    (_typo, _upper),
    (_another_form, _another_form, _replaced_digit),
    (_typo, _upper),
)


def customers(rows: int, seed: int) -> tuple[list[int], list[Row]]:
    """So many rows of CUSTOMER_COLUMNS, and which customer each is about: German names in one column, fewer clues."""
    chance = random.Random(seed)
    first = _Weighted(_weights([*German.first_names_male, *German.first_names_female]))
    last = _Weighted(_weights(German.last_names))
    streets = [
        f"{last.draw(chance)}{chance.choice(('straße', 'weg', 'gasse', 'allee'))}" for _ in range(rows // 25 + 20)
    ]
    places = [f"{chance.randrange(1000, 99999):05} {last.draw(chance)}{chance.choice(('burg', 'stadt', 'heim'))}"
              for _ in range(rows // 120 + 10)]  # fmt: skip
    people: list[int] = []
    found: list[Row] = []
    address, place = "", ""
    for number in range(rows):
        if not number or chance.random() < 0.6:
            address, place = f"{chance.choice(streets)} {chance.randrange(1, 90)}", chance.choice(places)
        day = datetime.date(1940, 1, 1) + datetime.timedelta(chance.randrange(24_000))
        row: Row = [
            f"{first.draw(chance)} {last.draw(chance)}", day.strftime("%d.%m.%Y"), address, place,
            f"01{chance.randrange(5, 8)}{chance.randrange(10)} {chance.randrange(10**6, 10**8)}",
            f"{last.draw(chance)} {chance.choice(('GmbH', 'AG', 'KG', 'e.K.'))}" if chance.random() < 0.2 else None,
        ]  # fmt: skip
        for copy in range(chance.choices((1, 2, 3), (85, 12, 3))[0]):
            people.append(number)
            found.append(_noted(chance, row) if copy else row)
    order = list(range(len(found)))
    chance.shuffle(order)
    return [people[n] for n in order[:rows]], [found[n] for n in order[:rows]]


def _noted(chance: random.Random, row: Row) -> Row:
    given, surname = (row[0] or "").split(" ", 1)
    new = [chance.choice((row[0], row[0], f"{surname}, {given}", f"{given[0]}. {surname}")), *row[1:]]
    for column, value in enumerate(new):
        if value and column and chance.random() < 0.15:
            new[column] = None
        elif value and chance.random() < 0.15:
            new[column] = _typo(chance, value)
    if new[2] and chance.random() < 0.2:
        new[2] = new[2].replace("straße", "str.")
    return new


def pairs_of(people: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The pairs of rows, the smaller first, that are about one person."""
    rows: dict[int, list[int]] = {}
    for row, person in enumerate(people):
        for other in rows.setdefault(person, []):
            yield other, row
        rows[person].append(row)
