"""SQL: charts: a query's rows as a Vega-Lite specification, as SVG and as PNG."""

from __future__ import annotations

from typing import Any

from pg_llm.charts import drawing
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def llm_chart(db: Connection, query: str | None, kind: str | None, title: str | None) -> Any:
    """The rows of a query as a Vega-Lite specification, its kind chosen from the columns' types; NULL for NULL."""
    return drawing.llm_chart(db, query, kind, title)


@sql_function
def llm_chart_svg(
    db: Connection, query: str | None, kind: str | None, title: str | None, width: int | None, height: int | None
) -> str | None:
    """The rows of a query as a chart in SVG; NULL for NULL."""
    return drawing.llm_chart_svg(db, query, kind, title, width, height)


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
    return drawing.llm_chart_png(db, query, kind, title, width, height, scale)
