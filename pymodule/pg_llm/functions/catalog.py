"""SQL: the catalogue that questions are read by: what tables and columns mean, and questions whose SQL is known."""

from __future__ import annotations

from pg_llm.ask import catalog as catalog_
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def llm_catalog_refresh(db: Connection, schemas: list[str] | None) -> None:
    """Embed names and meanings of the tables and columns that you may read, so that questions find them among many."""
    catalog_.llm_catalog_refresh(db, schemas)


@sql_function
def llm_describe(db: Connection, object: str | None, text: str | None) -> None:
    """Say what a table or column means in your questions; NULL takes it back."""
    catalog_.llm_describe(db, object, text)


@sql_function
def llm_teach(db: Connection, question: str | None, sql: str | None) -> None:
    """Say which SELECT answers a question, so that similar ones of yours are answered so; NULL forgets it."""
    catalog_.llm_teach(db, question, sql)
