"""Relations in Chinese: words that say a relation, and the noun phrases before and after them.

Clauses of a sentence share a subject, and a sentence without one goes on with that of the sentence before it.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm.graph.host.extraction_result import Found, Mention
from pg_llm.graph.host.relation_types import Relation, Trigger
from pg_llm.models.engine import Word

_NAMES = ("PER", "LOC", "ORG")
_NOUNS = (*_NAMES, "n", "nr", "ns", "nt", "nw", "nz")
# What stands inside a noun phrase, or makes one where the lexer sees no noun.
_INNER = ("vn", "an", "a")
_ENDS = "。！？!?；;\n"  # noqa: RUF001 - Chinese
_PAUSES = "，,：:"  # noqa: RUF001 - Chinese
_JOINTS = ("、", "和", "与", "及", "以及", "或", "或者", "跟", "同", "并", "/")
_DENIALS = (
    "不",
    "未",
    "无",
    "没",
    "没有",
    "否认",
    "排除",
    "未见",
    "并未",
    "并非",
    "从未",
    "不是",
    "未曾",
    "尚未",
    "非",
)
_DOERS = ("被", "由", "遭", "受", "为")
# Nouns for a while or a degree: no names, and none of theirs ends with one.
_WHILES = ("长期", "目前", "平时", "近期", "早期", "晚期", "既往", "今日", "当时", "同时", "现", "曾", "其", "本", "该")
_TAILS = ("病史", "治疗", "史")
_NUMBERED = re.compile(r"[\dA-Za-z一二三四五六七八九十]++[号型期级#]|[A-Za-z][A-Za-z0-9-]*+\d*+")
_LETTERS = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
# Characters of a verb that is rather a phrase: 润滑不足.
_WHOLE = 4
_BY_ROLE = 0.8
_SHARED = 0.9
_CARRIED = 0.8
_GUESSED = 0.7


def triggers(said: Sequence[str]) -> list[Trigger]:
    """Ways of saying a relation, as they stand."""
    return [Trigger("".join(text.split()), frozenset()) for text in said if text.strip()]


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Words that name something: numbers of the first and of the one after the last, and the place in the text."""

    first: int
    last: int
    start: int
    end: int
    # The kind of name in it, and whether there is any noun.
    kind: str
    noun: bool


