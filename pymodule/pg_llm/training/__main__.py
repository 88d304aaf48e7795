"""One training: python -m pg_llm.training FOLDER, which holds job.json and rows.jsonl and receives the model.

Reports and the result are lines of JSON on standard output. Ends with the process that started it.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pg_llm.errors import Error, to_wire
from pg_llm.models import source
from pg_llm.training import dataset, pairs
from pg_llm.training.dataset import Example
from pg_llm.training.report import LineReport, say

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
    started = time.monotonic()
    examples = dataset.read(folder / "rows.jsonl")
    if job["method"] == "suspects":
        return {"suspects": _suspects(job, examples)}
    if job["method"] == "recommender":
        return _kept(started, folder / "model", lambda made: _recommender(job, examples, made))
    if job["task"] == "graph":
        return _kept(started, folder / "model", lambda made: _graph(folder, job, examples, made))
    labelled = [example for example in examples if example.truth is not None]
    training, validation = dataset.split(labelled, job["options"]["validation"])
    rows = {"training_rows": len(training), "validation_rows": len(validation)}
    if job["task"] == "relations":
        # Texts have been split, not their pairs: what is measured on has not been read.
        ends = pairs.ends(labelled)
        job, training, validation = pairs.as_classes(job, training, validation)

    def measured(made: Path) -> dict[str, Any]:
        if job["method"] == "head":
            found = _head(job, training, validation, made)
        elif job["method"] == "self_train":
            unlabelled = [example for example in examples if example.truth is None]
            found = _self_train(job, training, validation, unlabelled, made)
        else:
            found = _transformer(job, training, validation, made)
        if "nothing" in job:
            (made / source.ENDS).write_text(json.dumps(ends, ensure_ascii=False, sort_keys=True), encoding="utf-8")
        return {**found, **rows}

    return _kept(started, folder / "model", measured)


def _kept(started: float, made: Path, train: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """What is told of a training that leaves a model in the folder."""
    made.mkdir()
    measured = train(made)
    return {
        "metrics": measured,
        "seconds": round(time.monotonic() - started, 1),
        "folder": str(made),
        "digest": source.digest(made),
    }


def _recommender(job: dict[str, Any], rows: list[Example], made: Path) -> dict[str, Any]:
    """Of the rows, `item` has an item's text or null, in the order of their numbers; `user` numbers and weights."""
    import numpy as np

    from pg_llm.models.spec import ModelSpec
    from pg_llm.training import recommender

    report = LineReport()
    items = [Example(row.truth or "", None) for row in rows if row.text == "item"]
    users = [row.truth for row in rows if row.text == "user"]
    texts = np.zeros((len(items), 1), dtype=np.float32)
    if job["base"]:
        texts = np.asarray(_vectors(job, items, report), dtype=np.float32)
        texts[[not item.text for item in items]] = 0
    events = recommender.Events(
        [np.asarray(numbers, dtype=np.int64) for numbers, _ in users],
        [np.asarray(weights, dtype=np.float32) for _, weights in users], texts,
    )  # fmt: skip
    before = source.folder(ModelSpec.from_wire(job["before"])) if job["before"] else None
    return recommender.train(events, job["options"], before, made, report)


def _graph(folder: Path, job: dict[str, Any], rows: list[Example], made: Path) -> dict[str, Any]:
    """Of the rows, an entity's text is empty, and a relation's is its predicate."""
    # PyKEEN makes folders where this says as soon as it is imported.
    os.environ["PYSTOW_HOME"] = str(folder / "pystow")
    from pg_llm.training import knowledge_graph

    graph = knowledge_graph.Graph.read(
        [(row.truth[0], row.truth[1]) for row in rows if not row.text],
        [(row.truth[0], row.text, row.truth[1]) for row in rows if row.text],
    )
    return knowledge_graph.train(graph, job["method"], job["options"], made, LineReport())


def _head(job: dict[str, Any], training: list[Example], validation: list[Example], made: Path) -> dict[str, Any]:
    from pg_llm.training import head

    many, seed, report = job["task"] == "tag", job["options"]["seed"], LineReport()
    ordered = training + validation
    vectors = _pair_vectors(job, ordered, report) if "nothing" in job else _vectors(job, ordered, report)
    report("fitting", 0, 2)
    # Of thousands of words a search for the best strength would take minutes.
    search = "nothing" not in job
    trial = head.fit(vectors[: len(training)], training, many, seed, search=search)
    measures = trial.measured(vectors[len(training) :], validation, job.get("nothing"))
    report("fitting", 1, 2)
    # Measured on rows it did not see; what is kept has learnt from all of them.
    head.fit(vectors, ordered, many, seed, search=search).save(made)
    report("fitting", 2, 2)
    return measures.summary()


def _pair_vectors(job: dict[str, Any], examples: list[Example], report: LineReport) -> Any:
    """Embeddings of the first lines beside the words of the second ones, sparse."""
    from scipy import sparse

    lines = [example.text.partition("\n") for example in examples]
    # Pairs of many sentences read alike once their names are left out.
    distinct = list(dict.fromkeys(read for read, _, _ in lines))
    vectors = _vectors(job, [Example(read, None) for read in distinct], report)
    row = {read: number for number, read in enumerate(distinct)}
    return sparse.hstack([
        sparse.csr_matrix(vectors[[row[read] for read, _, _ in lines]]),
        pairs.words([words for _, _, words in lines]),
    ]).tocsr()  # fmt: skip


def _self_train(
    job: dict[str, Any], training: list[Example], validation: list[Example], unlabelled: list[Example], made: Path
) -> dict[str, Any]:
    from pg_llm.training import self_training

    report = LineReport()
    vectors = _vectors(job, [*training, *validation, *unlabelled], report)
    first, second = len(training), len(training) + len(validation)
    parts = (vectors[:first], training), (vectors[first:second], validation), vectors[second:]
    final, measured = self_training.train(*parts, job["options"], report)
    final.save(made)
    return measured


def _suspects(job: dict[str, Any], examples: list[Example]) -> list[dict[str, Any]]:
    from pg_llm.training import suspects

    report = LineReport()
    vectors = _vectors(job, examples, report)
    report("judging", 0, 1)
    return suspects.suspects(vectors, examples, 0)


def _vectors(job: dict[str, Any], examples: list[Example], report: LineReport) -> Any:
    from pg_llm.models import loading
    from pg_llm.models.spec import ModelSpec
    from pg_llm.training import head

    model = loading.load(ModelSpec.from_wire(job["base"]), 0, _no_base)
    return head.embed(model, [example.text for example in examples], report)


def _transformer(job: dict[str, Any], training: list[Example], validation: list[Example], made: Path) -> dict[str, Any]:
    from pg_llm.models.spec import ModelSpec
    from pg_llm.training.transformer import Transformer

    LineReport()("loading", 0, 1)
    examples = training + validation
    if job["task"] == "classify":
        labels = sorted({example.truth for example in examples})
    elif job["task"] == "tag":
        labels = sorted({label for example in examples for label in example.truth})
    else:
        labels = sorted({entity[0] for example in examples for entity in example.truth})
    model = Transformer(
        source.folder(ModelSpec.from_wire(job["base"])), job["task"], labels, job["options"], job.get("nothing")
    )
    scratch = made.parent / "checkpoints"
    measured = model.train(training, validation, job["method"], scratch, LineReport())
    model.save(made)
    return measured


def _no_base(spec: Any) -> Any:
    raise Error(f'the embedding model "{spec.name}" builds on another model')


def _end_with(parent: int) -> None:
    """Be killed when the process that started this one ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
