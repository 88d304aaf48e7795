"""Messages of a training process: one JSON object a line on standard output."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Protocol

# Seconds between two reports.
_INTERVAL = 0.3


class Report(Protocol):
    """Reports the progress of a phase; `detail` holds epoch, loss and the like."""

    def __call__(self, phase: str, done: int, total: int, **detail: Any) -> None:
        """Steps done of how many."""
        ...


class LineReport:
    """Writes reports as lines, a few a second at most, with an estimate of the seconds left in the phase."""

    def __init__(self) -> None:
        self._phase = ""
        self._phase_started = self._last_written = 0.0

    def __call__(self, phase: str, done: int, total: int, **detail: Any) -> None:
        """Steps done of how many."""
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._phase_started, self._last_written = phase, now, 0.0
        if now - self._last_written < _INTERVAL and done < total:
            return
        self._last_written = now
        if 0 < done < total:
            detail["eta_seconds"] = round((now - self._phase_started) * (total - done) / done)
        send({"report": {"phase": phase, "done": done, "total": total, "detail": detail}})


def send(message: dict[str, Any]) -> None:
    """Write one message for the process that started the training."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
