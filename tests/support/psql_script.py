"""psql scripts as pg_regress runs them: all that a client sees, with and without companion tables."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from workbench.cluster import Cluster

# A line that stands for the making of a companion table of a table's columns, or for nothing.
_INDEX = re.compile(r"^-- index: (\S+) (\{\S+\})$", re.MULTILINE)
_LINE = re.compile(r"^psql:<stdin>:\d+: ", re.MULTILINE)
_QUIETLY = r"\set ECHO none \set QUIET on \\ SET client_min_messages = error; {} RESET client_min_messages;"
_ALOUD = r"\set ECHO queries \set QUIET off \set VERBOSITY verbose \set SHOW_CONTEXT always"
_FRESH = "DROP SCHEMA IF EXISTS app CASCADE; CREATE SCHEMA app; SET search_path = app, public;"


def run(cluster: Cluster, dbname: str, script: Path, call: str | None = None) -> list[str]:
    """What psql shows of a script in a fresh schema `app`: rows, messages with SQLSTATE and context, command tags.

    `call` makes a companion: {table}, {columns} and {column}, the first of them, are filled in.
    """

    def index(match: re.Match[str]) -> str:
        if call is None:
            return ""
        column = match[2].strip("{}").partition(",")[0]
        return f"{_QUIETLY.format(call.format(table=match[1], columns=match[2], column=column))} {_ALOUD}"

    text = f"{_QUIETLY.format(_FRESH)} {_ALOUD}\n{_INDEX.sub(index, script.read_text(encoding='utf-8'))}"
    done = subprocess.run(
        [str(cluster.stage / "bin" / "psql"), "-X", "-f", "-"],
        env=cluster.environment(dbname),
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    # A notice that comes while COPY reads its lines may name any of these.
    return _LINE.sub("", done.stdout.decode()).splitlines()
