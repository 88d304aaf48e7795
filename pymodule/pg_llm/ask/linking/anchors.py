"""Anchors: what each span of a question may be: a name, a value of the rows, a number, a time or an operator."""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from pg_llm.ask import words
from pg_llm.ask.linking import operators, times
from pg_llm.ask.linking.names import NameIndex, spans
from pg_llm.ask.linking.tokenizer import Token
from pg_llm.ask.mention import Anchor, NameMatcher, ValueMatch
from pg_llm.ask.schema import Ref, Schema

_LONGEST_NAME, _LONGEST_HAN = 4, 10
_LEAST_SCORE = 0.4
# Words between a verb and its object.
_DETERMINERS = {"the", "all", "every", "each", "any", "those", "our", "me"}
# Words that a request may follow.
_ASKING = {"i", "we", "you", "please", "to", "and", "can", "could", "would", "me", "then", "d"}
# Names by meaning alone: what they are worth beside names by their words, and from which similarity on.
_MEANING_WEIGHT, _LEAST_MEANING = 0.85, 0.62
# The similarity, and the distance to the next name, from which a name is meant without doubt, and what it is worth.
_CLEAR_MEANING, _CLEAR_MARGIN, _CLEAR_SCORE = 0.7, 0.12, 0.8
# Words that no name begins or ends with.
_NO_ENDS = operators.GLUE - {"name"}
# Words inside of a name that are no part of it.
_INSIDE = {"of", "the", "a", "and"}
# What a name is worth by a part of it, at the most.
_PART_OF_NAME = 0.85
# What a part of a value is worth, beside a whole one.
_PART_WEIGHT = 0.8
# What a value is worth whose text is an operator, such as average.
_OPERATOR_WEIGHT = 0.6


def find_anchors(
    question: str, tokens: Sequence[Token], schema: Schema, values: Sequence[ValueMatch], today: str
) -> list[Anchor]:
    """All anchors of all spans."""
    index = NameIndex(schema)
    found = [*_names(tokens, index, schema), *_values(tokens, values), *_numbers(tokens), *_operators(tokens)]
    found += _metrics(question, tokens, schema)
    found += _rates(tokens, found)
    for period in times.find_periods(question, datetime.date.fromisoformat(today)):
        inside = [n for n, token in enumerate(tokens) if token.start < period.stop and token.end > period.start]
        found.append(
            Anchor("period", inside[0], inside[-1] + 1, text=question[period.start : period.stop], period=period)
        )
    return found


def _names(tokens: Sequence[Token], index: NameIndex, schema: Schema) -> Iterator[Anchor]:
    for start, end in spans(len(tokens), _LONGEST_NAME + 2):
        part = tokens[start:end]
        if any(token.kind != "word" for token in part) or {part[0].stem, part[-1].stem} & _NO_ENDS:
            continue
        if part[0].stem in operators.REQUESTS and _is_verb(tokens, start):
            continue
        stems = [token.stem for token in part if token.text not in _INSIDE]
        if not 0 < len(stems) <= _LONGEST_NAME or (len(stems) == 1 and end - start > 1):
            continue
        if len(stems) == 1 and stems[0] in operators.GLUE and stems[0] != "name":
            continue
        for ref, score in index.match(sorted(set(stems))).items():
            if [token.stem for token in part[:2]] == ["number", "of"] and not _holds_number(schema, ref):
                continue
            if score >= _LEAST_SCORE and not _ends_with_table(part, schema, ref):
                yield Anchor("table" if ref[1] < 0 else "column", start, end, score, ref, _text(part))
        negated = _without_negation(stems[0]) if len(stems) == 1 else ""
        if negated:
            for ref, score in index.match([words.stem(negated)]).items():
                column = schema.column(ref) if ref[1] >= 0 else None
                if column and (column.kind == "bool" or (column.kind == "date" and column.nullable)):
                    yield Anchor("column", start, end, score, ref, _text(part), meaning=("not",))
    for start, end in spans(len(tokens), _LONGEST_HAN):
        text = "".join(token.text for token in tokens[start:end])
        for ref, score in index.chinese.get(text, {}).items():
            yield Anchor("table" if ref[1] < 0 else "column", start, end, score, ref, text)


