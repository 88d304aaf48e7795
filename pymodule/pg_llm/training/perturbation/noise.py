"""Noise of typing, scanning and copying: keys beside each other, letters that look alike, capitals, cut ends.

Each function changes about a share of the words, by a generator that its caller seeds; what a text means stays.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

# Neighbours on the keyboards of Latin script.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS: dict[str, str] = {}
for _number, _row in enumerate(_ROWS):
    for _place, _key in enumerate(_row):
        _beside = _row[max(_place - 1, 0) : _place] + _row[_place + 1 : _place + 2]
        _near = [
            _ROWS[_other][max(_place - 1, 0) : _place + 1] for _other in (_number - 1, _number + 1) if 0 <= _other < 3
        ]
        _NEIGHBOURS[_key] = _beside + "".join(_near)
# What scanners take for each other.
_SCANNED = (
    *(("rn", "m"), ("m", "rn"), ("cl", "d"), ("d", "cl"), ("vv", "w"), ("w", "vv"), ("l", "1"), ("1", "l"), ("O", "0")),
    *(("0", "O"), ("i", "l"), ("e", "c"), ("c", "e"), ("h", "b"), ("S", "5"), ("5", "S"), ("B", "8"), ("g", "q")),
    *(("u", "ii"), ("t", "f"), ("a", "o"), ("n", "ri")),
)
# Cyrillic and Greek letters that are drawn as Latin ones (Unicode Technical Standard 39, confusables).
_LOOK_ALIKES = str.maketrans("aceiopsxyjABCEHIKMOPTXYZ", "асеіорѕхујАВСЕНІКМОРТХΥΖ")  # noqa: RUF001
_INVISIBLE = "\u200b"
_WORD = re.compile(r"\w+")
_SHORTEST = 4


def typos(text: str, chosen: random.Random, share: float) -> str:
    """One slip in each of the words: a neighbouring key, two letters swapped, one left out or typed twice."""
    return _words(text, chosen, share, lambda word: _slip(word, chosen))


def case(text: str, chosen: random.Random, share: float) -> str:
    """The whole text in capitals or in small letters, whichever changes it more."""
    upper, lower = text.upper(), text.lower()
    differs = [sum(a != b for a, b in zip(text, other, strict=False)) for other in (upper, lower)]
    return upper if differs[0] >= differs[1] else lower


def scan(text: str, chosen: random.Random, share: float) -> str:
    """One letter or pair in each of the words read as another, now and then a space where none was."""
    return _words(text, chosen, share, lambda word: _misread(word, chosen))


def look_alikes(text: str, chosen: random.Random, share: float) -> str:
    """Letters of the words drawn alike in another alphabet, or parted by a space without width."""
    return _words(text, chosen, share, lambda word: _disguised(word, chosen))


def truncation(text: str, chosen: random.Random, share: float) -> str:
    """The text's first half, cut at a word."""
    words = list(_WORD.finditer(text))
    return text[: words[(len(words) - 1) // 2].end()] if len(words) > 1 else text


def _words(text: str, chosen: random.Random, share: float, change: Callable[[str], str]) -> str:
    """The text with a share of its longer words changed, one at least where there is any."""
    words = [match.span() for match in _WORD.finditer(text) if match.end() - match.start() >= _SHORTEST]
    picked = set(chosen.sample(range(len(words)), max(1, round(share * len(words))))) if words else set()
    parts, end = [], 0
    for number, (start, stop) in enumerate(words):
        word = text[start:stop]
        parts += [text[end:start], change(word) if number in picked else word]
        end = stop
    return "".join([*parts, text[end:]])


def _slip(word: str, chosen: random.Random) -> str:
    place = chosen.randrange(1, len(word))
    match chosen.randrange(4):
        case 0:
            near = _NEIGHBOURS.get(word[place].lower(), "")
            key = chosen.choice(near) if near else word[place]
            return word[:place] + (key.upper() if word[place].isupper() else key) + word[place + 1 :]
        case 1:
            return word[: place - 1] + word[place] + word[place - 1] + word[place + 1 :]
        case 2:
            return word[:place] + word[place + 1 :]
        case _:
            return word[:place] + word[place] + word[place:]


def _misread(word: str, chosen: random.Random) -> str:
    found = [(match.start(), old, new) for old, new in _SCANNED for match in re.finditer(old, word)]
    if not found:
        place = chosen.randrange(1, len(word))
        return f"{word[:place]} {word[place:]}"
    place, old, new = chosen.choice(found)
    return word[:place] + new + word[place + len(old) :]


def _disguised(word: str, chosen: random.Random) -> str:
    disguised = word.translate(_LOOK_ALIKES)
    if disguised != word and chosen.random() < 0.8:
        return disguised
    place = chosen.randrange(1, len(word))
    return word[:place] + _INVISIBLE + word[place:]
