"""Long texts: others are served meanwhile, memory is given back, and the host's size has a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from database import value
from hosts import host_pid, resident
from workbench.cluster import TEST_SETTINGS, Cluster

Connect = Callable[..., psycopg.Connection]

SENTENCE = "Angela Merkel of Siemens visited Paris in March and met 500 people from Berlin. "
LONG = {
    "entities": "SELECT count(*) FROM llm_entities(%s)",
    "relations": "SELECT count(*) FROM graph_extract(%s)",
    "classification": "SELECT llm_classify(%s, ARRAY['sport', 'politics'])",
    "embedding": "SELECT llm_embed(%s) IS NOT NULL",
    "cleaning": "SELECT length(llm_clean(%s))",
    "signs": "SELECT count(*) FROM llm_entities(%s)",
}


def text(size: int) -> str:
    """Text of so many characters, in which most sentences have a word that no other has."""
    sentences = size // (len(SENTENCE) + 8)
    return "".join(f"{SENTENCE}w{number:x} " for number in range(sentences))


@pytest.mark.slow
@pytest.mark.parametrize(("task", "size"), [(task, 5_000_000 if task != "relations" else 3_000_000) for task in LONG])
def test_a_long_text_holds_nobody(db: psycopg.Connection, connect: Connect, task: str, size: int) -> None:
    worker = connect()
    for own in (db, worker):
        # With a misspelling, so that every model which the long text needs is in memory.
        own.execute(LONG[task], (f"{SENTENCE}Please recieve our apologies for the delay.",))
    pid = host_pid(db)
    before, peak = resident(pid), 0
    stopped: list[psycopg.Error] = []

    def work() -> None:
        try:
            worker.execute(LONG[task], ("!?.,;" * (size // 5) if task == "signs" else text(size),))
        except psycopg.errors.QueryCanceled as error:
            stopped.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    waited = []
    until = time.monotonic() + 60
    while thread.is_alive() and time.monotonic() < until:
        started = time.monotonic()
        db.execute("SELECT llm_embed(%s)", (f"a short text, number {len(waited)} of {task}",))
        waited.append(time.monotonic() - started)
        started = time.monotonic()
        db.execute("SELECT * FROM llm_status()")
        assert time.monotonic() - started < 1
        peak = max(peak, resident(pid))
    worker.cancel()
    thread.join()
    print(
        f"{task}: {len(waited)} short calls, median {sorted(waited)[len(waited) // 2]:.3f} s, longest "
        f"{max(waited):.3f} s; {before >> 20} MB before, {peak >> 20} MB at most"
    )
    assert max(waited) < 2
    assert peak - before < 500 << 20
    until = time.monotonic() + 10
    # What was given for the text; the results of the short calls stay, in the 128 MB of llm.memo_limit.
    while resident(pid) - before > (100 + 128) << 20:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_long_text_is_read_to_its_end(db: psycopg.Connection) -> None:
    given = text(100_000)
    found = db.execute("SELECT entity, start_pos, end_pos FROM llm_entities(%s)", (given,)).fetchall()
    assert all(given[start - 1 : end - 1] == entity for entity, start, end in found)
    places = [start for entity, start, _ in found if entity == "Paris"]
    assert len(places) > 0.95 * given.count("Paris")
    assert max(places) > len(given) - 200
    relations = db.execute("SELECT subject, object, start_pos, end_pos FROM graph_extract(%s)", (given,)).fetchall()
    assert len(relations) > 500
    assert all(subject in given[start - 1 : end - 1] for subject, _, start, end in relations)


def test_over_the_limit_large_texts_are_refused_and_small_ones_served() -> None:
    with Cluster(settings={**TEST_SETTINGS, "llm.host_memory_limit": "300MB"}) as own:
        own.sql("CREATE EXTENSION pg_llm CASCADE")
        with psycopg.connect(own.dsn(), autocommit=True) as db:
            assert value(db, "SELECT count(*) FROM llm_entities(%s)", SENTENCE) > 1
            pid = host_pid(db)
            for _ in range(3):
                with pytest.raises(psycopg.errors.OutOfMemory, match="may take 300 MB") as caught:
                    db.execute("SELECT count(*) FROM llm_entities(%s)", (text(20_000_000),))
                assert "llm.host_memory_limit" in caught.value.diag.message_hint
                assert value(db, "SELECT count(*) FROM llm_entities(%s)", f"{SENTENCE} {_}") > 1
            assert host_pid(db) == pid


def test_an_analysis_that_takes_too_much_fails_alone() -> None:
    with Cluster(settings={**TEST_SETTINGS, "llm.process_memory_limit": "260MB"}) as own:
        own.sql("CREATE EXTENSION pg_llm CASCADE")
        with psycopg.connect(own.dsn(), autocommit=True) as db, psycopg.connect(own.dsn(), autocommit=True) as other:
            # A few megabytes that take far more: each value is another one, and each is compared.
            db.execute(
                "CREATE TABLE big AS SELECT md5(i::text) AS a, md5((-i)::text) AS b, md5((i + 0.5)::text) AS c"
                " FROM generate_series(1, 200000) AS i"
            )
            db.execute("CREATE TABLE small AS SELECT i, 'Berlin' AS city FROM generate_series(1, 30) AS i")
            db.execute("ALTER TABLE big ADD PRIMARY KEY (a); ALTER TABLE small ADD PRIMARY KEY (i)")
            assert value(db, "SELECT llm_embed('before') IS NOT NULL")
            pid = host_pid(db)
            for call in ("llm_find_errors('big')", "llm_profile('big')", "llm_duplicates('big')"):
                with pytest.raises(psycopg.errors.OutOfMemory, match="takes more than the 260 MB") as caught:
                    db.execute(f"SELECT count(*) FROM {call}")
                assert "llm.process_memory_limit" in caught.value.diag.message_hint
                for session in (db, other):
                    assert value(session, "SELECT count(*) FROM llm_profile('small')") > 0
            assert host_pid(db) == pid
