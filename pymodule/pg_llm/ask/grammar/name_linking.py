"""Lexical schema linking: tables and columns that questions name by their words, parts of them, or their comments."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

from pg_llm.ask.grammar import chinese, chinese_names, lexicon, words
from pg_llm.ask.grammar.tokenizer import Token
from pg_llm.ask.mention import Mention
from pg_llm.ask.schema import Ref, Schema, SchemaColumn, SchemaTable

_GENERIC_WORDS = frozenset(
    """
    number count name date id code time text value at title year total key type
""".split()
)
_FUNCTION_WORDS = {"of", "the", "a", "an", "'s"}
_LONGEST_SPAN = 5
_MOST_CANDIDATES = 6
# The weight of a match by initials.
_INITIALS_WEIGHT = 0.85
# Candidates that score this much less than the best one are dropped.
_MARGIN = 0.4
# Single characters may stand for names that match at least this well.
_SHORTENED_SCORE = 0.9


class NameIndex:
    """An inverted index from words to the tables and columns whose names or comments contain them, with scores."""

    def __init__(self, schema: Schema) -> None:
        self.by_word: dict[str, list[tuple[Ref, tuple[str, ...], float]]] = defaultdict(list)
        self._words_by_initial: dict[str, list[str]] = defaultdict(list)
        self.chinese: dict[str, list[tuple[Ref, float]]] = defaultdict(list)
        # Single characters that stand for a longer name, with the context in which they do.
        self.short_nouns: dict[tuple[str, str], list[tuple[Ref, float]]] = defaultdict(list)
        self.names: dict[Ref, tuple[str, ...]] = {}
        # States that boolean columns hold, in Chinese.
        self.boolean_states: set[str] = set()
        self._keys = {ref for ref in schema.column_refs() if schema.column(ref).is_key}
        # Events whose time a date column holds, in Chinese.
        self.event_verbs: set[str] = set()
        self._table_nouns = [chinese_names.table_noun([table.name, *table.phrases]) for table in schema.tables]
        tables = {table.words for table in schema.tables}
        for index, table in enumerate(schema.tables):
            self._add_table(index, table)
            for number in range(len(table.columns)):
                self._add_column((index, number), table, tables)

    def _add_table(self, index: int, table: SchemaTable) -> None:
        ref = (index, -1)
        self.names[ref] = table.words
        self._add(ref, table.words, 1.0)
        self._add_full_name(ref, table)
        if len(table.words) > 1:
            self._add(ref, table.words[-1:], 0.75)
            self._add(ref, table.words[:1], 0.5)
        self._add_phrases(ref, table.phrases)

    def _add_column(self, ref: Ref, table: SchemaTable, tables: Collection[tuple[str, ...]]) -> None:
        column = table.columns[ref[1]]
        name = column.words
        self.names[ref] = name
        if column.kind == "bool":
            self.boolean_states |= chinese_names.boolean_states([column.name, *column.phrases])
        if column.kind == "date":
            self.event_verbs |= chinese_names.event_verbs([column.name, *column.phrases])
        self._add(ref, name, 1.0)
        self._add_full_name(ref, column)
        short = tuple(word for word in name if word not in _GENERIC_WORDS and not word.isdigit())
        if column.is_key or (ref[1] in table.key and column.kind == "number"):
            self._add_key(ref, short, table)
            return
        self._add(ref, tuple(word for word in name if word not in table.words), 0.97)
        # If a table has that name, its rows are meant rather than their number.
        numbered = short in tables and name[-1] in ("number", "code")
        self._add(ref, short, 0.45 if numbered else 0.72 if column.kind in ("date", "time") else 0.86)
        if name[-1:] in (("email",), ("mail",)):
            self._add(ref, (*name, "address"), 1.0)
            self._add(ref, ("address",), 0.6)
        if len(name) > 1:
            self._add(ref, name[-1:], 0.6)
            for word in name[:-1]:
                self._add(ref, (word,), 0.55)
        self._add_phrases(ref, column.phrases)

    def _add_key(self, ref: Ref, short: tuple[str, ...], table: SchemaTable) -> None:
        """A key also names the entity that it references."""
        column = table.columns[ref[1]]
        self._add_key_phrases(ref, column.phrases)
        self._add(ref, short, 0.45)
        if table.key == [ref[1]]:
            self._add((ref[0], -1), short, 0.85)
            self._add(ref, column.words[-1:], 0.85)

    def similar_words(self, stem: str) -> list[tuple[str, float]]:
        """The words of names that a word of the question may mean, with scores."""
        if not self._words_by_initial:
            for word in self.by_word:
                self._words_by_initial[word[:1]].append(word)
        similar = {
            *self._words_by_initial.get(stem[:1], ()),
            *(word for word in words.synonyms(stem) if word in self.by_word),
        }
        pairs = ((word, words.word_similarity(stem, word)) for word in sorted(similar))
        return [(word, score) for word, score in pairs if score]

    def _add(self, ref: Ref, name: tuple[str, ...], score: float) -> None:
        for word in set(name):
            if chinese.contains_chinese(word):
                self._add_chinese(ref, word, score)
            self.by_word[word].append((ref, name, score))

    def _add_full_name(self, ref: Ref, named: SchemaTable | SchemaColumn) -> None:
        """The unshortened name: with the shared prefix, and with words that are written together."""
        full = words.split_name(named.name)
        if full != named.words:
            self._add(ref, full, 1.0)

    def _add_phrases(self, ref: Ref, phrases: Iterable[str]) -> None:
        for phrase in phrases:
            if chinese.contains_chinese(phrase):
                phrase = chinese_names.without_brackets(phrase)
            for part in re.split(r"[,;/|(){}\[\]:\u3001\uff0c\uff1b\uff1a\u3002\uff08\uff09]", phrase):
                if chinese.contains_chinese(part):
                    self._add_chinese(ref, part.strip())
                    continue
                name = tuple(words.stem(word) for word in re.findall(r"[^\W_]+", part))
                name = tuple(word for word in name if word not in lexicon.STOPWORDS)
                if 0 < len(name) <= 3:
                    self._add(ref, name, 0.95)
                for word in name if len(name) <= 12 else ():
                    self._add(ref, (word,), 0.42)

    def _add_key_phrases(self, ref: Ref, phrases: Iterable[str]) -> None:
        """A key is named only by its whole comment; parts of it name the entity that it references."""
        for phrase in phrases:
            for part in chinese_names.comment_names(phrase):
                self.chinese[part].append((ref, 0.9))

    def _add_chinese(self, ref: Ref, part: str, score: float = 1.0) -> None:
        table_noun = self._table_nouns[ref[0]] if ref[1] >= 0 else ""
        if ref in self._keys:
            role = chinese_names.key_referent(part)
            self.chinese[part].append((ref, score))
            if role:
                # The name of a table is better for its rows than its key is.
                self.chinese[role].append((ref, score * (0.45 if role in self._table_nouns else 0.85)))
            return
        for form, form_score in chinese_names.name_forms(part, table_noun, ref[1] < 0).items():
            self.chinese[form].append((ref, form_score * score))
            if form_score >= (_SHORTENED_SCORE if ref[1] < 0 else 0.95) and form not in self.boolean_states:
                for character, context, weight in chinese_names.short_forms(form):
                    self.short_nouns[character, context].append((ref, weight * form_score * score))


def name_mentions(
    tokens: Sequence[Token], index: NameIndex, context_of: Callable[[Token], str]
) -> Iterable[tuple[Mention, float]]:
    """Mentions of tables and columns, each with a rank that is compared with other mentions of the same tokens.

    `context_of` gives the context in which a single character stands for a noun, empty if it does not.
    """
    similar: dict[str, list[tuple[str, float]]] = {}
    for token in tokens:
        if token.kind == "word" and not token.chinese and token.stem not in similar:
            similar[token.stem] = index.similar_words(token.stem)
    for start, token in enumerate(tokens):
        if token.chinese:
            yield from _chinese_mention(start, token, index, context_of)
        elif token.kind == "word" and token.stem not in _FUNCTION_WORDS:
            for end in range(min(len(tokens), start + _LONGEST_SPAN), start, -1):
                yield from _mention_of_span(tokens, start, end, similar, index)


def _chinese_mention(
    start: int, token: Token, index: NameIndex, context_of: Callable[[Token], str]
) -> Iterable[tuple[Mention, float]]:
    matching = index.chinese.get(token.text, [])
    if not matching and (context := context_of(token)):
        matching = index.short_nouns.get((token.text, context), [])
    if matching:
        refs = best_candidates(matching)
        role = "verb" if token.text in chinese.VERBS or token.text in index.event_verbs else ""
        rank = 10 * refs[0][1] + (3 if refs[0][1] > 0.8 else 0)
        yield Mention("element", start, start + 1, token.text, refs, role=role), rank


def _mention_of_span(
    tokens: Sequence[Token], start: int, end: int, similar: dict[str, list[tuple[str, float]]], index: NameIndex
) -> Iterable[tuple[Mention, float]]:
    """The mention that these tokens make, if they match a name."""
    span = [token for token in tokens[start:end] if token.stem not in _FUNCTION_WORDS]
    stems = [token.stem for token in span]
    if stems in (["first"], ["last"]) and not _precedes_name(tokens, end):
        return
    if tokens[end - 1].stem in _FUNCTION_WORDS or any(token.kind != "word" or token.chinese for token in span):
        return
    matching = [*_match_words(stems, similar, index), *_match_joined(span, index)]
    if len(span) == 1 and stems[0] in lexicon.TIME_UNITS:
        # Every column of years matches `year`; the context decides later.
        matching = [(ref, max(score, 0.93) if stems[0] in index.names[ref] else score) for ref, score in matching]
    refs = best_candidates(matching)
    if stems[0] in ("number", "total") and any(token.stem == "of" for token in tokens[start:end]):
        # `number of flights` is a count, not the flight number.
        refs = [pair for pair in refs if index.names[pair[0]][:1] == (stems[0],)]
    if not refs:
        return
    score = refs[0][1]
    is_question = start == 0 and len(span) == 1 and tokens[start].text.lower() in lexicon.QUESTION_WORDS
    if all(stem in lexicon.STOPWORDS for stem in stems) and (score < 0.84 or is_question):
        return
    length = (end - start) if score >= 0.7 else 1
    yield Mention("element", start, end, " ".join(token.text for token in span), refs), 10 * length + 4 * score - 1.5


def _precedes_name(tokens: Sequence[Token], end: int) -> bool:
    """True if `first` or `last` belongs to a first or last name."""
    return any(token.stem == "name" for token in tokens[end : end + 3])


def _match_words(
    span: list[str], similar: dict[str, list[tuple[str, float]]], index: NameIndex
) -> Iterable[tuple[Ref, float]]:
    for word, first in similar.get(span[0], ()):
        for ref, name, score in index.by_word[word]:
            if len(name) != len(span):
                continue
            if len(span) == 1:
                yield ref, score * first
                continue
            total, rest = first, list(name)
            rest.remove(word)
            for other in span[1:]:
                best = max(
                    ((likeness, part) for part, likeness in similar.get(other, ()) if part in rest), default=None
                )
                if best is None:
                    break
                total += best[0]
                rest.remove(best[1])
            else:
                yield ref, score * total / len(span)


def _match_joined(span: Sequence[Token], index: NameIndex) -> Iterable[tuple[Ref, float]]:
    """Match names that join several words, or abbreviate them by their initials."""
    if len(span) < 2 or any(token.stem in lexicon.STOPWORDS for token in span):
        return
    spellings = [("".join(token.stem for token in span), 1.0)]
    first = "".join(token.stem[:1] for token in span)
    if not words.is_full_word(first):
        spellings.append((first, _INITIALS_WEIGHT))
    for joined, weight in spellings:
        yield from ((ref, score * weight) for ref, name, score in index.by_word.get(joined, ()) if name == (joined,))


def best_candidates(scored: Iterable[tuple[Ref, float]]) -> list[tuple[Ref, float]]:
    """The candidates close to the best score, best first."""
    scores: dict[Ref, float] = {}
    for ref, score in scored:
        scores[ref] = max(score, scores.get(ref, 0.0))
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])
    return [pair for pair in ranked if pair[1] >= ranked[0][1] - _MARGIN][:_MOST_CANDIDATES]
