"""Corrections: values of an AI column that a person set: they stay whatever is computed, and models learn from them."""

from __future__ import annotations

from functools import partial

from pg_llm.columns import definition, upkeep
from pg_llm.columns.definition import COLUMNS, AIColumn, as_owner
from pg_llm.database import ownership, table_access
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InsufficientPrivilege, InvalidInput


def correct(db: Connection, target: str | None, name: str | None, key: str, value: str | None) -> None:
    """Set the value of the row with this key, a JSON object, for good; None takes a correction back.

    For the owner, and for roles that may UPDATE the companion and see the row.
    """
    column = definition.find(db, ownership.oid(db, target), name)
    _check_may_correct(db, column, key)
    as_owner(db, column, lambda: _correct(db, column, key, value))


def corrections(db: Connection, target: str | None, name: str | None) -> list[Row]:
    """Text and label of each corrected row that the caller may read: what the inputs said, and the right value."""
    column = definition.find(db, ownership.oid(db, target), name)
    query = f"""
        SELECT {column.input_text} AS text, {column.value_type.text("c.value")} AS label
        FROM {column.companion} AS c JOIN {column.source.relation} AS t ON {column.same_row}
        WHERE c.corrected AND c.value IS NOT NULL AND c.input_hash = {column.input_hash} ORDER BY c.computed_at
    """

    read = partial(definition.under_settings, db, column, partial(db.query_unprepared, query))
    return table_access.on_table(db, column.source.oid, read, beside=[column.companion_oid])


def _check_may_correct(db: Connection, column: AIColumn, key: str) -> None:
    source = column.source
    if not ownership.acts_for(db, source.owner):
        query = "SELECT has_table_privilege($1::oid, 'UPDATE') AS may"
        if not db.rows(query, ("int8",), (column.companion_oid,))[0]["may"]:
            raise InsufficientPrivilege(
                f'only the owner of {source.relation} corrects its AI column "{column.name}"',
                hint=f"GRANT UPDATE ON {column.companion} TO a role that shall correct it, too.",
            )
    find = f"SELECT FROM {source.one_key('$1::jsonb')} JOIN {source.relation} AS t ON {source.same_key}"
    there = table_access.on_table(db, source.oid, lambda: db.query_unprepared(find, ("text",), (key,)))
    if not there:
        fields = ", ".join(f'"{name}": …' for name in source.key)
        raise InvalidInput(
            f"there is no row of {source.relation} with the key {key}",
            hint=f"Give the primary key as a JSON object: {{{fields}}}.",
        )


def _correct(db: Connection, column: AIColumn, key: str, value: str | None) -> None:
    source = column.source
    if value is None:
        db.query_unprepared(
            f"DELETE FROM {column.companion} AS c USING {source.one_key('$1::jsonb')}, {source.relation} AS t"
            f" WHERE {source.same_key} AND {column.same_row}",
            ("text",),
            (key,),
        )
        upkeep.update_rows(db, column, f"[{key}]", lock=False)
        return
    own = [*column.keys, *COLUMNS]
    cells = ", ".join(source.cell(name) for name in source.key)
    db.query_unprepared(
        f"""
        INSERT INTO {column.companion} AS c ({", ".join(own)})
        SELECT {cells}, $2::{column.value_type.name}, {column.input_hash}, '{{}}', $3, clock_timestamp(), true, NULL
        FROM {source.one_key("$1::jsonb")} JOIN {source.relation} AS t ON {source.same_key}
        ON CONFLICT ({", ".join(column.keys)}) DO UPDATE
        SET {", ".join(f"{column_name} = excluded.{column_name}" for column_name in own)}
        """,
        ("text", "text", "text"),
        (key, value, column.definition.expression),
    )
