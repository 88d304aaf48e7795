"""Documents in chunks: nothing is lost, nothing is too long, and places are those of the text."""

from __future__ import annotations

import itertools

import psycopg
import pytest
from database import value
from psycopg import errors

MARKDOWN = (
    "# Title\n\nAn introduction.\n\n## First part\n\n"
    + "A sentence of the first part. " * 30
    + ("\n\n## Second part\n\n" + "Words of the second part. " * 30)
)
METHODS = ("auto", "sentences", "recursive", "markdown", "tokens")


def chunks(db: psycopg.Connection, text: str | None, **options: object) -> list[tuple[int, str, int, int]]:
    given = "".join(f", {name} => %({name})s" for name in options)
    return db.execute(f"SELECT * FROM llm_chunk(%(text)s{given})", {"text": text, **options}).fetchall()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", [MARKDOWN, "一句话。" * 400, "word " * 3000, "x" * 3000, "Short."])
def test_chunks_cover_the_text_in_order(db: psycopg.Connection, method: str, text: str) -> None:
    found = chunks(db, text, chunking=method, chunk_tokens=64)
    assert [row[0] for row in found] == list(range(1, len(found) + 1))
    end = 1
    for _, chunk, start, behind in found:
        assert text[start - 1 : behind - 1] == chunk
        assert chunk.strip()
        # Between two chunks there is white space only.
        assert not text[end - 1 : start - 1].strip()
        end = behind
    assert not text[end - 1 :].strip()
    assert len(found) == 1 or method == "auto" or all(len(chunk) < len(text) for _, chunk, _, _ in found)


def test_a_chunk_is_read_whole(db: psycopg.Connection) -> None:
    """What follows a chunk's last word would change its vector if the model read no further than it."""
    found = chunks(db, MARKDOWN * 3)
    for _, chunk, *_ in found[:4]:
        alike = value(db, "SELECT llm_similarity(%s, %s)", chunk, chunk + " zebra")
        assert alike < 0.99999


def test_headings_begin_chunks(db: psycopg.Connection) -> None:
    found = chunks(db, MARKDOWN, chunk_tokens=128)
    assert any(chunk.startswith("## Second part") for _, chunk, *_ in found)


def test_overlap_repeats_the_end(db: psycopg.Connection) -> None:
    text = " ".join(f"Sentence number {n} is here." for n in range(100))
    for method in ("sentences", "tokens", "recursive"):
        found = chunks(db, text, chunking=method, chunk_tokens=64, chunk_overlap=20)
        assert all(later[2] < before[3] for before, later in itertools.pairwise(found)), method
        assert all(later[2] > before[2] for before, later in itertools.pairwise(found)), method


def test_nothing_of_nothing(db: psycopg.Connection) -> None:
    for text in (None, "", " \n\t "):
        assert chunks(db, text) == []
    assert chunks(db, MARKDOWN, chunking="none") == [(1, MARKDOWN, 1, len(MARKDOWN) + 1)]


@pytest.mark.parametrize(
    "options",
    [{"chunking": "words"}, {"chunking": None}, {"chunk_tokens": 1}, {"chunk_tokens": 64, "chunk_overlap": 60}],
)
def test_what_makes_no_sense_is_refused(db: psycopg.Connection, options: dict[str, object]) -> None:
    with pytest.raises(errors.InvalidParameterValue):
        chunks(db, "text", **options)


def test_a_large_text_takes_little_time(db: psycopg.Connection) -> None:
    text = "This is a sentence of a large text, and it is not the last one.\n" * 15_000
    found = chunks(db, text)
    assert sum(len(chunk) for _, chunk, *_ in found) > 0.9 * len(text)


def test_the_end_of_a_long_document_is_found(db: psycopg.Connection) -> None:
    """What a vector of the whole document cannot hold, one of a chunk does."""
    long = "The weather was fine, and nothing of note happened on that day. " * 100 + "The warranty lasts two years."
    db.execute("CREATE TABLE passage AS SELECT c.* FROM llm_chunk(%s) AS c", (long,))
    order = "llm_similarity(chunk, 'How long is the warranty?')"
    best = value(db, f"SELECT chunk FROM passage ORDER BY {order} DESC LIMIT 1")
    assert "warranty" in best
