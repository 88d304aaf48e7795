"""A stream as its row in the catalog has it: source, columns of a record, transform, target."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pg_llm import settings
from pg_llm.database import ownership, relation_names, session_settings, table_access
from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import InsufficientPrivilege, InvalidInput, UndefinedStream

_R = TypeVar("_R")
# What a transform means depends on these too: they are as they were in the session that made the stream.
SETTINGS = (
    *("search_path", "TimeZone", "DateStyle", "IntervalStyle", "bytea_output", "default_text_search_config"),
    *(name for name in settings.SETTINGS if name.endswith("_model")),
)
_STREAMS = """
    SELECT s.id, s.name, s.source::text AS source, s.target::oid::int8 AS target, s.columns::text AS columns,
           s.transform, s.key, s.event_time, s.on_error, s.max_batch, s.max_delay, s.settings::text AS settings,
           s.state, s.publish::text AS publish, format('%I.%I', n.nspname, c.relname) AS relation,
           c.relowner::int8 AS owner,
           pg_get_userbyid(c.relowner)::text AS owner_name,
           pg_has_role(r.oid, c.relowner, 'USAGE') IS TRUE AS trusted
    FROM llm.all_stream AS s JOIN pg_class AS c ON c.oid = s.target JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_roles AS r ON r.rolname = s.usename
"""
_BY_NAME = f"{_STREAMS} WHERE s.name = $1"
_BY_ID = f"{_STREAMS} WHERE s.id = $1"
# Each owner's first ones first: a worker may not read all.
_ALL = f"""
    {_STREAMS} WHERE s.state = 'running' AND pg_has_role($1::oid, c.relowner, 'USAGE')
    ORDER BY row_number() OVER (PARTITION BY c.relowner ORDER BY s.id), s.id
"""
_OF_PUBLICATIONS = """
    SELECT s.id FROM llm.all_stream AS s WHERE s.source ->> 'kind' = 'publication' AND s.source ->> 'security' = $1
"""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream; `relation` is the target's qualified name, `owner` the target's owner, with whose rights all is done.

    `columns` are names and types, qualified where they are not PostgreSQL's own; `max_delay` is in milliseconds.
    `publish` says where a publication sends its records, and is None for a stream that reads.
    """

    id: int
    name: str
    source: dict[str, Any]
    target: int
    relation: str
    owner: int
    owner_name: str
    columns: list[tuple[str, str]]
    transform: str | None
    key: list[str]
    event_time: str | None
    on_error: str
    max_batch: int
    max_delay: int
    settings: dict[str, str]
    state: str
    trusted: bool
    publish: dict[str, Any] | None = None


def find(db: Connection, name: str) -> Stream:
    """The stream of that name, of the caller or a role whose rights the caller has. Raises UndefinedStream."""
    stream = _first(db, _BY_NAME, "text", name)
    # The same whether there is none or it is somebody else's, so that it reveals nothing.
    if stream is None or not ownership.acts_for_number(db, stream.owner):
        raise UndefinedStream(f'there is no stream "{name}" of yours')
    return stream


def by_id(db: Connection, number: int, trusted: bool = True) -> Stream:
    """The stream of that number. Raises UndefinedStream; if `trusted` also InsufficientPrivilege as `check_trusted`."""
    stream = _first(db, _BY_ID, "int4", number)
    if stream is None or not ownership.acts_for_number(db, stream.owner):
        raise UndefinedStream(f"there is no stream number {number} of yours")
    if trusted:
        check_trusted(stream)
    return stream


def running(db: Connection) -> list[Stream]:
    """The streams that are running and may be run by the caller."""
    return [stream for stream in map(_stream, _rows(db, _ALL, "int8", db.current_role())) if stream.trusted]


@as_extension_owner
def of_publications(db: Connection, security: str) -> list[int]:
    """The numbers of the streams, whoever owns them, that read publications of the servers of that name."""
    return [row["id"] for row in db.rows(_OF_PUBLICATIONS, ("text",), (security,))]


def check_trusted(stream: Stream) -> None:
    """Raise InsufficientPrivilege for a stream that was written in another role's name than the target's owner's."""
    if not stream.trusted:
        raise InsufficientPrivilege(
            f'the stream "{stream.name}" was made by a role that has not the rights of the owner of {stream.relation}',
            hint=f'stream_create() as "{stream.owner_name}" makes it yours.',
        )


def reading(db: Connection, name: str) -> Stream:
    """The stream of that name, as `find`. Raises InvalidInput for a publication, which writes no rows."""
    stream = find(db, name)
    if stream.publish is not None:
        raise InvalidInput(
            f'"{name}" is a publication, which reads nothing into a table', hint="Name a stream that does."
        )
    return stream


def as_owner(db: Connection, stream: Stream, work: Callable[[], _R], applied: dict[str, str] | None = None) -> _R:
    """Run `work` with the rights of the target's owner and under the settings of the stream, or those `applied`.

    Raises InsufficientPrivilege if writing to the target would run code of anybody else.
    """
    relation_names.note(db, stream.target, stream.relation)

    def work_on_target() -> _R:
        table_access.on_part(db, stream.target, lambda: None, writes=True)
        apply(db, stream.settings if applied is None else applied)
        return work()

    return db.run_as(stream.owner, work_on_target)


def apply(db: Connection, values: dict[str, str]) -> None:
    """Set what a stream's statements depend on, until the role is put back."""
    chosen = {"extra_float_digits": "1", "jit": "off"} | {name: "" for name in SETTINGS if name.startswith("llm.")}
    chosen |= {name: values[name] for name in SETTINGS if isinstance(values.get(name), str)}
    session_settings.set_all(db, chosen)


def current_settings(db: Connection) -> dict[str, str]:
    """The settings of the session on which a transform depends."""
    return {name: value for name in SETTINGS if (value := db.setting(name)) is not None}


def _first(db: Connection, query: str, type_: str, value: object) -> Stream | None:
    rows = _rows(db, query, type_, value)
    return _stream(rows[0]) if rows else None


@as_extension_owner
def _rows(db: Connection, query: str, type_: str, value: object) -> list[Row]:
    return db.rows(query, (type_,), (value,))


def _stream(row: Row) -> Stream:
    columns = [(name, type_) for name, type_ in json.loads(row["columns"])]
    read = {"source": json.loads(row["source"]), "columns": columns, "settings": json.loads(row["settings"])}
    read["publish"] = json.loads(row["publish"]) if row["publish"] else None
    return Stream(**{**row, **read})
