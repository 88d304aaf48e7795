"""Classification by a model that was trained on fixed labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Encoded, Engine
from pg_llm.tasks import _probability


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """Softmax over the wanted labels, or a sigmoid for each if the model was trained so; windows are averaged."""
    own: list[str] = model.details["labels"]
    names = [name for name, _ in options["labels"]] if options["labels"] else own
    strange = [name for name in names if name not in own]
    if strange:
        shown = ", ".join(own[:20]) + (", …" if len(own) > 20 else "")
        raise InvalidInput(f'the model was not trained on the label "{strange[0]}"', hint=f"Its labels are: {shown}.")
    if options["examples"]:
        raise InvalidInput("a trained classifier takes no examples", hint="Train it on them with llm_fit().")
    wanted = [own.index(name) for name in names]
    activation = _probability.sigmoid if model.details.get("multi_label") else _probability.softmax

    def probabilities(outputs: Sequence[Any]) -> Any:
        return activation(np.mean(outputs, axis=0)[wanted])

    return names, [(windows, probabilities) for windows in _windows(model, inputs)]


def _windows(model: Engine, inputs: Sequence[str]) -> list[list[Encoded]]:
    return model.encode(inputs)
