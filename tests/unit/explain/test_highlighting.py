"""Highlights in SVG: well-formed whatever the text, each word as strong as its attribution."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.explain import words
from pg_llm.explain.explanation import Attribution
from pg_llm.explain.highlighting import svg

SVG = "{http://www.w3.org/2000/svg}"


def rows(text: str, *values: float) -> list[Attribution]:
    spans = words.spans(text)
    given = [*values, *[0.0] * len(spans)]
    found = [
        Attribution(text[start:end], start + 1, end + 1, value, "linear")
        for (start, end), value in zip(spans, given, strict=False)
    ]
    return [*found, Attribution(None, None, None, 0.5, "linear")]


def test_words_for_are_blue_and_words_against_orange_and_underlined() -> None:
    drawn = ET.fromstring(svg("good bad flat", rows("good bad flat", 1.0, -0.5), "why", 640))
    grounds = [each for each in drawn.iter(f"{SVG}rect") if each.get("fill-opacity")]
    drawn_as = [(each.get("fill"), each.get("fill-opacity")) for each in grounds]
    assert drawn_as == [("#3b82c4", "0.85"), ("#e08a1e", "0.42")]
    assert len(list(drawn.iter(f"{SVG}line"))) == 1
    assert [each.text for each in drawn.iter(f"{SVG}text")] == ["why", "good", "bad", "flat"]


def test_markup_in_a_text_is_text() -> None:
    hostile = '<script>alert("1")</script> & \x00 ]]>'
    drawn = ET.fromstring(svg(hostile, rows(hostile, 1.0, -1.0), hostile, 300))
    assert {each.tag.removeprefix(SVG) for each in drawn.iter()} <= {"svg", "rect", "text", "title", "line"}


@given(st.text(max_size=80), st.integers(200, 4000))
def test_any_text_is_well_formed_and_whole(text: str, width: int) -> None:
    drawn = ET.fromstring(svg(text, rows(text, 0.3, -0.3), None, width))
    shown = "".join(each.text or "" for each in drawn.iter(f"{SVG}text"))
    kept = [character for character in text if not character.isspace() and character.isprintable()]
    assert [character for character in shown if character in kept] == kept


@pytest.mark.parametrize("text", ["x" * 100_000, "word " * 50_000, "\n" * 50_000])
def test_a_huge_text_is_cut_and_says_so(text: str) -> None:
    drawn = svg(text, rows(text[:100], 1.0), None, 640)
    assert len(drawn) < 500_000
    assert "… (+" in drawn
