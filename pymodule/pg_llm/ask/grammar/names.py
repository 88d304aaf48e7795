"""Tables and columns as questions name them: by their names, parts of these, and what is said of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

from pg_llm.ask.grammar import chinese, chinese_names, lexicon, words
from pg_llm.ask.grammar.tokens import Token
from pg_llm.ask.mention import Mention
from pg_llm.ask.schema import Column, Ref, Schema, Table

_SUFFIXES = {
    "number",
    "count",
    "name",
    "date",
    "id",
    "code",
    "time",
    "text",
    "value",
    "at",
    "title",
    "year",
    "total",
    "key",
    "type",
}
_SKIPPED = {"of", "the", "a", "an", "'s"}
_LONGEST = 5
_MOST = 6
# What first letters are worth beside words.
_INITIALS = 0.85
# Below the best candidate by so much, another is not worth a query.
_MARGIN = 0.4
# Names that are meant as surely as this are said with one character as well.
_NOUN = 0.9


class Variants:
    """Word lists that may stand for a table or column, found by any of their words."""

    def __init__(self, schema: Schema) -> None:
        self.by_word: dict[str, list[tuple[Ref, tuple[str, ...], float]]] = defaultdict(list)
        self._initial: dict[str, list[str]] = defaultdict(list)
        self.chinese: dict[str, list[tuple[Ref, float]]] = defaultdict(list)
        # Characters that stand for a longer name where only a noun can stand.
        self.nouns: dict[tuple[str, str], list[tuple[Ref, float]]] = defaultdict(list)
        self.names: dict[Ref, tuple[str, ...]] = {}
        # What holds or does not, as a yes-or-no column says.
        self.states: set[str] = set()
        self._keys = {ref for ref in schema.refs() if schema.column(ref).is_key}
        # What happens at the times in columns.
        self.verbs: set[str] = set()
        self._own = [chinese_names.called([table.name, *table.phrases]) for table in schema.tables]
        tables = {table.words for table in schema.tables}
        for place, table in enumerate(schema.tables):
            self._add_table(place, table)
            for number in range(len(table.columns)):
                self._add_column((place, number), table, tables)

    def _add_table(self, place: int, table: Table) -> None:
        ref = (place, -1)
        self.names[ref] = table.words
        self._add(ref, table.words, 1.0)
        self._in_full(ref, table)
        if len(table.words) > 1:
            self._add(ref, table.words[-1:], 0.75)
            self._add(ref, table.words[:1], 0.5)
        self._phrases(ref, table.phrases)

    def _add_column(self, ref: Ref, table: Table, tables: Collection[tuple[str, ...]]) -> None:
        column = table.columns[ref[1]]
        its = column.words
        self.names[ref] = its
        if column.kind == "bool":
            self.states |= chinese_names.states([column.name, *column.phrases])
        if column.kind == "date":
            self.verbs |= chinese_names.happening([column.name, *column.phrases])
        self._add(ref, its, 1.0)
        self._in_full(ref, column)
        short = tuple(word for word in its if word not in _SUFFIXES and not word.isdigit())
        if column.is_key or (ref[1] in table.key and column.kind == "number"):
            self._add_key(ref, short, table)
            return
        self._add(ref, tuple(word for word in its if word not in table.words), 0.97)
        # Where that is what a table is named, its rows are meant.
        numbered = short in tables and its[-1] in ("number", "code")
        self._add(ref, short, 0.45 if numbered else 0.72 if column.kind in ("date", "time") else 0.86)
        if its[-1:] in (("email",), ("mail",)):
            self._add(ref, (*its, "address"), 1.0)
            self._add(ref, ("address",), 0.6)
        if len(its) > 1:
            self._add(ref, its[-1:], 0.6)
            for word in its[:-1]:
                self._add(ref, (word,), 0.55)
        self._phrases(ref, column.phrases)

    def _add_key(self, ref: Ref, short: tuple[str, ...], table: Table) -> None:
        """What a key is named after is the row behind it."""
        column = table.columns[ref[1]]
        self._key_phrases(ref, column.phrases)
        self._add(ref, short, 0.45)
        if table.key == [ref[1]]:
            self._add((ref[0], -1), short, 0.85)
            self._add(ref, column.words[-1:], 0.85)

    def like(self, stem: str) -> list[tuple[str, float]]:
        """The words of names that a word of a question may mean, with how surely."""
        if not self._initial:
            for word in self.by_word:
                self._initial[word[:1]].append(word)
        near = {*self._initial.get(stem[:1], ()), *(word for word in words.alike(stem) if word in self.by_word)}
        pairs = ((word, words.likeness(stem, word)) for word in sorted(near))
        return [(word, score) for word, score in pairs if score]

    def _add(self, ref: Ref, its: tuple[str, ...], score: float) -> None:
        for word in set(its):
            if chinese.is_in(word):
                self._chinese_phrase(ref, word, score)
            self.by_word[word].append((ref, its, score))

    def _in_full(self, ref: Ref, named: Table | Column) -> None:
        """As it is written, with the prefix that it shares with others and with its words as one."""
        full = words.split(named.name)
        if full != named.words:
            self._add(ref, full, 1.0)

    def _phrases(self, ref: Ref, phrases: Iterable[str]) -> None:
        for phrase in phrases:
            if chinese.is_in(phrase):
                phrase = chinese_names.said(phrase)
            for part in re.split(r"[,;/|(){}\[\]:\u3001\uff0c\uff1b\uff1a\u3002\uff08\uff09]", phrase):
                if chinese.is_in(part):
                    self._chinese_phrase(ref, part.strip())
                    continue
                its = tuple(words.stem(word) for word in re.findall(r"[^\W_]+", part))
                its = tuple(word for word in its if word not in lexicon.EMPTY)
                if 0 < len(its) <= 3:
                    self._add(ref, its, 0.95)
                for word in its if len(its) <= 12 else ():
                    self._add(ref, (word,), 0.42)

    def _key_phrases(self, ref: Ref, phrases: Iterable[str]) -> None:
        """A key is called by all of its name only: parts of it say the row behind it."""
        for phrase in phrases:
            for part in chinese_names.parts(phrase):
                self.chinese[part].append((ref, 0.9))

    def _chinese_phrase(self, ref: Ref, part: str, score: float = 1.0) -> None:
        own = self._own[ref[0]] if ref[1] >= 0 else ""
        if ref in self._keys:
            role = chinese_names.pointed(part)
            self.chinese[part].append((ref, score))
            if role:
                # The key of a table is no better name for its rows than the table's.
                self.chinese[role].append((ref, score * (0.45 if role in self._own else 0.85)))
            return
        for form, its in chinese_names.forms(part, own, ref[1] < 0).items():
            self.chinese[form].append((ref, its * score))
            if its >= (_NOUN if ref[1] < 0 else 0.95) and form not in self.states:
                for character, place, worth in chinese_names.characters(form):
                    self.nouns[character, place].append((ref, worth * its * score))


def elements(cut: Sequence[Token], variants: Variants, noun: Callable[[Token], str]) -> Iterable[tuple[Mention, float]]:
    """Mentions of tables and columns, each with a rank among all mentions that may stand there.

    `noun` tells whether a character stands where it is short for a longer noun, and which of its characters that is.
    """
    like: dict[str, list[tuple[str, float]]] = {}
    for token in cut:
        if token.kind == "word" and not token.chinese and token.stem not in like:
            like[token.stem] = variants.like(token.stem)
    for start, token in enumerate(cut):
        if token.chinese:
            yield from _chinese(start, token, variants, noun)
        elif token.kind == "word" and token.stem not in _SKIPPED:
            for end in range(min(len(cut), start + _LONGEST), start, -1):
                yield from _spoken(cut, start, end, like, variants)


def _chinese(
    start: int, token: Token, variants: Variants, noun: Callable[[Token], str]
) -> Iterable[tuple[Mention, float]]:
    known = variants.chinese.get(token.text, [])
    if not known and (place := noun(token)):
        known = variants.nouns.get((token.text, place), [])
    if known:
        refs = best(known)
        role = "verb" if token.text in chinese.VERBS or token.text in variants.verbs else ""
        rank = 10 * refs[0][1] + (3 if refs[0][1] > 0.8 else 0)
        yield Mention("element", start, start + 1, token.text, refs, role=role), rank


def _spoken(
    cut: Sequence[Token], start: int, end: int, like: dict[str, list[tuple[str, float]]], variants: Variants
) -> Iterable[tuple[Mention, float]]:
    """The mention that these tokens are, if they are any."""
    span = [each for each in cut[start:end] if each.stem not in _SKIPPED]
    stems = [each.stem for each in span]
    if stems in (["first"], ["last"]) and not _of_name(cut, end):
        return
    if cut[end - 1].stem in _SKIPPED or any(each.kind != "word" or each.chinese for each in span):
        return
    matching = [*_matching(stems, like, variants), *_as_one(span, variants)]
    if len(span) == 1 and stems[0] in lexicon.UNITS:
        # Any column of years is meant by the year: where it stands says which.
        matching = [(ref, max(score, 0.93) if stems[0] in variants.names[ref] else score) for ref, score in matching]
    refs = best(matching)
    if stems[0] in ("number", "total") and any(each.stem == "of" for each in cut[start:end]):
        # The number of flights is no flight number.
        refs = [pair for pair in refs if variants.names[pair[0]][:1] == (stems[0],)]
    if not refs:
        return
    score = refs[0][1]
    asks = start == 0 and len(span) == 1 and cut[start].text.lower() in lexicon.ASKING
    if all(stem in lexicon.EMPTY for stem in stems) and (score < 0.84 or asks):
        return
    length = (end - start) if score >= 0.7 else 1
    yield Mention("element", start, end, " ".join(each.text for each in span), refs), 10 * length + 4 * score - 1.5


def _of_name(cut: Sequence[Token], end: int) -> bool:
    """Whether a first is that of the first and last name."""
    return any(each.stem == "name" for each in cut[end : end + 3])


def _matching(
    span: list[str], like: dict[str, list[tuple[str, float]]], variants: Variants
) -> Iterable[tuple[Ref, float]]:
    for word, first in like.get(span[0], ()):
        for ref, its, score in variants.by_word[word]:
            if len(its) != len(span):
                continue
            if len(span) == 1:
                yield ref, score * first
                continue
            total, rest = first, list(its)
            rest.remove(word)
            for other in span[1:]:
                near = max(((likeness, its) for its, likeness in like.get(other, ()) if its in rest), default=None)
                if near is None:
                    break
                total += near[0]
                rest.remove(near[1])
            else:
                yield ref, score * total / len(span)


def _as_one(span: Sequence[Token], variants: Variants) -> Iterable[tuple[Ref, float]]:
    """Names that write several words as one, or their first letters."""
    if len(span) < 2 or any(each.stem in lexicon.EMPTY for each in span):
        return
    written = [("".join(each.stem for each in span), 1.0)]
    first = "".join(each.stem[:1] for each in span)
    if not words.is_whole(first):
        written.append((first, _INITIALS))
    for one, worth in written:
        yield from ((ref, score * worth) for ref, its, score in variants.by_word.get(one, ()) if its == (one,))


def best(found: Iterable[tuple[Ref, float]]) -> list[tuple[Ref, float]]:
    """The candidates worth a query, the best first."""
    scores: dict[Ref, float] = {}
    for ref, score in found:
        scores[ref] = max(score, scores.get(ref, 0.0))
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])
    return [pair for pair in ranked if pair[1] >= ranked[0][1] - _MARGIN][:_MOST]
