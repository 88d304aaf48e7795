"""Guards: the recipe of a run as a trigger or a view that belongs to the table's owner and needs nothing of pg_llm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.cleaning import guard_script, kept_rules, recipe, runs, target_table
from pg_llm.cleaning.recipe import Recipe
from pg_llm.cleaning.target_table import TargetTable
from pg_llm.database import catalog, ownership, session_settings, standard_strings
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import DuplicateObject, InvalidInput

MODES = ("trigger", "view", "preview")
TRIGGER = "llm_guard"
_MAX_NAME = 63
_MARK = "Made by llm_guard()"
# Columns by name where another value than the writer's may make the write fail, or go elsewhere, with the reason.
_FIRM = """
    WITH RECURSIVE relation AS (
        SELECT $1::oid AS oid UNION SELECT p.relid FROM pg_partition_tree($1::oid) AS p
    ), checking AS (
        SELECT v.oid FROM pg_class AS v WHERE v.relkind = 'v' AND 'check_option' IN (
            SELECT o.option_name FROM pg_options_to_table(v.reloptions) AS o
        )
        UNION
        SELECT v.oid FROM checking AS k JOIN pg_rewrite AS w ON w.ev_class = k.oid
        JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
            AND d.refclassid = 'pg_class'::regclass
        JOIN pg_class AS v ON v.oid = d.refobjid AND v.relkind = 'v'
    ), firm AS (
        SELECT i.indrelid AS relation, k.number, 'it is part of the index ' || i.indexrelid::regclass AS reason
        FROM pg_index AS i, unnest(i.indkey::int2[]) AS k (number) WHERE i.indisunique OR i.indisexclusion
        UNION ALL
        SELECT i.indrelid, d.refobjsubid, 'an expression of the index ' || i.indexrelid::regclass || ' reads it'
        FROM pg_index AS i JOIN pg_depend AS d
            ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid
        WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
        UNION ALL
        SELECT c.conrelid, k.number, 'it is part of the foreign key ' || quote_ident(c.conname)
        FROM pg_constraint AS c, unnest(c.conkey) AS k (number) WHERE c.contype = 'f'
        UNION ALL
        SELECT a.adrelid, d.refobjsubid, 'a generated column reads it'
        FROM pg_attrdef AS a JOIN pg_attribute AS t ON t.attrelid = a.adrelid AND t.attnum = a.adnum
        JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid AND d.refobjid = a.adrelid
        WHERE t.attgenerated <> '' AND d.refobjsubid <> a.adnum
        UNION ALL
        SELECT p.polrelid, d.refobjsubid, 'the policy ' || quote_ident(p.polname) || ' reads it'
        FROM pg_policy AS p JOIN pg_depend AS d
            ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refobjid = p.polrelid
        UNION ALL
        SELECT r.oid, d.refobjsubid, 'a view with a check option reads it'
        FROM relation AS r JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid
        JOIN pg_rewrite AS w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
        JOIN pg_class AS v ON v.oid = w.ev_class
        -- Not one of somebody who cannot write through it.
        WHERE v.oid IN (SELECT k.oid FROM checking AS k)
        AND has_any_column_privilege(v.relowner, r.oid, 'INSERT, UPDATE')
        UNION ALL
        SELECT p.partrelid, k.number, 'it decides the partition'
        FROM pg_partitioned_table AS p, unnest(p.partattrs::int2[]) AS k (number)
        UNION ALL
        SELECT p.partrelid, d.refobjsubid, 'it decides the partition'
        FROM pg_partitioned_table AS p JOIN pg_depend AS d
            ON d.classid = 'pg_class'::regclass AND d.objid = p.partrelid AND d.refobjid = p.partrelid
    )
    SELECT a.attname::text AS name, min(f.reason) AS reason
    FROM firm AS f JOIN relation AS r ON r.oid = f.relation
    JOIN pg_attribute AS a ON a.attrelid = f.relation AND a.attnum = f.number
    WHERE f.number > 0 GROUP BY a.attname
"""
_CHECKS = """
    SELECT DISTINCT pg_get_expr(c.conbin, c.conrelid) AS condition FROM pg_constraint AS c
    WHERE c.contype = 'c' AND c.conrelid IN (SELECT $1::oid UNION SELECT p.relid FROM pg_partition_tree($1::oid) AS p)
    ORDER BY 1
