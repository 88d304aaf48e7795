"""The caller's semantic layer as one text, to keep under version control: descriptions, metrics, taught questions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pg_llm.ask import catalog, metrics, taught_examples
from pg_llm.database import models, sandbox, search_path
from pg_llm.database.connection import Connection
from pg_llm.errors import Error, InvalidInput

_HINT = "llm_catalog_export() shows what such a text looks like."
# Which keys an entry of each list has; the first is required.
_KEYS = {
    "tables": ("name", "description", "columns"),
    "columns": ("name", "description"),
    "metrics": ("name", "table", "expression", "synonyms"),
    "examples": ("question", "sql"),
}
_RELATION = "format('%I.%I', n.nspname, c.relname)"
_JOIN = """
    JOIN pg_class AS c ON c.oid = t.target::oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
"""


def export_text(db: Connection) -> str:
    """All that the caller described, defined and taught, as YAML."""
    described = db.rows(
        f'SELECT {_RELATION} AS name, t."column"::text AS "column", t.description'
        f' FROM llm.description AS t {_JOIN} ORDER BY 1, t."column"'
    )
    tables: dict[str, dict[str, Any]] = {}
    for row in described:
        table = tables.setdefault(row["name"], {"name": row["name"]})
        if row["column"]:
            table.setdefault("columns", []).append({"name": row["column"], "description": row["description"]})
        else:
            table["description"] = row["description"]
    defined = db.rows(
        f'SELECT t.name, {_RELATION} AS "table", t.expression, t.synonyms FROM llm.metric AS t {_JOIN} ORDER BY t.name'
    )
    taught = db.rows("SELECT question, sql FROM llm.taught ORDER BY question")
    contents = {
        "tables": list(tables.values()),
        "metrics": [{key: value for key, value in row.items() if value} for row in defined],
        "examples": taught,
    }
    return str(models.run_without_model(db, "catalog_text", [json.dumps(contents)], purpose="write")[0])


def import_text(db: Connection, text: str) -> list[dict[str, Any]]:
    """Store what a text describes, defines and teaches in place of the same names and questions; the rest stays.

    One row for each kind with the number of its entries. Raises InvalidInput, UndefinedObject, and stores nothing then.
    """
    read = json.loads(models.run_without_model(db, "catalog_text", [text], purpose="read")[0])
    if not isinstance(read, dict) or not read.keys() <= {"tables", "metrics", "examples"}:
        raise InvalidInput("the text has other parts than tables, metrics and examples", hint=_HINT)
    descriptions = [pair for table in _entries(read, "tables") for pair in _descriptions(table)]
    defined, taught = _entries(read, "metrics"), _entries(read, "examples")
    path = sandbox.search_path(db)
    with search_path.pinned(db):
        for name, description in descriptions:
            catalog.store_description(db, name, description, path)
        for metric in defined:
            _store_metric(db, metric, path)
        taught_examples.store_all(db, [(_text(each, "question"), _text(each, "sql")) for each in taught], path)
    counts = {"descriptions": len(descriptions), "metrics": len(defined), "examples": len(taught)}
    return [{"kind": kind, "entries": count} for kind, count in counts.items()]


def _entries(contents: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The list of mappings under a key, each with the keys that such an entry may have."""
    entries = contents.get(key) or []
    known = _KEYS[key]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidInput(f"{key} must be a list of entries with {', '.join(known)}", hint=_HINT)
    for entry in entries:
        unknown = sorted(entry.keys() - set(known))
        if unknown:
            raise InvalidInput(f'an entry of {key} has no "{unknown[0][:100]}"', hint=f"It has: {', '.join(known)}.")
        _text(entry, known[0])
    return entries


def _descriptions(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name = _text(table, "name")
    if table.get("description"):
        yield name, _text(table, "description")
    for column in _entries(table, "columns"):
        quoted = '"' + _text(column, "name").replace('"', '""') + '"'
        yield f"{name}.{quoted}", _text(column, "description")


def _store_metric(db: Connection, metric: Mapping[str, Any], path: Sequence[str]) -> None:
    name = _text(metric, "name")
    synonyms = metric.get("synonyms") or []
    if not isinstance(synonyms, list) or not all(isinstance(each, str) for each in synonyms):
        raise InvalidInput(f'synonyms of the metric "{name[:100]}" must be a list of words', hint=_HINT)
    target, _ = catalog.resolve_object(db, _text(metric, "table"), path)
    try:
        metrics.store(db, name, _text(metric, "expression"), target, synonyms, path)
    except Error as error:
        raise type(error)(f'metric "{name[:100]}": {error.message}', hint=error.hint) from error


def _text(entry: Mapping[str, Any], key: str) -> str:
    text = entry.get(key)
    if not isinstance(text, str) or not text.strip():
        raise InvalidInput(f"an entry lacks its {key}", hint=_HINT)
    return text.strip()
