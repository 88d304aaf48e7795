"""Read the schema that a question may be about from the system catalogs, with the caller's rights.

Nothing is kept between questions; values are looked up in the rows that the caller may see.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm.ask import metrics, strangers, words
from pg_llm.ask.linking import operators
from pg_llm.ask.schema import DECLARED_COST, Edge, Schema, SchemaColumn, SchemaTable
from pg_llm.database import foreign_code, relation_names, sandbox, table_access
from pg_llm.database.connection import CANCELLED, Connection, DatabaseError, Row
from pg_llm.database.models import Model
from pg_llm.database.sandbox import OF_ITS_OWN, READABLE
from pg_llm.database.select import READ_ONLY
from pg_llm.database.timeout import TimedOut, time_limit
from pg_llm.errors import InsufficientPrivilege, InvalidInput

# With more tables than that, the question's words select a few that are read.
_MOST_TABLES = 24
_MOST_CHOSEN = 10
# The score of a table whose name contains a word of the question.
_NAME_SCORE = 3
_MOST_COLUMNS = 60
# How many rows of a table are searched for values.
_SAMPLED_ROWS = 50_000
# A placeholder for the table in a query; no identifier contains this character.
TABLE = "\0"
# How many excluded tables the note names.
_MOST_NAMED = 3

_NAMEABLE_TABLES = f"""
    SELECT c.oid::bigint AS oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS relation
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE {READABLE}
"""
_READABLE_TABLES = f"{_NAMEABLE_TABLES} AND {OF_ITS_OWN}"
_RANKED_TABLES = f"""
    WITH readable AS ({_READABLE_TABLES} LIMIT 5000), near AS (
        SELECT e.target::oid::bigint AS oid, max(e.score) AS score FROM (
            SELECT g.target, 1 - (g.embedding OPERATOR(<vector>.<=>) (SELECT $2::<vector>.vector)) AS score
            FROM llm.catalog AS g WHERE g.model = $3 AND $2 IS NOT NULL
            ORDER BY g.embedding OPERATOR(<vector>.<=>) (SELECT $2::<vector>.vector) LIMIT 40
        ) AS e GROUP BY 1
    ), spoken AS (
        SELECT c.oid, lower(c.relname || ' ' || coalesce(min(d.description) FILTER (WHERE d.objsubid = 0), '')) AS own,
               lower(string_agg(coalesce(a.attname, '') || ' ' || coalesce(d.description, ''), ' ')) AS its
        FROM readable AS r JOIN pg_class AS c ON c.oid = r.oid
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND has_column_privilege(c.oid, a.attnum, 'SELECT')
        LEFT JOIN pg_description AS d
            ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid IN (0, a.attnum)
        GROUP BY c.oid, c.relname
    ), said AS (
        SELECT s.oid, sum(
            w.weight * (CASE WHEN strpos(s.own, w.word) > 0 THEN 3 WHEN strpos(s.its, w.word) > 0 THEN 1 ELSE 0 END)
        ) AS score
        FROM spoken AS s CROSS JOIN unnest($1::text[], $4::float8[]) AS w (word, weight)
        GROUP BY s.oid
    )
    SELECT r.oid, r.relkind, r.relation, coalesce(s.score, 0) AS score FROM readable AS r
    LEFT JOIN said AS s ON s.oid = r.oid LEFT JOIN near AS m ON m.oid = r.oid
    WHERE s.score > 0 OR m.oid IS NOT NULL
    ORDER BY coalesce(s.score, 0) + 4 * coalesce(m.score, 0) DESC, r.oid
    LIMIT {_MOST_CHOSEN}
"""
_TABLES = f"""
    SELECT c.oid::bigint AS oid, c.relname::text AS name, c.reltuples, pg_get_userbyid(c.relowner)::text AS owner,
           {strangers.TRUSTED} AS trusted,
           CASE WHEN n.nspname = (
               SELECT v.schema FROM unnest($2::text[]) WITH ORDINALITY AS v (schema, place)
               JOIN pg_namespace AS s ON s.nspname = v.schema
               JOIN pg_class AS o ON o.relnamespace = s.oid AND o.relname = c.relname
               ORDER BY v.place LIMIT 1
           ) THEN quote_ident(c.relname) ELSE format('%I.%I', n.nspname, c.relname) END AS sql,
           obj_description(c.oid, 'pg_class') AS comment,
           (SELECT d.description FROM llm.description AS d WHERE d.target = c.oid AND d."column" = '') AS description
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = ANY($1::bigint[]::oid[])
    ORDER BY array_position($1::bigint[], c.oid::bigint)
