"""An AI column of a table: its definition from the catalog, and SQL fragments on its source and its companion.

Queries here and in the modules beside it count on a pinned search_path: that of the SQL function, or that of
`transaction.pinned`. In fragments, a row of the source is called `t`, one of the companion table `c`, a key `k`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pg_llm import settings
from pg_llm.database import catalog, column_types, relation_names, session_settings, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import InsufficientPrivilege, UndefinedColumn

_R = TypeVar("_R")
# The columns of a companion table after those of the key.
COLUMNS = ("value", "input_hash", "models", "expression", "computed_at", "corrected", "error")
# What an expression means depends on these too: they are as they were in the session that made the column.
SETTINGS = (
    *("TimeZone", "DateStyle", "IntervalStyle", "bytea_output", "default_text_search_config"),
    *(name for name in settings.SETTINGS if name.endswith("_model")),
)

_RELATION = """
    SELECT format('%I.%I', n.nspname, c.relname) AS relation FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid
"""
_COLUMNS = f"""
    SELECT a.id, a.target::oid::int8 AS target, ({_RELATION.replace("$1::oid", "a.target")}) AS relation,
           a.companion::oid::int8 AS companion_oid, a.name, format('%I.%I', n.nspname, c.relname) AS companion,
           a.key, a.inputs, a.written_inputs, a.expression, a.compiled, a.settings::text AS settings, a.sync,
           a.trusted, c.relowner::int8 AS owner,
           pg_get_userbyid(c.relowner)::text AS owner_name,
           ARRAY(
               SELECT o.attname::text FROM pg_attribute AS o
               WHERE o.attrelid = c.oid AND o.attnum BETWEEN 1 AND cardinality(a.key) ORDER BY o.attnum
           ) AS companion_key, v.atttypid::int8 AS value_type, format_type(v.atttypid, NULL) AS value_type_name
    FROM llm.ai_column AS a JOIN pg_class AS c ON c.oid = a.companion JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute AS v ON v.attrelid = c.oid AND v.attname = 'value' AND NOT v.attisdropped
"""
_OF_TABLE = f'{_COLUMNS} WHERE a.target = $1::oid ORDER BY a.name COLLATE "C"'
_BY_ID = f"{_COLUMNS} WHERE a.id = $1"


@dataclass(frozen=True, slots=True)
class Definition:
    """What an AI column is computed by; `sync` is live, background or manual.

    `expression` is as its author wrote it. `compiled` has every name resolved; the columns in it have the names
    `inputs`, which they had then. `settings` are those of the author's session.
    """

    expression: str
    compiled: str
    inputs: list[str]
    settings: dict[str, str]
    sync: str


@dataclass(frozen=True, slots=True)
class AIColumn:
    """An AI column; `inputs` are the present names of the columns that its definition reads.

    `companion_key` are the companion's names for the columns of the source's key; `owner` owns both tables.
    """

    id: int
    name: str
    source: Table
    companion: str
    companion_oid: int
    companion_key: list[str]
    owner: int
    inputs: list[str]
    value_type: ColumnType
    definition: Definition

    @property
    def input_hash(self) -> str:
        """SHA-256 of the texts of all input columns; NULL and the empty text differ."""
        texts = ", ".join(self.source.text(name) for name in self.inputs)
        return f"sha256(convert_to(ROW({texts})::text, 'UTF8'))"

    @property
    def input_text(self) -> str:
        """The texts of the input columns that have one, a line each."""
        parts = (f"nullif({self.source.text(name)}, '')" for name in self.inputs)
        return f"concat_ws(E'\\n', {', '.join(parts)})"

    @property
    def input_columns(self) -> str:
        """The input columns of a row, under the names that the compiled expression has for them."""
        return ", ".join(
            f"{self.source.cell(name)} AS {quote_ident(written)}"
            for name, written in zip(self.inputs, self.definition.inputs, strict=True)
        )

    @property
    def keys(self) -> list[str]:
        """The companion's key columns, quoted."""
        return [quote_ident(name) for name in self.companion_key]

    @property
    def same_row(self) -> str:
        """Condition: a row of the companion belongs to a row of the source."""
        return self.same_row_of("c")

    def same_row_of(self, companion: str) -> str:
        """As `same_row`, for a row of the companion that is called so."""
        source = self.source
        cells = (source.columns[name].plain(source.cell(name)) for name in source.key)
        return " AND ".join(f"{companion}.{own} = {cell}" for own, cell in zip(self.keys, cells, strict=True))

    @property
    def outdated(self) -> str:
        """Condition on a row of the companion: the input did not change, and yet it would be computed otherwise now."""
        return f"""(
            c.expression <> {quote_literal(self.definition.expression)} OR EXISTS (
                SELECT FROM jsonb_each_text(c.models) AS u (name, digest)
                LEFT JOIN llm.model AS m ON m.name = u.name
                WHERE m.name IS NULL OR m.digest IS DISTINCT FROM u.digest
            )
        )"""

    @property
    def needs_work(self) -> str:
        """Condition on a row of the source and its row of the companion, if any: it has to be computed."""
        return f"""(
            c.input_hash IS NULL
            OR NOT c.corrected AND (c.input_hash <> {self.input_hash} OR c.error IS NOT NULL OR {self.outdated})
        )"""


