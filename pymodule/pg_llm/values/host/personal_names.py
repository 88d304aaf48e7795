"""Titles and degrees around a person's name."""

from __future__ import annotations

import re

# `M.` is a title with its point only.
_TITLES = (
    r"(?:Dr|Prof|Mr|Mrs|Ms|Mx|Mme|Mlle|Sr|Sra|Srta|Rev|Ing|Mag|Univ|Dott|Dra|Hr|Fr)\b\.?(?:-(?:Ing|Dr)\b\.?)?|"
    r"Miss\b|Herr\b|Frau\b|Monsieur\b|Madame\b|Señora?\b|Signora?\b|Professor\b|Doctor\b|M\.|Dipl\.-\w+\.?"
    r"|(?:h\. ?c|med|phil|rer\. ?nat|jur)\."
)
_LEADING = re.compile(rf"(?:(?:{_TITLES})\s*)+(?=[^\W\d_])")
# Behind a Chinese name of two or three characters.
_CHINESE = re.compile(
    r"(?<=^[\u4e00-\u9fff]{2})(?:TITLES)$|(?<=^[\u4e00-\u9fff]{3})(?:TITLES)$".replace(
        "TITLES", "先生|女士|小姐|太太|主任|教授|博士|医生|醫生|经理|經理|老师|老師|律师|律師"
    )
)
_TRAILING = re.compile(r",? (?:PhD|Ph\.D\.?|MD|M\.D\.?|MBA|MSc|M\.Sc\.?|BSc|B\.Sc\.?|Esq\.?|DDS|JD)$")


def without_title(text: str) -> str | None:
    """The name without the titles before it and the degrees after it; None for one without them."""
    name = _LEADING.sub("", text.strip(), count=1) if _LEADING.match(text.strip()) else text.strip()
    # A comma before the degree tells it from a name in capitals.
    if "," in name:
        name = _TRAILING.sub("", name)
    name = name.strip(" ,")
    if (chinese := _CHINESE.sub("", name)) != name:
        return chinese
    return name if name and name != text.strip() and name[0].isupper() else None
