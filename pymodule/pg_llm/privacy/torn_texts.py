"""Texts that are asked about in parts, by models that get texts redacted only.

What is found in a whole text is not found in one whose words were left out or changed, such as half an address of mail.
"""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput
from pg_llm.privacy import detection, finding, kinds


def refuse_personal(db: Connection, model: Model, texts: Sequence[str | None]) -> None:
    """Raise InvalidInput for a text with personal data in it, if the model, or its base, gets texts redacted only."""
    wires = [wire for wire in (model.wire, model.wire["base"]) if wire]
    wanted = next((each for wire in wires if (each := wire["options"].get("redact_before"))), None)
    if not wanted:
        return
    given = [text for text in texts if text]
    found = finding.find(db, given, kinds.checked(None if wanted is True else wanted), None, detection.DEFAULT)
    if held := sum(map(bool, found)):
        raise InvalidInput(
            f'model "{model.name}" gets texts redacted only, and {held} of {len(given)} hold personal data, which texts'
            " with words left out or changed would show in parts",
            hint="Give llm_redact(…) of the text, in which labels stand for what is personal.",
        )
