"""Unicode normalization and case folding of names, and the spans of a text that may be names."""

from __future__ import annotations

import unicodedata

# Characters of a name that it is looked up by, and of a text that is searched for names.
MAX_FOLDED = 100
_MAX_TEXT = 400
# Thai and Lao, Hiragana and Katakana, Chinese characters, their compatibility forms, and those of the further planes.
_UNSPACED_SCRIPTS = (
    ("\u0e00", "\u0eff"),
    ("\u3040", "\u30ff"),
    ("\u3400", "\u9fff"),
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0003ffff"),
)


def normalize(text: str) -> str:
    """The text in NFKC, case folded, with single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def fold(name: str) -> str:
    """The beginning of the normalized name, which is the key that names are looked up by."""
    return normalize(name)[:MAX_FOLDED]


def candidate_names(text: str) -> set[str]:
    """Every span of the folded text between word boundaries; a script without spaces has one at each character."""
    folded = normalize(text)[:_MAX_TEXT]
    boundaries = [place for place in range(len(folded) + 1) if _is_boundary(folded, place)]
    names = set()
    for number, start in enumerate(boundaries):
        for end in boundaries[number + 1 :]:
            if end - start > MAX_FOLDED:
                break
            names.add(folded[start:end].strip())
    return names - {""}


def _is_boundary(text: str, place: int) -> bool:
    if place in (0, len(text)):
        return True
    before, after = text[place - 1], text[place]
    return not (before.isalnum() and after.isalnum()) or not (_is_spaced(before) and _is_spaced(after))


def _is_spaced(character: str) -> bool:
    """Whether the character's script puts spaces between words, unlike Chinese, Japanese and Thai."""
    return not any(first <= character <= last for first, last in _UNSPACED_SCRIPTS)
