"""Schema linking: find what each word of a question refers to, and resolve overlaps by rank."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from pg_llm.ask.grammar import chinese, dates, fillers, lexicon, name_linking, numbers, tokenizer, words
from pg_llm.ask.grammar.tokenizer import Token
from pg_llm.ask.mention import LinkedQuestion, Mention, NameMatcher, ValueMatch
from pg_llm.ask.schema import Ref, Schema

_PREPOSITIONS = {"in", "at", "on", "to", "from", "for", "with", "by", "per"}
_LEAST_SIMILARITY = 0.5
_LONGEST_FILLER = 3
# Weights of matches by meaning beside matches by name; a clear best match, as the same word in another language, has
# the higher one.
_SIMILAR_WEIGHT, _CLEAR_MATCH_WEIGHT = 0.8, 0.97
_CLEAR_MATCH, _CLEAR_MARGIN = 0.75, 0.1


def link(
    question: str, schema: Schema, values: Sequence[ValueMatch], similar: NameMatcher | None = None
) -> LinkedQuestion:
    """Link a question to tables, columns, values, numbers, times and markers; `values` were looked up in the rows."""
    names = name_linking.NameIndex(schema)
    value_texts = {text for value in values if chinese.contains_chinese(text := question[value.start : value.end])}
    value_texts |= names.boolean_states
    short_nouns = {character for character, _ in names.short_nouns}
    chinese_names = {word for word in names.chinese if chinese.contains_chinese(word)}
    tokens = fillers.without_waivers(tokenizer.tokenize(question, chinese_names, short_nouns, value_texts))

    def context_of(token: Token) -> str:
        return chinese.noun_context(question, token.start, value_texts)

    proposals = [
        *_value_mentions(question, tokens, values),
        *dates.time_mentions(tokens),
        *numbers.number_mentions(tokens),
        *_marker_mentions(tokens),
        *name_linking.name_mentions(tokens, names, context_of),
    ]
    best = _non_overlapping(proposals, tokens)
    mentions = _drop_idle_markers(best)
    unlinked = _unlinked_indexes(tokens, mentions, _covered_indexes(best), schema)
    mentions += _similar_mentions(tokens, unlinked, similar)
    for mention in mentions:
        single = mention.kind == "element" and mention.end == mention.start + 1
        if single and not mention.role and _is_past_form(tokens[mention.start].text):
            mention.role = "verb"
    mentions = _merge_compounds(sorted(mentions, key=lambda mention: mention.start), tokens)
    verbs = frozenset(tokens[index].text for index in unlinked if _is_verb(tokens, index))
    in_chinese = [token.chinese for token in tokens if token.kind == "word"]
    mostly = any(in_chinese) and 2 * sum(in_chinese) >= len(in_chinese)
    passed = _passed_values(tokens, mentions, values)
    return LinkedQuestion(
        question, tokens, mentions, _unlinked_words(tokens, mentions, unlinked), mostly, verbs, passed
    )


def _passed_values(
    tokens: Sequence[Token], mentions: Sequence[Mention], values: Sequence[ValueMatch]
) -> list[ValueMatch]:
    """Whole values of the rows in words that are fillers or names, as of a comment that lists values.

    Not in short words such as no and in.
    """
    covered = _covered_indexes(mention for mention in mentions if not _takes_words(mention))
    free = [token for index, token in enumerate(tokens) if index not in covered and len(token.text) > _LONGEST_FILLER]
    return [
        value
        for value in values
        if value.whole and any(token.start <= value.start and value.end <= token.end for token in free)
    ]


def _non_overlapping(proposals: Iterable[tuple[Mention, float]], tokens: Sequence[Token]) -> list[Mention]:
    """Greedy choice by rank among mentions that share tokens, in the order of the question."""
    chosen: list[Mention] = []
    covered: set[int] = set()
    for mention, _ in sorted(proposals, key=lambda pair: (-pair[1], pair[0].start)):
        span = set(range(mention.start, mention.end))
        if not span & covered:
            covered |= span
            chosen.append(mention)
    kept = [candidate for candidate in chosen if not _lone_letter(candidate, chosen, tokens)]
    return sorted(kept, key=lambda mention: mention.start)


def _takes_words(mention: Mention) -> bool:
    """True for a name of one word that may itself be a value."""
    return mention.kind == "element" and mention.end == mention.start + 1 and mention.names_column


def _covered_indexes(chosen: Iterable[Mention]) -> set[int]:
    return {index for mention in chosen for index in range(mention.start, mention.end)}


def _unlinked_indexes(
    tokens: Sequence[Token], mentions: Sequence[Mention], covered: Collection[int], schema: Schema
) -> list[int]:
    """The indexes of content words that no mention covers."""
    states = {mention.start for mention in mentions if mention.kind == "value" or _is_bool(mention, schema)}
    return [
        n
        for n, token in enumerate(tokens)
        if n not in covered
        and _has_content(token, n, tokens[n - 1 : n])
        and not _is_owner(tokens, n)
        and not fillers.is_filler(tokens, n, states)
    ]


def _unlinked_words(tokens: Sequence[Token], mentions: Sequence[Mention], unlinked: Sequence[int]) -> list[str]:
    """The words that no mention covers, and a command to change data, which makes the text no question."""
    covered = _covered_indexes(mentions)
    texts = [tokens[index].text for index in unlinked if index not in covered]
    first = next((token for token in tokens if token.kind == "word" and token.stem != "please"), None)
    if first is not None and {first.stem, first.text} & lexicon.WRITE_COMMANDS and first.text not in texts:
        texts.append(first.text)
    return texts


def _lone_letter(mention: Mention, chosen: Sequence[Mention], tokens: Sequence[Token]) -> bool:
    """True if a single letter matched a value but no quotes, article, column or table beside it confirm that."""
    token = tokens[mention.start]
    if mention.kind != "value" or len(token.text) > 1 or mention.end > mention.start + 1 or not token.text.isascii():
        return False
    if (
        token.kind != "word"
        or not mention.value_matches
        or any(len(item.value) > 1 and item.whole for item in mention.value_matches)
    ):
        return False
    if any(item.chinese for item in tokens[max(0, mention.start - 1) : mention.end + 1]):
        return False
    tables = {item.ref[0] for item in mention.value_matches}
    beside = (
        item
        for item in chosen
        if item.kind == "element" and (item.end in (mention.start, mention.start - 1) or item.start == mention.end)
    )
    if any(ref[0] in tables for item in beside for ref, _ in item.refs):
        return False
    return mention.start == 0 or tokens[mention.start - 1].text.lower() not in ("a", "an", "=", ":", "(")


def _is_bool(mention: Mention, schema: Schema) -> bool:
    column = mention.kind == "element" and mention.names_column
    return column and schema.column(mention.refs[0][0]).kind == "bool"


def _drop_idle_markers(chosen: Sequence[Mention]) -> list[Mention]:
    """Drop temporal comparison markers (from, until) without a time or number beside them."""
    kept = []
    for index, mention in enumerate(chosen):
        following = chosen[index + 1] if index + 1 < len(chosen) else None
        before = chosen[index - 1] if index else None
        timed = ("year", "period", "date", "month", "number")
        if mention.kind == "idle":
            continue
        if mention.kind == "cmp" and mention.normalized.endswith(".time"):
            is_near = following is not None and following.kind in timed and following.start - mention.end <= 2
            follows_time = before is not None and before.kind in timed and mention.start == before.end
            if not is_near and not follows_time:
                continue
        kept.append(mention)
    return kept


def _merge_compounds(chosen: Sequence[Mention], tokens: Sequence[Token]) -> list[Mention]:
    """Merge a table's name with the column after it: doctor specialty is the column of that table."""
    merged: list[Mention] = []
    for mention in chosen:
        before = merged[-1] if merged else None
        if (
            before is None
            or {before.kind, mention.kind} != {"element"}
            or before.end != mention.start
            or tokens[mention.start].chinese
            or (_plural(tokens[before.end - 1]) or tokens[mention.start].text.endswith("ed"))
        ):
            merged.append(mention)
            continue
        tables = {ref[0] for ref, score in before.refs if ref[1] < 0 and score >= before.score - 0.05}
        inside = [(ref, min(1.0, score + 0.1)) for ref, score in mention.refs if ref[1] >= 0 and ref[0] in tables]
        if inside and inside[0][1] >= mention.score - 0.1 and before.names_table:
            merged[-1] = Mention(
                "element", before.start, mention.end, f"{before.normalized} {mention.normalized}", inside
            )
        else:
            merged.append(mention)
    return merged


