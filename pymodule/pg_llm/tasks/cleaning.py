"""Single texts cleaned by libraries, without a model: damage undone, and on instruction one form for all values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.models.engine import Engine
from pg_llm.tasks import Work, _conversions, _damage


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[Work]:
    """Option `instruction` names a form, or is null. A value that cannot be brought into the form stays as it is."""
    instruction = options["instruction"]
    convert = _conversions.to(instruction) if instruction is not None else None

    def clean(text: str) -> str:
        mended = _damage.mended(text)
        if convert is None:
            return mended
        return convert(mended) or text

    return [Work((), lambda _, text=text: clean(text)) for text in inputs]  # type: ignore[misc]
