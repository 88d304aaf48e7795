"""Which of its labels a trained model is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine

# Labels that an error message lists.
_MAX_LISTED = 20


def selected(model: Engine, options: dict[str, Any]) -> Sequence[str]:
    """The labels of option `labels`, or all of the model's own for null. Raises InvalidInput for an unknown one."""
    own: list[str] = model.details["labels"]
    names = own if options["labels"] is None else [name for name, _ in options["labels"]]
    unknown = [name for name in names if name not in own]
    if unknown:
        listed = ", ".join(own[:_MAX_LISTED]) + (", …" if len(own) > _MAX_LISTED else "")
        raise InvalidInput(f'the model was not trained on the label "{unknown[0]}"', hint=f"Its labels are: {listed}.")
    return names
