"""Every SQL block of README and manual runs, in a database of its page's own, and shows what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pages import ABOUT, CHINESE, MANUAL, PAGES, README, Block, blocks, shown, text
from workbench.cluster import Cluster


@pytest.fixture
def without_roles(db: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The test's database; roles that a page makes are gone afterwards."""
    before = {row[0] for row in db.execute("SELECT rolname FROM pg_roles").fetchall()}
    yield db
    after = {row[0] for row in db.execute("SELECT rolname FROM pg_roles").fetchall()}
    for role in after - before:
        db.execute(f"DROP OWNED BY {role} CASCADE")
        db.execute(f"DROP ROLE {role}")


def check(page: Path, cluster: Cluster, dbname: str) -> None:
    output = ""
    for block in blocks(page):
        if block.language == "sql" and not block.about.startswith("not run"):
            assert not output, f"{page.name} does not show this output:\n{output}"
            output = shown(cluster, dbname, block)
        elif block.language == "text" and output:
            if not block.about:
                assert block.text.strip("\n") == output
            output = ""
    assert not output, f"{page.name} does not show this output:\n{output}"


def test_readme(without_roles: psycopg.Connection, cluster: Cluster) -> None:
    # It begins by making the extension.
    without_roles.execute("DROP EXTENSION pg_llm CASCADE")
    without_roles.execute("DROP EXTENSION vector CASCADE")
    check(README, cluster, without_roles.info.dbname)


@pytest.mark.parametrize("page", MANUAL, ids=lambda page: page.stem)
def test_manual(page: Path, without_roles: psycopg.Connection, cluster: Cluster) -> None:
    check(page, cluster, without_roles.info.dbname)


def test_comments_on_blocks_are_understood() -> None:
    every = [block for page in PAGES for block in blocks(page)]
    for block in every:
        assert ABOUT.fullmatch(block.about), block.about
    # What cannot run here, or differs between machines, is the exception.
    assert sum(block.about.startswith("not run") for block in every) <= 10
    assert sum(block.about.startswith("output not compared") for block in every) <= 3


@pytest.mark.parametrize("page", MANUAL, ids=lambda page: page.stem)
def test_a_page_says_what_it_is_for_and_shows_an_example(page: Path) -> None:
    title, purpose, *_ = text(page).split("\n\n")
    assert re.fullmatch("# .+", title)
    assert purpose[0].isalpha() or purpose.startswith("`")
    before_chapters = re.split(r"^## ", text(page), maxsplit=1, flags=re.MULTILINE)[0]
    # Pages of figures and of licenses have none: those are made by commands.
    assert "```sql\n" in before_chapters or page.stem in ("benchmarks", "licenses")


def test_the_chinese_readme_shows_the_same() -> None:
    def code(page: Path) -> list[Block]:
        return [block for block in blocks(page) if block.language in ("sql", "text")]

    assert code(CHINESE) == code(README)
