"""SQL: descriptions of tables and columns, embeddings of their names, metrics and taught questions, used by ask."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.ask import catalog, catalog_exchange, metrics, taught_examples
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput

_LONGEST_DESCRIPTION = 4000
_LONGEST_NAME, _MOST_SYNONYMS = 100, 50


@sql_function
def llm_catalog_refresh(db: Connection, schemas: list[str] | None) -> None:
    """Embed names and meanings of the tables and columns that you may read, so that questions find them among many."""
    catalog.refresh(db, schemas)


@sql_function
def llm_describe(db: Connection, object: str | None, text: str | None) -> None:
    """Say what a table or column means in your questions; NULL takes it back."""
    name = arguments.required("object", object)
    if text is not None and (len(text) > _LONGEST_DESCRIPTION or not text.strip()):
        raise InvalidInput(f"a description has 1 to {_LONGEST_DESCRIPTION} characters", hint="NULL takes it back.")
    catalog.describe(db, name, text and text.strip())


@sql_function
def llm_teach(db: Connection, question: str | None, sql: str | None) -> None:
    """Say which SELECT answers a question, so that similar ones of yours are answered so; NULL forgets it."""
    taught_examples.teach(db, arguments.required("question", question), sql)


@sql_function
def llm_define_metric(
    db: Connection, name: str | None, expression: str | None, target: str | None, synonyms: list[str | None] | None
) -> None:
    """Say by which aggregate over a table a word of your questions is computed; NULL forgets it."""
    words = [_metric_name(arguments.required("a synonym", word)) for word in synonyms or ()]
    if len(words) > _MOST_SYNONYMS:
        raise InvalidInput(f"a metric has at most {_MOST_SYNONYMS} synonyms")
    metrics.define(db, _metric_name(arguments.required("name", name)), expression, target, words)


@sql_function
def llm_catalog_export(db: Connection) -> str:
    """Your descriptions, metrics and taught questions as one YAML text, to keep under version control."""
    return catalog_exchange.export_text(db)


@sql_function
def llm_catalog_import(db: Connection, yaml: str | None) -> list[dict[str, Any]]:
    """Describe, define and teach all that a text of llm_catalog_export() says, in place of what you said before."""
    return catalog_exchange.import_text(db, arguments.required("yaml", yaml))


def _metric_name(text: str) -> str:
    name = " ".join(text.split())
    if not 0 < len(name) <= _LONGEST_NAME:
        raise InvalidInput(f"the name of a metric has 1 to {_LONGEST_NAME} characters")
    return name
