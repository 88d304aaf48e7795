"""Unit tests stand on plain Python and libraries of arithmetic: no server, no torch, no files of models."""

from __future__ import annotations

import pytest
from echo import EchoHost
from fake_connection import FakeConnection


@pytest.fixture
def db() -> FakeConnection:
    """A connection whose answers the test gives."""
    return FakeConnection()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> EchoHost:
    """A model host that echoes."""
    return EchoHost(monkeypatch)
