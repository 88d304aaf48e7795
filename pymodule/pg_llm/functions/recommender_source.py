"""What a recommender reads: events, from a table or a query, and the items they are about."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import plpy

from pg_llm.errors import InvalidInput, UndefinedRecommender
from pg_llm.functions import session
from pg_llm.functions.session import Row

_EXAMPLE = "Name columns of the events: user_column => 'user_id', item_column => 'item_id', time_column => 'time'."


@dataclass(frozen=True, slots=True)
class Items:
    """The table that says which items there are; `columns` maps names to types."""

    relation: str
    key: str
    columns: dict[str, str]
    texts: Sequence[str]

    @property
    def text(self) -> str:
        """An item's text, of a row called `t`; empty where there is none."""
        parts = (f"nullif(t.{plpy.quote_ident(column)}::text, '')" for column in self.texts)
        return f"concat_ws(E'\\n', {', '.join(parts)})" if self.texts else "''"


@dataclass(frozen=True, slots=True)
class Events:
    """Rows called `e` of a FROM clause, and the SQL of what counts in them."""

    relation: str
    user: str
    user_type: str
    item: str
    time: str
    weight: str
    order: Sequence[str]

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


@contextlib.contextmanager
def reading(row: Row) -> Iterator[None]:
    """While the block runs, names mean what they meant to whoever wrote the query that events come from."""
    if row["search_path"] is None:
        yield
        return
    session.set_path(row["search_path"])
    yield
    # Not after an error: the subtransaction or transaction that ends takes the setting along.
    session.set_path(session.PINNED)


_RECOMMENDER = """
    SELECT r.name, r.events::oid::int8 AS events, r.query, r.search_path, r.user_column::text, r.item_column::text,
           r.time_column::text, r.weight_column::text, r.items::oid::int8 AS items, r.item_key::text,
           r.item_text::text[], r.version, r.options::text,
           (SELECT c.relnamespace::regnamespace::text || '.' || quote_ident(c.relname) FROM pg_class AS c
            WHERE c.oid = r.catalogue) AS catalogue
    FROM llm.recommender AS r
"""


def named(name: str | None) -> Recommender:
    """The recommender of that name, or the only one there is. Raises UndefinedRecommender and InvalidInput."""
    found = session.rows(_RECOMMENDER + " WHERE $1 IS NULL OR r.name = $1 ORDER BY r.name LIMIT 2", ("text",), (name,))
    if not found:
        raise UndefinedRecommender(f'there is no recommender "{name}"' if name else "there is no recommender yet")
    if len(found) > 1:
        raise InvalidInput(
            "there are several recommenders, so one must be named",
            hint=f"Write recommender => '{found[0]['name']}'. SELECT name FROM llm.recommender shows them all.",
        )
    return Recommender(found[0])


def events(row: Row) -> Events:
    """The events of a row of llm.recommender. Raises InvalidInput for columns that are not there or are no such."""
    if row["query"] is not None:
        with reading(row):
            types = _query_types(row["query"])
        relation, places = f"({row['query']}\n)", []
    else:
        about = _relation(row["events"], "events")
        relation, types = about["relation"], _columns(row["events"])
        # Events of one moment count in the order in which they were written.
        places = ["e.tableoid", "e.ctid"] if about["kind"] in "rpm" else []
    for name in ("user_column", "item_column", "time_column", "weight_column"):
        if row[name] is not None and row[name] not in types:
            raise InvalidInput(
                f'the events have no column "{row[name]}" for {name}', hint=f"They have: {', '.join(types)}. {_EXAMPLE}"
            )
    user, item, time = (f"e.{plpy.quote_ident(row[name])}" for name in ("user_column", "item_column", "time_column"))
    weight = f"coalesce(e.{plpy.quote_ident(row['weight_column'])}::float8, 1)" if row["weight_column"] else "1"
    return Events(f"{relation} AS e", user, types[row["user_column"]], item, time, weight, [time, *places])


def items(row: Row) -> Items | None:
    """The items' table of a row of llm.recommender."""
    if row["items"] is None:
        return None
    columns = _columns(row["items"])
    for name in (row["item_key"], *row["item_text"]):
        if name not in columns:
            raise InvalidInput(f'the items have no column "{name}"', hint=f"They have: {', '.join(columns)}.")
    return Items(_relation(row["items"], "items")["relation"], row["item_key"], columns, row["item_text"])


def readable(of: Events) -> None:
    """Raises what reading the events raises; a caller who may not read them learns nothing that was made from them."""
    session.rows_once(f"SELECT {of.user}, {of.item}, {of.time}, {of.weight} FROM {of.relation} LIMIT 0")


def each_user(of: Events) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Every user with the items and weights of the events in their order; an event that stands there twice is one."""
    query = (
        f"SELECT {of.user}::text AS u, {of.item}::text AS i, {of.weight}::float8 AS w, {of.time}::text AS t"
        f" FROM {of.relation} WHERE {of.usable} ORDER BY {of.user}, {of.ordered()}"
    )
    user = ""
    sequence: list[tuple[str, float]] = []
    last: tuple[str, str] | None = None
    for row in session.stream(query):
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


def _relation(oid: int, what: str) -> Row:
    found = session.rows(
        "SELECT format('%I.%I', n.nspname, c.relname) AS relation, c.relkind::text AS kind FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid",
        ("int8",),
        (oid,),
    )
    if not found or found[0]["kind"] not in "rpmvf":
        raise InvalidInput(f"{what} is not a table", hint="Name a table, a view, or write a query for events.")
    return found[0]


def _columns(oid: int) -> dict[str, str]:
    found = session.rows(
        "SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type FROM pg_attribute AS a"
        " WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        ("int8",),
        (oid,),
    )
    return {row["name"]: row["type"] for row in found}


def _query_types(query: str) -> dict[str, Any]:
    shape = plpy.execute(f"SELECT * FROM ({query}\n) AS q LIMIT 0")
    types = session.rows(
        "SELECT pg_catalog.format_type(o, NULL) AS type FROM pg_catalog.unnest($1::pg_catalog.oid[])"
        " WITH ORDINALITY AS t (o, place) ORDER BY place",
        ("int8[]",),
        (list(shape.coltypes()),),
    )
    return dict(zip(shape.colnames(), (row["type"] for row in types), strict=True))
