"""Recommenders: made from events, learnt on, measured, dropped."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from pg_llm import arguments, protocol
from pg_llm import options as training_options
from pg_llm.database import catalog, model_files, models, progress, registry, search_path, table_access, training_runs
from pg_llm.database.connection import Connection, Row
from pg_llm.database.models import Model
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import DuplicateRecommender, InsufficientPrivilege, InvalidInput
from pg_llm.recommend import source
from pg_llm.recommend.options import OPTIONS
from pg_llm.recommend.source import Events

_LONGEST_NAME = 45
_FEWEST_USERS = 2
# Share of the events, the latest ones, that say what is popular now, and the fewest.
_LATEST = 0.1
_FEWEST_LATEST = 1000
_AT_ONCE = 500
_LONGEST_LIST = 100
_KINDS = ("hr", "ndcg", "mrr", "coverage", "novelty", "users")


def llm_fit_recommender(
    db: Connection,
    name: str | None,
    events: str | None,
    user_column: str | None,
    item_column: str | None,
    time_column: str | None,
    weight_column: str | None,
    items: str | None,
    item_key: str | None,
    item_text: str | None,
    options: Any,
) -> dict[str, Any]:
    """Learn from events (a table or a query) which items users want next; returns what was measured on last events."""
    events = arguments.required("events", events)
    path = db.rows("SELECT pg_catalog.current_setting('search_path') AS path")[0]["path"]
    table = _oid(db, events)
    # By their names as the caller sees them.
    of_items = int(db.rows(_CAST, ("text",), (items,))[0]["oid"]) if items is not None else None
    place = db.rows("SELECT pg_catalog.current_schema()::pg_catalog.text AS name")[0]["name"]
    with search_path.pinned(db):
        name = _new_name(db, name, place)
        row: Row = {
            "name": name,
            "events": table,
            "query": None if table else events.strip().rstrip(";"),
            "search_path": None if table else path,
            "author": _me(db),
            "user_column": arguments.required("user_column", user_column),
            "item_column": arguments.required("item_column", item_column),
            "time_column": arguments.required("time_column", time_column),
            "weight_column": weight_column,
            "items": of_items,
            "item_key": item_key,
            "item_text": _columns(db, item_text),
        }
        if (row["items"] is None) != (item_key is None) or (row["item_text"] and row["items"] is None):
            raise InvalidInput(
                "items and item_key belong together", hint="items => 'film', item_key => 'id', item_text => 'title'"
            )
        chosen = training_options.check(OPTIONS, "recommender", arguments.options(options))
        if chosen["dimensions"] % chosen["heads"]:
            raise InvalidInput('option "dimensions" must be a multiple of "heads"', hint="64 and 2 are the defaults.")
        catalogue = f"{quote_ident(place)}.{quote_ident(f'recommender_{name}')}"
        fitted = _Fit(db, "llm_fit_recommender", row, chosen, None)
        fitted.train()
        _create(db, catalogue, chosen["dimensions"] + 1)
        fitted.store(catalogue, 1, db.current_role())
        _index(db, catalogue)
        _share(db, row, catalogue)
        db.execute(f"ANALYZE {catalogue}")
        db.rows(
            "INSERT INTO llm.recommender (name, events, query, search_path, user_column, item_column, time_column,"
            " weight_column, items, item_key, item_text, catalogue, version, options)"
            " VALUES ($1, $2::oid, $3, $4, $5, $6, $7, $8, $9::oid, $10, $11, $12::regclass, 1, $13::jsonb)",
            ("text", "int8", *("text",) * 6, "int8", "text", "text[]", "text", "text"),
            (*(row[each] for each in _STORED), catalogue, json.dumps(fitted.tuned)),
        )
        _advise(db, row, fitted.events)
        return fitted.said


def llm_refit(db: Connection, name: str | None, options: Any) -> dict[str, Any]:
    """Learn on from the events there are now, and take in new items; until it commits the old state answers."""
    found = source.named(db, arguments.required("name", name))
    _administer(db, "refit a recommender")
    row = found.row
    # A second refit waits here, and then goes on from the first.
    db.rows("SELECT FROM llm.recommender WHERE name = $1 FOR UPDATE", ("text",), (found.name,))
    found = source.named(db, name)
    kept = json.loads(found.row["options"])
    given = arguments.options(options)
    fixed = [
        each for each in ("dimensions", "layers", "heads", "max_length") if given.get(each, kept[each]) != kept[each]
    ]
    if fixed:
        raise InvalidInput(
            f'option "{fixed[0]}" cannot change in a refit', hint="llm_fit_recommender() makes a new one."
        )
    chosen = training_options.check(OPTIONS, "recommender", {**{each: kept[each] for each in OPTIONS}, **given})
    old = models.find(db, found.name, None, ("recommendation",))
    role = table_access.role_for(db, [found.row["catalogue_oid"]], writes=True)
    known = f"SELECT item, number FROM {found.catalogue} WHERE version = {found.version}"
    numbers = {each["item"]: each["number"] for each in table_access.as_role(db, role, lambda: list(db.stream(known)))}
    fitted = _Fit(db, "llm_refit", row, chosen, (old, numbers, kept["items"]))
    fitted.train()
    fitted.store(found.catalogue, found.version + 1, role)
    db.rows(
        "UPDATE llm.recommender SET version = version + 1, options = $2::jsonb, fitted_at = clock_timestamp()"
        " WHERE name = $1",
        ("text", "text"),
        (found.name, json.dumps(fitted.tuned)),
    )
    old_rows = f"DELETE FROM {found.catalogue} WHERE version = {found.version}"
    table_access.as_role(db, role, lambda: db.query_unprepared(old_rows))
    return fitted.said


def llm_evaluate_recommender(db: Connection, name: str | None, k: int | None) -> list[dict[str, Any]]:
    """How well lists of k items held users' last events, kept back; beside popularity and neighbours of items."""
    found = source.named(db, arguments.required("name", name))
    if k is None or not 1 <= k <= _LONGEST_LIST:
        raise InvalidInput(f"k must lie between 1 and {_LONGEST_LIST}")
    source.readable(db, source.events(db, found.row))
    said = models.find(db, found.name, None, ("recommendation",)).run("recommendation", ["[]"], k=k)[0]
    ways = json.loads(said)
    return [
        {
            "metric": kind,
            "value": ways["recommender"][kind],
            "popularity": ways["popularity"][kind],
            "neighbours": ways["neighbours"][kind],
        }
        for kind in _KINDS
        if ways
    ]


