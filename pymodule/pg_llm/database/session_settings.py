"""Settings of a session that decide what SQL means: kept with what one role writes and others have run."""

from __future__ import annotations

from collections.abc import Mapping

from pg_llm.database.connection import Connection

MEANING = (
    *("TimeZone", "timezone_abbreviations", "DateStyle", "IntervalStyle", "lc_time", "lc_numeric", "lc_monetary"),
    *("bytea_output", "extra_float_digits", "default_text_search_config", "gin_fuzzy_search_limit"),
    *("array_nulls", "transform_null_equals", "xmlbinary", "xmloption"),
)
# With these a session is shown the statements that run in it.
_SHOWN = ("debug_print_parse", "debug_print_rewritten", "debug_print_plan")
_SET = """
    SELECT pg_catalog.set_config(s.name, s.value, true)
    FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS s (name, value)
"""


def current(db: Connection) -> dict[str, str]:
    """Those of the session."""
    return {name: value for name in MEANING if (value := db.setting(name)) is not None}


def apply(db: Connection, values: Mapping[str, str]) -> None:
    """Have the rest of a piece of work with another role's rights run under these, and show nobody its statements."""
    chosen = dict.fromkeys(_SHOWN, "off") | {name: values[name] for name in MEANING if name in values}
    set_all(db, chosen)


def set_all(db: Connection, values: Mapping[str, str]) -> None:
    """Set them until the role is put back, or the transaction ends."""
    db.rows(_SET, ("text[]", "text[]"), (list(values), list(values.values())))
