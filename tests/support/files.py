"""Small files of every kind that is read, made from nothing."""

from __future__ import annotations

import io
import zipfile


def archive(members: dict[str, str | bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return made.getvalue()


def pdf(pages: list[str]) -> bytes:
    """Each page a line of Latin letters in Helvetica."""
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{' '.join(f'{4 + 2 * n} 0 R' for n in range(len(pages)))}] >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R"
            " /Resources << /Font << /F1 3 0 R >> >> >>",
            f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        ]
    made, places = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(made))
        made += f"{number} 0 obj\n{item}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    count = len(objects) + 1
    trailer = f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{len(made)}\n%%EOF"
    return made + f"xref\n0 {count}\n0000000000 65535 f \n{table}{trailer}".encode()


_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_HEADING = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"


def docx(paragraphs: list[str], before: str = "") -> bytes:
    """The first paragraph is a heading; `before` stands before the document's root."""
    body = "".join(
        f"<w:p>{'' if number else _HEADING}<w:r><w:t>{text}</w:t></w:r></w:p>" for number, text in enumerate(paragraphs)
    )
    return archive(
        {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument'
            '.wordprocessingml.document.main+xml"/></Types>',
            "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'<Relationship Id="rId1" Type="{_OFFICE}" Target="word/document.xml"/></Relationships>',
            "word/styles.xml": f'<w:styles xmlns:w="{_WORD}"/>',
            "word/document.xml": f'{before}<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>',
        }
    )


def xlsx(rows: list[list[object]]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def pptx(title: str, text: str) -> bytes:
    import pptx as library

    deck = library.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = title
    slide.placeholders[1].text = text
    made = io.BytesIO()
    deck.save(made)
    return made.getvalue()


def epub(title: str, text: str) -> bytes:
    return archive(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
            "book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata'
            f' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata><manifest>'
            '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
            '</manifest><spine><itemref idref="a"/></spine>'
            "</package>",
            "a.xhtml": f"<html><body><h1>{title}</h1><p>{text}</p></body></html>",
        }
    )


MAIL = (
    b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Caf=C3=A9_lease?=\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nThe lease ends in May.\r\n"
)
HTML = (
    "<!DOCTYPE html><html><head><style>p {}</style><script>evil()</script></head>"
    "<body><h1>Café</h1><p>Open daily.</p></body></html>"
).encode()
