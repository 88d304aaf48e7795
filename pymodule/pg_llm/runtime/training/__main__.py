"""One training: python -m pg_llm.runtime.training FOLDER, which holds job.json and rows.jsonl and receives the model.

Reports and the result are lines of JSON on standard output. Ends with the process that started it.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from pg_llm import parent_death
from pg_llm.errors import Error, to_wire
from pg_llm.models import source
from pg_llm.runtime.training import dataset
from pg_llm.runtime.training.report import LineReport, send

# Trainers of other topics and kinds, by task or method: a module with `run(job, rows, folder, report) -> metrics`.
TRAINERS = {
    "compress": "pg_llm.training.host.compression",
    "recommender": "pg_llm.recommend.host.training",
    "graph": "pg_llm.graph.host.training",
    "static": "pg_llm.training.host.distillation",
    "federated": "pg_llm.federation.host.head",
}
LABELLED = "pg_llm.training.host.trainer"
# Of a long training, so that what others do goes first.
_NICENESS = 10


def main() -> int:
    """Command line of a training."""
    parent_death.die_with(os.getppid())
    os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    folder = Path(sys.argv[1])
    try:
        send({"result": _train(folder, json.loads((folder / "job.json").read_text()))})
    except Error as error:
        send({"error": to_wire(error)})
        return 1
    return 0


def _train(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    trainer = importlib.import_module(TRAINERS.get(job["task"], TRAINERS.get(job["method"], LABELLED)))
    started = time.monotonic()
    examples = dataset.read(folder / "rows.jsonl")
    if not dataset.is_short(job, len(examples)):
        os.nice(_NICENESS)
    if job["method"] == "suspects":
        return {"suspects": trainer.suspects(job, examples, LineReport())}
    model_folder = folder / "model"
    model_folder.mkdir()
    metrics = trainer.run(job, examples, model_folder, LineReport())
    return {
        "metrics": metrics,
        "seconds": round(time.monotonic() - started, 1),
        "folder": str(model_folder),
        "digest": source.digest(model_folder),
    }


if __name__ == "__main__":
    sys.exit(main())
