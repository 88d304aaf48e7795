"""dbt on tables with a semantic index: incremental models of every kind, full refresh, seeds and snapshots (D4).

dbt has an environment of its own, made in the cache folder by the first run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import companion
import psycopg
import pytest
from database import value

REQUIREMENTS = ("dbt-core==1.10.23", "dbt-postgres==1.9.1", "dbt-adapters==1.24.5", "dbt-common==1.39.0")
MODEL = """
    {{{{ config(materialized='incremental', {options}) }}}}
    SELECT id, body{more} FROM {{{{ ref('raw_note') }}}}
    {{% if is_incremental() %}} WHERE id > (SELECT coalesce(max(id), 0) - {overlap} FROM {{{{ this }}}}) {{% endif %}}
"""
Dbt = Callable[..., None]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def program() -> Path:
    """The program dbt, installed apart from everything else."""
    cache = Path(os.environ["PG_LLM_STAGE"]).parents[2]
    folder = cache / "dbt" / REQUIREMENTS[0].replace("==", "-")
    if not (folder / "bin" / "dbt").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-qq", *REQUIREMENTS], check=True)
    return folder / "bin" / "dbt"


@pytest.fixture
def dbt(db: psycopg.Connection, program: Path, tmp_path: Path) -> Dbt:
    """Runs a command of dbt on a project with one seed."""
    target = {
        "type": "postgres",
        "host": db.info.host,
        "port": db.info.port,
        "user": "postgres",
        "password": "",
        "dbname": db.info.dbname,
        "schema": "public",
        "threads": 1,
    }
    project = {"name": "notes", "version": "1.0.0", "profile": "notes", "flags": {"send_anonymous_usage_stats": False}}
    (tmp_path / "profiles.yml").write_text(json.dumps({"notes": {"target": "t", "outputs": {"t": target}}}))
    (tmp_path / "dbt_project.yml").write_text(json.dumps(project))
    for folder in ("models", "seeds", "snapshots"):
        (tmp_path / folder).mkdir()
    write_seed(tmp_path, {1: "a red apple", 2: "a violin"})

    def run(*command: str) -> None:
        environment = {name: text for name, text in os.environ.items() if not name.startswith(("PG", "PYTHON"))}
        done = subprocess.run(
            [str(program), "--no-version-check", *command, "--profiles-dir", str(tmp_path)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    return run


def write_seed(folder: Path, rows: dict[int, str]) -> None:
    lines = [f"{id},{body},en" for id, body in rows.items()]
    (folder / "seeds" / "raw_note.csv").write_text("\n".join(["id,body,lang", *lines, ""]))


def write_model(folder: Path, options: str, more: str = "", from_last: bool = True) -> None:
    text = MODEL.format(options=options, more=more, overlap=int(from_last))
    (folder / "models" / "note.sql").write_text(dedent(text))


def bodies(db: psycopg.Connection) -> list[str]:
    return [body for (body,) in db.execute("SELECT body FROM note ORDER BY id, body")]


@pytest.mark.parametrize(
    ("strategy", "schema_change", "sync"),
    [
        ("append", "ignore", "live"),
        ("delete+insert", "append_new_columns", "live"),
        ("delete+insert", "fail", "background"),
        ("merge", "sync_all_columns", "live"),
        ("merge", "append_new_columns", "background"),
    ],
)
def test_an_incremental_model(
    db: psycopg.Connection, dbt: Dbt, tmp_path: Path, strategy: str, schema_change: str, sync: str
) -> None:
    appends = strategy == "append"
    options = f"incremental_strategy='{strategy}', on_schema_change='{schema_change}'"
    options += "" if appends else ", unique_key='id'"
    write_model(tmp_path, options, from_last=not appends)
    dbt("build")
    db.execute("ALTER TABLE note ADD PRIMARY KEY (id)")
    db.execute("CALL semantic_index('note', '{body}', sync => %s)", (sync,))
    write_seed(tmp_path, {1: "a red apple", 2: "a grand piano", 3: "a loaf of bread"})
    dbt("build")
    assert bodies(db) == ["a red apple", "a violin" if appends else "a grand piano", "a loaf of bread"]
    companion.settle(db)
    assert companion.differences(db) == {}
    assert value(db, "SELECT s.row ->> 'body' FROM semantic_search('bakery', 'note', 1) AS s") == "a loaf of bread"
    if schema_change in ("append_new_columns", "sync_all_columns"):
        write_model(tmp_path, options, more=", lang")
        dbt("run")
        assert value(db, "SELECT count(lang) FROM note") > 0
        companion.settle(db)
        assert companion.differences(db) == {}
    assert len(companion.indexes(db)) == 1


@pytest.mark.parametrize("materialized", ["incremental", "table"])
def test_a_model_that_is_made_anew(db: psycopg.Connection, dbt: Dbt, tmp_path: Path, materialized: str) -> None:
    """The table is another one then: a hook makes its index, while the one of its predecessor is still there."""
    key = "ALTER TABLE {{ this }} ADD PRIMARY KEY (id)"
    call = "CALL semantic_index('{{ this }}', '{body}')"
    hooks = f'post_hook=["{key}", "{call}"]' if materialized == "table" else f'post_hook=["{call}"]'
    model = f"{{{{ config(materialized='{materialized}', {hooks}) }}}} SELECT id, body FROM {{{{ ref('raw_note') }}}}"
    if materialized == "incremental":
        model = model.replace("config(", "config(unique_key='id', ")
        # Without a key the first time, the hook would fail.
        condition = "{% if not is_incremental() %} ALTER TABLE {{ this }} ADD PRIMARY KEY (id) {% endif %}"
        model = model.replace('post_hook=["', f'post_hook=["{condition}", "')
    (tmp_path / "models" / "note.sql").write_text(model)
    dbt("build")
    assert len(companion.indexes(db)) == 1
    write_seed(tmp_path, {1: "a red apple", 5: "a loaf of bread"})
    for command in (("build",), ("build", "--full-refresh"), ("build",), ("build", "--full-refresh")):
        dbt(*command)
        assert len(companion.indexes(db)) == 1
        assert companion.differences(db) == {}
        assert value(db, "SELECT s.row ->> 'body' FROM semantic_search('bakery', 'note', 1) AS s") == "a loaf of bread"
    assert value(db, "SELECT count(*) FROM pg_class WHERE relname ~ '^note.*embedding' AND relkind = 'r'") == 1


@pytest.mark.parametrize("sync", ["live", "background", "manual"])
def test_a_seed(db: psycopg.Connection, dbt: Dbt, tmp_path: Path, sync: str) -> None:
    """dbt truncates and fills it again; with --full-refresh it drops the table, and the index with it."""
    dbt("seed")
    db.execute("ALTER TABLE raw_note ADD PRIMARY KEY (id)")
    db.execute("CALL semantic_index('raw_note', '{body}', sync => %s)", (sync,))
    write_seed(tmp_path, {2: "a grand piano", 3: "a loaf of bread"})
    dbt("seed")
    companion.settle(db)
    assert companion.differences(db) == {}
    assert value(db, "SELECT count(*) FROM raw_note_embedding") == 2
    dbt("seed", "--full-refresh")
    assert companion.indexes(db) == []
    assert value(db, "SELECT to_regclass('raw_note_embedding')") is None


def test_a_snapshot(db: psycopg.Connection, dbt: Dbt, tmp_path: Path) -> None:
    (tmp_path / "snapshots" / "history.sql").write_text(
        "{% snapshot history %} {{ config(target_schema='public', unique_key='id', strategy='check',"
        " check_cols=['body'], invalidate_hard_deletes=True) }} SELECT * FROM {{ ref('raw_note') }} {% endsnapshot %}"
    )
    dbt("build")
    db.execute("ALTER TABLE history ADD PRIMARY KEY (dbt_scd_id)")
    db.execute("CALL semantic_index('history', '{body}')")
    write_seed(tmp_path, {1: "a green apple", 3: "a loaf of bread"})
    dbt("build")
    dbt("snapshot")
    assert value(db, "SELECT count(*) FROM history") == 4
    assert companion.differences(db) == {}
