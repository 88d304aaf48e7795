"""Recommenders fitted on events, refitted, evaluated and dropped."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pg_llm import options as training_options
from pg_llm import protocol
from pg_llm.database import model_files, models, progress, registry, search_path, table_access, training_runs
from pg_llm.database.connection import Connection, Row
from pg_llm.database.models import Model
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import DuplicateRecommender, InsufficientPrivilege, InvalidInput
from pg_llm.recommend import item_table, source
from pg_llm.recommend.options import OPTIONS
from pg_llm.recommend.source import EventSource

_MAX_NAME_LENGTH = 45
# Users, and items, with events that a training needs.
_MIN_USERS = 2
# Popularity is counted over this share of the events, the latest ones, and over so many at least.
_LATEST_SHARE = 0.1
_MIN_LATEST = 1000
# The longest list of items that is evaluated; the training keeps no longer ones.
MAX_LIST_LENGTH = 100
_METRICS = ("hr", "ndcg", "mrr", "coverage", "novelty", "users")
# The shape of the network, which a refit cannot change.
_SHAPE_OPTIONS = ("dimensions", "layers", "heads", "max_length")
_STORED_COLUMNS = (
    "name events query search_path user_column item_column time_column weight_column items item_key item_text".split()
)


# Item numbers of one user in the order of events, and the weight of each event.
_Sequence = tuple[list[int], list[float]]


@dataclass(frozen=True, slots=True)
class Definition:
    """The definition of a new recommender, in the arguments of llm_fit_recommender()."""

    name: str | None
    events: str
    user_column: str
    item_column: str
    time_column: str
    weight_column: str | None
    items: str | None
    item_key: str | None
    item_text: str | None


def fit(db: Connection, definition: Definition, options: dict[str, Any]) -> dict[str, Any]:
    """Train a new recommender and store it; returns what was measured."""
    # Names are resolved on the caller's search path, before it is pinned.
    path = db.setting("search_path") or ""
    events = _resolve_events(db, definition.events)
    items = _resolve(db, definition.items)
    schema = db.rows("SELECT pg_catalog.current_schema()::pg_catalog.text AS name")[0]["name"]
    with search_path.pinned(db):
        name = _checked_name(db, definition.name, schema)
        row = _recommender_row(db, name, definition, events, items, path)
        chosen = training_options.check(OPTIONS, "recommender", options)
        if chosen["dimensions"] % chosen["heads"]:
            raise InvalidInput('option "dimensions" must be a multiple of "heads"', hint="64 and 2 are the defaults.")
        table = item_table.qualified_name(schema, name)
        training = _Training(db, "llm_fit_recommender", row, chosen, None)
        training.run()
        item_table.create(db, table, chosen["dimensions"] + 1)
        training.store_items(table, 1, db.current_role())
        item_table.index_vectors(db, table)
        item_table.grant_to_readers(db, table, events)
        db.execute(f"ANALYZE {table}")
        db.rows(
            "INSERT INTO llm.recommender (name, events, query, search_path, user_column, item_column, time_column,"
            " weight_column, items, item_key, item_text, catalogue, version, options)"
            " VALUES ($1, $2::oid, $3, $4, $5, $6, $7, $8, $9::oid, $10, $11, $12::regclass, 1, $13::jsonb)",
            ("text", "int8", *("text",) * 6, "int8", "text", "text[]", "text", "text"),
            (*(row[column] for column in _STORED_COLUMNS), table, json.dumps(training.stored_options)),
        )
        _advise_index(db, row, training.events)
        return training.summary


def refit(db: Connection, name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Train a recommender further on its present events and items; returns what was measured."""
    recommender = source.find(db, name)
    _check_privilege(db, "refit a recommender")
    row = recommender.row
    # A concurrent refit waits here, and then continues from the first.
    db.rows("SELECT FROM llm.recommender WHERE name = $1 FOR UPDATE", ("text",), (recommender.name,))
    recommender = source.find(db, name)
    stored = json.loads(recommender.row["options"])
    changed = [option for option in _SHAPE_OPTIONS if options.get(option, stored[option]) != stored[option]]
    if changed:
        raise InvalidInput(
            f'option "{changed[0]}" cannot change in a refit', hint="llm_fit_recommender() makes a new one."
        )
    chosen = training_options.check(
        OPTIONS, "recommender", {**{option: stored[option] for option in OPTIONS}, **options}
    )
    model = models.find(db, recommender.name, None, ("recommendation",))
    role = table_access.role_for(db, [recommender.row["catalogue_oid"]], writes=True)
    numbers = item_table.numbers(db, recommender.item_table, recommender.version, role)
    training = _Training(db, "llm_refit", row, chosen, _State(model, numbers, stored["items"]))
    training.run()
    training.store_items(recommender.item_table, recommender.version + 1, role)
    db.rows(
        "UPDATE llm.recommender SET version = version + 1, options = $2::jsonb, fitted_at = clock_timestamp()"
        " WHERE name = $1",
        ("text", "text"),
        (recommender.name, json.dumps(training.stored_options)),
    )
    item_table.delete_version(db, recommender.item_table, recommender.version, role)
    return training.summary


