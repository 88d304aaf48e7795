"""What the pages for contributors name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from database import ROOT

PAGES = sorted((ROOT / ".github").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert link.startswith(("https://", "#")) or (page.parent / link).exists(), link
    # A path with a part that stands for another name, such as extension/updates/pg_llm--OLD--NEW.sql, is none.
    named = re.findall(r"(?<![\w./-])((?:docker|extension|pymodule|sql|tests)/[\w./-]*)", text)
    for path in (path.rstrip(".") for path in named if "--" not in path):
        assert (ROOT / path).exists(), path


def test_the_commands_that_are_named_exist() -> None:
    there = set(re.findall(r"^(\w+)\)$", (ROOT / "run").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"\./run (\w+)", page.read_text(encoding="utf-8"))}
    assert named
    assert named <= there
