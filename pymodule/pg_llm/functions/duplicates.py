"""SQL: duplicates of a table, merged into golden records and taken apart again; values of reference tables."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.cleaning import duplicates, golden_records, record_merging, reference_matching
from pg_llm.database import ownership, search_path
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def llm_duplicates(
    db: Connection, target: str | None, columns: list[str] | None, threshold: float | None
) -> list[dict[str, Any]]:
    """Pairs of rows of a table that are about one thing, cluster by cluster, with the columns that differ."""
    return duplicates.pairs(db, arguments.required("target", target), columns, arguments.threshold(threshold))


@sql_function
def llm_golden(
    db: Connection,
    target: str | None,
    survivorship: Any,
    columns: list[str] | None,
    threshold: float | None,
    clusters: Any,
) -> list[dict[str, Any]]:
    """The golden records that llm_merge would make of the duplicates of a table."""
    target, least = arguments.required("target", target), arguments.threshold(threshold)
    return golden_records.preview(db, target, survivorship, columns, least, clusters)


@sql_function
def llm_merge(
    db: Connection,
    target: str | None,
    survivorship: Any,
    columns: list[str] | None,
    threshold: float | None,
    clusters: Any,
) -> str:
    """Make one golden record of each cluster of duplicates, and point foreign keys to it; returns the run."""
    table, least = ownership.oid(db, target), arguments.threshold(threshold)
    with search_path.pinned(db):
        found = golden_records.find(db, table, survivorship, columns, least, clusters, lock=True)
    return record_merging.merge(db, found)


@sql_function
def llm_unmerge(db: Connection, run: str | None) -> list[dict[str, Any]]:
    """Put the rows and foreign keys back that llm_merge removed and changed; edited and deleted ones are counted."""
    return [record_merging.unmerge(db, arguments.required("run", run))]


@sql_function
def llm_match(
    db: Connection, input: str | None, reference: str | None, column: str | None, k: int | None, threshold: float | None
) -> list[dict[str, Any]]:
    """The values of a reference table that a text means, with the keys of their rows; none where it is not sure."""
    found = _matches(db, [input], reference, column, k, threshold)
    return [{"key": key, "value": value, "score": score} for key, value, score in found[0]]


@sql_function
def llm_match_batch(
    db: Connection,
    inputs: list[str | None] | None,
    reference: str | None,
    column: str | None,
    k: int | None,
    threshold: float | None,
) -> list[dict[str, Any]]:
    """As llm_match for many texts, in one call; ordinality says which text a row is about."""
    found = _matches(db, arguments.texts(inputs), reference, column, k, threshold)
    return [
        {"ordinality": place, "key": key, "value": value, "score": score}
        for place, matches in enumerate(found, 1)
        for key, value, score in matches
    ]


def _matches(
    db: Connection,
    inputs: list[str | None],
    reference: str | None,
    column: str | None,
    k: int | None,
    threshold: float | None,
) -> list[list[reference_matching.Match]]:
    table, name = arguments.required("reference", reference), arguments.required("column", column)
    most = arguments.in_range("k", k, 1, 30)
    return reference_matching.match(db, inputs, table, name, most, arguments.threshold(threshold))
