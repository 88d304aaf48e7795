"""Redaction: an input is a JSON list of a text and of [kind, start, end] for what is replaced in it, in order.

Options: `method`, `key` as it is registered or null, `subject`, `language`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.models.engine import Engine
from pg_llm.privacy.host import dates, fakes, generalization
from pg_llm.privacy.host.keys import Key
from pg_llm.privacy.host.pseudonyms import Pseudonyms
from pg_llm.tasks import WorkItem

# What stands in place of a value of a kind.
Replacement = Callable[[str, str], str]
# Numbers of which the last four figures tell a person which one is meant, and nobody else anything.
_LAST_FOUR = ("card", "iban", "bank_account")


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per text."""
    replacement = _replacement(options)
    return [WorkItem((), lambda _, given=given: _redacted(given, replacement)) for given in inputs]  # type: ignore[misc]


def _redacted(given: str, replacement: Replacement) -> str:
    text, found = json.loads(given)
    parts, end = [], 0
    for kind, start, stop in found:
        parts += [text[end:start], replacement(kind, text[start:stop])]
        end = stop
    return "".join([*parts, text[end:]])


def _replacement(options: dict[str, Any]) -> Replacement:
    method, subject = options["method"], options["subject"]
    without_key: dict[str, Replacement] = {
        "label": label,
        "mask": masked,
        "remove": lambda kind, value: "",
        "generalize": lambda kind, value: generalization.generalized(kind, value) or label(kind, value),
    }
    if method in without_key:
        return without_key[method]
    key = Key.registered(options["key"])
    pseudonyms = Pseudonyms(key)
    if method == "hash":
        return lambda kind, value: f"[{kind}#{key.mac('hash', kind, value)[:16].hex()}]"
    if method == "fake":
        return lambda kind, value: fakes.fake(kind, value, key.mac("fake", kind, value), options["language"])
    if method == "shift":
        return lambda kind, value: (kind in dates.KINDS and pseudonyms.shifted(value, subject)) or label(kind, value)
    return pseudonyms.token


def label(kind: str, value: str) -> str:
    """The kind in brackets."""
    return f"[{kind}]"


def masked(kind: str, value: str) -> str:
    """A star for each letter and digit; of cards and accounts the last four stay."""
    kept = len(value) - 4 if kind in _LAST_FOUR and sum(map(str.isalnum, value)) >= 12 else len(value)
    return "".join("*" if sign.isalnum() and place < kept else sign for place, sign in enumerate(value))
