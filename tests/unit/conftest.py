"""Unit tests stand on plain Python and libraries of arithmetic: no server, no torch, no files of models."""

from __future__ import annotations

import pytest
from echo import EchoHost
from fake_connection import FakeConnection
from pg_llm.database import column_types
from pg_llm.runtime import configuration


@pytest.fixture(autouse=True)
def no_known_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types have other numbers in every test."""
    monkeypatch.setattr(column_types, "_pinned", {})


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server runs whose configuration files could be read."""
    monkeypatch.setattr(configuration, "configured", lambda name: None)


@pytest.fixture
def db() -> FakeConnection:
    """A connection whose answers the test gives."""
    return FakeConnection()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> EchoHost:
    """A model host that echoes."""
    return EchoHost(monkeypatch)
