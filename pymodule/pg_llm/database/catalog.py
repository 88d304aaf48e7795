"""Tables as the system catalogs know them: columns, primary key, owner, partitions, and SQL fragments on them.

Queries count on a pinned search_path: that of the SQL function, or that of `transaction.pinned`. In fragments, the row
is called `t`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pg_llm.database import column_types
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import InvalidInput

METRICS = {
    # name: operator class, operator, score (higher is better) from distance
    "cosine": ("vector_cosine_ops", "<=>", "1 - distance"),
    "inner_product": ("vector_ip_ops", "<#>", "-distance"),
    "l2": ("vector_l2_ops", "<->", "-distance"),
    "l1": ("vector_l1_ops", "<+>", "-distance"),
}

_KEY = """
    SELECT a.attname::text AS name FROM pg_index AS i
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = $1::oid AND i.indisprimary ORDER BY array_position(i.indkey::smallint[], a.attnum)
"""

_MOST_PAIRS = 50


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the catalog knows it; `relation` is quoted and qualified, `columns` says what they are made of.

    `key` maps the names of the primary key to types, of a domain the one that it is made of.
    """

    oid: int
    relation: str
    owner: str
    schema: str
    key: dict[str, str]
    columns: dict[str, ColumnType]

    @property
    def tree(self) -> str:
        """Condition on pg_class `c`: the table itself and, where it is partitioned, all of its parts."""
        return f"(c.oid = {self.oid} OR c.oid IN (SELECT p.relid FROM pg_partition_tree({self.oid}) AS p))"

    @property
    def key_object(self) -> str:
        """A row's primary key as a jsonb object, the same whoever asks."""
        return _object({name: self.cell(name) if self.columns[name].builtin else self.text(name) for name in self.key})

    def object(self, names: Iterable[str]) -> str:
        """These columns of a row as a jsonb object."""
        return _object({name: self.columns[name].json(self.cell(name)) for name in names})

    def cell(self, column: str) -> str:
        """A column of a row."""
        return f"t.{quote_ident(column)}"

    def text(self, column: str) -> str:
        """The value of a column as text, NULL for NULL; no code of anybody's runs for it."""
        return self.columns[column].text(self.cell(column))

    def keys(self, objects: str) -> str:
        """FROM item `k`: the keys in a parameter that holds a jsonb array of objects, without the table's row type.

        To fill that type would run the checks of its domains.
        """
        return f"pg_catalog.jsonb_to_recordset({objects}) AS {self._key_row}"

    def one_key(self, object_: str) -> str:
        """The same for one key, a jsonb object."""
        return f"pg_catalog.jsonb_to_record({object_}) AS {self._key_row}"

    @property
    def _key_row(self) -> str:
        return f"k ({', '.join(f'{quote_ident(name)} {kind}' for name, kind in self.key.items())})"

    @property
    def same_key(self) -> str:
        """Condition: the row has the primary key of another one, called `k`."""
        return " AND ".join(f"{self.columns[name].plain(self.cell(name))} = k.{quote_ident(name)}" for name in self.key)


def _object(fields: Mapping[str, str]) -> str:
    pairs = [f"{quote_literal(name)}, {value}" for name, value in fields.items()]
    # A function takes 100 arguments at most.
    parts = [", ".join(pairs[start : start + _MOST_PAIRS]) for start in range(0, len(pairs), _MOST_PAIRS)]
    return " OPERATOR(pg_catalog.||) ".join(f"pg_catalog.jsonb_build_object({part})" for part in parts or [""])


def table(db: Connection, target: str) -> Table:
    """The table of that name or oid. Raises InvalidInput if it cannot have a semantic column."""
    found = db.rows(
        """
        SELECT c.oid::bigint AS oid, c.relkind, quote_ident(n.nspname) AS schema,
               format('%I.%I', n.nspname, c.relname) AS relation, pg_get_userbyid(c.relowner)::text AS owner
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = $1
        """,
        ("regclass",),
        (target,),
    )
    if not found:
        raise InvalidInput(f"there is no table {target}")
    relation = found[0]["relation"]
    if found[0]["relkind"] not in ("r", "p"):
        raise InvalidInput(f"{relation} is not a table", hint="Index the table behind it.")
    oid = found[0]["oid"]
    key = [row["name"] for row in db.rows(_KEY, ("bigint",), (oid,))]
    if not key:
        raise InvalidInput(
            f"table {relation} has no primary key", hint=f"ALTER TABLE {relation} ADD PRIMARY KEY (column);"
        )
    columns = column_types.of_relation(db, oid)
    keyed = {name: columns[name].name for name in key}
    return Table(oid, relation, found[0]["owner"], found[0]["schema"], keyed, columns)


def parts(db: Connection, of: Table, kinds: str, trigger: str | None = None) -> list[str]:
    """The table and its partitions that are of these kinds (`r` has rows, `p` has partitions) and have the trigger."""
    found = db.query_unprepared(
        f"""
        SELECT format('%I.%I', n.nspname, c.relname) AS relation
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE {of.tree} AND c.relkind::text = ANY(string_to_array($1, NULL)) AND (
            $2 IS NULL OR EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = c.oid AND g.tgname = $2)
        )
        """,
        ("text", "name"),
        (kinds, trigger),
    )
    return [row["relation"] for row in found]


def schema_of(db: Connection, extension: str) -> str:
    """The schema, quoted, that an extension's functions and types are in."""
    found = db.rows(
        """
        SELECT quote_ident(n.nspname) AS schema
        FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
        WHERE e.extname = $1
        """,
        ("text",),
        (extension,),
    )
    return str(found[0]["schema"])
