"""Files become texts; whatever is wrong with one is told, and nothing is read but the file."""

from __future__ import annotations

import time

import files
import psycopg
import pytest
from database import value
from psycopg import errors

KINDS = {
    "pdf": (files.pdf(["The warranty lasts two years."]), ["The warranty lasts two years."]),
    "docx": (files.docx(["Terms", "The warranty lasts two years."]), ["# Terms", "The warranty lasts two years."]),
    "xlsx": (files.xlsx([["town", "people"], ["Oslo", 700000]]), ["| town | people |", "| Oslo | 700000 |"]),
    "pptx": (files.pptx("Terms", "The warranty lasts two years."), ["Terms", "The warranty lasts two years."]),
    "epub": (files.epub("Terms", "The warranty lasts two years."), ["Terms", "The warranty lasts two years."]),
    "html": (files.HTML, ["# Café", "Open daily."]),
    "email": (files.MAIL, ["Subject: Café lease", "From: Ann <ann@example.org>", "The lease ends in May."]),
    "text": ("Füße, 脚\n".encode(), ["Füße, 脚"]),
}


def text(db: psycopg.Connection, content: bytes, mime: str | None = None) -> str:
    return str(value(db, "SELECT llm_text(%s, %s)", content, mime))


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_file_says(db: psycopg.Connection, kind: str) -> None:
    content, wanted = KINDS[kind]
    found = text(db, content)
    for part in wanted:
        assert part in found
    assert "evil" not in found


def test_the_type_can_be_given(db: psycopg.Connection) -> None:
    assert text(db, b"<p>a <b>bold</b> word</p>", "text/html; charset=utf-8") == "a **bold** word"
    assert text(db, b"<p>a</p>", "text/plain") == "<p>a</p>"
    assert value(db, "SELECT llm_text(NULL)") is None
    assert text(db, b"") == ""


SECRET = '<!DOCTYPE x [<!ENTITY s SYSTEM "file:///etc/passwd">]>'
WRONG = {
    "a truncated PDF": files.pdf(["text"])[:200],
    "a truncated archive": files.docx(["a", "b"])[:300],
    "an archive of nothing known": files.archive({"a.txt": "b"}),
    "noise": bytes(range(256)) * 10,
    "a bomb": files.archive({"word/document.xml": b"\0" * (300 << 20)}),
    "an entity": files.docx(["a", "&s;"], before=SECRET),
    "billions": files.docx(
        ["a", "&c;"],
        before='<!DOCTYPE x [<!ENTITY a "'
        + "x" * 1000
        + '"><!ENTITY b "'
        + "&a;" * 1000
        + '"><!ENTITY c "'
        + "&b;" * 1000
        + '">]>',
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_told(db: psycopg.Connection, kind: str) -> None:
    begun = time.monotonic()
    with pytest.raises(errors.InvalidParameterValue) as raised:
        text(db, WRONG[kind])
    assert "root:" not in str(raised.value)
    assert raised.value.diag.message_hint or kind in ("a bomb", "a truncated archive")
    assert time.monotonic() - begun < 30
    # The next one is read as if nothing had been.
    assert text(db, b"next") == "next"


def test_an_unknown_type_is_refused(db: psycopg.Connection) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="are not read"):
        text(db, b"x", "application/msword")


def test_the_passage_of_a_long_document_is_found(db: psycopg.Connection) -> None:
    pages = [f"Page {n} speaks of the weather in the year {1900 + n}." for n in range(100)]
    pages[70] = "The warranty of the device lasts two years."
    db.execute("CREATE TABLE chunk AS SELECT c.* FROM llm_chunk(llm_text(%s)) AS c", (files.pdf(pages),))
    order = "llm_similarity(chunk, 'How long is the warranty?')"
    assert "warranty" in value(db, f"SELECT chunk FROM chunk ORDER BY {order} DESC LIMIT 1")
