"""A semantic layer as YAML and back."""

from __future__ import annotations

import json

import pytest
from pg_llm.ask.host import catalog_text
from pg_llm.errors import InvalidInput


def read(text: str) -> object:
    return json.loads(catalog_text.run_in_worker(text, "read"))


def test_what_is_written_is_read() -> None:
    layer = {"a": [{"no": "yes", "b": "1", "c": "x: y # z\nw ", "d": ["a, b", "null"], "e": "患者\t'\""}], "f": []}
    assert read(catalog_text.run_in_worker(json.dumps(layer), "write")) == layer


def test_all_scalars_are_texts() -> None:
    assert read("a: no\nb: 2024-01-01\nc: 1.50\nd:\ne: !!int 3") == {
        "a": "no",
        "b": "2024-01-01",
        "c": "1.50",
        "d": "",
        "e": "3",
    }
    assert read("") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "no YAML"),
        ("\0", "no YAML"),
        ("--- a\n--- b", "no YAML"),
        ("a: &b [c]\nd: *b", "alias"),
        ("a: &b [*b]", "alias"),
        ("a: 1\na: 2", 'line 1 has "a" twice'),
        ("? [a]\n: 1", "a list where a name should be"),
        ("[" * 5000, "no YAML"),
        ("[" * 900 + "]" * 900, "nested too deeply"),
        ("x" * (1 << 20) + "x", "longer than"),
    ],
)
def test_what_is_not_read(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read(text)
