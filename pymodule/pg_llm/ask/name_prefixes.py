"""Prefixes that all names of a schema share (`app_`, `qb`) and that carry no meaning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from pg_llm.ask import words

# The least number and the least share of names that must have a prefix.
_LEAST_COUNT, _LEAST_SHARE = 3, 0.75
_LONGEST_UNSEPARATED = 5
# Onsets of English words; a name that begins with other consonants has a prefix.
_ONSETS = frozenset(
    """
    bl br ch chr cl cr dr dw fl fr gh gl gn gr kn kr ph pl pr ps rh sc sch scr sh shr sk sl sm sn sp sph spl spr sq
    st str sw th thr tr ts tw wh wr
""".split()
)


def shared_prefix(names: Sequence[str], words_elsewhere: Collection[str] = ()) -> str:
    """The prefix that nearly all names share, or an empty text; a part that is a word in other names is kept."""
    parts = Counter(name.split("_")[0] for name in names if "_" in name.strip("_"))
    if parts and not names[0].startswith("_"):
        part, count = parts.most_common(1)[0]
        if count >= max(_LEAST_COUNT, _LEAST_SHARE * len(names)):
            return f"{part}_" if part not in names and part not in words_elsewhere else ""
    return _unseparated_prefix(names)


def _unseparated_prefix(names: Sequence[str]) -> str:
    """A prefix without a separator: English words do not begin so, or most names are words without it."""
    best = (0, 0, "")
    for length in range(2, _LONGEST_UNSEPARATED + 1):
        start, count = Counter(name[:length] for name in names).most_common(1)[0] if names else ("", 0)
        if count < max(_LEAST_COUNT, _LEAST_SHARE * len(names)) or not start.isalpha():
            continue
        rests = [name[length:].lstrip("_") for name in names if name.startswith(start)]
        known = sum(words.is_known_word(rest) for rest in rests)
        foreign = not re.search("[aeiouy]", start) and start not in _ONSETS
        if all(len(rest) > 1 for rest in rests) and (foreign or known > len(rests) / 2):
            best = max(best, (known, length, start))
    return best[2]


def strip_prefix(name: str, prefix: str) -> str:
    """The name without the prefix, unless no letters would be left."""
    rest = name[len(prefix) :] if prefix and name.lower().startswith(prefix) else name
    return rest if re.search(r"[^\W\d_]", rest) else name