def _is_owner(tokens: Sequence[Token], index: int) -> bool:
    """True for the organisation that owns the database: the college, our shop."""
    return (
        tokens[index].stem in lexicon.OWNER_WORDS
        and index > 0
        and tokens[index - 1].stem in ("the", "our", "this", "your")
    )


def _is_past_form(word: str) -> bool:
    return word.lower() in words.IRREGULAR_PASTS or word.lower().endswith("ed")


def _is_verb(tokens: Sequence[Token], index: int) -> bool:
    text = tokens[index].text.lower()
    if tokens[index].is_capitalized and index:
        return False
    if tokens[index].chinese:
        return text in chinese.VERBS
    if words.is_verb_form(text):
        return True
    before = [token.text.lower() for token in tokens[:index]]
    last = (
        index + 1 == len(tokens) or tokens[index + 1].kind == "punct" or tokens[index + 1].text.lower() in _PREPOSITIONS
    )
    with_auxiliary = bool({"do", "does", "did"} & set(before)) and last
    return with_auxiliary or before[-1:] in (["to"], ["who"], ["that"], ["which"], ["can"])


def _plural(token: Token) -> bool:
    """True for a plural: what follows is a verb, not a column (students major, employees earn)."""
    return token.text.lower().rstrip("s") != token.text.lower() and not token.text.endswith(("'s", "\u2019s", "ss"))