def evaluate(db: Connection, name: str, list_length: int) -> list[dict[str, Any]]:
    """The metrics of lists of that length on the held-out last events, of the recommender and of two baselines."""
    recommender = source.find(db, name)
    source.check_readable(db, source.events(db, recommender.row))
    model = models.find(db, recommender.name, None, ("recommendation",))
    metrics = json.loads(model.run("recommendation", ["[]"], k=list_length)[0])
    return [
        {
            "metric": metric,
            "value": metrics["recommender"][metric],
            "popularity": metrics["popularity"][metric],
            "neighbours": metrics["neighbours"][metric],
        }
        for metric in _METRICS
        if metrics
    ]


def drop(db: Connection, name: str) -> None:
    """Remove a recommender, its item table and its model."""
    recommender = source.find(db, name)
    _check_privilege(db, "drop a recommender", "DELETE")
    db.rows("DELETE FROM llm.recommender WHERE name = $1", ("text",), (recommender.name,))
    if recommender.row["catalogue"] is not None:
        db.execute(f"DROP TABLE {recommender.item_table}")
    registry.drop(db, recommender.name)


@dataclass(frozen=True, slots=True)
class _State:
    """The state that a refit continues from: the model, each item's number, and how many were ever numbered."""

    model: Model
    numbers: dict[str, int]
    total: int


