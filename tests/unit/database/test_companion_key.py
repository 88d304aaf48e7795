from __future__ import annotations

import pytest
from fake_connection import FakeConnection
from pg_llm.database import companion_key
from pg_llm.database.connection import DatabaseError
from pg_llm.errors import InsufficientPrivilege

CONVERSION = "ALTER COLUMN id TYPE bigint USING id::text::bigint"
ROW = {"name": "public.note_embedding", "oid": 7, "owner": 42, "owner_name": "mallory", "conversion": CONVERSION}


@pytest.fixture
def companion(db: FakeConnection) -> FakeConnection:
    db.answer("llm.companion_key_conversion(c.oid)", [ROW])
    db.answer("pg_has_role($1, 'USAGE')", [{"may": True}])
    for part in ("DROP POLICY", "ALTER TABLE", "DELETE FROM", "llm.create_companion_policy"):
        db.answer(part)
    return db


def test_the_companion_is_rewritten_as_its_owner(companion: FakeConnection) -> None:
    companion_key.convert(companion, "note_embedding")
    (rewrite,) = companion.asked("ALTER TABLE")
    assert rewrite.query == f"ALTER TABLE public.note_embedding {CONVERSION}"
    assert rewrite.role == ROW["owner"]
    assert [call.role for call in companion.asked("POLICY")] == [ROW["owner"]]
    assert not companion.asked("DELETE FROM")


def test_a_key_that_fits_is_left_alone(companion: FakeConnection) -> None:
    companion.answer("llm.companion_key_conversion(c.oid)", [ROW | {"conversion": None}])
    companion_key.convert(companion, "note_embedding")
    assert len(companion.calls) == 1


def test_values_that_do_not_fit_go(companion: FakeConnection) -> None:
    refusals = iter([DatabaseError("out of range", "22003")])

    def alter(_: object) -> list[dict[str, object]]:
        for refusal in refusals:
            raise refusal
        return []

    companion.answer("ALTER TABLE", alter)
    companion_key.convert(companion, "note_embedding")
    assert [call.role for call in companion.asked("DELETE FROM public.note_embedding")] == [ROW["owner"]]
    assert len(companion.asked("ALTER TABLE")) == 2


def test_any_other_error_is_raised(companion: FakeConnection) -> None:
    companion.fail("ALTER TABLE", DatabaseError("lock timeout", "55P03"))
    with pytest.raises(DatabaseError, match="lock timeout"):
        companion_key.convert(companion, "note_embedding")


def test_it_takes_the_owners_rights(companion: FakeConnection) -> None:
    companion.answer("pg_has_role($1, 'USAGE')", [{"may": False}])
    with pytest.raises(InsufficientPrivilege, match="must be owner"):
        companion_key.convert(companion, "note_embedding")
    assert not companion.asked("ALTER TABLE")