def _ends_with_table(part: Sequence[Token], schema: Schema, ref: Ref) -> bool:
    """True for a column with the noun of its rows behind it: star hotels are hotels, hotel stars are stars."""
    noun = schema.tables[ref[0]].words[-1]
    if ref[1] < 0 or len(part) < 2 or part[-1].stem != noun:
        return False
    return noun not in schema.column(ref).words and not any(token.text in _INSIDE for token in part)


def _holds_number(schema: Schema, ref: Ref) -> bool:
    """True for a column that may hold how many there are of something: citation_num, but not order_number."""
    if ref[1] < 0:
        return False
    column = schema.column(ref)
    return column.kind == "number" and not column.unique and ref[1] not in schema.tables[ref[0]].key


def _without_negation(stem: str) -> str:
    return next((stem[len(part) :].lstrip("-") for part in ("in", "un", "non", "non-") if stem.startswith(part)), "")


def _text(part: Sequence[Token]) -> str:
    return " ".join(token.text for token in part)


def _metrics(question: str, tokens: Sequence[Token], schema: Schema) -> Iterator[Anchor]:
    """The names of metrics and their synonyms, as words of their own."""
    for place, metric in enumerate(schema.metrics):
        for phrase in metric.phrases:
            for match in re.finditer(re.escape(phrase), question, re.I):
                inside = [
                    n for n, token in enumerate(tokens) if token.start < match.end() and token.end > match.start()
                ]
                if inside and (tokens[inside[0]].start, tokens[inside[-1]].end) == match.span():
                    yield Anchor("metric", inside[0], inside[-1] + 1, text=match[0], number=float(place))


def _values(tokens: Sequence[Token], values: Sequence[ValueMatch]) -> Iterator[Anchor]:
    """Values of the rows, those of one column that differ in case together; a whole value before a part of one."""
    spellings: dict[tuple[int, int, Ref, bool], dict[str, float]] = defaultdict(dict)
    for value in values:
        inside = [n for n, token in enumerate(tokens) if token.start < value.end and value.start < token.end]
        if not inside or tokens[inside[0]].start < value.start - 1 or tokens[inside[-1]].end > value.end + 2:
            continue
        start, end = inside[0], inside[-1] + 1
        part = tokens[start:end]
        if all(token.stem in operators.GLUE or token.kind in ("number", "punct") for token in part):
            text = " ".join(token.text for token in part)
            if text != value.value or not start or all(token.kind != "word" for token in part):
                continue
        spellings[start, end, value.ref, value.whole][value.value] = value.confidence
    for (start, end, ref, whole), texts in spellings.items():
        if not whole and (start, end, ref, True) in spellings:
            continue
        best = max(texts.values())
        kept = tuple(text for text, confidence in texts.items() if confidence == best)
        score = best if whole else _PART_WEIGHT * best
        if tuple(token.stem for token in tokens[start:end]) in operators.OPERATORS and tokens[start].kind == "word":
            score *= _OPERATOR_WEIGHT
        if not whole:
            kept = (" ".join(token.text for token in tokens[start:end]),)
        elif len({text.lower() for text in kept}) > 1:
            score *= _PART_WEIGHT
        yield Anchor("value", start, end, score, ref, kept[0], kept, whole)


def _rates(tokens: Sequence[Token], found: Sequence[Anchor]) -> Iterator[Anchor]:
    """The rate behind a value is the share of rows that have it: cancellation rate; unless a name holds the word."""
    whole = (anchor for anchor in found if anchor.kind in ("table", "column") and anchor.score > _PART_OF_NAME)
    named = {n for anchor in whole for n in anchor.words}
    values = {anchor.end for anchor in found if anchor.kind == "value" and anchor.whole}
    for n, token in enumerate(tokens):
        if token.stem == "rate" and n in values and n not in named:
            yield Anchor("ratio", n, n + 1, meaning=("1",), text=token.text)


def _numbers(tokens: Sequence[Token]) -> Iterator[Anchor]:
    for n, token in enumerate(tokens):
        number = _number(token)
        if number is None:
            continue
        following = tokens[n + 1].text.lower() if n + 1 < len(tokens) else ""
        factor = operators.MULTIPLIERS.get(following)
        if factor and (len(following) > 1 or tokens[n + 1].chinese or tokens[n + 1].start == token.end):
            yield Anchor("number", n, n + 2, number=number * factor)
        yield Anchor("number", n, n + 1, number=number)


