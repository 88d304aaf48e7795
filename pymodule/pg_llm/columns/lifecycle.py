"""AI columns are made, made anew with another expression, brought up to date, joined to their table, and dropped."""

from __future__ import annotations

from functools import partial

from pg_llm.columns import backfill, companion, definition, expression
from pg_llm.columns.definition import SETTINGS, AIColumn, Definition
from pg_llm.database import catalog, companion_triggers, ownership, search_path, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.database.progress import Report, reporting
from pg_llm.database.quoting import derived_name, quote_ident
from pg_llm.database.transaction import Commit, pinned
from pg_llm.errors import DuplicateColumn, Error, InvalidInput

SYNCS = ("live", "background", "manual")
# SQLSTATE of a cancelled query, and of a terminated session.
_INTERRUPTED = (CANCELLED, "57P01")
_ABOUT = """
    SELECT c.relname::text AS name, c.relowner::int8 AS owner, c.relpersistence = 't' AS temporary
    FROM pg_class AS c WHERE c.oid = $1::oid
"""


def create(db: Connection, target: str, name: str, text: str, sync: str, companion_name: str | None) -> None:
    """Define the column, or define it anew if it is there, and compute what is not computed yet.

    A new column of which nothing can be computed is removed again; one that is computed in part is resumed by another
    call.
    """
    oid = ownership.oid(db, target)
    with search_path.pinned(db):
        source = catalog.table(db, oid)
        ownership.check_owner(db, source)
        about = db.rows(_ABOUT, ("int8",), (source.oid,))[0]
        _check_name(source, name)
        if about["temporary"]:
            raise InvalidInput(f"{source.relation} is temporary", hint="Use a table that stays.")
        if sync != "manual":
            companion_triggers.check_followable(db, source, "llm_refresh_column")
        settings = {name: value for name in SETTINGS if (value := db.setting(name)) is not None}
    compiled = expression.resolve(db, source, about["name"], text)
    wanted = Definition(text, compiled.text, compiled.inputs, settings, sync)
    companion_name = companion_name or derived_name(about["name"], name)
    owner: int = about["owner"]
    with pinned(db) as commit:
        table_access.check_reading(db, [source.oid], owner)
        with reporting(db, "llm_column", source.relation, name) as report:
            # Until the next commit no other session changes the AI columns of the table; writers go on.
            db.execute(f"LOCK TABLE {source.relation} IN SHARE UPDATE EXCLUSIVE MODE")
            number = _existing(db, source, name, wanted, compiled.type, owner)
            is_new = number is None
            if number is None:
                number = db.run_as(
                    owner,
                    lambda: companion.create(db, source, name, companion_name, wanted, compiled.type, owner),
                )
            companion.create_triggers(db, number, source.oid, sync)
            commit()
            column = definition.find(db, oid, name)
            try:
                _fill(db, column, report, commit)
            except (Error, DatabaseError) as error:
                if is_new and error.sqlstate not in _INTERRUPTED and not _has_values(db, column):
                    companion.drop(db, number, column.companion)
                    commit()
                raise


def refresh(db: Connection, target: str | None, name: str | None) -> None:
    """Compute all rows whose value is not that of their inputs, and give new parts of the table their triggers."""
    oid = ownership.oid(db, target)
    with pinned(db) as commit:
        column = definition.find(db, oid, name)
        ownership.check_owner(db, column.source)
        with reporting(db, "llm_refresh_column", column.source.relation, column.name) as report:
            companion.create_triggers(db, column.id, column.source.oid, column.definition.sync)
            commit()
            _fill(db, column, report, commit)


def drop(db: Connection, target: str | None, name: str | None) -> None:
    """Remove an AI column, even a damaged one, with its values and corrections."""
    oid = ownership.oid(db, target)
    with search_path.pinned(db):
        row = definition.find_row(db, oid, name)
        if not ownership.acts_for(db, row["owner_name"]):
            raise ownership.not_owner(f"table {row['relation']}", row["owner_name"])
        companion.drop(db, row["id"], row["companion"])


def create_view(db: Connection, target: str | None, name: str | None) -> None:
    """Create a view that shows a table with its AI columns, to each reader the rows that the reader may see."""
    oid = ownership.oid(db, target)
    with search_path.pinned(db):
        columns = definition.of_table(db, oid)
        if not columns:
            definition.find_row(db, oid, None)
        source = columns[0].source
        ownership.check_owner(db, source)
        about = db.rows(_ABOUT, ("int8",), (source.oid,))[0]
        view = f"{source.schema}.{quote_ident(name or derived_name(about['name'], 'with_columns'))}"
        values = ", ".join(f"c{n}.value AS {quote_ident(column.name)}" for n, column in enumerate(columns))
        joins = " ".join(
            f"LEFT JOIN {column.companion} AS c{n} ON ({column.same_row_of(f'c{n}')})"
            for n, column in enumerate(columns)
        )
        statement = (
            # Of the invoker: a view reads tables with the rights of its owner otherwise, past row-level security.
            f"CREATE OR REPLACE VIEW {view} WITH (security_invoker) AS"
            f" SELECT t.*, {values} FROM {source.relation} AS t {joins}"
        )
        db.run_as(about["owner"], lambda: db.execute(statement))


def _check_name(source: Table, name: str) -> None:
    if not 0 < len(name.encode()) <= 63:
        raise InvalidInput(f'column is "{name}", and must have 1 to 63 bytes')
    if name in source.columns:
        raise DuplicateColumn(
            f'table {source.relation} already has a column "{name}"', hint="Choose another name for the AI column."
        )


def _existing(db: Connection, source: Table, name: str, wanted: Definition, value_type: str, owner: int) -> int | None:
    """The id of the column of that name, defined anew where it differs. Raises DuplicateColumn for another type."""
    rows = [row for row in definition.rows_of_table(db, str(source.oid)) if row["name"] == name]
    if not rows:
        return None
    row = rows[0]
    if row["value_type_name"] != value_type:
        raise DuplicateColumn(
            f'table {source.relation} already has an AI column "{name}", of type {row["value_type_name"]}',
            hint=f"CALL llm_drop_column('{source.relation}', '{name}'); or cast the expression to that type.",
        )
    if row["sync"] != wanted.sync:
        companion.drop_triggers(db, row["id"])
    # Also one that was damaged, or that a former owner made: its corrections stay.
    companion.redefine(db, row["id"], source, wanted, owner)
    return int(row["id"])


def _fill(db: Connection, column: AIColumn, report: Report, commit: Commit) -> None:
    backfill.fill(db, column, partial(report, "computing"), commit)
    query = f"SELECT count(*) AS rows, min(c.error) AS error FROM {column.companion} AS c WHERE c.error IS NOT NULL"
    failed = db.run_as(column.owner, lambda: db.query_unprepared(query))[0]
    if failed["rows"]:
        db.warning(
            f"{failed['rows']} rows could not be computed: {failed['error']}",
            hint=f"SELECT * FROM {column.companion} WHERE error IS NOT NULL shows which.",
        )


def _has_values(db: Connection, column: AIColumn) -> bool:
    return bool(db.run_as(column.owner, lambda: db.query_unprepared(f"SELECT FROM {column.companion} LIMIT 1")))
