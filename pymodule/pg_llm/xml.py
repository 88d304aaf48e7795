"""Escaping of text for XML 1.0."""

from __future__ import annotations

import re

# Characters that XML 1.0 cannot represent.
_INVALID = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ENTITIES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}
_TABLE = str.maketrans(_ENTITIES)


def escape(text: str) -> str:
    """The text for elements and for attributes in either quotes; invalid characters become U+FFFD."""
    return _INVALID.sub("\ufffd", text).translate(_TABLE)