"""
_COLUMNS = """
    SELECT a.attrelid::bigint AS oid, a.attnum, a.attname::text AS name, quote_ident(a.attname) AS sql,
           format_type(a.atttypid, a.atttypmod) AS type, coalesce(b.typcategory, t.typcategory) AS category,
           coalesce(b.typname, t.typname)::text AS typname,
           coalesce(b.typnamespace, t.typnamespace) = 'pg_catalog'::regnamespace AS builtin,
           NOT a.attnotnull AS nullable,
           col_description(a.attrelid, a.attnum) AS comment, (
               SELECT d.description FROM llm.description AS d WHERE d.target = a.attrelid AND d."column" = a.attname
           ) AS description,
           EXISTS (
               SELECT FROM pg_index AS i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indpred IS NULL
               AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
           ) AS single, (
               SELECT array_position(i.indkey::int2[], a.attnum) FROM pg_index AS i
               WHERE i.indrelid = a.attrelid AND i.indisprimary
           ) AS key_place
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    LEFT JOIN pg_type AS b ON b.oid = nullif(t.typbasetype, 0)
    WHERE a.attrelid = ANY($1::bigint[]::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    ORDER BY array_position($1::bigint[], a.attrelid::bigint), a.attnum
"""
_FOREIGN_KEYS = """
    SELECT k.conrelid::bigint AS one, k.confrelid::bigint AS other, k.conkey, k.confkey
    FROM pg_constraint AS k
    WHERE k.contype = 'f' AND k.conrelid = ANY($1::bigint[]::oid[]) AND k.confrelid = ANY($1::bigint[]::oid[])
    AND k.conrelid <> k.confrelid AND k.conparentid = 0
    ORDER BY k.oid
"""
# Tables that foreign keys connect with the selected ones, which may lie on a join path.
_NEIGHBOR_TABLES = f"""
    SELECT c.oid::bigint AS oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS relation
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE {READABLE} AND {OF_ITS_OWN} AND NOT c.oid = ANY($1::bigint[]::oid[]) AND c.oid IN (
        SELECT k.confrelid FROM pg_constraint AS k WHERE k.contype = 'f' AND k.conrelid = ANY($1::bigint[]::oid[])
        UNION SELECT k.conrelid FROM pg_constraint AS k WHERE k.contype = 'f' AND k.confrelid = ANY($1::bigint[]::oid[])
    )
    LIMIT {_MOST_CHOSEN}
"""
_KINDS = {"N": "number", "S": "text", "E": "text", "D": "date", "B": "bool"}


@dataclass(frozen=True, slots=True)
class ValueLookup:
    """Runs queries that look values up in a table, with the rights of a role, until a deadline (monotonic clock)."""

    db: Connection
    role: int
    deadline: float

    def rows(self, query: str, oid: int, types: Sequence[str] = (), values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of a query whose table is written as `TABLE`; no rows if it fails or is out of time."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            return []
        relation = self.db.rows(
            "SELECT format('%I.%I', n.nspname, c.relname) AS relation"
            " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid",
            ("bigint",),
            (oid,),
        )[0]["relation"]
        relation_names.note(self.db, oid, relation)
        relation_names.check(self.db, [oid])

        def read() -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = []
            with time_limit(self.db, remaining):
                self.db.execute(sandbox.SAFE_SETTINGS)
                rows += self.db.query_unprepared(query.replace(TABLE, relation), types, values)
            return rows

        try:
            return table_access.as_role(self.db, self.role, read)
        except TimedOut:
            return []
        except DatabaseError as error:
            if error.sqlstate == CANCELLED:
                raise
            self.db.log(f"pg_llm: values of {relation} were not looked up: {error.sqlstate}")
            return []


@dataclass(frozen=True, slots=True)
class TableSelection:
    """The tables that a question may be about, the role they are read as, and a note on excluded ones.

    `named` is true where the caller named them.
    """

    oids: list[int]
    role: int
    exclusion_note: str
    named: bool = False

    def lookup(self, db: Connection) -> ValueLookup:
        """A lookup whose time begins now."""
        return ValueLookup(db, self.role, time.monotonic() + sandbox.limits(db).seconds)


def select_tables(db: Connection, question: str, tables: Sequence[int] | None, model: Model | None) -> TableSelection:
    """The given tables, or those that the question may be about and that run no code which the caller cannot trust.

    Raises InsufficientPrivilege if a given table may not be read.
    """
    if tables is not None:
        rows = _without_unsafe_views(db, _named_tables(db, tables), named=True)
        return TableSelection([row["oid"] for row in rows], table_access.role_for(db, tables), "", named=True)
    rows = _candidate_tables(db, question, model)
    code = untrusted(db, [row["oid"] for row in rows])
    safe = _without_unsafe_views(db, [row for row in rows if row["oid"] not in code], named=False)
    oids = [row["oid"] for row in safe]
    if oids and foreign_code.lock(db, oids, db.current_role()):
        # Under the locks the definitions cannot change, so that this check is final.
        code |= untrusted(db, oids)
        safe = _without_unsafe_views(db, [row for row in safe if row["oid"] not in code], named=False)
    return TableSelection([row["oid"] for row in safe], db.current_role(), exclusion_note(db, code))


def untrusted(db: Connection, oids: Sequence[int]) -> dict[int, Row]:
    """For each relation that runs code of roles that the caller cannot trust, the first such piece of code."""
    first_by_oid: dict[int, Row] = {}
    for row in foreign_code.find(db, oids, db.current_role()) if oids else ():
        first_by_oid.setdefault(row["root"], row)
    return first_by_oid


def exclusion_note(db: Connection, code: Mapping[int, Row]) -> str:
    """A note that names excluded tables and the reason; empty if there are none."""
    if not code:
        return ""
    query = "SELECT o.oid::regclass::text AS name FROM unnest($1::oid[]) AS o (oid)"
    names = db.rows(query, ("int8[]",), (list(code),))
    reasons = [
        f'{row["name"]} ({first["what"]} runs code of "{first["owner"]}")'
        for row, first in zip(names, code.values(), strict=True)
    ]
    more = f" and {len(reasons) - _MOST_NAMED} more" if len(reasons) > _MOST_NAMED else ""
    return f"left out: {', '.join(reasons[:_MOST_NAMED])}{more}"


def _named_tables(db: Connection, tables: Sequence[int]) -> list[dict[str, Any]]:
    if not tables:
        raise InvalidInput("tables must not be empty", hint="NULL means all tables that you may read.")
    rows = db.rows(
        f"{_NAMEABLE_TABLES} AND c.oid = ANY($1::bigint[]::oid[])",
        ("bigint[]",),
        (list(tables),),
    )
    missing = set(tables) - {row["oid"] for row in rows}
    if missing:
        names = db.rows(
            "SELECT string_agg(t.oid::oid::regclass::text, ', ') AS names FROM unnest($1::bigint[]) AS t (oid)",
            ("bigint[]",),
            (sorted(missing),),
        )
        raise InsufficientPrivilege(
            f"not to be asked about: {names[0]['names']}",
            hint="Tables and views will do whose rows you may SELECT; no catalogs, no foreign tables.",
        )
    return rows


def _candidate_tables(db: Connection, question: str, model: Model | None) -> list[dict[str, Any]]:
    tables = db.rows(f"{_READABLE_TABLES} ORDER BY c.oid LIMIT {_MOST_TABLES + 1}")
    if len(tables) <= _MOST_TABLES:
        return tables
    weights = _weighted_words(question)
    chosen = _rank_tables(db, weights, None, "")
    # The embedding is only computed if no table has a name of the question, as it doubles the time.
    unnamed = model is not None and all(row["score"] < _NAME_SCORE for row in chosen)
    if model is not None and unnamed and db.rows("SELECT FROM llm.catalog LIMIT 1"):
        chosen = _rank_tables(db, weights, model.run("embedding", [question[:2000]])[0], model.name)
    chosen += _metric_tables(db, question, {row["oid"] for row in chosen})
    if not chosen:
        return []
    return [*chosen, *db.rows(_NEIGHBOR_TABLES, ("bigint[]",), ([row["oid"] for row in chosen],))]


def _metric_tables(db: Connection, question: str, chosen: set[int]) -> list[dict[str, Any]]:
    """The tables of metrics that the question names, without those chosen already."""
    oids = [oid for oid in metrics.named_tables(db, question) if oid not in chosen]
    return db.rows(f"{_READABLE_TABLES} AND c.oid = ANY($1::bigint[]::oid[])", ("bigint[]",), (oids,)) if oids else []


def _rank_tables(db: Connection, weights: dict[str, float], vector: str | None, model: str) -> list[dict[str, Any]]:
    from pg_llm.database.catalog import schema_of

    return db.rows(
        _RANKED_TABLES.replace("<vector>", schema_of(db, "vector")),
        ("text[]", "text", "text", "float8[]"),
        (list(weights), vector, model, list(weights.values())),
    )


def _weighted_words(question: str) -> dict[str, float]:
    """Words that names of tables and columns may contain, with weights: abbreviations weigh less."""
    weights: dict[str, float] = {}
    for word in re.findall(r"[^\W_]+", question[:4000]):
        if words.contains_chinese(word):
            for start in range(len(word) - 1):
                if tuple(word[start : start + 2]) not in operators.OPERATORS:
                    weights[word[start : start + 2]] = 1.0
            continue
        stem = words.stem(word)
        if len(stem) >= 3 and not operators.is_empty(word):
            for short in words.likely_abbreviations(stem):
                if len(short) >= 3:
                    weights.setdefault(_without_y(short), 0.5)
            weights[_without_y(stem)] = 1.0
    return dict(sorted(weights.items(), key=lambda pair: -pair[1])[:60])


def _without_y(word: str) -> str:
    """The common prefix of a noun in -y and its plural."""
    return word[:-1] if word.endswith("y") and len(word) > 4 else word


def _without_unsafe_views(db: Connection, rows: Sequence[dict[str, Any]], named: bool) -> list[dict[str, Any]]:
    """Drop views that call what the sandbox refuses. Raises InvalidInput for such a view that was `named`."""
    safe = []
    for row in rows:
        text = f"SELECT * FROM {row['relation']}"
        checked = sandbox.check(db, [text], ["pg_catalog"])[0]
        if isinstance(checked, sandbox.ValidatedQuery):
            safe.append(row)
        elif named:
            raise InvalidInput(f"not to be asked about: {checked}", hint="Ask about the tables behind it.")
    return safe


def read_schema(db: Connection, selection: TableSelection, path: Sequence[str]) -> Schema:
    """Read the selected tables with their columns, keys and foreign keys."""
    oids = selection.oids
    tables: dict[int, SchemaTable] = {}
    places: dict[int, int] = {}
    rows = db.rows(_TABLES, ("bigint[]", "text[]"), (list(oids), list(path)))
    for row in rows if selection.named else strangers.without_imitations(rows):
        places[row["oid"]] = len(tables)
        table = tables[row["oid"]] = SchemaTable(
            row["oid"], row["name"], row["sql"], [], _phrases(row), row_count=row["reltuples"]
        )
        table.owner, table.trusted = row["owner"], row["trusted"] or selection.named
    numbers: dict[tuple[int, int], int] = {}
    keys: dict[int, dict[int, int]] = {}
    for row in db.rows(_COLUMNS, ("bigint[]",), (list(tables),)):
        table = tables[row["oid"]]
        if len(table.columns) >= _MOST_COLUMNS:
            continue
        numbers[row["oid"], row["attnum"]] = len(table.columns)
        if row["key_place"] is not None:
            keys.setdefault(row["oid"], {})[row["key_place"]] = len(table.columns)
        kind = "time" if row["typname"] in ("time", "timetz") else _KINDS.get(row["category"], "other")
        kind = "other" if row["typname"] in ("oid", "regclass", "regproc") else kind
        table.columns.append(
            SchemaColumn(
                row["name"],
                row["sql"],
                row["type"],
                kind,
                _phrases(row),
                row["single"],
                row["nullable"],
                row["builtin"],
            )
        )
    for oid, columns in keys.items():
        tables[oid].key = [column for _, column in sorted(columns.items())]
    edges = []
    for row in db.rows(_FOREIGN_KEYS, ("bigint[]",), (list(tables),)):
        pairs = [
            (numbers.get((row["one"], a)), numbers.get((row["other"], b)))
            for a, b in zip(row["conkey"], row["confkey"], strict=True)
        ]
        if all(a is not None and b is not None for a, b in pairs):
            edges.append(Edge(places[row["one"]], places[row["other"]], tuple(pairs), DECLARED_COST, True))  # type: ignore[arg-type]
    ordered = list(tables.values())
    strangers.silence(ordered)
    _find_unique_columns(db, ordered, selection.lookup(db))
    return Schema(ordered, edges)


def _phrases(row: dict[str, Any]) -> list[str]:
    return [text[:500] for text in (row["description"], row["comment"]) if text]


def _find_unique_columns(db: Connection, tables: Sequence[SchemaTable], lookup: ValueLookup) -> None:
    """Mark columns that are unique in the rows, in small tables without a declared key."""
    for table in tables:
        if table.key or table.row_count > _SAMPLED_ROWS:
            continue
        candidates = [
            column
            for index, column in enumerate(table.columns)
            if not column.unique
            and (index == 0 or column.is_key or column.words[-1:] in (("name",), ("title",), ("code",)))
            and column.kind in ("number", "text")
        ][:8]
        if not candidates:
            continue
        counts = ", ".join(f"count(DISTINCT t.{column.sql}) = count(*) AS c{n}" for n, column in enumerate(candidates))
        row = lookup.rows(f"SELECT count(*) AS n, {counts} FROM {sample_rows(candidates)} AS t", table.oid)
        for n, column in enumerate(candidates):
            column.unique = bool(row) and row[0]["n"] > 0 and row[0][f"c{n}"]


def sample_rows(columns: Sequence[SchemaColumn]) -> str:
    """The first rows of a table as a subquery that reads only these columns: the caller may lack rights on others."""
    names = ", ".join(column.sql for column in columns)
    return f"(SELECT {names} FROM {TABLE} WHERE {READ_ONLY} LIMIT {_SAMPLED_ROWS})"
