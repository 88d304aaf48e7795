"""A graph as a picture, in SVG.

An input is a JSON object: the graph's name, what the picture is `about`, the entity in `focus` or null, `nodes` as [id,
name, type] and `edges` as [id, subject, predicate, object, confidence]; the result is the SVG.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pg_llm.graph.host import layout
from pg_llm.graph.xml import escaped
from pg_llm.tasks import WorkItem

Point = tuple[float, float]
# Ten that can be told apart, the last for all other types.
_COLOURS = (
    "#2f6fb5",
    "#d1701f",
    "#2f9150",
    "#b23a48",
    "#7a55b0",
    "#8a6a2f",
    "#c2549a",
    "#3a9aa8",
    "#7d8f1e",
    "#6b7280",
)
_FONT = "Helvetica, Arial, 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
_SIZE, _SMALL = 13.0, 10.5
_LINE = 16.0
_LONGEST, _LONGEST_PREDICATE = 22, 28
_PAD = 9.0
_MARGIN = 24.0
_HEAD = 9.0
# Larger than any two discs that touch are apart.
_CELL = 48.0


def prepare(model: None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One picture per graph."""
    return [WorkItem((), functools.partial(_drawn, text)) for text in inputs]


def _drawn(text: str, outputs: Sequence[Any]) -> str:
    return _Picture(json.loads(text)).svg()


@dataclass(slots=True)
class _Node:
    name: str
    type: str
    lines: list[str]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0

    @property
    def middle(self) -> Point:
        return self.x, self.y

    def border(self, towards: Point) -> Point:
        """Where a line from the middle leaves the box."""
        inside, outside = 0.0, 1.0
        for _ in range(20):
            share = (inside + outside) / 2
            if self._holds((towards[0] - self.x) * share, (towards[1] - self.y) * share):
                inside = share
            else:
                outside = share
        return self.x + (towards[0] - self.x) * inside, self.y + (towards[1] - self.y) * inside

    def _holds(self, dx: float, dy: float) -> bool:
        """Whether what lies so far from the middle is in the box, whose corners are round."""
        over_x = max(abs(dx) - self.width / 2 + self.round, 0.0)
        over_y = max(abs(dy) - self.height / 2 + self.round, 0.0)
        return math.hypot(over_x, over_y) <= self.round

    @property
    def round(self) -> float:
        """The radius of its corners."""
        return min(self.height / 2, 14.0)


