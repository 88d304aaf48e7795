"""Lexical schema linking: tables and columns that words of a question name, by names, parts of names and comments."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from pg_llm.ask import chinese_nouns, words
from pg_llm.ask.linking.operators import GLUE
from pg_llm.ask.schema import Ref, Schema, SchemaColumn

# Units of what a column holds: weight_kg, downtime_hours. Of 40 answers about a database put away they earn one.
_UNITS = frozenset("kg mg km cm mm lb lbs oz ml kwh kw hour minute eur usd gbp chf cny percent".split())
# Words of a column's name that say nothing about what it holds.
_GENERIC = frozenset("id name date time at on is be has code number key no value type timestamp".split()) | _UNITS
_CHINESE_GENERIC = ("名称", "名字", "姓名", "编号", "日期", "时间", "信息", "记录", "表", "数据", "名")
_SEPARATORS = re.compile(r"[,;/|(){}\[\]:.=、\uff0c\uff1b\uff1a。\uff08\uff09]|\s-\s")
# Nouns that may follow such a name and add nothing.
_FOLLOWING = {"email": "address", "mail": "address", "phone": "number", "telephone": "number", "zip": "code"}
_HAN = re.compile(r"[\u3400-\u9fff]")
# What follows in a comment is no part of its head.
_PREPOSITION = re.compile(r"\b(?:of|in|for|at|when|where|that|which|as|by|from|with|on|to|per)\b", re.I)
_ENDINGS = ("ment", "ation", "ion", "er", "or", "ing", "ance", "al", "ed")
_SHORTEST_ROOT = 3
_LONGEST_COMMENT = 3
# What a name of several words is worth by its parts: without the table's words, without generic words, last, any other.
_OWN, _CORE, _LAST, _OTHER = 0.97, 0.85, 0.72, 0.55
_COMMENT = 0.95
# What a translation of a name is worth.
_TRANSLATED = 0.9
_ROOT, _WORD_OF_COMMENT = 0.85, 0.4


class NameIndex:
    """The phrases by which tables and columns (column -1 is the table) may be named, with scores from 0 to 1."""

    def __init__(self, schema: Schema) -> None:
        self._phrases: dict[tuple[str, ...], dict[Ref, float]] = defaultdict(dict)
        self.chinese: dict[str, dict[Ref, float]] = defaultdict(dict)
        for t, table in enumerate(schema.tables):
            self._add((t, -1), table.words, 1.0)
            self._add((t, -1), words.split_name(table.name), 1.0)
            if len(table.words) > 1:
                self._add((t, -1), table.words[-1:], _LAST)
            self._add_comment((t, -1), table.phrases, "")
            noun = self._chinese_noun((table.name, *table.phrases))
            self._add_translated((t, -1), table.name)
            for c, column in enumerate(table.columns):
                if not self._is_reference(schema, (t, c)):
                    self._add_column((t, c), column, table.words, noun)
            shown = schema.display_column(t)
            if shown is not None:
                for word in ("name", "title"):
                    if word not in table.columns[shown].words:
                        self._add((t, shown), (word,), 0.8)
                        self._add((t, shown), (*table.words, word), 0.85)
        # Phrases by their number of words and each of them.
        self._by_word: dict[tuple[int, str], list[tuple[str, ...]]] = defaultdict(list)
        for phrase in self._phrases:
            for word in phrase:
                self._by_word[len(phrase), word].append(phrase)
        self._vocabulary = {word for phrase in self._phrases for word in phrase}
        self._similar: dict[str, dict[str, float]] = {}

    def match(self, stems: Sequence[str]) -> dict[Ref, float]:
        """What a phrase of these stems may name, whatever the order of its words."""
        if not stems:
            return {}
        found: dict[Ref, float] = {}
        similar = [self.similar(stem) for stem in stems]
        rarest = min(similar, key=len)
        for phrase in {phrase for word in rarest for phrase in self._by_word.get((len(stems), word), ())}:
            likeness = _assignment(phrase, similar)
            for ref, score in self._phrases[phrase].items() if likeness else ():
                found[ref] = max(found.get(ref, 0.0), score * likeness)
        return found

    def similar(self, stem: str) -> dict[str, float]:
        """The words of names that a word of the question may mean."""
        if stem not in self._similar:
            likeness = ((word, _likeness(stem, word)) for word in self._vocabulary)
            self._similar[stem] = {word: score for word, score in likeness if score}
        return self._similar[stem]

    def _is_reference(self, schema: Schema, ref: Ref) -> bool:
        """True for a key of another table: its words mean that table."""
        column = schema.column(ref)
        return (column.is_key or column.kind == "number") and any(
            edge.source == ref[0] and edge.many_to_one and [ref[1]] == [a for a, _ in edge.columns]
            for edge in schema.edges
        )

    def _add_column(self, ref: Ref, column: SchemaColumn, table: tuple[str, ...], noun: str) -> None:
        name = column.words
        own = tuple(word for word in name if word not in table)
        core = tuple(word for word in name if word not in _GENERIC)
        self._add(ref, name, 1.0)
        if _HAN.search(column.name):
            self._add_chinese(ref, column.name, 1.0, noun)
        if own and own != name:
            self._add(ref, own, _OWN)
        if column.kind != "bool":
            self._add(ref, (*table, *(own or name)), 1.0)
            self._add(ref, (*table[-1:], *(own or name)), 1.0)
        if core and core != name and not column.is_key and core != table:
            self._add(ref, core, _CORE)
        if column.kind == "date" and core and "date" not in name:
            self._add(ref, (*core, "date"), _OWN)
        if name[-1] in _FOLLOWING:
            self._add(ref, (*name, _FOLLOWING[name[-1]]), _OWN)
        if len(name) > 1 and not column.is_key:
            self._add(ref, name[-1:], _LAST if name[-1] not in _GENERIC else _OTHER)
            for word in name[:-1]:
                if word not in table:
                    self._add(ref, (word,), _OTHER)
        self._add_comment(ref, column.phrases, noun)
        self._add_translated(ref, column.base_name)
        if own and own != name:
            self._add_translated(ref, "_".join(own))

    def _add_translated(self, ref: Ref, identifier: str) -> None:
        for form in chinese_nouns.names(identifier):
            self._add_chinese(ref, form, _TRANSLATED, "")

    def _add(self, ref: Ref, phrase: tuple[str, ...], score: float) -> None:
        if len(phrase) == 1 and _HAN.search(phrase[0]):
            self._add_chinese(ref, phrase[0], score, "")
        elif phrase:
            key = tuple(sorted(set(phrase)))
            self._phrases[key][ref] = max(score, self._phrases[key].get(ref, 0.0))

    def _add_comment(self, ref: Ref, phrases: Iterable[str], noun: str) -> None:
        """The first part of a comment, and its head before a preposition, where they are short enough to be names."""
        for phrase in phrases:
            part, *others = _SEPARATORS.split(phrase)
            if _HAN.search(phrase):
                for each in [part, *(others if ref[1] < 0 else ())]:
                    self._add_chinese(ref, each.strip(), _COMMENT, noun)
                continue
            for said in (part, _PREPOSITION.split(part)[0]):
                found = [words.stem(word) for word in re.findall(r"[^\W_]+", said.lower())]
                name = tuple(word for word in found if word not in GLUE)
                if 0 < len(name) <= _LONGEST_COMMENT:
                    core = tuple(word for word in name if word not in _GENERIC)
                    self._add(ref, name, _COMMENT)
                    if core != name:
                        self._add(ref, core, _COMMENT * _CORE)
                    if len(name) > 1 and name[-1] not in _GENERIC:
                        self._add(ref, name[-1:], _COMMENT * _LAST)

    def _add_chinese(self, ref: Ref, name: str, score: float, noun: str) -> None:
        """A Chinese name, also without the table's noun before it and without a generic ending."""
        forms = {name: score}
        for ending in _CHINESE_GENERIC:
            if name.endswith(ending) and len(name) - len(ending) >= 2:
                forms.setdefault(name.removesuffix(ending), score * (_OWN if ref[1] < 0 else _CORE))
        if noun and name.startswith(noun) and len(name) - len(noun) >= 2:
            forms.setdefault(name.removeprefix(noun), score * _OWN)
        if noun and not name.startswith(noun):
            forms.setdefault(noun + name, score)
        for form, weight in forms.items():
            if len(form) > 1:
                self.chinese[form][ref] = max(weight, self.chinese[form].get(ref, 0.0))

    @staticmethod
    def _chinese_noun(phrases: Iterable[str]) -> str:
        """The noun of a table's Chinese name, without a generic ending."""
        for phrase in phrases:
            part = _SEPARATORS.split(phrase)[0].strip()
            if _HAN.search(part):
                ending = next((end for end in _CHINESE_GENERIC if part.endswith(end) and len(part) - len(end) >= 2), "")
                return part.removesuffix(ending)
        return ""


