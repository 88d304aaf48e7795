"""Tables in the system catalogs (columns, primary key, owner, partitions), and SQL fragments on their rows.

Queries count on a pinned search_path: that of the SQL function, or that of `transaction.pinned`. In fragments, the row
is called `t`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pg_llm.database import column_types, relation_names
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import InvalidInput

# Distance metrics of pgvector: operator class, operator, and the score (higher is better) of a distance.
METRICS = {
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

_MAX_PAIRS = 50


@dataclass(frozen=True, slots=True)
class Table:
    """A relation whose rows have a key; `relation` and `schema` are quoted, `relation` is qualified.

    `kind` is pg_class.relkind; `columns` are in order; `key` maps the key's columns to their types, for domains the
    base type.
    """

    oid: int
    relation: str
    owner: str
    schema: str
    key: dict[str, str]
    columns: dict[str, ColumnType]
    kind: str = "r"

    @property
    def tree(self) -> str:
        """Condition on pg_class `c`: it is the table itself or one of its partitions."""
        return f"(c.oid = {self.oid} OR c.oid IN (SELECT p.relid FROM pg_partition_tree({self.oid}) AS p))"

    @property
    def key_object(self) -> str:
        """A row's primary key as a jsonb object; it does not depend on the caller, unlike `object`."""
        return _object({name: self.cell(name) if self.columns[name].builtin else self.text(name) for name in self.key})

    def object(self, names: Iterable[str]) -> str:
        """These columns of a row as a jsonb object; values whose casts the caller does not trust are texts."""
        return _object({name: self.columns[name].json(self.cell(name)) for name in names})

    def cell(self, column: str) -> str:
        """A column of a row."""
        return f"t.{quote_ident(column)}"

    def text(self, column: str) -> str:
        """The value of a column as text, NULL for NULL, without running foreign code."""
        return self.columns[column].text(self.cell(column))

    def text_in_utc(self, column: str) -> str:
        """As `text`, and the same in whatever time zone the session is."""
        return self.columns[column].text_in_utc(self.cell(column))

    def keys(self, objects: str) -> str:
        """FROM item `k`: the keys in a jsonb array of objects.

        Not jsonb_populate_recordset() on the table's row type: that would run the checks of its domains.
        """
        return f"pg_catalog.jsonb_to_recordset({objects}) AS {self._key_row}"

    def one_key(self, object_: str) -> str:
        """FROM item `k`: the one key in a jsonb object."""
        return f"pg_catalog.jsonb_to_record({object_}) AS {self._key_row}"

    @property
    def _key_row(self) -> str:
        return f"k ({', '.join(f'{quote_ident(name)} {type_}' for name, type_ in self.key.items())})"

    @property
    def same_key(self) -> str:
        """Condition: the row has the primary key of `k`."""
        return " AND ".join(f"{self.columns[name].plain(self.cell(name))} = k.{quote_ident(name)}" for name in self.key)


def _object(fields: Mapping[str, str]) -> str:
    pairs = [f"{quote_literal(name)}, {value}" for name, value in fields.items()]
    # A function takes at most 100 arguments.
    chunks = [", ".join(pairs[start : start + _MAX_PAIRS]) for start in range(0, len(pairs), _MAX_PAIRS)]
    return " OPERATOR(pg_catalog.||) ".join(f"pg_catalog.jsonb_build_object({chunk})" for chunk in chunks or [""])


def table(db: Connection, target: str) -> Table:
    """The table of that name or oid. Raises InvalidInput if it is no table, or has no primary key."""
    return relation(db, target, kinds="rp")


def relation(db: Connection, target: str, key: Sequence[str] | None = None, kinds: str = "rpvmf") -> Table:
    """The relation of that name or oid whose rows are told apart by its primary key, or else by these columns.

    `kinds` are those of pg_class.relkind. Raises InvalidInput for one of another kind, or without such a key.
    """
    rows = db.rows(
        """
        SELECT c.oid::bigint AS oid, c.relkind::text AS relkind, quote_ident(n.nspname) AS schema,
               format('%I.%I', n.nspname, c.relname) AS relation, pg_get_userbyid(c.relowner)::text AS owner
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = $1
        """,
        ("regclass",),
        (target,),
    )
    if not rows:
        raise InvalidInput(f"there is no table {target}")
    row = rows[0]
    name = row["relation"]
    if row["relkind"] not in kinds:
        raise InvalidInput(f"{name} is not a table", hint="Index the table behind it.")
    oid = row["oid"]
    relation_names.note(db, oid, name)
    names = [column["name"] for column in db.rows(_KEY, ("bigint",), (oid,))] if key is None else list(key)
    if not names and key is None:
        hint = f"ALTER TABLE {name} ADD PRIMARY KEY (column);"
        raise InvalidInput(
            f"table {name} has no primary key" if row["relkind"] in "rp" else f"{name} has no primary key",
            hint=hint if row["relkind"] in "rp" else "Say which columns tell its rows apart: key => '{id}'.",
        )
    columns = column_types.of_relation(db, oid)
    for column in names:
        if column not in columns:
            raise InvalidInput(f'{name} has no column "{column}"', hint=f"It has: {', '.join(columns)}.")
    types = {column: columns[column].name for column in names}
    return Table(oid, name, row["owner"], row["schema"], types, columns, row["relkind"])


def parts(db: Connection, of: Table, kinds: str, trigger: str | None = None) -> list[str]:
    """The table and its partitions of these kinds (`r` has rows, `p` has partitions), if given with the trigger."""
    rows = db.query_unprepared(
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
    return [row["relation"] for row in rows]


def schema_of(db: Connection, extension: str) -> str:
    """The schema of an extension's functions and types, quoted."""
    rows = db.rows(
        """
        SELECT quote_ident(n.nspname) AS schema
        FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
        WHERE e.extname = $1
        """,
        ("text",),
        (extension,),
    )
    return str(rows[0]["schema"])
