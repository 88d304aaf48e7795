"""A table's semantic column: what the catalog says of it, and the SQL fragments that follow from that.

Queries here and in the other semantic modules count on a pinned search_path: that of the SQL function, or that of
`transaction.pinned`. In fragments, the row is called `t`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pg_llm.database import catalog
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import UndefinedIndex

# PostgreSQL's tsvector holds 1 MB; this many characters of any script stay below it.
_TEXT_SEARCH_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True)
class SemanticColumn:
    """One semantic column, with the table that was named (which may be a partition of the one that was indexed)."""

    table: Table
    name: str
    columns: list[str]
    model: str
    method: str
    metric: str
    sync: str
    text_config: str

    @property
    def text_name(self) -> str:
        """The name of the tsvector column beside the vector column."""
        return f"{self.name}_text"

    @property
    def vector(self) -> str:
        """The vector column."""
        return f"t.{quote_ident(self.name)}"

    @property
    def tsvector(self) -> str:
        """The tsvector column."""
        return f"t.{quote_ident(self.text_name)}"

    @property
    def document(self) -> str:
        """The text that is indexed; empty where there is none."""
        parts = (f"nullif({self.table.text(column)}, '')" for column in self.columns)
        return f"concat_ws(E'\\n', {', '.join(parts)})"

    @property
    def document_tsvector(self) -> str:
        """The full-text form of the document."""
        return f'to_tsvector({self.text_parser}, "left"({self.document}, {_TEXT_SEARCH_CHARACTERS}))'

    @property
    def text_parser(self) -> str:
        """The text search configuration."""
        return f"{quote_literal(self.text_config)}::regconfig"


def existing(db: Connection, of: Table) -> list[SemanticColumn]:
    """The semantic columns of the table, or of the partitioned table it belongs to."""
    found = db.rows(
        """
        SELECT name, columns, model, method, metric, sync, text_config FROM llm.embedding_column
        WHERE target = coalesce(pg_partition_root($1::oid), $1::oid)
        ORDER BY name COLLATE "C"
        """,
        ("bigint",),
        (of.oid,),
    )
    return [SemanticColumn(of, **row) for row in found]


def find(db: Connection, target: str, name: str | None, whole: bool = True) -> SemanticColumn:
    """The semantic column of that name; NULL will do where there is only one. Raises UndefinedIndex.

    With `whole`, also if a column that belongs to it has been renamed or dropped.
    """
    named = catalog.table(db, target)
    return choose(named, existing(db, named), name, whole)


def choose(named: Table, found: list[SemanticColumn], name: str | None, whole: bool = True) -> SemanticColumn:
    """As `find`, among the semantic columns that were found."""
    chosen = [column for column in found if name in (None, column.name)]
    if len(chosen) == 1:
        if whole:
            check_whole(chosen[0])
        return chosen[0]
    if not found:
        hint = f"CALL semantic_index('{named.relation}', '{{column}}');"
        raise UndefinedIndex(f"table {named.relation} has no semantic index", hint=hint)
    names = ", ".join(column.name for column in found)
    if name is None:
        raise UndefinedIndex(
            f"table {named.relation} has several semantic indexes", hint=f"Say which: name => {names}."
        )
    raise UndefinedIndex(f'table {named.relation} has no semantic index "{name}"', hint=f"It has: {names}.")


def check_whole(column: SemanticColumn) -> None:
    """Raise UndefinedIndex if a column that belongs to it has been renamed or dropped."""
    for name in (column.name, column.text_name, *column.columns):
        if name not in column.table.columns:
            relation = column.table.relation
            raise UndefinedIndex(
                f'the semantic index "{column.name}" of table {relation} has lost its column "{name}"',
                hint=f"CALL semantic_drop('{relation}', '{column.name}'); and semantic_index again.",
            )
