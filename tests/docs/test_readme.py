"""The README is the manual: its SQL runs, its output is true, and it names everything there is and nothing else."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from database import ROOT
from pg_llm import errors, settings
from pg_llm.graph import options as graph_options
from pg_llm.models import spec
from pg_llm.recommend import options as recommend_options
from pg_llm.training import options as training
from workbench.cluster import Cluster

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Blocks of code are no prose: links and headings in them are none.
PROSE = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of code and the comment right above it, which says what is special about it."""

    about: str
    language: str
    text: str


BLOCKS = [
    Block(*found)
    for found in re.findall(r"^(?:<!-- ([^\n]*) -->\n)?```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
]
ABOUT = re.compile(r"|not run: .+|ends in an error|output not compared: .+")


def run(cluster: Cluster, dbname: str, block: Block) -> str:
    """What psql shows for a block, without the lines that merely name the place of an error."""
    psql = [str(cluster.stage / "bin" / "psql"), "-Xq", "--pset", "footer=off", "-v", "SHOW_CONTEXT=never"]
    done = subprocess.run(
        [*psql, "-v", "ON_ERROR_STOP=1", "--file", "-"],
        input=block.text,
        env=cluster.environment(dbname) | {"PGOPTIONS": "-c client_min_messages=warning"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode == 3) == (block.about == "ends in an error"), f"{block.text}\n{done.stderr}"
    shown = done.stdout + re.sub(r"^psql:<stdin>:\d+: ", "", done.stderr, flags=re.MULTILINE)
    return re.sub(r"[ \t]+$", "", shown, flags=re.MULTILINE).strip("\n")


@pytest.fixture
def bare(db: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A database without the extension; roles that the README makes are gone afterwards."""
    db.execute("DROP EXTENSION pg_llm CASCADE")
    db.execute("DROP EXTENSION vector CASCADE")
    yield db
    for role in re.findall(r"^CREATE ROLE (\w+)", README, re.MULTILINE):
        if db.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
            db.execute(f"DROP OWNED BY {role} CASCADE")
            db.execute(f"DROP ROLE {role}")


def test_the_sql_runs_and_shows_what_is_shown(bare: psycopg.Connection, cluster: Cluster) -> None:
    shown = ""
    compared = 0
    for block in BLOCKS:
        if block.language == "sql" and not block.about.startswith("not run"):
            assert not shown, f"the README does not show this output:\n{shown}"
            shown = run(cluster, bare.info.dbname, block)
        elif block.language == "text" and shown:
            if not block.about:
                assert block.text.strip("\n") == shown
                compared += 1
            shown = ""
    assert compared > 15


def test_comments_on_blocks_are_understood() -> None:
    for block in BLOCKS:
        assert ABOUT.fullmatch(block.about), block.about
    # What cannot run here is the exception.
    assert sum(block.about.startswith("not run") for block in BLOCKS) <= 2


OBJECTS = """
    SELECT CASE n.nspname WHEN 'llm' THEN 'llm.' ELSE '' END || coalesce(p.proname, c.relname), p.prokind, c.relkind,
           coalesce(obj_description(p.oid, 'pg_proc'), obj_description(c.oid, 'pg_class')),
           p.proargnames, p.proargmodes::text[], p.pronargs,
           ARRAY(SELECT format_type(t, NULL) FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) AS t)
    FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'pg_llm' AND d.deptype = 'e'
    LEFT JOIN pg_proc AS p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
    LEFT JOIN pg_class AS c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'v')
    JOIN pg_namespace AS n ON n.oid = coalesce(p.pronamespace, c.relnamespace)
"""
# Functions of the schema llm are called by triggers and views only.
TABLES = {
    "llm.model",
    "llm.model_file",
    "llm.run",
    "llm.recommender",
    "llm.all_cleaning",
    "llm.all_mark",
    "llm.all_change",
    "llm.all_graph",
    "llm.all_graph_source",
    "llm.all_graph_row",
    "llm.all_entity",
    "llm.all_entity_embedding",
    "llm.all_relation",
    "llm.all_evidence",
    "llm.all_merge",
    "llm.all_graph_model",
    "llm.all_graph_model_file",
    "llm.all_catalog",
    "llm.all_description",
    "llm.all_taught",
    "llm.all_ask",
}
# Views that others are made from, and those that the functions write to.
PARTS = {
    "llm.readable_graph_source",
    "llm.seen_alias",
    "llm.relation_end",
    "llm.seen_evidence",
    "llm.own_graph",
    "llm.own_graph_source",
    "llm.own_graph_row",
    "llm.own_entity",
    "llm.own_entity_embedding",
    "llm.own_relation",
    "llm.own_evidence",
    "llm.own_graph_model",
    "llm.own_graph_model_file",
}
INTERNAL = {
    "llm.progress_report",
    "llm.semantic_forget",
    "llm.semantic_definition",
    "llm.graph_row_readable",
    "llm.readable_graph_sources",
    "llm.role_number",
    "llm.graph_follow",
    "llm.semantic_follow",
    "llm.recommender_author",
}


def test_every_object_is_described_in_the_words_of_its_comment(db: psycopg.Connection) -> None:
    # A setting may be called like a view, and stands further down.
    found = re.findall(r"^\| (?:view )?`(?:CALL )?([\w.]+)[^|]*\| (.+) \|$", README, re.MULTILINE)
    rows = dict(reversed(found))
    for name, _, _, comment, *_ in db.execute(OBJECTS).fetchall():
        assert comment, name
        if name not in INTERNAL | TABLES | PARTS:
            assert rows.get(name) == comment


def test_every_function_is_there_with_its_arguments(db: psycopg.Connection) -> None:
    there = {row[0] for row in db.execute(OBJECTS).fetchall()}
    for name, kind, _, _, arguments, modes, count, _ in db.execute(OBJECTS).fetchall():
        if kind is None or name in INTERNAL:
            continue
        signature = re.search(rf"^\| `(CALL )?{name}\((.*?)\)( → .+?)?` \|", README, re.MULTILINE)
        assert signature, name
        assert bool(signature[1]) == (kind == "p"), name
        parts = re.split(r', (?=[\w"]+ [\w\[\]]+)', signature[2])
        assert [part.split()[0].strip('"') for part in parts if part] == (arguments or [])[:count]
        for column, mode in zip(arguments or [], modes or [], strict=bool(modes)):
            assert mode != "t" or column in (signature[3] or ""), f"{name}: {column}"
    # The other way round: no function, procedure or view is promised that does not exist.
    named = set(re.findall(r"\b((?:llm_|semantic_)[a-z_]+)\b(?=\()", README))
    assert named <= {name.removeprefix("llm.") for name in there}
    named = set(re.findall(r"`(llm_\w+|llm\.\w+|semantic_\w+)`", README))
    assert named <= there | set(settings.SETTINGS) | {"llm_admin"}


def test_settings_options_and_errors_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (?:`?([^|`]*)`? \| )?(.+) \|$", README, re.MULTILINE)
    assert {row[0]: row[1:] for row in rows if row[0].startswith("llm.") and row[1]} == {
        setting.name: (setting.default or "''", setting.meaning) for setting in settings.SETTINGS.values()
    }
    options = README.split("| option | |\n|---|---|\n")[1].split("\n\n")[0]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", options, re.MULTILINE)) == {
        name: meaning for name, (_, meaning) in spec.OPTIONS.items()
    }
    options = README.split("| training option | default | |\n|---|---|---|\n")[1].split("\n\n")[0]
    told = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| (.+?)(?: \(`.*\))? \|$", options, re.MULTILINE)
    assert told == [(name, str(option.default), option.meaning) for name, option in training.OPTIONS.items()]
    options = README.split("| recommender option | default | |\n|---|---|---|\n")[1].split("\n\n")[0]
    told = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| (.+) \|$", options, re.MULTILINE)
    assert told == [(name, str(option.default), option.meaning) for name, option in recommend_options.OPTIONS.items()]
    options = README.split("| graph option | default | |\n|---|---|---|\n")[1].split("\n\n")[0]
    told = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| (.+?)(?: \(`.*\))? \|$", options, re.MULTILINE)
    assert told == [(name, str(option.default), option.meaning) for name, option in graph_options.OPTIONS.items()]
    assert {(name, state) for name, state in re.findall(r"^\| `(\w+)` \| (\w{5}) \|", README, re.MULTILINE)} == {
        (name, kind.sqlstate)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.Error)
    }
    # Sentences about errors are those of the tree in errors.py.
    for name, state, meaning in re.findall(r"(\w+) +(\w{5})  (.+)", errors.__doc__ or ""):
        assert f"| `{name}` | {state} | {meaning} |" in README


def test_every_module_has_its_line_in_the_code_map() -> None:
    package = ROOT / "pymodule" / "pg_llm"
    modules = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if path.name != "__init__.py"}
    mapped = README.split("| in `pymodule/pg_llm/` | |\n|---|---|\n")[1].split("\n\n")[0]
    assert set(re.findall(r"`([\w/]+\.py)`", mapped)) == modules


def test_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", PROSE, re.MULTILINE)
    # As GitHub makes them: lower case, no punctuation, hyphens for spaces.
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)]+)\)", PROSE)
    assert links
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors
        elif not link.startswith("https://"):
            assert (ROOT / link).exists(), link


def test_paths_that_are_named_exist() -> None:
    for path in re.findall(r"`((?:sql|tests|docker|extension|pymodule)/[\w./]*)`", PROSE):
        assert Path(ROOT, path).exists(), path


def test_the_changelog_is_as_new_as_the_extension() -> None:
    version = re.search(r"default_version = '([^']+)'", (ROOT / "extension" / "pg_llm.control").read_text())
    newest = re.search(r"^## \[?([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version
    assert newest
    assert newest[1] == version[1]
