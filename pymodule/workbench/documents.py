"""Real public text for the demo: how the distribution describes its own packages, in English, as a CSV file.

`python -m workbench.documents FILE` writes (name, section, summary, description), one row a package.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

SECTIONS: Final = frozenset({"editors", "education", "games", "graphics", "video"})
# Parts of a program, which repeat what the program's own entry says.
PART: Final = re.compile(
    r"(lib|node-|python3-|r-|ruby-|fonts-|golang-|elpa-).*"
    r"|.*-(bin|common|core|data|dbg|dev|doc|docs|examples|l10n|levels|locales|music|plugins?|server|tests?|utils)"
)
# Characters; the few longer ones would take as long to embed as all the others.
LONGEST: Final = 800
FEWEST: Final = 1000


class Document(NamedTuple):
    """What one package says of itself."""

    name: str
    section: str
    summary: str
    description: str


def documents() -> Iterator[Document]:
    """Packages of the chosen sections in the order of their names, each description once."""
    with tempfile.TemporaryDirectory(prefix="pg_llm-apt-") as folder:
        # A private copy of the lists: the system's may lack the long descriptions, and stays as it is.
        options = [
            *("-o", f"Dir::State::Lists={folder}", "-o", "Acquire::Languages=en"),
            *("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "APT::Sandbox::User=root"),
        ]
        (Path(folder) / "partial").mkdir()
        subprocess.run(["apt-get", "-qq", *options, "update"], check=True)
        available = _output("apt-cache", *options, "dumpavail")
        names = sorted({entry["Package"] for entry in _entries(available) if _is_wanted(entry)})
        shown = _output("apt-cache", *options, "show", "--no-all-versions", *names)
    seen = set()
    for entry in sorted(_entries(shown), key=lambda entry: entry["Package"]):
        summary, _, rest = entry.get("Description-en", entry.get("Description", "")).partition("\n")
        # In Debian's format one space begins a line, and a line of one full stop separates paragraphs.
        lines = [line.removeprefix(" ") for line in rest.splitlines()]
        description = "\n".join("" if line == "." else line for line in lines)
        if 0 < len(description) <= LONGEST and description not in seen:
            seen.add(description)
            yield Document(entry["Package"], _section(entry), summary, description)


def write(path: Path) -> int:
    """Writes the documents to a CSV file and returns their number."""
    rows = list(documents())
    if len(rows) < FEWEST:
        raise SystemExit(f"the package lists hold only {len(rows)} descriptions; check that apt-get update works")
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Document._fields)
        writer.writerows(rows)
    new.replace(path)
    return len(rows)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def _entries(text: str) -> Iterator[dict[str, str]]:
    """Fields of each stanza, values with their continuation lines."""
    for stanza in text.split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): ?(.*(?:\n .*)*)$", stanza, re.MULTILINE))
        if "Package" in fields:
            yield fields


def _section(entry: dict[str, str]) -> str:
    # Some entries read "universe/games".
    return entry.get("Section", "").rpartition("/")[2]


def _is_wanted(entry: dict[str, str]) -> bool:
    return _section(entry) in SECTIONS and not PART.fullmatch(entry["Package"])


if __name__ == "__main__":
    print(write(Path(sys.argv[1])), "documents", file=sys.stderr)
