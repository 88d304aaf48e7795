"""Single values cleaned by libraries, without a model: text repair, and conversion to a standard form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.cleaning.host import standardization, text_repair
from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem
from pg_llm.values.host import locales


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One value per input. Option `instruction` names a form, or is null; a value it does not fit stays as it is.

    Option `locale` says how numbers and dates are written. A value that stands for none becomes the empty text.
    """
    instruction, locale = options["instruction"], locales.checked(options["locale"])
    convert = None if instruction is None else standardization.converter(instruction, locale)

    def clean(text: str) -> str:
        repaired = text_repair.repair(text)
        if convert is None:
            return repaired
        converted = convert(repaired)
        return text if converted is None else converted

    return [WorkItem((), lambda _, text=text: clean(text)) for text in inputs]  # type: ignore[misc]
