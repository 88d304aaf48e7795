"""Replication slots of streams that are gone: their servers would keep all that is written for ever."""

from __future__ import annotations

import logging
import os
from typing import Any

import psycopg

from pg_llm.worker.streams import publication
from pg_llm.worker.streams.source import SourceFailed
from pg_llm.worker.streams.walsender import conninfo

_log = logging.getLogger(__name__)
_VARIABLE = "PG_LLM_POSTGRES_"
# One that is read is dropped when it is looked at next.
_OURS = """
    SELECT slot_name FROM pg_catalog.pg_replication_slots
    WHERE pg_catalog.starts_with(slot_name, %s) AND NOT active
    AND database OPERATOR(pg_catalog.=) pg_catalog.current_database()
"""


def servers() -> list[str]:
    """The names that the environment has for servers with publications."""
    return sorted(name.removeprefix(_VARIABLE) for name in os.environ if name.startswith(_VARIABLE))


def drop_forgotten(connection: psycopg.Connection[Any]) -> None:
    """Drop the slots of streams of this database that no longer read from there."""
    prefix = publication.prefix(connection)
    for name in servers():
        try:
            with psycopg.connect(conninfo(name), autocommit=True) as there:
                slots = there.execute(_OURS, (prefix,)).fetchall()
                # After these: a slot is made when its stream is there.
                read = {row[0] for row in connection.execute("SELECT llm.stream_slots(%s)", (name,)).fetchall()}
                for (slot,) in slots:
                    if int(slot.removeprefix(prefix)) not in read:
                        there.execute("SELECT pg_catalog.pg_drop_replication_slot(%s)", (slot,))
                        _log.info("Dropped the replication slot %s", slot)
        except (psycopg.Error, SourceFailed) as error:
            _log.warning("%s%s: %s", _VARIABLE, name, error)
