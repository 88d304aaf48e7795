"""Tables in the system catalogs of a FakeConnection, for code that looks a table up, and its owner, before its rows.

    catalog = FakeCatalog(db)
    catalog.add("public.city", {"id": "integer", "name": "text"})

The caller owns every table, and no code of others is on it, unless a test answers those queries itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fake_connection import SUPERUSER, Call, FakeConnection
from pg_llm.database.connection import Row

# Types that others made have an oid from this on.
_FIRST_FOREIGN = 16384


@dataclass(frozen=True)
class FakeTable:
    """A table; `columns` are names and types, `generated` cannot be written, `required` are NOT NULL."""

    relation: str
    oid: int
    columns: dict[str, str]
    key: Sequence[str]
    kind: str
    owner: str
    checks: Sequence[str]
    required: Sequence[str]
    generated: Sequence[str]


@dataclass(eq=False)
class FakeCatalog:
    """See the module's docstring."""

    db: FakeConnection
    tables: list[FakeTable] = field(default_factory=list)
    types: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        db = self.db
        db.answer("SELECT c.oid::bigint AS oid, c.relkind", lambda call: [self._about(t) for t in self._of(call)])
        db.answer("i.indisprimary ORDER BY", lambda call: [{"name": name} for t in self._of(call) for name in t.key])
        db.answer("a.atttypid::int8 AS type", self._columns)
        db.answer("WITH RECURSIVE made_of", lambda call: [self._type(oid) for oid in call.values[0]])
        db.answer("strpos($2, t.typcategory::text)", self._cleanable)
        db.answer("FROM pg_constraint", lambda call: [{"condition": c} for t in self._of(call) for c in t.checks])
        db.answer("AS relation, c.relkind::text AS kind", self._kinds)
        db.answer("to_regclass($1)", self._resolve)
        db.answer("SELECT $1::pg_catalog.oid", lambda call: [{"oid": t.oid} for t in self._of(call)])
        db.answer("SELECT $1::pg_catalog.regclass", lambda call: [{"oid": t.oid} for t in self._of(call)])
        db.answer("SELECT DISTINCT relowner::int8", [{"oid": SUPERUSER}])
        db.answer("SELECT relowner::int8 AS oid", [{"oid": SUPERUSER}])
        db.answer("pg_has_role($1::oid, $2::oid, 'USAGE') AS trusted", [{"trusted": True, "shared": True}])
        db.answer("pg_has_role($1, 'USAGE') AS may", [{"may": True}])
        db.answer("AS plain FROM pg_class", [{"plain": True}])
        db.answer("pg_is_in_recovery() AS replica", [])
        db.answer("extowner::int8 AS owner", [{"owner": SUPERUSER}])
        session = {"pid": 1, "datname": "shop", "usename": "ann", "started_at": "2024-01-01"}
        db.answer("pg_backend_pid() AS pid", [session])
        db.answer("FROM pg_extension AS e JOIN pg_namespace", [{"schema": "public"}])

    def add(
        self,
        relation: str,
        columns: dict[str, str],
        key: Sequence[str] = ("id",),
        *,
        kind: str = "r",
        owner: str = "ann",
        checks: Sequence[str] = (),
        required: Sequence[str] = (),
        generated: Sequence[str] = (),
    ) -> FakeTable:
        """Add a table; a type with a dot in its name is one that somebody made."""
        oid = 20000 + len(self.tables)
        table = FakeTable(relation, oid, columns, key, kind, owner, checks, required, generated)
        self.tables.append(table)
        return table

    def _of(self, call: Call) -> list[FakeTable]:
        wanted = str(call.values[0])
        return [t for t in self.tables if wanted in (t.relation, t.relation.partition(".")[2], str(t.oid))]

    def _about(self, table: FakeTable) -> Row:
        schema = table.relation.partition(".")[0]
        return {
            "oid": table.oid,
            "relkind": table.kind,
            "schema": schema,
            "relation": table.relation,
            "owner": table.owner,
        }

    def _columns(self, call: Call) -> list[Row]:
        return [{"name": n, "type": self._type_oid(t)} for table in self._of(call) for n, t in table.columns.items()]

    def _cleanable(self, call: Call) -> list[Row]:
        return [
            {"name": name, "type": type_, "required": name in table.required, "fixed": name in table.generated}
            for table in self._of(call)
            for name, type_ in table.columns.items()
            if not type_.startswith("json")
        ]

    def _kinds(self, call: Call) -> list[Row]:
        return [{"relation": table.relation, "kind": table.kind} for table in self._of(call)]

    def _resolve(self, call: Call) -> list[Row]:
        found = self._of(call)
        return [{"name": found[0].relation, "oid": found[0].oid} if found else {"name": None, "oid": None}]

    def _type_oid(self, name: str) -> int:
        if name not in self.types:
            self.types.append(name)
        return self.types.index(name) + (_FIRST_FOREIGN if "." in name else 0)

    def _type(self, oid: int) -> dict[str, Any]:
        name = self.types[oid % _FIRST_FOREIGN]
        builtin = "." not in name
        return {"name": name, "builtin": builtin, "composite": name.endswith("row"), "jsonable": builtin}
