"""Generated reference lists with damaged texts that mean one of their values, or none; half of them are put away.

`python reference_lists.py` tells how llm_match does on both, after `learn` with weights learnt on the first half. After
`translations` it tells how names of countries, languages and currencies in 16 languages are matched with lists in two,
of which three in ten are left out: names of iso-codes, which the package pycountry brings, and nothing here reads.
"""

from __future__ import annotations

import gettext
import random
import string
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pycountry
from babel import Locale
from faker import Faker
from faker.providers.job.en_US import Provider as Jobs
from pg_llm.cleaning.host import reference_matching
from pg_llm.cleaning.host.reference_matching import ReferenceList
from pg_llm.values.host.characters import folded

# Values of each list, and texts about them.
_SIZE, _TEXTS = 1500, 400
_ABSENT = 0.3
_LANGUAGES = "de fr es it pl sv fi hu ro ru tr zh_CN ja ar el cs".split()


def lists(seed: int) -> dict[str, list[str]]:
    """Values of many kinds by the name of the list."""
    chance = random.Random(seed)
    found: dict[str, Callable[[], str]] = {}
    for locale in ("en_US", "de_DE", "fr_FR", "it_IT", "pl_PL", "es_ES"):
        fake = Faker(locale)
        fake.seed_instance(seed)
        found[f"companies {locale}"] = fake.company
        found[f"towns {locale}"] = fake.city
        found[f"streets {locale}"] = fake.street_name
        found[f"persons {locale}"] = fake.name
    english = Faker("en_US")
    english.seed_instance(seed)
    things = ("Drill", "Saw", "Lamp", "Chair", "Desk", "Kettle", "Router", "Camera", "Battery", "Cable", "Filter")
    kinds = ("Cordless", "Compact", "Pro", "Outdoor", "Folding", "Wireless", "Steel", "Mini", "Classic", "Eco")
    found["products"] = lambda: (
        f"{english.last_name()} {chance.choice(kinds)} {chance.choice(things)} "
        f"{chance.choice(string.ascii_uppercase)}{chance.randrange(1, 40) * 50}"
    )
    found["codes"] = lambda: f"{chance.choice('ABCDEF')}{chance.randrange(100):02}-{chance.randrange(10_000):04}"
    made = {name: _distinct(make) for name, make in found.items()}
    made["jobs"] = list(Jobs.jobs)
    for language in ("en", "de", "fr", "es"):
        names = Locale(language)
        made[f"countries {language}"] = sorted(set(names.territories.values()))
        made[f"currencies {language}"] = sorted(set(names.currencies.values()))
        made[f"languages {language}"] = sorted(set(names.languages.values()))
    return made


def _distinct(make: Callable[[], str]) -> list[str]:
    found: dict[str, None] = {}
    for _ in range(3 * _SIZE):
        found[make()] = None
        if len(found) == _SIZE:
            break
    return list(found)


def texts(values: list[str], chance: random.Random) -> Iterator[tuple[list[str], str, str | None]]:
    """The list without what is absent, a text, and the value that it means."""
    order = values[:]
    chance.shuffle(order)
    absent = order[: int(_ABSENT * len(order))]
    present = order[len(absent) :]
    for _ in range(min(_TEXTS, len(values))):
        missing = chance.random() < _ABSENT
        value = chance.choice(absent if missing else present)
        yield present, _damaged(value, chance), None if missing else value


def _damaged(value: str, chance: random.Random) -> str:
    for _ in range(chance.choice((1, 1, 2))):
        value = chance.choice((_typo, _typo, _typo, _without_word, _swapped, _shortened, _plain, _more))(value, chance)
    return value


def _typo(value: str, chance: random.Random) -> str:
    place = chance.randrange(len(value))
    new = chance.choice(("", value[place] * 2, chance.choice(string.ascii_lowercase), value[place : place + 2][::-1]))
    return value[:place] + new + value[place + 1 :] if value[1:] else value


def _without_word(value: str, chance: random.Random) -> str:
    words = value.split()
    if len(words) > 2:
        del words[chance.randrange(len(words))]
    return " ".join(words)


def _swapped(value: str, chance: random.Random) -> str:
    words = value.split()
    chance.shuffle(words)
    return " ".join(words)


