"""Files of every kind as text, and what is wrong with one."""

from __future__ import annotations

import base64

import files
import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from pg_llm.errors import InvalidInput
from pg_llm.search import chunking, parsing
from pg_llm.search.host import parsing as parser

KINDS = {
    "pdf": (files.pdf(["One page.", "Another."]), "One page.\n\nAnother."),
    "docx": (files.docx(["Terms", "Two years."]), "Two years."),
    "xlsx": (files.xlsx([["town"], ["Oslo"]]), "| Oslo |"),
    "epub": (files.epub("Terms", "Two years."), "Two years."),
    "html": (files.HTML, "# Café\n\nOpen daily."),
    "email": (files.MAIL, "Subject: Café lease\n\nThe lease ends in May."),
    "text": ("\ufeffFüße".encode(), "Füße"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_read(kind: str) -> None:
    content, wanted = KINDS[kind]
    assert wanted in parser.parse(content, "")


@pytest.mark.parametrize(
    ("content", "mime", "message"),
    [
        (files.pdf(["text"])[:100], "", "the pdf document cannot be read"),
        (files.docx(["text"])[:200], "", "damaged archive"),
        (b"\x00\x01\x02", "", "type of the document is not known"),
        (files.archive({"a": "b"}), "", "type of the document is not known"),
        (b"text", "application/msword", "are not read"),
        (b"no archive", "application/epub+zip", "the epub document cannot be read"),
        (b"\xff", "text/plain", "the text document cannot be read"),
    ],
)
def test_what_is_wrong_is_told(content: bytes, mime: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parser.parse(content, mime)


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "_UNPACKED", 100)
    with pytest.raises(InvalidInput, match="unpacks to more than"):
        parser.parse(files.docx(["text" * 100]), "")


def test_a_text_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "_RESULT", 3)
    with pytest.raises(InvalidInput, match="has 4 characters"):
        parser.parse(b"text", "")


def test_the_host_is_given_the_file_and_its_type(db: FakeConnection, host: EchoHost) -> None:
    db.settings["llm.engine"] = "shared"
    host.answers["parsing"] = lambda inputs, options: [base64.b64decode(inputs[0]).decode() + options["mime"]]
    assert parsing.text_of(db, b"text of ", "text/plain") == "text of text/plain"


def test_places_of_chunks_count_from_one(db: FakeConnection, host: EchoHost) -> None:
    db.answer("LEFT JOIN llm.model AS m", [registered()])
    host.answers["chunking"] = lambda inputs, options: ["[[0, 3], [4, 7]]"]
    assert chunking.chunks(db, "one two", "auto", None, 0, None) == [(1, "one", 1, 4), (2, "two", 5, 8)]
    assert host.requests[-1].options == {"chunking": "auto", "tokens": None, "overlap": 0}
