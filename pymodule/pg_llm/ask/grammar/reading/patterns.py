"""Patterns: names that start with, end with, contain a text."""

from __future__ import annotations

from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parts import Named
from pg_llm.ask.mention import Mention

# What may stand between the end of a text and the text.
_LEADS = {"a", "an", "the", "letter", "letters", "character", "word", "text", "string", "phrase", "suffix", ":", "in"}


def read(cursor: Cursor) -> None:
    """The text that is looked for, and what is said to have it."""
    for place, mention in cursor.of_kind("surname"):
        name = cursor.word(mention.end)
        if name in cursor.found.unread and len(name) <= 2:
            cursor.take(place)
            cursor.found.unread.remove(name)
            raw = Mention("value", mention.end, mention.end + 1, name)
            cursor.found.named.append(Named([raw], cursor.at(_person(cursor, place)), False, op="start"))
    for place, mention in cursor.of_kind("start", "end", "like"):
        said, text = _text(cursor, place)
        if said is None:
            continue
        if mention.kind == "like" and any(each.whole for each in said.values):
            # Playlists that contain the song Moon: no text is looked for in another.
            continue
        if mention.kind == "like" and said.kind == "element" and cursor.tokens[said.start].kind != "quoted":
            continue
        if mention.kind == "end" and text is not None and text > place and set(cursor.between(place, text)) - _LEADS:
            # Ended in a draw (code D): no text ends so.
            continue
        cursor.take(place, *([text] if text is not None else []))
        token = cursor.tokens[said.start] if said.end else None
        raw = Mention("value", said.start, said.end, token.text if token and token.kind == "quoted" else said.said)
        cursor.found.unread = [word for word in cursor.found.unread if word != said.said]
        label = next(
            (
                n
                for n in range((min(place, text) if text is not None else place) - 1, -1, -1)
                if cursor.mentions[n].kind == "element" and n not in cursor.done
            ),
            None,
        )
        if label is not None and label > 0 and not cursor.leads(label):
            cursor.take(label)
        negated = place > 0 and cursor.mentions[place - 1].kind == "not"
        if negated:
            cursor.take(place - 1)
        cursor.found.named.append(Named([raw], cursor.at(label), negated, op=mention.kind))


def _person(cursor: Cursor, place: int) -> int | None:
    """Who has a surname: what follows."""
    following = range(place + 1, min(place + 3, len(cursor.mentions)))
    return next((n for n in following if cursor.mentions[n].kind == "element"), None)


def _text(cursor: Cursor, place: int) -> tuple[Mention | None, int | None]:
    """The mention of the text with its place; without one where only a letter or a name of unknown meaning stands."""
    text = cursor.after(place, ("value",), 4, ("element",))
    if text is None:
        text = cursor.after(place, ("value", "element", "number"), 4, ())
    if text is None and cursor.chinese:
        text = cursor.before(place, ("value", "number"), 2)
        return cursor.at(text), text
    if text is not None:
        return cursor.mentions[text], text
    end = cursor.mentions[place].end
    for token in cursor.tokens[end : end + 4]:
        if token.kind == "word" and ((len(token.text) == 1 and token.text != "a") or token.capital):
            return Mention("value", 0, 0, token.text), None
    return None, None
