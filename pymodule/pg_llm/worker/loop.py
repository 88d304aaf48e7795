"""Working until told to end, through losses of the connection."""

from __future__ import annotations

import logging
import random
import threading

import psycopg

from pg_llm.worker import session
from pg_llm.worker.metrics import Figures

_log = logging.getLogger(__name__)
# Seconds until the first and until every later attempt to connect again; each waits twice as long as the one before.
_SHORTEST, _LONGEST = 0.2, 30.0


def run(dsn: str, poll: float, figures: Figures, ending: threading.Event) -> None:
    """Do what waits until `ending`. Whatever the server reports ends the session, and another one is opened."""
    delay = _SHORTEST
    while not ending.is_set():
        try:
            with session.opened(dsn, poll) as worker:
                _log.info("Connected to %s; doing what waits.", worker.place)
                figures.connected(worker.connection.info.backend_pid)
                while not ending.is_set():
                    done, failed = worker.work()
                    figures.worked(done, failed)
                    delay = _SHORTEST
                    if failed:
                        _log.info("Done: %d rows. Failed: %d; llm_failed_work says why.", done, failed)
                    if not done + failed:
                        worker.wait()
        except (psycopg.Error, session.NotInstalled) as error:
            figures.disconnected()
            wait = delay * random.uniform(0.75, 1.25)  # noqa: S311 - so that workers do not return all at once
            _log.info("%s; trying again in %.1f seconds.", _first_line(error), wait)
            ending.wait(wait)
            delay = min(_LONGEST, delay * 2)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
