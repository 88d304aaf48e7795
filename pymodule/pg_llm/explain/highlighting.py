"""Attributions as a saliency highlight in SVG: words for the answer on blue, words against it on orange, underlined.

Blue and orange are told apart by the colour-blind, and the line by everybody else in print.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from pg_llm.explain.explanation import Attribution
from pg_llm.xml import escape

_FOR, _AGAINST = "#3b82c4", "#e08a1e"
# Width of a character of one cell, height of a line, margin.
_CELL, _LINE, _MARGIN = 8.4, 24, 12
_STRONGEST = 0.85
# Lines of a drawing at most; what is left out is said.
_MOST_LINES = 200
_LONGEST_TITLE = 200

# A piece of a line: text, its column and width in cells, and the attribution of its word.
_Piece = tuple[str, int, int, float]


def svg(text: str, rows: Sequence[Attribution], title: str | None, width: int) -> str:
    """The text in lines of that many pixels, each word on a ground as strong as its attribution."""
    columns = max(10, int((width - 2 * _MARGIN) / _CELL))
    strongest = max((abs(row.attribution) for row in rows if row.token is not None), default=0.0) or 1.0
    lines = list(_lines(_pieces(text, rows), columns))
    left_out = len(lines) - _MOST_LINES
    top = _MARGIN + (_LINE if title else 0)
    body = [
        _piece(piece, top + number * _LINE, strongest)
        for number, line in enumerate(lines[:_MOST_LINES])
        for piece in line
    ]
    height = top + min(len(lines), _MOST_LINES) * _LINE + _MARGIN
    if left_out > 0:
        body.append(_text(_MARGIN, height, f"… (+{left_out})", 'fill="#777777"'))
        height += _LINE
    heading = [_text(_MARGIN, _MARGIN + 14, (title or "")[:_LONGEST_TITLE], 'font-weight="bold"')] if title else []
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="DejaVu Sans Mono, Noto Sans Mono CJK SC, monospace" font-size="14" fill="#222222">'
    )
    return "".join([opening, '<rect width="100%" height="100%" fill="#ffffff"/>', *heading, *body, "</svg>"])


def _pieces(text: str, rows: Sequence[Attribution]) -> Iterator[tuple[str, float]]:
    """The text in words with their attributions, and in what stands between them."""
    end = 0
    for row in rows:
        if row.start_pos is not None and row.end_pos is not None:
            yield text[end : row.start_pos - 1], 0.0
            yield text[row.start_pos - 1 : row.end_pos - 1], row.attribution
            end = row.end_pos - 1
    yield text[end:], 0.0


def _lines(pieces: Iterator[tuple[str, float]], columns: int) -> Iterator[list[_Piece]]:
    line: list[_Piece] = []
    at = 0
    for words, value in pieces:
        for part in re.split(r"(\s+)", words):
            breaks = part.count("\n") if part.isspace() else 0
            for _ in range(breaks):
                yield line
                line, at = [], 0
            if breaks or not part:
                continue
            if part.isspace():
                at += 1
                continue
            for piece in _cut(part, columns):
                cells = _cells(piece)
                if at and at + cells > columns:
                    yield line
                    line, at = [], 0
                line.append((piece, at, cells, value))
                at += cells
    yield line


def _cut(word: str, columns: int) -> Iterator[str]:
    """A word in pieces that a line holds."""
    size = columns if word.isascii() else columns // 2
    return (word[start : start + size] for start in range(0, len(word), size))


def _cells(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)


def _piece(piece: _Piece, top: float, strongest: float) -> str:
    text, column, cells, value = piece
    x, width = _MARGIN + column * _CELL, cells * _CELL
    strength = _STRONGEST * min(1.0, abs(value) / strongest)
    drawn = ""
    if strength > 0.02:
        colour = _FOR if value > 0 else _AGAINST
        drawn = (
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_LINE - 4}" rx="3" fill="{colour}"'
            f' fill-opacity="{strength:.2f}"><title>{value:+.4f}</title></rect>'
        )
        if value < 0:
            drawn += (
                f'<line x1="{x:.1f}" x2="{x + width:.1f}" y1="{top + _LINE - 5:.1f}" y2="{top + _LINE - 5:.1f}"'
                ' stroke="#222222" stroke-width="1.2"/>'
            )
    # Every font takes the room that was reckoned with.
    return drawn + _text(x, top + 15, text, f'textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs"')


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
