"""SQL: charts: a query's rows as a Vega-Lite specification, as SVG and as PNG."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.charts import rendering, specification
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput

_LEAST_SIZE, _MOST_SIZE = 100, 4000
_MOST_PIXELS = 64_000_000


@sql_function
def llm_chart(db: Connection, query: str | None, kind: str | None, title: str | None) -> Any:
    """The rows of a query as a Vega-Lite specification, its kind chosen from the columns' types; NULL for NULL."""
    if query is None:
        return None
    return rendering.specify(db, query, kind, title, specification.WIDTH, specification.HEIGHT)


@sql_function
def llm_chart_svg(
    db: Connection, query: str | None, kind: str | None, title: str | None, width: int | None, height: int | None
) -> str | None:
    """The rows of a query as a chart in SVG; NULL for NULL."""
    return None if query is None else rendering.svg(db, query, kind, title, *_size(width, height, 1))


@sql_function
def llm_chart_png(
    db: Connection,
    query: str | None,
    kind: str | None,
    title: str | None,
    width: int | None,
    height: int | None,
    scale: float | None,
) -> bytes | None:
    """The rows of a query as a chart in PNG, scale pixels for each of width and height; NULL for NULL."""
    if query is None:
        return None
    factor = arguments.required("scale", scale)
    return rendering.png(db, query, kind, title, *_size(width, height, factor), factor)


def _size(width: int | None, height: int | None, scale: float) -> tuple[int, int]:
    size = _length("width", width), _length("height", height)
    if not (0.1 <= scale <= 10 and size[0] * size[1] * scale**2 <= _MOST_PIXELS):
        raise InvalidInput(
            "scale must lie between 0.1 and 10, and the image hold at most 64 million pixels",
            hint="The pixels of an image are width * scale by height * scale.",
        )
    return size


def _length(name: str, value: int | None) -> int:
    if value is None or not _LEAST_SIZE <= value <= _MOST_SIZE:
        raise InvalidInput(f"{name} must lie between {_LEAST_SIZE} and {_MOST_SIZE}", hint="640 by 400 fits a page.")
    return value
