"""The role that a statement runs as, and what is refused."""

from __future__ import annotations

import pytest
from fake_connection import FakeConnection
from pg_llm.database import foreign_code, table_access
from pg_llm.errors import InsufficientPrivilege

CALLER, OWNER, OTHER = 100, 200, 300
CODE = {"root": 1, "what": "trigger t on a", "owner": "mallory", "oid": OTHER}


@pytest.fixture
def access(db: FakeConnection) -> FakeConnection:
    """A table of OWNER, whose rights the caller has, and not the other way round; no foreign code."""
    db.role = CALLER
    db.answer("SELECT DISTINCT relowner::int8", [{"oid": OWNER}])
    db.answer("AS trusted, pg_has_role", [{"trusted": False, "shared": True}])
    db.answer("AS plain FROM pg_class", [{"plain": False}])
    db.answer("AS alone", [{"alone": False}])
    db.answer("AS replica", [])
    db.answer("WITH RECURSIVE reached (root, oid)", [])
    db.answer("extowner::int8 AS owner", [{"owner": 10}])
    db.answer("AS more FROM pg_roles", [{"more": False}])
    db.answer("pg_get_userbyid($1::oid)::text AS name", [{"name": "mallory"}])
    db.answer("DELETE FROM ONLY", [])
    return db


def test_work_runs_as_the_owner_whose_rights_the_caller_has(access: FakeConnection) -> None:
    assert table_access.on_table(access, 1, access.current_role) == OWNER
    assert access.current_role() == CALLER


@pytest.mark.parametrize("memberships", [{"trusted": True, "shared": True}, {"trusted": False, "shared": False}])
def test_otherwise_it_runs_as_the_caller(access: FakeConnection, memberships: dict[str, bool]) -> None:
    access.answer("AS trusted, pg_has_role", [memberships])
    assert table_access.on_table(access, 1, access.current_role) == CALLER


def test_tables_of_several_owners_are_read_as_the_caller(access: FakeConnection) -> None:
    access.answer("SELECT DISTINCT relowner::int8", [{"oid": OWNER}, {"oid": OTHER}])
    assert table_access.role_for(access, [1, 2], beside=[3]) == CALLER
    assert access.asked("WITH RECURSIVE reached (root, oid)")[0].values == ([1, 2, 3], CALLER)


def test_foreign_code_is_refused_under_the_owner_s_rights(access: FakeConnection) -> None:
    access.answer("WITH RECURSIVE reached (root, oid)", [CODE, CODE | {"what": "policy p on a"}])
    with pytest.raises(InsufficientPrivilege, match='trigger t on a would run code of the role "mallory"') as raised:
        table_access.on_table(access, 1, access.current_role, writes=True)
    assert raised.value.detail == "In all: trigger t on a, policy p on a."


def test_the_caller_may_run_what_it_named_unless_it_is_more_powerful(access: FakeConnection) -> None:
    access.answer("AS trusted, pg_has_role", [{"trusted": False, "shared": False}])
    access.answer("WITH RECURSIVE reached (root, oid)", [CODE])
    assert table_access.on_table(access, 1, access.current_role) == CALLER
    assert access.asked("AS more FROM pg_roles")[0].values == (CALLER, [OTHER])
    # A partition has not been named.
    with pytest.raises(InsufficientPrivilege):
        table_access.on_part(access, 1, access.current_role, writes=False)
    access.answer("AS more FROM pg_roles", [{"more": True}])
    with pytest.raises(InsufficientPrivilege):
        table_access.on_table(access, 1, access.current_role)


def test_a_partition_is_locked_before_it_is_read(access: FakeConnection) -> None:
    access.answer(
        "AS replica", [{"number": 1, "kind": "r", "relation": "public.part", "replica": False, "open": False}]
    )
    assert table_access.on_part(access, 1, access.current_role, writes=True) == OWNER
    (locked,) = [call for call in access.calls if call.query.startswith("DELETE")] or [None]
    # Parsing alone takes the lock.
    assert locked is None
    order = [call.query for call in access.calls]
    lock = next(number for number, query in enumerate(order) if "AS replica" in query)
    assert lock < next(number for number, query in enumerate(order) if "(root, oid)" in query)


def test_code_of_an_author(access: FakeConnection) -> None:
    assert table_access.role_for_author(access, OWNER, "the query") == OWNER
    access.answer("AS trusted, pg_has_role", [{"trusted": True, "shared": False}])
    assert table_access.role_for_author(access, OWNER, "the query") == CALLER
    access.answer("AS trusted, pg_has_role", [{"trusted": False, "shared": False}])
    assert table_access.role_for_author(access, OWNER, "the query") == CALLER
    access.answer("AS more FROM pg_roles", [{"more": True}])
    with pytest.raises(InsufficientPrivilege, match="the query would run code"):
        table_access.role_for_author(access, OWNER, "the query")


def test_quick_answers_come_first(access: FakeConnection) -> None:
    access.answer("AS plain FROM pg_class", [{"plain": True}])
    assert foreign_code.find(access, [1], OWNER, writes=True) == []
    access.answer("AS plain FROM pg_class", [{"plain": False}])
    access.answer("AS alone", [{"alone": True}])
    assert foreign_code.find(access, [1], OWNER) == []
    assert not access.asked("(root, oid)")
    # For writing, triggers of others count too.
    foreign_code.find(access, [1], OWNER, writes=True)
    assert access.asked("(root, oid)")
    assert foreign_code.find_ever(access, [1], OWNER) == []


def test_what_there_may_be_by_then(access: FakeConnection) -> None:
    part = {"number": 1, "kind": "p", "relation": "public.a", "what": "parts of a", "owner": "m", "oid": OTHER}
    part |= {"open": True, "replica": True}
    access.answer("AS replica", [part])
    assert foreign_code.find_ever(access, [1], CALLER) == [part]
    with pytest.raises(InsufficientPrivilege, match="parts of a would run"):
        table_access.check_reading(access, [1], CALLER)
    access.answer("AS replica", [part | {"open": False}])
    assert foreign_code.find_ever(access, [1], CALLER) == []
    assert foreign_code.lock(access, [1], CALLER)
    access.answer("AS replica", [])
    assert not foreign_code.lock(access, [1], CALLER, writes=True)
    # Writing locks all tables, reading only those of owners that are not trusted.
    assert access.calls[-1].values == ([1], CALLER, False)