def _has_content(token: Token, index: int, before: Sequence[Token]) -> bool:
    if token.kind in ("quoted", "date"):
        return True
    if token.kind != "word" or token.stem in lexicon.TIME_UNITS or lexicon.is_stopword(token.text):
        return False
    if token.chinese:
        sex = before and before[0].text in chinese.SEX_PREFIXES and token.text in chinese.PERSON_SUFFIXES
        empty = chinese.is_function_word(token.text, before[0].text if before else "")
        return not sex and not empty and token.text not in lexicon.TIME_UNITS
    return len(token.stem) > 1 or (token.is_capitalized and index > 0)


def _value_mentions(
    question: str, tokens: Sequence[Token], values: Sequence[ValueMatch]
) -> Iterable[tuple[Mention, float]]:
    spans: dict[tuple[int, int], list[ValueMatch]] = defaultdict(list)
    for value in values:
        inside = [n for n, token in enumerate(tokens) if token.start < value.end and value.start < token.end]
        if not inside:
            continue
        first, last = tokens[inside[0]], tokens[inside[-1]]
        slack = 1 if first.kind == "quoted" else 0
        if first.start + slack >= value.start - slack and last.end <= value.end + 2 * slack + _suffix_length(last):
            spans[inside[0], inside[-1] + 1].append(value)
    for (start, end), matches in spans.items():
        quoted = tokens[start].kind == "quoted"
        named = quoted or any(
            token.is_capitalized or token.chinese or token.kind == "number" for token in tokens[start:end]
        )
        plain = all(token.stem in lexicon.STOPWORDS for token in tokens[start:end]) and not quoted
        if plain and not (named and start > 0):
            continue
        whole = any(value.whole for value in matches)
        best = [value for value in matches if value.whole == whole]
        rank = 10 * (end - start) + (100 if quoted else 6 if named and whole else 2 if whole else -6)
        if start == 0 and not quoted and tokens[0].is_capitalized and not whole:
            rank -= 5
        # A partial match searches for the user's words (LIKE), not for one of the matching values.
        text = best[0].value if whole or quoted else question[tokens[start].start : best[0].end]
        yield Mention("value", start, end, text, value_matches=best), rank
    for index, token in enumerate(tokens):
        if token.kind == "quoted":
            yield Mention("value", index, index + 1, token.text), 50


