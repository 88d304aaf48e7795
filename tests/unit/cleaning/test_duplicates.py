"""Record linkage of a table with itself, clusters, and what survives in a golden record."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations
from typing import Any

import pytest
from echo import EchoHost
from fake_catalog import FakeCatalog
from fake_connection import FakeConnection
from pg_llm.cleaning import duplicates, survivorship
from pg_llm.cleaning.host.analysis import run_in_worker
from pg_llm.cleaning.host.linkage import clustering, linkage, phonetic
from pg_llm.cleaning.host.linkage.fields import Field
from pg_llm.cleaning.host.linkage.linkage import Linkage
from pg_llm.cleaning.host.table import Column, Value, encode
from pg_llm.cleaning.survivorship import Record
from pg_llm.errors import InvalidInput
from pg_llm.functions import duplicates as faces

SYLLABLES = "ka lo mi ren tor vel shi ban dor wick ham ley ford bury ton mar sel no ri pa".split()


def key(number: int) -> str:
    return json.dumps({"id": number})


def linked(threshold: float = 0.65, **columns: Sequence[Value]) -> set[tuple[int, int]]:
    linking = Linkage([Column(name, *encode(values)) for name, values in columns.items()], threshold)
    list(linking.steps())
    return {(pair.first, pair.second) for pair in linking.duplicates}


def people(count: int, seed: int = 1) -> dict[str, list[Value]]:
    chance = random.Random(seed)

    def word() -> str:
        return "".join(chance.choices(SYLLABLES, k=3)).title()

    return {
        "first": [word() for _ in range(count)],
        "last": [word() for _ in range(count)],
        "born": [
            f"19{chance.randrange(30, 99)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
            for _ in range(count)
        ],
        "street": [f"{chance.randrange(1, 99)} {word()} Street" for _ in range(count)],
        "email": [f"{word().lower()}{n}@x.org" for n in range(count)],
    }


def add(rows: dict[str, list[Value]], of: int | None, **values: Value) -> int:
    """Add a row like another one, or empty, but for these values; its number."""
    for name, column in rows.items():
        column.append(values[name] if name in values else None if of is None else column[of])
    return len(rows["first"]) - 1


@pytest.mark.parametrize("count", [30, 3000])
def test_persons_who_are_noted_twice(count: int) -> None:
    rows = people(count)
    wanted = {
        (1, add(rows, 1, first=rows["first"][1][:-1], email=None)),  # type: ignore[index]
        # They moved.
        (2, add(rows, 2, street="7 Elsewhere Lane", email=None)),
        # First and last name in the wrong order, the day and month too.
        (3, add(rows, 3, first=rows["last"][3], last=rows["first"][3])),
        # Only the e-mail address, written otherwise.
        (4, add(rows, None, email=(rows["email"][4] or "").upper())),
    }
    # Another person at the address, of the same name, born on another day.
    add(rows, 5, first="Quorvel", born="1931-01-05", email=None)
    add(rows, 6, born="1931-07-19", street=None, email=None)
    assert linked(**rows) == wanted


def test_members_of_a_household_are_no_duplicates() -> None:
    rows = people(2000)
    for of in range(600):
        add(rows, of, first=rows["first"][of + 700], born=rows["born"][of + 800], email=None)
    wanted = {(of, add(rows, of, last=(rows["last"][of] or "") + "e")) for of in range(900, 1100)}
    found = linked(**rows)
    assert len(found & wanted) >= 0.97 * len(wanted)
    assert len(found - wanted) <= 0.03 * len(wanted)


def test_members_of_a_household_without_birthdays() -> None:
    rows = people(2000)
    del rows["born"]
    chance = random.Random(2)
    given = ["".join(chance.choices(SYLLABLES, k=2)).title() for _ in range(300)]
    rows["first"] = [chance.choice(given) for _ in rows["first"]]
    for of in range(900):
        add(rows, of, first=chance.choice([name for name in given if name != rows["first"][of]]), email=None)
    wanted = {(of, add(rows, of, last=(rows["last"][of] or "") + "e")) for of in range(1000, 1200)}
    found = linked(**rows)
    assert len(found & wanted) >= 0.95 * len(wanted)
    assert len(found - wanted) <= 0.05 * len(wanted)


def test_twins_are_two_persons() -> None:
    rows = people(1500)
    for of in range(300):
        add(rows, of, first=rows["first"][of + 700], born=rows["born"][of + 800], email=None)
    twins = {(of, add(rows, of, first=rows["first"][of + 500], email=None)) for of in range(400, 480)}
    wanted = {(of, add(rows, of, last=f"{rows['last'][of]}e")) for of in range(900, 1100)}
    found = linked(**rows)
    assert found & twins == set()
    assert len(found & wanted) >= 0.97 * len(wanted)


def test_who_moved_is_found_by_name_and_birthday_beside_namesakes() -> None:
    rows = people(1500)
    chance = random.Random(3)
    rows["postcode"] = [f"{chance.randrange(10_000, 99_999)}" for _ in rows["first"]]
    for of in range(100):
        add(rows, of, born=rows["born"][of + 300], street=rows["street"][of + 300], postcode="10115", email=None)
    wanted = set()
    for of in range(500, 600):
        home = {"street": rows["street"][of + 300], "postcode": rows["postcode"][of + 9]}
        wanted.add((of, add(rows, of, email=f"new{of}@y.org", **home)))
    found = linked(**rows)
    assert len(found & wanted) >= 0.95 * len(wanted)
    assert len(found - wanted) <= 0.05 * len(wanted)


def test_a_postcode_of_one_household_tells_no_persons_apart() -> None:
    rows = people(1500)
    chance = random.Random(4)
    rows["postcode"] = [f"{chance.randrange(10_000, 99_999)}" for _ in rows["first"]]
    for of in range(300):
        add(rows, of, first=rows["first"][of + 700], born=rows["born"][of + 800], email=None)
    wanted = {(of, add(rows, of, last=f"{rows['last'][of]}e")) for of in range(900, 1000)}
    found = linked(**rows)
    assert len(found & wanted) >= 0.97 * len(wanted)
    assert len(found - wanted) <= 0.03 * len(wanted)


def test_birthdays_tell_where_each_person_is_there_often() -> None:
    rows = people(600)
    del rows["email"]
    wanted = set()
    for of in range(600):
        copies = [of, *(add(rows, of, last=f"{rows['last'][of]}{letter}", street=None) for letter in "ea")]
        wanted |= set(combinations(copies, 2))
        add(rows, of, first=rows["first"][of - 7], born=rows["born"][of - 9])
    found = linked(**rows)
    assert len(found & wanted) >= 0.97 * len(wanted)
    assert len(found - wanted) <= 0.03 * len(wanted)


def test_more_pairs_than_weights_are_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = people(2000)
    wanted = {(of, add(rows, of, last=(rows["last"][of] or "") + "e")) for of in range(200)}
    monkeypatch.setattr(linkage, "_LEARNT_PAIRS", 20_000)
    monkeypatch.setattr(linkage, "_CHUNK", 3_000)
    found = linked(**rows)
    assert len(found & wanted) >= 0.97 * len(wanted)
    assert len(found - wanted) <= 0.03 * len(wanted)


def test_the_score_of_a_pair_is_that_of_its_weakest_link() -> None:
    odds = {(1, 2): 5.0, (2, 3): 2.0, (1, 3): -1.0, (3, 4): 4.0, (1, 4): -2.0, (2, 4): 1.0}
    assert clustering.weakest_links([1, 2, 3, 4], odds) == {
        (1, 2): 5.0,
        (3, 4): 4.0,
        (1, 3): 2.0,
        (2, 3): 2.0,
        (1, 4): 2.0,
        (2, 4): 2.0,
    }


def test_phone_numbers_of_any_form_are_phone_numbers() -> None:
    numbers = ["+33 1 22 33 {:02} 55", "01 22 33 {:02} 55", "+33 (0)1 223 3{:02}55", "0122/33{:02}55"]
    (field,) = [Field(0, Column("a", *encode([form.format(n) for n in range(50) for form in numbers])))]
    assert (field.kind, len(field.forms)) == ("phone", 50)
    assert Field(0, Column("a", *encode([str(123456789 + n) for n in range(50)]))).kind == "code"


def test_dates_of_several_forms_are_dates() -> None:
    forms = ["%Y-%m-%d", "%d.%m.%Y", "%Y%m%d", "%d-%b-%Y"]
    days = [date(1960, 1, 13) + timedelta(97 * n) for n in range(60)]
    (field,) = [Field(0, Column("a", *encode([f"{day:{form}}" for day in days for form in forms])))]
    assert (field.kind, field.forms) == ("date", [f"{day:%Y%m%d}" for day in days])
    # Numbers of eight digits are no days because some could be.
    assert Field(0, Column("a", *encode([f"{day:%Y%m}{n:02}" for n, day in enumerate(days)]))).kind == "code"


@pytest.mark.parametrize(
    "rows",
    [
        {"a": []},
        {"a": [None, None]},
        {"a": ["", "x"]},
        {"a": ["x", "x", "x"]},
        {"a": ["N/A", "N/A", "b"], "b": ["-", "-", "?"]},
        {"a": ["\ud800", "\ud800", "\0"], "b": ["x" * 1_000_000, "x" * 999_999, "y"]},
        {"a": ["1", "2", "3"], "b": ["@", "@@", "a@"]},
    ],
)
def test_hostile_tables_have_a_result(rows: dict[str, list[Value]]) -> None:
    assert len(linked(0.0001, **rows)) <= 3


def test_a_table_of_one_value_makes_no_pairs_without_end() -> None:
    assert linked(a=["x"] * 50_000, b=["y", "z"] * 25_000, c=[str(n % 3) for n in range(50_000)]) == set()


def test_a_chain_whose_ends_contradict_is_split() -> None:
    odds = {(1, 2): 5.0, (2, 3): 4.0, (1, 3): -7.0, (3, 4): 6.0, (1, 4): -7.0, (2, 4): -1.0}
    assert clustering.components(odds) == [[1, 2, 3, 4]]
    against = clustering.agglomerate([[1, 2, 3, 4]], odds, 0.5, lambda groups: [-7.0 for _ in groups])
    assert against == [[1, 2], [3, 4]]
    assert clustering.agglomerate([[1, 2, 3, 4]], odds, 0.5) == [[1, 2], [3, 4]]
    unlikely = {(1, 2): -0.5}
    assert clustering.agglomerate([[1, 2]], unlikely, -0.6, lambda groups: []) == [[1, 2]]
    unsure = {pair: 3.0 if pair[1] == pair[0] + 1 else -4.0 for pair in combinations(range(3), 2)}
    for both, groups in ((5.0, [[0, 1, 2]]), (-5.0, [[0, 1]])):
        assert clustering.agglomerate([[0, 1, 2]], unsure, 0.5, lambda asked, both=both: [both] * len(asked)) == groups


def test_merged_records_agree_as_well_as_their_best_pairs_do() -> None:
    rows = people(300)
    parts = [add(rows, 7, born=None, email=None), add(rows, 7, first=None, last=None, street=None)]
    copy, other = add(rows, 7), add(rows, 7, born="1931-01-05", email=None)
    linking = Linkage([Column(name, *encode(values)) for name, values in rows.items()], 0.65)
    list(linking.steps())
    whole, against = linking.merged_log_odds([([7], [copy]), ([7], [other])])
    assert linking.merged_log_odds([(parts, [copy]), ([copy], parts)]) == [whole, whole]
    # What one row leaves out does not hide that the other contradicts.
    assert linking.merged_log_odds([(parts, [other])]) == [against] < [0.0] < [whole]


@pytest.mark.parametrize(
    ("word", "code"),
    [("robert", "r163"), ("rupert", "r163"), ("ashcraft", "a261"), ("李", "李"), ("", ""), ("42", "42")],
)
def test_soundex(word: str, code: str) -> None:
    assert phonetic.soundex(word) == code


def test_rows_that_are_nearly_the_same(db: FakeConnection, host: EchoHost) -> None:
    host.answers["work"] = lambda _, request: [[run_in_worker(request["options"], *request["inputs"])]]
    rows = [("1", "Anna Lind", "1990-01-01"), ("2", "Ana Lind", "1990-01-01"), ("3", "Bo Berg", "1970-05-05")]
    rows += [(str(n), f"{chr(97 + n)}x Person{n}", f"19{10 + n}-01-02") for n in range(4, 20)]
    FakeCatalog(db).add("public.person", {"id": "integer", "name": "text", "born": "text"})
    db.answer("AS c1", [{"k": key(int(n)), "c0": n, "c1": name, "c2": born} for n, name, born in rows])
    (pair,) = duplicates.pairs(db, "person", None, 0.8)
    assert (pair["key_a"], pair["key_b"], pair["cluster"]) == (key(1), key(2), 1)
    assert pair["differs"] == ["name"]
    assert 0.8 <= pair["score"] < 1
    with pytest.raises(InvalidInput, match="threshold must lie between 0 and 1"):
        faces.llm_duplicates.__wrapped__(db, "person", None, 1.5)
    with pytest.raises(InvalidInput, match="target must not be NULL"):
        faces.llm_duplicates.__wrapped__(db, None, None, 0.5)


RECORDS = [
    Record(key(1), {"name": "Ann", "town": "Oslo", "source": "shop"}, 1),
    Record(key(2), {"name": "Ann Lee", "town": None, "source": "crm"}, 3),
    Record(key(3), {"name": "Ann", "town": "Bergen", "source": None}, 2),
]


@pytest.mark.parametrize(
    ("rules", "kept", "name", "town"),
    [
        ({}, 1, "Ann", "Oslo"),
        ({"time": "name"}, 1, "Ann", "Bergen"),
        ({"default": "most_recent", "time": "name"}, 2, "Ann Lee", "Bergen"),
        ({"default": "most_complete", "columns": {"name": "longest"}}, 1, "Ann Lee", "Oslo"),
        ({"default": "source", "source": "source", "sources": ["crm", "shop"]}, 2, "Ann Lee", "Oslo"),
    ],
)
def test_survivorship(rules: Any, kept: int, name: str, town: str) -> None:
    made = survivorship.parse(rules, ["name", "town", "source"])
    assert made.best(RECORDS).key == key(kept)
    assert (made.value("name", RECORDS), made.value("town", RECORDS)) == (name, town)
    assert made.value("town", RECORDS[1:2]) is None
