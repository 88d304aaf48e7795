"""Texts that were decoded in the wrong encoding, and HTML entities that were left undecoded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pg_llm.cleaning.host import text_repair
from pg_llm.cleaning.host.table import Finding, Repair, Step, Table

DETECTOR = "encoding"
_STEP = Step("texts in their right encoding")
_CONFIDENCE = 0.98
_MAX_LENGTH = 2000
# Markup is HTML itself, escaped markup must stay escaped, and addresses have ampersands of their own.
_HTML = re.compile(r"(?i)<[a-z/!]|://|&(?:lt|gt|quot|apos|#0*(?:34|39|60|62)|#x0*(?:22|27|3c|3e));")
_DAMAGE = re.compile(r"[^\x00-\x7f]|&#?\w+;|%[0-9A-Fa-f]{2}|\\u[0-9a-fA-F]{4}")


def detect(table: Table) -> Iterator[Finding]:
    """Values that decoding them correctly changes, as llm_clean does; other damage is left to other detectors."""
    for position, column in enumerate(table.columns):
        repairs = {
            value: Repair(new, _CONFIDENCE, "mixed-up encodings or entities", _STEP)
            for value in column.counts
            if len(value) <= _MAX_LENGTH and _DAMAGE.search(value) and (new := _decoded(value)) != value
        }
        yield from table.findings(position, repairs, DETECTOR)


def _decoded(value: str) -> str:
    decoded = value if _HTML.search(value) else text_repair.decode(value)
    # A replacement character shows that bytes were lost before.
    return value if "\ufffd" in decoded else decoded
