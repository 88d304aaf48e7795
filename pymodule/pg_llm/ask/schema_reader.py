"""The tables that the caller may ask about, read from the catalog when the question is asked, with the caller's rights.

Nothing of it is kept but names, comments and embeddings; values are looked up in the rows that the caller may see.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm.ask.grammar import chinese, lexicon, words
from pg_llm.ask.schema import Column, Edge, Schema, Table
from pg_llm.database import foreign_code, sandbox, table_access
from pg_llm.database.connection import Connection, DatabaseError, Row
from pg_llm.database.models import Model
from pg_llm.database.sandbox import READABLE
from pg_llm.database.select import READ_ONLY
from pg_llm.database.timeout import OutOfTime, time_limit
from pg_llm.errors import InsufficientPrivilege, InvalidInput

# Beyond this, tables are chosen by the question's words; so many are looked at closely.
_MOST_TABLES = 24
_MOST_CHOSEN = 10
# The score of a table whose name holds a word of the question.
_NAMED = 3
_MOST_COLUMNS = 60
# Rows of a table whose values are looked at.
_ROWS_LOOKED_AT = 50_000
# Stands for a table in a query; no identifier holds this character.
TABLE = "\0"
# Tables that were left out and are told by name.
_MOST_TOLD = 3

_CHOSEN = f"""
    SELECT c.oid::bigint AS oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS relation
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE {READABLE} AND NOT c.relispartition
"""
_RANKED = f"""
    WITH readable AS ({_CHOSEN} LIMIT 5000), near AS (
        SELECT e.target::oid::bigint AS oid, max(e.score) AS score FROM (
            SELECT g.target, 1 - (g.embedding OPERATOR(<vector>.<=>) $2::<vector>.vector) AS score
            FROM llm.catalog AS g WHERE g.model = $3 AND $2 IS NOT NULL
            ORDER BY g.embedding OPERATOR(<vector>.<=>) $2::<vector>.vector LIMIT 40
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
_TABLES = """
    SELECT c.oid::bigint AS oid, c.relname::text AS name, c.reltuples,
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
_KEYS = """
    SELECT k.conrelid::bigint AS one, k.confrelid::bigint AS other, k.conkey, k.confkey
    FROM pg_constraint AS k
    WHERE k.contype = 'f' AND k.conrelid = ANY($1::bigint[]::oid[]) AND k.confrelid = ANY($1::bigint[]::oid[])
    AND k.conrelid <> k.confrelid AND k.conparentid = 0
    ORDER BY k.oid
"""
# Tables that foreign keys lead to, so that those between two chosen ones are there.
_NEIGHBOURS = f"""
    SELECT c.oid::bigint AS oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS relation
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE {READABLE} AND NOT c.relispartition AND NOT c.oid = ANY($1::bigint[]::oid[]) AND c.oid IN (
        SELECT k.confrelid FROM pg_constraint AS k WHERE k.contype = 'f' AND k.conrelid = ANY($1::bigint[]::oid[])
        UNION SELECT k.conrelid FROM pg_constraint AS k WHERE k.contype = 'f' AND k.confrelid = ANY($1::bigint[]::oid[])
    )
    LIMIT {_MOST_CHOSEN}
"""
_KINDS = {"N": "number", "S": "text", "E": "text", "D": "date", "B": "bool"}


@dataclass(frozen=True, slots=True)
class Lookup:
    """Values looked up in tables with the rights of a role, until a moment of the monotonic clock."""

    db: Connection
    role: int
    ends: float

    def rows(self, query: str, oid: int, types: Sequence[str] = (), values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows of a query on a table, whose name is `TABLE` in it; none where it fails or takes too long."""
        left = self.ends - time.monotonic()
        if left <= 0:
            return []
        relation = self.db.rows(
            "SELECT format('%I.%I', n.nspname, c.relname) AS relation"
            " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid",
            ("bigint",),
            (oid,),
        )[0]["relation"]

        def read() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            with time_limit(self.db, left):
                self.db.execute(sandbox.STATE)
                found += self.db.query_unprepared(query.replace(TABLE, relation), types, values)
            return found

        try:
            return table_access.as_role(self.db, self.role, read)
        except OutOfTime:
            return []
        except DatabaseError as error:
            if str(error.sqlstate) == "57014":
                raise
            self.db.log(f"pg_llm: values of {relation} were not looked up: {error.sqlstate}")
            return []


@dataclass(frozen=True, slots=True)
class Chosen:
    """The tables that a question may be about, with whose rights they are read, and which were left out, in words."""

    db: Connection
    oids: list[int]
    role: int
    left_out: str

    def lookup(self) -> Lookup:
        """Looking values up in them from now on."""
        return Lookup(self.db, self.role, time.monotonic() + sandbox.limits(self.db).seconds)


def chosen(db: Connection, question: str, tables: Sequence[int] | None, model: Model | None) -> Chosen:
    """The tables named, or those that the question may be about and that run no code which the caller cannot trust.

    Raises InsufficientPrivilege for tables named in vain.
    """
    if tables is not None:
        rows = _safe(db, _named(db, tables), named=True)
        return Chosen(db, [row["oid"] for row in rows], table_access.role_for(db, tables), "")
    rows = _candidates(db, question, model)
    code = untrusted(db, [row["oid"] for row in rows])
    safe = _safe(db, [row for row in rows if row["oid"] not in code], named=False)
    oids = [row["oid"] for row in safe]
    if oids and foreign_code.lock(db, oids, db.current_role()):
        # What was found out about tables of others holds from now on.
        code |= untrusted(db, oids)
        safe = [row for row in safe if row["oid"] not in code]
    return Chosen(db, [row["oid"] for row in safe], db.current_role(), left_out(db, code))


def untrusted(db: Connection, oids: Sequence[int]) -> dict[int, Row]:
    """For each of these relations that runs code which the caller cannot trust the first of it."""
    found: dict[int, Row] = {}
    for row in foreign_code.find(db, oids, db.current_role()) if oids else ():
        found.setdefault(row["root"], row)
    return found


def left_out(db: Connection, code: Mapping[int, Row]) -> str:
    """In words which tables were not looked at, and why; empty for none."""
    if not code:
        return ""
    query = "SELECT o.oid::regclass::text AS name FROM unnest($1::oid[]) AS o (oid)"
    names = db.rows(query, ("int8[]",), (list(code),))
    told = [
        f'{row["name"]} ({first["what"]} runs code of "{first["owner"]}")'
        for row, first in zip(names, code.values(), strict=True)
    ]
    more = f" and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
    return f"left out: {', '.join(told[:_MOST_TOLD])}{more}"


def _named(db: Connection, tables: Sequence[int]) -> list[dict[str, Any]]:
    if not tables:
        raise InvalidInput("tables must not be empty", hint="NULL means all tables that you may read.")
    found = db.rows(
        f"{_CHOSEN.replace(' AND NOT c.relispartition', '')} AND c.oid = ANY($1::bigint[]::oid[])",
        ("bigint[]",),
        (list(tables),),
    )
    missing = set(tables) - {row["oid"] for row in found}
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
    return found


def _candidates(db: Connection, question: str, model: Model | None) -> list[dict[str, Any]]:
    found = db.rows(f"{_CHOSEN} ORDER BY c.oid LIMIT {_MOST_TABLES + 1}")
    if len(found) <= _MOST_TABLES:
        return found
    said = _stems(question)
    chosen = _ranked(db, said, None, "")
    # By meaning only where no table is called by its name: that takes as long again.
    unnamed = model is not None and all(row["score"] < _NAMED for row in chosen)
    if model is not None and unnamed and db.rows("SELECT FROM llm.catalog LIMIT 1"):
        chosen = _ranked(db, said, model.run("embedding", [question[:2000]])[0], model.name)
    if not chosen:
        return []
    return [*chosen, *db.rows(_NEIGHBOURS, ("bigint[]",), ([row["oid"] for row in chosen],))]


def _ranked(db: Connection, said: dict[str, float], vector: str | None, model: str) -> list[dict[str, Any]]:
    from pg_llm.database.catalog import schema_of

    return db.rows(
        _RANKED.replace("<vector>", schema_of(db, "vector")),
        ("text[]", "text", "text", "float8[]"),
        (list(said), vector, model, list(said.values())),
    )


def _stems(question: str) -> dict[str, float]:
    """What names of tables and columns may hold of a question, with weights: longer words say more."""
    found: dict[str, float] = {}
    for word in re.findall(r"[^\W_]+", question[:4000]):
        if chinese.is_in(word):
            for start in range(len(word) - 1):
                if word[start : start + 2] not in chinese.MARKERS:
                    found[word[start : start + 2]] = 1.0
            continue
        its = words.stem(word)
        if len(its) >= 3 and not lexicon.is_empty(word):
            for each in (*words.alike(its), *(short for short in words.shortened(its) if len(short) >= 3)):
                found.setdefault(_beginning(each), 0.5)
            found[_beginning(its)] = 1.0
    return dict(sorted(found.items(), key=lambda pair: -pair[1])[:60])


def _beginning(word: str) -> str:
    """What a word and its plural have in common."""
    return word[:-1] if word.endswith("y") and len(word) > 4 else word


def _safe(db: Connection, rows: Sequence[dict[str, Any]], named: bool) -> list[dict[str, Any]]:
    """Without views that hide what a question may not call; such a view that was named is an error."""
    found = []
    for row in rows:
        text = f"SELECT * FROM {row['relation']}"
        checked = sandbox.check(db, [text], ["pg_catalog"])[0]
        if isinstance(checked, sandbox.Checked):
            found.append(row)
        elif named:
            raise InvalidInput(f"not to be asked about: {checked}", hint="Ask about the tables behind it.")
    return found


def schema(db: Connection, of: Chosen, path: Sequence[str]) -> Schema:
    """The chosen tables with their columns, and how rows of one lead to rows of another."""
    oids = of.oids
    tables: dict[int, Table] = {}
    places: dict[int, int] = {}
    for row in db.rows(_TABLES, ("bigint[]", "text[]"), (list(oids), list(path))):
        places[row["oid"]] = len(tables)
        tables[row["oid"]] = Table(row["oid"], row["name"], row["sql"], [], _phrases(row), rows=row["reltuples"])
    numbers: dict[tuple[int, int], int] = {}
    keys: dict[int, dict[int, int]] = {}
    for row in db.rows(_COLUMNS, ("bigint[]",), (list(oids),)):
        table = tables[row["oid"]]
        if len(table.columns) >= _MOST_COLUMNS:
            continue
        numbers[row["oid"], row["attnum"]] = len(table.columns)
        if row["key_place"] is not None:
            keys.setdefault(row["oid"], {})[row["key_place"]] = len(table.columns)
        kind = "time" if row["typname"] in ("time", "timetz") else _KINDS.get(row["category"], "other")
        kind = "other" if row["typname"] in ("oid", "regclass", "regproc") else kind
        table.columns.append(
            Column(
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
    for oid, its in keys.items():
        tables[oid].key = [column for _, column in sorted(its.items())]
    edges = []
    for row in db.rows(_KEYS, ("bigint[]",), (list(oids),)):
        pairs = [
            (numbers.get((row["one"], a)), numbers.get((row["other"], b)))
            for a, b in zip(row["conkey"], row["confkey"], strict=True)
        ]
        if all(a is not None and b is not None for a, b in pairs):
            edges.append(Edge(places[row["one"]], places[row["other"]], tuple(pairs), 1.0, True))  # type: ignore[arg-type]
    found = list(tables.values())
    _find_keys(db, found, of.lookup())
    return Schema(found, edges)


def _phrases(row: dict[str, Any]) -> list[str]:
    return [text[:500] for text in (row["description"], row["comment"]) if text]


def _find_keys(db: Connection, tables: Sequence[Table], lookup: Lookup) -> None:
    """Which columns are unique, where no constraint says so: looked up in small tables."""
    for table in tables:
        if table.key or table.rows > _ROWS_LOOKED_AT:
            continue
        asked = [
            column
            for place, column in enumerate(table.columns)
            if not column.unique
            and (place == 0 or column.is_key or column.words[-1:] in (("name",), ("title",), ("code",)))
            and column.kind in ("number", "text")
        ][:8]
        if not asked:
            continue
        counts = ", ".join(f"count(DISTINCT t.{column.sql}) = count(*) AS c{n}" for n, column in enumerate(asked))
        row = lookup.rows(f"SELECT count(*) AS n, {counts} FROM {first_rows(asked)} AS t", table.oid)
        for n, column in enumerate(asked):
            column.unique = bool(row) and row[0]["n"] > 0 and row[0][f"c{n}"]


def first_rows(columns: Sequence[Column]) -> str:
    """The first rows of a table, of it only the columns that are read: the caller may have a right to no others."""
    names = ", ".join(column.sql for column in columns)
    return f"(SELECT {names} FROM {TABLE} WHERE {READ_ONLY} LIMIT {_ROWS_LOOKED_AT})"