@dataclass(slots=True)
class _Labels:
    """Where labels are, as discs along their lines; finds a place where a new one touches least."""

    cells: dict[tuple[int, int], list[tuple[float, float, float]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, discs: Iterable[tuple[float, float, float]]) -> None:
        """Take these places."""
        for disc in discs:
            self.cells[int(disc[0] // _CELL), int(disc[1] // _CELL)].append(disc)

    def put(self, choices: Sequence[tuple[Point, float]], width: float) -> tuple[Point, float]:
        """The best of the places, each a middle and an angle in degrees; now taken."""
        best = min(choices, key=lambda choice: self._touched(choice[0], choice[1], width))
        self.add(self._own(*best, width))
        return best

    def _touched(self, at: Point, angle: float, width: float) -> float:
        total = 0.0
        for x, y, radius in self._own(at, angle, width):
            across, down = int(x // _CELL), int(y // _CELL)
            for cell in itertools.product((across - 1, across, across + 1), (down - 1, down, down + 1)):
                for a, b, other in self.cells.get(cell, ()):
                    total += max(0.0, radius + other - math.hypot(x - a, y - b))
        return total

    @staticmethod
    def _own(at: Point, angle: float, width: float) -> list[tuple[float, float, float]]:
        radius = _SMALL * 0.6
        count = max(1, round(width / (2 * radius)))
        turn = math.radians(angle)
        offsets = [(place + 0.5) / count * width - width / 2 for place in range(count)]
        return [(at[0] + math.cos(turn) * by, at[1] + math.sin(turn) * by, radius) for by in offsets]


class _Picture:
    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self._nodes = {number: _node(name, type_) for number, name, type_ in given["nodes"]}
        self._edges = [
            (subject, _cut(predicate, _LONGEST_PREDICATE), predicate, object_, confidence)
            for _, subject, predicate, object_, confidence in given["edges"]
        ]
        counts = Counter(node.type for node in self._nodes.values())
        self._types = sorted(counts, key=lambda type_: (-counts[type_], type_))
        self._labels = _Labels()
        order = list(self._nodes)
        row = {number: place for place, number in enumerate(order)}
        # Room for the label and the arrow head beside the two boxes.
        lengths = [
            _width(label, _SMALL) + 44 + (self._nodes[start].width + self._nodes[end].width) / 3
            for start, label, _, end, _ in self._edges
        ]
        spots = layout.place(
            [(node.width, node.height) for node in self._nodes.values()],
            [(row[start], row[end]) for start, _, _, end, _ in self._edges],
            lengths,
        )
        for node, (x, y) in zip(self._nodes.values(), spots.tolist(), strict=True):
            node.x, node.y = x, y
        self._reach: list[Point] = []

    def svg(self) -> str:
        """The whole picture."""
        for node in self._nodes.values():
            side = max(0.0, node.width - node.height) / 2
            self._labels.add((node.x + share * side, node.y, node.height / 2) for share in (-1, -0.5, 0, 0.5, 1))
            self._reach += [(node.x + way * node.width / 2, node.y + way * node.height / 2) for way in (-1, 1)]
        lines, labels = self._drawn_edges()
        left, top = (min((point[axis] for point in self._reach), default=0.0) - _MARGIN for axis in (0, 1))
        right, bottom = (max((point[axis] for point in self._reach), default=320.0) + _MARGIN for axis in (0, 1))
        title = f"{self._given['graph']}" + (f": {self._given['about']}" if self._given["about"] else "")
        right = max(right, left + min(_width(title, _SIZE + 3), 900) + 2 * _MARGIN, left + 320)
        head = 46.0
        legend, deep = self._legend(left + _MARGIN, bottom + 8, right - _MARGIN)
        width, height = right - left, bottom + deep - top + head
        told = (
            f"{len(self._nodes)} entities of {len(self._types)} types and {len(self._edges)} relations: "
            + "; ".join(f"{self._nodes[s].name} {p} {self._nodes[o].name}" for s, _, p, o, _ in self._edges[:20])
            + (" …" if len(self._edges) > 20 else "")
        )
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escaped(title)}" width="{width:.0f}"'
            f' height="{height:.0f}" viewBox="{left:.1f} {top - head:.1f} {width:.1f} {height:.1f}"'
            f' font-family="{escaped(_FONT)}">',
            f"<title>{escaped(title)}</title><desc>{escaped(told)}</desc>",
            f'<rect x="{left:.1f}" y="{top - head:.1f}" width="{width:.1f}" height="{height:.1f}" fill="#ffffff"/>',
            f'<text x="{left + _MARGIN:.1f}" y="{top - head + 30:.1f}" font-size="{_SIZE + 3:g}" font-weight="600"'
            f' fill="#1f2937">{escaped(_cut(title, 100))}</text>',
            *lines,
            *labels,
            *(self._drawn_node(number) for number in self._nodes),
            *legend,
        ]
        if not self._nodes:
            parts.append(
                f'<text x="{left + _MARGIN:.1f}" y="{top + 10:.1f}" font-size="{_SIZE:g}" fill="#6b7280">'
                "There is nothing to see here.</text>"
            )
        return "\n".join([*parts, "</svg>"])

    def _drawn_node(self, number: int) -> str:
        node = self._nodes[number]
        colour = self._colour(node.type)
        focus = number == self._given["focus"]
        weight = ' font-weight="600"' if focus else ""
        first = node.y - (len(node.lines) - 1) * _LINE / 2 + _SIZE * 0.35
        text = "".join(
            f'<tspan x="{node.x:.1f}" y="{first + place * _LINE:.1f}">{escaped(line)}</tspan>'
            for place, line in enumerate(node.lines)
        )
        return (
            f"<g><title>{escaped(f'{node.name} ({node.type})')}</title>"
            f'<rect x="{node.x - node.width / 2:.1f}" y="{node.y - node.height / 2:.1f}" width="{node.width:.1f}"'
            f' height="{node.height:.1f}" rx="{node.round:.1f}" fill="{_tint(colour, 0.72 if focus else 0.86)}"'
            f' stroke="{colour}" stroke-width="{3 if focus else 1.4}"/>'
            f'<text text-anchor="middle" font-size="{_SIZE:g}" fill="#111827"{weight}>{text}</text></g>'
        )

    def _drawn_edges(self) -> tuple[list[str], list[str]]:
        beside: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place, (start, _, _, end, _) in enumerate(self._edges):
            beside[min(start, end), max(start, end)].append(place)
        lines, labels = [], []
        for (one, other), places in beside.items():
            for turn, place in enumerate(places):
                start, label, predicate, end, confidence = self._edges[place]
                curve = self._loop(one, turn) if one == other else self._curve(start, end, other, turn, len(places))
                self._reach += list(curve)
                tip, tail = curve[-1], _on(curve, 0.97)
                shade = 0.35 + 0.65 * confidence
                what = f"{self._nodes[start].name} {predicate} {self._nodes[end].name} (confidence {confidence:.2f})"
                lines.append(
                    f'<g opacity="{shade:.2f}"><title>{escaped(what)}</title>'
                    f'<path d="{_path(curve, tip)}" fill="none" stroke="#7b8794" stroke-width="1.3"/>'
                    f"{_arrow(tail, tip)}</g>"
                )
                at, angle = self._labels.put(self._label_places(curve), _width(label, _SMALL))
                self._reach.append(at)
                width = _width(label, _SMALL) + 4
                labels.append(
                    f'<g transform="translate({at[0]:.1f} {at[1]:.1f}) rotate({angle:.1f})"><rect x="{-width / 2:.1f}"'
                    f' y="{-_SMALL * 0.62:.1f}" width="{width:.1f}" height="{_SMALL * 1.24:.1f}" fill="#ffffff"'
                    f' opacity="0.85"/><text y="{_SMALL * 0.35:.1f}" text-anchor="middle" font-size="{_SMALL:g}"'
                    f' fill="#374151">{escaped(label)}</text></g>'
                )
        return lines, labels

    def _curve(self, start: int, end: int, other: int, turn: int, count: int) -> tuple[Point, Point, Point]:
        """From border to border; several between the same two bend away from one another."""
        a, b = self._nodes[start], self._nodes[end]
        dx, dy = b.x - a.x, b.y - a.y
        length = math.hypot(dx, dy) or 1.0
        # Seen from the same end for both directions, so that they do not fall together.
        side = 1 if end == other else -1
        bend = (turn - (count - 1) / 2) * min(64.0, 0.5 * length) * side
        middle = (a.x + b.x) / 2 - dy / length * bend, (a.y + b.y) / 2 + dx / length * bend
        return a.border(middle), middle, b.border(middle)

    def _loop(self, number: int, turn: int) -> tuple[Point, Point, Point, Point]:
        node = self._nodes[number]
        high, wide = 38.0 + 22 * turn, 26.0 + 8 * turn
        top = node.y - node.height / 2
        at = min(node.width / 5, 14.0)
        return (node.x - at, top), (node.x - wide, top - high), (node.x + wide, top - high), (node.x + at, top)

    def _label_places(self, curve: Sequence[Point]) -> list[tuple[Point, float]]:
        if len(curve) == 4:
            return [(_on(curve, 0.5), 0.0)]
        found = []
        for share in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.2, 0.8):
            here, next_ = _on(curve, share - 0.02), _on(curve, share + 0.02)
            angle = math.degrees(math.atan2(next_[1] - here[1], next_[0] - here[0]))
            upright = angle - 180 if angle > 90 else angle + 180 if angle < -90 else angle
            found.append((_on(curve, share), upright))
        return found

    def _legend(self, left: float, top: float, right: float) -> tuple[list[str], float]:
        """What the colours mean, in rows; and how high that is."""
        own = len(_COLOURS) - 1
        shown = [(type_, self._colour(type_)) for type_ in self._types[:own]]
        if len(self._types) > own:
            shown.append((f"{len(self._types) - own} more types", _COLOURS[-1]))
        parts = []
        x, y = left, top + 8
        for text, colour in shown:
            label = _cut(text, 40)
            needed = 20 + _width(label, _SMALL + 1) + 18
            if x > left and x + needed > right:
                x, y = left, y + 20
            parts.append(
                f'<g><rect x="{x:.1f}" y="{y - 6:.1f}" width="12" height="12" rx="4" fill="{_tint(colour, 0.7)}"'
                f' stroke="{colour}" stroke-width="1.4"/><text x="{x + 18:.1f}" y="{y + 4:.1f}"'
                f' font-size="{_SMALL + 1:g}"'
                f' fill="#374151">{escaped(label)}</text></g>'
            )
            x += needed
        return parts, y - top + 24

    def _colour(self, type_: str) -> str:
        return _COLOURS[min(self._types.index(type_), len(_COLOURS) - 1)]


def _node(name: str, type_: str) -> _Node:
    lines = list(_lines(name))
    width = max(_width(line, _SIZE) for line in lines) + 2 * _PAD + 4
    return _Node(name, type_, lines, max(width, 34.0), len(lines) * _LINE + 2 * _PAD - 4)


def _lines(name: str) -> Iterator[str]:
    """One line, or two that are about equally long."""
    text = _cut(" ".join(name.split()) or " ", 2 * _LONGEST)
    if _width(text, 1.0) <= _LONGEST * 0.6:
        yield text
        return
    half = _width(text, 1.0) / 2
    # At a space if there is one; Chinese has none and breaks anywhere.
    breaks = [place for place, character in enumerate(text) if character == " "] or range(1, len(text))
    at = min(breaks, key=lambda place: abs(_width(text[:place], 1.0) - half))
    yield text[:at].rstrip()
    yield text[at:].lstrip()


def _cut(text: str, most: int) -> str:
    """As much of a text as is that wide, counted in letters of middling width."""
    total = 0.0
    for place, character in enumerate(text):
        total += _width(character, 1.0)
        if total > most * 0.6:
            return text[: max(1, place - 1)] + "…"
    return text


def _width(text: str, size: float) -> float:
    """What a text takes in a usual sans serif."""
    return size * sum(
        0.0
        if unicodedata.combining(character)
        else 1.0
        if unicodedata.east_asian_width(character) in "WF"
        else 0.3
        if character in "iljtfrI.,:;'|!()[] "
        else 0.85
        if character in "mwMW@%"
        else 0.68
        if character.isupper()
        else 0.56
        for character in text
    )


def _tint(colour: str, white: float) -> str:
    parts = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * white):02x}" for part in parts)


