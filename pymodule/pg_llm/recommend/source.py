"""What a recommender reads: events, from a table or a query, and the items they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pg_llm.database import column_types, search_path, select, table_access
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InsufficientPrivilege, InvalidInput, UndefinedRecommender

_R = TypeVar("_R")

_EXAMPLE = "Name columns of the events: user_column => 'user_id', item_column => 'item_id', time_column => 'time'."


@dataclass(frozen=True, slots=True)
class Items:
    """The table that says which items there are, with its rows called `t`."""

    oid: int
    relation: str
    key: str
    columns: dict[str, ColumnType]
    texts: Sequence[str]

    @property
    def column(self) -> str:
        """The column that says which item it is."""
        return f"t.{quote_ident(self.key)}"

    @property
    def item(self) -> str:
        """The item as a text."""
        return self.columns[self.key].text(self.column)

    @property
    def text(self) -> str:
        """An item's text; empty where there is none."""
        parts = (f"nullif({self.columns[name].text(f't.{quote_ident(name)}')}, '')" for name in self.texts)
        return f"concat_ws(E'\\n', {', '.join(parts)})" if self.texts else "''"

    def same(self, text: str) -> str:
        """Condition: it is the item that a text names; the key's own type where its index can serve."""
        its = self.columns[self.key]
        return f"{self.column} = {text}::{its.name}" if its.builtin else f"{self.item} = {text}"


@dataclass(frozen=True, slots=True)
class Events:
    """Rows called `e` of a FROM clause, the SQL of what counts in them, and with whose rights they are read."""

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
        """Run `work`, which reads them, to its end; names mean what they meant to whoever wrote the query."""
        return _read(db, self.role, self.search_path, work)

    @property
    def item_text(self) -> str:
        """The item as a text."""
        return self.item_type.text(self.item)

    def ordered(self, way: str = "") -> str:
        """For ORDER BY, in the order of time, or ` DESC`."""
        return ", ".join(f"{column}{way}" for column in self.order)

    @property
    def usable(self) -> str:
        """Condition on a row: it says who, what and when, and does not weigh nothing."""
        return f"{self.user} IS NOT NULL AND {self.item} IS NOT NULL AND {self.time} IS NOT NULL AND {self.weight} > 0"


@dataclass(frozen=True, slots=True)
class Recommender:
    """A row of llm.recommender."""

    row: Row

    @property
    def name(self) -> str:
        """Also the name of its model."""
        return str(self.row["name"])

    @property
    def catalogue(self) -> str:
        """The table of its items, quoted and qualified."""
        return str(self.row["catalogue"])

    @property
    def version(self) -> int:
        """Which of the catalogue's rows count."""
        return int(self.row["version"])


def _read(db: Connection, role: int, path: str | None, work: Callable[[], _R]) -> _R:
    if path is None:
        return table_access.as_role(db, role, work)

    def named() -> _R:
        search_path.set_local(db, path)
        found = work()
        # Not after an error: the subtransaction or transaction that ends takes the setting along.
        search_path.set_local(db, search_path.PINNED)
        return found

    return table_access.as_role(db, role, named)


_RECOMMENDER = """
    SELECT r.name, r.events::oid::int8 AS events, r.query, r.search_path, r.user_column::text, r.item_column::text,
           r.time_column::text, r.weight_column::text, r.items::oid::int8 AS items, r.item_key::text,
           r.item_text::text[], r.version, r.options::text,
           r.catalogue::oid::int8 AS catalogue_oid, r.usename::text AS author,
           (SELECT c.relnamespace::regnamespace::text || '.' || quote_ident(c.relname) FROM pg_class AS c
            WHERE c.oid = r.catalogue) AS catalogue
    FROM llm.recommender AS r
"""


def named(db: Connection, name: str | None) -> Recommender:
    """The recommender of that name, or the only one there is. Raises UndefinedRecommender and InvalidInput."""
    found = db.rows(_RECOMMENDER + " WHERE $1 IS NULL OR r.name = $1 ORDER BY r.name LIMIT 2", ("text",), (name,))
    if not found:
        raise UndefinedRecommender(f'there is no recommender "{name}"' if name else "there is no recommender yet")
    if len(found) > 1:
        raise InvalidInput(
            "there are several recommenders, so one must be named",
            hint=f"Write recommender => '{found[0]['name']}'. SELECT name FROM llm.recommender shows them all.",
        )
    return Recommender(found[0])


