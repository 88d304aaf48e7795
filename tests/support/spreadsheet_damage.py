"""What spreadsheets, exports and people do to the cells of a table: kinds of damage, each with one right value.

A kind says on which columns it falls (`on`) and what becomes of a value; where it cannot say, the value stays. What the
damaged cell should hold is what it held: nothing here is ambiguous within its column.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from html import entities

from dirty import Cell, Pair


@dataclass(frozen=True)
class Column:
    """A column of a clean table: what it is (`tags`, the strictest first), and how its dates are written."""

    name: str
    tags: frozenset[str]
    written: str = "%Y-%m-%d"
    decided_by: str | None = None


@dataclass(frozen=True)
class Context:
    """What a kind of damage may look at: chance, the column and its clean values."""

    chance: random.Random
    column: Column
    counts: Counter[str]


Spoil = Callable[[str, Context], str]


@dataclass(frozen=True)
class Kind:
    """One kind of damage."""

    name: str
    on: frozenset[str]
    spoil: Spoil
    of_nothing: bool = False


KINDS: list[Kind] = []


@dataclass(frozen=True)
class Damaged:
    """A table in both versions, and which kind of damage each wrong cell has."""

    pair: Pair
    kinds: dict[Cell, str] = field(default_factory=dict)


def damage(
    clean: list[list[str]],
    columns: list[Column],
    seed: int,
    most: float = 0.25,
    untouched: Collection[Cell] = (),
) -> Damaged:
    """The table with every kind that its columns allow, on at most two columns each, at rates from rare to a tenth.

    The cells that are `untouched` stay as they are.
    """
    chance = random.Random(seed)
    dirty = [list(row) for row in clean]
    kinds: dict[Cell, str] = {}
    counts = [Counter(row[place] for row in clean) for place in range(len(columns))]
    spoilt: Counter[int] = Counter()
    for kind in chance.sample(KINDS, len(KINDS)):
        there = [place for place, column in enumerate(columns) if place and column.tags & kind.on]
        for place in chance.sample(there, min(2, len(there))):
            context = Context(chance, columns[place], counts[place])
            cells = max(3, int(len(clean) * 0.004 * 25 ** chance.random()))
            for row in chance.sample(range(len(clean)), len(clean)):
                if cells == 0 or spoilt[place] >= most * len(clean):
                    break
                value = clean[row][place]
                if (row, place) in kinds or (row, place) in untouched or bool(value) == kind.of_nothing:
                    continue
                new = kind.spoil(value, context)
                if new != value and new not in context.counts:
                    dirty[row][place] = new
                    kinds[row, place] = kind.name
                    spoilt[place] += 1
                    cells -= 1
    _break_dependencies(clean, dirty, columns, kinds, chance, untouched)
    return Damaged(Pair([column.name for column in columns], dirty, clean), kinds)


def _break_dependencies(
    clean: list[list[str]],
    dirty: list[list[str]],
    columns: list[Column],
    kinds: dict[Cell, str],
    chance: random.Random,
    untouched: Collection[Cell],
) -> None:
    """In columns that another column decides: another value of the column, no value, or a misspelt name."""
    places = {column.name: place for place, column in enumerate(columns)}
    for place, column in enumerate(columns):
        if column.decided_by is None:
            continue
        by = places[column.decided_by]
        groups = Counter(row[by] for row in clean)
        values = sorted({row[place] for row in clean} - {""})
        for name in ("dependency: another value", "dependency: no value"):
            left = max(3, len(clean) // 100)
            for row in chance.sample(range(len(clean)), len(clean)):
                value = clean[row][place]
                whole = not any(cell in kinds or cell in untouched for cell in ((row, place), (row, by)))
                if left and whole and value and groups[clean[row][by]] >= 8 and len(values) > 1:
                    others = [other for other in values if other != value]
                    dirty[row][place] = chance.choice(others) if name.endswith("another value") else ""
                    kinds[row, place] = name
                    left -= 1


def kind(name: str, *on: str, of_nothing: bool = False) -> Callable[[Spoil], Spoil]:
    """Registers a kind of damage on columns that have one of the tags."""

    def register(spoil: Spoil) -> Spoil:
        KINDS.append(Kind(name, frozenset(on), spoil, of_nothing))
        return spoil

    return register


TEXTS = ("text", "name", "person", "category", "company", "country", "state")
NUMBERS = ("integer", "decimal")
ANY = (*TEXTS, *NUMBERS, "date", "phone", "email", "code", "postcode", "boolean", "money", "percent", "quantity")


# Nothing, in words.


@kind("missing: word", *ANY, of_nothing=True)
def _(value: str, at: Context) -> str:
    return at.chance.choice(["N/A", "n/a", "NULL", "None", "unknown", "not available", "NaN", "-", "?", "missing"])


@kind("missing: word of another language", *ANY, of_nothing=True)
def _(value: str, at: Context) -> str:
    words = ["k.A.", "keine Angabe", "(leer)", "s/o", "n.d.", "sin datos", "inconnu", "unbekannt", "desconocido"]
    return at.chance.choice(words)


@kind("missing: error of Excel", *ANY, of_nothing=True)
def _(value: str, at: Context) -> str:
    return at.chance.choice(["#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#WERT!", "#NV", "#BEZUG!"])


@kind("missing: marks", *ANY, of_nothing=True)
def _(value: str, at: Context) -> str:
    return at.chance.choice(["--", "---", "...", "—", "–", ".", "??"])


@kind("missing: date that is none", "date", of_nothing=True)
def _(value: str, at: Context) -> str:
    return at.chance.choice(["0000-00-00", "00/00/0000", "1900-01-00", "00.00.0000"])


@kind("missing: sentinel", "positive", of_nothing=True)
def _(value: str, at: Context) -> str:
    return at.chance.choice(["-999", "-1", "-9999", "-99"])


# Spaces and characters.


@kind("space around", *ANY)
def _(value: str, at: Context) -> str:
    return at.chance.choice([" {}", "{} ", "  {}", "{}\t", " {} "]).format(value)


@kind("space twice", "name", "person", "category", "company", "country", "state")
def _(value: str, at: Context) -> str:
    return value.replace(" ", "  ", 1)


@kind("space that does not break", *TEXTS, "phone")
def _(value: str, at: Context) -> str:
    return value.replace(" ", "\xa0", 1)


@kind("invisible character", *TEXTS, "code", "email", *NUMBERS)
def _(value: str, at: Context) -> str:
    place = at.chance.choice([0, len(value)])
    return value[:place] + at.chance.choice(["\u200b", "\ufeff", "\u00ad"]) + value[place:]


@kind("line break", "name", "company", "category", "country", "state")
def _(value: str, at: Context) -> str:
    return value.replace(" ", at.chance.choice(["\n", "\r\n"]), 1)


@kind("encoding: UTF-8 as Windows", *TEXTS)
def _(value: str, at: Context) -> str:
    return value.encode().decode("cp1252", "ignore") if not value.isascii() and _survives(value, "cp1252") else value


@kind("encoding: Latin-1 as Macintosh", *TEXTS)
def _(value: str, at: Context) -> str:
    letters = any(c in "äöüéèßáóñ" for c in value)
    return value.encode("latin-1").decode("mac-roman") if letters and _within(value, "latin-1") else value


@kind("encoding: escapes", *TEXTS)
def _(value: str, at: Context) -> str:
    return re.sub(r"[^\x00-\x7f]", lambda found: f"\\u{ord(found[0]):04x}", value)


@kind("encoding: entities", *TEXTS)
def _(value: str, at: Context) -> str:
    return "".join(f"&{entities.codepoint2name.get(ord(c), '')};" if _named(c) else c for c in value)


@kind("letter of another script", "name", "category", "company", "country", "state")
def _(value: str, at: Context) -> str:
    alike = {"a": "а", "e": "е", "o": "о", "c": "с", "p": "р", "A": "А", "B": "В", "E": "Е", "M": "М", "C": "С"}
    there = [place for place, c in enumerate(value) if c in alike]
    if not there or not value.isascii():
        return value
    place = at.chance.choice(there)
    return value[:place] + alike[value[place]] + value[place + 1 :]


@kind("full width", "code", *NUMBERS, "phone", "postcode")
def _(value: str, at: Context) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isalnum() and c.isascii() else c for c in value)


@kind("decomposed accents", *TEXTS)
def _(value: str, at: Context) -> str:
    return unicodedata.normalize("NFD", value)


# Words.


@kind("case: upper", "name", "person", "category", "country", "state")
def _(value: str, at: Context) -> str:
    return value.upper() if len(value) > 3 else value


@kind("case: lower", "name", "person", "category", "country", "state")
def _(value: str, at: Context) -> str:
    return value.lower() if len(value) > 3 else value


@kind("typo in a frequent value", "category", "country", "state")
def _(value: str, at: Context) -> str:
    return _typo(value, at) if at.counts[value] >= 8 and len(value) >= 5 else value


@kind("punctuation in a frequent value", "category", "country", "state")
def _(value: str, at: Context) -> str:
    return re.sub("[ -]", at.chance.choice(["_", "-", ""]), value) if at.counts[value] >= 5 else value


@kind("accents lost in a frequent value", *TEXTS)
def _(value: str, at: Context) -> str:
    plain = unicodedata.normalize("NFD", value).encode("ascii", "ignore").decode()
    return plain if at.counts[value] >= 4 and len(plain) == len(value) else value


@kind("umlaut in two letters in a frequent value", *TEXTS)
def _(value: str, at: Context) -> str:
    long = value
    for one, two in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("Ä", "Ae"), ("Ö", "Oe"), ("Ü", "Ue")):
        long = long.replace(one, two)
    return long if at.counts[value] >= 4 else value


@kind("mark at the end", "name", "person", "country", "state", "category")
def _(value: str, at: Context) -> str:
    return value + at.chance.choice([",", ";", ".", "*"])


@kind("in quotes", "name", "category", "company", "country")
def _(value: str, at: Context) -> str:
    return at.chance.choice(['"{}"', "'{}'", "“{}”"]).format(value)


@kind("name: family first", "person")
def _(value: str, at: Context) -> str:
    parts = value.split()
    return f"{parts[1]}, {parts[0]}" if len(parts) == 2 else value


@kind("name: title before", "person")
def _(value: str, at: Context) -> str:
    return at.chance.choice(["Mr. ", "Dr. ", "Mrs. ", "Ms. "]) + value if len(value.split()) == 2 else value


@kind("country: other name", "country")
def _(value: str, at: Context) -> str:
    others = {
        "United States": ["USA", "U.S.A.", "United States of America"],
        "Germany": ["Deutschland", "GER", "Allemagne"],
        "United Kingdom": ["UK", "Great Britain", "U.K."],
        "Spain": ["España", "ESP"],
        "Italy": ["Italia", "ITA"],
        "Japan": ["日本", "JPN"],
        "Brazil": ["Brasil", "BRA"],
        "France": ["FRA", "Frankreich"],
        "Mexico": ["México", "MEX"],
        "Netherlands": ["The Netherlands", "Holland", "NLD"],
        "Poland": ["Polska", "POL"],
        "Sweden": ["Sverige", "SWE"],
        "Canada": ["CAN", "Kanada"],
        "Australia": ["AUS", "Australien"],
        "Turkey": ["Türkiye", "TUR"],
        "Venezuela": ["VEN", "Venezuela, Bolivarian Republic of"],
        "Cuba": ["CUB", "Kuba"],
    }
    return at.chance.choice(others.get(value, [value]))


@kind("state: code for its name", "state")
def _(value: str, at: Context) -> str:
    codes = {
        "California": "CA", "Texas": "TX", "New York": "NY", "Florida": "FL", "Illinois": "IL", "Ohio": "OH",
        "Pennsylvania": "PA", "Alaska": "AK", "Georgia": "GA", "Michigan": "MI", "Minnesota": "MN", "Oregon": "OR",
        "Washington": "WA", "Wisconsin": "WI", "Kansas": "KS", "Missouri": "MO", "Oklahoma": "OK", "Arizona": "AZ",
    }  # fmt: skip
    return codes.get(value, value)


@kind("boolean: another word", "boolean")
def _(value: str, at: Context) -> str:
    yes = value.lower() in ("yes", "true", "ja", "oui")
    return at.chance.choice(["Y", "TRUE", "x", "wahr"] if yes else ["N", "FALSE", "falsch"])


# Numbers.


@kind("number: decimal comma", "decimal")
def _(value: str, at: Context) -> str:
    return value.replace(".", ",") if not re.search(r"\.\d{3}$", value) else value


@kind("number: groups of thousands", *NUMBERS)
def _(value: str, at: Context) -> str:
    if float(value) < 1000 or (at.column.tags & {"decimal"} and "." not in value):
        return value
    whole, _, part = value.partition(".")
    grouped = f"{int(whole):,}".replace(",", at.chance.choice([",", "'", " "]))
    return f"{grouped}.{part}" if part else grouped


@kind("number: European", "decimal")
def _(value: str, at: Context) -> str:
    whole, _, part = value.partition(".")
    return f"{int(whole):,}".replace(",", ".") + f",{part}" if part and abs(int(whole)) >= 1000 else value


@kind("number: sign of a currency", "amount")
def _(value: str, at: Context) -> str:
    return at.chance.choice(["${}", "$ {}", "{} $", "USD {}"]).format(value) if value[0] != "-" else value


@kind("number: unit behind it", "measure")
def _(value: str, at: Context) -> str:
    unit = next(tag.split(":")[1] for tag in at.column.tags if tag.startswith("unit:"))
    return at.chance.choice(["{} {}", "{}{}"]).format(value, unit)


@kind("number: decimals of a whole one", "integer")
def _(value: str, at: Context) -> str:
    return value + at.chance.choice([".0", ".00"])


@kind("number: scientific", *NUMBERS)
def _(value: str, at: Context) -> str:
    digits = len(value.strip("-").replace(".", "").strip("0"))
    return f"{float(value):.{digits - 1}E}" if 1 < digits <= 6 and abs(float(value)) >= 100 else value


@kind("number: sign behind", "signed")
def _(value: str, at: Context) -> str:
    return at.chance.choice([f"{value[1:]}-", f"({value[1:]})", f"−{value[1:]}"]) if value[0] == "-" else value


@kind("number: letter for a digit", *NUMBERS)
def _(value: str, at: Context) -> str:
    letter = at.chance.choice(["0O", "1l", "0o", "1I", "5S"])
    inside = [place for place, c in enumerate(value) if c == letter[0] and len(value) > 2]
    if not inside:
        return value
    place = at.chance.choice(inside)
    return value[:place] + letter[1] + value[place + 1 :]


@kind("number: apostrophe before it", *NUMBERS, "postcode")
def _(value: str, at: Context) -> str:
    return f"'{value}"


@kind("number: noise of binary fractions", "decimal")
def _(value: str, at: Context) -> str:
    whole, _, part = value.partition(".")
    if not part or len(part) > 4:
        return value
    if at.chance.random() < 0.5:
        return f"{whole}.{part}{'0' * (15 - len(part))}{at.chance.randint(1, 9)}"
    less = f"{int(part) - 1:0{len(part)}d}"
    return f"{whole}.{less}{'9' * (15 - len(part))}{at.chance.randint(1, 9)}" if int(part) else value


@kind("number: blank after the mark", "decimal")
def _(value: str, at: Context) -> str:
    return value.replace(".", ". ", 1)


@kind("money: another writing", "money")
def _(value: str, at: Context) -> str:
    number, sign = re.sub(r"[^\d.,-]", "", value), re.sub(r"[\d.,\s-]", "", value)
    return at.chance.choice([f"{sign}{number}", f"{number}{sign}", f"{number} {'EUR' if sign == '€' else 'USD'}"])


@kind("money: without the sign", "money")
def _(value: str, at: Context) -> str:
    return re.sub(r"[^\d.,-]", "", value)


@kind("percent: another writing", "percent")
def _(value: str, at: Context) -> str:
    number = value.rstrip("% ")
    return at.chance.choice([f"{number} %", f"{number}%", f"{number} percent", f"{number} Prozent", number])


@kind("quantity: without a space", "quantity")
def _(value: str, at: Context) -> str:
    return value.replace(" ", "")


@kind("quantity: without its unit", "quantity")
def _(value: str, at: Context) -> str:
    return value.split()[0]


@kind("quantity: unit in other letters", "quantity")
def _(value: str, at: Context) -> str:
    number, unit = value.split()
    words = {"kg": ["KG", "Kg", "kgs", "kilograms", "kg."]}
    return f"{number} {at.chance.choice(words.get(unit, [unit.upper()]))}"


@kind("quantity: smaller unit", "quantity")
def _(value: str, at: Context) -> str:
    number, unit = value.split()
    grams = float(number.replace(",", ".")) * 1000
    return f"{grams:.0f} g" if unit == "kg" and abs(grams - round(grams)) < 1e-6 else value


# Dates and times.


def _day(value: str, at: Context) -> date:
    return datetime.strptime(value, at.column.written).date()


@kind("date: month in words", "date")
def _(value: str, at: Context) -> str:
    return _day(value, at).strftime(at.chance.choice(["%d %b %Y", "%B %d, %Y", "%d-%b-%Y", "%b %d, %Y"]))


@kind("date: month in words of another language", "date")
def _(value: str, at: Context) -> str:
    day = _day(value, at)
    german = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September"]
    french = ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre"]
    german += ["Oktober", "November", "Dezember"]
    french += ["octobre", "novembre", "décembre"]
    words = [f"{day.day}. {german[day.month - 1]} {day.year}", f"{day.day} {french[day.month - 1]} {day.year}"]
    return at.chance.choice(words)


@kind("date: with points", "date")
def _(value: str, at: Context) -> str:
    return _day(value, at).strftime("%d.%m.%Y")


@kind("date: other order, day above 12", "date")
def _(value: str, at: Context) -> str:
    day = _day(value, at)
    return day.strftime(at.chance.choice(["%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y"])) if day.day > 12 else value


@kind("date: ISO or compact", "date")
def _(value: str, at: Context) -> str:
    return _day(value, at).strftime(at.chance.choice(["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d"]))


@kind("date: serial of Excel", "date")
def _(value: str, at: Context) -> str:
    day = _day(value, at)
    return str((day - date(1899, 12, 30)).days) if day.year >= 1955 else value


@kind("date: with a time of zero", "date")
def _(value: str, at: Context) -> str:
    return value + at.chance.choice([" 00:00:00", " 00:00", " 0:00:00"])


@kind("date: without leading zeros", "date")
def _(value: str, at: Context) -> str:
    return re.sub(r"(?<!\d)0(\d)", r"\1", value)


@kind("date: year of two digits, day above 12", "date")
def _(value: str, at: Context) -> str:
    day = _day(value, at)
    plain = day.day > 31 - 18 and 1999 < day.year < 2027 and at.column.written != "%Y-%m-%d"
    return value.replace(str(day.year), f"{day.year % 100:02d}") if plain else value


@kind("time: of twelve hours", "time")
def _(value: str, at: Context) -> str:
    return datetime.strptime(value, "%H:%M").strftime(at.chance.choice(["%I:%M %p", "%I:%M%p"])).lstrip("0")


@kind("time: another mark", "time")
def _(value: str, at: Context) -> str:
    return value.replace(":", at.chance.choice([".", "h"]))


@kind("timestamp: another writing", "timestamp")
def _(value: str, at: Context) -> str:
    moment = datetime.fromisoformat(value)
    return moment.strftime(at.chance.choice(["%d.%m.%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%b %d, %Y %I:%M:%S %p"]))


# Addresses of people and pages, codes.


@kind("phone: another writing", "phone")
def _(value: str, at: Context) -> str:
    digits = re.sub(r"\D", "", value)
    if value.startswith("+"):
        country, _, rest = value[1:].partition(" ")
        return at.chance.choice(["00{0} {1}", "00{0}{1}", "+{0} (0) {1}", "0{1}"]).format(country, rest)
    last = digits[-10:]
    forms = ["({}) {}-{}", "{}.{}.{}", "+1 {} {} {}", "1-{}-{}-{}", "{}{}{}"]
    return at.chance.choice(forms).format(last[:3], last[3:6], last[6:])


@kind("email: sign in words", "email")
def _(value: str, at: Context) -> str:
    return value.replace("@", at.chance.choice(["(at)", " at ", "[at]", " @ "]))


@kind("email: comma", "email")
def _(value: str, at: Context) -> str:
    head, _, tail = value.rpartition(".")
    return f"{head},{tail}"


@kind("email: host misspelt", "email")
def _(value: str, at: Context) -> str:
    wrong = {"gmail.com": ["gmial.com", "gmai.com", "gmail.con"], "hotmail.com": ["hotmial.com", "hotmal.com"],
             "yahoo.com": ["yaho.com", "yahooo.com"]}  # fmt: skip
    name, _, host = value.partition("@")
    return f"{name}@{at.chance.choice(wrong[host])}" if host in wrong else value


@kind("email: with more around it", "email")
def _(value: str, at: Context) -> str:
    return at.chance.choice(["mailto:{}", "<{}>", "{}.", "{};"]).format(value)


@kind("email: upper case", "email")
def _(value: str, at: Context) -> str:
    return value.upper()


@kind("url: broken scheme", "url")
def _(value: str, at: Context) -> str:
    rest = value.split("://")[1]
    return at.chance.choice(["https//{}", "https:/{}", "{}", "htps://{}", "HTTPS://{}"]).format(rest)


@kind("postcode: leading zero lost", "postcode")
def _(value: str, at: Context) -> str:
    return value.lstrip("0")


@kind("postcode: decimals", "postcode")
def _(value: str, at: Context) -> str:
    return f"{value}.0" if value.isdigit() and value[0] != "0" else value


@kind("code: lower case", "code")
def _(value: str, at: Context) -> str:
    return value.lower()


@kind("code: mark left out or another", "code")
def _(value: str, at: Context) -> str:
    return value.replace("-", at.chance.choice(["", " ", "_", "/"]))


@kind("code: letter for a digit", "code")
def _(value: str, at: Context) -> str:
    there = [place for place, c in enumerate(value) if c == "0" and place and value[place - 1].isdigit()]
    place = at.chance.choice(there) if there else -1
    return value if place < 0 else value[:place] + "O" + value[place + 1 :]


@kind("iban: spaces", "iban")
def _(value: str, at: Context) -> str:
    spaced = " ".join(value[place : place + 4] for place in range(0, len(value), 4))
    return at.chance.choice([spaced, value.lower(), spaced.replace(" ", "-")])


def _typo(value: str, at: Context) -> str:
    """One letter too many, too few, another, or two swapped; not at the beginning."""
    place = at.chance.randrange(1, len(value) - 1)
    letter = at.chance.choice("abcdefghijklmnopqrstuvwxyz")
    made = {
        "insert": value[:place] + letter + value[place:],
        "delete": value[:place] + value[place + 1 :],
        "replace": value[:place] + letter + value[place + 1 :],
        "swap": value[:place] + value[place + 1] + value[place] + value[place + 2 :],
    }
    return made[at.chance.choice(sorted(made))]


def _named(character: str) -> bool:
    return ord(character) in entities.codepoint2name and (not character.isascii() or character == "&")


def _survives(value: str, encoding: str) -> bool:
    """Whether every byte of the value has a letter in that encoding."""
    try:
        return value.encode().decode(encoding).encode(encoding) == value.encode()
    except UnicodeError:
        return False


def _within(value: str, encoding: str) -> bool:
    try:
        value.encode(encoding)
    except UnicodeError:
        return False
    return True
