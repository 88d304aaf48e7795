"""Documents to text: PDF by PDFium, Office files, HTML and EPUB by markitdown (as Markdown), e-mail by the library.

Everything is read in a process of its own with limits on time, memory and size: a parser may crash, loop or swell on a
file that was made for it. Nothing outside the file is read.
"""

from __future__ import annotations

import base64
import email
import email.message
import email.policy
import io
import resource
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.errors import Error, InvalidInput
from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem, worker_process

# Bytes that a compressed file may unpack to, that reading may take, and characters of the result.
_UNPACKED, _MEMORY, _RESULT = 200 << 20, 4 << 30, 20_000_000
_HEADERS = ("from", "to", "date", "subject")
_TYPES = {
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/epub+zip": "epub",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "message/rfc822": "email",
    "text/plain": "text",
    "text/markdown": "text",
}
# What an archive holds tells what it is.
_MEMBERS = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx", "META-INF/container.xml": "epub"}


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """Inputs are files in base64; option `mime` is their type, or null to tell it from the content."""
    mime = options["mime"] or ""
    return [WorkItem((), lambda _, text=text: worker_process.call("parsing", text, mime)) for text in inputs]  # type: ignore[misc]


def run_in_worker(text: str, mime: str) -> str:
    """As `parse`, of a file in base64, within limits on memory."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    return parse(base64.b64decode(text), mime)


def parse(content: bytes, mime: str) -> str:
    """The text of a file, whose type is told from its content where `mime` is empty.

    Raises InvalidInput for one that is broken, locked, too large, or of another type.
    """
    kind = _named(mime) if mime else _recognized(content)
    try:
        text = _PARSERS[kind](content)
    except Error:
        raise
    except MemoryError:
        raise InvalidInput(f"the {kind} document takes more than {_MEMORY >> 30} GB to read") from None
    except Exception as error:  # noqa: BLE001 - told as what is wrong with the file
        # A file may be wrong in any way, and each library has its own errors.
        raise InvalidInput(
            f"the {kind} document cannot be read: {type(error).__name__}: {str(error)[:200]}",
            hint="It may be damaged, or of another type: mime => '…' says which.",
        ) from None
    if len(text) > _RESULT:
        raise InvalidInput(f"the text of the document has {len(text)} characters, and {_RESULT} are the most")
    # PostgreSQL's text holds no zero bytes.
    return text.replace("\0", "").strip()


def _named(mime: str) -> str:
    kind = _TYPES.get(mime.partition(";")[0].strip().lower())
    if kind is None:
        raise InvalidInput(f'documents of the type "{mime}" are not read', hint=f"Types are: {', '.join(_TYPES)}.")
    return kind


def _recognized(content: bytes) -> str:
    """The kind of a file by its content."""
    start = content[:1024].lstrip()
    if b"%PDF-" in start:
        return "pdf"
    if content.startswith(b"PK"):
        with _archive(content) as archive:
            names = archive.namelist()
        for member, kind in _MEMBERS.items():
            if any(name.startswith(member) for name in names):
                return kind
    elif start[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "html"
    elif _is_mail(content):
        return "email"
    else:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            if b"\0" not in content:
                return "text"
    raise InvalidInput("the type of the document is not known", hint=f"Give mime => one of {', '.join(_TYPES)}.")


def _is_mail(content: bytes) -> bool:
    names = {line.partition(b":")[0].strip().lower() for line in content[:4096].split(b"\n\n")[0].splitlines()}
    return {b"from", b"subject"} <= names


def _archive(content: bytes) -> zipfile.ZipFile:
    """A zip file. Raises InvalidInput for one that is broken, locked or unpacks to too much."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile as error:
        raise InvalidInput(f"the document is a damaged archive: {error}") from None
    if sum(member.file_size for member in archive.infolist()) > _UNPACKED:
        raise InvalidInput(f"the document unpacks to more than {_UNPACKED >> 20} MB")
    if any(member.flag_bits & 1 for member in archive.infolist()):
        raise InvalidInput("the document is encrypted", hint="Take the password away first.")
    return archive


def _pdf(content: bytes) -> str:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise InvalidInput("the document is encrypted", hint="Take the password away first.") from None
        raise
    try:
        return "\n\n".join(page.get_textpage().get_text_bounded().replace("\r\n", "\n") for page in document)
    finally:
        document.close()


def _markdown(converter: str, extension: str) -> Callable[[bytes], str]:
    def convert(content: bytes) -> str:
        from markitdown import StreamInfo, converters

        if content.startswith(b"PK"):
            _archive(content).close()
        about = StreamInfo(extension=extension, charset=None)
        return str(getattr(converters, converter)().convert(io.BytesIO(content), about).markdown)

    return convert


_html = _markdown("HtmlConverter", ".html")


def _email(content: bytes) -> str:
    message = email.message_from_bytes(content, policy=email.policy.default)
    head = [f"{name.title()}: {message[name]}" for name in _HEADERS if message[name]]
    body = message.get_body(("plain", "html"))
    text = ""
    if body is not None:
        text = str(body.get_content())
        if body.get_content_subtype() == "html":
            text = _html(text.encode())
    return "\n".join(head) + "\n\n" + text


def _text(content: bytes) -> str:
    return content.decode("utf-8-sig")


_PARSERS: dict[str, Callable[[bytes], str]] = {
    "pdf": _pdf,
    "docx": _markdown("DocxConverter", ".docx"),
    "pptx": _markdown("PptxConverter", ".pptx"),
    "xlsx": _markdown("XlsxConverter", ".xlsx"),
    "epub": _markdown("EpubConverter", ".epub"),
    "html": _html,
    "email": _email,
    "text": _text,
}