def _shortened(value: str, chance: random.Random) -> str:
    words = value.split()
    place = chance.randrange(len(words))
    words[place] = words[place][: max(3, len(words[place]) // 2)] + "."
    return " ".join(words)


def _plain(value: str, _: random.Random) -> str:
    return folded(value) or value


def _more(value: str, chance: random.Random) -> str:
    return f"{value} {chance.choice(('Ltd', '(new)', 'intl', 'No. 2', 'dept', 'group'))}"


def halves(seed: int) -> tuple[list[str], list[str]]:
    """The names of the lists that are learnt from, and of those that were put away."""
    names = sorted(lists(seed))
    random.Random(7).shuffle(names)
    return names[0::2], names[1::2]


def _learn(seed: int) -> list[float]:
    from sklearn.linear_model import LogisticRegression

    made = lists(seed)
    rows, right = [], []
    for name in halves(seed)[0]:
        chance = random.Random(seed)
        index: ReferenceList | None = None
        for present, text, value in texts(made[name], chance):
            index = index or ReferenceList(present, present)
            form = folded(text)
            if not form or form in {folded(each) for each in (value or "",)}:
                continue
            places, features = index.candidates(form)
            for place, feature in list(zip(places.tolist(), features, strict=True))[:10]:
                rows.append(feature)
                right.append(present[place] == value)
    model = LogisticRegression(C=1.0, max_iter=2000).fit(np.array(rows), right)
    return [round(float(each), 3) for each in (model.intercept_[0], *model.coef_[0])]


def measured(seed: int, half: int) -> tuple[float, float, list[tuple[int, float, float]]]:
    """Precision and recall at 0.5, and of each tenth of the score: how many, its mean, the share that is right."""
    made = lists(seed)
    scored: list[tuple[float, bool]] = []
    meant = 0
    for name in halves(seed)[half]:
        chance = random.Random(seed + 1)
        index: ReferenceList | None = None
        for present, text, value in texts(made[name], chance):
            index = index or ReferenceList(present, present)
            meant += value is not None
            scored += [(each.score, present[each.place] == value) for each in index.match(text, 1, 0.0)]
    given = [right for score, right in scored if score >= 0.5]
    bands = []
    for band in range(10):
        inside = [pair for pair in scored if band / 10 <= pair[0] < (band + 1) / 10]
        if inside:
            bands.append(
                (len(inside), sum(p for p, _ in inside) / len(inside), sum(r for _, r in inside) / len(inside))
            )
    return sum(given) / max(len(given), 1), sum(given) / max(meant, 1), bands


def _translations(domain: str, things: Sequence[Any], language: str) -> tuple[int, int, int, int, int]:
    """Right, given and wanted matches, and texts without a match: how many got one, and how many there are."""
    own = gettext.translation(domain, pycountry.LOCALES_DIR, languages=[language], fallback=True).gettext
    names = [getattr(thing, "common_name", thing.name) for thing in things]
    random.Random(4).shuffle(names)
    absent = set(names[: int(_ABSENT * len(names))])
    values = list(dict.fromkeys(own(name) for name in names if name not in absent))
    index = ReferenceList(values, values)
    right = given = wanted = wrong = without = 0
    for other in _LANGUAGES:
        into = gettext.translation(domain, pycountry.LOCALES_DIR, languages=[other], fallback=True).gettext
        for name in names:
            text, value = into(name), own(name)
            if text in (name, value):
                continue
            found = [index.values[each.place] for each in index.match(text, 1, 0.5)]
            right, given, wanted = right + (found == [value]), given + len(found), wanted + (name not in absent)
            wrong, without = wrong + (name in absent and bool(found)), without + (name in absent)
    return right, given, wanted, wrong, without


def translations() -> None:
    """Print precision and recall for each kind of names and each language of a list."""
    languages = [each for each in pycountry.languages if hasattr(each, "alpha_2")]
    kinds = (("iso3166-1", pycountry.countries), ("iso639-3", languages), ("iso4217", pycountry.currencies))
    for domain, things in kinds:
        for language in ("en", "de"):
            right, given, wanted, wrong, without = _translations(domain, list(things), language)
            print(f"{domain} {language}: precision {right / given:.3f} recall {right / wanted:.3f}", end=", ")
            print(f"{wrong} of {without} without a match got one")


if __name__ == "__main__":
    if "translations" in sys.argv:
        translations()
        sys.exit()
    if "learn" in sys.argv:
        weights = _learn(1)
        print(weights)
        reference_matching._WEIGHTS = tuple(weights)
    for half in (0, 1):
        precision, recall, bands = measured(2, half)
        print(("learnt from", "put away")[half], f"precision {precision:.3f} recall {recall:.3f}")
        for count, mean, right in bands:
            print(f"  {count:6} score {mean:.3f} right {right:.3f}")
