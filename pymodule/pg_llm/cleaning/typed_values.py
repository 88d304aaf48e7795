"""Values of a semantic type: single ones parsed, and the type of a column's values, by the libraries of the host."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pg_llm.cleaning.value_sample import sample
from pg_llm.database import models
from pg_llm.database.connection import Connection

# Longer values are texts: of these so many characters are looked at.
_MAX_LENGTH = 1000


def parse(db: Connection, kind: str, text: str | None, locale: str | None) -> str | None:
    """The number, the day in ISO 8601 or the phone number in E.164 that a text is; None where it is none."""
    if text is None or len(text) > _MAX_LENGTH:
        return None
    (result,) = models.run_without_model(db, "value_parsing", [text], kind=kind, locale=locale or None)
    return result or None


def parse_address(db: Connection, text: str | None) -> dict[str, str] | None:
    """The certain parts of a postal address by name; None where there are none."""
    found = parse(db, "address", text, None)
    return None if found is None else dict(json.loads(found))


def semantic_type(db: Connection, values: Sequence[str | None], locale: str | None) -> dict[str, Any]:
    """What the values are, with how they are written; the type is NULL where there are none."""
    (found,) = column_types(db, [Counter(value for value in values if value is not None)], locale)
    return {
        "type": found["name"] or None,
        "share": found["share"] if found["name"] else None,
        "decimal_mark": found["decimal_mark"],
        "date_order": found["order"],
        "region": found["region"],
        "unit": found["unit"],
        "pattern": found["pattern"],
        "ambiguous": found["ambiguous"] if found["name"] else None,
    }


def column_types(db: Connection, columns: Sequence[Counter[str]], locale: str | None = None) -> list[dict[str, Any]]:
    """The fields of ColumnType for each column, from its values and how often each occurs."""
    inputs = [_as_json(sample(counts)) for counts in columns]
    found = models.run_without_model(db, "semantic_types", inputs, locale=locale or None)
    return [json.loads(each) for each in found]


def _as_json(counts: Counter[str]) -> str:
    shortened: Counter[str] = Counter()
    for value, count in counts.items():
        shortened[value[:_MAX_LENGTH]] += count
    return json.dumps(shortened)
