"""The data that a recommender reads: events, from a table or a query, and the items they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pg_llm.database import column_types, relation_names, search_path, select, table_access
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InsufficientPrivilege, InvalidInput, UndefinedRecommender

_R = TypeVar("_R")

_EXAMPLE = "Name columns of the events: user_column => 'user_id', item_column => 'item_id', time_column => 'time'."


@dataclass(frozen=True, slots=True)
class ItemSource:
    """The table of the items that exist; in SQL its rows are called `t`."""

    oid: int
    relation: str
    key: str
    columns: dict[str, ColumnType]
    text_columns: Sequence[str]

    @property
    def column(self) -> str:
        """The key column."""
        return f"t.{quote_ident(self.key)}"

    @property
    def item(self) -> str:
        """The item's key as a text."""
        return self.columns[self.key].text(self.column)

    @property
    def text(self) -> str:
        """The item's text; empty where there is none."""
        parts = (f"nullif({self.columns[name].text(f't.{quote_ident(name)}')}, '')" for name in self.text_columns)
        return f"concat_ws(E'\\n', {', '.join(parts)})" if self.text_columns else "''"

    def has_key(self, text: str) -> str:
        """Condition: the key is that of a text; compared as the key's own type where its index can serve."""
        key_type = self.columns[self.key]
        return f"{self.column} = {text}::{key_type.name}" if key_type.builtin else f"{self.item} = {text}"


@dataclass(frozen=True, slots=True)
class EventSource:
    """The events: rows called `e` of a FROM clause, SQL on them, and the role and search path to read them with."""

    relation: str
    user: str
    user_type: ColumnType
    item: str
    item_type: ColumnType
    time: str
    time_type: ColumnType
    weight: str
    order: Sequence[str]
    role: int
    search_path: str | None

    def read(self, db: Connection, work: Callable[[], _R]) -> _R:
        """Run `work`, which reads all events that it wants; names resolve as they did for the query's author."""
        return _run_as_author(db, self.role, self.search_path, work)

    @property
    def item_text(self) -> str:
        """The item as a text."""
        return self.item_type.text(self.item)

    def order_by(self, direction: str = "") -> str:
        """For ORDER BY: the order of time, or with ` DESC` its reverse."""
        return ", ".join(f"{column}{direction}" for column in self.order)

    @property
    def usable(self) -> str:
        """Condition on a row: user, item and time are known, and the weight is positive."""
        return f"{self.user} IS NOT NULL AND {self.item} IS NOT NULL AND {self.time} IS NOT NULL AND {self.weight} > 0"


@dataclass(frozen=True, slots=True)
class Recommender:
    """A row of llm.recommender."""

    row: Row

    @property
    def name(self) -> str:
        """The recommender's name, which its model shares."""
        return str(self.row["name"])

    @property
    def item_table(self) -> str:
        """The table of its items, quoted and qualified."""
        return str(self.row["catalogue"])

    @property
    def version(self) -> int:
        """The version of the item table's rows that is in force."""
        return int(self.row["version"])


def _run_as_author(db: Connection, role: int, path: str | None, work: Callable[[], _R]) -> _R:
    if path is None:
        return table_access.as_role(db, role, work)

    def with_search_path() -> _R:
        search_path.set_local(db, path)
        result = work()
        # No `finally` needed: after an error, rollback restores the setting.
        search_path.set_local(db, search_path.PINNED)
        return result

    return table_access.as_role(db, role, with_search_path)


_RECOMMENDER = """
    SELECT r.name, r.events::oid::int8 AS events, r.query, r.search_path, r.user_column::text, r.item_column::text,
           r.time_column::text, r.weight_column::text, r.items::oid::int8 AS items, r.item_key::text,
           r.item_text::text[], r.version, r.options::text,
           r.catalogue::oid::int8 AS catalogue_oid, r.usename::text AS author,
           (SELECT c.relnamespace::regnamespace::text || '.' || quote_ident(c.relname) FROM pg_class AS c
            WHERE c.oid = r.catalogue) AS catalogue
    FROM llm.recommender AS r
"""


def find(db: Connection, name: str | None) -> Recommender:
    """The recommender of that name, or the only one there is. Raises UndefinedRecommender and InvalidInput."""
    rows = db.rows(_RECOMMENDER + " WHERE $1 IS NULL OR r.name = $1 ORDER BY r.name LIMIT 2", ("text",), (name,))
    if not rows:
        raise UndefinedRecommender(f'there is no recommender "{name}"' if name else "there is no recommender yet")
    if len(rows) > 1:
        raise InvalidInput(
            "there are several recommenders, so one must be named",
            hint=f"Write recommender => '{rows[0]['name']}'. SELECT name FROM llm.recommender shows them all.",
        )
    if rows[0]["catalogue"] is not None:
        relation_names.note(db, rows[0]["catalogue_oid"], rows[0]["catalogue"])
    return Recommender(rows[0])