def llm_drop_recommender(db: Connection, name: str | None) -> None:
    """Remove a recommender, its table and its model."""
    found = source.named(db, arguments.required("name", name))
    _administer(db, "drop a recommender", "DELETE")
    db.rows("DELETE FROM llm.recommender WHERE name = $1", ("text",), (found.name,))
    if found.row["catalogue"] is not None:
        db.execute(f"DROP TABLE {found.catalogue}")
    registry.drop(db, found.name)


_CAST = "SELECT $1::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8 AS oid"
_STORED = (
    "name",
    "events",
    "query",
    "search_path",
    "user_column",
    "item_column",
    "time_column",
    "weight_column",
    "items",
    "item_key",
    "item_text",
)


class _Fit:
    """One training: what it reads, what it made, and where that goes."""

    def __init__(
        self,
        db: Connection,
        command: str,
        row: Row,
        options: dict[str, Any],
        before: tuple[Model, dict[str, int], int] | None,
    ) -> None:
        self._db = db
        self._command = command
        self._row = row
        self._options = options
        self._before = before
        self.events = source.events(db, row)
        self._items = source.items(db, row)
        self._number: dict[str, int] = dict(before[1]) if before else {}
        self._next = before[2] if before else 0
        self.tuned: dict[str, Any] = {}
        self.said: dict[str, Any] = {}

    def train(self) -> None:
        """Read, learn, keep the model."""
        texts = self._catalogue()
        users = self._users()
        total = self._next
        if len(users) < _FEWEST_USERS or len({number for numbers, _ in users for number in numbers}) < _FEWEST_USERS:
            raise InvalidInput(
                "there are too few events to learn from", hint="It takes two users and two items with events at least."
            )
        rows = [*(("item", texts.get(number)) for number in range(total)), *(("user", user) for user in users)]
        base = models.find(self._db, None, "embedding") if any(texts.values()) else None
        before = self._before and self._before[0]
        job = {"task": "recommend", "method": "recommender", "options": self._options, "before": before and before.wire}
        if before:
            # So that its files are on the disk.
            before.ask("load")
        about = progress.session_fields(
            self._db, self._command, self.events.relation.removesuffix(" AS e")[:60], self._row["name"]
        )
        with training_runs.stream_training(self._db, about, job, base, rows) as made:
            # Read on when the folder is gone: of a large catalogue it is too much to hold.
            self._lines = Path(made["folder"]).with_name("items.tsv").open(encoding="ascii")
            model_files.store(self._db, Path(made["folder"]), made["digest"])
        if self._before:
            registry.replace_files(self._db, self._row["name"], made["digest"])
        else:
            registry.register(self._db, self._row["name"], "recommendation", f"database:{made['digest']}", None, {})
        metrics = made["metrics"]
        self.tuned = {
            **self._options,
            **{each: metrics[each] for each in ("share", "decay", "backward", "lift", "fresh")},
            "items": total,
        }
        count = sum(len(numbers) for numbers, _ in users)
        digest = hashlib.sha256(protocol.dumps(users).encode()).hexdigest()
        training_runs.record(self._db, self._row["name"], job, base, made, count, digest)
        self.said = {
            "recommender": self._row["name"],
            "seconds": made["seconds"],
            "events": count,
            "items": len(self._number),
            **metrics,
        }

    def store(self, catalogue: str, version: int, role: int) -> None:
        """Write the items' vectors and neighbours, with the rights of a role."""
        latest = self._latest()
        names = {number: item for item, number in self._number.items()}
        vectors = catalog.schema_of(self._db, "vector")
        with self._lines as lines:
            described = ((names[number], number, line) for number, line in enumerate(lines) if number in names)
            while batch := list(itertools.islice(described, _AT_ONCE)):
                rows = [self._described(*each, latest, names) for each in batch]
                insert = partial(
                    self._db.query_unprepared,
                    f"INSERT INTO {catalogue} (version, number, item, embedding, recent, fresh, neighbours, weights)"
                    f" SELECT {version}, n, i, v::{vectors}.vector, r, f, a::int4[], w::float4[]"
                    " FROM unnest($1, $2, $3, $4, $5, $6, $7) AS t (n, i, v, r, f, a, w)",
                    ("int4[]", "text[]", "text[]", "float4[]", "bool[]", "text[]", "text[]"),
                    [list(column) for column in zip(*rows, strict=True)],
                )
                table_access.as_role(self._db, role, insert)
                self._db.poll()

    def _described(
        self, item: str, number: int, line: str, latest: dict[str, float], names: dict[int, str]
    ) -> tuple[Any, ...]:
        """A row of the catalogue; neighbours that are gone are left out."""
        vector, fresh, near, weights = line.rstrip("\n").split("\t")
        if len(names) < self._next:
            pairs = zip(_values(near), _values(weights), strict=True)
            there = [(each, weight) for each, weight in pairs if int(each) in names]
            near, weights = (_array(pair[side] for pair in there) for side in (0, 1))
        return number, item, vector, latest.get(item, 0.0), fresh == "t", near, weights

    def _catalogue(self) -> dict[int, str]:
        """The text of each item that has one, by number; items that are gone lose theirs."""
        if self._items is None:
            return {}
        texts = {}
        there = set()
        of = self._items
        query = (
            f"SELECT {of.item} AS i, {of.text} AS x FROM {of.relation} AS t WHERE {of.column} IS NOT NULL ORDER BY 1"
        )
        for found in table_access.on_table(self._db, of.oid, lambda: list(self._db.stream(query))):
            number = self._numbered(found["i"])
            there.add(found["i"])
            if found["x"]:
                texts[number] = found["x"]
        self._number = {item: number for item, number in self._number.items() if item in there}
        return texts

    def _numbered(self, item: str) -> int:
        number = self._number.get(item)
        if number is None:
            number = self._number[item] = self._next
            self._next += 1
        return number

    def _users(self) -> list[tuple[list[int], list[float]]]:
        """The item numbers and weights of every user; events of items that do not exist do not count."""
        found = []

        def read() -> None:
            for _, sequence in source.each_user(self._db, self.events):
                if self._items is not None:
                    sequence = [(item, weight) for item, weight in sequence if item in self._number]
                if sequence:
                    found.append(([self._numbered(item) for item, _ in sequence], [weight for _, weight in sequence]))

        self.events.read(self._db, read)
        return found

    def _latest(self) -> dict[str, float]:
        """How much each item occurs in the latest events."""
        of = self.events
        query = (
            f"SELECT i, sum(w)::float8 AS popularity FROM (SELECT {of.item_text} AS i, {of.weight} AS w"
            f" FROM {of.relation} WHERE {of.usable} ORDER BY {of.ordered(' DESC')} LIMIT $1) AS latest GROUP BY i"
        )
        most = max(_FEWEST_LATEST, int(_LATEST * self.said["events"]))
        return {
            row["i"]: row["popularity"]
            for row in of.read(self._db, lambda: list(self._db.stream(query, ("int8",), (most,))))
        }


