"""The pages of the documentation: README and manual, their blocks of code and what psql shows for them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from database import ROOT
from workbench.cluster import Cluster

README = ROOT / "README.md"
CHINESE = ROOT / "README.zh.md"
MANUAL = sorted((ROOT / "extension" / "doc").glob("*.md"))
PAGES = [README, *MANUAL]


class Block(NamedTuple):
    """A block of code and the comment right above it, which says what is special about it."""

    about: str
    language: str
    text: str


# What such a comment may say.
ABOUT = re.compile(r"|not run: .+|ends in an error|output not compared: .+")
_BLOCK = re.compile(r"^(?:<!-- ([^\n]*) -->\n)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ANY_BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[Block]:
    """The blocks of code that name their language."""
    return [Block(*found) for found in _BLOCK.findall(text(page))]


def prose(page: Path) -> str:
    """A page without its blocks of code: links and headings in those are none."""
    return _ANY_BLOCK.sub("", text(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shown(cluster: Cluster, dbname: str, block: Block) -> str:
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
    output = done.stdout + re.sub(r"^psql:<stdin>:\d+: ", "", done.stderr, flags=re.MULTILINE)
    return re.sub(r"[ \t]+$", "", output, flags=re.MULTILINE).strip("\n")