def events(db: Connection, row: Row) -> EventSource:
    """The events of a row of llm.recommender. Raises InvalidInput for columns that are missing or unfit."""
    if row["query"] is not None:
        role = _role_for_query(db, row)
        types = _run_as_author(db, role, row["search_path"], lambda: dict(select.columns(db, row["query"])))
        relation, tie_breakers = f"({row['query']}\n)", []
    else:
        about = _relation(db, row["events"], "events")
        relation, types = about["relation"], column_types.of_relation(db, row["events"])
        role = table_access.role_for(db, [row["events"]])
        # Events of one moment count in the order in which they were written.
        tie_breakers = ["e.tableoid", "e.ctid"] if about["kind"] in "rpm" else []
    for name in ("user_column", "item_column", "time_column", "weight_column"):
        if row[name] is not None and row[name] not in types:
            raise InvalidInput(
                f'the events have no column "{row[name]}" for {name}', hint=f"They have: {', '.join(types)}. {_EXAMPLE}"
            )
    user, item, time = (f"e.{quote_ident(row[name])}" for name in ("user_column", "item_column", "time_column"))
    user_type, item_type, time_type = (types[row[name]] for name in ("user_column", "item_column", "time_column"))
    weight = "1"
    if row["weight_column"]:
        number = types[row["weight_column"]].number(f"e.{quote_ident(row['weight_column'])}")
        weight = f"coalesce({number}, 1)"
    return EventSource(
        f"{relation} AS e",
        user,
        user_type,
        item,
        item_type,
        time,
        time_type,
        weight,
        [time, *tie_breakers],
        role,
        row["search_path"],
    )


def _role_for_query(db: Connection, row: Row) -> int:
    """The role that the query of events runs as: its author, or the caller who trusts that author."""
    author = db.rows("SELECT oid::int8 AS oid FROM pg_roles WHERE rolname = $1", ("text",), (row["author"],))
    if not author:
        raise InsufficientPrivilege(
            f'the role "{row["author"]}", who wrote the query of the recommender "{row["name"]}", is no more',
            hint="llm_fit_recommender() makes a new one.",
        )
    return table_access.role_for_author(db, author[0]["oid"], f'the query of the recommender "{row["name"]}"')


def items(db: Connection, row: Row) -> ItemSource | None:
    """The items of a row of llm.recommender, None where it has no table of them."""
    if row["items"] is None:
        return None
    columns = column_types.of_relation(db, row["items"])
    for name in (row["item_key"], *row["item_text"]):
        if name not in columns:
            raise InvalidInput(f'the items have no column "{name}"', hint=f"They have: {', '.join(columns)}.")
    relation = _relation(db, row["items"], "items")["relation"]
    return ItemSource(row["items"], relation, row["item_key"], columns, row["item_text"])


def check_readable(db: Connection, events: EventSource) -> None:
    """Raise what reading the events raises: a caller who may not read them must not see what was learnt from them."""
    query = f"SELECT {events.user}, {events.item}, {events.time}, {events.weight} FROM {events.relation} LIMIT 0"
    events.read(db, lambda: db.query_unprepared(query))


def sequences_by_user(db: Connection, events: EventSource) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Every user with the items and weights of the events in order; a repeated event counts once.

    To be exhausted inside `EventSource.read`.
    """
    query = (
        f"SELECT {events.user_type.text(events.user)} AS u, {events.item_text} AS i, {events.weight}::float8 AS w,"
        f" {events.time_type.text(events.time)} AS t FROM {events.relation}"
        f" WHERE {events.usable} ORDER BY {events.user}, {events.order_by()}"
    )
    user = ""
    sequence: list[tuple[str, float]] = []
    last: tuple[str, str] | None = None
    for row in db.stream(query):
        if row["u"] != user or last is None:
            if sequence:
                yield user, sequence
            user, sequence, last = row["u"], [], None
        event = (row["i"], row["t"])
        # A weight that does not equal itself is NaN.
        if event != last and row["w"] == row["w"]:
            sequence.append((row["i"], row["w"]))
        last = event
    if sequence:
        yield user, sequence


def _relation(db: Connection, oid: int, what: str) -> Row:
    rows = db.rows(
        "SELECT format('%I.%I', n.nspname, c.relname) AS relation, c.relkind::text AS kind FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid",
        ("int8",),
        (oid,),
    )
    if not rows or rows[0]["kind"] not in "rpmvf":
        raise InvalidInput(f"{what} is not a table", hint="Name a table, a view, or write a query for events.")
    relation_names.note(db, oid, rows[0]["relation"])
    return rows[0]
