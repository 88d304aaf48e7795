"""A model that fails at a text under llm.on_error = 'null' has not said that there is nothing in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pg_llm.classify import entities
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidModel
from pg_llm.privacy import finding


class _Failing(SimpleNamespace):
    """A model of entities that fails at texts with an x: NULL stands for what failed."""

    name, task, labels = "failing", "entities", ["person"]

    def run_rows(self, task: str, rows: list[str], **options: Any) -> list[str | None]:
        return [None if "x" in text else '[["person", 0, 3, 0.9]]' for text in rows]


def test_nothing_found_is_told_from_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    db, model = cast(Connection, None), cast(Model, _Failing())
    assert entities.find_in_all(db, model, ["Ada"], None) == [[("person", 0, 3, 0.9)]]
    assert entities.find(db, model, ["Ada", "x"], None) == [[("person", 0, 3, 0.9)], []]
    with pytest.raises(InvalidModel, match="failed at 1 of 2 texts"):
        entities.find_in_all(db, model, ["Ada", "x"], None)
    # What is redacted is read by such a model.
    monkeypatch.setattr(finding.models, "run_without_model", lambda db, task, read, **options: ["[]"] * len(read))
    monkeypatch.setattr(finding.models, "find", lambda *given: model)
    with pytest.raises(InvalidModel, match="not known"):
        finding.find(db, ["Maximilian met x"], ["person"], None, "failing")
