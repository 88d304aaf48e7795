"""GROUP BY: for each country, by year, monthly."""

from __future__ import annotations

from pg_llm.ask.grammar import lexicon, words
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.mention import Mention

_GROUPING_PARTICIPLES = frozenset(
    """
    grouped sorted ordered ranked split broken divided separated listed arranged categorized aggregated counted
    segmented
""".split()
)
_PRONOUNS = {"them", "these", "those", "whom", "which"}


def _read_asked_unit(cursor: Cursor) -> None:
    """Which month had the most sales: group by the unit, unless a column has that name."""
    for index, token in enumerate(cursor.tokens):
        is_asked = token.stem in lexicon.TIME_UNITS and cursor.word(index - 1) in ("which", "what")
        if (
            is_asked
            and cursor.parsed.superlatives
            and not any(mention.start <= index < mention.end for mention in cursor.mentions)
        ):
            cursor.parsed.time_units.append(lexicon.TIME_UNITS[token.stem])


def _is_pronoun_each(cursor: Cursor, mention: Mention) -> bool:
    """True if `each` is a pronoun: how many each of them bought, how many did each buy."""
    if cursor.word(mention.end - 1) != "each":
        return False
    after, verb = cursor.word(mention.end), cursor.ends_clause(mention.end + 1)
    is_subject = cursor.word(mention.start - 1) in ("do", "does", "did") and verb
    return (
        is_subject or cursor.ends_clause(mention.end) or (after == "of" and cursor.word(mention.end + 1) in _PRONOUNS)
    )


def _names_agent(cursor: Cursor, mention: Mention) -> bool:
    """True if `by` names an agent (written by), not a group."""
    if cursor.text(mention).lower() != "by":
        return False
    before = cursor.word(mention.start - 1)
    done = before.endswith(("ed", "en", "wn", "de")) or before in words.IRREGULAR_PASTS
    return done and before not in _GROUPING_PARTICIPLES


def read(cursor: Cursor) -> None:
    """Read grouping elements and units of time."""
    parsed = cursor.parsed
    _read_asked_unit(cursor)
    for index, mention in cursor.of_kind("group"):
        cursor.consume(index)
        if _names_agent(cursor, mention) or _is_pronoun_each(cursor, mention):
            continue
        if mention.role == "unit":
            parsed.time_units.append(mention.normalized)
            continue
        following = cursor.after(index, ("element", "group"), 2, ("distinct",))
        element = cursor.mention_at(following)
        unit = mention.end + (cursor.word(mention.end) in ("calendar", "single", "given", "the"))
        token = cursor.tokens[unit].stem if unit < len(cursor.tokens) else ""
        if token in lexicon.TIME_UNITS and (element is None or element.start == unit):
            if element is not None and following is not None and element.score >= 0.9 and element.kind == "element":
                cursor.consume(following)
                parsed.groups.append(element)
                continue
            if following is not None:
                cursor.discard(following)
            parsed.time_units.append(lexicon.TIME_UNITS[token])
            continue
        if token in lexicon.TIME_UNITS:
            # Per year and status.
            parsed.time_units.append(lexicon.TIME_UNITS[token])
        if following is None or element is None or element.kind == "group":
            continue
        cursor.consume(following)
        parsed.groups.append(element)
        parsed.groups += [cursor.mentions[more] for more in cursor.conjoined(following, ("the", "their"))]
