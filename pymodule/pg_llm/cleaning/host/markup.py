"""Texts freed of HTML."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?>|&(?:[a-zA-Z]{2,8}|#\d{2,6}|#x[0-9a-fA-F]{2,6});")
# After these a text goes on in another line.
_BLOCKS = frozenset(
    "address article blockquote br dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre section table tr ul".split()
)
_HIDDEN = frozenset(("script", "style", "template"))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count what is not shown, and begin a line."""
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """End what is not shown, and the line."""
        self._hidden = max(0, self._hidden - (tag in _HIDDEN))
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        """Keep what is shown; line breaks of the source are spaces."""
        if not self._hidden:
            self.pieces.append(re.sub(r"\s+", " ", data))


def plain_text(text: str) -> str:
    """The text without tags and entities, one line for each paragraph; itself where it has none."""
    if not _TAG.search(text):
        return text
    if "<" not in text:
        return re.sub(r"[^\S\n]+", " ", html.unescape(text)).strip()
    reader = _Reader()
    reader.feed(text)
    reader.close()
    lines = ("".join(reader.pieces)).split("\n")
    return "\n".join(line for each in lines if (line := " ".join(each.split())))
