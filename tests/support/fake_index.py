"""A semantic index on a scripted connection: a source of texts and its companion, as statements see them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from echo import registered
from fake_catalog import FakeCatalog, FakeTable
from fake_connection import SUPERUSER, Call, FakeConnection
from pg_llm.database.connection import Row

ROW = {
    "id": 5,
    "target": 20000,
    "companion_oid": 30000,
    "name": "paper_embedding",
    "companion": "public.paper_embedding",
    "key": ["id"],
    "companion_key": ["id"],
    "columns": ["title", "body"],
    "context": [],
    "model": "echo",
    "method": "hnsw",
    "metric": "cosine",
    "sync": "live",
    "chunking": "auto",
    "chunk_tokens": None,
    "chunk_overlap": 0,
    "template": None,
    "storage": "vector",
    "text_config": "pg_catalog.english",
    "sentences": "none",
    "owner": SUPERUSER,
    "intact": True,
}
COLUMNS = {"id": "integer", "title": "text", "body": "text", "year": "integer"}
_SILENT = ("LOCK TABLE", "CREATE TABLE", "ALTER TABLE", "COMMENT ON", "GRANT", "CREATE INDEX", "ANALYZE", "DROP TABLE")
_FUNCTIONS = ("llm.create_companion_policy", "llm.create_companion_triggers", "llm.drop_companion_triggers")


@dataclass(eq=False)
class FakeIndex:
    """The table public.paper with `texts` by id, and `chunks` by id: those of its companion, as they were written.

    `busy` are the ids of rows that somebody else is writing. The index is there from the start with `made`.
    """

    db: FakeConnection
    made: bool = True
    texts: dict[int, str] = field(default_factory=dict)
    chunks: dict[int, list[tuple[Any, ...]]] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)
    columns: dict[str, str] = field(default_factory=lambda: dict(COLUMNS))

    def __post_init__(self) -> None:
        db = self.db
        self.table: FakeTable = FakeCatalog(db).add("public.paper", self.columns)
        for part in (*_SILENT, *_FUNCTIONS):
            db.answer(part, [])
        db.answer("LEFT JOIN llm.model AS m", [registered()])
        db.answer("FROM llm.semantic_index AS i", lambda call: [ROW] if self.made else [])
        db.answer("get_current_ts_config()", [{"config": "pg_catalog.english"}])
        db.answer("relpersistence = 't'", [{"is": False}])
        db.answer("relpersistence = 'u'", [{"is": False}])
        db.answer("SELECT relname::text AS name", [{"name": "paper"}])
        db.answer("to_regclass($1)::oid::int8", lambda call: [{"oid": 30000 if db.asked("CREATE TABLE") else None}])
        db.answer("format('%I.%I', n.nspname, c.relname) AS name", [{"name": "public.paper"}])
        db.answer("pg_get_userbyid(relowner)::text AS owner", [{"oid": "public.paper", "owner": "ann"}])
        db.answer("INSERT INTO llm.all_semantic_index", self._register)
        db.answer("DELETE FROM llm.all_semantic_index", self._forget)
        db.answer("SELECT count(*) AS rows FROM public.paper", lambda call: [{"rows": len(self.texts)}])
        db.answer("AS needy", self._page)
        db.answer("WHERE t.hash IS DISTINCT FROM c.hash", self._stale)
        db.answer("SELECT e.number FROM jsonb_array_elements", self._there)
        db.answer("FOR SHARE OF t SKIP LOCKED", self._locked)
        db.answer("DELETE FROM public.paper_embedding", self._delete_orphans)
        db.answer("DELETE FROM public.paper_embedding AS c USING former", self._delete_orphans)
        db.answer("DELETE FROM public.paper_embedding AS c USING pg_catalog", self._delete)
        db.answer("SELECT FROM public.paper LIMIT 1", lambda call: [{}] if self.texts else [])
        db.answer("INSERT INTO public.paper_embedding", self._insert)
        db.answer("SELECT FROM public.paper_embedding LIMIT 1", lambda call: [{}] if self.chunks else [])
        db.answer("i.indkey[0]", [{"name": "id"}])
        db.answer("'llm.semantic_forget()'::regprocedure", [])
        db.answer("row_security_active($1::oid) AS active", [{"is": False}])
        db.answer("WHERE c.relkind = 'f'", [])
        db.answer("row_security_active($1::oid)", [{"is": False}])
        db.answer("FROM llm.companion_table AS t", [])

    def is_true(self) -> bool:
        """Whether each text has chunks that were made of it, and nothing else has any."""
        return {id: {chunk[3] for chunk in chunks} for id, chunks in self.chunks.items()} == {
            id: {_hash(text)} for id, text in self.texts.items() if text.strip()
        }

    def _register(self, call: Call) -> list[Row]:
        self.made = True
        return [{"id": ROW["id"]}]

    def _forget(self, call: Call) -> list[Row]:
        self.made = False
        return []

    def _page(self, call: Call) -> list[Row]:
        after = int(call.values[0]) if call.values else -1
        ids = [id for id in sorted(self.texts) if id > after][:2000]
        return [{"key": _key(id), "place": [str(id)], "needy": self._is_stale(id)} for id in ids]

    def _stale(self, call: Call) -> list[Row]:
        rows = []
        for number, id in enumerate(_ids(call), 1):
            text = self.texts.get(id) or None
            if self._is_stale(id):
                row = {"number": number, "key": _key(id), "document": text, "context": [], "hash": text and _hash(text)}
                rows.append(row)
        return rows

    def _is_stale(self, id: int) -> bool:
        text, chunks = self.texts.get(id), self.chunks.get(id)
        return (_hash(text) if text else None) != (chunks[0][3] if chunks else None)

    def _there(self, call: Call) -> list[Row]:
        return [{"number": number} for number, id in enumerate(_ids(call), 1) if id in self.texts]

    def _locked(self, call: Call) -> list[Row]:
        return [
            {"number": number, "hash": _hash(self.texts[id]) if self.texts[id] else None}
            for number, id in enumerate(_ids(call), 1)
            if id in self.texts and id not in self.busy
        ]

    def _delete(self, call: Call) -> list[Row]:
        for id in _ids(call):
            self.chunks.pop(id, None)
        return []

    def _delete_orphans(self, call: Call) -> list[Row]:
        for id in set(self.chunks) - set(self.texts):
            del self.chunks[id]
        return []

    def _insert(self, call: Call) -> list[Row]:
        ids = _ids(call)
        for place, number, start, end, hash_, embedding, text in zip(*call.values[1:], strict=True):
            self.chunks.setdefault(ids[place - 1], []).append((number, start, end, hash_, json.loads(embedding), text))
        return []


def _ids(call: Call) -> Sequence[int]:
    return [key["id"] for key in json.loads(call.values[0])]


def _key(id: int) -> str:
    return json.dumps({"id": id})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
