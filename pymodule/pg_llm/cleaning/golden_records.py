"""Golden records: for each cluster of duplicates the row that stays and the values that it gets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pg_llm import arguments
from pg_llm.cleaning import duplicates, row_values, survivorship, target_table
from pg_llm.cleaning.row_values import Values
from pg_llm.cleaning.survivorship import Record, Survivorship
from pg_llm.database import table_access, transaction
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.errors import ConcurrentChange, InvalidInput

_CLUSTERS_HINT = """Write clusters => '[[{"id": 1}, {"id": 3}]]': the primary keys of rows that are one thing."""


@dataclass(frozen=True, slots=True)
class GoldenRecord:
    """A cluster's row that stays (`kept`, a key as JSON), those that go, and the values that change in the one."""

    kept: str
    removed: Sequence[str]
    values: Values
    changes: Values


@dataclass(frozen=True, slots=True)
class GoldenRecords:
    """Those of a table; `rows` has all values of all rows of the clusters by key."""

    table: Table
    records: Sequence[GoldenRecord]
    rows: dict[str, Values]
    rules: str


def preview(
    db: Connection, name: str, rules: Any, columns: list[str] | None, threshold: float, clusters: Any
) -> list[dict[str, Any]]:
    """The golden records as rows: kept and removed keys, all values of the golden record, and the old ones replaced."""
    found = find(db, name, rules, columns, threshold, clusters, lock=False)
    return [
        {
            "cluster": number,
            "kept": json.loads(record.kept),
            "removed": [json.loads(key) for key in record.removed],
            "golden": record.values,
            "changed": {column: found.rows[record.kept][column] for column in record.changes},
        }
        for number, record in enumerate(found.records, 1)
    ]


def find(
    db: Connection, name: str, rules: Any, columns: list[str] | None, threshold: float, clusters: Any, lock: bool
) -> GoldenRecords:
    """The golden records of clusters of keys that are given, or of those that are found; `lock` locks their rows."""
    target = target_table.find(db, name)
    chosen = survivorship.parse(rules, target.table.columns)
    if clusters is None:
        linked = duplicates.clusters(db, target, columns, threshold, versions=lock)
    else:
        linked = [dict.fromkeys(keys) for keys in _given(target.table, clusters)]
    versions = {key: version for cluster in linked for key, version in cluster.items()}
    if lock:
        _lock(db, target.table, versions)
    records = _read(db, target.table, list(versions), chosen.time)
    for key in (key for key in versions if key not in records):
        raise InvalidInput(f"{target.table.relation} has no row {key}", hint=_CLUSTERS_HINT)
    fixed = row_values.fixed_columns(db, target.table)
    found = [_golden([records[key] for key in cluster], chosen, fixed) for cluster in linked]
    values = {key: record.values for key, record in records.items()}
    return GoldenRecords(target.table, found, values, json.dumps(arguments.plain_json(rules or {})))


def _golden(records: Sequence[Record], rules: Survivorship, fixed: Iterable[str]) -> GoldenRecord:
    best = rules.best(records)
    values = {
        column: value if column in fixed else rules.value(column, records) for column, value in best.values.items()
    }
    changes = {column: value for column, value in values.items() if value != best.values[column]}
    return GoldenRecord(best.key, [record.key for record in records if record.key != best.key], values, changes)


def _given(table: Table, clusters: Any) -> list[list[str]]:
    """The keys of the clusters as the server writes them. Raises InvalidInput."""
    given = arguments.plain_json(clusters)
    if not isinstance(given, list):
        raise InvalidInput("clusters must be a JSON list of lists of keys", hint=_CLUSTERS_HINT)
    seen: set[str] = set()
    found = []
    for cluster in given:
        if not isinstance(cluster, list) or not all(
            isinstance(key, dict) and key.keys() == table.key.keys() for key in cluster
        ):
            raise InvalidInput(f"not a cluster of keys: {json.dumps(cluster)[:200]}", hint=_CLUSTERS_HINT)
        keys = list(dict.fromkeys(row_values.key_text(key) for key in cluster))
        for key in keys:
            if key in seen:
                raise InvalidInput(f"the row {key} is in two clusters", hint=_CLUSTERS_HINT)
            seen.add(key)
        if len(keys) > 1:
            found.append(keys)
    return found


def _lock(db: Connection, table: Table, versions: Mapping[str, int | None]) -> None:
    """Lock rows by their keys. Raises ConcurrentChange for those that have not the version that was compared."""
    version = ", t.xmin::text::bigint AS version" if any(versions.values()) else ""
    query = f"SELECT {table.key_object}::text AS k{version} FROM {_of_keys(table)} FOR UPDATE OF t"
    work = partial(db.query_unprepared, query, ("text[]",), (list(versions),))
    rows = table_access.on_table(db, table.oid, work, writes=True)
    there = {row_values.key_text(json.loads(row["k"])): row.get("version") for row in rows}
    changed = sum(version is not None and version != there.get(key) for key, version in versions.items())
    if changed:
        raise ConcurrentChange(
            f"{changed} rows of {table.relation} were changed while duplicates were looked for",
            hint="Call llm_merge again.",
        )


def _of_keys(table: Table) -> str:
    return f"{table.relation} AS t JOIN pg_catalog.unnest($1::jsonb[]) AS k (key) ON k.key = {table.key_object}"


def _read(db: Connection, table: Table, keys: Sequence[str], time: str | None) -> dict[str, Record]:
    """The rows with these keys."""
    recency = "0"
    if time is not None:
        if not table.columns[time].builtin:
            raise InvalidInput(f'the column "{time}" is not of one of PostgreSQL\'s own types')
        recency = f"pg_catalog.rank() OVER (ORDER BY {table.cell(time)} NULLS FIRST)"
    query = f"SELECT {row_values.selected(table)}, {recency} AS recency FROM {_of_keys(table)}"
    work = partial(db.query_unprepared, query, ("text[]",), (list(keys),))
    with transaction.plain_output(db):
        rows = table_access.on_table(db, table.oid, work)
    found = ((row_values.key_text(json.loads(row["k"])), row) for row in rows)
    return {key: Record(key, row_values.of_row(table, row), int(row["recency"])) for key, row in found}
