"""Made tables with duplicates, each of another make by its seed: country, columns, forms, empty cells, slips, families.

What llm_duplicates makes of them is measured on seeds that nobody looked at while it was built.
`python linkage_tables.py FIRST LAST` prints for each seed and for all of them how well it does, and whether a score is
the probability that it stands for.
"""

from __future__ import annotations

import contextlib
import random
import string
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import combinations

from faker import Faker
from pg_llm.cleaning.host.linkage.linkage import Linkage
from pg_llm.cleaning.host.table import Column, encode

Value = str | None
Record = dict[str, Value]
_LOCALES = ("en_GB", "fr_FR", "es_ES", "it_IT", "pl_PL", "de_DE", "nl_NL", "pt_BR", "sv_SE", "cs_CZ", "tr_TR", "en_IN")
_DATES = ("%d/%m/%Y", "%d.%m.%Y", "%Y-%m-%d", "%m/%d/%Y", "%d %b %Y")
_THINGS = ("Drill", "Saw", "Lamp", "Chair", "Kettle", "Router", "Camera", "Cable", "Filter", "Heater", "Mixer")
_SORTS = ("cordless", "compact", "outdoor", "folding", "wireless", "steel", "mini", "classic", "silent", "dual")


@dataclass
class Made:
    """A table: its columns, and which thing each row is about."""

    what: str
    columns: dict[str, list[Value]]
    things: list[int]

    def true(self) -> set[tuple[int, int]]:
        """The pairs of rows that are about one thing."""
        rows: defaultdict[int, list[int]] = defaultdict(list)
        for row, thing in enumerate(self.things):
            rows[thing].append(row)
        return {pair for each in rows.values() for pair in combinations(each, 2)}


@dataclass
class _Make:
    """What is the same in all of a table."""

    chance: random.Random
    fake: Faker
    columns: list[str]
    empty: dict[str, float]
    slips: float
    families: float
    moves: float
    date_forms: Sequence[str]
    places: list[tuple[str, str]] = field(default_factory=list)
    streets: list[str] = field(default_factory=list)


def table(seed: int) -> Made:
    """The table of this seed."""
    chance = random.Random(seed)
    locale = chance.choice(_LOCALES)
    fake = Faker(locale)
    fake.seed_instance(seed)
    what = chance.choices(("persons", "companies", "products"), (7, 2, 1))[0]
    columns = _columns(what, chance)
    make = _Make(
        chance, fake, columns,
        {name: chance.uniform(0, 0.05 if name in ("given", "family", "name", "title") else 0.4) for name in columns},
        chance.uniform(0.3, 2), chance.uniform(0, 0.7), chance.uniform(0.02, 0.2),
        [chance.choice(_DATES)] if chance.random() < 0.6 else _DATES[:3],
    )  # fmt: skip
    make.places = [(fake.postcode(), fake.city()) for _ in range(chance.choice((10, 60, 300)))]
    make.streets = [fake.street_name() for _ in range(chance.choice((100, 1000)))]
    size, copied = chance.randrange(2000, 6000), chance.uniform(0.02, 0.4)
    known: list[Record] = []
    while len(known) < size:
        known += _KINDS[what](make)
    rows = list(enumerate(known))
    for thing, record in enumerate(known):
        while chance.random() < copied:
            rows.append((thing, _again(make, record)))
    chance.shuffle(rows)
    written = [_written(make, record) for _, record in rows]
    label = f"{what} {locale} {len(rows)}: {' '.join(columns)}"
    return Made(label, {name: [row[name] for row in written] for name in columns}, [thing for thing, _ in rows])


def _columns(what: str, chance: random.Random) -> list[str]:
    if what == "products":
        return ["title", "maker", *(n for n, p in (("price", 0.7), ("ean", 0.3), ("kind", 0.5)) if chance.random() < p)]
    shares = {"street": 0.7, "postcode": 0.7, "city": 0.8, "phone": 0.6, "email": 0.6, "number": 0.25, "noted": 0.4}
    if what == "companies":
        names, shares = ["name"], {**shares, "state": 0.3}
    else:
        names = ["given", "family"] if chance.random() < 0.6 else ["name"]
        shares = {"born": 0.6, "sex": 0.3, **shares}
    chosen = [name for name, share in shares.items() if chance.random() < share]
    return names + (chosen if len(chosen) > 1 else ["street", "city"])


