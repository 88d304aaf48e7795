"""Classification by a model that was trained on fixed labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.classify.abstention import NONE, with_none
from pg_llm.classify.host import labels
from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine
from pg_llm.tasks import passages, probability


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> tuple[Sequence[str], list[Any]]:
    """Softmax over the selected labels, or a sigmoid for each of a multi-label model; windows are averaged."""
    names = labels.selected(model, options)
    if options["examples"]:
        raise InvalidInput("a trained classifier takes no examples", hint="Train it on them with llm_fit().")
    columns = [model.details["labels"].index(name) for name in names]
    activation = probability.sigmoid if model.details.get("multi_label") else probability.softmax

    abstains = options.get("allow_none") and not options["many"]

    def probabilities(logits: Any) -> Any:
        found = activation(logits[columns])
        # Of all labels that the model knows, also if only some were asked for.
        return with_none(found, activation(logits)[columns].max()) if abstains else found

    return [*names, NONE] if abstains else names, passages.average_outputs(model, inputs, probabilities)
