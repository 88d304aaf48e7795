"""Raha and Baran (Mahdavi 2019, 2020) on one table, in an environment of their own for their older numpy and pandas."""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from dirty import Pair

ENVIRONMENT = Path("build", "bench", "raha")
PACKAGES = ("raha==1.26", "numpy<2", "pandas<2", "setuptools<81")
# Run there: detection and correction, each with a budget of rows whose labels it takes from the clean table.
SCRIPT = """
import json, random, sys, time
import numpy, raha

folder, budget, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
numpy.random.seed(seed)
files = {"name": "table", "path": f"{folder}/dirty.csv", "clean_path": f"{folder}/clean.csv"}
started = time.time()
detection = raha.Detection()
detection.LABELING_BUDGET = budget
found = detection.run(files)
table = raha.dataset.Dataset(files)
table.detected_cells = dict(found)
correction = raha.Correction()
correction.LABELING_BUDGET = budget
repaired = correction.run(table)
seconds = time.time() - started
print(json.dumps({
    "detection": table.get_data_cleaning_evaluation(found)[2],
    "repair": table.get_data_cleaning_evaluation(repaired)[5],
    "seconds": seconds,
}))
"""


def measure(pair: Pair, marked: int, seeds: int) -> dict[str, float]:
    """Mean F1 of detection and repair and mean seconds, over so many seeds."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    with tempfile.TemporaryDirectory() as folder:
        for version, rows in (("dirty", pair.dirty), ("clean", pair.clean)):
            with Path(folder, f"{version}.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([pair.names, *rows])
        runs = [_run(python, folder, marked, seed) for seed in range(1, seeds + 1)]
    return {name: statistics.mean(run[name] for run in runs) for name in runs[0]}


def _run(python: Path, folder: str, marked: int, seed: int) -> dict[str, float]:
    command = [str(python), "-c", SCRIPT, folder, str(marked), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
