from __future__ import annotations

import json

import psycopg
import pytest
from database import value, write_key
from psycopg import errors
from workbench.cluster import Cluster


def test_a_long_key_before_many_texts_is_not_repeated_for_each(db: psycopg.Connection) -> None:
    given = {"k" * 1_000_000: [f"a{number}" for number in range(300)]}
    assert value(db, "SELECT llm_redact_json(%s, '{email}')", json.dumps(given)) == given


def test_many_addresses_in_one_text(db: psycopg.Connection) -> None:
    redacted = value(db, "SELECT llm_redact(repeat('a@b.co ', 3000), '{email}')")
    assert redacted == "[email] " * 3000


def test_a_key_that_is_gone_reveals_nothing_that_it_revealed_before(db: psycopg.Connection, cluster: Cluster) -> None:
    write_key(db, "gone", "gone" * 10)
    db.execute("SELECT llm_register_key('gone', 'file:gone')")
    pseudonym = value(db, "SELECT llm_pseudonymize('Anna', 'person', 'gone')")
    assert value(db, "SELECT llm_reveal(%s, 'gone')", pseudonym) == "Anna"
    (cluster.data / "pg_llm" / "keys" / "gone").unlink()
    with pytest.raises(errors.InvalidParameterValue, match="cannot be read"):
        db.execute("SELECT llm_reveal(%s, 'gone')", (pseudonym,))