def as_owner(db: Connection, column: AIColumn, work: Callable[[], _R]) -> _R:
    """Run `work`, which reads the source, with the rights of its owner and under the settings of the definition.

    Raises InsufficientPrivilege if that would run code of anybody else.
    """

    def work_on_table() -> _R:
        _apply(db, column.definition.settings)
        return table_access.on_part(db, column.source.oid, work, writes=False)

    return db.run_as(column.owner, work_on_table)


def under_settings(db: Connection, column: AIColumn, work: Callable[[], _R]) -> _R:
    """Run `work` with the rights that it would have anyway, under the settings of the definition."""

    def work_as_before() -> _R:
        _apply(db, column.definition.settings)
        return work()

    # What is set is put back with the role.
    return db.run_as(db.current_role(), work_as_before)


def _apply(db: Connection, values: dict[str, str]) -> None:
    # Nothing of the session that writes: a default that the author had not set is that of pg_llm.
    chosen = {"extra_float_digits": "1", "jit": "off"} | {name: "" for name in SETTINGS if name.startswith("llm.")}
    chosen |= {name: values[name] for name in SETTINGS if isinstance(values.get(name), str)}
    session_settings.set_all(db, chosen)


def of_table(db: Connection, table: str) -> list[AIColumn]:
    """The AI columns of a table, given by its oid, that can be computed."""
    return [_column(db, row) for row in rows_of_table(db, table) if row["trusted"] and not lost(row)]


def rows_of_table(db: Connection, table: str) -> list[Row]:
    """The AI columns of a table, given by its oid, however damaged, as rows of the catalog."""
    return db.rows(_OF_TABLE, ("int8",), (int(table),))


def by_id(db: Connection, id: int) -> AIColumn | None:
    """The column of that number, if it is still there and may be computed, and none of its inputs was dropped."""
    rows = db.rows(_BY_ID, ("int4",), (id,))
    if not rows or not rows[0]["trusted"] or lost(rows[0]):
        return None
    return _column(db, rows[0])


def find(db: Connection, table: str, name: str | None) -> AIColumn:
    """The AI column of that name of a table, given by its oid, or the only one for None.

    Raises UndefinedColumn, also if an input was dropped, and InsufficientPrivilege for one of a former owner.
    """
    row = find_row(db, table, name)
    source = row["relation"]
    if lost(row):
        raise UndefinedColumn(
            f'a column that the AI column "{row["name"]}" of {source} reads was dropped',
            hint=f"CALL llm_drop_column('{source}', '{row['name']}'); or llm_column with another expression.",
        )
    if not row["trusted"]:
        raise InsufficientPrivilege(
            f'the AI column "{row["name"]}" was made by a role that has not the rights of the owner of {source}',
            hint=f'Look at its expression in llm.ai_column. CALL llm_column as "{row["owner_name"]}" makes it yours.',
        )
    return _column(db, row)


def find_row(db: Connection, table: str, name: str | None) -> Row:
    """The row of the AI column of that name, or of the only one for None, however damaged. Raises UndefinedColumn."""
    candidates = rows_of_table(db, table)
    matches = [row for row in candidates if name in (None, row["name"])]
    if len(matches) == 1:
        return matches[0]
    relation = db.rows(_RELATION, ("int8",), (int(table),))[0]["relation"]
    if not candidates:
        hint = f"CALL llm_column('{relation}', 'topic', 'llm_classify(body, ''{{a,b}}'')');"
        raise UndefinedColumn(f"table {relation} has no AI column", hint=hint)
    names = ", ".join(row["name"] for row in candidates)
    if name is None:
        raise UndefinedColumn(f"table {relation} has several AI columns", hint=f"Say which: {names}.")
    raise UndefinedColumn(f'table {relation} has no AI column "{name}"', hint=f"It has: {names}.")


def lost(row: Row) -> bool:
    """Whether a column that it reads was dropped, or the companion's own column of values."""
    return None in row["key"] or None in row["inputs"] or row["value_type"] is None


def _column(db: Connection, row: Row) -> AIColumn:
    source = catalog.relation(db, str(row["target"]), row["key"])
    relation_names.note(db, row["companion_oid"], row["companion"])
    definition = Definition(
        expression=row["expression"],
        compiled=row["compiled"],
        inputs=row["written_inputs"],
        settings=json.loads(row["settings"]),
        sync=row["sync"],
    )
    (value_type,) = column_types.of(db, [row["value_type"]])
    shared = ("id", "name", "companion", "companion_oid", "companion_key", "owner", "inputs")
    return AIColumn(source=source, value_type=value_type, definition=definition, **{name: row[name] for name in shared})
