"""Triggers that keep a graph true: on the tables that it reads, after every statement."""

from __future__ import annotations

import plpy

from pg_llm.functions import semantic_column as catalog
from pg_llm.functions import session
from pg_llm.functions.graph_source import Join, Source

_EVENTS = {
    "insert": "REFERENCING NEW TABLE AS changed",
    "update": "REFERENCING OLD TABLE AS former NEW TABLE AS changed",
    "delete": "REFERENCING OLD TABLE AS former",
    "truncate": "",
}


def follow(source: Source) -> None:
    """Put the triggers on the table, its partitions and what its foreign keys lead to, where they are missing."""
    table = source.table
    function = _function(source, "")
    missing = set(catalog.parts(table, "rp")) - set(catalog.parts(table, "rp", _trigger(source, "insert")))
    if missing:
        _create_function(source, function, _body(source))
    for part in sorted(missing):
        for event in _EVENTS:
            _create_trigger(source, event, part, function)
    for number, join in enumerate(source.joins):
        there = "SELECT FROM pg_trigger WHERE tgrelid = $1::oid AND tgname = $2"
        if not session.rows(there, ("int8", "name"), (join.oid, _trigger(source, f"{number}_insert"))):
            function = _function(source, f"_{number}")
            _create_function(source, function, _joined_body(source, join))
            for event in ("insert", "update"):
                _create_trigger(source, event, join.relation, function, f"{number}_")


def unfollow(source: int) -> None:
    """Take the triggers of a source and their functions away, wherever they are."""
    found = session.rows(
        "SELECT p.oid::regprocedure::text AS function FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = p.proowner"
        " WHERE p.proname ~ $1 AND p.prorettype = 'trigger'::regtype AND r.rolname = CURRENT_USER",
        ("text",),
        (f"^graph_{source}_sync(_[0-9]+)?$",),
    )
    for row in found:
        plpy.execute(f"DROP FUNCTION {row['function']} CASCADE")


def _body(source: Source) -> str:
    """Hands the keys of the changed rows over; only PL/pgSQL can read what a statement changed."""
    key = source.table.key_object
    return f"""
DECLARE
    keys jsonb;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT jsonb_agg({key}) INTO keys FROM changed AS t;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT jsonb_agg({key}) INTO keys FROM former AS t;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT jsonb_agg(u.key) INTO keys
        FROM (SELECT {key} FROM changed AS t UNION SELECT {key} FROM former AS t) AS u (key);
    END IF;
    IF TG_OP = 'TRUNCATE' OR keys IS NOT NULL THEN
        PERFORM {catalog.schema_of("pg_llm")}.graph_sync({source.id}, keys);
    END IF;
    RETURN NULL;
END
"""


def _joined_body(source: Source, join: Join) -> str:
    """The same for rows that lead to a changed row of another table."""
    return f"""
DECLARE
    keys jsonb;
BEGIN
    SELECT jsonb_agg({source.table.key_object}) INTO keys FROM {source.table.relation} AS t
    WHERE t.{plpy.quote_ident(join.column)} IN (SELECT c.{plpy.quote_ident(join.key)} FROM changed AS c);
    IF keys IS NOT NULL THEN
        PERFORM {catalog.schema_of("pg_llm")}.graph_sync({source.id}, keys);
    END IF;
    RETURN NULL;
END
"""


def _create_function(source: Source, function: str, body: str) -> None:
    """With the rights of the graph's owner: who may write to the table need not see the graph."""
    about = f"Keeps the graph {source.row['graph_name']} true"
    for statement in (
        f"CREATE OR REPLACE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        # Keys in full, however few digits the writer's session shows.
        f" SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 AS {plpy.quote_literal(body)}",
        f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC",
        f"COMMENT ON FUNCTION {function} IS {plpy.quote_literal(about)}",
        f"ALTER FUNCTION {function} DEPENDS ON EXTENSION pg_llm",
    ):
        plpy.execute(statement)


def _create_trigger(source: Source, event: str, relation: str, function: str, prefix: str = "") -> None:
    """A trigger that DROP EXTENSION removes, so that an uninstalled pg_llm never stops anybody from writing."""
    name = plpy.quote_ident(_trigger(source, f"{prefix}{event}"))
    plpy.execute(
        f"CREATE TRIGGER {name} AFTER {event.upper()} ON {relation} {_EVENTS[event]}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {function}"
    )
    plpy.execute(f"ALTER TRIGGER {name} ON {relation} DEPENDS ON EXTENSION pg_llm")


def _trigger(source: Source, event: str) -> str:
    return f"zz_graph_{source.id}_{event}"


def _function(source: Source, suffix: str) -> str:
    return f"{source.table.schema}.{plpy.quote_ident(f'graph_{source.id}_sync{suffix}')}()"
