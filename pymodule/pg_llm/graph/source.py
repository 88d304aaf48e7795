"""What a graph is made from: a table, those of its columns that are read, and others behind its foreign keys.

In fragments the row is called `t`, and the row that its foreign key number n leads to is `jn`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, column_types
from pg_llm.database.catalog import Table
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Join:
    """A foreign key of one column, and the column of the other table that it is equal to."""

    column: str
    oid: int
    relation: str
    # For FROM.
    rows: str
    key: str
    # The other table's.
    columns: Mapping[str, ColumnType]


@dataclass(frozen=True, slots=True)
class Source:
    """A row of llm.graph_source with what the catalog says of its table."""

    row: Row
    table: Table
    joins: list[Join] = field(default_factory=list)

    @property
    def id(self) -> int:
        """Its number."""
        return int(self.row["id"])

    @property
    def graph(self) -> int:
        """The number of its graph."""
        return int(self.row["graph"])

    @property
    def beside(self) -> list[int]:
        """The tables that its foreign keys lead to."""
        return [join.oid for join in self.joins]

    @property
    def read(self) -> list[str]:
        """The columns that are read, one behind a foreign key as `column.column`."""
        if self.row["kind"] == "text":
            return list(self.row["columns"])
        return mapped(mapping(self.row))

    @property
    def target(self) -> str:
        """For FROM: the table."""
        return f"{_ONLY if self.row['childless'] else ''}{self.table.relation}"

    @property
    def rows(self) -> str:
        """For FROM: the table, and what its foreign keys lead to."""
        return self.relation(self.target)

    def relation(self, table: str) -> str:
        """The same over one of the table's partitions."""
        joins = (
            f" LEFT JOIN {join.rows} AS j{number} ON j{number}.{quote_ident(join.key)} = t.{quote_ident(join.column)}"
            for number, join in enumerate(self.joins)
        )
        return f"{table} AS t{''.join(joins)}"

    @property
    def content(self) -> str:
        """What is read of a row, as a jsonb object of texts."""
        pairs = (f"{quote_literal(name)}, {self._text(name)}" for name in self.read)
        return f"jsonb_strip_nulls(jsonb_build_object({', '.join(pairs)}))"

    def hash(self, by: str) -> str:
        """A number that changes with what is read of a row, and with what reads it."""
        seed = int.from_bytes(hashlib.sha256(by.encode()).digest()[:8], "big", signed=True)
        return f"hashtextextended({self.content}::text, '{seed}'::bigint)"

    @property
    def probe(self) -> str:
        """Whether the row with the key $1 is there for the caller, and all that was read beside it."""
        beside = "".join(
            f" AND (t.{quote_ident(join.column)} IS NULL OR EXISTS (SELECT FROM {join.rows} AS j"
            f" WHERE j.{quote_ident(join.key)} = t.{quote_ident(join.column)}))"
            for join in self.joins
        )
        return (
            f"SELECT EXISTS (SELECT FROM {self.table.one_key('$1::jsonb')}"
            f" JOIN {self.target} AS t ON {self.table.same_key}{beside}) AS there"
        )

    def _text(self, name: str) -> str:
        column, dot, other = name.partition(".")
        if not dot or name in self.table.columns:
            return self.table.text(name)
        number = [join.column for join in self.joins].index(column)
        return self.joins[number].columns[other].text(f"j{number}.{quote_ident(other)}")


_SOURCE = """
    SELECT s.id, s.graph, s.kind, s.target::oid::int8 AS target, s.columns::text[] AS columns,
           s.mapping::text AS mapping, s.model, s.sync, g.name AS graph_name, (
               SELECT c.relkind = 'r' AND NOT c.relhassubclass FROM pg_class AS c WHERE c.oid = s.target
           ) AS childless
    FROM llm.graph_source AS s JOIN llm.graph AS g ON g.id = s.graph
"""
# Of a table without children: so that it can be given none that run code of their owner's while it is read.
_ONLY = "ONLY "


def numbered(db: Connection, source: int) -> Source:
    """The source of that number. Raises InvalidInput if it is gone."""
    found = db.rows(f"{_SOURCE} WHERE s.id = $1", ("int4",), (source,))
    if not found or found[0]["target"] is None:
        raise InvalidInput(f"there is no source {source} of a graph")
    return of_row(db, found[0])


def of_graph(db: Connection, graph: int) -> list[Source]:
    """The tables that a graph is made from; those that were dropped are left out."""
    found = db.rows(
        f"{_SOURCE} WHERE s.graph = $1 AND s.kind <> 'import'"
        " AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = s.target) ORDER BY s.id",
        ("int4",),
        (graph,),
    )
    return [of_row(db, row) for row in found]


