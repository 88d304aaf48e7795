"""Plans: a statement explained without being run, and what its scans read and ask for."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm.database import models, search_path
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InvalidInput

# Kind, what to do, the cost before and after, and how that is known.
Suggestion = tuple[str, str, float, float | None, str]
Node = dict[str, Any]

_EXPLAIN = "EXPLAIN (VERBOSE, FORMAT JSON) "
_HINT = "Give one SELECT, as it would be run, with values in place of parameters."
# Catalogs have the indexes that PostgreSQL gives them.
_TABLE = """
    SELECT c.oid::int8 AS oid, c.oid::regclass::text AS name, c.reltuples::float8 AS rows,
           c.relispartition AS partition, coalesce(pg_partition_root(c.oid), c.oid)::regclass::text AS root
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND c.oid >= 16384 AND c.relkind IN ('r', 'm')
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that a plan reads; `root` is the partitioned table that it is part of, or itself."""

    oid: int
    name: str
    rows: float
    partition: bool
    root: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The planner's tree for a statement; nothing of it was run."""

    tree: Node

    @property
    def cost(self) -> float:
        """Of all rows, in the planner's units."""
        return float(self.tree["Total Cost"])

    def nodes(self) -> Iterator[Node]:
        """Every node, the root first."""
        yield from below(self.tree)

    def scans(self, db: Connection) -> list[tuple[Node, Table]]:
        """The nodes that read a table of somebody's, with that table."""
        return [
            (node, Table(**row))
            for node in self.nodes()
            if "Relation Name" in node
            for row in db.rows(_TABLE, ("text", "text"), (node["Schema"], node["Relation Name"]))
        ]


def below(node: Node) -> Iterator[Node]:
    """A node and all that it takes its rows from."""
    waiting = [node]
    while waiting:
        each = waiting.pop(0)
        yield each
        waiting += each.get("Plans", [])


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return quote_ident(name)


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT and the search path that it is meant with; while it is looked at, another one is pinned."""

    db: Connection
    text: str
    path: str

    @contextlib.contextmanager
    def names(self) -> Iterator[None]:
        """While the block runs, names mean what they mean to the caller."""
        search_path.set_local(self.db, self.path)
        yield
        # Not after an error: the subtransaction or transaction that ends takes the setting along.
        search_path.set_local(self.db, search_path.PINNED)

    def explained(self) -> Plan:
        """The plan. Raises what PostgreSQL raises."""
        with self.names():
            (row,) = self.db.execute(_EXPLAIN + self.text)
        found = row["QUERY PLAN"]
        return Plan((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])

    def tried(self) -> Plan | None:
        """The plan of a statement that pg_llm wrote; None where the caller's names do not allow it."""
        try:
            with self.db.savepoint():
                return self.explained()
        except DatabaseError as error:
            # The text alone could not tell that a name or an operator means something else here.
            if not error.sqlstate.startswith("42"):
                raise
            return None

    def plan(self) -> Plan:
        """The plan of the caller's own statement. Raises InvalidInput with the position of what is wrong in it."""
        try:
            return self.explained()
        except DatabaseError as error:
            # Only what is wrong with the statement itself; a missing right, say, is told as it is.
            if not error.sqlstate.startswith("42") or error.sqlstate == "42501":
                raise
            place = f", at character {error.position - len(_EXPLAIN)}" if error.position else ""
            failure = InvalidInput(f"{error}{place}", hint=error.hint or _HINT, detail=error.detail)
            failure.sqlstate = error.sqlstate
            raise failure from None


def read(db: Connection, what: str, texts: Sequence[str]) -> list[list[dict[str, Any]]]:
    """What the host reads from each text: a statement, a condition, calls of models in one, or a sort key."""
    return (
        [json.loads(each) for each in models.run_without_model(db, "optimization", texts, read=what)] if texts else []
    )
