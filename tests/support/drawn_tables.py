"""Tables whose columns, damages and odd but right cells are drawn by chance, each with parameters of its own.

Another make than clean_tables.py. Makers of columns and kinds of damage are in two halves: those of tables that were
looked at while confidences were calibrated (odd seeds), and those of tables that were put away (even seeds), which have
half of their columns and damages from either.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise

from dirty import Cell, Pair
from faker import Faker
from faker.providers.person.de_DE import Provider as German
from faker.providers.person.en_US import Provider as American
from faker.providers.person.it_IT import Provider as Italian
from faker.providers.person.pl_PL import Provider as Polish
from rapidfuzz import process
from rapidfuzz.distance import OSA

Values = list[str]
# Which value is right, rows of such groups tell.
_MIN_GROUP = 5
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_KEYS = {a: b for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm") for a, b in pairwise(row)}


@dataclass(frozen=True)
class Drawn:
    """A table in both versions, and which kind of damage each wrong cell has."""

    pair: Pair
    kinds: dict[Cell, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Maker:
    names: tuple[str, ...]
    tags: frozenset[str]
    make: Callable[[random.Random, Faker, int], Sequence[Values]]
    put_away: bool


@dataclass(frozen=True)
class _Damage:
    name: str
    tags: frozenset[str]
    spoil: Callable[[random.Random, str, Counter[str]], str]
    put_away: bool


_MAKERS: list[_Maker] = []
_DAMAGES: list[_Damage] = []


def _maker(
    names: str, tags: str, put_away: bool
) -> Callable[[Callable[..., Sequence[Values]]], Callable[..., Sequence[Values]]]:
    def register(make: Callable[..., Sequence[Values]]) -> Callable[..., Sequence[Values]]:
        _MAKERS.append(_Maker(tuple(names.split()), frozenset(tags.split()), make, put_away))
        return make

    return register


def _damage(name: str, tags: str, put_away: bool) -> Callable[[Callable[..., str]], Callable[..., str]]:
    def register(spoil: Callable[..., str]) -> Callable[..., str]:
        _DAMAGES.append(_Damage(name, frozenset(tags.split()), spoil, put_away))
        return spoil

    return register


def draw(seed: int) -> Drawn:
    """The table of a seed."""
    chance = random.Random(seed)
    put_away = seed % 2 == 0
    locales = (
        ("pl_PL", "it_IT", "sv_SE", "nl_NL", "en_GB", "pt_BR") if put_away else ("en_US", "de_DE", "fr_FR", "es_ES")
    )
    faker = Faker(chance.choice(locales))
    faker.seed_instance(seed)
    rows = int(200 * 20 ** chance.random())
    own = [maker for maker in _MAKERS if maker.put_away == put_away]
    others = [maker for maker in _MAKERS if not maker.put_away] if put_away else []
    columns = chance.randint(4, 9)
    chosen = chance.sample(own, min(len(own), (columns + 1) // 2 if put_away else columns))
    chosen += chance.sample(others, columns // 2) if put_away else []
    names, made, tags, decided = ["id"], [[str(row) for row in range(rows)]], [frozenset({"key"})], {}
    for maker in chosen:
        found = maker.make(chance, faker, rows)
        for name, values in zip(maker.names, found, strict=True):
            if len(maker.names) > 1 and name != maker.names[0]:
                decided[len(names)] = len(names) - 1
            names.append(name)
            made.append(values)
            tags.append(
                maker.tags | {"any"} if name == maker.names[-1] or len(maker.names) == 1 else frozenset({"code"})
            )
    for place in range(1, len(names)):
        # What another column tells would be an error where it is empty.
        is_alone = place not in decided and place not in decided.values()
        empty = chance.choice([0, 0, 0, 0.02, 0.1, 0.3]) if is_alone else 0
        made[place] = ["" if chance.random() < empty else value for value in made[place]]
        _add_odd(chance, made[place], tags[place], place in decided)
    clean = [list(row) for row in zip(*made, strict=True)]
    dirty = [list(row) for row in clean]
    kinds: dict[Cell, str] = {}
    for place in range(1, len(names)):
        there = [each for each in _DAMAGES if each.tags & tags[place] and (put_away or not each.put_away)]
        if place in decided:
            # What a word for nothing stands for would be known in large groups alone.
            there = [each for each in there if not each.name.startswith("missing")]
        counts = Counter(made[place])
        for damage in chance.sample(there, min(len(there), chance.choice([0, 1, 1, 2, 3, 4]))):
            _spoil(chance, damage, place, counts, clean, dirty, kinds)
        if place in decided:
            _break(chance, place, clean, dirty, kinds)
    return Drawn(Pair(names, dirty, clean), kinds)


def _spoil(
    chance: random.Random,
    damage: _Damage,
    place: int,
    counts: Counter[str],
    clean: list[Values],
    dirty: list[Values],
    kinds: dict[Cell, str],
) -> None:
    left = max(1, int(len(clean) * 0.001 * 120 ** chance.random()))
    spoil = damage.spoil
    if damage.name.startswith("shared"):
        # One misspelling of one frequent value, again and again.
        frequent = [value for value, count in counts.most_common(8) if len(value) > 4 and count > 30]
        if not frequent:
            return
        sound = chance.choice(frequent)
        wrong = _slip(chance, sound)
        left, spoil = min(left, counts[sound] // 7), lambda _, text, __: wrong if text == sound else text
    for row in chance.sample(range(len(clean)), len(clean)):
        if left == 0:
            break
        value = clean[row][place]
        if (row, place) in kinds or not value:
            # Where nothing is, a word may stand for it.
            if value or not damage.name.startswith("missing"):
                continue
        elif damage.name.startswith("missing") and "" in counts:
            continue
        new = spoil(chance, value, counts)
        if new not in (value, "") and new not in counts:
            dirty[row][place] = new
            kinds[row, place] = damage.name
            left -= 1
            if damage.name.startswith("missing") and value:
                # What it was is lost.
                clean[row][place] = ""


def _break(chance: random.Random, place: int, clean: list[Values], dirty: list[Values], kinds: dict[Cell, str]) -> None:
    values = sorted({row[place] for row in clean} - {""})
    groups = Counter(row[place - 1] for row in clean)
    for kind in ("no value", "another value"):
        for row in chance.sample(range(len(clean)), int(len(clean) * chance.choice([0, 0.003, 0.02]))):
            is_sound = (row, place) not in kinds and (row, place - 1) not in kinds and clean[row][place]
            if is_sound and groups[clean[row][place - 1]] >= _MIN_GROUP:
                new = "" if kind == "no value" else chance.choice(values)
                if new != clean[row][place]:
                    dirty[row][place] = new
                    kinds[row, place] = f"dependency: {kind}"


def _add_odd(chance: random.Random, values: Values, tags: frozenset[str], is_decided: bool) -> None:
    """Cells that look wrong and are right: rare neighbours, outliers, codes of another build, exceptions."""
    if chance.random() < 0.5:
        return
    counts = Counter(values)
    for row in chance.sample(range(len(values)), chance.randint(1, 6)):
        value = values[row]
        if not value:
            continue
        if is_decided:
            # Who moved, or has a second name.
            values[row] = chance.choice(values) or value
        elif tags & {"name", "town", "category"}:
            there = chance.sample(sorted(counts), min(len(counts), 30))
            near = [
                other
                for each in there
                for other, *_ in process.extract(each, _REAL, scorer=OSA.distance, score_cutoff=1)
                if other not in counts and len(other) > 3
            ]
            values[row] = chance.choice(near) if near else f"{value} {chance.choice(['A', 'B', 'II', 'Nord'])}"
        elif "number" in tags:
            values[row] = re.sub(r"^(-?)\d+", lambda found: f"{found[1]}{chance.randrange(10**4, 10**6)}", value)
        elif "code" in tags:
            values[row] = value[: chance.randint(2, max(2, len(value) - 1))]
        elif "person" in tags:
            values[row] = f"{value.split()[0]} {chance.choice(['Null', 'None', 'van der Berg', 'O’Neil', 'Li'])}"


_REAL = sorted(
    {
        name
        for provider in (American, German, Italian, Polish)
        for names in (provider.first_names, provider.last_names)
        for name in names
    }
)


def _zipf(chance: random.Random, words: Sequence[str], rows: int) -> Values:
    skew = chance.choice([0.0, 0.5, 1.0, 1.5])
    return chance.choices(words, [1 / (rank + 1) ** skew for rank in range(len(words))], k=rows)


def _some(chance: random.Random, make: Callable[[], str], least: int, most: int) -> Values:
    found = dict.fromkeys(" ".join(make().split()) for _ in range(chance.randint(least, most)))
    return [value for value in found if value]


def _days(chance: random.Random, rows: int, form: str) -> Values:
    first, span = date(chance.randint(1950, 2020), 1, 1), chance.choice([300, 2000, 15000])
    return [(first + timedelta(chance.randrange(span))).strftime(form) for _ in range(rows)]


# Columns of tables that are looked at.


@_maker("town", "town words", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [_zipf(chance, _some(chance, faker.city, 5, 120), rows)]


@_maker("person", "person words", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [[f"{faker.first_name()} {faker.last_name()}" for _ in range(rows)]]


@_maker("day", "date iso", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [_days(chance, rows, "%Y-%m-%d")]


@_maker("noted_on", "date points", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [_days(chance, rows, "%d.%m.%Y")]


@_maker("price", "number decimal positive", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    middle = chance.choice([2, 4, 7])
    return [[f"{chance.lognormvariate(middle, 1):.2f}" for _ in range(rows)]]


@_maker("count", "number integer positive", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    most = chance.choice([9, 100, 5000, 10**6])
    return [[str(chance.randint(1, most)) for _ in range(rows)]]


@_maker("phone", "phone", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [[f"{chance.randrange(201, 989)}-{chance.randrange(220, 989)}-{chance.randrange(10**4):04}"
             for _ in range(rows)]]  # fmt: skip


@_maker("mail", "email", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    hosts = ["gmail.com", "outlook.com", "yahoo.com", faker.domain_name()]
    return [[f"{faker.user_name()}{chance.randrange(99)}@{chance.choice(hosts)}" for _ in range(rows)]]


@_maker("department", "category words", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    words = ["Surgery", "Paediatrics", "Cardiology", "Radiology", "Oncology", "Emergency", "Maternity", "Neurology"]
    words += ["Intensive Care", "Day Clinic", "Physiotherapy", "Orthopaedics", "Out-patients", "Pharmacy"]
    return [_zipf(chance, chance.sample(words, chance.randint(3, 14)), rows)]


@_maker("reference", "code", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    head = "".join(chance.choices("ABCDEFGH", k=chance.choice([1, 2, 3])))
    return [[f"{head}-{chance.randrange(10**4, 10**5)}" for _ in range(rows)]]


@_maker("zip", "postcode", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [[f"{chance.randrange(501, 99951):05}" for _ in range(rows)]]


@_maker("active", "boolean", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [chance.choices(chance.choice([["yes", "no"], ["true", "false"], ["Y", "N"]]), [3, 1], k=rows)]


@_maker("rate", "percent", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [[f"{chance.randrange(0, 1000) / 10}%" for _ in range(rows)]]


@_maker("country", "country words", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    names = ["Germany", "France", "Spain", "Italy", "Poland", "Sweden", "Norway", "Austria", "Greece", "Ireland"]
    names += ["Canada", "Mexico", "Brazil", "Japan", "India", "China", "Kenya", "Egypt", "Turkey", "Australia"]
    return [_zipf(chance, chance.sample(names, chance.randint(4, 20)), rows)]


@_maker("load", "quantity", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    unit = chance.choice(["kg", "km", "ml", "cm"])
    return [[f"{chance.randrange(1, 900)} {unit}" for _ in range(rows)]]


@_maker("firm", "company words", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [_zipf(chance, _some(chance, faker.company, 20, 300), rows)]


@_maker("job", "name words", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [_zipf(chance, _some(chance, faker.job, 10, 200), rows)]


@_maker("note", "free", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [[faker.sentence(nb_words=7) for _ in range(rows)]]


@_maker("postal town_of_it", "town words", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    known = [(f"{chance.randrange(10000, 99999)}", faker.city()) for _ in range(chance.randint(8, rows // 8))]
    drawn = chance.choices(known, k=rows)
    return [[code for code, _ in drawn], [town for _, town in drawn]]


@_maker("club_no club", "name words", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    known = [(f"C{n}", f"{faker.city()} {chance.choice(['United', 'Rovers', 'Athletic'])}") for n in range(25)]
    drawn = chance.choices(known, k=rows)
    return [[code for code, _ in drawn], [club for _, club in drawn]]


@_maker("opens", "time", False)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [[f"{chance.randrange(6, 21):02}:{chance.choice([0, 15, 30, 45]):02}" for _ in range(rows)]]


# Columns of tables that are put away.


@_maker("given_name", "name words", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [_zipf(chance, _some(chance, faker.first_name, 30, 400), rows)]


@_maker("family_name", "name words", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [_zipf(chance, _some(chance, faker.last_name, 30, 500), rows)]


@_maker("street", "free words", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [[f"{faker.street_name()} {chance.randrange(1, 140)}" for _ in range(rows)]]


@_maker("logged", "date timestamp", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    start = datetime(2021, 3, 1)
    return [[str(start + timedelta(seconds=chance.randrange(10**8))) for _ in range(rows)]]


@_maker("admitted", "date american", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [_days(chance, rows, "%m/%d/%Y")]


@_maker("sampled", "date worded", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [_days(chance, rows, "%d %b %Y")]


@_maker("duty", "number comma positive", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [[f"{chance.lognormvariate(5, 1):.2f}".replace(".", ",") for _ in range(rows)]]


@_maker("temperature", "number decimal signed", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [[f"{chance.gauss(3, 9):.1f}" for _ in range(rows)]]


@_maker("built", "number year", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [[str(chance.randint(1890, 2023)) for _ in range(rows)]]


@_maker("diagnosis", "code", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    known = [f"{chance.choice('ABCDEGHJKM')}{chance.randrange(100):02}.{chance.randrange(10)}" for _ in range(80)]
    return [_zipf(chance, known, rows)]


@_maker("plate", "code", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [["".join(chance.choices("BCDFGHJKLM", k=2)) + f" {chance.randrange(100, 1000)} "
             + "".join(chance.choices("NPRSTVWX", k=2)) for _ in range(rows)]]  # fmt: skip


@_maker("species", "name words", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    heads = "Quercus Acer Betula Fagus Pinus Salix Tilia Ulmus Carex Rosa Rubus Prunus".split()
    tails = "alba nigra robur montana palustris sylvestris vulgaris cordata pendula canina arvensis repens".split()
    known = [f"{chance.choice(heads)} {chance.choice(tails)}" for _ in range(chance.randint(10, 90))]
    return [_zipf(chance, list(dict.fromkeys(known)), rows)]


@_maker("colour", "category words", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    words = "red green blue yellow black white grey brown orange purple beige turquoise dark-blue light-grey".split()
    return [_zipf(chance, chance.sample(words, chance.randint(4, 14)), rows)]


@_maker("currency", "category short", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    return [_zipf(chance, ["EUR", "USD", "GBP", "CHF", "SEK", "PLN"], rows)]


@_maker("stage", "category words", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    words = ["received", "in progress", "on hold", "dispatched", "delivered", "returned", "cancelled", "lost"]
    return [_zipf(chance, words, rows)]


@_maker("concentration", "quantity", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    unit = chance.choice(["mg/l", "g", "m", "kWh"])
    return [[f"{chance.lognormvariate(2, 1):.1f} {unit}" for _ in range(rows)]]


@_maker("fee", "money", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    sign = chance.choice(["${}", "{} €", "£{}"])
    return [[sign.format(f"{chance.lognormvariate(4, 1):.2f}") for _ in range(rows)]]


@_maker("port_code port", "town words", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    towns = _some(chance, faker.city, 12, 60)
    known = [(f"{town[:2].upper()}{n:03}", town) for n, town in enumerate(towns)]
    drawn = _zipf_pairs(chance, known, rows)
    return [[code for code, _ in drawn], [town for _, town in drawn]]


@_maker("sku product", "name words", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    heads = ["Steel", "Oak", "Cotton", "Copper", "Glass", "Wool", "Ceramic", "Walnut"]
    tails = ["table", "chair", "lamp", "blanket", "bowl", "shelf", "curtain", "mirror", "basket"]
    known = [(f"{n + 1000}", f"{a} {b}") for n, (a, b) in enumerate((a, b) for a in heads for b in tails)]
    drawn = _zipf_pairs(chance, chance.sample(known, chance.randint(15, 60)), rows)
    return [[code for code, _ in drawn], [product for _, product in drawn]]


@_maker("vessel captain", "person words", True)
def _(chance: random.Random, faker: Faker, rows: int) -> Sequence[Values]:
    known = [(f"MS {faker.last_name()}", f"{faker.first_name()} {faker.last_name()}") for _ in range(30)]
    drawn = _zipf_pairs(chance, known, rows)
    return [[ship for ship, _ in drawn], [person for _, person in drawn]]


def _zipf_pairs(chance: random.Random, known: list[tuple[str, str]], rows: int) -> list[tuple[str, str]]:
    places = _zipf(chance, [str(n) for n in range(len(known))], rows)
    return [known[int(place)] for place in places]


# Damages of tables that are looked at, and of the others too.


@_damage("space around", "any code", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return chance.choice([" {}", "{} ", "{}\t"]).format(value)


@_damage("upper case", "words", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.upper()


@_damage("lower case", "words", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.lower()


@_damage("slip", "words", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return _slip(chance, value) if len(value) > 3 and counts[value] > 4 else value


@_damage("slip in any value", "words", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return _slip(chance, value) if len(value) > 3 else value


@_damage("shared slip", "words", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value


@_damage("missing: word", "any", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return chance.choice(["N/A", "n/a", "unknown", "-", "NULL", "none", "?"])


@_damage("encoding", "words free", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.encode().decode("cp1252", "ignore") if not value.isascii() else value


@_damage("entity", "words free", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.encode("ascii", "xmlcharrefreplace").decode()


@_damage("decimal comma", "decimal", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.replace(".", ",")


@_damage("unit or currency", "number", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value + (" EUR" if len(value) % 2 else " kg")


@_damage("thousands", "number", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return re.sub(r"^(-?\d{1,3})(\d{3})(?=\D|$)", r"\1 \2", value)


@_damage("day in another form", "iso points american", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return _parsed(value).strftime(chance.choice(["%d.%m.%Y", "%Y-%m-%d", "%d %B %Y", "%Y/%m/%d"]))


@_damage("phone in another form", "phone", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.replace("-", chance.choice([".", " ", ""]))


@_damage("letter for a digit", "code number postcode", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.replace("0", "O", 1) if "0" in value[1:-1] else value


@_damage("in quotes", "words code", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return f'"{value}"'


@_damage("title", "person", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return f"{chance.choice(['Mr.', 'Mrs.', 'Dr.'])} {value}"


@_damage("percent without its sign", "percent", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.rstrip("%")


@_damage("boolean in another word", "boolean", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return chance.choice(["Y", "TRUE", "1"]) if value[0].lower() in "yt" else chance.choice(["N", "FALSE", "0"])


@_damage("without its unit", "quantity money", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return re.sub(r"[^\d.,-]", "", re.sub(r"(\d) ?[a-zA-Z/]+$", r"\1", value))


@_damage("mail with a comma", "email", False)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return ",".join(value.rsplit(".", 1))


# Damages of tables that are put away alone.


@_damage("two spaces", "words", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.replace(" ", chance.choice(["  ", "\u00a0", "\u2009"]), 1)


@_damage("first letter small", "words", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value[:1].lower() + value[1:]


@_damage("neighbouring key", "words", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    places = [place for place, c in enumerate(value) if c in _KEYS]
    if not places or len(value) < 5:
        return value
    place = chance.choice(places)
    return value[:place] + _KEYS[value[place]] + value[place + 1 :]


@_damage("letter twice", "words", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    place = chance.randrange(len(value))
    return value[: place + 1] + value[place:]


@_damage("shared misreading", "words", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value


@_damage("missing: error or remark", "any", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return chance.choice(["#N/A", "k.A.", "TBD", "not known", "---", "#DIV/0!", "ohne", "brak", "(empty)"])


@_damage("missing: number", "positive year", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return chance.choice(["-999", "-1", "-9"])


@_damage("accents lost", "words", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return unicodedata.normalize("NFD", value).encode("ascii", "ignore").decode()


@_damage("encoding of DOS", "words", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.encode().decode("cp437", "ignore") if not value.isascii() else value


@_damage("day as a number", "iso american worded", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return str((_parsed(value).date() - date(1899, 12, 30)).days)


@_damage("day with a time", "iso points american worded", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return f"{value} 00:00:00"


@_damage("moment in another form", "timestamp", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return datetime.fromisoformat(value).strftime(chance.choice(["%d.%m.%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]))


@_damage("decimals of a whole number", "integer year", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return f"{value}.0"


@_damage("zero lost", "postcode", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.lstrip("0")


@_damage("mark lost", "decimal comma", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return re.sub("[.,]", "", value)


@_damage("name turned", "person", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    given, _, family = value.partition(" ")
    return f"{family}, {given}"


@_damage("mail with at", "email", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.replace("@", chance.choice([" at ", "(at)"]))


@_damage("country in another word", "country", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    others = {"Germany": "DE", "France": "FRA", "Spain": "España", "Italy": "Italia", "Poland": "PL", "Japan": "JPN"}
    return others.get(value, value)


@_damage("sign left out of a code", "code", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return re.sub("[-. ]", "", value)


@_damage("code in small letters", "code", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value.lower()


@_damage("cut off", "words free", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return value[: len(value) * 2 // 3].rstrip()


@_damage("remark behind it", "words code number", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return f"{value} {chance.choice(['(?)', '*', '(sic)', '!'])}"


@_damage("another currency's sign", "money", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return re.sub(r"[^\d.,]", "", value) + " EUR" if "€" in value else f"USD {value.strip('$£')}"


@_damage("unit in other letters", "quantity", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return chance.choice([value.upper(), value.replace(" ", "")])


@_damage("wide letters", "code number postcode", True)
def _(chance: random.Random, value: str, counts: Counter[str]) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isalnum() and c.isascii() else c for c in value)


def _parsed(value: str) -> datetime:
    for form in ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %b %Y"):
        try:
            return datetime.strptime(value, form)
        except ValueError:
            continue
    raise ValueError(value)


def _slip(chance: random.Random, value: str) -> str:
    place = chance.randrange(1, len(value) - 1)
    letter = chance.choice(_LETTERS)
    made = [value[:place] + letter + value[place:], value[:place] + value[place + 1 :]]
    made += [
        value[:place] + letter + value[place + 1 :],
        value[:place] + value[place : place + 2][::-1] + value[place + 2 :],
    ]
    return chance.choice(made)