def imported(db: Connection, graph: int) -> list[Table]:
    """The tables that imported triples are said to come from, as far as they are still there."""
    found = db.rows(
        "SELECT s.target::oid::int8 AS target FROM llm.graph_source AS s JOIN pg_class AS c ON c.oid = s.target"
        " WHERE s.graph = $1 AND s.kind = 'import' ORDER BY s.id",
        ("int4",),
        (graph,),
    )
    return [catalog.table(db, str(row["target"])) for row in found]


def of_row(db: Connection, row: Row) -> Source:
    """The source of a row as the queries here have it. Raises InvalidInput for one that does not fit its table."""
    table = catalog.table(db, str(row["target"]))
    check_whole(Source(row, table))
    foreign = mapped(mapping(row)) if row["kind"] == "columns" else []
    return Source(row, table, joins(db, table, foreign))


def check_whole(of: Source) -> None:
    """Raise InvalidInput if a column that is read has been renamed or dropped."""
    for name in of.row["columns"]:
        if name not in of.table.columns:
            raise InvalidInput(
                f'the graph "{of.row["graph_name"]}" reads the column "{name}" of {of.table.relation}, which is gone',
                hint=f"SELECT graph_remove('{of.row['graph_name']}', '{of.table.relation}'); and add the table again.",
            )


def rows_of(db: Connection, table: Table) -> str:
    """For FROM: a table that may be no source."""
    found = db.rows(
        "SELECT c.relkind = 'r' AND NOT c.relhassubclass AS childless FROM pg_class AS c WHERE c.oid = $1::oid",
        ("int8",),
        (table.oid,),
    )
    return f"{_ONLY if found and found[0]['childless'] else ''}{table.relation}"


def mapping(row: Row) -> list[dict[str, str]]:
    """The mapping of a source's row. Raises InvalidInput for one that a dump may have brought and nobody wrote."""
    found = arguments.parse_json("mapping", row["mapping"])
    if not isinstance(found, list) or not all(_well_formed(item) for item in found):
        raise InvalidInput("the mapping of a source of a graph is not what graph_add_columns() writes")
    return found


def _well_formed(item: Any) -> bool:
    if not isinstance(item, dict) or not all(isinstance(value, str) for value in item.values()):
        return False
    return (
        "subject" in item
        and "subject_type" in item
        and ("object" not in item or ("object_type" in item and "predicate" in item))
    )


def mapped(items: list[dict[str, str]]) -> list[str]:
    """The columns that a mapping names, each once."""
    return list(dict.fromkeys(item[side] for item in items for side in ("subject", "object") if side in item))


def joins(db: Connection, table: Table, names: list[str]) -> list[Join]:
    """The foreign keys that names such as `doctor_id.name` go through. Raises InvalidInput for what there is not."""
    found: dict[str, Join] = {}
    for name in names:
        if name in table.columns:
            continue
        column, dot, other = name.partition(".")
        if not dot or column not in table.columns:
            known = ", ".join(table.columns)
            raise InvalidInput(f'table {table.relation} has no column "{column}"', hint=f"It has: {known}.")
        join = found.get(column) or _join(db, table, column)
        if other not in join.columns:
            raise InvalidInput(f'table {join.relation} has no column "{other}"')
        found[column] = join
    return list(found.values())


def _join(db: Connection, table: Table, column: str) -> Join:
    found = db.rows(
        """
        SELECT c.oid::int8 AS oid, format('%I.%I', n.nspname, c.relname) AS relation, k.attname::text AS key,
               c.relkind = 'r' AND NOT c.relhassubclass AS childless
        FROM pg_constraint AS f
        JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND f.conkey = ARRAY[a.attnum]
        JOIN pg_attribute AS k ON k.attrelid = f.confrelid AND f.confkey = ARRAY[k.attnum]
        JOIN pg_class AS c ON c.oid = f.confrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE f.contype = 'f' AND f.conrelid = $1::oid AND a.attname = $2 ORDER BY f.oid LIMIT 1
        """,
        ("int8", "text"),
        (table.oid, column),
    )
    if not found:
        raise InvalidInput(
            f'column "{column}" of {table.relation} is no foreign key of one column',
            hint='"column.other" reads the column other of the table that the foreign key leads to.',
        )
    of = found[0]
    rows = f"{_ONLY if of['childless'] else ''}{of['relation']}"
    return Join(column, of["oid"], of["relation"], rows, of["key"], column_types.of_relation(db, of["oid"]))
