"""Life of a semantic index: made with its companion table, filled, refreshed, dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.database import catalog, companion_triggers, models, ownership
from pg_llm.database.catalog import Table
from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.database.progress import Report, reporting
from pg_llm.database.transaction import Commit, pinned
from pg_llm.errors import ConcurrentChange, DuplicateIndex, Error, InvalidInput
from pg_llm.search import backfill, companion, semantic_index, upkeep
from pg_llm.search.semantic_index import CHUNK, PLACEHOLDER, Definition, SemanticIndex

METHODS = ("hnsw", "ivfflat", "none")
SYNCS = ("live", "background", "manual")
STORAGES = ("vector", "halfvec")
SENTENCES = ("none", "outlying", "all")
# pgvector's limits for an index on these types.
_MAX_INDEXED_DIMENSIONS = {"vector": 2000, "halfvec": 4000}
# SQLSTATE of a cancelled query, and of a terminated session.
_INTERRUPTED = (CANCELLED, "57P01")


def create(
    db: Connection,
    target: str,
    columns: list[str | None] | None,
    name: str | None,
    key: list[str | None] | None,
    **options: Any,
) -> None:
    """Define the index unless it is there already, fill it, and build the database's indexes on it.

    `options` are the fields of `Definition` but for what follows from others; `text_config` is the session's unless it
    is given. A new index that cannot be filled at all
    is removed again; one that is filled in part is resumed by another call.
    """
    oid = ownership.oid(db, target)
    with pinned(db) as commit:
        source = _source(db, oid, key, options["sync"])
        ownership.check_owner(db, source)
        encoder = models.find(db, options.pop("model"), "embedding")
        definition = Definition(
            columns=ownership.columns(source, columns),
            model=encoder.name,
            context=_context(source, options["template"]),
            text_config=options.pop("text_config", None) or _session_text_config(db),
            **options,
        )
        dimensions = encoder.dimensions or int(encoder.ask("load")["dimensions"])
        _check_dimensions(definition, dimensions)
        default = companion.default_name(_bare_name(db, source))
        with reporting(db, "semantic_index", source.relation, name or default) as report:
            _lock(db, source)
            index = _existing(db, oid, name, default, definition)
            is_new = index is None
            if index is None:
                index = _create(db, source, name or default, name is not None, definition, dimensions)
            _create_triggers(db, index)
            commit()
            try:
                _fill(db, index, report, commit)
            except (Error, DatabaseError) as error:
                if is_new and error.sqlstate not in _INTERRUPTED and not _has_chunks(db, index):
                    companion.drop(db, index.id, index.companion)
                    commit()
                raise
            db.run_as(index.owner, lambda: companion.build_indexes(db, index, report))


def _create(
    db: Connection, source: Table, name: str, is_named: bool, definition: Definition, dimensions: int
) -> SemanticIndex:
    query = "SELECT relowner::int8 AS oid FROM pg_class WHERE oid = $1::oid"
    owner = db.rows(query, ("int8",), (source.oid,))[0]["oid"]
    if not is_named:
        db.run_as(owner, lambda: companion.free_default_name(db, source, name))
    number = db.run_as(owner, lambda: companion.create(db, source, name, definition, dimensions))
    index = semantic_index.by_id(db, number)
    if index is None:
        raise ConcurrentChange(f"{source.relation} was changed while its semantic index was being made")
    return index


def refresh(db: Connection, target: str | None, name: str | None) -> None:
    """Make the chunks of all rows true, and give new parts of the source their triggers."""
    oid = ownership.oid(db, target)
    with pinned(db) as commit:
        index = semantic_index.find(db, oid, name)
        ownership.check_owner(db, index.source)
        with reporting(db, "semantic_refresh", index.source.relation, index.name) as report:
            _create_triggers(db, index)
            commit()
            _fill(db, index, report, commit)


def drop(db: Connection, target: str | None, name: str | None) -> None:
    """Remove an index, even a damaged one, with its companion and triggers."""
    oid = ownership.oid(db, target)
    with pinned(db):
        row = semantic_index.find_row(db, oid, name)
        _check_owner(db, row["target"])
        companion.drop(db, row["id"], row["companion"])


def _check_owner(db: Connection, oid: int) -> None:
    query = "SELECT oid::regclass::text, pg_get_userbyid(relowner)::text AS owner FROM pg_class WHERE oid = $1::oid"
    (relation,) = db.rows(query, ("int8",), (oid,))
    if not ownership.acts_for(db, relation["owner"]):
        raise ownership.not_owner(f"table {relation['oid']}", relation["owner"])


def update_keys(db: Connection, target: str, name: str, keys: str) -> None:
    """Make the chunks of the rows with these keys, a JSON array of objects, true."""
    if semantic_index.is_of_first_release(db, target):
        # Its triggers call this until it is moved.
        return
    index = semantic_index.find(db, target, name)
    ownership.check_owner(db, index.source)
    upkeep.as_owner(db, index, lambda: upkeep.update_rows(db, index, keys, lock=False))


def _source(db: Connection, oid: str, key: list[str | None] | None, sync: str) -> Table:
    names = None if key is None else [name for name in key if name is not None]
    source = catalog.relation(db, oid, names)
    if sync != "manual":
        companion_triggers.check_followable(db, source, "semantic_refresh")
    temporary = db.rows("SELECT relpersistence = 't' AS is FROM pg_class WHERE oid = $1::oid", ("int8",), (source.oid,))
    if temporary[0]["is"]:
        raise InvalidInput(f"{source.relation} is temporary", hint="Index a table that stays, or use llm_embed.")
    return source


def _bare_name(db: Connection, source: Table) -> str:
    query = "SELECT relname::text AS name FROM pg_class WHERE oid = $1::oid"
    return str(db.rows(query, ("int8",), (source.oid,))[0]["name"])


def _session_text_config(db: Connection) -> str:
    return str(db.rows("SELECT get_current_ts_config()::text AS config")[0]["config"])


def _context(source: Table, template: str | None) -> list[str]:
    """The columns that a template names, in its order. Raises InvalidInput."""
    if template is None:
        return []
    example = "Write template => '{title}: {chunk}', with columns of the table and, once, {chunk}."
    names: Sequence[str] = PLACEHOLDER.findall(template)
    if names.count(CHUNK) != 1:
        raise InvalidInput("template must have {chunk} exactly once", hint=example)
    context = [name for name in names if name != CHUNK]
    for name in context:
        if name not in source.columns:
            raise InvalidInput(f'template: {source.relation} has no column "{name}"', hint=example)
    return context


def _check_dimensions(definition: Definition, dimensions: int) -> None:
    limit = _MAX_INDEXED_DIMENSIONS[definition.storage]
    if definition.method != "none" and dimensions > limit:
        raise InvalidInput(
            f'model "{definition.model}" gives {dimensions} dimensions; pgvector indexes {limit}',
            hint="Use storage => 'halfvec', method => 'none' (exact search), or a model with fewer dimensions.",
        )


def _existing(db: Connection, oid: str, name: str | None, default: str, definition: Definition) -> SemanticIndex | None:
    """The index of that name, or of any for None, if it is exactly this. Raises DuplicateIndex for one that is not."""
    own = [other for other in semantic_index.of_relation(db, oid) if str(other.target) == oid]
    for other in own:
        if other.definition == definition and name in (None, other.name):
            return other
    name = name or default
    for other in own:
        if other.name != name:
            continue
        d = other.definition
        raise DuplicateIndex(
            f'table {other.source.relation} already has a semantic index "{name}" that differs',
            detail=f"On {', '.join(d.columns)}: {d.model};"
            f" {d.method}, {d.metric}, {d.sync}, {d.chunking}, {d.sentences}",
            hint=f"CALL semantic_drop('{other.source.relation}', '{name}'); or choose another name.",
        )
    return None


def _lock(db: Connection, source: Table) -> None:
    """Until the next commit keep other sessions from changing the table's semantic indexes, but not its writers."""
    if source.kind in "rp":
        db.execute(f"LOCK TABLE {source.relation} IN SHARE UPDATE EXCLUSIVE MODE")
    else:
        query = "SELECT pg_advisory_xact_lock('llm.all_semantic_index'::regclass::oid::int4, $1::oid::int4)"
        db.rows(query, ("int8",), (source.oid,))


def _create_triggers(db: Connection, index: SemanticIndex) -> None:
    db.rows(
        "SELECT llm.create_companion_triggers('index', $1, $2::oid::regclass, $3)",
        ("int4", "int8", "text"),
        (index.id, index.target, index.definition.sync),
    )


def _fill(db: Connection, index: SemanticIndex, report: Report, commit: Commit) -> None:
    backfill.fill(db, index, lambda done, total: report("embedding", done, total), commit)


def _has_chunks(db: Connection, index: SemanticIndex) -> bool:
    query = f"SELECT FROM {index.companion} LIMIT 1"
    return bool(db.run_as(index.owner, lambda: db.query_unprepared(query)))
