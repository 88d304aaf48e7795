"""Made registers in which persons are alike without being one: twins, fathers and sons of one name, namesakes.

Another make than persons.py, linkage_tables.py and person_registers.py: how many there are of each, who moved, which
columns there are and how they are written is drawn by the seed. Odd seeds were looked at while linkage was built, even
ones were put away. `PYTHONHASHSEED=0 python family_registers.py FIRST LAST STEP` prints how well llm_duplicates does
without a server, and how many pairs of each kind it takes for one person.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from datetime import date, timedelta

from faker import Faker
from linkage_tables import Made, measure

Value = str | None
Row = dict[str, Value]
_LOCALES = ("en_US", "de_DE", "fr_FR", "it_IT", "nl_NL", "es_ES", "pl_PL", "sv_SE")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DAYS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %b %Y")


def register(seed: int) -> tuple[Made, dict[tuple[int, int], str]]:
    """The register of a seed, and pairs of rows that are two persons, by their kind."""
    chance = random.Random(seed)
    fakes = []
    for locale in chance.sample(_LOCALES, chance.randint(1, 3)):
        fakes.append(Faker(locale))
        fakes[-1].seed_instance(seed)
    rows, people, alike = [], [], {}
    person = 0
    shares = {
        "household": chance.choice([0, 0.02, 0.2]),
        "twin": chance.choice([0, 0.005, 0.02, 0.05]),
        "father and son": chance.choice([0, 0.01, 0.03]),
        "namesake": chance.choice([0, 0.01, 0.03]),
    }
    again = {
        "slips": chance.uniform(0.05, 0.25),
        "moved": chance.choice([0, 0.03, 0.06]),
        "married": chance.uniform(0, 0.01),
    }
    size = chance.randint(3000, 7000)
    moves_with_phone = chance.random() < 0.5
    while len(rows) < size:
        fake = chance.choice(fakes)
        one = _person(chance, fake)
        rows.append(one)
        people.append(person)
        base = len(rows) - 1
        for kind, share in shares.items():
            if chance.random() < share:
                rows.append(_relative(chance, fake, one, kind))
                person += 1
                people.append(person)
                alike[base, len(rows) - 1] = kind
        for kind, share in again.items():
            if chance.random() < share:
                rows.append(_again(chance, fake, one, kind, moves_with_phone))
                people.append(people[base])
        person += 1
    order = list(range(len(rows)))
    chance.shuffle(order)
    places = {old: new for new, old in enumerate(order)}
    form = chance.choice(_DAYS)
    empty = {name: chance.uniform(0, 0.25) for name in ("phone", "email")} | {"born": chance.choice([0, 0, 0.1])}
    written = [_written(chance, rows[old], form, empty) for old in order]
    names = ["given", "family"] if chance.random() < 0.7 else ["name"]
    names += ["born", "street", "postcode", "city", *(n for n in ("phone", "email") if chance.random() < 0.7)]
    label = f"{len(rows)} " + " ".join(f"{kind} {share}" for kind, share in shares.items()) + f" moved {again['moved']}"
    made = Made(f"{label}: {' '.join(names)}", {name: [row[name] for row in written] for name in names},
                [people[old] for old in order])  # fmt: skip
    pairs = {(min(places[a], places[b]), max(places[a], places[b])): kind for (a, b), kind in alike.items()}
    return made, pairs


def _person(chance: random.Random, fake: Faker) -> Row:
    given, family = fake.first_name(), fake.last_name()
    day = date(1935, 1, 1) + timedelta(chance.randrange(25_000))
    return {
        "given": given,
        "family": family,
        "born": day.isoformat(),
        **_home(chance, fake),
        **_own(chance, fake, given),
    }


def _home(chance: random.Random, fake: Faker) -> Row:
    return {
        "street": f"{fake.street_name()} {chance.randrange(1, 150)}",
        "postcode": fake.postcode(),
        "city": fake.city(),
    }


def _own(chance: random.Random, fake: Faker, given: str) -> Row:
    return {
        "phone": fake.phone_number(),
        "email": f"{given.lower()}{chance.randrange(9999)}@{fake.free_email_domain()}",
    }


def _relative(chance: random.Random, fake: Faker, one: Row, kind: str) -> Row:
    """Another person who is like one."""
    found = dict(one)
    found["given"] = one["given"] if kind in ("father and son", "namesake") else fake.first_name()
    if kind == "twin":
        while found["given"] == one["given"]:
            found["given"] = fake.first_name()
    else:
        found["born"] = (date.fromisoformat(one["born"] or "") + timedelta(chance.randrange(500, 12_000))).isoformat()
    if kind == "namesake":
        found.update(_home(chance, fake))
    phone = found["phone"]
    found.update(_own(chance, fake, found["given"] or ""))
    if kind != "namesake" and chance.random() < 0.5:
        found["phone"] = phone
    return found


def _again(chance: random.Random, fake: Faker, one: Row, kind: str, moves_with_phone: bool) -> Row:
    """The same person once more."""
    found = dict(one)
    if kind == "moved":
        found.update(_home(chance, fake))
        if moves_with_phone:
            found.update(_own(chance, fake, found["given"] or ""))
    elif kind == "married":
        found["family"] = fake.last_name()
    else:
        for name in chance.sample(sorted(found), chance.randint(1, 3)):
            found[name] = _slip(chance, name, found[name] or "")
    return found


def _slip(chance: random.Random, name: str, text: str) -> Value:
    if chance.random() < 0.2 and name not in ("given", "family"):
        return None
    if name == "given" and chance.random() < 0.2:
        return f"{text[0]}."
    if name == "born":
        day = chance.randint(1, 28)
        return f"{text[:8]}{day:02}"
    place = chance.randrange(len(text))
    letter = chance.choice("0123456789" if text[place].isdigit() else _LETTERS)
    return text[:place] + chance.choice(["", letter, text[place] * 2]) + text[place + 1 :]


def _written(chance: random.Random, row: Row, form: str, empty: dict[str, float]) -> Row:
    found: Row = {name: None if chance.random() < empty.get(name, 0) else value for name, value in row.items()}
    found["name"] = f"{row['given']} {row['family']}"
    if found["born"]:
        found["born"] = date.fromisoformat(found["born"]).strftime(form)
    return found


def main(first: int, last: int, step: int) -> None:
    """Print how well it does on the registers of these seeds, and how many pairs of each kind it takes for one."""
    from pg_llm.cleaning.host.linkage.linkage import Linkage
    from pg_llm.cleaning.host.table import Column, encode

    taken: Counter[str] = Counter()
    there: Counter[str] = Counter()
    mades = []
    for seed in range(first, last, step):
        made, alike = register(seed)
        mades.append(made)
        for threshold in (0.65, 0.95):
            linkage = Linkage([Column(name, *encode(values)) for name, values in made.columns.items()], threshold)
            list(linkage.steps())
            found = {(pair.first, pair.second) for pair in linkage.duplicates}
            for pair, kind in alike.items():
                there[f"{kind} {threshold}"] += 1
                taken[f"{kind} {threshold}"] += pair in found
    measure(mades)
    for kind, count in sorted(there.items()):
        print(f"{kind}: {taken[kind]} of {count} pairs are taken for one person")


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:4]))
