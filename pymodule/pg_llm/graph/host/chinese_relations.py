"""Relation extraction from Chinese: trigger words of relation types, and the noun phrases before and after them.

Clauses of a sentence share a subject, and a sentence without one takes that of the sentence before it (zero anaphora).
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm.graph.host.extraction_result import ExtractionResult, Mention
from pg_llm.graph.host.relation_types import Relation, Trigger
from pg_llm.models.engine import Word

_NAME_TAGS = ("PER", "LOC", "ORG")
_NOUN_TAGS = (*_NAME_TAGS, "n", "nr", "ns", "nt", "nw", "nz")
# Tags inside a noun phrase, which may be all of it where the lexer sees no noun.
_MODIFIER_TAGS = ("vn", "an", "a")
_SENTENCE_ENDS = "。！？!?；;\n"  # noqa: RUF001 - Chinese
_CLAUSE_PUNCTUATION = "，,：:"  # noqa: RUF001 - Chinese
_CONJUNCTIONS = frozenset("、 和 与 及 以及 或 或者 跟 同 并 /".split())
_NEGATIONS = frozenset("不 未 无 没 没有 否认 排除 未见 并未 并非 从未 不是 未曾 尚未 非".split())
_OPEN_BREAKS = _NEGATIONS.union(_CLAUSE_PUNCTUATION)
_AGENT_MARKERS = frozenset("被 由 遭 受 为".split())
# Words for a time or a reference at either end of a noun phrase, and nouns at its end, which are not part of a name.
_ADVERBIALS = frozenset("长期 目前 平时 近期 早期 晚期 既往 今日 当时 同时 现 曾 其 本 该".split())
_SUFFIX_NOUNS = frozenset("病史 治疗 史".split())
_CODE = re.compile(r"[\dA-Za-z一二三四五六七八九十]++[号型期级#]|[A-Za-z][A-Za-z0-9-]*+\d*+")
_LATIN_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
# Characters from which a verb is rather a phrase: 润滑不足.
_MIN_PHRASE = 4
# Confidences of subjects and of types.
_TYPED_BY_RELATION = 0.8
_SUBJECT_OF_OTHER_CLAUSE = 0.9
_SUBJECT_OF_OTHER_SENTENCE = 0.8
_UNTYPED = 0.7


def triggers(phrases: Sequence[str]) -> list[Trigger]:
    """Triggers of phrases, which are matched as they are written."""
    return [Trigger("".join(phrase.split()), frozenset()) for phrase in phrases if phrase.strip()]


@dataclass(frozen=True, slots=True)
class _NounPhrase:
    """Words `first` to `last` (excluded) of a sentence, and their place in the text.

    `tag` is that of a name in the phrase, and `noun` whether there is any noun.
    """

    first: int
    last: int
    start: int
    end: int
    tag: str
    noun: bool


class ChineseRelationExtractor:
    """Extracts the relations of one text, window by window.

    `recognized` are the types that the entity model recognizes; for `relations` None any relation is extracted.
    """

    def __init__(
        self, text: str, given: Sequence[Mention], relations: list[Relation] | None, recognized: set[str]
    ) -> None:
        self._text = text
        self._relations = relations
        self._recognized = recognized
        self._given = sorted(given, key=lambda mention: mention[1:3])
        self._next_given = 0
        # The latest subject, by the domain of a relation.
        self._last_subject: dict[tuple[str, ...], Mention] = {}
        self.result = ExtractionResult(self._given)

    def read(self, words: Sequence[Word]) -> None:
        """Extract the relations of a window."""
        first = 0
        for number, word in enumerate(words):
            if (
                word.lemma in _SENTENCE_ENDS
                or number == len(words) - 1
                or "\n" in self._text[word.end : words[number + 1].start]
            ):
                self._sentence(words[first : number + 1])
                first = number + 1

    def _sentence(self, words: Sequence[Word]) -> None:
        if not words:
            return
        self._words = words
        self._mentions = self._entities(words[0].start, words[-1].end)
        if self._relations is None:
            self._extract_open()
            return
        matches = sorted(
            (match for relation in self._relations for match in self._trigger_matches(relation)),
            key=lambda match: match[1:3],
        )
        trigger_words = {number for _, first, last in matches for number in range(first, last)}
        self._phrases = list(_noun_phrases(words, trigger_words))
        starts = sorted(start for _, start, _ in matches)
        for relation, first, last in matches:
            position = bisect.bisect_left(starts, last)
            self._extract(relation, first, last, starts[position] if position < len(starts) else len(words))
        for types in {relation.subject for relation in self._relations}:
            self._remember_subject(types)

    def _remember_subject(self, types: tuple[str, ...]) -> None:
        """Keep the first phrase that can be a subject for sentences without one."""
        for phrase in self._phrases:
            if self._has_type(phrase, types) or (phrase.tag == "PER" and self._is_unrecognized(types)):
                mention = self._mention(phrase, types)
                if mention:
                    self._last_subject[types] = mention
                    return

    def _entities(self, start: int, end: int) -> list[Mention]:
        """The given entities between two positions."""
        while self._next_given < len(self._given) and self._given[self._next_given][1] < start:
            self._next_given += 1
        entities = []
        for mention in self._given[self._next_given :]:
            if mention[1] >= end:
                break
            entities.append(mention)
        return entities

    def _trigger_matches(self, relation: Relation) -> Iterator[tuple[Relation, int, int]]:
        """The words that match a trigger of the relation, the longest first: first word, and last one excluded."""
        number = 0
        while number < len(self._words):
            longest = 0
            for trigger in relation.triggers:
                length, last = 0, number
                while last < len(self._words) and length < len(trigger.text):
                    length += len(self._words[last].lemma)
                    last += 1
                text = "".join(word.lemma for word in self._words[number:last])
                if text.startswith(trigger.text) and last > longest:
                    longest = last
            if longest:
                yield relation, number, longest
                number = longest
            else:
                number += 1

    def _extract(self, relation: Relation, first: int, last: int, next_trigger: int) -> None:
        """Add the relations that one match of a trigger states, with its objects and its subject."""
        clause = self._clause_start(first)
        if any(word.lemma in _NEGATIONS for word in self._words[max(clause, first - 4) : first]):
            return
        subject: Mention | None = None
        objects: list[_NounPhrase] = []
        for phrase in self._objects(last, next_trigger):
            if self._has_type(phrase, relation.subject) and not self._has_type(phrase, relation.object) and not objects:
                # 给予患者A阿司匹林
                subject = self._mention(phrase, relation.subject)
                continue
            objects.append(phrase)
        agent = self._agent(clause, first)
        if not objects and agent:
            # 肺炎由细菌引起
            before = [phrase for phrase in self._phrases if clause <= phrase.first and phrase.last < agent.first]
            subject = self._mention(agent, relation.subject)
            object_ = self._mention(before[-1], relation.object) if before else None
            if subject and object_:
                self._add(subject, relation, object_, first, last, 0.85)
            return
        confidence = 0.9
        if subject is None:
            subject, confidence = self._subject(relation, clause, first)
        if subject is None:
            return
        for phrase in objects:
            object_ = self._mention(phrase, relation.object)
            if object_:
                self._add(subject, relation, object_, first, last, confidence)

    def _add(
        self, subject: Mention, relation: Relation, object_: Mention, first: int, last: int, confidence: float
    ) -> None:
        span = self._words[first].start, self._words[last - 1].end
        score = confidence * min(subject[3], object_[3])
        elsewhere = subject[1] < self._words[0].start
        self.result.add_relation(subject, relation.name, object_, span, score, subject_elsewhere=elsewhere)

    def _clause_start(self, number: int) -> int:
        """The first word of the clause."""
        while number > 0 and self._words[number - 1].lemma not in _CLAUSE_PUNCTUATION:
            number -= 1
        return number

    def _objects(self, last: int, next_trigger: int) -> Iterator[_NounPhrase]:
        """The noun phrases after a trigger, up to the next one: the first, and those that are coordinated with it."""
        number = last
        if number < next_trigger and self._words[number].lemma in "：:":  # noqa: RUF001 - Chinese
            number += 1
        coordinated = True
        while number < next_trigger:
            word = self._words[number]
            phrase = next((each for each in self._phrases if each.first <= number < each.last), None)
            if phrase and phrase.last <= next_trigger:
                if not coordinated:
                    return
                yield phrase
                # An indirect object is followed by the direct one.
                coordinated = self._is_indirect_object(phrase)
                number = phrase.last
            elif word.lemma in _CONJUNCTIONS:
                coordinated = True
                number += 1
            elif word.lemma in _CLAUSE_PUNCTUATION:
                if not self._is_list(number + 1):
                    return
                coordinated = True
                number += 1
            elif coordinated and word.pos != "w":
                number += 1
            else:
                return

    def _is_indirect_object(self, phrase: _NounPhrase) -> bool:
        return phrase.tag == "PER" or bool(_LATIN_WORD.fullmatch(self._words[phrase.last - 1].lemma))

    def _is_list(self, number: int) -> bool:
        """Whether a clause has nothing but nouns, and so continues a list."""
        end = number
        while end < len(self._words) and self._words[end].lemma not in (*_CLAUSE_PUNCTUATION, *_SENTENCE_ENDS):
            end += 1
        clause = self._words[number:end]
        return bool(clause) and all(word.pos in ("n", "nz", "xc") or word.lemma in _CONJUNCTIONS for word in clause)

    def _agent(self, clause: int, first: int) -> _NounPhrase | None:
        """The agent before a passive verb, after 被 or 由."""
        for phrase in self._phrases:
            if clause < phrase.first and phrase.last == first and self._words[phrase.first - 1].lemma in _AGENT_MARKERS:
                return phrase
        return None

    def _subject(self, relation: Relation, clause: int, first: int) -> tuple[Mention | None, float]:
        """The subject and its confidence: a phrase of its type, a person, a free noun phrase, or the latest subject."""
        before = [phrase for phrase in self._phrases if phrase.last <= first]
        typed = [phrase for phrase in reversed(before) if self._has_type(phrase, relation.subject)]
        people = [phrase for phrase in before if phrase.tag == "PER"] if self._is_unrecognized(relation.subject) else []
        free = [phrase for phrase in before if not phrase.first or self._words[phrase.first - 1].pos != "p"]
        in_clause = [phrase for phrase in free if phrase.first >= clause]
        candidates = [(typed, 0.9), (people, 0.9)]
        if relation.subject not in self._last_subject:
            candidates += [(in_clause, 0.8), (free, _SUBJECT_OF_OTHER_CLAUSE * 0.8)]
        for phrases, confidence in candidates:
            for phrase in phrases:
                mention = self._mention(phrase, relation.subject)
                if mention and (confidence > 0.8 or phrase.noun or phrase.last == first):
                    return mention, confidence
        return self._last_subject.get(relation.subject), _SUBJECT_OF_OTHER_SENTENCE

    def _is_unrecognized(self, types: Sequence[str]) -> bool:
        """Whether the entity model does not recognize one of the types, so that relations give them."""
        return not types or any(type_ not in self._recognized for type_ in types)

    def _has_type(self, phrase: _NounPhrase, types: Sequence[str]) -> bool:
        """Whether a phrase is of one of the types by its words or by the entity model."""
        text = self._text[phrase.start : phrase.end]
        return any(type_ in text for type_ in types) or any(
            mention[0] in types for mention in self._entities_in(phrase)
        )

    def _entities_in(self, phrase: _NounPhrase) -> list[Mention]:
        return [mention for mention in self._mentions if mention[1] < phrase.end and phrase.start < mention[2]]

    def _mention(self, phrase: _NounPhrase, types: Sequence[str]) -> Mention | None:
        """The phrase as an entity of one of the types (empty for any type), if it can be one."""
        text = self._text[phrase.start : phrase.end]
        mentioned = [type_ for type_ in types if type_ in text]
        for mention in self._entities_in(phrase):
            if not types or (mention[0] in types and (not mentioned or mention[2] - mention[1] >= len(text))):
                return mention
        unrecognized = [type_ for type_ in types if type_ not in self._recognized]
        start = phrase.start
        if mentioned and phrase.tag == "PER" and text.startswith(mentioned[0]) and len(text) > len(mentioned[0]):
            # The name of 患者李四 is 李四.
            start += len(mentioned[0])
        if mentioned:
            return mentioned[0], start, phrase.end, 0.9
        if unrecognized:
            return unrecognized[0], start, phrase.end, _TYPED_BY_RELATION
        return types[0] if types else None, start, phrase.end, _UNTYPED - 0.2

    def _extract_open(self) -> None:
        """Add a relation between neighbouring entities with a verb between them, or with a noun that describes one."""
        for position, one in enumerate(self._mentions[:-1]):
            other, *following = self._mentions[position + 1 : position + 3]
            if following and self._text[other[2] : following[0][1]] == "的":
                # In 北京的腾讯公司 the second entity is the head.
                other = following[0]
            between = [word for word in self._words if one[2] <= word.start and word.end <= other[1]]
            after = [word for word in self._words if word.start >= other[2]][:3]
            if any(word.lemma in _OPEN_BREAKS for word in between):
                continue
            verbs = [number for number, word in enumerate(between) if word.pos == "v" and word.lemma != "是"]
            if verbs:
                end = verbs[-1] + 1
                with_preposition = end < len(between) and between[end].pos == "p"
                self._add_open(one, between[verbs[-1] : end + with_preposition], other)
            elif any(word.lemma == "是" for word in between):
                # 甲是乙的创始人
                self._add_open(one, [word for word in after if word.pos == "n"][:1], other)
            elif any(word.pos == "p" for word in between):
                # 甲在乙工作
                self._add_open(one, [word for word in after if word.pos == "v"][:1], other)

    def _add_open(self, one: Mention, words: Sequence[Word], other: Mention) -> None:
        if words:
            span = min(one[1], words[0].start), max(other[2], words[-1].end)
            predicate = "".join(word.lemma for word in words)
            self.result.add_relation(one, predicate, other, span, 0.6 * min(one[3], other[3]))


def _noun_phrases(words: Sequence[Word], trigger_words: set[int]) -> Iterator[_NounPhrase]:
    """Adjacent nouns, names and Latin words make one phrase; a person's name or a Latin word ends it."""
    first = 0
    while first < len(words):
        last = first
        tag = ""
        while (
            last < len(words)
            and last not in trigger_words
            and (_is_nominal(words[last]) or _is_prefix_of_kind(words, last))
        ):
            word = words[last]
            if last > first and words[last - 1].end != word.start:
                break
            last += 1
            tag = word.pos if word.pos in _NAME_TAGS else tag
            if word.pos == "PER" or (last - first > 1 and _LATIN_WORD.fullmatch(word.lemma)):
                break
        begin, end = first, last
        while end > begin and (words[end - 1].lemma in _ADVERBIALS or words[end - 1].lemma in _SUFFIX_NOUNS):
            end -= 1
        while begin < end and words[begin].lemma in _ADVERBIALS:
            begin += 1
        inside = words[begin:end]
        noun = any(word.pos in _NOUN_TAGS or _LATIN_WORD.fullmatch(word.lemma) for word in inside)
        if noun or any(word.pos in ("vn", "an", "v") for word in inside):
            yield _NounPhrase(begin, end, words[begin].start, words[end - 1].end, tag, noun)
        first = max(last, first + 1)


def _is_prefix_of_kind(words: Sequence[Word], number: int) -> bool:
    """Whether a verb and the suffix 性 after it modify a noun: 获得性肺炎."""
    following = words[number + 1] if number + 1 < len(words) else None
    return words[number].pos == "v" and following is not None and following.lemma.startswith("性")


def _is_nominal(word: Word) -> bool:
    if word.pos in _NOUN_TAGS or word.pos in _MODIFIER_TAGS:
        return True
    if word.pos == "v" and len(word.lemma) >= _MIN_PHRASE:
        return True
    return word.pos in ("xc", "m", "nx") and bool(_CODE.fullmatch(word.lemma))
