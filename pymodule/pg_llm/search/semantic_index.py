"""A semantic index of a relation: its definition from the catalog, and SQL fragments on its source and its companion.

Queries here and in the modules beside it count on a pinned search_path: that of the SQL function, or that of
`transaction.pinned`. In fragments, a row of the source is called `t`, one of the companion table `c`, a key `k`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pg_llm.database import catalog, relation_names
from pg_llm.database.catalog import Table
from pg_llm.database.column_types import as_text
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import UndefinedIndex

# The columns of a companion table after those of the key, and SQL for the names of their types.
COLUMNS = {
    "chunk": "'int4'",
    "start_pos": "'int4'",
    "end_pos": "'int4'",
    "text_hash": "'bytea'",
    "embedding": "i.storage",
    "words": "'tsvector'",
}
# A place in a template: a column's name in braces.
PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
CHUNK = "chunk"

_INDEXES = """
    SELECT i.id, i.target::oid::int8 AS target, i.companion::oid::int8 AS companion_oid, i.name,
           format('%I.%I', n.nspname, c.relname) AS companion, i.key, i.columns, i.context, i.model, i.method, i.metric,
           i.sync, i.chunking, i.chunk_tokens, i.chunk_overlap, i.template, i.storage, i.text_config, i.sentences,
           c.relowner::int8 AS owner, ARRAY(
               SELECT a.attname::text FROM pg_attribute AS a
               WHERE a.attrelid = c.oid AND a.attnum BETWEEN 1 AND cardinality(i.key) ORDER BY a.attnum
           ) AS companion_key, (
               SELECT count(*) = <count> FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
               WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attgenerated = ''
               AND (a.attname::text, t.typname::text) IN (<columns>)
           ) AS intact
    FROM llm.semantic_index AS i JOIN pg_class AS c ON c.oid = i.companion
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
""".replace("<count>", str(len(COLUMNS))).replace(
    "<columns>", ", ".join(f"('{name}', {type_})" for name, type_ in COLUMNS.items())
)
_OF_RELATION = f"""
    {_INDEXES} WHERE i.target IN (SELECT a.relation FROM llm.relation_ancestors($1::oid) AS a (relation))
    ORDER BY i.name COLLATE "C", i.id
"""
_OF_FIRST_RELEASE = """
    SELECT FROM pg_trigger AS g WHERE g.tgfoid = 'llm.semantic_forget()'::regprocedure
    AND g.tgrelid IN (SELECT a.relation FROM llm.relation_ancestors($1::oid) AS a (relation)) LIMIT 1
"""
_BY_ID = f"{_INDEXES} WHERE i.id = $1"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a semantic index is made from; `context` are the columns that the template names, in its order.

    `sync` is live, background or manual; `storage` the type of the vectors, vector or halfvec; `chunk_tokens` the
    longest chunk in tokens of the model, None for as many as it reads; `sentences` that have vectors of their own:
    none, outlying or all.
    """

    columns: list[str]
    model: str
    method: str
    metric: str
    sync: str
    chunking: str
    chunk_tokens: int | None
    chunk_overlap: int
    template: str | None
    context: list[str]
    storage: str
    text_config: str
    sentences: str


@dataclass(frozen=True, slots=True)
class SemanticIndex:
    """A semantic index; `source` may be a part of the relation that was indexed, whose number is `target`.

    `companion_key` are the companion's names for the columns of the source's key; `owner` owns both.
    """

    id: int
    name: str
    source: Table
    target: int
    companion: str
    companion_oid: int
    companion_key: list[str]
    owner: int
    definition: Definition

    @property
    def document(self) -> str:
        """The text that is indexed; empty where all columns are NULL or empty."""
        parts = (f"nullif({self.source.text_in_utc(column)}, '')" for column in self.definition.columns)
        return f"concat_ws(E'\\n', {', '.join(parts)})"

    @property
    def text_hash(self) -> str:
        """SHA-256 of all that the chunks are made from: the document, and what the template puts beside it."""
        texts = map(self.source.text_in_utc, self.definition.context)
        context = "".join(f" || E'\\x01' || coalesce({text}, '')" for text in texts)
        return f"sha256(convert_to({self.document}{context}, 'UTF8'))"

    @property
    def context_values(self) -> str:
        """What stands beside the chunks as an array of texts: the template's columns, or the one that is the title."""
        definition = self.definition
        title = definition.columns[:1] if definition.template is None and len(definition.columns) > 1 else []
        values = ", ".join(f"coalesce({self.source.text_in_utc(name)}, '')" for name in [*definition.context, *title])
        return f"ARRAY[{values}]::text[]"

    @property
    def keys(self) -> list[str]:
        """The companion's key columns, quoted."""
        return [quote_ident(name) for name in self.companion_key]

    @property
    def companion_key_object(self) -> str:
        """The key of a row of the companion as a jsonb object, equal to that of its row of the source."""
        source = self.source
        pairs = (
            f"{quote_literal(name)}, {f'c.{own}' if source.columns[name].builtin else as_text(f'c.{own}', False)}"
            for name, own in zip(source.key, self.keys, strict=True)
        )
        return f"jsonb_build_object({', '.join(pairs)})"

    @property
    def same_row(self) -> str:
        """Condition: a row of the companion belongs to a row of the source."""
        source = self.source
        cells = (source.columns[name].plain(source.cell(name)) for name in source.key)
        return " AND ".join(f"c.{own} = {cell}" for own, cell in zip(self.keys, cells, strict=True))

    @property
    def companion_has_key(self) -> str:
        """Condition: a row of the companion belongs to the key `k`."""
        names = (quote_ident(name) for name in self.source.key)
        return " AND ".join(f"c.{own} = k.{name}" for own, name in zip(self.keys, names, strict=True))

    @property
    def regconfig(self) -> str:
        """The text search configuration."""
        return f"{quote_literal(self.definition.text_config)}::regconfig"


