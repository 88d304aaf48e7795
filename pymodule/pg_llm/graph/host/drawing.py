"""The task `graph_drawing`: a node-link diagram of a graph as SVG.

An input is a JSON object of `graph`, its name, `about`, a subtitle, `focus`, the id of an entity or null, `nodes` as
[id, name, type] and `edges` as [id, subject, predicate, object, confidence]; the result is the SVG.
"""

from __future__ import annotations

import functools
import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pg_llm.graph.host import layout
from pg_llm.graph.host.curves import Point, arrow_head, path_data, point_at
from pg_llm.graph.host.label_placement import LabelPlacement
from pg_llm.graph.host.text_metrics import truncate, two_lines, width_of
from pg_llm.tasks import WorkItem
from pg_llm.xml import escape

# Colours of the commonest types, and last that of all others.
_COLOURS = "#2f6fb5 #d1701f #2f9150 #b23a48 #7a55b0 #8a6a2f #c2549a #3a9aa8 #7d8f1e #6b7280".split()
_FONT = "Helvetica, Arial, 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
_SIZE, _SMALL = 13.0, 10.5
_LINE_HEIGHT = 16.0
# Letters of a line of a name, and of a predicate.
_MAX_NAME, _MAX_PREDICATE = 22, 28
_PADDING = 9.0
_MARGIN = 24.0
_HEADER = 46.0


