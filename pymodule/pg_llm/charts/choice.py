"""Which kind of chart shows a table, and whether it can be shown as the kind that was asked for."""

from __future__ import annotations

from pg_llm.charts.table import Table
from pg_llm.errors import InvalidInput

# What each kind needs, in the words of its hint.
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
# So many numbers of one row are shown as numbers.
MOST_NUMBERS = 4
_MOST_IN_GROUPS = 50


def chosen(table: Table, kind: str | None) -> str:
    """The kind, checked, or the one that suits the columns. Raises InvalidInput."""
    if kind is None:
        return _suiting(table)
    if kind not in KINDS:
        raise InvalidInput(f'there is no kind of chart "{kind}"', hint=f"Kinds are: {', '.join(KINDS)}.")
    if not _fits(table, kind):
        has = ", ".join(f"{column.name} ({column.role})" for column in table.columns)
        raise InvalidInput(
            f"a {kind} chart does not fit this query: it has {table.height} rows of {has}",
            hint=f"It needs {KINDS[kind]}. Leave kind out, and one that fits is chosen.",
        )
    return kind


def _suiting(table: Table) -> str:
    times, numbers, categories = (table.of(role) for role in ("time", "number", "category"))
    if times:
        return "line" if numbers or categories else "bar"
    if categories:
        if not numbers:
            return "heatmap" if len(categories) > 1 and not _is_key(table) else "bar"
        if len(categories) > 1 and not _is_key(table):
            return "heatmap" if _many(table) else "bar"
        return "scatter" if len(numbers) > 1 and table.height > _MOST_IN_GROUPS else "bar"
    if table.height == 1:
        return "number" if len(numbers) <= MOST_NUMBERS else "bar"
    if len(numbers) == 1:
        return "histogram"
    return "line" if numbers[0].years else "scatter"


def _fits(table: Table, kind: str) -> bool:
    times, numbers, categories = (len(table.of(role)) for role in ("time", "number", "category"))
    if not table.height:
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
            negative = numbers and any(value is not None and value < 0 for value in table.of("number")[0].values)
            return bool(categories and not negative)
    return table.height == 1 and bool(numbers)


def _is_key(table: Table) -> bool:
    """Whether the first category tells every row from the others: the further ones say more of the same thing."""
    return len(set(table.of("category")[0].values)) == table.height > 1


def _many(table: Table) -> bool:
    """Whether two categories are too many for bars side by side."""
    first, second = (len(set(column.values)) for column in table.of("category")[:2])
    return second > 5 or first * second > 40
