"""The README is the manual: its SQL runs, its output is true, and it names everything there is."""

from __future__ import annotations

import re

import psycopg
from database import ROOT
from pg_llm import settings
from pg_llm.models import spec

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_sql_runs_and_shows_what_is_shown(db: psycopg.Connection) -> None:
    db.execute("DROP EXTENSION pg_llm CASCADE")
    rows: list[tuple] = []
    compared = 0
    for language, text in BLOCKS:
        if language == "sql":
            for statement in re.split(r";\s*\n", text.strip().removesuffix(";")):
                cursor = db.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
        elif not language:
            shown = [tuple(cell.strip() for cell in line.split("|")) for line in text.splitlines()[2:]]
            assert shown == [tuple(str(cell).replace("'", '"') for cell in row) for row in rows]
            compared += 1
    assert compared == 2


def test_every_object_is_described(db: psycopg.Connection) -> None:
    objects = db.execute("""
        SELECT coalesce(p.proname, c.relname),
               coalesce(obj_description(p.oid, 'pg_proc'), obj_description(c.oid, 'pg_class'))
        FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_llm' AND d.deptype = 'e'
        LEFT JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
            AND p.pronamespace <> 'llm'::regnamespace
        LEFT JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass AND c.relkind = 'v'
            AND c.relnamespace <> 'llm'::regnamespace
        WHERE p.oid IS NOT NULL OR c.oid IS NOT NULL""").fetchall()
    assert len(objects) >= 14
    for name, comment in objects:
        assert name in README
        assert comment in README, name


def test_settings_and_options_are_listed() -> None:
    for setting in settings.SETTINGS.values():
        assert f"| `{setting.name}` | `{setting.default}` | {setting.meaning} |" in README
    assert set(re.findall(r"`(llm\.(?!model\b|embedding_column\b|progress_report)\w+)", README)) == set(
        settings.SETTINGS
    )
    for name, (_, meaning) in spec.OPTIONS.items():
        assert f"| `{name}` | {meaning} |" in README


def test_the_changelog_is_as_new_as_the_extension() -> None:
    version = re.search(r"default_version = '([^']+)'", (ROOT / "extension" / "pg_llm.control").read_text())
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version
    assert newest
    assert newest[1] == version[1]
