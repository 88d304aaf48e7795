"""Analysed texts under PostgreSQL's own text search."""

from __future__ import annotations

import random
from collections.abc import Iterator

import psycopg
import pytest
from pg_llm.database.psycopg_connection import PsycopgConnection
from pg_llm.search.text_analysis import document_text, query_terms

CONFIG = "pg_catalog.english"


@pytest.fixture
def client(db: psycopg.Connection) -> Iterator[PsycopgConnection]:
    with psycopg.connect(db.info.dsn) as connection:
        yield PsycopgConnection(connection, trusted=True)


def finds(db: PsycopgConnection, query: str, text: str, config: str = CONFIG) -> bool:
    rows = db.rows(
        "SELECT tsvector_to_array(to_tsvector($1::regconfig, $2)) AS terms",
        ("text", "text"),
        (config, document_text(text)),
    )
    return bool(set(query_terms(db, config, query)) & set(rows[0]["terms"]))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("上海", "我们在上海的办公室已经关闭"),
        ("海", "我们在上海的办公室已经关闭"),
        ("ﾀﾜｰ", "東京タワーの高さ"),
        ("서울", "그는 서울에서 산다"),
        ("เชียงใหม่", "ฉันอยู่ที่เชียงใหม่นะ"),
        ("cafe", "un café à Paris"),
        ("CAFÉ", "a cafe in Paris"),
        ("Zurich", "Zürich"),
        ("strasse", "Bahnhofsplatz, Lange Straße 5"),
        ("9999", "000-9999-999"),
        ("0009999999", "000-9999-999"),
        ("000 9999", "000-9999-999"),
        ("1812L", "part 1812L050, in stock"),
        ("1812L050", "part 1812L050, in stock"),
        ("l050", "part 1812L050, in stock"),
        ("E4711", "the error code E-4711"),
        ("4711", "the error code E-4711"),
        ("E-4711", "error E4711"),
        ("running", "he runs"),
    ],
)
def test_what_is_found(client: PsycopgConnection, query: str, text: str) -> None:
    assert finds(client, query, text)
    assert finds(client, query, text, "pg_catalog.simple") or query == "running"


@pytest.mark.parametrize(
    ("query", "text"),
    [("海上", "我们在上海的办公室"), ("1812", "18120"), ("ио", "йод"), ("the", "the plate"), ("9", "000-9999-999")],
)
def test_what_is_not_found(client: PsycopgConnection, query: str, text: str) -> None:
    assert not finds(client, query, text)


def test_a_tsvector_holds_any_analysed_text(client: PsycopgConnection) -> None:
    rng = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    makers = {
        "han": lambda: chr(rng.randrange(0x4E00, 0x9FFF)),
        "urls": lambda: f" http://{''.join(rng.choices(letters, k=4))}.com/{''.join(rng.choices(letters, k=6))}",
        "compounds": lambda: f" {'-'.join(''.join(rng.choices(letters[:26], k=3)) for _ in range(4))}",
        "codes": lambda: f" {''.join(rng.choices(letters, k=4))}-{''.join(rng.choices(letters, k=4))}",
        "short": lambda: f" {''.join(rng.choices(letters[:26], k=4))}",
    }
    for name, make in makers.items():
        text = document_text("".join(make() for _ in range(300_000 // len(make()))))
        size = client.rows("SELECT length(to_tsvector('english', $1)) AS size", ("text",), (text,))[0]["size"]
        assert size > 1000, name
