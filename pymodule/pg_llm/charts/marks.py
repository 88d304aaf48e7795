"""What each kind of chart draws, as the part of a Vega-Lite specification that is its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pg_llm.charts import axes, cells
from pg_llm.charts.axes import Spec
from pg_llm.charts.cells import Cells
from pg_llm.charts.choice import KINDS, MOST_NUMBERS
from pg_llm.charts.table import Column, Table
from pg_llm.errors import InvalidInput

_MOST_PLACES = 50
_MOST_UPRIGHT = 12
_MOST_SERIES = 10
_MOST_SLICES = 8
_MOST_MEASURES = 6
_MOST_TIMES = 60
# A line with more points than that goes without marks for them.
_MOST_MARKED = 60
_FEW, _MANY = 200, 2000
_STEP, _INNER_STEP = 17, 11
_AROUND = 90
# Shares of a pie that have room for their label.
_SMALLEST_LABELLED = 0.04


@dataclass(slots=True)
class Drawing:
    """A specification's own part, the rows that had nothing to draw, and the height that the marks need."""

    spec: Spec
    left_out: int = 0
    height: int = 0
    values: list[Spec] = field(default_factory=list)


def drawing(kind: str, table: Table, width: int, height: int) -> Drawing:
    """The table drawn as that kind, which fits it."""
    return _DRAW[kind](table, width, height)


def empty() -> Drawing:
    """A chart of no rows, which says so."""
    return Drawing(
        {"mark": {"type": "text", "fontSize": 24, "color": "#888"}, "encoding": {"text": {"value": "0 rows"}}},
        values=[{}],
    )


def _line(table: Table, width: int, height: int, mark: str = "line") -> Drawing:
    times, numbers, categories = (table.of(role) for role in ("time", "number", "category"))
    x = times[0] if times else categories[0] if categories and len(numbers) < 2 else numbers[0]
    measures = [column for column in numbers if column is not x]
    left = [column for column in categories if column is not x]
    unit = None
    if not measures and x.role == "time":
        unit, _, cut = cells.coarser(x.values, _MOST_TIMES)
        x = replace(x, values=cut)
    of = _series(x, left, measures)
    encoding = _colour(of)
    encoding["x"] = axes.along(x, of, unit)
    encoding["y"] = axes.value(of, {"scale": {"zero": mark == "area"}})
    if x.role != "category":
        of = replace(of, cells=sorted(of.cells, key=lambda cell: cell.x))
    marked = len(of.cells) <= _MOST_MARKED or len(of.places) == 1
    spec: Spec = {"mark": {"type": mark, "tooltip": True, "point": marked}, "encoding": encoding}
    if len(of.cells) > _MANY and mark == "line":
        spec["mark"]["strokeWidth"] = 1
    if mark == "area":
        spec["mark"] |= {"opacity": 0.75, "line": True}
    return Drawing(spec, of.left_out, values=_rows(of))


def _bar(table: Table, width: int, height: int) -> Drawing:
    times, numbers, categories = (table.of(role) for role in ("time", "number", "category"))
    if times:
        return _bars_in_time(times[0], categories, numbers)
    if categories:
        first, left, measures = categories[0], categories[1:], numbers
    elif table.height == 1:
        return _bars(_turned(numbers), width)
    else:
        first, left, measures = cells.as_category(numbers[0], _MOST_PLACES), [], numbers[1:]
    if left and len(set(first.values)) == table.height:
        left = []
    return _bars(cells.largest_places(_series(first, left, measures), _MOST_PLACES), width)


def _bars(of: Cells, width: int) -> Drawing:
    places = of.places
    names = max(1, len(of.names))
    upright = len(places) <= _MOST_UPRIGHT and sum(cells.width(text) + 12 for text in places) < width - _AROUND
    x, y = ("x", "y") if upright else ("y", "x")
    encoding = _colour(of)
    order = places if upright else cells.by_value(of)
    encoding[x] = {
        "field": "x",
        "type": "nominal",
        "title": of.x.name,
        "sort": order,
        "axis": {"labelAngle": 0, "labelLimit": 180} if upright else _long_labels(width),
    }
    encoding[y] = axes.value(of, {})
    if of.names:
        encoding[f"{x}Offset"] = {"field": "series", "type": "nominal", "sort": of.names}
    mark: Spec = {"type": "bar", "tooltip": True}
    if upright is False and not of.names and (short := _without_rest(of)):
        # The rest would leave no length to all the others: its bar is cut off, and its label says how long it was.
        of, longest = short
        encoding[x]["sort"] = cells.by_value(of)
        encoding[y]["scale"] = {"domainMax": longest * 1.1}
        mark["clip"] = True
    if len(places) * names <= 3:
        mark["width" if upright else "height"] = {"band": 0.4 if names == 1 else 0.9}
    inner = names * _INNER_STEP if names > 1 else 0
    height = 0 if upright else _AROUND + len(places) * max(_STEP, inner)
    return Drawing({"mark": mark, "encoding": encoding}, of.left_out, height, _rows(of))


