"""Link a question to a schema: its tokens, all anchors, and the mentions of the likeliest segmentation."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Sequence

from pg_llm.ask.linking.anchors import by_meaning, find_anchors
from pg_llm.ask.linking.cover import Cover, covers
from pg_llm.ask.linking.operators import RELATIONS
from pg_llm.ask.linking.tokenizer import Token, tokenize
from pg_llm.ask.mention import Anchor, LinkedQuestion, Mention, NameMatcher, ValueMatch
from pg_llm.ask.schema import Schema


def link(
    question: str, schema: Schema, values: Sequence[ValueMatch], today: str, similar: NameMatcher | None = None
) -> LinkedQuestion:
    """Link a question; `values` were looked up in the rows, and relative times are counted from today.

    Words that name nothing are compared with names by their meaning.
    """
    tokens = tokenize(question)
    anchors = find_anchors(question, tokens, schema, values, today)
    cover = next(covers(tokens, anchors), Cover((), 0.0, ()))
    unknown = [place for place in cover.uncovered if tokens[place].stem not in RELATIONS]
    if similar is not None and unknown:
        anchors += by_meaning(tokens, unknown, similar)
        cover = next(covers(tokens, anchors), cover)
    chinese = 2 * sum(token.chinese for token in tokens) > len(tokens)
    mentions = list(_mentions(tokens, cover, anchors))
    return LinkedQuestion(question, tokens, anchors, mentions, _words(tokens, cover.uncovered), chinese)


def _words(tokens: Sequence[Token], places: Sequence[int]) -> list[str]:
    """The words at these places; Chinese characters that stand side by side are one."""
    found: list[str] = []
    last = -1
    for place in places:
        if found and place == last + 1 and tokens[place].chinese and tokens[last].chinese:
            found[-1] += tokens[place].text
        else:
            found.append(tokens[place].text)
        last = place
    return found


def _mentions(tokens: Sequence[Token], cover: Cover, anchors: Sequence[Anchor]) -> Iterator[Mention]:
    """What the spans of a cover name, with all names and values that each may be."""
    by_span: dict[tuple[int, int], list[Anchor]] = defaultdict(list)
    for anchor in anchors:
        by_span[anchor.start, anchor.end].append(anchor)
    for chosen in cover.anchors:
        span = chosen.start, chosen.end
        match chosen.kind:
            case "table" | "column":
                named = [one for one in by_span[span] if one.kind in ("table", "column")]
                refs = sorted(((one.ref, one.score) for one in named if one.ref is not None), key=lambda pair: -pair[1])
                yield Mention("element", *span, chosen.text, refs)
            case "value":
                first, last = tokens[chosen.start].start, tokens[chosen.end - 1].end
                matches = [
                    ValueMatch(one.ref, value, first, last, one.whole, one.score)
                    for one in by_span[span]
                    if one.kind == "value" and one.ref is not None
                    for value in one.values
                ]
                yield Mention("value", *span, chosen.text, value_matches=matches)
            case "number":
                yield Mention("number", *span, number=chosen.number)
            case "period" if chosen.period is not None and not chosen.period.relative:
                yield Mention("period", *span, _days(chosen.period.begin, chosen.period.end))
            case _:
                pass


def _days(begin: datetime.date | None, end: datetime.date | None) -> str:
    """The first and the last day of a period, in ISO 8601; an open side is empty."""
    last = "" if end is None else (end - datetime.timedelta(days=1)).isoformat()
    return f"{begin or ''}/{last}"
