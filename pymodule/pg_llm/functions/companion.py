"""SQL: companion tables, which hold what is derived from tables of users, through changes of the schema."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database import companion_key
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def convert_companion_key(db: Connection, relation: str | None) -> None:
    """Give the key of a companion table the types that its source's key has, as its owner."""
    companion_key.convert(db, arguments.required("relation", relation))
