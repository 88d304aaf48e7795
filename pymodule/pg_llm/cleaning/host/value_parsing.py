"""Single values parsed by the parsers of the semantic types, without a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem
from pg_llm.values.host import addresses, dates, locales, numbers, phones


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One value per input, empty where there is none. Options: `kind`, one of number, date, phone, address; `locale`.

    Raises InvalidInput for an unknown locale.
    """
    locale = locales.checked(options["locale"])
    parse = _PARSERS[options["kind"]]
    return [WorkItem((), lambda _, text=text: parse(text, locale) or "") for text in inputs]  # type: ignore[misc]


def _number(text: str, locale: str | None) -> str | None:
    found = numbers.parse(text, locale)
    return None if found is None else found.text


def _date(text: str, locale: str | None) -> str | None:
    found = dates.read(text, dates.order_of(locale) if locale else None, locale)
    return None if found is None else found.isoformat()


def _phone(text: str, locale: str | None) -> str | None:
    return phones.parse(text, locales.find(locale).territory if locale else None)


def _address(text: str, _: str | None) -> str | None:
    found = addresses.parse(text)
    return json.dumps(found) if found else None


_PARSERS: dict[str, Callable[[str, str | None], str | None]] = {
    "number": _number,
    "date": _date,
    "phone": _phone,
    "address": _address,
}
