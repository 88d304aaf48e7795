"""Pseudonyms of whole values, and what pseudonyms stand for.

Options: `key`, `kind`, `subject`, `reverse`, and `nonce`, which makes a call one of its own. With `kind` an input is a
value or its pseudonym, without it is a text with tokens, to be read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.models.engine import Engine
from pg_llm.privacy.host.keys import Key
from pg_llm.privacy.host.pseudonyms import Pseudonyms
from pg_llm.tasks import WorkItem


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per value or text."""
    pseudonyms = Pseudonyms(Key.registered(options["key"]))
    kind, subject = options["kind"], options["subject"]

    def result(value: str) -> str:
        if kind is None:
            return pseudonyms.reveal_tokens(value)
        if options["reverse"]:
            return pseudonyms.reveal(kind, value, subject)
        return pseudonyms.write(kind, value, subject)

    return [WorkItem((), lambda _, value=value: result(value)) for value in inputs]  # type: ignore[misc]
