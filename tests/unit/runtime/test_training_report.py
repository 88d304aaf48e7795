"""What a training process writes on its standard output."""

from __future__ import annotations

from typing import Any

import pytest
from pg_llm.errors import InvalidInput, to_wire
from pg_llm.runtime.training import process, report
from pg_llm.runtime.training.report import LineReport


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [process.parse_message(line.encode()) for line in capsys.readouterr().out.splitlines()]


def test_reports_come_a_few_a_second_with_the_seconds_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(report.time, "monotonic", lambda: now)
    tell = LineReport()
    tell("training", 1, 100, loss=0.5)
    now = 100.1
    tell("training", 2, 100)
    now = 101.0
    tell("training", 10, 100)
    tell("training", 100, 100)
    tell("saving", 0, 1)
    found = [message["report"] for message in lines(capsys)]
    assert [(each["phase"], each["done"]) for each in found] == [
        ("training", 1),
        ("training", 10),
        ("training", 100),
        ("saving", 0),
    ]
    assert found[0]["detail"] == {"loss": 0.5, "eta_seconds": 0}
    assert found[1]["detail"] == {"eta_seconds": 9}
    assert found[3]["detail"] == {}


def test_an_error_is_raised_where_it_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    report.send({"error": to_wire(InvalidInput("no", hint="try"))})
    with pytest.raises(InvalidInput, match="no") as caught:
        lines(capsys)
    assert caught.value.hint == "try"