def _family(make: _Make) -> list[Record]:
    """Persons at one address."""
    chance, fake = make.chance, make.fake
    size = chance.choice((2, 2, 3, 4)) if chance.random() < make.families else 1
    family, home = fake.last_name(), _home(make)
    phone, email = fake.phone_number(), fake.email()
    shared_phone, shared_email = chance.random() < 0.5, chance.random() < 0.05
    found: list[Record] = []
    for place in range(size):
        sex = chance.choice("MF")
        given = fake.first_name_male() if sex == "M" else fake.first_name_female()
        if place > 1 and chance.random() < 0.04:
            given, sex = found[0]["given"] or given, found[0]["sex"] or sex
        day = date(1940 + (place > 1) * 30, 1, 1) + timedelta(chance.randrange(10_000))
        born = found[-1]["born"] if place > 2 and chance.random() < 0.05 else day.isoformat()
        found.append({
            "given": given, "family": fake.last_name() if place == 1 and chance.random() < 0.3 else family,
            "sex": sex, "born": born, **home, "phone": phone if shared_phone else fake.phone_number(),
            "email": email if shared_email else _email(make, given, family), **_own(make),
        })  # fmt: skip
    return found


def _company(make: _Make) -> list[Record]:
    name, home = make.fake.company(), _home(make)
    found = []
    # Some have two branches.
    for _ in range(1 + (make.chance.random() < make.families / 4)):
        found.append({"name": name, **home, "phone": make.fake.phone_number(), "email": make.fake.company_email(),
                      "state": make.chance.choice(("active", "closed", "new")), **_own(make)})  # fmt: skip
        home = _home(make)
    return found


def _product(make: _Make) -> list[Record]:
    chance, maker = make.chance, make.fake.last_name()
    kind, adjective = chance.choice(_THINGS), chance.choice(_SORTS)
    found: list[Record] = []
    # Other sizes of it are other products.
    for _ in range(1 + (chance.random() < make.families)):
        model = (
            f"{chance.choice(string.ascii_uppercase)}{chance.choice(string.ascii_uppercase)}{chance.randrange(10, 999)}"
        )
        found.append({"title": f"{maker} {adjective} {kind} {model}", "maker": maker, "kind": kind,
                      "price": f"{chance.randrange(5, 400)}.{chance.choice(('00', '99', '50'))}",
                      "ean": make.fake.ean13()})  # fmt: skip
    return found


def _home(make: _Make) -> Record:
    postcode, city = make.chance.choice(make.places)
    return {"street": f"{make.chance.choice(make.streets)} {make.chance.randrange(1, 120)}", "postcode": postcode,
            "city": city}  # fmt: skip


def _own(make: _Make) -> Record:
    noted = date(2015, 1, 1) + timedelta(make.chance.randrange(3000))
    return {"number": "".join(make.chance.choices(string.digits, k=9)), "noted": noted.isoformat()}


def _email(make: _Make, given: str, family: str) -> str:
    name = make.chance.choice((f"{given}.{family}", f"{given[:1]}{family}", f"{family}{make.chance.randrange(999)}"))
    plain = _plain(name, make.chance).lower().replace(" ", "")
    return f"{plain}{make.chance.randrange(1000)}@{make.fake.free_email_domain()}"


