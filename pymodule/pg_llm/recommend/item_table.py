"""The table of a recommender's items: their vectors, neighbors and popularity, one version per fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import partial
from typing import Any

from pg_llm.database import catalog, table_access
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident

# Items that one INSERT stores.
_BATCH = 500


def qualified_name(schema: str, recommender: str) -> str:
    """The table's name, quoted and qualified."""
    return f"{quote_ident(schema)}.{quote_ident(f'recommender_{recommender}')}"


def create(db: Connection, item_table: str, dimensions: int) -> None:
    """Create the table, for vectors of that length."""
    db.execute(
        f"CREATE TABLE {item_table} (version int4 NOT NULL, number int4 NOT NULL, item text NOT NULL,"
        f" embedding {catalog.schema_of(db, 'vector')}.vector({dimensions}) NOT NULL, recent float4 NOT NULL,"
        " fresh boolean NOT NULL, neighbours int4[] NOT NULL, weights float4[] NOT NULL,"
        " PRIMARY KEY (version, number), UNIQUE (version, item))"
    )
    db.execute(f"CREATE INDEX ON {item_table} (version, recent DESC, number)")
    db.execute(
        f"COMMENT ON TABLE {item_table} IS 'Items of a recommender; whoever may read them may be shown recommendations'"
    )


def index_vectors(db: Connection, item_table: str) -> None:
    """Build vector indexes on all items, and on the fresh ones, which recommend() searches separately."""
    for condition in ("", " WHERE fresh"):
        method = f"hnsw (embedding {catalog.schema_of(db, 'vector')}.vector_ip_ops)"
        db.execute(f"CREATE INDEX ON {item_table} USING {method}{condition}")


def grant_to_readers(db: Connection, item_table: str, events: int | None) -> None:
    """Give everybody who may read the table of events the right to read the items; `events` is its oid."""
    if events is None:
        return
    for grantee in db.rows(
        "SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS role"
        " FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = $1::oid AND a.privilege_type = 'SELECT'"
        " AND a.grantee <> (SELECT oid FROM pg_roles WHERE rolname = CURRENT_USER)",
        ("int8",),
        (events,),
    ):
        db.execute(f"GRANT SELECT ON {item_table} TO {grantee['role']}")


def numbers(db: Connection, item_table: str, version: int, role: int) -> dict[str, int]:
    """The number of each item in a version, read with the rights of a role."""
    query = f"SELECT item, number FROM {item_table} WHERE version = {version}"
    return {row["item"]: row["number"] for row in table_access.as_role(db, role, lambda: list(db.stream(query)))}


def store(
    db: Connection,
    item_table: str,
    version: int,
    role: int,
    lines: Iterable[str],
    items: dict[int, str],
    total: int,
    popularity: dict[str, float],
) -> None:
    """Write a version, with the rights of a role.

    `lines` describe all `total` items that were ever numbered, in that order, as the training writes them; `items` are
    those that still exist, by number.
    """
    vector_schema = catalog.schema_of(db, "vector")
    described = ((number, line) for number, line in enumerate(lines) if number in items)
    all_exist = len(items) == total
    while batch := list(itertools.islice(described, _BATCH)):
        rows = [_row(number, line, items, popularity, all_exist) for number, line in batch]
        insert = partial(
            db.query_unprepared,
            f"INSERT INTO {item_table} (version, number, item, embedding, recent, fresh, neighbours, weights)"
            f" SELECT {version}, n, i, v::{vector_schema}.vector, r, f, a::int4[], w::float4[]"
            " FROM unnest($1, $2, $3, $4, $5, $6, $7) AS t (n, i, v, r, f, a, w)",
            ("int4[]", "text[]", "text[]", "float4[]", "bool[]", "text[]", "text[]"),
            [list(column) for column in zip(*rows, strict=True)],
        )
        table_access.as_role(db, role, insert)
        db.poll()


def delete_version(db: Connection, item_table: str, version: int, role: int) -> None:
    """Delete the rows of a version, with the rights of a role."""
    statement = f"DELETE FROM {item_table} WHERE version = {version}"
    table_access.as_role(db, role, lambda: db.query_unprepared(statement))


def _row(
    number: int, line: str, items: dict[int, str], popularity: dict[str, float], all_exist: bool
) -> tuple[Any, ...]:
    vector, fresh, neighbors, weights = line.rstrip("\n").split("\t")
    if not all_exist:
        # Neighbors that are gone are left out.
        pairs = zip(_array_elements(neighbors), _array_elements(weights), strict=True)
        existing = [(neighbor, weight) for neighbor, weight in pairs if int(neighbor) in items]
        neighbors, weights = (_array_literal(pair[side] for pair in existing) for side in (0, 1))
    item = items[number]
    return number, item, vector, popularity.get(item, 0.0), fresh == "t", neighbors, weights


def _array_literal(elements: Iterable[str]) -> str:
    return "{" + ",".join(elements) + "}"


def _array_elements(literal: str) -> list[str]:
    return literal[1:-1].split(",") if literal != "{}" else []
