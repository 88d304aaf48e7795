"""Records in each format: what becomes JSON, and what cannot be read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.streams.formats import Undecodable, object_of, text_of


@pytest.mark.parametrize("payload", [None, b"\xff", b"a\0b", "ü".encode("latin-1")])
def test_what_is_no_text(payload: bytes | None) -> None:
    with pytest.raises(Undecodable):
        text_of(payload)


def test_json_is_left_to_the_database() -> None:
    assert object_of("{broken", "json", ["a"]) == "{broken"


@given(st.text())
def test_a_text_is_one_column(text: str) -> None:
    assert json.loads(object_of(text, "text", ["a"])) == {"a": text}


def test_fields_of_csv() -> None:
    assert json.loads(object_of('1,"a ""b"", c",', "csv", ["id", "x", "y"])) == {"id": "1", "x": 'a "b", c', "y": None}
    assert json.loads(object_of('"two\nlines"\r\n', "csv", ["x"])) == {"x": "two\nlines"}


@pytest.mark.parametrize("line", ["", "1", "1,2,3", '"open,2', "1,2\n3,4", '"a"b,2'])
def test_what_is_no_line_of_csv(line: str) -> None:
    with pytest.raises(Undecodable):
        object_of(line, "csv", ["x", "y"])
