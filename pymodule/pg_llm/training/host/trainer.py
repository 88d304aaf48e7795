"""Training on labelled rows: classifiers, taggers, entity and relation models, by a head, fine-tuning or LoRA."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pg_llm.errors import Error
from pg_llm.models import source
from pg_llm.models.spec import ModelSpec
from pg_llm.runtime.training import checkpoints, dataset
from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import augmentation, entity_pair_examples

if TYPE_CHECKING:
    from pg_llm.training.host.transformer import Transformer

# With so many rows or fewer a transformer is trained again on all of them. Of so few the best epoch is found by luck.
REFITTED_ROWS = 1000


def run(job: dict[str, Any], rows: list[Example], folder: Path, report: Report) -> dict[str, Any]:
    """Train and save the model to the folder; returns the metrics on the validation rows."""
    if "epsilon" in job["options"]:
        from pg_llm.training.host import private_training

        return private_training.run(job, rows, folder, report)
    if "trials" in job:
        from pg_llm.training.host import tuning

        return tuning.run(job, rows, folder, report)
    labelled = [row for row in rows if row.truth is not None]
    training, validation = dataset.split(labelled, job["options"]["validation"])
    counts = {"training_rows": len(training), "validation_rows": len(validation)}
    if job["task"] == "relations":
        # Split by text, not by pair, so that no text of the validation rows has been trained on.
        argument_types = entity_pair_examples.argument_types(labelled)
        (folder / source.ARGUMENT_TYPES).write_text(
            json.dumps(argument_types, ensure_ascii=False, sort_keys=True), encoding="utf-8"
        )
        job, training, validation = entity_pair_examples.to_classification(job, training, validation)
    if job["method"] == "head" and job["task"] != "entities":
        metrics = _train_head(job, training, validation, folder, report)
    elif job["method"] == "contrastive":
        metrics = _train_contrastive(job, training, validation, folder, report)
    elif job["method"] == "self_train":
        unlabelled = [row for row in rows if row.truth is None]
        metrics = _self_train(job, training, validation, unlabelled, folder, report)
    else:
        metrics = _fine_tune(job, training, validation, folder, report)
    return {**metrics, **counts}


def _train_head(
    job: dict[str, Any], training: list[Example], validation: list[Example], folder: Path, report: Report
) -> dict[str, Any]:
    from pg_llm.training.host import head, logistic

    multi_label, seed = job["task"] == "tag", job["options"]["seed"]
    examples = training + validation
    of_pairs = "negative_label" in job
    vectors = _pair_vectors(job, examples, report) if of_pairs else text_vectors(job, examples, report)
    report("fitting", 0, 2)
    # On thousands of word features a search for the regularisation would take minutes.
    strength = logistic.DEFAULT_STRENGTH if of_pairs else None
    trial = head.fit(vectors[: len(training)], training, multi_label, seed, strength)
    metrics = trial.evaluate(vectors[len(training) :], validation, job.get("negative_label"))
    report("fitting", 1, 2)
    # Evaluated on rows it did not see; the head that is kept is fitted to all of them.
    head.fit(vectors, examples, multi_label, seed, trial.strength).save(folder)
    report("fitting", 2, 2)
    return metrics.summary()


def _train_contrastive(
    job: dict[str, Any], training: list[Example], validation: list[Example], folder: Path, report: Report
) -> dict[str, Any]:
    """A head, and beside it the encoder that was trained for its labels."""
    from pg_llm.training.host import contrastive, head

    base, seed = source.folder(ModelSpec.from_wire(job["base"])), job["options"]["seed"]
    examples = training + validation
    encoder = contrastive.tune(base, training, seed, report)
    vectors = contrastive.vectors(encoder, examples)
    trial = head.fit(vectors[: len(training)], training, False, seed)
    metrics = trial.evaluate(vectors[len(training) :], validation)
    # Measured on rows that it did not see; the model that is kept has learnt from all.
    encoder = contrastive.tune(base, examples, seed, report)
    head.fit(contrastive.vectors(encoder, examples), examples, False, seed, trial.strength).save(folder)
    encoder.save(str(folder), create_model_card=False)
    return metrics.summary()


def _pair_vectors(job: dict[str, Any], examples: list[Example], report: Report) -> Any:
    """Embeddings of the first lines beside the word features of the second ones, sparse."""
    from scipy import sparse

    lines = [example.text.partition("\n") for example in examples]
    # With their names masked, pairs of many sentences read alike.
    distinct = list(dict.fromkeys(masked for masked, _, _ in lines))
    vectors = text_vectors(job, [Example(masked, None) for masked in distinct], report)
    row = {masked: number for number, masked in enumerate(distinct)}
    return sparse.hstack(
        [
            sparse.csr_matrix(vectors[[row[masked] for masked, _, _ in lines]]),
            entity_pair_examples.word_features([words for _, _, words in lines]),
        ]
    ).tocsr()


def _self_train(
    job: dict[str, Any],
    training: list[Example],
    validation: list[Example],
    unlabelled: list[Example],
    folder: Path,
    report: Report,
) -> dict[str, Any]:
    from pg_llm.training.host import self_training

    vectors = text_vectors(job, [*training, *validation, *unlabelled], report)
    first, second = len(training), len(training) + len(validation)
    parts = (vectors[:first], training), (vectors[first:second], validation), vectors[second:]
    head, metrics = self_training.train(*parts, job["options"], report)
    head.save(folder)
    return metrics


def suspects(job: dict[str, Any], examples: list[Example], report: Report) -> list[dict[str, Any]]:
    """Positions of the rows whose label is probably wrong, with the label that fits better and the label's quality."""
    from pg_llm.training.host import confident_learning

    vectors = text_vectors(job, examples, report)
    report("judging", 0, 1)
    return confident_learning.find_label_issues(vectors, examples, 0)