def _array(values: Iterable[str]) -> str:
    return "{" + ",".join(values) + "}"


def _values(array: str) -> list[str]:
    return array[1:-1].split(",") if array != "{}" else []


def _oid(db: Connection, events: str) -> int | None:
    """The relation of that name as the caller sees it; None for a query."""
    if " " in events.strip() and events.strip().split(None, 1)[0].lower() in ("select", "with", "table", "values"):
        return None
    found = db.rows("SELECT pg_catalog.to_regclass($1)::pg_catalog.oid::pg_catalog.int8 AS oid", ("text",), (events,))
    if found[0]["oid"] is None:
        raise InvalidInput(
            f'there is no table "{events[:100]}" of events', hint="Name a table or view, or write a query: SELECT …"
        )
    return int(found[0]["oid"])


def _columns(db: Connection, given: str | None) -> list[str]:
    """One column, or several as '{title,genres}'."""
    if not given:
        return []
    if not given.startswith("{"):
        return [given]
    return list(db.rows("SELECT $1::text[] AS names", ("text",), (given,))[0]["names"])


def _new_name(db: Connection, name: str | None, schema: str | None) -> str:
    name = registry.new_name(db, name, "fit a recommender")
    _administer(db, "fit a recommender", "INSERT")
    if len(name) > _LONGEST_NAME:
        raise InvalidInput(f"a recommender's name has at most {_LONGEST_NAME} characters")
    if schema is None:
        raise InvalidInput("there is no schema to make the recommender's table in", hint="SET search_path = public;")
    taken = "SELECT FROM pg_class WHERE relnamespace = quote_ident($1)::regnamespace AND relname = $2"
    if db.rows(taken, ("text", "text"), (schema, f"recommender_{name}")):
        raise DuplicateRecommender(f'the table "recommender_{name}" is in the way')
    return name