"""
_ABOUT = """
    SELECT c.relname::text AS name, c.relowner::int8 AS owner, EXISTS (
        SELECT FROM pg_trigger AS g WHERE g.tgrelid = c.oid AND g.tgname = $2 AND NOT g.tgisinternal
    ) AS guarded FROM pg_class AS c WHERE c.oid = $1::oid
"""
# What is there under a name, and the comment of what is the owner's: others can write the same one.
_FUNCTION = """
    SELECT p.oid IS NOT NULL AS there,
           CASE WHEN p.proowner = $2::oid THEN obj_description(p.oid, 'pg_proc') END AS comment
    FROM (SELECT to_regprocedure($1)::oid AS oid) AS n LEFT JOIN pg_proc AS p ON p.oid = n.oid
"""
_VIEW = """
    SELECT c.oid IS NOT NULL AS there,
           CASE WHEN c.relowner = $2::oid THEN obj_description(c.oid, 'pg_class') END AS comment
    FROM (SELECT to_regclass($1)::oid AS oid) AS n LEFT JOIN pg_class AS c ON c.oid = n.oid
"""


def create(db: Connection, target: str, run_id: str | None, mode: str | None) -> list[dict[str, Any]]:
    """Make a guard of a run's recipe, unless `mode` is preview; a row for each step with its SQL and what it lacks.

    A trigger that a rebuilt table has lost is put back as it was made, as rows that came since are no evidence.
    """
    if mode not in MODES:
        raise InvalidInput(f'mode is "{mode}"', hint=f"Use one of: {', '.join(MODES)}.")
    # As the guard is read, whoever writes.
    with standard_strings.pinned(db):
        return _create(db, target, run_id, mode)


def _create(db: Connection, target: str, run_id: str | None, mode: str) -> list[dict[str, Any]]:
    run = runs.find(db, run_id)
    guarded = target_table.find(db, target)
    table = guarded.table
    if mode != "preview":
        ownership.check_owner(db, table)
    excluded = {} if mode == "view" else _firm_columns(db, guarded)
    found = recipe.find(db, run, guarded, excluded, total=mode == "view")
    about = db.rows(_ABOUT, ("int8", "text"), (table.oid, TRIGGER))[0]
    mark = f"{_MARK} of {table.relation} with the recipe of run {run.id}"
    if mode == "view":
        _check_any(found.positions)
        _create_view(db, table, about, found, mark)
    elif mode == "trigger":
        enforced = kept_rules.enforceable(db, guarded)
        kept = not about["guarded"] and _comment(db, _function(table, about), about) == mark
        if not kept:
            _check_any([*found.positions, *enforced])
        body = None if kept else guard_script.trigger_body(found, table.relation, _checks(db, table), enforced)
        db.run_as(about["owner"], lambda: _create_trigger(db, table, about, body, mark))
    rows = [_described(found, step) for step in found.steps]
    for row in rows:
        if row["covered"] < row["cells"]:
            db.notice(
                f"step {row['step']} ({row['column']}: {row['description']}) is guarded for {row['covered']} of"
                f" {row['cells']} cells: {row['note']}"
            )
    return rows


def drop(db: Connection, target: str) -> bool:
    """Drop the guards of a table, trigger and view; whether there was one."""
    table = catalog.table(db, target)
    ownership.check_owner(db, table)
    about = db.rows(_ABOUT, ("int8", "text"), (table.oid, TRIGGER))[0]
    function, view = _function(table, about), _view(table, about)
    has_function, has_view = _is_ours(db, _FUNCTION, function, about), _is_ours(db, _VIEW, view, about)
    statements = [f"DROP TRIGGER {TRIGGER} ON {table.relation}"] * bool(about["guarded"])
    statements += [f"DROP FUNCTION {function}"] * has_function + [f"DROP VIEW {view}"] * has_view

    def work() -> None:
        for statement in statements:
            db.execute(statement)

    if statements:
        db.run_as(about["owner"], work)
    return bool(statements)


def _create_trigger(db: Connection, table: Table, about: dict[str, Any], body: str | None, mark: str) -> None:
    function = _function(table, about)
    if body is not None:
        _check_free(db, _FUNCTION, function, about)
        # A literal means in each session what it means in this one. Locales need not be there where a dump is restored.
        settings = {name: value for name, value in session_settings.current(db).items() if not name.startswith("lc_")}
        meaning = " ".join(f"SET {name} = {quote_literal(value)}" for name, value in settings.items())
        db.execute(
            f"CREATE OR REPLACE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql"
            f" SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on {meaning}"
            f" AS {quote_literal(body)}"
        )
        db.execute(f"COMMENT ON FUNCTION {function} IS {quote_literal(mark)}")
    if not about["guarded"]:
        db.execute(
            f"CREATE TRIGGER {TRIGGER} BEFORE INSERT OR UPDATE ON {table.relation}"
            f" FOR EACH ROW EXECUTE FUNCTION {function}"
        )


def _create_view(db: Connection, table: Table, about: dict[str, Any], found: Recipe, mark: str) -> None:
    view = _view(table, about)
    query = guard_script.view_query(found)

    def work() -> None:
        if _check_free(db, _VIEW, view, about):
            # Its columns may be others by now, which CREATE OR REPLACE refuses.
            db.execute(f"DROP VIEW {view}")
        # Of the invoker: a view reads tables with the rights of its owner otherwise, past row-level security.
        db.execute(f"CREATE VIEW {view} WITH (security_invoker) AS {query}")
        db.execute(f"COMMENT ON VIEW {view} IS {quote_literal(mark)}")

    db.run_as(about["owner"], work)


def _described(found: Recipe, step: recipe.Step) -> dict[str, Any]:
    lines = guard_script.step_sql(found, step)
    return {
        "step": step.number,
        "column": step.column,
        "description": step.description,
        "cells": step.cells,
        "covered": step.covered,
        "sql": "\n".join(lines) or None,
        "note": "; ".join(step.reasons) or None,
    }


def _check_any(things: Sequence[object]) -> None:
    if not things:
        raise InvalidInput(
            "the run has no repair that a guard could repeat",
            hint="llm_accept() or llm_apply() repairs first; llm_guard(…, mode => 'preview') says what hinders.",
        )


def _firm_columns(db: Connection, target: TargetTable) -> dict[str, str]:
    rows = db.rows(_FIRM, ("int8",), (target.table.oid,))
    firm = {
        column.name: "a guard does not change keys and generated columns" for column in target.columns if column.fixed
    }
    return firm | {row["name"]: f"another value might make a write fail, as {row['reason']}" for row in rows}


def _checks(db: Connection, table: Table) -> list[str]:
    return [row["condition"] for row in db.rows(_CHECKS, ("int8",), (table.oid,))]


def _function(table: Table, about: dict[str, Any]) -> str:
    return f"{table.schema}.{quote_ident(_name(about['name'], 'guard'))}()"


def _view(table: Table, about: dict[str, Any]) -> str:
    return f"{table.schema}.{quote_ident(_name(about['name'], 'clean'))}"


def _name(table: str, what: str) -> str:
    """The name of a table with a suffix, cut to what an identifier holds."""
    return f"{table.encode()[: _MAX_NAME - len(what) - 1].decode(errors='ignore')}_{what}"


def _comment(db: Connection, function: str, about: dict[str, Any]) -> str | None:
    comment: str | None = db.rows(_FUNCTION, ("text", "int8"), (function, about["owner"]))[0]["comment"]
    return comment


def _is_ours(db: Connection, query: str, name: str, about: dict[str, Any]) -> bool:
    return str(db.rows(query, ("text", "int8"), (name, about["owner"]))[0]["comment"]).startswith(_MARK)


def _check_free(db: Connection, query: str, name: str, about: dict[str, Any]) -> bool:
    """Whether a guard of that name is there already. Raises DuplicateObject for something else."""
    row = db.rows(query, ("text", "int8"), (name, about["owner"]))[0]
    if row["there"] and not str(row["comment"]).startswith(_MARK):
        raise DuplicateObject(f"there is already {name}, which is no guard", hint="Rename it, or drop it.")
    return bool(row["there"])
