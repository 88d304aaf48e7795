"""What a training says while it runs: one JSON object a line on standard output."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Protocol

_INTERVAL = 0.3


class Report(Protocol):
    """Tells how far a phase is; `detail` holds epoch, loss and the like."""

    def __call__(self, phase: str, done: int, total: int, **detail: Any) -> None:
        """Steps done of how many."""
        ...


class LineReport:
    """Writes reports as lines, a few a second at most, with the seconds that the phase will still take."""

    def __init__(self) -> None:
        self._phase = ""
        self._started = self._said = 0.0

    def __call__(self, phase: str, done: int, total: int, **detail: Any) -> None:
        """Steps done of how many."""
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._started, self._said = phase, now, 0.0
        if now - self._said < _INTERVAL and done < total:
            return
        self._said = now
        if 0 < done < total:
            detail["eta_seconds"] = round((now - self._started) * (total - done) / done)
        say({"report": {"phase": phase, "done": done, "total": total, "detail": detail}})


def say(message: dict[str, Any]) -> None:
    """One line for whoever started the training."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
