"""JSON in what an endpoint wrote is looked for within limits."""

from __future__ import annotations

from typing import Any

import pytest
from pg_llm.models.endpoint import json_text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Here it is: {"a": 1}', 1),
        ("```json\n[1]\n```", 2),
        ("```\n1```" * 10_000, 50),
        ("{} " * 10_000, 50),
        ("[" * 10_000, 0),
        # Longer than a model writes.
        (" " * (3 << 20) + "[1]", 0),
    ],
)
def test_so_many_places_are_read(text: str, found: int) -> None:
    assert len(list(json_text.candidates(text))) == found


def test_brackets_that_are_not_closed_are_not_read_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    decode = json_text._DECODER.raw_decode

    def counting(text: str, idx: int = 0) -> Any:
        read.append(len(text) - idx)
        return decode(text, idx)

    monkeypatch.setattr(json_text._DECODER, "raw_decode", counting)
    assert list(json_text.candidates("[" * 50 + "1," * 900_000)) == []
    assert sum(read) < 6 << 20
