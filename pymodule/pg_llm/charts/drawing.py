"""Charts: a query's rows as a Vega-Lite specification, as SVG and as PNG."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.charts import specification as chart_specification
from pg_llm.database import models, search_path
from pg_llm.database import select as reader
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

_MOST_ROWS = 10000
_SMALLEST, _LARGEST = 100, 4000
_MOST_PIXELS = 64_000_000


def llm_chart(db: Connection, query: str | None, kind: str | None, title: str | None) -> Any:
    """The rows of a query as a Vega-Lite specification, its kind chosen from the columns' types; NULL for NULL."""
    if query is None:
        return None
    return _specification(db, query, kind, title, chart_specification.WIDTH, chart_specification.HEIGHT)


def llm_chart_svg(
    db: Connection, query: str | None, kind: str | None, title: str | None, width: int | None, height: int | None
) -> str | None:
    """The rows of a query as a chart in SVG; NULL for NULL."""
    return None if query is None else _drawn(db, query, kind, title, width, height, "svg", 1)


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
    return base64.b64decode(_drawn(db, query, kind, title, width, height, "png", arguments.required("scale", scale)))


def specification(
    columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], kind: str | None, title: str | None
) -> dict[str, Any]:
    """The Vega-Lite specification of columns (names and types) and rows that are there already."""
    return chart_specification.specification(columns, rows, kind, title)


def _drawn(
    db: Connection,
    query: str,
    kind: str | None,
    title: str | None,
    width: int | None,
    height: int | None,
    format: str,
    scale: float,
) -> str:
    sizes = [_size("width", width), _size("height", height)]
    if not (0.1 <= scale <= 10 and sizes[0] * sizes[1] * scale**2 <= _MOST_PIXELS):
        raise InvalidInput(
            "scale must lie between 0.1 and 10, and the image hold at most 64 million pixels",
            hint="The pixels of an image are width * scale by height * scale.",
        )
    spec = _specification(db, query, kind, title, *sizes)
    with search_path.pinned(db):
        return str(models.run_without_model(db, "chart", [json.dumps(spec)], format=format, scale=scale)[0])


def _specification(
    db: Connection, query: str, kind: str | None, title: str | None, width: int, height: int
) -> dict[str, Any]:
    answer = reader.read(db, query, _MOST_ROWS)
    if answer.cut:
        db.notice(
            f"the query has more than {_MOST_ROWS} rows, or very many columns; the chart shows the first",
            hint="Let the query group or sample them.",
        )
    return chart_specification.specification(answer.columns, answer.rows, kind, title, width, height, answer.cut)


def _size(name: str, value: int | None) -> int:
    if value is None or not _SMALLEST <= value <= _LARGEST:
        raise InvalidInput(f"{name} must lie between {_SMALLEST} and {_LARGEST}", hint="640 by 400 fits a page.")
    return value