def _me(db: Connection) -> str:
    return str(db.rows("SELECT CURRENT_USER::text AS name")[0]["name"])


def _administer(db: Connection, what: str, right: str = "UPDATE") -> None:
    allowed = db.rows("SELECT has_table_privilege('llm.recommender', $1) AS allowed", ("text",), (right,))
    if not allowed[0]["allowed"]:
        raise InsufficientPrivilege(
            f"permission denied to {what}",
            hint=f"It takes the {right} right on llm.recommender; see 'Security' in the README.",
        )


def _create(db: Connection, catalogue: str, dimensions: int) -> None:
    db.execute(
        f"CREATE TABLE {catalogue} (version int4 NOT NULL, number int4 NOT NULL, item text NOT NULL,"
        f" embedding {catalog.schema_of(db, 'vector')}.vector({dimensions}) NOT NULL, recent float4 NOT NULL,"
        " fresh boolean NOT NULL, neighbours int4[] NOT NULL, weights float4[] NOT NULL,"
        " PRIMARY KEY (version, number), UNIQUE (version, item))"
    )
    db.execute(f"CREATE INDEX ON {catalogue} (version, recent DESC, number)")
    db.execute(
        f"COMMENT ON TABLE {catalogue} IS 'Items of a recommender; whoever may read them may be shown recommendations'"
    )


def _index(db: Connection, catalogue: str) -> None:
    """Over all items, and over those that recommend() looks for by themselves."""
    for which in ("", " WHERE fresh"):
        method = f"hnsw (embedding {catalog.schema_of(db, 'vector')}.vector_ip_ops)"
        db.execute(f"CREATE INDEX ON {catalogue} USING {method}{which}")


def _share(db: Connection, row: Row, catalogue: str) -> None:
    """Who may read the events may read what was made of them."""
    if row["events"] is None:
        return
    for found in db.rows(
        "SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS role"
        " FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = $1::oid AND a.privilege_type = 'SELECT'"
        " AND a.grantee <> (SELECT oid FROM pg_roles WHERE rolname = CURRENT_USER)",
        ("int8",),
        (row["events"],),
    ):
        db.execute(f"GRANT SELECT ON {catalogue} TO {found['role']}")


def _advise(db: Connection, row: Row, of: Events) -> None:
    """Say so where every recommendation would read all events."""
    if row["events"] is None:
        return
    helped = db.rows(
        "SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        " WHERE i.indrelid = $1::oid AND a.attname = $2 LIMIT 1",
        ("int8", "text"),
        (row["events"], row["user_column"]),
    )
    if not helped:
        table = of.relation.removesuffix(" AS e")
        columns = ", ".join(quote_ident(row[name]) for name in ("user_column", "time_column"))
        db.notice(
            f"recommend() will read all of {table} each time: no index begins with {row['user_column']}",
            hint=f"CREATE INDEX ON {table} ({columns});",
        )
