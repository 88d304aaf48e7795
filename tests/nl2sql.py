"""Questions with the SQL that answers them: public ones, and how two results are compared."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from database import DATA

FOLDER = DATA / "nl2sql"
_BRACES = re.compile(r"\{([^{}]+)\}")


class Question(NamedTuple):
    text: str
    gold: str
    database: str
    category: str


def questions() -> list[Question]:
    with (FOLDER / "questions.csv").open(encoding="utf-8", newline="") as file:
        return [
            Question(row["question"], row["query"], row["db_name"], row["query_category"])
            for row in csv.DictReader(file)
        ]


def load(db: psycopg.Connection, database: str) -> None:
    """The tables and rows of a public database."""
    db.execute((FOLDER / f"{database}.sql").read_bytes())


def expanded(gold: str) -> Iterator[str]:
    """Each SQL that is right: alternatives stand between semicolons, {a, b} is any subset of those columns."""
    for alternative in filter(None, (part.strip() for part in gold.split(";"))):
        match = _BRACES.search(alternative)
        if match is None:
            yield alternative
            continue
        columns = [column.strip() for column in match[1].split(",")]
        for size in range(1, len(columns) + 1):
            for chosen in itertools.combinations(columns, size):
                names = ", ".join(chosen)
                yield alternative.replace(match[0], names).replace("{}", names)


def rows(db: psycopg.Connection, sql: str) -> list[tuple[Any, ...]]:
    return db.execute(sql.encode()).fetchall()


def right(db: psycopg.Connection, gold: str, sql: str) -> bool:
    """Whether the SQL has the rows of one of the right ones, in whatever order of rows and columns."""
    found = rows(db, sql)
    return any(_same(rows(db, each), found) for each in expanded(gold))


def _same(gold: Sequence[tuple[Any, ...]], found: Sequence[tuple[Any, ...]]) -> bool:
    if len(gold) != len(found):
        return False
    if not gold:
        return True
    width = len(gold[0])
    if len(found[0]) != width or width > 6:
        return False
    wanted = sorted(tuple(map(_plain, row)) for row in gold)
    return any(
        sorted(tuple(_plain(row[place]) for place in order) for row in found) == wanted
        for order in itertools.permutations(range(width))
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int | float | Decimal):
        return f"{float(value):.6g}"
    return str(value)
