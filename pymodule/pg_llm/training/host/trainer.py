"""Training on labelled rows: classifiers, taggers, entity and relation models, by a head, fine-tuning or adapters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pg_llm.errors import Error
from pg_llm.models import source
from pg_llm.models.spec import ModelSpec
from pg_llm.runtime.training import dataset
from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import pairs


def run(job: dict[str, Any], rows: list[Example], made: Path, report: Report) -> dict[str, Any]:
    """Train, save to the folder `made`; returns what was measured on rows kept back."""
    labelled = [row for row in rows if row.truth is not None]
    training, validation = dataset.split(labelled, job["options"]["validation"])
    counts = {"training_rows": len(training), "validation_rows": len(validation)}
    if job["task"] == "relations":
        # Texts have been split, not their pairs: what is measured on has not been read.
        ends = pairs.ends(labelled)
        job, training, validation = pairs.as_classes(job, training, validation)
    if job["method"] == "head":
        measured = _head(job, training, validation, made, report)
    elif job["method"] == "self_train":
        unlabelled = [row for row in rows if row.truth is None]
        measured = _self_train(job, training, validation, unlabelled, made, report)
    else:
        measured = _transformer(job, training, validation, made, report)
    if "nothing" in job:
        (made / source.ENDS).write_text(json.dumps(ends, ensure_ascii=False, sort_keys=True), encoding="utf-8")
    return {**measured, **counts}


def _head(
    job: dict[str, Any], training: list[Example], validation: list[Example], made: Path, report: Report
) -> dict[str, Any]:
    from pg_llm.training.host import head

    many, seed = job["task"] == "tag", job["options"]["seed"]
    ordered = training + validation
    vectors = _pair_vectors(job, ordered, report) if "nothing" in job else text_vectors(job, ordered, report)
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


def _pair_vectors(job: dict[str, Any], examples: list[Example], report: Report) -> Any:
    """Embeddings of the first lines beside the words of the second ones, sparse."""
    from scipy import sparse

    lines = [example.text.partition("\n") for example in examples]
    # Pairs of many sentences read alike once their names are left out.
    distinct = list(dict.fromkeys(read for read, _, _ in lines))
    vectors = text_vectors(job, [Example(read, None) for read in distinct], report)
    row = {read: number for number, read in enumerate(distinct)}
    return sparse.hstack(
        [
            sparse.csr_matrix(vectors[[row[read] for read, _, _ in lines]]),
            pairs.words([words for _, _, words in lines]),
        ]
    ).tocsr()


def _self_train(
    job: dict[str, Any],
    training: list[Example],
    validation: list[Example],
    unlabelled: list[Example],
    made: Path,
    report: Report,
) -> dict[str, Any]:
    from pg_llm.training.host import self_training

    vectors = text_vectors(job, [*training, *validation, *unlabelled], report)
    first, second = len(training), len(training) + len(validation)
    parts = (vectors[:first], training), (vectors[first:second], validation), vectors[second:]
    final, measured = self_training.train(*parts, job["options"], report)
    final.save(made)
    return measured


def suspects(job: dict[str, Any], examples: list[Example], report: Report) -> list[dict[str, Any]]:
    """Positions of the rows whose label is probably wrong, with the label that fits better and the label's quality."""
    from pg_llm.training.host import suspects

    vectors = text_vectors(job, examples, report)
    report("judging", 0, 1)
    return suspects.suspects(vectors, examples, 0)


def text_vectors(job: dict[str, Any], examples: list[Example], report: Report) -> Any:
    """The embeddings of the texts by the base model of the job: an array of rows x dimensions."""
    from pg_llm.models import loading
    from pg_llm.training.host import head

    model = loading.load(ModelSpec.from_wire(job["base"]), 0, _no_base)
    return head.embed(model, [example.text for example in examples], report)


def _transformer(
    job: dict[str, Any], training: list[Example], validation: list[Example], made: Path, report: Report
) -> dict[str, Any]:
    from pg_llm.training.host.transformer import Transformer

    report("loading", 0, 1)
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
    measured = model.train(training, validation, job["method"], scratch, report)
    model.save(made)
    return measured


def _no_base(spec: Any) -> Any:
    raise Error(f'the embedding model "{spec.name}" builds on another model')
