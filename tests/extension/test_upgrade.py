"""Every way to the current version ends in the same catalog, down to bodies, comments, rights and defaults."""

from __future__ import annotations

import psycopg
import pytest
from database import ROOT, value

CATALOG = """
    WITH member AS (
        SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS object
        FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
        WHERE e.extname = 'pg_llm' AND d.deptype = 'e'
    )
    SELECT object, 'comment', obj_description(objid, classid::regclass::name) FROM member
    UNION ALL SELECT object, 'function', pg_get_functiondef(p.oid) || p.proacl::text FROM member
        LEFT JOIN LATERAL (SELECT oid, coalesce(proacl, '{}') AS proacl FROM pg_proc WHERE oid = objid) p ON true
        WHERE classid = 'pg_proc'::regclass
    UNION ALL SELECT object, 'relation', concat_ws(' ', c.relkind, c.relacl, c.reloptions, pg_get_viewdef(c.oid))
        FROM member JOIN pg_class c ON c.oid = objid WHERE classid = 'pg_class'::regclass
    UNION ALL SELECT object, 'schema', n.nspacl::text FROM member JOIN pg_namespace n ON n.oid = objid
        WHERE classid = 'pg_namespace'::regclass
    UNION ALL SELECT object, 'column ' || a.attname, concat_ws(
            ' ', row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod),
            a.attnotnull, pg_get_expr(f.adbin, f.adrelid), a.attacl, col_description(a.attrelid, a.attnum))
        FROM member JOIN pg_attribute a ON a.attrelid = objid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum WHERE classid = 'pg_class'::regclass
    UNION ALL SELECT object, 'constraint ' || conname, pg_get_constraintdef(k.oid)
        FROM member JOIN pg_constraint k ON k.conrelid = objid WHERE classid = 'pg_class'::regclass
    UNION ALL SELECT object, 'index', pg_get_indexdef(i.indexrelid)
        FROM member JOIN pg_index i ON i.indrelid = objid WHERE classid = 'pg_class'::regclass
    UNION ALL SELECT object, 'dumped', condition
        FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS x(relation, condition)
        JOIN member ON objid = relation WHERE e.extname = 'pg_llm'
    UNION ALL SELECT 'builtin models', name, to_jsonb(m)::text
        FROM (SELECT name, task, source, revision, digest, options, dimensions FROM llm.model WHERE builtin) m
"""
FORGOTTEN = [
    "ALTER EXTENSION pg_llm DROP FUNCTION llm_similarity",
    "COMMENT ON FUNCTION llm_embed IS 'other'",
    "ALTER FUNCTION llm_embed VOLATILE",
    "ALTER FUNCTION llm_embed RESET search_path",
    "REVOKE EXECUTE ON FUNCTION llm_embed FROM PUBLIC",
    "ALTER PROCEDURE semantic_index SECURITY DEFINER",
    "CREATE OR REPLACE FUNCTION llm_drop_model(name text) RETURNS void LANGUAGE sql AS ''",
    "CREATE OR REPLACE VIEW llm_models AS SELECT name, task, source, revision, dimensions, labels, options,"
    " '' || digest AS digest FROM llm.model",
    "ALTER VIEW llm.embedding_column RESET (security_barrier)",
    "GRANT INSERT ON llm.model TO PUBLIC",
    "REVOKE USAGE ON SCHEMA llm FROM PUBLIC",
    "ALTER TABLE llm.model ALTER options DROP DEFAULT",
    "ALTER TABLE llm.model ALTER task DROP NOT NULL",
    "ALTER TABLE llm.model DROP CONSTRAINT model_pkey CASCADE",
    "COMMENT ON COLUMN llm.model.digest IS NULL",
    "UPDATE llm.model SET digest = 'other'",
]


def catalog(db: psycopg.Connection) -> set[tuple[str, ...]]:
    return set(db.execute(CATALOG).fetchall())


def test_every_upgrade_path_ends_as_a_fresh_install(db: psycopg.Connection) -> None:
    fresh = catalog(db)
    current = value(db, "SELECT extversion FROM pg_extension WHERE extname = 'pg_llm'")
    assert f"default_version = '{current}'" in (ROOT / "extension" / "pg_llm.control").read_text()
    steps = {path.stem.removeprefix("pg_llm--") for path in (ROOT / "extension" / "updates").glob("*.sql")}
    paths = "SELECT source, target, path FROM pg_extension_update_paths('pg_llm')"
    known = {(source, target): path for source, target, path in db.execute(paths)}
    # Each step is found by the server, and what is released once can always be upgraded.
    assert {tuple(step.split("--")) for step in steps} <= set(known)
    older = {version for version, _ in known} - {current}
    for version in sorted(older):
        assert known[version, current], f"no way from {version} to {current}"
        db.execute("DROP EXTENSION pg_llm")
        db.execute(f"CREATE EXTENSION pg_llm VERSION '{version}'")
        db.execute("ALTER EXTENSION pg_llm UPDATE")
        assert catalog(db) == fresh
    assert older == {step.split("--")[0] for step in steps}


@pytest.mark.parametrize("change", FORGOTTEN)
def test_the_comparison_sees_what_a_step_might_forget(db: psycopg.Connection, change: str) -> None:
    fresh = catalog(db)
    db.execute(change)
    assert catalog(db) != fresh


def test_a_second_install_is_the_same(db: psycopg.Connection) -> None:
    fresh = catalog(db)
    assert len(fresh) > 60
    db.execute("DROP EXTENSION pg_llm; CREATE EXTENSION pg_llm")
    assert catalog(db) == fresh
