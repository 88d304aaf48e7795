"""SQL expressions that are kept in tables: run only where they compute from a row's columns, and do nothing else.

A restored dump, and so the database's owner, may have written anything in their place.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from pg_llm.database import models
from pg_llm.database.connection import Connection

_STRINGS = "standard_conforming_strings"


def refusals(db: Connection, texts: Sequence[str], names: Collection[str]) -> list[str | None]:
    """For each text None, or the reason why it is no plain expression over columns of these names."""
    # Otherwise what is checked, and what was meant, is not what runs.
    if db.setting(_STRINGS) == "off":
        return [f"is not read while {_STRINGS} is off"] * len(texts)
    return [_refusal(text, each, names) for text, each in zip(texts, _parsed(db, texts), strict=True)]


def columns(db: Connection, text: str) -> list[str]:
    """The columns that a plain expression reads, each once, in the order in which it names them."""
    return list(dict.fromkeys(column["parts"][-1] for column in _parsed(db, [text])[0]["columns"]))


def _parsed(db: Connection, texts: Sequence[str]) -> list[dict[str, Any]]:
    if not texts:
        return []
    return [json.loads(each) for each in models.run_without_model(db, "sql_check", list(texts), purpose="expression")]


def _refusal(text: str, checked: dict[str, Any], names: Collection[str]) -> str | None:
    if "refused" in checked:
        return str(checked["refused"])
    if "--" in text or "/*" in text:
        return "holds a comment"
    for column in checked["columns"]:
        if len(column["parts"]) != 1 or column["parts"][0] not in names:
            return f"names {'.'.join(column['parts'])}, which is no column of it"
    return None