def root(stem: str) -> str:
    """The word without an ending that makes nouns of verbs: payment is pay, booking book, writer writ as write is."""
    ending = next((end for end in _ENDINGS if stem.endswith(end) and len(stem) - len(end) >= _SHORTEST_ROOT), "")
    base = stem.removesuffix(ending)
    return base.rstrip("e") if len(base.rstrip("e")) > _SHORTEST_ROOT else base


def _likeness(stem: str, word: str) -> float:
    likeness = words.word_similarity(stem, word)
    same_root = root(stem) == root(word) and len(root(word)) >= _SHORTEST_ROOT
    return max(likeness, _ROOT if same_root else 0.0)


def _assignment(phrase: Sequence[str], similar: Sequence[dict[str, float]]) -> float:
    """The mean likeness of the best pairing of the phrase's words with those of a question; 0 if one has no pair."""
    rest, total = list(phrase), 0.0
    for options in sorted(similar, key=len):
        best = max((word for word in rest if word in options), key=lambda word: options[word], default=None)
        if best is None:
            return 0.0
        total += options[best]
        rest.remove(best)
    return total / len(phrase) if not rest else 0.0


def spans(length: int, longest: int) -> Iterator[tuple[int, int]]:
    """All spans of so many tokens at most."""
    for start in range(length):
        for end in range(start + 1, min(length, start + longest) + 1):
            yield start, end
