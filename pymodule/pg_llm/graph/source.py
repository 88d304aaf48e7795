"""Sources of a graph: a table, those of its columns that are read, and columns that its foreign keys lead to.

In SQL fragments the row of the source is called `t`, and the row that its foreign key number n refers to `jn`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, column_types, relation_names
from pg_llm.database.catalog import Table
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key of one column; all but `column` describes the referenced table.

    `from_item` is that table as a FROM clause has it, `key` the referenced column.
    """

    column: str
    oid: int
    relation: str
    from_item: str
    key: str
    columns: Mapping[str, ColumnType]


@dataclass(frozen=True, slots=True)
class Source:
    """A row of llm.graph_source, the table that it names, and the foreign keys that its mapping follows."""

    row: Row
    table: Table
    foreign_keys: list[ForeignKey] = field(default_factory=list)

    @property
    def id(self) -> int:
        """The id in llm.graph_source."""
        return int(self.row["id"])

    @property
    def graph(self) -> int:
        """The id of its graph."""
        return int(self.row["graph"])

    @property
    def foreign_oids(self) -> list[int]:
        """The oids of the tables that the foreign keys refer to."""
        return [key.oid for key in self.foreign_keys]

    @property
    def columns_read(self) -> list[str]:
        """The columns that are read; one that a foreign key leads to is written `column.column`."""
        if self.row["kind"] == "text":
            return list(self.row["columns"])
        return mapped_columns(mapping(self.row))

    @property
    def from_item(self) -> str:
        """The table in a FROM clause."""
        return f"{_ONLY if self.row['childless'] else ''}{self.table.relation}"

    @property
    def from_clause(self) -> str:
        """The table, joined with those that its foreign keys refer to."""
        return self.from_clause_over(self.from_item)

    def from_clause_over(self, table: str) -> str:
        """The same with a partition in place of the table."""
        joins = (
            f" LEFT JOIN {key.from_item} AS j{number} ON j{number}.{quote_ident(key.key)} = t.{quote_ident(key.column)}"
            for number, key in enumerate(self.foreign_keys)
        )
        return f"{table} AS t{''.join(joins)}"

    @property
    def content(self) -> str:
        """SQL for the columns of a row that are read, as a jsonb object of texts."""
        pairs = (f"{quote_literal(name)}, {self._text(name)}" for name in self.columns_read)
        return f"jsonb_strip_nulls(jsonb_build_object({', '.join(pairs)}))"

    def hash(self, fingerprint: str) -> str:
        """SQL for a number that changes with the content of a row and with the fingerprint of its reader."""
        seed = int.from_bytes(hashlib.sha256(fingerprint.encode()).digest()[:8], "big", signed=True)
        return f"hashtextextended({self.content}::text, '{seed}'::bigint)"

    @property
    def visibility_query(self) -> str:
        """A query whether the caller sees the row with the key $1 and every row that its foreign keys refer to."""
        referenced = "".join(
            f" AND (t.{quote_ident(key.column)} IS NULL OR EXISTS (SELECT FROM {key.from_item} AS j"
            f" WHERE j.{quote_ident(key.key)} = t.{quote_ident(key.column)}))"
            for key in self.foreign_keys
        )
        return (
            f"SELECT EXISTS (SELECT FROM {self.table.one_key('$1::jsonb')}"
            f" JOIN {self.from_item} AS t ON {self.table.same_key}{referenced}) AS there"
        )

    def _text(self, name: str) -> str:
        column, dot, other = name.partition(".")
        if not dot or name in self.table.columns:
            return self.table.text_in_utc(name)
        number = [key.column for key in self.foreign_keys].index(column)
        return self.foreign_keys[number].columns[other].text_in_utc(f"j{number}.{quote_ident(other)}")


_SOURCE = """
    SELECT s.id, s.graph, s.kind, s.target::oid::int8 AS target, s.columns::text[] AS columns,
           s.mapping::text AS mapping, s.model, s.sync, g.name AS graph_name, (
               SELECT c.relkind = 'r' AND NOT c.relhassubclass FROM pg_class AS c WHERE c.oid = s.target
           ) AS childless
    FROM llm.graph_source AS s JOIN llm.graph AS g ON g.id = s.graph
"""
# ONLY for a table without children: nobody can then add a child whose owner's code would run while it is read.
_ONLY = "ONLY "


