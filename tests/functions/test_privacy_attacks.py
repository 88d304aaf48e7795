from __future__ import annotations

import json

import psycopg
from database import value


def test_a_long_key_before_many_texts_is_not_repeated_for_each(db: psycopg.Connection) -> None:
    given = {"k" * 1_000_000: [f"a{number}" for number in range(300)]}
    assert value(db, "SELECT llm_redact_json(%s, '{email}')", json.dumps(given)) == given


def test_many_addresses_in_one_text(db: psycopg.Connection) -> None:
    redacted = value(db, "SELECT llm_redact(repeat('a@b.co ', 3000), '{email}')")
    assert redacted == "[email] " * 3000
