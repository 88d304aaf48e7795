"""The manual's job for Flink, which a Python with apache-flink runs: much to install, so only when it is asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import psycopg
import pytest

PAGE = Path("extension/doc/streams.md")


def test_the_job_labels_tickets(db: psycopg.Connection, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    python = request.config.getoption("--flink")
    if python is None:
        pytest.skip("--flink names a Python that has apache-flink and psycopg")
    db.execute("CREATE TABLE labelled (id bigint PRIMARY KEY, body text, label text)")
    (job,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "job.py").write_text(job, encoding="utf-8")
    tickets = [{"id": n, "body": f"I love number {n}" if n % 2 else f"Number {n} is broken"} for n in range(30)]
    # Twice, as after a failure.
    lines = [json.dumps(ticket) for ticket in tickets * 2]
    (tmp_path / "tickets.jsonl").write_text("\n".join(lines), encoding="utf-8")
    # Flink starts Python by its name.
    environment = {"PATH": f"{Path(python).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    command = [python, "job.py", db.info.dsn, "tickets.jsonl"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert db.execute("SELECT count(*), count(DISTINCT id), count(label) FROM labelled").fetchall() == [(30, 30, 30)]
