"""SQL: documents: files to texts, texts to chunks."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.search import chunking as chunker
from pg_llm.search import parsing

# Bytes of a file.
_LARGEST = 50_000_000


@sql_function
def llm_chunk(
    db: Connection,
    input: str | None,
    chunking: str | None,
    chunk_tokens: int | None,
    chunk_overlap: int | None,
    model: str | None,
) -> list[tuple[int, str, int, int]]:
    """The chunks of a text and their places: parts that an embedding model reads whole; none for NULL or blank text."""
    method = arguments.choice("chunking", chunking, chunker.METHODS)
    overlap = chunk_overlap or 0
    chunker.check_sizes(chunk_tokens, overlap)
    if input is None or not input.strip():
        return []
    return chunker.chunks(db, input, method, chunk_tokens, overlap, model)


@sql_function
def llm_text(db: Connection, document: bytes | None, mime: str | None) -> str | None:
    """The text of a file: PDF, DOCX, PPTX, XLSX, HTML, EPUB, e-mail or plain text; NULL for NULL."""
    if document is None:
        return None
    if len(document) > _LARGEST:
        raise InvalidInput(f"the document has {len(document)} bytes, and {_LARGEST} are the most")
    return parsing.text_of(db, document, mime)
