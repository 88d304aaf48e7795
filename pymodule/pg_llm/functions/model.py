"""SQL: the registry of models: which there are, what they are doing, and who adds one."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database import registry
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def llm_register_model(
    db: Connection,
    name: str | None,
    task: str | None,
    source: str | None,
    revision: str | None,
    options: dict[str, Any] | None,
) -> str:
    """Add a model to the registry, after loading it once; returns its digest."""
    task, source = arguments.required("task", task), arguments.required("source", source)
    name = registry.new_name(db, name, "register a model")
    return registry.register(db, name, task, source, revision, arguments.options(options))


@sql_function
def llm_drop_model(db: Connection, name: str | None) -> None:
    """Remove a model from the registry; an error while a semantic index still needs it."""
    registry.drop_unless_in_use(db, arguments.required("name", name))


@sql_function
def llm_load_model(db: Connection, name: str | None) -> None:
    """Load a model now, so that the next call finds it ready."""
    registry.load(db, arguments.required("name", name))


@sql_function
def llm_unload_model(db: Connection, name: str | None) -> bool:
    """Drop a model from memory; true if it was there. The next call loads it again."""
    return registry.unload(db, arguments.required("name", name))


@sql_function
def llm_status(db: Connection) -> list[dict[str, Any]]:
    """The model host and each registered model: state, device, engine, memory and work done since the host started."""
    return registry.status(db)