def _on(curve: Sequence[Point], share: float) -> Point:
    """The point of a Bézier curve, by de Casteljau."""
    points = list(curve)
    while len(points) > 1:
        points = [(a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share) for a, b in itertools.pairwise(points)]
    return points[0]


def _path(curve: Sequence[Point], tip: Point) -> str:
    kind = "Q" if len(curve) == 3 else "C"
    near = _on(curve, 0.97)
    length = math.hypot(tip[0] - near[0], tip[1] - near[1]) or 1.0
    # Ends inside the arrow head, whose tip is fine.
    short = tip[0] - (tip[0] - near[0]) / length * _HEAD * 0.7, tip[1] - (tip[1] - near[1]) / length * _HEAD * 0.7
    rest = " ".join(f"{x:.1f} {y:.1f}" for x, y in [*curve[1:-1], short])
    return f"M{curve[0][0]:.1f} {curve[0][1]:.1f} {kind}{rest}"


def _arrow(tail: Point, tip: Point) -> str:
    turn = math.atan2(tip[1] - tail[1], tip[0] - tail[0])
    corners = [tip] + [
        (tip[0] - _HEAD * math.cos(turn + side), tip[1] - _HEAD * math.sin(turn + side)) for side in (0.42, -0.42)
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<polygon points="{points}" fill="#7b8794"/>'
