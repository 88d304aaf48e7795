"""SQL mirrors Python: same names, same order, bodies that only pass on, comments that say the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import psycopg
from database import ROOT

FUNCTIONS = ROOT / "pymodule" / "pg_llm" / "functions"
QUERY = """
    SELECT p.proname, p.prosrc, coalesce(p.proargnames[1:p.pronargs], '{}'), obj_description(p.oid), p.proconfig,
           p.prokind, p.prosecdef, p.prorettype = 'trigger'::regtype, l.lanname
    FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_llm' JOIN pg_language l ON l.oid = p.prolang
"""


# What may act for others: forgetting what describes nothing, after anybody's DROP, and asking for work, whoever writes.
DEFINERS = {"prune_companions", "enqueue_work", "companion_rewrite"}
# Whose bodies name everything in full, so that the planner can put them into queries.
INLINED = {"relation_tree", "relation_ancestors"}
# What is written in PL/pgSQL: triggers, and what keeps companion tables beside their sources.
SQL_ONLY = {"companion.sql"}


def defined(topic: str, name: str) -> ast.FunctionDef:
    tree = ast.parse((FUNCTIONS / f"{topic}.py").read_text())
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


def test_sql_mirrors_python(db: psycopg.Connection) -> None:
    rows = [row for row in db.execute(QUERY) if row[-1] == "plpython3u"]
    assert len(rows) >= 14
    for name, body, arguments, comment, *_, trigger, _ in rows:
        call = re.fullmatch(r" from pg_llm.functions import (\w+); return (\w+)\.(\w+)\(([\w, ]*)\) ", body)
        assert call, body
        topic = call[1]
        # A trigger's function has no arguments, and is given what fired it.
        given, takes = (["TD"], ["trigger"]) if trigger else (arguments, arguments)
        assert (call[2], call[3], call[4]) == (topic, name, ", ".join(given))
        function = defined(topic, name)
        assert [argument.arg for argument in function.args.args] == ["db", *takes]
        assert (ast.get_docstring(function) or "").split("\n\n")[0] == comment
        assert f" {name}(" in (ROOT / "sql" / "functions" / f"{topic}.sql").read_text().replace("llm.", " ")


def test_every_function_is_pinned_and_none_has_its_owners_rights(db: psycopg.Connection) -> None:
    for name, _, arguments, comment, config, kind, definer, *_ in db.execute(QUERY).fetchall():
        assert comment, name
        assert not definer or name in DEFINERS, name
        # A procedure that commits cannot carry a setting; it pins the path itself.
        # A function that runs the caller's query begins with the caller's path, and pins it for the rest.
        # So does one that has a model write queries.
        # One that writes to a table of the caller's leaves the path to that table's triggers.
        own = (
            kind == "p"
            or {"query", "vocabulary_query", "members", "events", "sql", "question", "object"} & set(arguments)
            or name
            in INLINED
            | {"stream_create", "stream_alert", "stream_publish"}
            | {"llm_apply", "llm_rollback", "llm_merge", "llm_unmerge"}
            | {"llm_calibrate_ask", "llm_define_metric", "llm_catalog_import"}
        )
        assert own or any(setting.startswith("search_path=pg_catalog, pg_temp") for setting in config), name


def test_a_module_of_functions_for_every_sql_file() -> None:
    for file in (ROOT / "sql" / "functions").glob("*.sql"):
        if file.name in SQL_ONLY:
            continue
        assert (FUNCTIONS / file.name).with_suffix(".py").exists(), file.name
    assert Path(ROOT / "sql" / "privileges.sql").exists()
