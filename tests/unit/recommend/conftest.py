"""A recommender on a table of events and a table of items, on a scripted connection."""

from __future__ import annotations

import pytest
from echo import EchoHost
from fake_catalog import FakeCatalog
from fake_connection import FakeConnection
from fake_recommender import ROW


@pytest.fixture
def shop(db: FakeConnection, host: EchoHost) -> FakeConnection:
    """Tables of events and of items, without a recommender."""
    catalog = FakeCatalog(db)
    catalog.add("public.rental", {"customer": "integer", "film": "text", "at": "timestamp", "stars": "numeric"}, key=())
    catalog.add("public.film", {"id": "text", "title": "text", "year": "integer"})
    catalog.add("public.recommender_films", {"version": "integer", "number": "integer"}, key=())
    # Of the columns of a query.
    catalog.types += ["integer", "text", "timestamp"]
    db.answer("FROM llm.recommender AS r", [])
    return db


@pytest.fixture
def films(shop: FakeConnection) -> FakeConnection:
    """The same with the recommender `films`."""
    shop.answer("FROM llm.recommender AS r", lambda call: [ROW] if call.values[0] in (None, "films") else [])
    return shop
