"""Records as they come, in JSON: one object for each, whose fields the database reads as the columns' types."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from pg_llm.errors import Error


class Undecodable(Error):
    """A record that cannot be read in its format."""

    sqlstate = "22P03"


def text_of(payload: bytes | None) -> str:
    """A record's value as the text that it is, in whatever format. Raises Undecodable."""
    if payload is None:
        raise Undecodable("the record has no value")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Undecodable(f"the record is not in UTF-8: {error.reason} at byte {error.start}") from None
    if "\0" in text:
        raise Undecodable("the record has a byte 0")
    return text


def object_of(text: str, format_: str, columns: Sequence[str]) -> str:
    """The text of a JSON object; JSON itself is left to the database. Raises Undecodable."""
    if format_ == "json":
        return text
    if format_ == "text":
        return json.dumps({columns[0]: text}, ensure_ascii=False)
    return json.dumps(_fields(text, columns), ensure_ascii=False)


def _fields(text: str, columns: Sequence[str]) -> dict[str, str | None]:
    """The fields of one line of CSV (RFC 4180); an empty one is NULL."""
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise Undecodable(f"the record is no line of CSV: {error}") from None
    if len(lines) != 1:
        raise Undecodable(f"the record has {len(lines)} lines of CSV")
    if len(lines[0]) != len(columns):
        raise Undecodable(f"the record has {len(lines[0])} fields, and {len(columns)} columns are declared")
    return {name: value or None for name, value in zip(columns, lines[0], strict=True)}
