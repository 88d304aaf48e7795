"""Values of two columns in each other's place: found where they cannot be chance, both cells or none."""

from __future__ import annotations

import random

from pg_llm.cleaning.host.detectors import ensemble
from pg_llm.cleaning.host.table import Column, Finding, Table, Value, encode

GIVEN = "Anna Clara Emil Greta Jonas Karla Lena Marta Nils Oskar".split()
FAMILY = "Bergmann Dietrich Fischer Hoffmann Krause Lehmann Neumann Pfeiffer Schubert Winkler".split()


def people(rows: int = 400) -> tuple[list[Value], list[Value]]:
    chance = random.Random(1)
    return [chance.choice(GIVEN) for _ in range(rows)], [chance.choice(FAMILY) for _ in range(rows)]


def found(**columns: list[Value]) -> dict[tuple[int, int], Finding]:
    table = Table([Column(name, *encode(values)) for name, values in columns.items()])
    findings = [each for each in ensemble.detect(table) if each.detector == "swapped"]
    return {(int(row), each.column): each for each in findings for row in each.rows}


def test_both_cells_get_each_others_value_alike_and_never_by_default() -> None:
    given, family = people()
    for row in (7, 50):
        given[row], family[row] = family[row], given[row]
    cells = found(given=given, family=family)
    assert set(cells) == {(7, 0), (7, 1), (50, 0), (50, 1)}
    assert cells[7, 0].new == family[7]
    assert cells[7, 1].new == given[7]
    assert cells[7, 0].confidence == cells[7, 1].confidence is not None
    assert 0.8 < (cells[7, 0].confidence or 0) < 0.95
    assert "is a value of family" in cells[7, 0].reason


def test_what_other_detectors_say_of_one_cell_does_not_repair_half_of_the_row() -> None:
    # The town decides the county, so that rows vote on the county alone.
    towns = [f"{name}ville" for name in GIVEN for _ in range(30)]
    counties = [FAMILY[place // 90] for place in range(300)]
    towns[10], counties[10] = counties[10], towns[10]
    table = Table([Column("town", *encode(towns)), Column("county", *encode(counties))])
    of_row = [each for each in ensemble.detect(table) if 10 in each.rows]
    assert {(each.column, each.new) for each in of_row} == {(0, counties[10]), (1, towns[10])}
    assert {each.detector for each in of_row} == {"swapped"}


def test_right_rows_are_left_alone() -> None:
    given, family = people()
    # Emil is a family name as well, and Krause a given one, in different rows.
    family[3], given[9] = "Emil", "Krause"
    assert found(given=given, family=family) == {}
    # What both columns hold alike: places, times, answers.
    chance = random.Random(2)
    places = [[chance.choice(GIVEN) for _ in range(400)] for _ in range(2)]
    assert found(origin=list(places[0]), target=list(places[1])) == {}
    hours = [[f"{chance.randrange(low, low + 6)}:00" for _ in range(400)] for low in (6, 9)]
    assert found(begins=list(hours[0]), ends=list(hours[1])) == {}
    empty: list[Value] = [None] * 400
    assert found(given=given, family=empty) == {}
    assert found(given=[], family=[]) == {}


def test_rows_that_look_so_by_chance_lower_the_confidence() -> None:
    given, family = people()
    given[7], family[7] = family[7], given[7]
    alone = found(given=given, family=family)[7, 0].confidence
    # Some have a family name that is a given one, and others the other way round.
    for place in range(10):
        family[100 + place], given[200 + place] = GIVEN[place], FAMILY[place]
    more = found(given=given, family=family)
    assert set(more) == {(7, 0), (7, 1)}
    assert (more[7, 0].confidence or 0) < (alone or 0)
