"""SQL: descriptions of tables and columns, embeddings of their names, and taught questions, all used by ask."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.ask import catalog, taught_examples
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput

_LONGEST_DESCRIPTION = 4000


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