def _again(make: _Make, known: Record) -> Record:
    """The same thing at another time."""
    chance, found = make.chance, dict(known)
    if "city" in known and chance.random() < make.moves:
        found.update(_home(make))
    if "sex" in known and chance.random() < make.moves / 4:
        found["family"] = make.fake.last_name()
    for name, new in (("phone", make.fake.phone_number), ("email", make.fake.email)):
        if name in known and chance.random() < make.moves:
            found[name] = new()
    if "price" in known and chance.random() < 0.3:
        found["price"] = f"{chance.randrange(5, 400)}.00"
    if "noted" in known:
        found.update(noted=_own(make)["noted"])
    telling = [name for name in make.columns if name not in ("sex", "noted", "state", "kind")]
    for _ in range(sum(chance.random() < make.slips / 4 for _ in range(4))):
        name = chance.choice(telling)
        for part in ("given", "family") if name == "name" and "given" in found else (name,):
            if found.get(part):
                found[part] = chance.choice(_SLIPS.get(part, (_typo,)))(found[part] or "", chance) or None
    return found


def _written(make: _Make, record: Record) -> Record:
    chance = make.chance
    row = dict(record)
    if "given" in record and "name" in make.columns:
        row["name"] = f"{record['given'] or ''} {record['family'] or ''}".strip() or None
    if row.get("born"):
        with contextlib.suppress(ValueError):
            row["born"] = date.fromisoformat(row["born"] or "").strftime(chance.choice(make.date_forms))
    return {name: None if chance.random() < make.empty[name] else row.get(name) for name in make.columns}


def _typo(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text))
    letters = string.digits if text[place].isdigit() else string.ascii_lowercase
    new = chance.choice(("", text[place] * 2, chance.choice(letters), text[place : place + 2][::-1]))
    return text[:place] + new + text[place + 1 :]


def _upper(text: str, _: random.Random) -> str:
    return text.upper()


def _plain(text: str, _: random.Random) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _initial(text: str, _: random.Random) -> str:
    return f"{text[0]}."


def _first_word(text: str, _: random.Random) -> str:
    return text.split()[0]


def _digits(text: str, _: random.Random) -> str:
    return "".join(filter(str.isdecimal, text))


def _day_first(text: str, _: random.Random) -> str:
    return f"{text[:4]}-{text[8:]}-{text[5:7]}" if text[8:] <= "12" else text


_SLIPS: dict[str, tuple[Callable[[str, random.Random], str], ...]] = {
    "given": (_typo, _typo, _upper, _plain, _initial, _first_word),
    "family": (_typo, _typo, _upper, _plain),
    "name": (_typo, _typo, _upper, _plain, _first_word),
    "title": (_typo, _typo, _upper, _plain),
    "street": (_typo, _typo, _upper, _plain, _first_word),
    "phone": (_digits, _digits, _typo),
    "born": (_typo, _day_first),
}
_KINDS = {"persons": _family, "companies": _company, "products": _product}


def measure(tables: Iterable[Made]) -> None:
    """Print precision, recall and F1 of each table, their means, and how often the scores of each tenth are right."""
    bands: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
    figures = []
    for made in tables:
        linkage = Linkage([Column(name, *encode(values)) for name, values in made.columns.items()], 0.65)
        list(linkage.steps())
        true = made.true()
        right = 0
        for pair in linkage.duplicates:
            same = (pair.first, pair.second) in true
            right += same
            bands[min(int(pair.score * 10), 9)].append((pair.score, same))
        precision, recall = right / max(len(linkage.duplicates), 1), right / max(len(true), 1)
        figures.append((precision, recall, 2 * right / max(len(linkage.duplicates) + len(true), 1)))
        p, r, f = figures[-1]
        print(f"P {p:.3f} R {r:.3f} F1 {f:.3f} true {len(true)}  {made.what}", flush=True)
    p, r, f = (sum(each) / len(figures) for each in zip(*figures, strict=True))
    print(f"mean P {p:.3f} R {r:.3f} F1 {f:.3f}")
    for band, pairs in sorted(bands.items()):
        said, same = (sum(each) / len(pairs) for each in zip(*pairs, strict=True))
        print(f"  .{band}: {len(pairs)} pairs, said {said:.3f}, right {same:.3f}")


if __name__ == "__main__":
    measure(table(seed) for seed in range(int(sys.argv[1]), int(sys.argv[2]) + 1))
