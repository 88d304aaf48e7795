"""SQL: values of a semantic type: parsed one by one, and told for a column."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.cleaning import typed_values
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def llm_parse_number(db: Connection, input: str | None, locale: str | None) -> str | None:
    """The number that a text is, by the marks of any country or of a locale; NULL where it is none or may be two."""
    return typed_values.parse(db, "number", input, locale)


@sql_function
def llm_parse_date(db: Connection, input: str | None, locale: str | None) -> str | None:
    """The day that a text is, in any language or in the order of a locale; NULL where it is none or may be two."""
    return typed_values.parse(db, "date", input, locale)


@sql_function
def llm_parse_phone(db: Connection, input: str | None, locale: str | None) -> str | None:
    """The phone number that a text is, in E.164; a locale with a territory lets it go without country code."""
    return typed_values.parse(db, "phone", input, locale)


@sql_function
def llm_parse_address(db: Connection, input: str | None) -> dict[str, str] | None:
    """The parts of a postal address, as far as they are certain; NULL where nothing is."""
    return typed_values.parse_address(db, input)


@sql_function
def llm_semantic_type(db: Connection, inputs: list[str | None] | None, locale: str | None) -> list[dict[str, Any]]:
    """What the values of a column are, and how they are written: dates, money, phones, codes, names of countries."""
    return [typed_values.semantic_type(db, arguments.texts(inputs), locale)]