def text_vectors(job: dict[str, Any], examples: list[Example], report: Report) -> Any:
    """The embeddings of the texts by the base model of the job: an array of rows x dimensions."""
    if all(example.vector is not None for example in examples):
        import numpy as np
        import orjson

        return np.asarray([orjson.loads(str(example.vector)) for example in examples])
    from pg_llm.models import loading
    from pg_llm.training.host import head

    model = loading.load(ModelSpec.from_wire(job["base"]), 0, _refuse_base)
    return head.embed(model, [example.text for example in examples], report)


def _fine_tune(
    job: dict[str, Any], training: list[Example], validation: list[Example], folder: Path, report: Report
) -> dict[str, Any]:
    from pg_llm.training.host import schedule, token_head

    report("loading", 0, 1)
    examples = training + validation
    model = untrained(job, examples)
    if job["method"] == "head":
        metrics = token_head.train(model, training, validation, report)
        model.save(folder, job["base"]["digest"])
        return metrics
    plan = schedule.of(job["task"], job["method"], len(training), job["options"])
    copies, seed = job["options"].get("augment", 0), job["options"]["seed"]
    scratch = folder.parent / checkpoints.FOLDER
    augmented = augmentation.augmented(training, copies, seed)
    metrics = model.train(augmented, validation, job["method"], plan, scratch, report)
    if len(examples) <= REFITTED_ROWS:
        # Measured on rows that it did not see; in the model that is kept none of the few is spared.
        model.refit(augmentation.augmented(examples, copies, seed), job["method"], plan, scratch, report)
    model.save(folder, job["base"]["digest"])
    return metrics


def untrained(job: dict[str, Any], examples: Sequence[Example]) -> Transformer:
    """The base model with a new layer for the labels of the examples."""
    from pg_llm.training.host.transformer import Transformer

    if job["task"] == "classify":
        labels = sorted({example.truth for example in examples})
    elif job["task"] == "tag":
        labels = sorted({label for example in examples for label in example.truth})
    else:
        labels = sorted({entity[0] for example in examples for entity in example.truth})
    base = source.folder(ModelSpec.from_wire(job["base"]))
    return Transformer(base, job["task"], labels, {"max_tokens": 0, **job["options"]}, job.get("negative_label"))


def _refuse_base(spec: Any) -> Any:
    raise Error(f'the embedding model "{spec.name}" builds on another model')
