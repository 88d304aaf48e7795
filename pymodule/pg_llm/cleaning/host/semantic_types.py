"""The semantic types of columns, without a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.cleaning.host.types import inference
from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem
from pg_llm.values.host import locales


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """The fields of one ColumnType in JSON per input, which is an object of values with their counts.

    Option `locale` decides between readings that a column leaves open. Raises InvalidInput for an unknown one.
    """
    locale = locales.checked(options["locale"])
    return [WorkItem((), lambda _, text=text: _type(text, locale)) for text in inputs]  # type: ignore[misc]


def _type(counts: str, locale: str | None) -> str:
    return json.dumps(inference.infer(json.loads(counts), locale).to_dict())
