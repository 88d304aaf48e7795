"""A semantic column of a table: its definition from the catalog, and SQL fragments on it.

Queries here and in the modules beside it count on a pinned search_path: that of the SQL function, or that of
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
    """The definition of a semantic index; `table` may be a partition of the table that was indexed."""

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
        """The text that is indexed; empty where all columns are NULL or empty."""
        parts = (f"nullif({self.table.text(column)}, '')" for column in self.columns)
        return f"concat_ws(E'\\n', {', '.join(parts)})"

    @property
    def document_tsvector(self) -> str:
        """The tsvector of the document."""
        return f'to_tsvector({self.regconfig}, "left"({self.document}, {_TEXT_SEARCH_CHARACTERS}))'

    @property
    def regconfig(self) -> str:
        """The text search configuration."""
        return f"{quote_literal(self.text_config)}::regconfig"


def of_table(db: Connection, table: Table) -> list[SemanticColumn]:
    """The semantic columns of the table, or of the partitioned table it belongs to."""
    rows = db.rows(
        """
        SELECT name, columns, model, method, metric, sync, text_config FROM llm.embedding_column
        WHERE target = coalesce(pg_partition_root($1::oid), $1::oid)
        ORDER BY name COLLATE "C"
        """,
        ("bigint",),
        (table.oid,),
    )
    return [SemanticColumn(table, **row) for row in rows]


def find(db: Connection, target: str, name: str | None, complete: bool = True) -> SemanticColumn:
    """The semantic column of that name, or the only one for None. Raises UndefinedIndex.

    With `complete` it is also raised if a column that belongs to the index has been renamed or dropped.
    """
    table = catalog.table(db, target)
    return choose(table, of_table(db, table), name, complete)


def choose(table: Table, candidates: list[SemanticColumn], name: str | None, complete: bool = True) -> SemanticColumn:
    """As `find`, among the table's semantic columns."""
    matches = [column for column in candidates if name in (None, column.name)]
    if len(matches) == 1:
        if complete:
            check_complete(matches[0])
        return matches[0]
    if not candidates:
        hint = f"CALL semantic_index('{table.relation}', '{{column}}');"
        raise UndefinedIndex(f"table {table.relation} has no semantic index", hint=hint)
    names = ", ".join(column.name for column in candidates)
    if name is None:
        raise UndefinedIndex(
            f"table {table.relation} has several semantic indexes", hint=f"Say which: name => {names}."
        )
    raise UndefinedIndex(f'table {table.relation} has no semantic index "{name}"', hint=f"It has: {names}.")


def check_complete(column: SemanticColumn) -> None:
    """Raise UndefinedIndex if a column that belongs to the index has been renamed or dropped."""
    for name in (column.name, column.text_name, *column.columns):
        if name not in column.table.columns:
            relation = column.table.relation
            raise UndefinedIndex(
                f'the semantic index "{column.name}" of table {relation} has lost its column "{name}"',
                hint=f"CALL semantic_drop('{relation}', '{column.name}'); and semantic_index again.",
            )
