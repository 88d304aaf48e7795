from __future__ import annotations

import time
import unicodedata

import pytest
from fake_connection import FakeConnection
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.search.text_analysis import document_text, query_terms, query_text


def words(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize(
    ("text", "analysed"),
    [
        ("The boundary-layer over a flat plate, at Mach 2.5", "The boundary-layer over a flat plate, at Mach 2.5"),
        ("Café Zürich, Straße, Łódź, Ærø", "cafe zurich, strasse, lodz, aero"),
        ("Ελλάδα ёлка йод", "ελλαδα елка йод"),
        ("ＡＢＣ ﬁne", "abc fine"),
        ("don\u2019t stop \u2014 never", "don't stop never"),
        ("المُدَرِّس", "المدرس"),
        ("हिन्दी में", "हिन्दी में"),
        ("上海", "上 海 上海"),
        ("在上海的iPhone15。", "在 上 海 的 在上 上海 海的 iphone15 iphone 15"),
        ("東京タワー", "東 京 タ ワ ー 東京 京タ タワ ワー"),
        ("서울에서", "서 울 에 서 서울 울에 에서"),
        ("ขอบคุณ", "ข อ บ คุ ณ ขอ อบ บคุ คุณ"),
        ("000-9999-999", "000 9999 999 0009999999"),
        ("1812L050.", "1812L050 1812 1812L L050 050 ."),
        ("E-4711", "E 4711 E4711"),
        ("(B12)", "( B12 12 )"),
        ("COVID-19", "COVID 19 COVID19"),
        # Neither numbers nor addresses are codes, nor are keys.
        ("3.14 and 1,000 in 1990", "3.14 and 1,000 in 1990"),
        ("see http://example.com/p/1812L050 or a1@b2.org", "see http://example.com/p/1812L050 or a1@b2.org"),
        ("a1" * 40, "a1" * 40),
    ],
)
def test_a_document_is_analysed(text: str, analysed: str) -> None:
    assert words(document_text(text)) == words(analysed)


@pytest.mark.parametrize(
    ("query", "analysed"),
    [
        ("上海", "上海"),
        ("海", "海"),
        ("上海办公室", "上海 海办 办公 公室"),
        ("café", "cafe"),
        ("9999", "9999"),
        ("1812L", "1812L"),
        ("000-9999", "000 9999 0009999"),
    ],
)
def test_a_query_is_analysed(query: str, analysed: str) -> None:
    assert words(query_text(query)) == words(analysed)


@given(st.text(st.sampled_from("上海的办公室タワ서울에ขอบคุ"), min_size=1, max_size=12), st.data())
def test_any_part_of_an_unspaced_text_is_found(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    part = text[start : data.draw(st.integers(start + 1, len(text)))]
    # A vowel sign belongs to the letter before it.
    if "ุ" not in text:
        assert set(words(query_text(part))) <= set(words(document_text(text)))


@given(st.lists(st.from_regex(r"[0-9]{1,4}[A-Z]{1,2}|[0-9]{2,4}|[A-Z]{2,3}", fullmatch=True), min_size=1, max_size=4))
def test_each_run_of_a_code_is_found(runs: list[str]) -> None:
    found = set(words(document_text(f"part {'-'.join(runs)} see")))
    if any(character.isdigit() for run in runs for character in run):
        assert {*runs, "".join(runs)} <= found


@given(st.text(max_size=60))
def test_composed_and_decomposed_are_one(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    if not composed.isascii() and not decomposed.isascii():
        assert document_text(composed) == document_text(decomposed)
        assert query_text(composed) == query_text(decomposed)


@pytest.mark.parametrize("part", ["a", "a1", "a-1-", "1.", "/1", "é", "上", "ก่", "่", "\u0308", "x@1", " 1a"])
def test_time_is_in_proportion(part: str) -> None:
    started = time.process_time()
    analysed = document_text(part * 1_000_000)
    assert len(analysed.encode()) <= 300_000
    assert time.process_time() - started < 5


def test_the_terms_of_a_query_come_from_the_configuration() -> None:
    db = FakeConnection()
    db.answer("unnest(to_tsvector('pg_catalog.english'::regconfig, $1))", [{"lexeme": "cafe"}])
    assert query_terms(db, "pg_catalog.english", "Café") == ["cafe"]
    assert db.calls[0].values == ("cafe",)
