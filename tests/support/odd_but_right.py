"""Cells that look wrong and are right: kinds of oddity that are put into clean tables, to be left alone there."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

from dirty import Cell
from spreadsheet_damage import Column, Context

Make = Callable[[str, Context], str]
KINDS: list[tuple[str, frozenset[str], Make]] = []


def add(clean: list[list[str]], columns: list[Column], seed: int) -> tuple[list[list[str]], dict[Cell, str]]:
    """The table with every kind of oddity that its columns allow, three to ten cells of each; and where they are."""
    chance = random.Random(seed + 1000)
    odd = [list(row) for row in clean]
    cells: dict[Cell, str] = {}
    decided = {column.name for column in columns if column.decided_by}
    for name, on, make in KINDS:
        there = [place for place, column in enumerate(columns) if column.tags & on and column.name not in decided]
        for place in chance.sample(there, min(1, len(there))):
            context = Context(chance, columns[place], Counter(row[place] for row in clean))
            for row in chance.sample(range(len(clean)), chance.randint(3, 10)):
                if odd[row][place] and (row, place) not in cells:
                    new = make(odd[row][place], context)
                    if new != odd[row][place]:
                        odd[row][place] = new
                        cells[row, place] = name
    places = {column.name: place for place, column in enumerate(columns)}
    for place, column in enumerate(columns):
        if column.decided_by is not None:
            # Somebody moved, or has a second name: a dependency with an exception.
            by = places[column.decided_by]
            groups = Counter(row[by] for row in odd)
            for row in chance.sample(range(len(clean)), 4):
                if groups[odd[row][by]] >= 8 and odd[row][place] and (row, by) not in cells:
                    odd[row][place] = chance.choice([other[place] for other in clean if other[place]])
                    if odd[row][place] != clean[row][place]:
                        cells[row, place] = "exception of a dependency"
    return odd, cells


def _kind(name: str, *on: str) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        KINDS.append((name, frozenset(on), make))
        return make

    return register


def _one_of(*values: str) -> Make:
    return lambda _, at: at.chance.choice(values)


_kind("surname that is a word for nothing", "person")(
    lambda value, at: f"{value.split()[0]} {at.chance.choice(['Null', 'None', 'Nan', 'Missing', 'Na'])}"
)
_kind("title of a person", "person")(lambda value, at: f"{at.chance.choice(['Dr.', 'Prof.', 'Rev.', 'Sir'])} {value}")
_kind("suffix of a person", "person")(lambda value, at: f"{value} {at.chance.choice(['Jr.', 'Sr.', 'III', 'Esq.'])}")
_kind("particle of a person", "person")(lambda value, at: f"de la {value.split()[-1]}")
_kind("name in capitals", "name", "company")(_one_of("IKEA", "NVIDIA", "LEGO", "ASUSTEK", "HSBC", "UNESCO"))
_kind("name in small letters", "name", "company")(_one_of("adidas", "eBay", "thyssenkrupp", "bpost", "ebm-papst"))
_kind("point at the end", "name", "company")(
    _one_of("Yahoo! Inc.", "Warner Bros.", "Smith & Sons Ltd.", "St. Moritz etc.")
)
_kind("name with a comma", "name", "company")(_one_of("Paris, Texas", "Moore, Inc", "Lee, Kim", "Bath, Somerset"))
_kind("name without its accent", "name", "company")(_one_of("Sao Bento", "Munchen Street", "Cafe Noir", "Zurich Road"))
_kind("rare sound neighbour", "country")(_one_of("Austria", "Niger", "Iran", "Dominica", "Slovakia"))
_kind("rare category", "category")(lambda value, at: f"{value}s" if len(value) > 4 else value)
_kind("rare category with an addition", "category")(
    lambda value, at: f"{value} {at.chance.choice(['A', 'II', 'new', '2'])}"
)
_kind("older code", "code")(lambda value, at: f"{value[0]}{at.chance.randrange(10, 99)}")
_kind("code with a letter", "code")(lambda value, at: re.sub(r"\d$", lambda _: at.chance.choice("XOI"), value))
_kind("foreign postcode", "postcode")(lambda value, at: str(at.chance.randrange(1010, 9992)))
_kind("British postcode", "postcode")(_one_of("SW1A 1AA", "EC2R 8AH", "M1 1AE"))
_kind("minus one", "positive")(lambda value, at: "-1")
_kind("large number", "integer", "amount")(lambda value, at: str(at.chance.randrange(10**6, 10**7)))
_kind("nines", "integer")(lambda value, at: at.chance.choice(["999", "9999", "99"]))
_kind("more decimals", "decimal")(
    lambda value, at: f"{value}{at.chance.randrange(100, 999)}" if "." in value else value
)
_kind("whole number", "decimal")(lambda value, at: value.partition(".")[0])
_kind("another unit", "quantity")(lambda value, at: re.sub("kg", at.chance.choice(["l", "m", "Stück"]), value))
_kind("another currency", "money")(lambda value, at: value.replace("€", "CHF"))
_kind("host of mail", "email")(
    lambda value, at: value.split("@")[0] + "@" + at.chance.choice(["ymail.com", "email.com", "gmail.de", "mail.com"])
)
_kind("plain URL", "url")(lambda value, at: "http://" + value.split("://")[1])
_kind("foreign phone", "phone")(_one_of("+44 20 7946 0958", "+81 3-1234-5678", "112", "+1 212 555 0100 x12"))
_kind("day long ago", "date")(
    lambda value, at: value if "%Y" not in at.column.written else re.sub(r"\d{4}", "1901", value)
)
_kind("two spaces in a text", "free")(lambda value, at: value.replace(". ", ".  ").replace(" ", "  ", 1))
