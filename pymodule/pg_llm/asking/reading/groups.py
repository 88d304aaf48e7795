"""Groups: for each country, by year, monthly."""

from __future__ import annotations

from pg_llm.asking import lexicon, words
from pg_llm.asking.reading.cursor import Cursor

_GROUPING = {
    "grouped", "sorted", "ordered", "ranked", "split", "broken", "divided", "separated", "listed", "arranged",
    "categorized", "aggregated", "counted", "segmented",
}  # fmt: skip


def read(cursor: Cursor) -> None:
    """Elements that rows are grouped by, and units of time."""
    found = cursor.found
    for place, mention in cursor.of_kind("group"):
        cursor.take(place)
        before = cursor.word(mention.start - 1)
        if (
            cursor.word(mention.start) == "by"
            and mention.end - mention.start == 1
            and (before.endswith(("ed", "en", "wn", "de")) or before in words.PAST)
            and before not in _GROUPING
        ):
            # Written by: who did it, no group.
            continue
        if mention.role == "unit":
            found.units.append(mention.said)
            continue
        following = cursor.after(place, ("element", "group"), 2, ("distinct",))
        its = cursor.at(following)
        unit = mention.end + (cursor.word(mention.end) in ("calendar", "single", "given", "the"))
        token = cursor.tokens[unit].stem if unit < len(cursor.tokens) else ""
        if token in lexicon.UNITS and (its is None or its.start == unit):
            if its is not None and following is not None:
                cursor.take(following)
            if its is not None and its.score >= 0.9 and its.kind == "element":
                found.groups.append(its)
            else:
                found.units.append(lexicon.UNITS[token])
            continue
        if following is None or its is None or its.kind == "group":
            continue
        cursor.take(following)
        found.groups.append(its)
        found.groups += [cursor.mentions[more] for more in cursor.joined(following, ("the", "their"))]