def prepare(model: None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One drawing per graph."""
    return [WorkItem((), functools.partial(_draw, text)) for text in inputs]


def _draw(text: str, outputs: Sequence[Any]) -> str:
    return _Diagram(json.loads(text)).svg()


@dataclass(slots=True)
class _Node:
    """A box with round corners around `x` and `y`, with the lines of an entity's name."""

    name: str
    type: str
    lines: list[str]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0

    @classmethod
    def of_entity(cls, name: str, type_: str) -> _Node:
        """A box that is as large as the name needs."""
        lines = list(two_lines(name, _MAX_NAME))
        width = max(width_of(line, _SIZE) for line in lines) + 2 * _PADDING + 4
        return cls(name, type_, lines, max(width, 34.0), len(lines) * _LINE_HEIGHT + 2 * _PADDING - 4)

    @property
    def radius(self) -> float:
        """The radius of the corners."""
        return min(self.height / 2, 14.0)

    def border(self, towards: Point) -> Point:
        """The point where a line from the center to another point leaves the box, by bisection."""
        inside, outside = 0.0, 1.0
        for _ in range(20):
            share = (inside + outside) / 2
            if self._contains((towards[0] - self.x) * share, (towards[1] - self.y) * share):
                inside = share
            else:
                outside = share
        return self.x + (towards[0] - self.x) * inside, self.y + (towards[1] - self.y) * inside

    def _contains(self, dx: float, dy: float) -> bool:
        """Whether the point with this offset from the center is in the box."""
        over_x = max(abs(dx) - self.width / 2 + self.radius, 0.0)
        over_y = max(abs(dy) - self.height / 2 + self.radius, 0.0)
        return math.hypot(over_x, over_y) <= self.radius


class _Edge(NamedTuple):
    start: int
    label: str
    predicate: str
    end: int
    confidence: float


class _Diagram:
    def __init__(self, graph: dict[str, Any]) -> None:
        self._graph = graph
        self._nodes = {number: _Node.of_entity(name, type_) for number, name, type_ in graph["nodes"]}
        self._edges = [
            _Edge(subject, truncate(predicate, _MAX_PREDICATE), predicate, object_, confidence)
            for _, subject, predicate, object_, confidence in graph["edges"]
        ]
        counts = Counter(node.type for node in self._nodes.values())
        self._types = sorted(counts, key=lambda type_: (-counts[type_], type_))
        self._placement = LabelPlacement(_SMALL)
        self._lay_out()
        # Points that the drawing must include.
        self._extent: list[Point] = []

    def _lay_out(self) -> None:
        position = {number: place for place, number in enumerate(self._nodes)}
        # Beside the two boxes an edge has room for its label and the arrow head.
        lengths = [
            width_of(edge.label, _SMALL) + 44 + (self._nodes[edge.start].width + self._nodes[edge.end].width) / 3
            for edge in self._edges
        ]
        centers = layout.place(
            [(node.width, node.height) for node in self._nodes.values()],
            [(position[edge.start], position[edge.end]) for edge in self._edges],
            lengths,
        )
        for node, (x, y) in zip(self._nodes.values(), centers.tolist(), strict=True):
            node.x, node.y = x, y

    def svg(self) -> str:
        """The whole drawing."""
        for node in self._nodes.values():
            side = max(0.0, node.width - node.height) / 2
            shares = (-1, -0.5, 0, 0.5, 1)
            self._placement.occupy((node.x + share * side, node.y, node.height / 2) for share in shares)
            self._extent += [(node.x + sign * node.width / 2, node.y + sign * node.height / 2) for sign in (-1, 1)]
        lines, labels = self._draw_edges()
        left, top = (min((point[axis] for point in self._extent), default=0.0) - _MARGIN for axis in (0, 1))
        right, bottom = (max((point[axis] for point in self._extent), default=320.0) + _MARGIN for axis in (0, 1))
        title = f"{self._graph['graph']}" + (f": {self._graph['about']}" if self._graph["about"] else "")
        right = max(right, left + min(width_of(title, _SIZE + 3), 900) + 2 * _MARGIN, left + 320)
        legend, legend_height = self._draw_legend(left + _MARGIN, bottom + 8, right - _MARGIN)
        width, height = right - left, bottom + legend_height - top + _HEADER
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" width="{width:.0f}"'
            f' height="{height:.0f}" viewBox="{left:.1f} {top - _HEADER:.1f} {width:.1f} {height:.1f}"'
            f' font-family="{escape(_FONT)}">',
            f"<title>{escape(title)}</title><desc>{escape(self._description())}</desc>",
            f'<rect x="{left:.1f}" y="{top - _HEADER:.1f}" width="{width:.1f}" height="{height:.1f}" fill="#ffffff"/>',
            f'<text x="{left + _MARGIN:.1f}" y="{top - _HEADER + 30:.1f}" font-size="{_SIZE + 3:g}" font-weight="600"'
            f' fill="#1f2937">{escape(truncate(title, 100))}</text>',
            *lines,
            *labels,
            *(self._draw_node(number) for number in self._nodes),
            *legend,
        ]
        if not self._nodes:
            parts.append(
                f'<text x="{left + _MARGIN:.1f}" y="{top + 10:.1f}" font-size="{_SIZE:g}" fill="#6b7280">'
                "There is nothing to see here.</text>"
            )
        return "\n".join([*parts, "</svg>"])

    def _description(self) -> str:
        """The drawing in words, for screen readers."""
        facts = (f"{self._nodes[e.start].name} {e.predicate} {self._nodes[e.end].name}" for e in self._edges[:20])
        return (
            f"{len(self._nodes)} entities of {len(self._types)} types and {len(self._edges)} relations: "
            + "; ".join(facts)
            + (" …" if len(self._edges) > 20 else "")
        )

    def _draw_node(self, number: int) -> str:
        node = self._nodes[number]
        colour = self._colour(node.type)
        focus = number == self._graph["focus"]
        weight = ' font-weight="600"' if focus else ""
        first = node.y - (len(node.lines) - 1) * _LINE_HEIGHT / 2 + _SIZE * 0.35
        text = "".join(
            f'<tspan x="{node.x:.1f}" y="{first + place * _LINE_HEIGHT:.1f}">{escape(line)}</tspan>'
            for place, line in enumerate(node.lines)
        )
        return (
            f"<g><title>{escape(f'{node.name} ({node.type})')}</title>"
            f'<rect x="{node.x - node.width / 2:.1f}" y="{node.y - node.height / 2:.1f}" width="{node.width:.1f}"'
            f' height="{node.height:.1f}" rx="{node.radius:.1f}" fill="{_tint(colour, 0.72 if focus else 0.86)}"'
            f' stroke="{colour}" stroke-width="{3 if focus else 1.4}"/>'
            f'<text text-anchor="middle" font-size="{_SIZE:g}" fill="#111827"{weight}>{text}</text></g>'
        )

    def _draw_edges(self) -> tuple[list[str], list[str]]:
        """The lines and the labels of all edges."""
        parallel: dict[tuple[int, int], list[_Edge]] = defaultdict(list)
        for edge in self._edges:
            parallel[min(edge.start, edge.end), max(edge.start, edge.end)].append(edge)
        lines, labels = [], []
        for (one, other), edges in parallel.items():
            for number, edge in enumerate(edges):
                loop = one == other
                curve = self._loop(one, number) if loop else self._curve(edge, other, number, len(edges))
                self._extent += list(curve)
                name = f"{self._nodes[edge.start].name} {edge.predicate} {self._nodes[edge.end].name}"
                lines.append(
                    f'<g opacity="{0.35 + 0.65 * edge.confidence:.2f}">'
                    f"<title>{escape(f'{name} (confidence {edge.confidence:.2f})')}</title>"
                    f'<path d="{path_data(curve)}" fill="none" stroke="#7b8794" stroke-width="1.3"/>'
                    f"{arrow_head(curve)}</g>"
                )
                labels.append(self._draw_label(edge.label, curve))
        return lines, labels

    def _draw_label(self, label: str, curve: Sequence[Point]) -> str:
        width = width_of(label, _SMALL)
        center, angle = self._placement.place(_label_candidates(curve), width)
        self._extent.append(center)
        width += 4
        return (
            f'<g transform="translate({center[0]:.1f} {center[1]:.1f}) rotate({angle:.1f})"><rect x="{-width / 2:.1f}"'
            f' y="{-_SMALL * 0.62:.1f}" width="{width:.1f}" height="{_SMALL * 1.24:.1f}" fill="#ffffff"'
            f' opacity="0.85"/><text y="{_SMALL * 0.35:.1f}" text-anchor="middle" font-size="{_SMALL:g}"'
            f' fill="#374151">{escape(label)}</text></g>'
        )

    def _curve(self, edge: _Edge, greater: int, number: int, count: int) -> tuple[Point, Point, Point]:
        """A quadratic curve from border to border; parallel edges bend away from each other."""
        a, b = self._nodes[edge.start], self._nodes[edge.end]
        dx, dy = b.x - a.x, b.y - a.y
        length = math.hypot(dx, dy) or 1.0
        # Edges of opposite directions are bent as seen from the same end, so that they do not coincide.
        side = 1 if edge.end == greater else -1
        bend = (number - (count - 1) / 2) * min(64.0, 0.5 * length) * side
        middle = (a.x + b.x) / 2 - dy / length * bend, (a.y + b.y) / 2 + dx / length * bend
        return a.border(middle), middle, b.border(middle)

    def _loop(self, entity: int, number: int) -> tuple[Point, Point, Point, Point]:
        """A cubic curve above a node that is related to itself."""
        node = self._nodes[entity]
        height, half_width = 38.0 + 22 * number, 26.0 + 8 * number
        top = node.y - node.height / 2
        start = min(node.width / 5, 14.0)
        return (
            (node.x - start, top),
            (node.x - half_width, top - height),
            (node.x + half_width, top - height),
            (node.x + start, top),
        )

    def _draw_legend(self, left: float, top: float, right: float) -> tuple[list[str], float]:
        """The legend of the colours, in rows, and its height."""
        distinct = len(_COLOURS) - 1
        entries = [(type_, self._colour(type_)) for type_ in self._types[:distinct]]
        if len(self._types) > distinct:
            entries.append((f"{len(self._types) - distinct} more types", _COLOURS[-1]))
        parts = []
        x, y = left, top + 8
        for text, colour in entries:
            label = truncate(text, 40)
            width = 20 + width_of(label, _SMALL + 1) + 18
            if x > left and x + width > right:
                x, y = left, y + 20
            parts.append(
                f'<g><rect x="{x:.1f}" y="{y - 6:.1f}" width="12" height="12" rx="4" fill="{_tint(colour, 0.7)}"'
                f' stroke="{colour}" stroke-width="1.4"/><text x="{x + 18:.1f}" y="{y + 4:.1f}"'
                f' font-size="{_SMALL + 1:g}"'
                f' fill="#374151">{escape(label)}</text></g>'
            )
            x += width
        return parts, y - top + 24

    def _colour(self, type_: str) -> str:
        return _COLOURS[min(self._types.index(type_), len(_COLOURS) - 1)]


def _label_candidates(curve: Sequence[Point]) -> list[tuple[Point, float]]:
    """Places along a curve, those near its middle first, with angles at which the text is upright."""
    if len(curve) == 4:
        return [(point_at(curve, 0.5), 0.0)]
    candidates = []
    for share in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.2, 0.8):
        before, after = point_at(curve, share - 0.02), point_at(curve, share + 0.02)
        angle = math.degrees(math.atan2(after[1] - before[1], after[0] - before[0]))
        upright = angle - 180 if angle > 90 else angle + 180 if angle < -90 else angle
        candidates.append((point_at(curve, share), upright))
    return candidates


def _tint(colour: str, white: float) -> str:
    """The colour mixed with a share of white."""
    channels = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(channel + (255 - channel) * white):02x}" for channel in channels)
