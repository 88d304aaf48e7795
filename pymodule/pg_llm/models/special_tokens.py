"""Special tokens in texts: a text that writes one neither ends its turn of a conversation nor begins another's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pg_llm.models.engine import Message


class SpecialTokens:
    """Those of one model; chat templates write them between the turns."""

    def __init__(self, tokens: Iterable[str]) -> None:
        longest_first = sorted({token for token in tokens if len(token) > 1}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def broken(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation with a space inside of each special token that its texts hold."""
        return [message | {"content": self._broken(message["content"])} for message in messages]

    def _broken(self, text: str) -> str:
        return self._pattern.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text) if self._pattern else text
