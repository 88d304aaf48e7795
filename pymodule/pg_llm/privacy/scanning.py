"""Which columns of tables hold personal data, by a sample of their rows and the names of the columns."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, models, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, Row
from pg_llm.database.patience import Patience, Unavailable
from pg_llm.errors import InsufficientPrivilege, InvalidInput
from pg_llm.privacy import finding, kinds

_MOST_ROWS = 100_000
# Characters of a value that are read.
_LONGEST = 2000
# Share of a column's values below which a kind is not reported, and examples of each.
_LEAST_SHARE, _EXAMPLES = 0.01, 3
# A sample of blocks is taken where a table has so many times the rows that are wanted.
_MANY = 20
# Texts, numbers, days, addresses of networks; and JSON and arrays, whose text holds what they hold.
_READABLE = """
    SELECT a.attname::text AS name FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
    AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    AND (t.typcategory IN ('S', 'N', 'D', 'I', 'A') OR t.oid IN ('json'::regtype, 'jsonb'::regtype, 'xml'::regtype))
    ORDER BY a.attnum
"""
_MAY_READ = "SELECT has_any_column_privilege($1::oid, 'SELECT') AS allowed"
# Without companions of indexes, which hold numbers and stems of words, and the keys that their tables hold too.
_TABLES = """
    SELECT c.oid::int8 AS oid, c.oid::regclass::text AS name, c.relowner::int8 AS owner FROM pg_class AS c
    WHERE c.relnamespace = $1 AND c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition
    AND has_any_column_privilege(c.oid, 'SELECT')
    AND c.oid NOT IN (SELECT i.companion::oid FROM llm.semantic_index AS i)
    ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of a table, in which column number n is called `cn`."""

    table: Table
    columns: list[str]
    rows: list[Row]


def scan(
    db: Connection,
    target: str | None,
    schema: str | None,
    sample: int | None,
    wanted: Sequence[str | None] | None,
    model: str | None,
) -> list[dict[str, Any]]:
    """A row for each column and kind that it holds, in the order of the tables and columns."""
    if (target is None) == (schema is None):
        raise InvalidInput("either target or schema must be given", hint="target is a table, schema all its tables.")
    rows = arguments.in_range("sample", sample, 1, _MOST_ROWS)
    searched = kinds.checked(wanted)
    samples = [_sample(db, target, rows)] if target else _samples(db, schema, rows)
    return [row for each in samples for row in _table(db, each, searched, model)]


def _sample(db: Connection, name: str, rows: int) -> Sample:
    table = catalog.relation(db, name, key=())
    columns = _readable(db, table)
    if not columns:
        if not db.rows(_MAY_READ, ("int8",), (table.oid,))[0]["allowed"]:
            raise InsufficientPrivilege(f"permission denied for table {table.relation}")
        return Sample(table, [], [])
    query = _query(db, table, columns, rows)
    return Sample(table, columns, table_access.on_table(db, table.oid, lambda: db.query_unprepared(query)))


def _samples(db: Connection, schema: str | None, rows: int) -> Iterator[Sample]:
    """Those of the tables of a schema. One that cannot be read says nothing about the others: it is a warning."""
    patience = Patience(db)
    for row in db.rows(_TABLES, ("regnamespace",), (schema,)):
        try:
            yield patience.run(row["owner"], partial(_unnamed_sample, db, row["oid"], rows))
        except Unavailable as error:
            db.warning(f"{row['name']} is left out: {error}")


def _unnamed_sample(db: Connection, oid: int, rows: int) -> Sample:
    table = catalog.relation(db, str(oid), key=())
    columns = _readable(db, table)
    if not columns:
        return Sample(table, [], [])
    query = _query(db, table, columns, rows)
    return Sample(table, columns, table_access.on_unnamed(db, oid, lambda: db.query_unprepared(query)))


def _readable(db: Connection, table: Table) -> list[str]:
    return [row["name"] for row in db.rows(_READABLE, ("int8",), (table.oid,))]


def _table(db: Connection, sample: Sample, wanted: Sequence[str], model: str | None) -> Iterator[dict[str, Any]]:
    for number, column in enumerate(sample.columns):
        values = [row[f"c{number}"] for row in sample.rows if row[f"c{number}"]]
        yield from _column(db, sample.table, column, values, wanted, model)


def _query(db: Connection, table: Table, columns: Sequence[str], sample: int) -> str:
    texts = ", ".join(f"pg_catalog.left({table.text(name)}, {_LONGEST}) AS c{n}" for n, name in enumerate(columns))
    counted = db.rows("SELECT reltuples::float8 AS rows FROM pg_class WHERE oid = $1::oid", ("int8",), (table.oid,))
    blocks = ""
    if table.kind in "rm" and counted[0]["rows"] > _MANY * sample:
        share = min(100.0, 200 * sample / counted[0]["rows"])
        blocks = f" TABLESAMPLE pg_catalog.system ({share:.6f})"
    return f"SELECT {texts} FROM {table.relation} AS t{blocks} LIMIT {sample}"


def _column(
    db: Connection, table: Table, column: str, values: Sequence[str], wanted: Sequence[str], model: str | None
) -> Iterator[dict[str, Any]]:
    distinct = list(dict.fromkeys(values))
    contexts = [column.replace("_", " ")] * len(distinct)
    found = dict(zip(distinct, finding.find(db, distinct, wanted, None, model, contexts), strict=True))
    rows: dict[str, int] = defaultdict(int)
    scores: dict[str, list[float]] = defaultdict(list)
    examples: dict[str, list[str]] = defaultdict(list)
    for value in values:
        for kind in {each[0] for each in found[value]}:
            rows[kind] += 1
    for value in distinct:
        for kind, start, end, score, _ in found[value]:
            scores[kind].append(score)
            if len(examples[kind]) < _EXAMPLES:
                examples[kind].append(_masked(db, kind, value[start:end]))
    for kind in sorted(rows, key=lambda kind: (-rows[kind], kind)):
        share = rows[kind] / len(values)
        if share >= _LEAST_SHARE:
            yield {
                "table": table.relation,
                "column": column,
                "kind": kind,
                "share": share,
                "examples_masked": examples[kind],
                "score": sum(scores[kind]) / len(scores[kind]),
            }


def _masked(db: Connection, kind: str, value: str) -> str:
    options = {"method": "mask", "key": None, "subject": None, "language": None}
    work = json.dumps([value, [[kind, 0, len(value)]]])
    return str(models.run_without_model(db, "redaction", [work], **options)[0])