def _suffix_length(last: Token) -> int:
    """How many letters of a plural or genitive ending may follow a value."""
    return 2 if last.text.endswith(("'s", "\u2019s")) else 1 if last.kind == "word" and last.text.endswith("s") else 0


def _marker_mentions(tokens: Sequence[Token]) -> Iterable[tuple[Mention, float]]:
    for start, token in enumerate(tokens):
        if token.chinese:
            if token.text in chinese.MARKERS:
                kind, meaning = chinese.MARKERS[token.text]
                if kind == "unit":
                    yield Mention("group", start, start + 1, meaning, role="unit"), 11
                elif kind == "count" and _asks_for_value(tokens, start):
                    continue
                elif kind not in ("empty", "of", "ask"):
                    yield Mention(kind, start, start + 1, meaning), 11
            continue
        for end in range(min(len(tokens), start + 6), start, -1):
            phrase = tuple(item.stem for item in tokens[start:end])
            plain = tuple(item.text.lower() for item in tokens[start:end])
            marker = lexicon.ENGLISH_MARKERS.get(phrase) or lexicon.ENGLISH_MARKERS.get(plain)
            if marker and any(item.kind != "word" for item in tokens[start:end]):
                marker = None
            if marker:
                kind, meaning = marker
                if kind == "unit":
                    yield Mention("group", start, end, meaning, role="unit"), 10 * (end - start) + 1
                else:
                    yield Mention(kind, start, end, meaning), 10 * (end - start) + 1
                break


def _asks_for_value(tokens: Sequence[Token], index: int) -> bool:
    """True if 多少 ends the question and asks for a value (which phone number), not for a count."""
    ends = index + 1 == len(tokens) or tokens[index + 1].kind == "punct"
    return tokens[index].text == "多少" and ends and index > 0 and tokens[index - 1].text not in chinese.MARKERS


def _is_clear_match(matches: Sequence[tuple[Ref, float]]) -> bool:
    scores = [score for _, score in matches]
    others = [score for score in scores if score < scores[0] - 1e-6]
    return bool(scores) and scores[0] >= _CLEAR_MATCH and scores[0] - max(others, default=0.0) >= _CLEAR_MARGIN


def _similar_mentions(tokens: Sequence[Token], unlinked: Sequence[int], similar: NameMatcher | None) -> list[Mention]:
    """Mentions of words that match a name only by meaning (embedding similarity)."""
    indexes = [
        n
        for n in unlinked
        if tokens[n].kind == "word" and not tokens[n].is_capitalized and tokens[n].text not in lexicon.RESTRICTIVE_WORDS
    ]
    if similar is None or not indexes:
        return []
    mentions = []
    for index, matches in zip(indexes, similar([tokens[index].text for index in indexes]), strict=True):
        weight = _CLEAR_MATCH_WEIGHT if _is_clear_match(matches) else _SIMILAR_WEIGHT
        refs = [(ref, weight * min(1.0, score)) for ref, score in matches if score >= _LEAST_SIMILARITY]
        if refs:
            mentions.append(
                Mention(
                    "element",
                    index,
                    index + 1,
                    tokens[index].text,
                    name_linking.best_candidates(refs),
                    role="done" if _is_verb(tokens, index) else "meant",
                )
            )
    return mentions