def _long_labels(width: int) -> Spec:
    limit = int(width * 0.4)
    # Labels beyond this extent would run into the title.
    return {"labelLimit": limit, "maxExtent": limit + 20}


def _without_rest(of: Cells) -> tuple[Cells, float] | None:
    """The bars with the value in the label of the rest, and the longest of the others, if the rest is far longer."""
    rest = next((cell for cell in of.cells if str(cell.x).startswith(cells.REST)), None)
    longest = max((cell.value for cell in of.cells if cell is not rest), default=0.0)
    if rest is None or longest <= 0 or rest.value < 3 * longest:
        return None
    told = replace(rest, x=f"{rest.x}: {axes.written(rest.value)}")
    return replace(of, cells=[told if cell is rest else cell for cell in of.cells]), longest


def _turned(numbers: list[Column]) -> Cells:
    """The numbers of one row, as bars that bear the columns' names."""
    names = [column.name for column in numbers]
    x = Column("", "category", names, names)
    values = [column.values[0] for column in numbers]
    return cells.cells(x, None, [Column("", "number", values, values)])


def _bars_in_time(time: Column, categories: list[Column], numbers: list[Column]) -> Drawing:
    unit, _, cut = cells.coarser(time.values, _MOST_TIMES)
    of = _series(replace(time, values=cut), categories, numbers[:1])
    encoding = _colour(of)
    encoding["x"] = axes.along(of.x, of, unit)
    encoding["y"] = axes.value(of, {})
    return Drawing({"mark": {"type": "bar", "tooltip": True}, "encoding": encoding}, of.left_out, values=_rows(of))


def _scatter(table: Table, width: int, height: int) -> Drawing:
    times, numbers, categories = (table.of(role) for role in ("time", "number", "category"))
    x, *rest = [*times[:1], *numbers] if len(numbers) < 2 else numbers
    y = rest[0]
    groups = [column for column in categories if 1 < len(set(column.values)) <= _MOST_SERIES]
    hue = (groups or rest[1:])[:1]
    shown = dict(zip(("x", "y", "color"), (x, y, *hue), strict=False))
    rows = [
        {name: column.values[row] for name, column in shown.items()}
        for row in range(table.height)
        if x.values[row] is not None and y.values[row] is not None
    ]
    size, opacity = (60, 0.8) if len(rows) <= _FEW else (20, 0.5) if len(rows) <= _MANY else (8, 0.25)
    encoding: Spec = {
        "x": axes.temporal(x, None) if x.role == "time" else axes.quantity("x", x, rows),
        "y": axes.quantity("y", y, rows),
    }
    if hue:
        scale = "nominal" if groups else "quantitative"
        encoding["color"] = {"field": "color", "type": scale, "title": hue[0].name}
        if groups:
            encoding["color"]["legend"] = {"symbolOpacity": 1}
    return Drawing(
        {
            "mark": {"type": "point", "filled": True, "tooltip": True, "size": size, "opacity": opacity},
            "encoding": encoding,
        },
        table.height - len(rows),
        values=rows,
    )


def _histogram(table: Table, width: int, height: int) -> Drawing:
    column = table.of("number")[0]
    known = [value for value in column.values if value is not None]
    if not known:
        return Drawing({}, len(column.values))
    values = [{"from": start, "to": end, "count": count} for start, end, count in cells.bins(known, column.whole)]
    x = {"field": "from", "type": "quantitative", "bin": {"binned": True}, "title": column.name}
    x |= {
        "axis": axes.axis([value for each in values for value in (each["from"], each["to"])]),
        "scale": {"zero": False},
    }
    if column.whole and len(values) <= axes.MOST_TICKS and values[0]["to"] - values[0]["from"] == 1:
        x["axis"] = {"values": [int(each["from"] + 0.5) for each in values], "format": "d"}
    counts = axes.axis([each["count"] for each in values]) | axes.steps(max(each["count"] for each in values))
    y = {"field": "count", "type": "quantitative", "title": "count", "axis": counts}
    encoding: Spec = {"x": x, "x2": {"field": "to"}, "y": y}
    mark = {"type": "bar", "tooltip": True}
    return Drawing({"mark": mark, "encoding": encoding}, len(column.values) - len(known), values=values)


