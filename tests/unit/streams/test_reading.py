"""The thread that reads a stream: no error ends it in silence."""

import contextlib
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pg_llm.worker.streams import opening, reading


class Reader(reading.Reader):
    """One that ends after its first report."""

    def __init__(self) -> None:
        super().__init__("", {"name": "orders", "id": 1})
        self.reports: list[str] = []

    def _report(self, connection: Any, partition: str | None, error: str) -> None:
        self.reports.append(error)
        self.end()


@contextlib.contextmanager
def connected(_: str) -> Iterator[Any]:
    yield SimpleNamespace(execute=lambda *_: None, closed=False)


def test_an_error_that_nobody_thought_of_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def opened(*_: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'decode'")

    monkeypatch.setattr(reading, "connected", connected)
    monkeypatch.setattr(opening, "opened", opened)
    reader = Reader()
    with caplog.at_level(logging.INFO):
        reader.run()
    assert reader.reports == ["the source cannot be read: AttributeError, see the worker's log"]
    assert "has no attribute 'decode'" in caplog.text
