"""Charts of a query's rows: read the rows, specify the chart, and let the host render it."""

from __future__ import annotations

import base64
import json
from typing import Any

from pg_llm.charts.specification import specification
from pg_llm.database import column_comments, models, query_text, search_path, select
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput

_MOST_ROWS = 10000


def specify(db: Connection, query: str, kind: str | None, title: str | None, width: int, height: int) -> dict[str, Any]:
    """The Vega-Lite specification of the rows of a query."""
    result = select.read(db, query, _MOST_ROWS)
    if result.truncated:
        db.notice(
            f"the query has more than {_MOST_ROWS} rows, or very many columns; the chart shows the first",
            hint="Let the query group or sample them.",
        )
    spec = specification(
        *(result.columns, result.rows, kind, title, width, height, result.truncated),
        ordered=query_text.is_ordered(query),
        titles=column_comments.of(db, query),
    )
    if spec is None:
        raise InvalidInput(
            "the query has nothing to draw: it gives names, each of them once, and no number",
            hint="Let it count or measure something: SELECT city, count(*) FROM customer GROUP BY city.",
        )
    return spec


def svg(db: Connection, query: str, kind: str | None, title: str | None, width: int, height: int) -> str:
    """The chart as an SVG document."""
    return _render(db, specify(db, query, kind, title, width, height), "svg", 1)


def png(
    db: Connection, query: str, kind: str | None, title: str | None, width: int, height: int, scale: float
) -> bytes:
    """The chart as a PNG image of width * scale by height * scale pixels."""
    return base64.b64decode(_render(db, specify(db, query, kind, title, width, height), "png", scale))


def _render(db: Connection, spec: dict[str, Any], format: str, scale: float) -> str:
    with search_path.pinned(db):
        return str(models.run_without_model(db, "chart", [json.dumps(spec)], format=format, scale=scale)[0])
