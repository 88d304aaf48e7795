"""Filling a semantic column: rows without a vector get one, in batches that can be stopped and taken up again."""

from __future__ import annotations

from collections.abc import Callable

import plpy

from pg_llm.functions import semantic_column as catalog
from pg_llm.functions import session
from pg_llm.functions.progress import Report
from pg_llm.functions.semantic_column import SemanticColumn
from pg_llm.functions.transaction import Commit

_BATCH = 256
_BLOCKS = 256

Count = Callable[[int], None]


def fill(column: SemanticColumn, report: Report, commit: Commit) -> None:
    """Embed every row that lacks it: one pass over the blocks, and another for as long as the last found something."""
    unfilled = f"{column.vector} IS NULL AND {column.document} <> ''"
    total = int(session.rows_once(f"SELECT count(*) AS n FROM {column.table.relation} AS t WHERE {unfilled}")[0]["n"])
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        commit()
        report("embedding", done, max(total, done))

    report("embedding", 0, total)
    leaves = catalog.parts(column.table, "r")
    before = -1
    while before < done:
        before = done
        for leaf in leaves:
            _fill_leaf(column, leaf, count)


def fill_keys(column: SemanticColumn, keys: str) -> None:
    """Embed the rows with these primary keys, a JSON array of objects, in the caller's transaction."""
    types = ", ".join(f"{plpy.quote_ident(name)} {kind}" for name, kind in column.table.key.items())
    found = session.rows_once(
        f"""
        SELECT t.tableoid::regclass::text AS leaf, t.ctid::text AS ctid
        FROM jsonb_to_recordset($1::jsonb) AS k ({types}) JOIN {column.table.relation} AS t ON {column.table.same_key}
        WHERE {column.vector} IS NULL
        """,
        ("text",),
        (keys,),
    )
    by_leaf: dict[str, list[str]] = {}
    for row in found:
        by_leaf.setdefault(row["leaf"], []).append(row["ctid"])
    for leaf, ctids in by_leaf.items():
        _fill_rows(column, leaf, ctids, lambda done: None)


def _fill_leaf(column: SemanticColumn, leaf: str, count: Count) -> None:
    """Block by block, so that nothing is read twice and a repeated call soon finds where to go on."""
    blocks = session.rows_once(
        "SELECT pg_relation_size($1::regclass) / current_setting('block_size')::bigint AS blocks", ("text",), (leaf,)
    )[0]["blocks"]
    for first in range(0, blocks, _BLOCKS):
        found = session.rows_once(
            f"""
            SELECT t.ctid::text AS ctid FROM ONLY {leaf} AS t
            WHERE t.ctid >= '({first},0)' AND t.ctid < '({first + _BLOCKS},0)' AND {column.vector} IS NULL
            """
        )
        _fill_rows(column, leaf, [row["ctid"] for row in found], count)


def _fill_rows(column: SemanticColumn, leaf: str, ctids: list[str], count: Count) -> None:
    """Embed these rows; one whose text changes meanwhile keeps what its writer gives it."""
    fingerprint = f"hashtextextended({column.document}, 0)"
    for first in range(0, len(ctids), _BATCH):
        found = session.rows_once(
            f"""
            SELECT t.ctid::text AS ctid, {fingerprint} AS fingerprint, {column.document} AS document
            FROM ONLY {leaf} AS t
            WHERE t.ctid = ANY($1::tid[]) AND {column.vector} IS NULL AND {column.document} <> ''
            """,
            ("text[]",),
            (ctids[first : first + _BATCH],),
        )
        if not found:
            continue
        vectors = session.model(column.model, "embedding").run(
            "embedding", [row["document"] for row in found], role="document"
        )
        update = plpy.prepare(
            f"""
            UPDATE ONLY {leaf} AS t
            SET {plpy.quote_ident(column.name)} = v.vector::{catalog.schema_of("vector")}.vector,
                {plpy.quote_ident(column.text_name)} = {column.document_tsvector}
            FROM ROWS FROM (unnest($1::tid[]), unnest($2), unnest($3)) AS v (ctid, fingerprint, vector)
            WHERE t.ctid = v.ctid AND {column.vector} IS NULL AND {fingerprint} = v.fingerprint
            """,
            ["text[]", "bigint[]", "text[]"],
        )
        identified = [[row[name] for row in found] for name in ("ctid", "fingerprint")]
        count(plpy.execute(update, [*identified, vectors]).nrows())
