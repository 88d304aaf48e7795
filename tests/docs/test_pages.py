"""The pages hang together: their size, links, the files and tests that they name, and where they are installed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from database import ROOT
from pages import CHINESE, MANUAL, PAGES, README, anchors, prose, text
from workbench.cluster import Cluster

ALL = [*PAGES, CHINESE]


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_the_readme_is_short(page: Path) -> None:
    lines = text(page).splitlines()
    assert len(lines) <= 400
    assert [line for line in lines if len(line) > 100] == []


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", prose(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
        # The manual is installed without the rest.
        assert page not in MANUAL or target in MANUAL, link


def test_every_page_can_be_reached_from_the_readme() -> None:
    for readme in (README, CHINESE):
        for page in MANUAL:
            assert f"(extension/doc/{page.name}" in text(readme), page.name


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_paths_that_are_named_exist(page: Path) -> None:
    for path in re.findall(r"`((?:sql|tests|docker|extension|pymodule)/[\w./]*)`", prose(page)):
        assert (ROOT / path).exists(), path


def test_tests_that_are_named_exist() -> None:
    named = re.findall(r"`(test_\w+\.py)(?:::(\w+)(…?))?`", text(ROOT / "extension" / "doc" / "security.md"))
    assert named
    for file, test, more in named:
        sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob(file)]
        assert sources, file
        assert not test or any(f"def {test}{'' if more else '('}" in source for source in sources), test


def test_the_manual_is_installed_in_a_folder_of_its_own(cluster: Cluster) -> None:
    installed = [path.name for path in cluster.stage.rglob("*.md") if path.parent.name == "pg_llm"]
    assert sorted(installed) == [page.name for page in MANUAL]


def test_the_changelog_is_as_new_as_the_extension() -> None:
    version = re.search(r"default_version = '([^']+)'", (ROOT / "extension" / "pg_llm.control").read_text())
    newest = re.search(r"^## \[?([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version
    assert newest
    assert newest[1] == version[1]


def test_the_layers_are_those_that_the_linter_holds() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = "\n".join(contracts[0]["layers"])
    assert f"```\n{layers}\n```" in text(ROOT / "extension" / "doc" / "architecture.md")
