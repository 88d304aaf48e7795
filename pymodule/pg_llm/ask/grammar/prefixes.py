"""What the names of a schema have in common and say nothing with: prefixes that all of them share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from pg_llm.ask.grammar import words

# So many names must share a prefix, and so large a part of all.
_FEWEST, _MOST = 3, 0.75
_LONGEST_GLUED = 5
# Consonants that English words begin with; a name that begins with others has a prefix.
_ONSETS = {
    "bl",
    "br",
    "ch",
    "chr",
    "cl",
    "cr",
    "dr",
    "dw",
    "fl",
    "fr",
    "gh",
    "gl",
    "gn",
    "gr",
    "kn",
    "kr",
    "ph",
    "pl",
    "pr",
    "ps",
    "rh",
    "sc",
    "sch",
    "scr",
    "sh",
    "shr",
    "sk",
    "sl",
    "sm",
    "sn",
    "sp",
    "sph",
    "spl",
    "spr",
    "sq",
    "st",
    "str",
    "sw",
    "th",
    "thr",
    "tr",
    "ts",
    "tw",
    "wh",
    "wr",
}


def shared(names: Sequence[str], words_elsewhere: Collection[str] = ()) -> str:
    """The prefix that nearly all names share (`app_`, `qb`), or "": one that is a word elsewhere is a word here too."""
    parts = Counter(name.split("_")[0] for name in names if "_" in name.strip("_"))
    if parts and not names[0].startswith("_"):
        part, count = parts.most_common(1)[0]
        if count >= max(_FEWEST, _MOST * len(names)):
            return f"{part}_" if part not in names and part not in words_elsewhere else ""
    return _glued(names)


def _glued(names: Sequence[str]) -> str:
    """One that is written together with what follows: no English word begins so, or words are left without it."""
    best = (0, 0, "")
    for length in range(2, _LONGEST_GLUED + 1):
        start, count = Counter(name[:length] for name in names).most_common(1)[0] if names else ("", 0)
        if count < max(_FEWEST, _MOST * len(names)) or not start.isalpha():
            continue
        rests = [name[length:].lstrip("_") for name in names if name.startswith(start)]
        left = sum(words.is_known(rest) for rest in rests)
        foreign = not re.search("[aeiouy]", start) and start not in _ONSETS
        if all(len(rest) > 1 for rest in rests) and (foreign or left > len(rests) / 2):
            best = max(best, (left, length, start))
    return best[2]


def without(name: str, prefix: str) -> str:
    """A name without the prefix, if something is left that has letters."""
    rest = name[len(prefix) :] if prefix and name.lower().startswith(prefix) else name
    return rest if re.search(r"[^\W\d_]", rest) else name
