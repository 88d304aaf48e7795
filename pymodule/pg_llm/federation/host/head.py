"""The files of a head whose weights peers have learnt together."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np

from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host.head import Head


def run(job: dict[str, Any], rows: list[Example], folder: Path, report: Report) -> dict[str, Any]:
    """Save the head to the folder; nothing is measured here."""
    labels, options = job["labels"], job["options"]
    table = np.frombuffer(base64.b64decode(job["weights"]), dtype="<f8").reshape(-1, len(labels))
    Head(labels, job["task"] == "tag", table[:-1].T, table[-1], options["strength"]).save(folder)
    return {}
