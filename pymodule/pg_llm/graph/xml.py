"""Text inside XML."""

from __future__ import annotations

import re

# What XML 1.0 has no way to write.
_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
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


def escaped(text: str) -> str:
    """For elements and for attributes in either quotes; what XML cannot hold becomes U+FFFD."""
    return _NOT_XML.sub("\ufffd", text).translate(_TABLE)
