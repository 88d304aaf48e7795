"""The one form in which names are compared, and the names that a text may hold."""

from __future__ import annotations

import unicodedata

# Characters of a name that it is looked up by, and of a text that is looked through for names.
FOLDED = 100
_LONGEST_TEXT = 400
# Thai and Lao, Hiragana and Katakana, Chinese characters, their compatibility forms, and those of the further planes.
_UNSPACED = (
    ("\u0e00", "\u0eff"),
    ("\u3040", "\u30ff"),
    ("\u3400", "\u9fff"),
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0003ffff"),
)


def whole(text: str) -> str:
    """NFKC, case folded, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def fold(name: str) -> str:
    """The beginning of that, by which a name is looked up."""
    return whole(name)[:FOLDED]


def spans(text: str) -> set[str]:
    """Every piece of the folded text that begins and ends with a word, or where a script has no spaces anywhere."""
    folded = whole(text)[:_LONGEST_TEXT]
    cuts = [place for place in range(len(folded) + 1) if _cut(folded, place)]
    found = set()
    for number, start in enumerate(cuts):
        for end in cuts[number + 1 :]:
            if end - start > FOLDED:
                break
            found.add(folded[start:end].strip())
    return found - {""}


def _cut(text: str, place: int) -> bool:
    if place in (0, len(text)):
        return True
    before, after = text[place - 1], text[place]
    return not (before.isalnum() and after.isalnum()) or not (_spaced(before) and _spaced(after))


def _spaced(character: str) -> bool:
    """Whether words of the character's script stand apart: not Chinese, Japanese, Thai and their like."""
    return not any(first <= character <= last for first, last in _UNSPACED)