def _number(token: Token) -> float | None:
    if token.kind == "number":
        return float(token.text.replace(",", ""))
    return operators.NUMBER_WORDS.get(token.text.lower(), operators.CHINESE_DIGITS.get(token.text))


def _operators(tokens: Sequence[Token]) -> Iterator[Anchor]:
    for start, end in spans(len(tokens), operators.LONGEST):
        part = tokens[start:end]
        key = tuple(token.stem for token in part)
        found = operators.OPERATORS.get(key, ())
        if not found and len(key) > 1 and "the" in key and key[0] != "the" and key[-1] != "the":
            found = operators.OPERATORS.get(tuple(stem for stem in key if stem != "the"), ())
        if part[0].text.lower() == "orders" or (
            key == ("first",) and [token.text for token in tokens[end:][:1]] == ["and"]
        ):
            continue
        for kind, meaning in found:
            if kind == "label" and _is_verb(tokens, start):
                continue
            yield Anchor(kind, start, end, meaning=meaning, text=_text(part))
        if key in operators.CHINESE_GLUE:
            yield Anchor("glue", start, end, text="".join(token.text for token in part))
    for n, token in enumerate(tokens[1:], 1):
        if token.stem in operators.UNITS and tokens[n - 1].text.lower() in ("and", ","):
            yield Anchor("unit", n, n + 1, meaning=(token.stem,), text=token.text)
    for n, token in enumerate(tokens):
        if n and token.text.isupper() and token.text != "I" and tokens[n - 1].kind != "punct":
            continue
        if (
            token.kind == "punct"
            or token.stem in operators.GLUE
            or token.text.lower() in operators.GLUE
            or (token.stem in operators.REQUESTS and _begins(tokens, n))
        ):
            yield Anchor("glue", n, n + 1, text=token.text.lower())
        elif token.stem in operators.SUPPORT or (n and (tokens[n - 1].text, token.text) == ("a", "single")):
            yield Anchor("support", n, n + 1, text=token.text.lower())


def _is_verb(tokens: Sequence[Token], place: int) -> bool:
    """True for the verb of a request that may be a noun too: name the rooms, but not: name of the room."""
    return _begins(tokens, place) and tokens[place + 1 : place + 2] != [] and tokens[place + 1].text in _DETERMINERS


def _begins(tokens: Sequence[Token], place: int) -> bool:
    """True for the first word of a sentence, or one behind a word of the person who asks."""
    before = tokens[place - 1] if place else None
    if tokens[place].text.lower() != tokens[place].stem:
        return False
    return before is None or (before.kind == "punct" and before.text != "-") or before.text.lower() in _ASKING


def by_meaning(tokens: Sequence[Token], unknown: Sequence[int], similar: NameMatcher) -> Iterator[Anchor]:
    """Names that words resemble in meaning; Chinese characters that stand side by side are one word."""
    found: list[tuple[int, int]] = []
    for place in unknown:
        joined = found and found[-1][1] == place and tokens[place].chinese and tokens[place - 1].chinese
        found = [*found[:-1], (found[-1][0], place + 1)] if joined else [*found, (place, place + 1)]
    chosen = [(start, end, "".join(token.text for token in tokens[start:end]).lower()) for start, end in found]
    chosen = [(start, end, text) for start, end, text in chosen if tokens[start].chinese or len(text) > 2]
    for (start, end, text), matches in zip(chosen, similar([text for _, _, text in chosen]), strict=True):
        best = matches[0][1] if matches else 0.0
        others = [nearness for _, nearness in matches if nearness < best]
        clear = best >= _CLEAR_MEANING and best - max(others, default=0.0) >= _CLEAR_MARGIN
        for ref, nearness in matches:
            if nearness >= _LEAST_MEANING:
                kind, score = "table" if ref[1] < 0 else "column", _MEANING_WEIGHT * min(1.0, nearness)
                score = max(score, _CLEAR_SCORE) if clear and nearness == best else score
                yield Anchor(kind, start, end, score, ref, text)
