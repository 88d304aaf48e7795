"""Training jobs as SQL describes them: the tasks, the methods of each, and the hyperparameters with their ranges."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pg_llm import options
from pg_llm.errors import InvalidInput
from pg_llm.options import Option

# The first method of each task is its default.
METHODS = {
    "classify": ("head", "finetune", "lora", "contrastive"),
    "tag": ("head", "finetune", "lora"),
    "entities": ("finetune", "lora", "head"),
    "relations": ("head", "finetune", "lora"),
}
# These train a layer on what another model, which stays as it is, makes of the texts.
_HEAD_METHODS = ("head", "self_train")
_GRADIENT = ("finetune", "lora")
# Of relations the rows are pairs in sentences, which are not split a third time.
_SEARCHED = ("classify", "tag", "entities")

OPTIONS = {
    "validation": Option(
        ("head", "self_train", "contrastive", *_GRADIENT),
        0.2,
        0.01,
        0.9,
        "share of the rows kept back to measure on",
    ),
    "threshold": Option(("self_train",), 0.9, 0.5, 1, "probability from which an answer counts as a label"),
    "rounds": Option(("self_train",), 5, 1, 100, "rounds of answering and learning at most"),
    "seed": Option(("head", "self_train", "contrastive", *_GRADIENT), 0, 0, 2**31, "start of the random numbers"),
    "epochs": Option(_GRADIENT, 0, 0, 1000, "passes over the rows at most; 0 chooses by their number"),
    "patience": Option(_GRADIENT, 0, 0, 1000, "epochs without gain before it stops; 0 is a third of them"),
    "learning_rate": Option(_GRADIENT, 0.0, 0, 1, "peak of AdamW's step; 0 chooses by method and task"),
    "batch_size": Option(_GRADIENT, 0, 0, 1024, "rows of one step; 0 chooses by their number"),
    "warmup": Option(_GRADIENT, 0.1, 0, 1, "share of the steps in which the learning rate rises"),
    "weight_decay": Option(_GRADIENT, 0.01, 0, 1, "decay of the weights, as AdamW has it"),
    "max_tokens": Option(_GRADIENT, 0, 0, 512, "longest input in training; 0 is the model's own"),
    "augment": Option(_GRADIENT, 0, 0, 4, "noisy copies of each text to learn from, beside it"),
    "adversarial": Option(
        ("finetune",), 0.0, 0, 10, "length of the step by which word vectors are made worse in training; `'fgm'` is 1"
    ),
    "label_smoothing": Option(_GRADIENT, 0.0, 0, 0.5, "share of a label that is spread over all labels"),
    "rank": Option(("lora",), 16, 1, 256, "rank of the adapters"),
}

# With epsilon: differential privacy, of a row or, where `unit` names the column of the person, of all rows of a person.
PRIVATE_METHODS = ("head", "lora")
PRIVATE_TASKS = ("classify", "tag")
PRIVATE_OPTIONS = {
    "epsilon": Option(
        PRIVATE_METHODS, 3.0, 0.01, 100, "how much the model may tell of one row, or of one person by `unit`"
    ),
    "delta": Option(PRIVATE_METHODS, 1e-5, 1e-12, 0.01, "chance that it tells more; less than one in the rows"),
    "validation": OPTIONS["validation"],
    "epochs": Option(PRIVATE_METHODS, 0, 0, 1000, "passes over the rows, on average; 0 chooses by their number"),
    "batch_size": Option(PRIVATE_METHODS, 0, 0, 100_000, "rows of one step, on average; 0 chooses by their number"),
    "learning_rate": Option(PRIVATE_METHODS, 0.0, 0, 1000, "step of the optimizer; 0 chooses by the method"),
    "max_grad_norm": Option(PRIVATE_METHODS, 0.5, 0.001, 1000, "length at which the gradient of a row is clipped"),
    "max_tokens": Option(("lora",), 0, 0, 512, OPTIONS["max_tokens"].meaning),
    "rank": Option(("lora",), 4, 1, 256, OPTIONS["rank"].meaning),
}
_BREAKS = {
    "seed": "Who knows the seed can take the noise off again: it comes from the operating system.",
    "patience": "Stopping early looks at rows without noise; epochs says how long it learns.",
    "augment": "Copies of a row would tell more of it than is counted.",
    "adversarial": "It learns twice from a row, and once is counted.",
}

# Of entities the places would be others, and of several labels each has a share of its own.
_OF_TASKS = {"augment": ("classify", "tag"), "label_smoothing": ("classify",)}


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What is trained and how; `entities_model` is the recognizer that a relations model reads with.

    With `trials`, so many combinations of the options but for the `fixed` ones are tried.
    """

    task: str
    method: str
    options: dict[str, Any] = field(default_factory=dict)
    entities_model: str | None = None
    trials: int = 0
    fixed: tuple[str, ...] = ()

    @classmethod
    def checked(cls, task: str, method: str | None, given: dict[str, Any]) -> TrainingJob:
        """A job with its defaults filled in. Raises InvalidInput."""
        if task not in METHODS:
            raise InvalidInput(f'there is no training for "{task}"', hint=f"Tasks are: {', '.join(METHODS)}.")
        chosen = method or METHODS[task][0]
        if chosen not in METHODS[task]:
            raise InvalidInput(
                f'there is no method "{chosen}" for the task {task}', hint=f"Methods are: {', '.join(METHODS[task])}."
            )
        if "epsilon" in given:
            return cls(task, chosen, _private_options(task, chosen, given))
        for name in ("unit", *PRIVATE_OPTIONS):
            if name in given and name not in OPTIONS:
                raise InvalidInput(f'option "{name}" goes with epsilon', hint="It is for training with privacy.")
        hyperparameters = dict(given)
        entities_model = None
        if task == "relations" and "entities_model" in hyperparameters:
            entities_model = hyperparameters.pop("entities_model")
            if not isinstance(entities_model, str):
                raise InvalidInput(
                    "entities_model must be the name of a model", hint="Leave it out for llm.entities_model."
                )
        # The name by which the step is known: fast gradient method.
        if hyperparameters.get("adversarial") == "fgm":
            hyperparameters["adversarial"] = 1
        for name, tasks in _OF_TASKS.items():
            if hyperparameters.get(name) and task not in tasks:
                raise InvalidInput(
                    f'option "{name}" is not for the task {task}', hint=f"It is for: {', '.join(tasks)}."
                )
        return cls(task, chosen, options.check(OPTIONS, chosen, hyperparameters), entities_model)

    @classmethod
    def searched(cls, task: str, method: str | None, given: dict[str, Any], trials: int) -> TrainingJob:
        """A job that tries combinations of the options that are not given. Raises InvalidInput."""
        if task not in _SEARCHED:
            raise InvalidInput(f'there is no search for "{task}"', hint=f"Tasks are: {', '.join(_SEARCHED)}.")
        chosen = method or _GRADIENT[0]
        if chosen not in _GRADIENT:
            raise InvalidInput(
                f'there is nothing to search for with the method "{chosen}"',
                hint=f"Methods are: {', '.join(_GRADIENT)}.",
            )
        if "epsilon" in given:
            raise InvalidInput(
                'option "epsilon" does not go with a search', hint="Each trial would spend it; train with llm_fit()."
            )
        return replace(cls.checked(task, chosen, given), trials=trials, fixed=tuple(sorted(given)))

    @property
    def is_private(self) -> bool:
        """Whether it is trained with differential privacy."""
        return "epsilon" in self.options

    @property
    def unit(self) -> str | None:
        """The column that tells whose rows they are, if a person is hidden and not a row."""
        return self.options.get("unit")

    @property
    def builds_on_base(self) -> bool:
        """Whether the trained model reads with the base model, which need not have its weights here."""
        return self.method in _HEAD_METHODS and self.task != "entities"

    @property
    def keeps_base(self) -> bool:
        """Whether the trained model needs the base model's files beside its own."""
        return self.builds_on_base or (self.method == "lora" and not self.is_private)

    @property
    def reads_vectors(self) -> bool:
        """Whether embeddings of the texts are all that it reads of them."""
        return self.builds_on_base and self.task != "relations"

    def to_wire(self) -> dict[str, Any]:
        """The job as the training process reads it."""
        search = {"trials": self.trials, "fixed": list(self.fixed)} if self.trials else {}
        return {"task": self.task, "method": self.method, "options": self.options, **search}


def _private_options(task: str, method: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options of a training with privacy. Raises InvalidInput for what would break the promise."""
    if task not in PRIVATE_TASKS or method not in PRIVATE_METHODS:
        raise InvalidInput(
            f"the method {method} for the task {task} cannot be trained with epsilon",
            hint=f"Methods are: {', '.join(PRIVATE_METHODS)}; tasks: {', '.join(PRIVATE_TASKS)}.",
        )
    for name in given:
        if name in _BREAKS:
            raise InvalidInput(f'option "{name}" does not go with epsilon', hint=_BREAKS[name])
    numbers = {name: value for name, value in given.items() if name != "unit"}
    chosen = options.check(PRIVATE_OPTIONS, method, numbers)
    if "unit" not in given:
        return chosen
    if not isinstance(given["unit"], str) or not given["unit"]:
        raise InvalidInput("unit must be the name of a column", hint="It is the third one of the query: the person.")
    return {**chosen, "unit": given["unit"]}
