"""The installation record: the host's interpreter and the cache folder.

A file that only the installer may write, never a setting: choosing the interpreter means running code as the server.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_RECORD = PACKAGE / "installation.json"
# Environment of processes that compute: threads that wait for each other (OpenMP's, and numpy's of OpenBLAS) spin only
# briefly before they sleep. By default they spin longer: two trainings beside each other on two cores were seven times
# slower, and the fit of a head beside other work took ten times the processor's time.
OPENMP_ENV = {"GOMP_SPINCOUNT": "10000", "OPENBLAS_THREAD_TIMEOUT": "4"}


@dataclass(frozen=True, slots=True)
class Installation:
    """Interpreter and packages of the model host, and the folder for exported models."""

    python: str
    site_packages: str
    cache: str


@functools.cache
def installation() -> Installation:
    """The recorded installation; in a source tree, the running interpreter."""
    try:
        record = json.loads(_RECORD.read_text())
    except FileNotFoundError:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        return Installation(sys.executable, sysconfig.get_path("purelib"), os.path.join(home, "pg_llm"))
    return Installation(record["python"], record["site_packages"], record["cache"])


@functools.cache
def build() -> int:
    """The time of installation, by which a host older than its backends is recognised and replaced."""
    return _RECORD.stat().st_mtime_ns if _RECORD.exists() else 0
