"""One training: python -m pg_llm.runtime.training FOLDER, which holds job.json and rows.jsonl and receives the model.

Reports and the result are lines of JSON on standard output. Ends with the process that started it.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import logging
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from pg_llm.errors import Error, to_wire
from pg_llm.models import source
from pg_llm.runtime.training import dataset
from pg_llm.runtime.training.report import LineReport, say

# Methods and tasks whose training is their topic's own: a module with `run(job, rows, made, report) -> metrics`.
TRAINERS = {"recommender": "pg_llm.recommend.host.training", "graph": "pg_llm.graph.host.training"}
LABELLED = "pg_llm.training.host.trainer"
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Command line of a training."""
    _end_with(os.getppid())
    os.nice(10)
    os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    folder = Path(sys.argv[1])
    # Libraries may print; only what `say` writes is for the caller.
    try:
        say({"result": _train(folder, json.loads((folder / "job.json").read_text()))})
    except Error as error:
        say({"error": to_wire(error)})
        return 1
    return 0


def _train(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    trainer = importlib.import_module(TRAINERS.get(job["method"], TRAINERS.get(job["task"], LABELLED)))
    started = time.monotonic()
    examples = dataset.read(folder / "rows.jsonl")
    if job["method"] == "suspects":
        return {"suspects": trainer.suspects(job, examples, LineReport())}
    made = folder / "model"
    made.mkdir()
    metrics = trainer.run(job, examples, made, LineReport())
    return {
        "metrics": metrics,
        "seconds": round(time.monotonic() - started, 1),
        "folder": str(made),
        "digest": source.digest(made),
    }


def _end_with(parent: int) -> None:
    """Be killed when the process that started this one ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
