"""Single texts cleaned by libraries, without a model: damage undone, and on instruction one form for all values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.cleaning.host import conversions, text_repair
from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """Option `instruction` names a form, or is null. A value that cannot be brought into the form stays as it is."""
    instruction = options["instruction"]
    convert = conversions.to(instruction) if instruction is not None else None

    def clean(text: str) -> str:
        mended = text_repair.mended(text)
        if convert is None:
            return mended
        return convert(mended) or text

    return [WorkItem((), lambda _, text=text: clean(text)) for text in inputs]  # type: ignore[misc]
