"""LIKE patterns: names that start with, end with, or contain a text."""

from __future__ import annotations

from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parsed_question import ValueFilter
from pg_llm.ask.mention import Mention

# Words between the marker and the text.
_PATTERN_FILLERS = frozenset(
    """
    a an the letter letters character word text string phrase suffix : in
""".split()
)


def read(cursor: Cursor) -> None:
    """Read the text of each pattern, and the element that it is searched in."""
    for index, mention in cursor.of_kind("surname"):
        name = cursor.word(mention.end)
        if name in cursor.parsed.unread and len(name) <= 2:
            cursor.consume(index)
            cursor.parsed.unread.remove(name)
            raw = Mention("value", mention.end, mention.end + 1, name)
            cursor.parsed.value_filters.append(
                ValueFilter([raw], cursor.mention_at(_person_after(cursor, index)), False, op="start")
            )
    for index, mention in cursor.of_kind("start", "end", "like"):
        pattern, text = _pattern_text(cursor, index)
        if pattern is None:
            continue
        if mention.kind == "like" and any(match.whole for match in pattern.value_matches):
            # Playlists that contain the song Moon: a relation, not a pattern.
            continue
        if mention.kind == "like" and pattern.kind == "element" and cursor.tokens[pattern.start].kind != "quoted":
            continue
        if (
            mention.kind == "end"
            and text is not None
            and text > index
            and set(cursor.stems_between(index, text)) - _PATTERN_FILLERS
        ):
            # Ended in a draw (code D): not a pattern.
            continue
        cursor.consume(index, *([text] if text is not None else []))
        token = cursor.tokens[pattern.start] if pattern.end else None
        raw = Mention(
            "value", pattern.start, pattern.end, token.text if token and token.kind == "quoted" else pattern.normalized
        )
        cursor.parsed.unread = [word for word in cursor.parsed.unread if word != pattern.normalized]
        label = next(
            (
                n
                for n in range((min(index, text) if text is not None else index) - 1, -1, -1)
                if cursor.mentions[n].kind == "element" and n not in cursor.consumed
            ),
            None,
        )
        if label is not None and label > 0 and not cursor.is_first_element(label):
            cursor.consume(label)
        negated = index > 0 and cursor.mentions[index - 1].kind == "not"
        if negated:
            cursor.consume(index - 1)
        cursor.parsed.value_filters.append(ValueFilter([raw], cursor.mention_at(label), negated, op=mention.kind))


def _person_after(cursor: Cursor, index: int) -> int | None:
    """The person after a surname."""
    following = range(index + 1, min(index + 3, len(cursor.mentions)))
    return next((n for n in following if cursor.mentions[n].kind == "element"), None)


def _pattern_text(cursor: Cursor, index: int) -> tuple[Mention | None, int | None]:
    """The mention of the text and its index; no index if the text is a letter or a name that no mention covers."""
    text = cursor.after(index, ("value",), 4, ("element",))
    if text is None:
        text = cursor.after(index, ("value", "element", "number"), 4, ())
    if text is None and cursor.chinese:
        text = cursor.before(index, ("value", "number"), 2)
        return cursor.mention_at(text), text
    if text is not None:
        return cursor.mentions[text], text
    end = cursor.mentions[index].end
    for token in cursor.tokens[end : end + 4]:
        if token.kind == "word" and ((len(token.text) == 1 and token.text != "a") or token.is_capitalized):
            return Mention("value", 0, 0, token.text), None
    return None, None
