"""What can be said about a training, listed once: methods of each task, and options with their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pg_llm.errors import InvalidInput

# The first method of each task is its default.
# What these leave is a layer on another model, which stays as it is.
HEAD_METHODS = ("head", "self_train")
METHODS = {
    "classify": ("head", "finetune", "lora"),
    "tag": ("head", "finetune", "lora"),
    "entities": ("finetune", "lora"),
    "relations": ("head", "finetune", "lora"),
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option: the methods that know it, its default, its smallest and largest value."""

    methods: tuple[str, ...]
    default: int | float
    least: float
    most: float
    meaning: str


_GRADIENT = ("finetune", "lora")
OPTIONS = {
    "validation": Option(
        ("head", "self_train", *_GRADIENT), 0.2, 0.01, 0.9, "share of the rows that is kept back to measure on"
    ),
    "threshold": Option(("self_train",), 0.9, 0.5, 1, "probability from which an answer counts as a label"),
    "rounds": Option(("self_train",), 5, 1, 100, "rounds of answering and learning at most"),
    "seed": Option(("head", "self_train", *_GRADIENT), 0, 0, 2**31, "start of the random numbers"),
    "epochs": Option(_GRADIENT, 10, 1, 1000, "passes over the rows at most"),
    "patience": Option(_GRADIENT, 3, 1, 1000, "epochs without gain on the validation rows before it stops"),
    "learning_rate": Option(_GRADIENT, 0.0, 0, 1, "peak of AdamW's step; 0 chooses by method and task"),
    "batch_size": Option(_GRADIENT, 16, 1, 1024, "rows of one step"),
    "warmup": Option(_GRADIENT, 0.1, 0, 1, "share of the steps in which the learning rate rises"),
    "weight_decay": Option(_GRADIENT, 0.01, 0, 1, "decay of the weights, as AdamW has it"),
    "max_tokens": Option(_GRADIENT, 0, 0, 512, "longest input in training; 0 is the model's own"),
    "rank": Option(("lora",), 16, 1, 256, "rank of the adapters"),
}


RECOMMENDER_OPTIONS = {
    "dimensions": Option(("recommender",), 64, 8, 512, "length of an item's vector, a multiple of the heads"),
    "layers": Option(("recommender",), 2, 1, 8, "layers of the transformer"),
    "heads": Option(("recommender",), 2, 1, 16, "attention heads of a layer"),
    "max_length": Option(("recommender",), 50, 2, 1000, "latest events of a user that the transformer reads"),
    "dropout": Option(("recommender",), 0.4, 0, 0.9, "share of the activations that training leaves out"),
    "learning_rate": Option(("recommender",), 0.001, 1e-6, 1, "Adam's step"),
    "epochs": Option(("recommender",), 30, 0, 1000, "passes over the events at most; 0 leaves the weights as they are"),
    "patience": Option(("recommender",), 4, 1, 1000, "passes without gain on the last events before it stops"),
    "batch_size": Option(("recommender",), 64, 1, 4096, "sequences of one step"),
    "seed": Option(("recommender",), 0, 0, 2**31, "start of the random numbers"),
}
# The first is the default.
GRAPH_METHODS = ("complex", "rotate", "distmult", "transe")
# Those whose scores grow with the vectors; the others are distances.
_PRODUCTS = ("complex", "distmult")
GRAPH_OPTIONS = {
    "validation": Option(GRAPH_METHODS, 0.1, 0, 0.5, "share of the relations that is kept back to measure on"),
    "dimensions": Option(GRAPH_METHODS, 100, 4, 1024, "numbers of a vector, complex ones for complex and rotate"),
    "learning_rate": Option(GRAPH_METHODS, 0.01, 1e-6, 1, "Adam's step"),
    "regularization": Option(_PRODUCTS, 0.01, 0, 10, "weight of the vectors' size, by its third power"),
    "epochs": Option(GRAPH_METHODS, 150, 1, 10000, "passes over the relations at most"),
    "patience": Option(GRAPH_METHODS, 20, 1, 10000, "passes without gain on the relations kept back before it stops"),
    "batch_size": Option(GRAPH_METHODS, 512, 1, 65536, "relations of one step"),
    "seed": Option(GRAPH_METHODS, 0, 0, 2**31, "start of the random numbers"),
}
# The last events whose neighbours are asked for a recommendation, and what neighbours say of an item they do not name.
RECENT = 20
EPSILON = 1e-3


def method(task: str, wanted: str | None) -> str:
    """The method of a task, or its default for None. Raises InvalidInput."""
    if task not in METHODS:
        raise InvalidInput(f'there is no training for "{task}"', hint=f"Tasks are: {', '.join(METHODS)}.")
    chosen = wanted or METHODS[task][0]
    if chosen not in METHODS[task]:
        raise InvalidInput(
            f'there is no method "{chosen}" for the task {task}', hint=f"Methods are: {', '.join(METHODS[task])}."
        )
    return chosen


def check(method: str, given: dict[str, Any]) -> dict[str, Any]:
    """All options of the method, those not given with their default. Raises InvalidInput."""
    listed = GRAPH_OPTIONS if method in GRAPH_METHODS else RECOMMENDER_OPTIONS if method == "recommender" else OPTIONS
    known = {name: option for name, option in listed.items() if method in option.methods}
    for name, value in given.items():
        if name not in known:
            raise InvalidInput(
                f'unknown option "{name}" for the method {method}', hint=f"Options are: {', '.join(known)}."
            )
        option = known[name]
        whole = isinstance(option.default, int)
        fits = isinstance(value, int | float) and not isinstance(value, bool) and option.least <= value <= option.most
        if not fits or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            raise InvalidInput(
                f'invalid value for option "{name}": {value!r}',
                hint=f"It is {kind} from {option.least:g} to {option.most:g}: {option.meaning}.",
            )
    whole_names = {name for name, option in known.items() if isinstance(option.default, int)}
    chosen = {**{name: option.default for name, option in known.items()}, **given}
    return {name: int(value) if name in whole_names else float(value) for name, value in chosen.items()}
