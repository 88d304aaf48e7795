"""The companion table of an AI column: values beside the source, keyed by its rows, with where they come from.

It belongs to the owner of the source; its row-level security shows whoever may read a row of the source the value of
that row. Nothing in it refers to the source by a constraint or a view, so that TRUNCATE, DROP and ALTER of the source
are what they were without it; triggers and an event trigger keep the two together.
"""

from __future__ import annotations

import json

from pg_llm.columns.definition import COLUMNS, Definition
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.database.security_context import run_as_extension_owner
from pg_llm.errors import DuplicateColumn

_NUMBERS = """ARRAY(
    SELECT a.attnum FROM unnest({}) WITH ORDINALITY AS w (name, place)
    JOIN pg_attribute AS a ON a.attrelid = $1::oid AND a.attname = w.name ORDER BY w.place
)"""
_REGISTER = f"""
    INSERT INTO llm.all_column (
        source, number, companion, name, key, key_numbers, inputs, input_numbers, expression, compiled, settings, sync,
        usename
    )
    VALUES ($1::oid, $1::oid, $2::oid, $3, $4, {_NUMBERS.format("$4")}, $5, {_NUMBERS.format("$5")}, $6, $7, $8::jsonb,
            $9, pg_get_userbyid($10::oid))
    RETURNING id
"""
_REDEFINE = f"""
    UPDATE llm.all_column SET number = $1::oid, key = $3, key_numbers = {_NUMBERS.format("$3")},
        inputs = $4, input_numbers = {_NUMBERS.format("$4")}, expression = $5, compiled = $6, settings = $7::jsonb,
        sync = $8, usename = pg_get_userbyid($9::oid)
    WHERE id = $2
"""


def create(
    db: Connection, source: Table, column: str, name: str, definition: Definition, value_type: str, owner: int
) -> int:
    """Create an empty companion table beside the source, as its owner, and register the column. Returns its id."""
    relation = f"{source.schema}.{quote_ident(name)}"
    if db.rows("SELECT to_regclass($1) IS NOT NULL AS there", ("text",), (relation,))[0]["there"]:
        raise DuplicateColumn(
            f'there is already a table, view or index "{name}" in the schema of {source.relation}',
            hint="Choose another name => '…'.",
        )
    own = [key if key not in COLUMNS else f"source_{key}" for key in source.key]
    keys = ", ".join(
        f"{source.columns[key].plain(source.cell(key))} AS {quote_ident(alias)}"
        for key, alias in zip(source.key, own, strict=True)
    )
    unlogged = db.rows("SELECT relpersistence = 'u' AS is FROM pg_class WHERE oid = $1::oid", ("int8",), (source.oid,))
    db.execute(
        f"CREATE {'UNLOGGED ' if unlogged[0]['is'] else ''}TABLE {relation} AS"
        f" SELECT {keys} FROM {source.relation} AS t WITH NO DATA"
    )
    db.execute(
        f"ALTER TABLE {relation} ADD COLUMN value {value_type}, ADD COLUMN input_hash bytea NOT NULL,"
        " ADD COLUMN models jsonb NOT NULL, ADD COLUMN expression text NOT NULL,"
        " ADD COLUMN computed_at timestamptz NOT NULL, ADD COLUMN corrected bool NOT NULL, ADD COLUMN error text,"
        f" ADD PRIMARY KEY ({', '.join(map(quote_ident, own))}), ENABLE ROW LEVEL SECURITY"
    )
    comment = f"The AI column {column} of {source.relation}, kept by pg_llm"
    db.execute(f"COMMENT ON TABLE {relation} IS {quote_literal(comment)}")
    oid = int(db.rows("SELECT to_regclass($1)::oid::int8 AS oid", ("text",), (relation,))[0]["oid"])
    d = definition
    types = ("int8", "int8", "name", "name[]", "name[]", *("text",) * 4, "int8")
    values = (
        *(source.oid, oid, column, list(source.key), d.inputs),
        *(d.expression, d.compiled, json.dumps(d.settings), d.sync, owner),
    )
    registered = run_as_extension_owner(db, lambda: db.rows(_REGISTER, types, values))[0]
    db.rows("SELECT llm.create_companion_policy($1::oid::regclass)", ("int8",), (oid,))
    db.execute(f"GRANT SELECT ON {relation} TO PUBLIC")
    return int(registered["id"])


def redefine(db: Connection, column: int, source: Table, definition: Definition, owner: int) -> None:
    """Put another definition in place of the one that a column has."""
    d = definition
    types = ("int8", "int4", "name[]", "name[]", *("text",) * 4, "int8")
    values = (
        *(source.oid, column, list(source.key), d.inputs),
        *(d.expression, d.compiled, json.dumps(d.settings), d.sync, owner),
    )
    run_as_extension_owner(db, lambda: db.rows(_REDEFINE, types, values))


def create_triggers(db: Connection, column: int, source: int, sync: str) -> None:
    """Create the missing triggers on the source and its parts."""
    db.rows(
        "SELECT llm.create_companion_triggers('column', $1, $2::oid::regclass, $3)",
        ("int4", "int8", "text"),
        (column, source, sync),
    )


def drop_triggers(db: Connection, column: int) -> None:
    """Drop the triggers of a column, wherever they are."""
    db.rows("SELECT llm.drop_companion_triggers('column', $1, NULL)", ("int4",), (column,))


def drop(db: Connection, column: int, companion: str | None) -> None:
    """Drop the triggers of a column and its companion, if it is still there, and forget its definition."""
    drop_triggers(db, column)
    if companion is not None:
        db.execute(f"DROP TABLE {companion}")
    run_as_extension_owner(db, lambda: db.rows("DELETE FROM llm.all_column WHERE id = $1", ("int4",), (column,)))
