"""Groups: for each country, by year, monthly."""

from __future__ import annotations

from pg_llm.ask.grammar import lexicon, words
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.mention import Mention

_GROUPING = {
    "grouped",
    "sorted",
    "ordered",
    "ranked",
    "split",
    "broken",
    "divided",
    "separated",
    "listed",
    "arranged",
    "categorized",
    "aggregated",
    "counted",
    "segmented",
}
_THEM = {"them", "these", "those", "whom", "which"}


def _unit_asked(cursor: Cursor) -> None:
    """Which month had the most sales: months are groups, where no column is called so."""
    for place, token in enumerate(cursor.tokens):
        asked = token.stem in lexicon.UNITS and cursor.word(place - 1) in ("which", "what")
        if asked and cursor.found.superlatives and not any(its.start <= place < its.end for its in cursor.mentions):
            cursor.found.units.append(lexicon.UNITS[token.stem])


def _stands_for(cursor: Cursor, mention: Mention) -> bool:
    """How many each of them bought, how many did each buy: no group but those of whom it was said."""
    if cursor.word(mention.end - 1) != "each":
        return False
    after, verb = cursor.word(mention.end), cursor.closed(mention.end + 1)
    asked = cursor.word(mention.start - 1) in ("do", "does", "did") and verb
    return asked or cursor.closed(mention.end) or (after == "of" and cursor.word(mention.end + 1) in _THEM)


def _says_who(cursor: Cursor, mention: Mention) -> bool:
    """Written by: who did it, no group."""
    if cursor.text(mention).lower() != "by":
        return False
    before = cursor.word(mention.start - 1)
    done = before.endswith(("ed", "en", "wn", "de")) or before in words.PAST
    return done and before not in _GROUPING


def read(cursor: Cursor) -> None:
    """Elements that rows are grouped by, and units of time."""
    found = cursor.found
    _unit_asked(cursor)
    for place, mention in cursor.of_kind("group"):
        cursor.take(place)
        if _says_who(cursor, mention) or _stands_for(cursor, mention):
            continue
        if mention.role == "unit":
            found.units.append(mention.said)
            continue
        following = cursor.after(place, ("element", "group"), 2, ("distinct",))
        its = cursor.at(following)
        unit = mention.end + (cursor.word(mention.end) in ("calendar", "single", "given", "the"))
        token = cursor.tokens[unit].stem if unit < len(cursor.tokens) else ""
        if token in lexicon.UNITS and (its is None or its.start == unit):
            if its is not None and following is not None and its.score >= 0.9 and its.kind == "element":
                cursor.take(following)
                found.groups.append(its)
                continue
            if following is not None:
                cursor.drop(following)
            found.units.append(lexicon.UNITS[token])
            continue
        if token in lexicon.UNITS:
            # Per year and status.
            found.units.append(lexicon.UNITS[token])
        if following is None or its is None or its.kind == "group":
            continue
        cursor.take(following)
        found.groups.append(its)
        found.groups += [cursor.mentions[more] for more in cursor.joined(following, ("the", "their"))]
