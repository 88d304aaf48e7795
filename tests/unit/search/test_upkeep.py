"""Upkeep and backfill of a companion table: what was written has the chunks of its text, on a scripted connection."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import EchoHost, vector
from fake_connection import Call, FakeConnection
from fake_index import ROW, FakeIndex
from pg_llm.database import companion_backfill
from pg_llm.database.connection import Row
from pg_llm.errors import ConcurrentChange, InsufficientPrivilege
from pg_llm.search import backfill, semantic_index, upkeep


@pytest.fixture
def papers(db: FakeConnection, host: EchoHost) -> FakeIndex:
    index = FakeIndex(db, texts={1: "a tree", 2: "a house"})
    db.answer("AS key FROM former AS t", [])
    db.answer("AS key FROM changed AS t", lambda call: [{"key": _key(id)} for id in index.texts])
    db.answer("SELECT FROM pg_trigger AS g WHERE g.tgrelid", [{}])
    db.answer("SELECT FROM llm.relation_ancestors", [{}])
    return index


def fired(event: str = "INSERT", **more: Any) -> dict[str, Any]:
    """What PL/Python tells of a statement trigger."""
    name = f"llm_index_5_{event.lower()}"
    return {
        "relid": "20000",
        "name": name,
        "event": event,
        "when": "AFTER",
        "level": "STATEMENT",
        "args": ["5"],
        **more,
    }


def test_chunks_of_what_was_written(papers: FakeIndex, host: EchoHost) -> None:
    papers.texts[1] = "a tree\n\n  \na house"
    upkeep.follow(papers.db, fired())
    assert papers.is_true()
    (first, second), _ = papers.chunks[1], papers.chunks[2]
    assert first[:3] == (1, 1, 7)
    assert second[:3] == (2, 12, 19)
    assert first[4] == pytest.approx(vector("a tree"))
    # All rows of the statement in one call of the model.
    assert [request.task for request in host.requests] == ["chunking", "embedding"]
    assert host.requests[0].options == {"chunking": "auto", "tokens": None, "overlap": 0}
    assert host.requests[1].options == {"role": "document"}
    assert len(host.requests[1].inputs) == 3


def test_an_unchanged_text_costs_nothing(papers: FakeIndex, host: EchoHost) -> None:
    upkeep.follow(papers.db, fired())
    host.requests.clear()
    upkeep.follow(papers.db, fired("UPDATE"))
    assert host.requests == []
    assert len(papers.db.asked("INSERT INTO public.paper_embedding")) == 1


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_a_text_that_goes_takes_its_chunks_along(papers: FakeIndex, text: str) -> None:
    upkeep.follow(papers.db, fired())
    papers.texts[1] = text
    upkeep.follow(papers.db, fired("UPDATE"))
    assert set(papers.chunks) == {2}
    assert papers.is_true()


def test_rows_that_go_take_their_chunks_along(papers: FakeIndex) -> None:
    upkeep.follow(papers.db, fired())
    del papers.texts[2]
    upkeep.follow(papers.db, fired("DELETE"))
    assert set(papers.chunks) == {1}
    papers.texts.clear()
    upkeep.follow(papers.db, fired("TRUNCATE"))
    assert papers.chunks == {}


def test_many_rows_are_embedded_in_batches(papers: FakeIndex, host: EchoHost) -> None:
    papers.texts = {id: f"text {id}" for id in range(600)}
    upkeep.follow(papers.db, fired())
    assert papers.is_true()
    assert [len(request.inputs) for request in host.requests if request.task == "embedding"] == [256, 256, 88]


def test_a_template_goes_around_each_chunk(papers: FakeIndex, host: EchoHost) -> None:
    row = ROW | {"template": "{title} ({year}): {chunk}", "context": ["title", "year"]}
    papers.db.answer("FROM llm.semantic_index AS i", [row])

    def stale(call: Call) -> list[Row]:
        return [{"number": 1, "key": _key(1), "document": "{title}\nb", "context": ["T", "1990"], "hash": "ab"}]

    papers.db.answer("WHERE t.hash IS DISTINCT FROM c.hash", stale)
    upkeep.follow(papers.db, fired())
    assert host.requests[1].inputs == ["T (1990): {title}", "T (1990): b"]
    # What lies beside the chunks is part of what they were made from.
    (query,) = {call.query for call in papers.db.asked("t.hash IS DISTINCT FROM c.hash")}
    assert "|| E'\\x01' || coalesce(t.title::pg_catalog.text, '') || E'\\x01' || coalesce(t.year" in query


def test_everything_is_done_as_the_owner(papers: FakeIndex) -> None:
    db = papers.db
    db.role = 77
    db.answer("FROM llm.semantic_index AS i", [ROW | {"owner": 88}])
    db.answer("SELECT DISTINCT relowner::int8", [{"oid": 88}])
    upkeep.follow(db, fired())
    assert papers.is_true()
    for part in (
        "AS key FROM changed AS t",
        "WHERE t.hash IS DISTINCT FROM c.hash",
        "INSERT INTO public.paper_embedding",
    ):
        assert {call.role for call in db.asked(part)} == {88}


@pytest.mark.parametrize(
    "trigger",
    [
        fired(args=None),
        fired(args=[]),
        fired(args=["x"]),
        fired(args=["5", "6"]),
        fired(args=["9999999999"]),
        fired(when="BEFORE"),
        fired(level="ROW"),
    ],
)
def test_a_trigger_that_makes_no_sense_is_ignored(papers: FakeIndex, trigger: dict[str, Any]) -> None:
    upkeep.follow(papers.db, trigger)
    assert papers.chunks == {}
    assert not papers.db.asked("FROM changed")


def test_a_trigger_made_by_hand_is_ignored(papers: FakeIndex) -> None:
    """Without transition tables, `changed` is whatever the writer calls so; and another table has other rows."""
    papers.db.answer("SELECT FROM pg_trigger AS g WHERE g.tgrelid", [])
    upkeep.follow(papers.db, fired())
    papers.db.answer("SELECT FROM pg_trigger AS g WHERE g.tgrelid", [{}])
    papers.db.answer("SELECT FROM llm.relation_ancestors", [])
    upkeep.follow(papers.db, fired())
    assert not papers.db.asked("FROM changed")


@pytest.mark.parametrize("row", [None, ROW | {"sync": "manual"}, ROW | {"columns": [None]}, ROW | {"intact": False}])
def test_an_index_that_is_gone_keeps_nobody_from_writing(papers: FakeIndex, row: Row | None) -> None:
    papers.db.answer("FROM llm.semantic_index AS i", [] if row is None else [row])
    upkeep.follow(papers.db, fired())
    assert papers.chunks == {}


def test_code_of_others_on_a_part_keeps_nobody_from_writing(papers: FakeIndex) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise InsufficientPrivilege("index part_idx would run code of others", hint="Take it away.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upkeep.table_access, "on_part", refuse)
        upkeep.follow(papers.db, fired())
    ((level, message, hint),) = papers.db.messages
    assert (level, hint) == ("warning", "Take it away.")
    assert "does not follow: index part_idx" in message


def test_work_of_the_queue(papers: FakeIndex) -> None:
    upkeep.process(papers.db, 5, f"[{_key(2)}, {_key(3)}]")
    assert set(papers.chunks) == {2}
    upkeep.process(papers.db, 5, "null")
    assert papers.is_true()
    papers.made = False
    upkeep.process(papers.db, 5, "null")
    papers.made = True
    papers.db.answer("AS may", [{"may": False}])
    with pytest.raises(InsufficientPrivilege):
        upkeep.process(papers.db, 5, "null")


def test_work_on_rows_that_are_being_written_comes_back(papers: FakeIndex) -> None:
    papers.busy = {1}
    with pytest.raises(ConcurrentChange, match="are being written"):
        upkeep.process(papers.db, 5, f"[{_key(1)}, {_key(2)}]")
    assert set(papers.chunks) == {2}


def test_a_backfill_reports_and_commits_as_it_goes(papers: FakeIndex, host: EchoHost) -> None:
    papers.texts = {id: f"text {id}" for id in range(2500)}
    papers.chunks[9999] = [(1, 1, 2, "", [], "")]
    reports: list[tuple[int, int]] = []
    commits: list[int] = []
    index = semantic_index.find(papers.db, "paper", None)
    backfill.fill(papers.db, index, lambda *report: reports.append(report), lambda: commits.append(len(papers.chunks)))
    assert papers.is_true()
    assert reports[0] == (0, 2500)
    assert reports == sorted(reports)
    assert reports[-1] == (2500, 2500)
    assert commits[0] <= 257
    assert len(commits) >= 10
    host.requests.clear()
    backfill.fill(papers.db, index)
    assert host.requests == []


def test_a_backfill_waits_for_rows_that_others_write(papers: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    papers.busy = {1}
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            papers.texts[1] = "another text"
            papers.busy.clear()

    monkeypatch.setattr(companion_backfill.time, "sleep", pause)
    backfill.fill(papers.db, semantic_index.find(papers.db, "paper", None))
    assert papers.is_true()
    assert len(pauses) == 3
    assert papers.db.polls >= 3


def test_a_backfill_leaves_what_others_write_all_the_time_to_them(
    papers: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers.busy = {1}
    now = [0.0]
    monkeypatch.setattr(companion_backfill.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(companion_backfill.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + 10))
    backfill.fill(papers.db, semantic_index.find(papers.db, "paper", None))
    assert set(papers.chunks) == {2}


def _key(id: int) -> str:
    return json.dumps({"id": id})


def test_sentences_on_another_subject_follow_the_chunks(papers: FakeIndex, host: EchoHost) -> None:
    """They have places of their own, numbers behind the chunks', and no words: these are counted with the chunk's."""

    def answer(inputs: Sequence[str], options: dict[str, Any]) -> list[str]:
        assert options == {"sentences": "outlying"}
        found = []
        for before, chunk, after in map(json.loads, inputs):
            own = [[6, 11, json.dumps(vector("house"))]] if "house" in chunk else []
            found.append(json.dumps({"embedding": json.dumps(vector(before + chunk + after)), "sentences": own}))
        return found

    papers.db.answer("FROM llm.semantic_index AS i", [ROW | {"sentences": "outlying"}])
    host.answers["chunk_embedding"] = answer
    papers.texts = {1: "tree, house\nsea", 2: "a tree"}
    upkeep.follow(papers.db, fired())
    assert papers.is_true()
    assert [chunk[:3] for chunk in papers.chunks[1]] == [(1, 1, 12), (2, 13, 16), (3, 7, 12)]
    assert papers.chunks[1][2][4] == pytest.approx(vector("house"))
    assert [chunk[5] for chunk in papers.chunks[1]] == ["tree, house", "sea", ""]
    assert len(papers.chunks[2]) == 1