def of_relation(db: Connection, relation: str) -> list[SemanticIndex]:
    """The semantic indexes of a relation (name or oid), or of those that it is a part of."""
    rows = db.rows(_OF_RELATION, ("regclass",), (relation,))
    return [_index(db, relation, row) for row in rows]


def by_id(db: Connection, id: int) -> SemanticIndex | None:
    """The index of that number, if it is still there and has lost none of its columns."""
    rows = db.rows(_BY_ID, ("int4",), (id,))
    if not rows or _lost(rows[0]):
        return None
    return _index(db, str(rows[0]["target"]), rows[0])


def find(db: Connection, target: str, name: str | None) -> SemanticIndex:
    """The index of that name, or the only one for None. Raises UndefinedIndex, also if it has lost a column."""
    row = find_row(db, target, name)
    if _lost(row):
        relation = _relation(db, target)
        raise UndefinedIndex(
            f'the semantic index "{row["name"]}" of {relation} has lost a column',
            hint=f"CALL semantic_drop('{relation}', '{row['name']}'); and semantic_index again.",
        )
    return _index(db, target, row)


def find_row(db: Connection, target: str, name: str | None) -> Row:
    """The definition of the index of that name, or of the only one for None, however damaged. Raises UndefinedIndex."""
    candidates = db.rows(_OF_RELATION, ("regclass",), (target,))
    matches = [row for row in candidates if name in (None, row["name"])]
    if len(matches) == 1:
        return matches[0]
    relation = _relation(db, target)
    if not candidates:
        if is_of_first_release(db, target):
            raise UndefinedIndex(
                f"the semantic index of table {relation} was made by version 0.1.0, in the table itself",
                hint="CALL semantic_upgrade(); moves such indexes beside their tables.",
            )
        hint = f"CALL semantic_index('{relation}', '{{column}}');"
        raise UndefinedIndex(f"table {relation} has no semantic index", hint=hint)
    names = ", ".join(row["name"] for row in candidates)
    if name is None:
        raise UndefinedIndex(f"table {relation} has several semantic indexes", hint=f"Say which: name => {names}.")
    raise UndefinedIndex(f'table {relation} has no semantic index "{name}"', hint=f"It has: {names}.")


def is_of_first_release(db: Connection, relation: str) -> bool:
    """Whether a relation has a semantic index in its own columns, as version 0.1.0 made it."""
    return bool(db.rows(_OF_FIRST_RELEASE, ("regclass",), (relation,)))


def _relation(db: Connection, target: str) -> str:
    query = """
        SELECT format('%I.%I', n.nspname, c.relname) AS name
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1
    """
    rows = db.rows(query, ("regclass",), (target,))
    return str(rows[0]["name"]) if rows else target


def _lost(row: Row) -> bool:
    names = ("key", "columns", "context")
    is_whole = row["intact"] and len(row["companion_key"]) == len(row["key"])
    return not is_whole or any(None in row[kind] for kind in names)


def _index(db: Connection, relation: str, row: Row) -> SemanticIndex:
    definition = Definition(**{name: row[name] for name in Definition.__slots__})
    source = catalog.relation(db, relation, row["key"])
    _check_columns(source, [*definition.columns, *definition.context], row["name"])
    relation_names.note(db, row["companion_oid"], row["companion"])
    shared = ("id", "name", "target", "companion", "companion_oid", "companion_key", "owner")
    return SemanticIndex(source=source, definition=definition, **{name: row[name] for name in shared})


def _check_columns(source: Table, columns: Sequence[str], name: str) -> None:
    for column in columns:
        if column not in source.columns:
            raise UndefinedIndex(
                f'the semantic index "{name}" of {source.relation} has lost its column "{column}"',
                hint=f"CALL semantic_drop('{source.relation}', '{name}'); and semantic_index again.",
            )
