"""A table's semantic column: what the catalog says of it, and the SQL fragments that follow from that."""

from __future__ import annotations

from dataclasses import dataclass

import plpy

from pg_llm.errors import InvalidInput, UndefinedIndex
from pg_llm.functions import session

METRICS = {
    # name: operator class, operator, score (higher is better) from distance
    "cosine": ("vector_cosine_ops", "<=>", "1 - distance"),
    "inner_product": ("vector_ip_ops", "<#>", "-distance"),
    "l2": ("vector_l2_ops", "<->", "-distance"),
    "l1": ("vector_l1_ops", "<+>", "-distance"),
}

# PostgreSQL's tsvector holds 1 MB; this many characters of any script stay below it.
_TEXT_SEARCH_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the catalog knows it; `relation` is quoted and qualified."""

    oid: int
    relation: str
    owner: str
    schema: str
    key: dict[str, str]
    columns: dict[str, str]

    @property
    def key_object(self) -> str:
        """SQL for a row's primary key as a jsonb object, for a row called `t`."""
        pairs = (f"{plpy.quote_literal(name)}, t.{plpy.quote_ident(name)}" for name in self.key)
        return f"pg_catalog.jsonb_build_object({', '.join(pairs)})"


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
        """The tsvector column beside the vector column."""
        return f"{self.name}_text"

    @property
    def vector(self) -> str:
        """The vector column of a row called `t`."""
        return f"t.{plpy.quote_ident(self.name)}"

    @property
    def tsvector(self) -> str:
        """The tsvector column of a row called `t`."""
        return f"t.{plpy.quote_ident(self.text_name)}"

    @property
    def document(self) -> str:
        """The text that is indexed, of a row called `t`."""
        parts = (f"t.{plpy.quote_ident(column)}::pg_catalog.text" for column in self.columns)
        return f"pg_catalog.concat_ws(E'\\n', {', '.join(parts)})"

    @property
    def document_tsvector(self) -> str:
        """The full-text form of the document."""
        config = f"{plpy.quote_literal(self.text_config)}::pg_catalog.regconfig"
        return f'pg_catalog.to_tsvector({config}, pg_catalog."left"({self.document}, {_TEXT_SEARCH_CHARACTERS}))'


def table(target: str) -> Table:
    """The table of that name. Raises InvalidInput if it cannot have a semantic column."""
    found = session.rows(
        "SELECT c.oid::pg_catalog.int8 AS oid, c.relkind, pg_catalog.quote_ident(n.nspname) AS schema,"
        " pg_catalog.format('%I.%I', n.nspname, c.relname) AS relation,"
        " pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text AS owner"
        " FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
        " WHERE c.oid OPERATOR(pg_catalog.=) $1",
        ("regclass",), (target,),
    )[0]  # fmt: skip
    if found["relkind"] not in ("r", "p"):
        raise InvalidInput(f"{target} is not a table", hint="Index the table behind it.")
    columns = session.rows(
        "SELECT a.attname::pg_catalog.text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,"
        " pg_catalog.array_position(i.indkey::pg_catalog.int2[], a.attnum) AS key_position"
        " FROM pg_catalog.pg_attribute AS a LEFT JOIN pg_catalog.pg_index AS i"
        " ON i.indrelid OPERATOR(pg_catalog.=) a.attrelid AND i.indisprimary"
        " WHERE a.attrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped"
        " ORDER BY a.attnum",
        ("int8",), (found["oid"],),
    )  # fmt: skip
    in_key = sorted((row for row in columns if row["key_position"] is not None), key=lambda row: int(row["key_position"]))
    if not in_key:
        raise InvalidInput(f"table {target} has no primary key", hint=f"ALTER TABLE {target} ADD PRIMARY KEY (…);")
    return Table(
        found["oid"], found["relation"], found["owner"], found["schema"],
        {row["name"]: row["type"] for row in in_key}, {row["name"]: row["type"] for row in columns},
    )  # fmt: skip


def existing(target: Table) -> list[SemanticColumn]:
    """The semantic columns of the table, or of the partitioned table it belongs to."""
    found = session.rows(
        "SELECT name, columns, model, method, metric, sync, text_config FROM llm.embedding_column"
        " WHERE target OPERATOR(pg_catalog.=) coalesce(pg_catalog.pg_partition_root($1::pg_catalog.oid), $1::pg_catalog.oid)"
        ' ORDER BY name COLLATE pg_catalog."C"',
        ("int8",), (target.oid,),
    )  # fmt: skip
    return [SemanticColumn(target, **row) for row in found]


def find(target: str, name: str | None) -> SemanticColumn:
    """The semantic column of that name; NULL will do where there is only one. Raises UndefinedIndex."""
    found = existing(table(target))
    chosen = [column for column in found if name in (None, column.name)]
    if len(chosen) == 1:
        return chosen[0]
    if not found:
        raise UndefinedIndex(f"table {target} has no semantic index", hint=f"CALL semantic_index('{target}', '{{column}}');")
    names = ", ".join(column.name for column in found)
    if name is None:
        raise UndefinedIndex(f"table {target} has several semantic indexes", hint=f"Say which: name => one of {names}.")
    raise UndefinedIndex(f'table {target} has no semantic index "{name}"', hint=f"It has: {names}.")


def vector_schema() -> str:
    """The schema of pgvector's type and operators, quoted."""
    found = session.rows(
        "SELECT pg_catalog.quote_ident(n.nspname) AS schema FROM pg_catalog.pg_extension AS e"
        " JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace"
        " WHERE e.extname OPERATOR(pg_catalog.=) 'vector'"
    )
    return str(found[0]["schema"])