def _heatmap(table: Table, width: int, height: int) -> Drawing:
    most = _MOST_PLACES // 2
    pair = [column for column in table.columns if column.role != "number"][:2]
    # The one with fewer values stands on the horizontal axis, where labels have less room; time runs there too.
    pair.sort(key=lambda column: (column.role != "time", len(set(column.values))))
    x, y = (cells.as_category(column, most) for column in pair)
    of = cells.cells(x, y, table.of("number")[:1])
    of = cells.largest_series(cells.largest_places(of, most), _MOST_PLACES)
    across, down = (
        sorted(of.places) if pair[0].role == "time" else of.places,
        sorted(of.names) if pair[1].role == "time" else of.names,
    )
    colour = axes.value(of, {}) | {"scale": {"scheme": "blues"}, "legend": {"gradientLength": 200}}
    colour.pop("axis", None)
    if any(cell.value < 0 for cell in of.cells):
        colour["scale"] = {"scheme": "blueorange", "domainMid": 0}
    tight = sum(cells.width(text) + 8 for text in across) > width * 0.6
    encoding = {
        "x": {
            "field": "x",
            "type": "nominal",
            "title": x.name,
            "sort": across,
            "axis": {"labelAngle": -45 if tight else 0, "labelLimit": 120},
        },
        "y": {"field": "series", "type": "nominal", "title": y.name, "sort": down, "axis": _long_labels(width)},
        "color": colour,
    }
    needed = _AROUND + 60 + len(down) * _STEP
    return Drawing({"mark": {"type": "rect", "tooltip": True}, "encoding": encoding}, of.left_out, needed, _rows(of))


def _pie(table: Table, width: int, height: int) -> Drawing:
    of = cells.cells(table.of("category")[0], None, table.of("number")[:1])
    total = math.fsum(cell.value for cell in of.cells)
    if total <= 0:
        raise InvalidInput("a pie chart does not fit this query: its numbers add up to nothing", hint=_need("pie"))
    of = cells.largest_places(of, _MOST_SLICES)
    order = cells.by_value(of)
    share = {cell.x: cell.value / total for cell in of.cells}
    rows = [{**row, "rank": order.index(row["x"]), "share": _percent(share[row["x"]])} for row in _rows(of)]
    rows.sort(key=lambda row: row["rank"])
    radius = int(min(height - _AROUND, width * 0.6) / 2 * 0.9)
    value = axes.value(of, {"stack": True})
    value.pop("axis", None)
    return Drawing(
        {
            "encoding": {
                "theta": value,
                "order": {"field": "rank", "type": "quantitative"},
                "color": {
                    "field": "x",
                    "type": "nominal",
                    "title": of.x.name,
                    "sort": order,
                    "legend": {"labelLimit": 200},
                },
            },
            "layer": [
                {"mark": {"type": "arc", "outerRadius": radius, "stroke": "white", "tooltip": True}},
                {
                    "mark": {"type": "text", "radius": radius + 18},
                    "encoding": {"text": {"field": "share", "type": "nominal"}, "color": {"value": "#333"}},
                },
            ],
            "view": {"stroke": None},
        },
        of.left_out,
        values=rows,
    )


def _number(table: Table, width: int, height: int) -> Drawing:
    numbers = table.of("number")[:MOST_NUMBERS]
    rows = [{"name": column.name, "number": axes.written(column.exact[0])} for column in numbers]
    longest = max(len(row["number"]) for row in rows)
    size = max(12, min(72, int((width - 40) / len(rows) / max(1, longest) / 0.62)))
    encoding = {"x": {"field": "name", "type": "nominal", "axis": None, "sort": [row["name"] for row in rows]}}
    return Drawing(
        {
            "encoding": encoding,
            "layer": [
                {
                    "mark": {"type": "text", "fontSize": size, "fontWeight": "bold", "color": "#2f5d8a"},
                    "encoding": {"text": {"field": "number", "type": "nominal"}},
                },
                {
                    "mark": {
                        "type": "text",
                        "fontSize": 16,
                        "color": "#555",
                        "dy": size * 0.5 + 22,
                        "limit": int((width - 40) / len(rows)),
                    },
                    "encoding": {"text": {"field": "name", "type": "nominal"}},
                },
            ],
            "view": {"stroke": None},
        },
        values=rows,
    )


_DRAW: dict[str, Callable[[Table, int, int], Drawing]] = {
    "line": _line,
    "area": lambda table, width, height: _line(table, width, height, "area"),
    "bar": _bar,
    "scatter": _scatter,
    "histogram": _histogram,
    "heatmap": _heatmap,
    "pie": _pie,
    "number": _number,
}


def _series(x: Column, categories: list[Column], measures: list[Column]) -> Cells:
    """Cells in the series of a category, or of several measures."""
    if categories and len(measures) < 2:
        of = cells.cells(x, categories[0], measures)
    elif categories and x.role != "category":
        of = cells.cells(x, categories[0], measures[:1])
    else:
        of = cells.cells(x, None, measures[:_MOST_MEASURES])
    return cells.largest_series(of, _MOST_SERIES)


def _rows(of: Cells) -> list[Spec]:
    return [
        {"x": cell.x, **({} if cell.series is None else {"series": cell.series}), "value": _short(cell.value)}
        for cell in of.cells
    ]


def _short(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _colour(of: Cells) -> Spec:
    if not of.names:
        return {}
    return {
        "color": {
            "field": "series",
            "type": "nominal",
            "title": of.series or None,
            "sort": of.names,
            "legend": {"labelLimit": 160},
        }
    }


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %" if share >= _SMALLEST_LABELLED else ""


def _need(kind: str) -> str:
    return f"It needs {KINDS[kind]}."
