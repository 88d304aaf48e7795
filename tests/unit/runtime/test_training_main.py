"""The training process: which trainer a job gets, and what its result holds."""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from pg_llm.models import source
from pg_llm.runtime.training import __main__ as main
from pg_llm.runtime.training.dataset import Example


@pytest.fixture
def trainers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Trainers that write one file; the list has the name of each that ran, and what lowered its priority."""
    ran: list[str] = []
    monkeypatch.setattr(os, "nice", lambda increment: ran.append(f"nice {increment}"))

    def trainer(name: str) -> types.SimpleNamespace:
        def run(job: Any, rows: list[Example], folder: Path, report: Any) -> dict[str, int]:
            ran.append(name)
            (folder / "model.json").write_text(json.dumps([row.text for row in rows]))
            return {"rows": len(rows)}

        return types.SimpleNamespace(run=run, suspects=lambda job, rows, report: [{"position": len(rows)}])

    for name in (main.LABELLED, *main.TRAINERS.values()):
        monkeypatch.setitem(sys.modules, name, trainer(name))
    return ran


def write(folder: Path, rows: list[Any]) -> None:
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.mark.parametrize(
    ("job", "ran"),
    [
        ({"task": "classify", "method": "head"}, ["pg_llm.training.host.trainer"]),
        ({"task": "classify", "method": "lora"}, ["nice 10", "pg_llm.training.host.trainer"]),
        ({"task": "recommendation", "method": "recommender"}, ["nice 10", "pg_llm.recommend.host.training"]),
        ({"task": "graph", "method": "complex"}, ["nice 10", "pg_llm.graph.host.training"]),
    ],
)
def test_a_job_is_trained_by_its_topic(tmp_path: Path, trainers: list[str], job: Any, ran: list[str]) -> None:
    write(tmp_path, [["a", "x"], ["b", None]])
    result = main._train(tmp_path, job)
    assert trainers == ran
    assert result["metrics"] == {"rows": 2}
    assert (result["folder"], result["digest"]) == (str(tmp_path / "model"), source.digest(tmp_path / "model"))
    assert json.loads((tmp_path / "model" / "model.json").read_text()) == ["a", "b"]


@pytest.mark.usefixtures("trainers")
def test_suspects_make_no_model(tmp_path: Path) -> None:
    write(tmp_path, [["a", "x"]])
    assert main._train(tmp_path, {"task": "classify", "method": "suspects"}) == {"suspects": [{"position": 1}]}
    assert not (tmp_path / "model").exists()
