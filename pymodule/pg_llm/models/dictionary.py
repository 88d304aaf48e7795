"""English words and how frequent they are."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def english() -> Any:
    """The dictionary of pyspellchecker, loaded once."""
    from spellchecker import SpellChecker

    return SpellChecker(language="en")
