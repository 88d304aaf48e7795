"""Tables in a dirty and a clean version, cell by cell, and how well errors are found and repaired."""

from __future__ import annotations

import csv
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import psycopg
from database import DATA

Cell = tuple[int, int]
NAMES = ("hospital", "flights")


@dataclass(frozen=True)
class Pair:
    """One table twice; `names` are the columns, the first is the key; both versions are lists of rows."""

    names: list[str]
    dirty: list[list[str]]
    clean: list[list[str]]

    @property
    def errors(self) -> set[Cell]:
        """The cells that differ."""
        rows = enumerate(zip(self.dirty, self.clean, strict=True))
        return {
            (row, column)
            for row, (old, new) in rows
            for column, pair in enumerate(zip(old, new, strict=True))
            if pair[0] != pair[1]
        }


def read(name: str) -> Pair:
    """One of `NAMES`, from the public data."""
    names, *dirty = _rows(name, "dirty")
    return Pair(names, dirty, _rows(name, "clean")[1:])


def _rows(name: str, version: str) -> list[list[str]]:
    with (DATA / "cleaning" / name / f"{version}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def formats(rows: int = 1000, seed: int = 7) -> Pair:
    """A table without dependencies; one value in ten is written otherwise than the rest of its column."""
    random.seed(seed)
    noise: dict[str, Callable[[str], str]] = {
        "weight": lambda value: value + random.choice([" kg", " kg", "kg"]),
        "share": lambda value: value + "%",
        "born": lambda value: date.fromisoformat(value).strftime(random.choice(["%d %b %Y", "%B %d, %Y"])),
        "colour": lambda value: random.choice([value.upper(), value.capitalize(), f" {value}"]),
        "phone": lambda value: value.replace("-", "."),
    }
    clean, dirty = [], []
    for number in range(rows):
        row = {
            "weight": str(random.randrange(40, 120)),
            "share": f"{random.randrange(0, 100)}.{random.randrange(0, 10)}",
            "born": str(date(1950, 1, 1) + timedelta(random.randrange(20000))),
            "colour": random.choice(["red", "green", "blue", "dark grey", "white"]),
            "phone": f"{random.randrange(200, 999)}-{random.randrange(100, 999)}-{random.randrange(1000, 9999)}",
        }
        spoilt = {name: noise[name](value) if random.random() < 0.1 else value for name, value in row.items()}
        clean.append([str(number), *row.values()])
        dirty.append([str(number), *spoilt.values()])
    return Pair(["id", *noise], dirty, clean)


def load(connection: psycopg.Connection, table: str, names: Iterable[str], rows: Iterable[list[str]]) -> None:
    """The rows as a table of texts, the first column its key; what is empty becomes NULL."""
    key, *others = names
    columns = ", ".join(f'"{name}" text' for name in others)
    connection.execute(f'DROP TABLE IF EXISTS "{table}"; CREATE TABLE "{table}" ("{key}" int PRIMARY KEY, {columns})')
    with connection.cursor() as cursor, cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
        for row in rows:
            copy.write_row([value or None for value in row])


def f1(found: Iterable[Cell], true: set[Cell], right: Callable[[Cell], bool] = lambda _: True) -> float:
    """F1 of the cells found against those that are true, where `right` says whether a true one counts."""
    found = list(found)
    hits = sum(cell in true and right(cell) for cell in found)
    return 2 * hits / (len(found) + len(true)) if hits else 0.0


def repair_f1(pair: Pair, repairs: Mapping[Cell, str]) -> float:
    """End to end: precision over all repairs, recall over all errors, a value counts only if it is exactly right."""
    return f1(repairs, pair.errors, lambda cell: repairs[cell] == pair.clean[cell[0]][cell[1]])


def vote(pair: Pair) -> dict[Cell, str]:
    """The plain peer: per column the best left-hand column, a strict majority of at least three in its group."""
    columns = list(zip(*pair.dirty, strict=True))
    repairs = {}
    for right in range(1, len(columns)):
        best: tuple[float, dict[str, str]] = (0.0, {})
        for left in range(1, len(columns)):
            groups: defaultdict[str, Counter[str]] = defaultdict(Counter)
            for a, b in zip(columns[left], columns[right], strict=True):
                if a and b:
                    groups[a][b] += 1
            majority = {a: counts.most_common(1)[0] for a, counts in groups.items()}
            strict = {
                a: value for a, (value, count) in majority.items() if count >= 3 and 2 * count > groups[a].total()
            }
            share = sum(groups[a][value] for a, value in strict.items()) / len(pair.dirty)
            if left != right and share > best[0]:
                best = share, {**strict, "": str(left)}
        chosen = best[1]
        if chosen:
            left = int(chosen[""])
            for row, values in enumerate(pair.dirty):
                new = chosen.get(values[left]) if values[left] else None
                if new and new != values[right]:
                    repairs[row, right] = new
    return repairs