class _Training:
    """One training: reads events and items, trains in the host, and stores model and items."""

    def __init__(
        self, db: Connection, command: str, row: Row, options: dict[str, Any], previous: _State | None
    ) -> None:
        self._db = db
        self._command = command
        self._row = row
        self._options = options
        self._previous = previous.model if previous else None
        self.events = source.events(db, row)
        self._items = source.items(db, row)
        self._numbers: dict[str, int] = dict(previous.numbers) if previous else {}
        self._total = previous.total if previous else 0
        # After `run`: what llm.recommender keeps of it, and what the caller is shown.
        self.stored_options: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}

    def run(self) -> None:
        """Read the data, train, and store the model."""
        texts = self._read_items()
        sequences = self._read_sequences()
        items_with_events = {number for numbers, _ in sequences for number in numbers}
        learns = any(len(numbers) > 1 for numbers, _ in sequences)
        if len(sequences) < _MIN_USERS or len(items_with_events) < _MIN_USERS or not learns:
            raise InvalidInput(
                "there are too few events to learn from",
                hint="It takes two users and two items with events at least, and a user with two events.",
            )
        rows = [*(("item", texts.get(number)) for number in range(self._total)), *(("user", s) for s in sequences)]
        base = models.find(self._db, None, "embedding") if any(texts.values()) else None
        job = {
            "task": "recommend",
            "method": "recommender",
            "options": self._options,
            "before": self._previous and self._previous.wire,
        }
        if self._previous:
            # Loading restores its files to the disk, where the training reads them.
            self._previous.ask("load")
        session = progress.session_fields(
            self._db, self._command, self.events.relation.removesuffix(" AS e")[:60], self._row["name"]
        )
        with training_runs.stream_training(self._db, session, job, base, rows) as made:
            # Opened before the folder is deleted, and read later: a large file is not held in memory.
            self._item_lines = Path(made["folder"]).with_name("items.tsv").open(encoding="ascii")
            model_files.store(self._db, Path(made["folder"]), made["digest"])
        if self._previous:
            registry.replace_files(self._db, self._row["name"], made["digest"])
        else:
            registry.register(self._db, self._row["name"], "recommendation", f"database:{made['digest']}", None, {})
        self._record(job, base, made, sequences)

    def _record(
        self,
        job: dict[str, Any],
        base: Model | None,
        made: dict[str, Any],
        sequences: list[tuple[list[int], list[float]]],
    ) -> None:
        metrics = made["metrics"]
        self.stored_options = {
            **self._options,
            **{name: metrics[name] for name in ("share", "decay", "backward", "lift", "fresh")},
            "items": self._total,
        }
        event_count = sum(len(numbers) for numbers, _ in sequences)
        digest = hashlib.sha256(protocol.dumps(sequences).encode()).hexdigest()
        training_runs.record(self._db, self._row["name"], job, base, made, event_count, digest)
        self.summary = {
            "recommender": self._row["name"],
            "seconds": made["seconds"],
            "events": event_count,
            "items": len(self._numbers),
            **metrics,
        }

    def store_items(self, table: str, version: int, role: int) -> None:
        """Write the items' vectors and neighbors as a version of the item table, with the rights of a role."""
        popularity = self._read_popularity()
        items = {number: item for item, number in self._numbers.items()}
        with self._item_lines as lines:
            item_table.store(self._db, table, version, role, lines, items, self._total, popularity)

    def _read_items(self) -> dict[int, str]:
        """The text of each item that has one, by number; items that are gone lose their number."""
        if self._items is None:
            return {}
        texts = {}
        existing = set()
        items = self._items
        query = (
            f"SELECT {items.item} AS i, {items.text} AS x FROM {items.relation} AS t"
            f" WHERE {items.column} IS NOT NULL ORDER BY 1"
        )
        for row in table_access.on_table(self._db, items.oid, lambda: list(self._db.stream(query))):
            number = self._number(row["i"])
            existing.add(row["i"])
            if row["x"]:
                texts[number] = row["x"]
        self._numbers = {item: number for item, number in self._numbers.items() if item in existing}
        return texts

    def _number(self, item: str) -> int:
        number = self._numbers.get(item)
        if number is None:
            number = self._numbers[item] = self._total
            self._total += 1
        return number

    def _read_sequences(self) -> list[_Sequence]:
        """The item numbers and weights of every user; events of items that do not exist are skipped."""
        sequences = []

        def read() -> None:
            for _, events in source.sequences_by_user(self._db, self.events):
                if self._items is not None:
                    events = [(item, weight) for item, weight in events if item in self._numbers]
                if events:
                    sequences.append(([self._number(item) for item, _ in events], [weight for _, weight in events]))

        self.events.read(self._db, read)
        return sequences

    def _read_popularity(self) -> dict[str, float]:
        """The total weight of each item in the latest events."""
        events = self.events
        query = (
            f"SELECT i, sum(w)::float8 AS popularity FROM (SELECT {events.item_text} AS i, {events.weight} AS w"
            f" FROM {events.relation} WHERE {events.usable} ORDER BY {events.order_by(' DESC')} LIMIT $1) AS latest"
            " GROUP BY i"
        )
        limit = max(_MIN_LATEST, int(_LATEST_SHARE * self.summary["events"]))
        rows = events.read(self._db, lambda: list(self._db.stream(query, ("int8",), (limit,))))
        return {row["i"]: row["popularity"] for row in rows}


