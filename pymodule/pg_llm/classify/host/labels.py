"""The labels that a trained model is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine

_SHOWN = 20


def wanted(model: Engine, options: dict[str, Any]) -> Sequence[str]:
    """Those of option `labels`, or all of the model's own for null. Raises InvalidInput for one it does not know."""
    own: list[str] = model.details["labels"]
    names = own if options["labels"] is None else [name for name, _ in options["labels"]]
    strange = [name for name in names if name not in own]
    if strange:
        shown = ", ".join(own[:_SHOWN]) + (", …" if len(own) > _SHOWN else "")
        raise InvalidInput(f'the model was not trained on the label "{strange[0]}"', hint=f"Its labels are: {shown}.")
    return names
