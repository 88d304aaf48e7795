"""The kind of chart: a default by the columns' roles, and whether a requested kind can show them."""

from __future__ import annotations

from pg_llm.charts import ordering
from pg_llm.charts.chart_data import ChartData
from pg_llm.errors import InvalidInput

# What each kind needs, as its hint says.
KINDS = {
    "line": "a time column, two number columns, or a text column beside a number",
    "area": "a time column, two number columns, or a text column beside a number",
    "bar": "a text or time column; its numbers are the bars' lengths, and without one rows are counted",
    "scatter": "two number columns, or a time and a number column",
    "histogram": "a number column",
    "heatmap": "two text or time columns; a number is their colour, and without one rows are counted",
    "pie": "a text column, and a number that is never negative or none at all, so that rows are counted",
    "number": "one row with a number",
}
# Up to that many numbers of a single row are shown as text.
MOST_NUMBERS = 4
_MOST_GROUPED_ROWS = 50
# More steps of a scale, or days of a calendar, are a line.
_MOST_STEPS = 50


def choose_kind(table: ChartData, kind: str | None) -> str | None:
    """The requested kind, or the default for these columns, None where nothing is to be seen in them.

    Raises InvalidInput if the kind cannot show them.
    """
    if kind is None:
        return _default_kind(table)
    if kind not in KINDS:
        raise InvalidInput(f'there is no kind of chart "{kind}"', hint=f"Kinds are: {', '.join(KINDS)}.")
    if not _supports(table, kind):
        has = ", ".join(f"{column.name} ({column.role})" for column in table.columns)
        raise InvalidInput(
            f"a {kind} chart does not fit this query: it has {table.row_count} rows of {has}",
            hint=f"It needs {KINDS[kind]}. Leave kind out, and one that fits is chosen.",
        )
    return kind


def _default_kind(table: ChartData) -> str | None:
    times, numbers, categories = (table.with_role(role) for role in ("time", "number", "category"))
    if times:
        return "line" if numbers or categories else "bar"
    if categories:
        return _kind_of_categories(table)
    if table.row_count == 1:
        return "number" if len(numbers) <= MOST_NUMBERS else "bar"
    if len(numbers) == 1:
        return "histogram"
    if numbers[0].are_years:
        return "line"
    if numbers[0].are_steps:
        return "bar" if table.row_count <= _MOST_STEPS else "line"
    return "scatter"


def _kind_of_categories(table: ChartData) -> str | None:
    numbers, categories = table.with_role("number"), table.with_role("category")
    if not numbers:
        # Names that are there once each are a list, and counting them shows nothing.
        return None if _is_key(table) else "heatmap" if len(categories) > 1 else "bar"
    if len(numbers) > 1 and numbers[0].are_years:
        return "line"
    if len(categories) > 1 and not _is_key(table):
        return "heatmap" if _too_many_bars(table) else "bar"
    if len(numbers) > 1 and table.row_count > _MOST_GROUPED_ROWS:
        return "scatter"
    labels = set(categories[0].values)
    return "line" if len(labels) > _MOST_STEPS and ordering.natural(list(labels)) else "bar"


def _supports(table: ChartData, kind: str) -> bool:
    times, numbers, categories = (len(table.with_role(role)) for role in ("time", "number", "category"))
    if not table.row_count:
        return True
    match kind:
        case "line" | "area":
            return bool(times or numbers > 1 or (categories and numbers))
        case "bar":
            return bool(categories or times or numbers > 1)
        case "scatter":
            return bool(numbers > 1 or (times and numbers))
        case "histogram":
            return bool(numbers)
        case "heatmap":
            return categories + times > 1
        case "pie":
            negative = numbers and any(value is not None and value < 0 for value in table.with_role("number")[0].values)
            return bool(categories and not negative)
    return table.row_count == 1 and bool(numbers)


def _is_key(table: ChartData) -> bool:
    """True if the first category identifies the rows: further categories only describe the same thing."""
    return len(set(table.with_role("category")[0].values)) == table.row_count


def _too_many_bars(table: ChartData) -> bool:
    """True if two categories have too many values for grouped bars."""
    first, second = (len(set(column.values)) for column in table.with_role("category")[:2])
    return second > 5 or first * second > 40
