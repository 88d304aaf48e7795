"""Training jobs as SQL describes them."""

from __future__ import annotations

from typing import Any

import pytest
from pg_llm import options
from pg_llm.errors import InvalidInput
from pg_llm.training.options import OPTIONS, PRIVATE_OPTIONS, TrainingJob


@pytest.mark.parametrize(("task", "method"), [("classify", "head"), ("tag", "head"), ("entities", "finetune")])
def test_the_first_method_is_the_default(task: str, method: str) -> None:
    job = TrainingJob.checked(task, None, {})
    assert (job.method, job.entities_model) == (method, None)
    assert job.to_wire() == {"task": task, "method": method, "options": job.options}
    assert set(job.options) == {name for name, option in OPTIONS.items() if method in option.methods}


@pytest.mark.parametrize(
    ("task", "method", "builds_on_base", "reads_vectors"),
    [
        ("classify", "head", True, True),
        ("relations", "head", True, False),
        ("entities", "head", False, False),
        ("tag", "finetune", False, False),
    ],
)
def test_a_head_reads_with_its_base(task: str, method: str, builds_on_base: bool, reads_vectors: bool) -> None:
    job = TrainingJob.checked(task, method, {})
    assert (job.builds_on_base, job.reads_vectors) == (builds_on_base, reads_vectors)


def test_a_relations_model_may_name_its_recogniser() -> None:
    given = {"entities_model": "lac", "seed": 3}
    job = TrainingJob.checked("relations", "head", given)
    assert (job.entities_model, job.options) == ("lac", {"validation": 0.2, "seed": 3})
    assert given == {"entities_model": "lac", "seed": 3}


@pytest.mark.parametrize(
    ("task", "method", "given", "message"),
    [
        ("guess", None, {}, 'no training for "guess"'),
        ("entities", "self_train", {}, 'no method "self_train" for the task entities'),
        ("classify", "self_train", {}, 'no method "self_train"'),
        ("classify", "head", {"epochs": 3}, 'unknown option "epochs" for the method head'),
        ("classify", None, {"entities_model": "lac"}, 'unknown option "entities_model"'),
        ("relations", None, {"entities_model": 5}, "entities_model must be the name of a model"),
        ("classify", None, {"seed": 1.5}, 'invalid value for option "seed": 1.5'),
        ("classify", None, {"validation": 0.95}, 'invalid value for option "validation"'),
        ("classify", None, {"seed": True}, "invalid value"),
        ("classify", None, {"seed": "1"}, "invalid value"),
    ],
)
def test_what_cannot_be_trained_is_refused(task: str, method: str | None, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        TrainingJob.checked(task, method, given)


def test_options_take_the_type_of_their_default() -> None:
    chosen = options.check(OPTIONS, "lora", {"epochs": 5.0, "learning_rate": 1})
    assert (chosen["epochs"], type(chosen["epochs"])) == (5, int)
    assert (chosen["learning_rate"], type(chosen["learning_rate"])) == (1.0, float)
    with pytest.raises(InvalidInput) as caught:
        options.check(OPTIONS, "lora", {"rank": 0})
    assert caught.value.hint == "It is a whole number from 1 to 256: rank of the adapters."


def test_privacy_has_options_of_its_own() -> None:
    job = TrainingJob.checked("tag", "lora", {"epsilon": 2, "unit": "patient"})
    assert set(job.options) == {*PRIVATE_OPTIONS, "unit"}
    assert (job.is_private, job.unit, job.options["epsilon"]) == (True, "patient", 2.0)
    plain = TrainingJob.checked("classify", "head", {})
    assert (plain.is_private, plain.unit) == (False, None)
    assert not {"epsilon", "delta", "unit"} & set(plain.options)
    assert "rank" not in TrainingJob.checked("classify", "head", {"epsilon": 2}).options


@pytest.mark.parametrize(
    ("task", "method", "given", "message"),
    [
        ("entities", "head", {"epsilon": 2}, "the method head for the task entities cannot"),
        ("classify", "finetune", {"epsilon": 2}, "the method finetune for the task classify cannot"),
        ("classify", "head", {"epsilon": 0}, 'invalid value for option "epsilon"'),
        ("classify", "head", {"epsilon": float("nan")}, 'invalid value for option "epsilon"'),
        ("classify", "head", {"epsilon": 2, "seed": 0}, 'option "seed" does not go with epsilon'),
        ("classify", "lora", {"epsilon": 2, "patience": 1}, 'option "patience" does not go with epsilon'),
        ("classify", "lora", {"epsilon": 2, "warmup": 0.1}, 'unknown option "warmup"'),
        ("classify", "head", {"epsilon": 2, "unit": None}, "unit must be the name of a column"),
        ("classify", "head", {"delta": 1e-5}, 'option "delta" goes with epsilon'),
        ("classify", "lora", {"max_grad_norm": 1}, 'option "max_grad_norm" goes with epsilon'),
    ],
)
def test_what_privacy_does_not_go_with(task: str, method: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        TrainingJob.checked(task, method, given)
    assert caught.value.hint


def test_what_is_searched_is_what_was_not_given() -> None:
    job = TrainingJob.searched("classify", "lora", {"rank": 4, "seed": 1}, 5)
    assert job.to_wire() == {
        "task": "classify",
        "method": "lora",
        "options": job.options,
        "trials": 5,
        "fixed": ["rank", "seed"],
    }
    assert job.keeps_base
    assert not TrainingJob.searched("entities", None, {}, 1).keeps_base
    for task, method, given, says in (
        ("relations", None, {}, "no search for"),
        ("classify", "head", {}, "nothing to search for"),
        ("classify", "lora", {"epsilon": 3}, "does not go with a search"),
    ):
        with pytest.raises(InvalidInput, match=says):
            TrainingJob.searched(task, method, given, 5)
