"""The ledger: nobody overspends, and what it does not know is not spent from."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from pg_llm.errors import BudgetExceeded, DiskFull, Error, InvalidInput
from pg_llm.privacy.host import privacy_ledger


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(privacy_ledger, "FILE", tmp_path / "pg_llm" / "privacy.sqlite")
    return tmp_path / "pg_llm" / "privacy.sqlite"


def ask(**request: Any) -> Any:
    return json.loads(str(privacy_ledger.prepare(None, [json.dumps(request)], {})[0].finish(())))


def spend(epsilon: int, *budgets: tuple[str, int], server: str = "s/1", delta: int = 0) -> str:
    limits = [{"id": name, "epsilon": most, "delta": 10} for name, most in budgets]
    return str(ask(op="spend", budgets=limits, server=server, epsilon=epsilon, delta=delta))


def test_a_budget_is_spent_to_the_last_unit_and_no_further() -> None:
    ask(op="open", id="a", server="s/1")
    assert [spend(3, ("a", 10)) for _ in range(3)] == ["a"] * 3
    with pytest.raises(BudgetExceeded, match="epsilon 1e-09 and delta 1e-14 left"):
        spend(2, ("a", 10))
    spend(1, ("a", 10))
    with pytest.raises(BudgetExceeded):
        spend(0, ("a", 10), delta=11)
    assert ask(op="read", ids=["a", "b"]) == {"a": [1e-8, 0]}
    # Opened once more, as by a larger budget.
    ask(op="open", id="a", server="s/1")
    with pytest.raises(BudgetExceeded):
        spend(1, ("a", 10))
    assert spend(1, ("a", 11)) == "a"


def test_the_first_that_has_enough_pays() -> None:
    for name in ("a", "b"):
        ask(op="open", id=name, server="s/1")
    assert [spend(4, ("a", 5), ("b", 9)) for _ in range(3)] == ["a", "b", "b"]
    with pytest.raises(BudgetExceeded):
        spend(4, ("a", 5), ("b", 9))


def test_nothing_is_spent_from_what_is_not_known() -> None:
    with pytest.raises(Error, match="not on this server"):
        spend(1, ("a", 10))
    ask(op="open", id="a", server="s/1")
    # Another timeline: a standby that was promoted, or a server that was restored.
    with pytest.raises(Error, match="not on this server"):
        spend(1, ("a", 10), server="s/2")
    spend(9, ("a", 10))
    ask(op="open", id="a", server="s/2")
    with pytest.raises(BudgetExceeded):
        spend(2, ("a", 10), server="s/2")


def test_a_damaged_file_answers_nothing(file: Path) -> None:
    ask(op="open", id="a", server="s/1")
    file.write_bytes(os.urandom(5000))
    with pytest.raises(Error, match="cannot be read or written"):
        spend(1, ("a", 10))
    assert file.exists()


def test_many_who_spend_at_once_spend_what_there_is() -> None:
    ask(op="open", id="a", server="s/1")
    taken: list[int] = []

    def work() -> None:
        for _ in range(10):
            try:
                spend(3, ("a", 100))
                taken.append(3)
            except BudgetExceeded:
                taken.append(0)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(taken), len(taken)) == (99, 160)
    assert ask(op="read", ids=["a"])["a"][0] == pytest.approx(99e-9)


def use(most: int = 10, nonce: str | None = None, server: str = "s/1") -> bool:
    return bool(ask(op="use", id="a", most=most, nonce=nonce, server=server))


def test_what_may_be_done_so_often_is_counted() -> None:
    ask(op="allow", id="a", server="s/1")
    assert [use(3) for _ in range(5)] == [True, True, True, False, False]
    assert ask(op="uses", ids=["a", "b"]) == {"a": 3}
    with pytest.raises(Error, match="not known on this server"):
        use(server="s/2")
    with pytest.raises(Error, match="not known on this server"):
        ask(op="use", id="b", most=3, nonce=None, server="s/1")


def test_a_nonce_serves_once() -> None:
    ask(op="allow", id="a", server="s/1")
    assert use(nonce="x")
    with pytest.raises(InvalidInput, match="has served before"):
        use(nonce="x")
    assert use(nonce="y")
    assert ask(op="uses", ids=["a"]) == {"a": 2}


def open_many(count: int) -> None:
    for number in range(count):
        ask(op="open", id=f"{number:0100}", server="s/1")


def test_a_full_disk_is_told_as_such_and_spends_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(op="open", id="a", server="s/1")
    connect = sqlite3.connect

    def full(*args: Any, **options: Any) -> sqlite3.Connection:
        ledger = connect(*args, **options)
        pages = ledger.execute("PRAGMA page_count").fetchone()[0]
        ledger.execute(f"PRAGMA max_page_count = {pages}")
        return ledger

    with monkeypatch.context() as patch:
        patch.setattr(privacy_ledger.sqlite3, "connect", full)
        with pytest.raises(DiskFull, match="database or disk is full") as caught:
            open_many(10_000)
        assert "Nothing is answered" in str(caught.value.hint)
    assert ask(op="read", ids=["a"]) == {"a": [0, 0]}