def events(db: Connection, row: Row) -> Events:
    """The events of a row of llm.recommender. Raises InvalidInput for columns that are not there or are no such."""
    if row["query"] is not None:
        role = _role_for_query(db, row)
        types = _read(db, role, row["search_path"], lambda: dict(select.columns(db, row["query"])))
        relation, places = f"({row['query']}\n)", []
    else:
        about = _relation(db, row["events"], "events")
        relation, types = about["relation"], column_types.of_relation(db, row["events"])
        role = table_access.role_for(db, [row["events"]])
        # Events of one moment count in the order in which they were written.
        places = ["e.tableoid", "e.ctid"] if about["kind"] in "rpm" else []
    for name in ("user_column", "item_column", "time_column", "weight_column"):
        if row[name] is not None and row[name] not in types:
            raise InvalidInput(
                f'the events have no column "{row[name]}" for {name}', hint=f"They have: {', '.join(types)}. {_EXAMPLE}"
            )
    user, item, time = (f"e.{quote_ident(row[name])}" for name in ("user_column", "item_column", "time_column"))
    weight = "1"
    if row["weight_column"]:
        own = f"e.{quote_ident(row['weight_column'])}"
        weight = f"coalesce({types[row['weight_column']].number(own)}, 1)"
    user_type, item_type, time_type = (types[row[name]] for name in ("user_column", "item_column", "time_column"))
    return Events(
        f"{relation} AS e",
        user,
        user_type,
        item,
        item_type,
        time,
        time_type,
        weight,
        [time, *places],
        role,
        row["search_path"],
    )


def _role_for_query(db: Connection, row: Row) -> int:
    """Whose rights the query of events has: its author's, or the caller's who trusts that author."""
    author = db.rows("SELECT oid::int8 AS oid FROM pg_roles WHERE rolname = $1", ("text",), (row["author"],))
    if not author:
        raise InsufficientPrivilege(
            f'the role "{row["author"]}", who wrote the query of the recommender "{row["name"]}", is no more',
            hint="llm_fit_recommender() makes a new one.",
        )
    return table_access.role_for_author(db, author[0]["oid"], f'the query of the recommender "{row["name"]}"')


def items(db: Connection, row: Row) -> Items | None:
    """The items' table of a row of llm.recommender."""
    if row["items"] is None:
        return None
    columns = column_types.of_relation(db, row["items"])
    for name in (row["item_key"], *row["item_text"]):
        if name not in columns:
            raise InvalidInput(f'the items have no column "{name}"', hint=f"They have: {', '.join(columns)}.")
    relation = _relation(db, row["items"], "items")["relation"]
    return Items(row["items"], relation, row["item_key"], columns, row["item_text"])


def readable(db: Connection, of: Events) -> None:
    """Raises what reading the events raises; a caller who may not read them learns nothing that was made from them."""
    wanted = f"SELECT {of.user}, {of.item}, {of.time}, {of.weight} FROM {of.relation} LIMIT 0"
    of.read(db, lambda: db.query_unprepared(wanted))


def each_user(db: Connection, of: Events) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Every user with the items and weights of the events in their order; an event that stands there twice is one.

    To be taken to its end while the events are read.
    """
    wanted = (
        f"SELECT {of.user_type.text(of.user)} AS u, {of.item_text} AS i, {of.weight}::float8 AS w,"
        f" {of.time_type.text(of.time)} AS t FROM {of.relation} WHERE {of.usable} ORDER BY {of.user}, {of.ordered()}"
    )
    user = ""
    sequence: list[tuple[str, float]] = []
    last: tuple[str, str] | None = None
    for row in db.stream(wanted):
        if row["u"] != user or last is None:
            if sequence:
                yield user, sequence
            user, sequence, last = row["u"], [], None
        now = (row["i"], row["t"])
        if now != last and row["w"] == row["w"]:
            sequence.append((row["i"], row["w"]))
        last = now
    if sequence:
        yield user, sequence


def _relation(db: Connection, oid: int, what: str) -> Row:
    found = db.rows(
        "SELECT format('%I.%I', n.nspname, c.relname) AS relation, c.relkind::text AS kind FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid",
        ("int8",),
        (oid,),
    )
    if not found or found[0]["kind"] not in "rpmvf":
        raise InvalidInput(f"{what} is not a table", hint="Name a table, a view, or write a query for events.")
    return found[0]