def _recommender_row(
    db: Connection, name: str, definition: Definition, events: int | None, items: int | None, path: str
) -> Row:
    """The row of llm.recommender for a definition. Raises InvalidInput."""
    item_text = _parse_columns(db, definition.item_text)
    if (items is None) != (definition.item_key is None) or (item_text and items is None):
        raise InvalidInput(
            "items and item_key belong together", hint="items => 'film', item_key => 'id', item_text => 'title'"
        )
    return {
        "name": name,
        "events": events,
        "query": None if events else definition.events.strip().rstrip(";"),
        "search_path": None if events else path,
        "author": db.rows("SELECT CURRENT_USER::text AS name")[0]["name"],
        "user_column": definition.user_column,
        "item_column": definition.item_column,
        "time_column": definition.time_column,
        "weight_column": definition.weight_column,
        "items": items,
        "item_key": definition.item_key,
        "item_text": item_text,
    }


def _resolve(db: Connection, relation: str | None) -> int | None:
    """The oid of a relation, which exists."""
    if relation is None:
        return None
    query = "SELECT $1::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8 AS oid"
    return int(db.rows(query, ("text",), (relation,))[0]["oid"])


def _resolve_events(db: Connection, events: str) -> int | None:
    """The oid of the relation of events; None for a query."""
    text = events.strip()
    if " " in text and text.split(None, 1)[0].lower() in ("select", "with", "table", "values"):
        return None
    query = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid::pg_catalog.int8 AS oid"
    oid = db.rows(query, ("text",), (events,))[0]["oid"]
    if oid is None:
        raise InvalidInput(
            f'there is no table "{events[:100]}" of events', hint="Name a table or view, or write a query: SELECT …"
        )
    return int(oid)


def _parse_columns(db: Connection, given: str | None) -> list[str]:
    """One column's name, or an array literal of several."""
    if not given:
        return []
    if not given.startswith("{"):
        return [given]
    return list(db.rows("SELECT $1::text[] AS names", ("text",), (given,))[0]["names"])


def _checked_name(db: Connection, name: str | None, schema: str | None) -> str:
    """The name, if a recommender of that name can be created in the schema."""
    name = registry.new_name(db, name, "fit a recommender")
    _check_privilege(db, "fit a recommender", "INSERT")
    if len(name) > _MAX_NAME_LENGTH:
        raise InvalidInput(f"a recommender's name has at most {_MAX_NAME_LENGTH} characters")
    if schema is None:
        raise InvalidInput("there is no schema to make the recommender's table in", hint="SET search_path = public;")
    taken = "SELECT FROM pg_class WHERE relnamespace = quote_ident($1)::regnamespace AND relname = $2"
    if db.rows(taken, ("text", "text"), (schema, f"recommender_{name}")):
        raise DuplicateRecommender(f'the table "recommender_{name}" is in the way')
    return name


def _check_privilege(db: Connection, action: str, privilege: str = "UPDATE") -> None:
    query = "SELECT has_table_privilege('llm.recommender', $1) AS allowed"
    if not db.rows(query, ("text",), (privilege,))[0]["allowed"]:
        raise InsufficientPrivilege(
            f"permission denied to {action}",
            hint=f"GRANT {privilege} ON llm.recommender allows it; the manual's chapter on security says to whom.",
        )


def _advise_index(db: Connection, row: Row, events: EventSource) -> None:
    """Raise a notice if every recommendation would scan the whole table of events."""
    if row["events"] is None:
        return
    index = db.rows(
        "SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        " WHERE i.indrelid = $1::oid AND a.attname = $2 LIMIT 1",
        ("int8", "text"),
        (row["events"], row["user_column"]),
    )
    if not index:
        table = events.relation.removesuffix(" AS e")
        columns = ", ".join(quote_ident(row[name]) for name in ("user_column", "time_column"))
        db.notice(
            f"recommend() will read all of {table} each time: no index begins with {row['user_column']}",
            hint=f"CREATE INDEX ON {table} ({columns});",
        )