class Chinese:
    """One text; `known` are types that the entity model can tell, `relations` None where any is welcome."""

    def __init__(self, text: str, given: Sequence[Mention], relations: list[Relation] | None, known: set[str]) -> None:
        self._text = text
        self._relations = relations
        self._known = known
        self._given = sorted(given, key=lambda mention: mention[1:3])
        self._row = 0
        # Who the text spoke of last, by the relation's types of a subject.
        self._last: dict[tuple[str, ...], Mention] = {}
        self.found = Found(self._given)

    def read(self, words: Sequence[Word]) -> None:
        """Find what a window says."""
        first = 0
        for number, word in enumerate(words):
            if (
                word.lemma in _ENDS
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
            self._open()
            return
        said = sorted(
            (match for relation in self._relations for match in self._said(relation)), key=lambda match: match[1:3]
        )
        telling = {number for _, first, last in said for number in range(first, last)}
        self._phrases = list(_phrases(words, telling))
        starts = sorted(start for _, start, _ in said)
        for relation, first, last in said:
            row = bisect.bisect_left(starts, last)
            self._tell(relation, first, last, starts[row] if row < len(starts) else len(words))
        for types in {relation.subject for relation in self._relations}:
            self._remember(types)

    def _remember(self, types: tuple[str, ...]) -> None:
        """Who a sentence speaks of may be who the next one does not name."""
        for phrase in self._phrases:
            if self._names(phrase, types) or (phrase.kind == "PER" and self._told(types)):
                mention = self._mention(phrase, types)
                if mention:
                    self._last[types] = mention
                    return

    def _entities(self, start: int, end: int) -> list[Mention]:
        """The given entities of a sentence."""
        while self._row < len(self._given) and self._given[self._row][1] < start:
            self._row += 1
        found = []
        for mention in self._given[self._row :]:
            if mention[1] >= end:
                break
            found.append(mention)
        return found

    def _said(self, relation: Relation) -> Iterator[tuple[Relation, int, int]]:
        """Where words say the relation: numbers of the first word and of the one after the last."""
        number = 0
        while number < len(self._words):
            best = 0
            for trigger in relation.triggers:
                length, last = 0, number
                while last < len(self._words) and length < len(trigger.text):
                    length += len(self._words[last].lemma)
                    last += 1
                together = "".join(word.lemma for word in self._words[number:last])
                if together.startswith(trigger.text) and last > best:
                    best = last
            if best:
                yield relation, number, best
                number = best
            else:
                number += 1

    def _tell(self, relation: Relation, first: int, last: int, after: int) -> None:
        """One place that says a relation: its objects, its subject."""
        clause = self._clause(first)
        if any(word.lemma in _DENIALS for word in self._words[max(clause, first - 4) : first]):
            return
        subject: Mention | None = None
        objects: list[_Phrase] = []
        for phrase in self._objects(last, after):
            if self._names(phrase, relation.subject) and not self._names(phrase, relation.object) and not objects:
                # 给予患者A阿司匹林
                subject = self._mention(phrase, relation.subject)
                continue
            objects.append(phrase)
        doer = self._doer(clause, first)
        if not objects and doer:
            # 肺炎由细菌引起
            before = [phrase for phrase in self._phrases if clause <= phrase.first and phrase.last < doer.first]
            ends = (
                self._mention(doer, relation.subject),
                self._mention(before[-1], relation.object) if before else None,
            )
            if ends[0] and ends[1]:
                self._relate(ends[0], relation, ends[1], first, last, 0.85)
            return
        share = 0.9
        if subject is None:
            subject, share = self._subject(relation, clause, first)
        if subject is None:
            return
        for phrase in objects:
            target = self._mention(phrase, relation.object)
            if target:
                self._relate(subject, relation, target, first, last, share)

    def _relate(
        self, subject: Mention, relation: Relation, target: Mention, first: int, last: int, share: float
    ) -> None:
        place = self._words[first].start, self._words[last - 1].end
        # A subject of another sentence is not part of the words that say it.
        apart = subject[1] < self._words[0].start
        self.found.relate(subject, relation.name, target, place, share * min(subject[3], target[3]), apart=apart)

    def _clause(self, number: int) -> int:
        """The first word of the clause."""
        while number > 0 and self._words[number - 1].lemma not in _PAUSES:
            number -= 1
        return number

    def _objects(self, last: int, after: int) -> Iterator[_Phrase]:
        """Noun phrases that follow, up to the next relation: the first, and those joined to it."""
        number = last
        if number < after and self._words[number].lemma in "：:":  # noqa: RUF001 - Chinese
            number += 1
        joined = True
        while number < after:
            word = self._words[number]
            phrase = next((each for each in self._phrases if each.first <= number < each.last), None)
            if phrase and phrase.last <= after:
                if not joined:
                    return
                yield phrase
                # What is given to somebody follows at once.
                joined = self._given_to(phrase)
                number = phrase.last
            elif word.lemma in _JOINTS:
                joined = True
                number += 1
            elif word.lemma in _PAUSES:
                if not self._only_nouns(number + 1):
                    return
                joined = True
                number += 1
            elif joined and word.pos != "w":
                number += 1
            else:
                return

    def _given_to(self, phrase: _Phrase) -> bool:
        return phrase.kind == "PER" or bool(_LETTERS.fullmatch(self._words[phrase.last - 1].lemma))

    def _only_nouns(self, number: int) -> bool:
        """Whether a clause is nothing but names: a list goes on there."""
        end = number
        while end < len(self._words) and self._words[end].lemma not in (*_PAUSES, *_ENDS):
            end += 1
        clause = self._words[number:end]
        return bool(clause) and all(word.pos in ("n", "nz", "xc") or word.lemma in _JOINTS for word in clause)

    def _doer(self, clause: int, first: int) -> _Phrase | None:
        """Who does it where that is said before the verb: after 被 or 由."""
        for phrase in self._phrases:
            if clause < phrase.first and phrase.last == first and self._words[phrase.first - 1].lemma in _DOERS:
                return phrase
        return None

    def _subject(self, relation: Relation, clause: int, first: int) -> tuple[Mention | None, float]:
        """Who it is said of: named by its type, a person, the clause's or the sentence's first noun, or as before."""
        before = [phrase for phrase in self._phrases if phrase.last <= first]
        told = [phrase for phrase in reversed(before) if self._names(phrase, relation.subject)]
        people = [phrase for phrase in before if phrase.kind == "PER"] if self._told(relation.subject) else []
        free = [phrase for phrase in before if not phrase.first or self._words[phrase.first - 1].pos != "p"]
        inside = [phrase for phrase in free if phrase.first >= clause]
        ways = [(told, 0.9), (people, 0.9)]
        if relation.subject not in self._last:
            ways += [(inside, 0.8), (free, _SHARED * 0.8)]
        for phrases, share in ways:
            for phrase in phrases:
                mention = self._mention(phrase, relation.subject)
                if mention and (share > 0.8 or phrase.noun or phrase.last == first):
                    return mention, share
        return self._last.get(relation.subject), _CARRIED

    def _told(self, types: Sequence[str]) -> bool:
        """Whether the entity model does not know one of the types, so that roles tell them."""
        return not types or any(kind not in self._known for kind in types)

    def _names(self, phrase: _Phrase, types: Sequence[str]) -> bool:
        """Whether a phrase is of a type by what it says or by the entity model."""
        text = self._text[phrase.start : phrase.end]
        return any(kind in text for kind in types) or any(mention[0] in types for mention in self._inside(phrase))

    def _inside(self, phrase: _Phrase) -> list[Mention]:
        return [mention for mention in self._mentions if mention[1] < phrase.end and phrase.start < mention[2]]

    def _mention(self, phrase: _Phrase, types: Sequence[str]) -> Mention | None:
        """The phrase as an entity of one of the types (none for any), if it can be one."""
        text = self._text[phrase.start : phrase.end]
        named = [kind for kind in types if kind in text]
        for mention in self._inside(phrase):
            if not types or (mention[0] in types and (not named or mention[2] - mention[1] >= len(text))):
                return mention
        told = [kind for kind in types if kind not in self._known]
        start = phrase.start
        if named and phrase.kind == "PER" and text.startswith(named[0]) and len(text) > len(named[0]):
            # 患者李四 is called 李四
            start += len(named[0])
        if named:
            return named[0], start, phrase.end, 0.9
        if told:
            return told[0], start, phrase.end, _BY_ROLE
        return types[0] if types else None, start, phrase.end, _GUESSED - 0.2

    def _open(self) -> None:
        """Names that a verb, or a noun that one is called, stands between."""
        for row, one in enumerate(self._mentions[:-1]):
            other = self._mentions[row + 1]
            if row + 2 < len(self._mentions) and self._text[other[2] : self._mentions[row + 2][1]] == "的":
                # In 北京的腾讯公司 the latter is meant.
                other = self._mentions[row + 2]
            between = [word for word in self._words if one[2] <= word.start and word.end <= other[1]]
            after = [word for word in self._words if word.start >= other[2]][:3]
            if any(word.lemma in (*_DENIALS, *_PAUSES) for word in between):
                continue
            verbs = [number for number, word in enumerate(between) if word.pos == "v" and word.lemma != "是"]
            if verbs:
                end = verbs[-1] + 1
                with_preposition = end < len(between) and between[end].pos == "p"
                self._connect(one, between[verbs[-1] : end + with_preposition], other)
            elif any(word.lemma == "是" for word in between):
                # 甲是乙的创始人
                self._connect(one, [word for word in after if word.pos == "n"][:1], other)
            elif any(word.pos == "p" for word in between):
                # 甲在乙工作
                self._connect(one, [word for word in after if word.pos == "v"][:1], other)

    def _connect(self, one: Mention, words: Sequence[Word], other: Mention) -> None:
        if words:
            place = min(one[1], words[0].start), max(other[2], words[-1].end)
            said = "".join(word.lemma for word in words)
            self.found.relate(one, said, other, place, 0.6 * min(one[3], other[3]))


def _phrases(words: Sequence[Word], telling: set[int]) -> Iterator[_Phrase]:
    """Neighbouring nouns, names and letters as one phrase; a person's name or a letter ends it."""
    first = 0
    while first < len(words):
        last = first
        kind = ""
        while last < len(words) and last not in telling and (_belongs(words[last]) or _is_kind(words, last)):
            word = words[last]
            if last > first and words[last - 1].end != word.start:
                break
            last += 1
            kind = word.pos if word.pos in _NAMES else kind
            if word.pos == "PER" or (last - first > 1 and _LETTERS.fullmatch(word.lemma)):
                break
        begin, end = first, last
        while end > begin and (words[end - 1].lemma in _WHILES or words[end - 1].lemma in _TAILS):
            end -= 1
        while begin < end and words[begin].lemma in _WHILES:
            begin += 1
        inside = words[begin:end]
        noun = any(word.pos in _NOUNS or _LETTERS.fullmatch(word.lemma) for word in inside)
        if noun or any(word.pos in ("vn", "an", "v") for word in inside):
            yield _Phrase(begin, end, words[begin].start, words[end - 1].end, kind, noun)
        first = max(last, first + 1)


def _is_kind(words: Sequence[Word], number: int) -> bool:
    """Whether a verb tells of what kind the noun after it is: 获得性肺炎."""
    following = words[number + 1] if number + 1 < len(words) else None
    return words[number].pos == "v" and following is not None and following.lemma.startswith("性")


def _belongs(word: Word) -> bool:
    if word.pos in _NOUNS or word.pos in _INNER:
        return True
    if word.pos == "v" and len(word.lemma) >= _WHOLE:
        return True
    return word.pos in ("xc", "m", "nx") and bool(_NUMBERED.fullmatch(word.lemma))