def by_id(db: Connection, source: int) -> Source:
    """The source with that id. Raises InvalidInput if it is gone."""
    rows = db.rows(f"{_SOURCE} WHERE s.id = $1", ("int4",), (source,))
    if not rows or rows[0]["target"] is None:
        raise InvalidInput(f"there is no source {source} of a graph")
    return of_row(db, rows[0])


def of_graph(db: Connection, graph: int) -> list[Source]:
    """The sources of a graph whose tables still exist, without imports."""
    rows = db.rows(
        f"{_SOURCE} WHERE s.graph = $1 AND s.kind <> 'import'"
        " AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = s.target) ORDER BY s.id",
        ("int4",),
        (graph,),
    )
    return [of_row(db, row) for row in rows]


def import_tables(db: Connection, graph: int) -> list[Table]:
    """The tables to which imported triples were attributed, those that still exist."""
    rows = db.rows(
        "SELECT s.target::oid::int8 AS target FROM llm.graph_source AS s JOIN pg_class AS c ON c.oid = s.target"
        " WHERE s.graph = $1 AND s.kind = 'import' ORDER BY s.id",
        ("int4",),
        (graph,),
    )
    return [catalog.table(db, str(row["target"])) for row in rows]


def of_row(db: Connection, row: Row) -> Source:
    """The source that a row of _SOURCE's form describes. Raises InvalidInput where it no longer fits its table."""
    table = catalog.table(db, str(row["target"]))
    _check_columns(row, table)
    names = mapped_columns(mapping(row)) if row["kind"] == "columns" else []
    return Source(row, table, foreign_keys(db, table, names))


def _check_columns(row: Row, table: Table) -> None:
    """Raise InvalidInput if a column that is read has been renamed or dropped."""
    for name in row["columns"]:
        if name not in table.columns:
            raise InvalidInput(
                f'the graph "{row["graph_name"]}" reads the column "{name}" of {table.relation}, which is gone',
                hint=f"SELECT graph_remove('{row['graph_name']}', '{table.relation}'); and add the table again.",
            )


def from_item(db: Connection, table: Table) -> str:
    """A table, which need not be a source, in a FROM clause."""
    rows = db.rows(
        "SELECT c.relkind = 'r' AND NOT c.relhassubclass AS childless FROM pg_class AS c WHERE c.oid = $1::oid",
        ("int8",),
        (table.oid,),
    )
    return f"{_ONLY if rows and rows[0]['childless'] else ''}{table.relation}"


def mapping(row: Row) -> list[dict[str, str]]:
    """The mapping that a source was made with. Raises InvalidInput for one that a forged dump has brought."""
    items = arguments.parse_json("mapping", row["mapping"])
    if not isinstance(items, list) or not all(_well_formed(item) for item in items):
        raise InvalidInput("the mapping of a source of a graph is not what graph_add_columns() writes")
    return items


def _well_formed(item: Any) -> bool:
    if not isinstance(item, dict) or not all(isinstance(value, str) for value in item.values()):
        return False
    return (
        "subject" in item
        and "subject_type" in item
        and ("object" not in item or ("object_type" in item and "predicate" in item))
    )


def mapped_columns(items: list[dict[str, str]]) -> list[str]:
    """The columns that a mapping names, each once."""
    return list(dict.fromkeys(item[side] for item in items for side in ("subject", "object") if side in item))


def foreign_keys(db: Connection, table: Table, names: list[str]) -> list[ForeignKey]:
    """The foreign keys that names such as `doctor_id.name` follow. Raises InvalidInput for an unknown column."""
    keys: dict[str, ForeignKey] = {}
    for name in names:
        if name in table.columns:
            continue
        column, dot, other = name.partition(".")
        if not dot or column not in table.columns:
            known = ", ".join(table.columns)
            raise InvalidInput(f'table {table.relation} has no column "{column}"', hint=f"It has: {known}.")
        key = keys.get(column) or _foreign_key(db, table, column)
        if other not in key.columns:
            raise InvalidInput(f'table {key.relation} has no column "{other}"')
        keys[column] = key
    return list(keys.values())


def _foreign_key(db: Connection, table: Table, column: str) -> ForeignKey:
    rows = db.rows(
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
    if not rows:
        raise InvalidInput(
            f'column "{column}" of {table.relation} is no foreign key of one column',
            hint='"column.other" reads the column other of the table that the foreign key leads to.',
        )
    row = rows[0]
    relation_names.note(db, row["oid"], row["relation"])
    referenced = f"{_ONLY if row['childless'] else ''}{row['relation']}"
    return ForeignKey(
        column, row["oid"], row["relation"], referenced, row["key"], column_types.of_relation(db, row["oid"])
    )
