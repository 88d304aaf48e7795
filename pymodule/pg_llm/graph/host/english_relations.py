"""Relation extraction from English: triples of a dependency parse are matched with the triggers of relation types.

Where a trigger of a relation occurs, the noun phrases at its ends become entities of the types of its domain and range,
even if the entity model does not recognize them.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence

from pg_llm.graph.host.dependency_triples import DependencyTree, Triple, phrase, triples
from pg_llm.graph.host.extraction_result import ExtractionResult, Mention
from pg_llm.graph.host.relation_types import AGENT_PREPOSITIONS, Relation, Trigger
from pg_llm.graph.host.stemming import stem
from pg_llm.models.engine import ParsingEngine, Word
from pg_llm.tasks import batching

_STOP_STEMS = frozenset(map(stem, "be is are was were been being has have had a an the to of it".split()))
_NOUN_TAGS = ("NOUN", "PROPN", "X", "NUM", "SYM")
_NON_NAME_TAGS = ("CCONJ", "SCONJ", "VERB", "AUX")
_PUNCTUATION = (".", ",", ";", ":")
_NOUN_PHRASE_TAGS = ("NOUN", "PROPN", "X", "NUM", "ADJ")
# Words, and entities, between two entities of one sentence for which a relation is looked for at most.
_MAX_WORDS_BETWEEN = 40
_MAX_ENTITIES_BETWEEN = 10
_MAX_PATH = 7
_MAX_NAME_WORDS = 8
_MAX_PHRASE = 8
# Confidences: of a noun phrase that has its type from a relation, of a relation on a dependency path, of one in words.
_TYPED_BY_RELATION = 0.8
_BY_PATH = 0.6
_BY_WORDS = 0.45


def triggers(model: ParsingEngine, phrases: Sequence[str]) -> list[Trigger]:
    """Triggers of phrases, which are parsed after a subject so that verbs are recognized."""
    windows = [window for text in model.parse([f"It {phrase}" for phrase in phrases]) for window in text[:1]]
    parsed = batching.forward(model.forward, windows, model.batch_tokens, lambda: None)
    return [_trigger(text, words[1:]) for text, words in zip(phrases, parsed, strict=True)]


def _trigger(text: str, words: Sequence[Word]) -> Trigger:
    stems = {stem(word.lemma) for word in words if word.pos != "PUNCT"} or {stem(text)}
    content = frozenset(stems - _STOP_STEMS) or frozenset(stems)
    last = words[-1] if words else None
    prepositional = last is not None and last.pos in ("ADP", "SCONJ", "PART") and len(words) > 1
    passive_by = last is not None and last.lemma.lower() == "by" and len(words) > 1
    inflected = any(word.lemma.lower() == "be" for word in words[:1]) or any(
        word.tag in ("VBN", "VBD") and word.lemma.lower() != "be" for word in words
    )
    return Trigger(
        text.lower(), content - ({stem("by")} if passive_by else set()), prepositional, passive_by, inflected
    )


class EnglishRelationExtractor:
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
        # Words that are triggers by themselves.
        self._single_stems = {
            next(iter(trigger.stems))
            for relation in relations or ()
            for trigger in relation.triggers
            if len(trigger.stems) == 1 and not trigger.prepositional
        }
        self._types = {type_ for relation in relations or () for type_ in (*relation.subject, *relation.object)}
        # Types of names from relations with one type for an end; relations that leave a choice of types use them.
        self._type_of_name: dict[str, str] = {}
        self.result = ExtractionResult(self._given)

    def read(self, words: Sequence[Word]) -> None:
        """Extract the relations of a window."""
        if not words:
            return
        self._tree = DependencyTree(words)
        # By word the entity that it is part of.
        self._entity_of: list[Mention | None] = self._entities(words)
        open_triples = [*triples(self._tree), *self._titles()]
        if self._relations is None:
            self._extract_open(open_triples)
            return
        # Relations with the words that have been used as their triggers.
        self._used: set[tuple[str, int]] = set()
        # Relations that leave no choice of types come first.
        for relation in sorted(self._relations, key=lambda each: max(len(each.subject), len(each.object)) > 1):
            self._match_triples(relation, open_triples)
            self._match_adjacent(relation)
        self._match_remaining(open_triples)

    def _trim(self, mention: Mention, words: Sequence[Word], first: int, last: int) -> Mention:
        """The entity without a full stop, an "and" or a verb that the entity model included at its end."""
        while last - first > 1 and self._is_outside_name(words[last - 1]):
            last -= 1
        start, end = mention[1], min(mention[2], words[last - 1].end)
        if (start, end) == mention[1:3]:
            return mention
        trimmed = (mention[0], start, end, mention[3])
        self.result.replace_entity(mention, trimmed)
        return trimmed

    def _is_outside_name(self, word: Word) -> bool:
        text = self._text[word.start : word.end]
        return text in _PUNCTUATION or (text.islower() and (word.pos in _NON_NAME_TAGS or self._is_trigger(word)))

    def _is_trigger(self, word: Word) -> bool:
        """Whether a word is a trigger by itself and no part of a name."""
        return word.pos != "PROPN" and stem(word.lemma) in self._single_stems

    def _entities(self, words: Sequence[Word]) -> list[Mention | None]:
        """For each word the given entity that it is part of."""
        entities: list[Mention | None] = [None] * len(words)
        first = 0
        while self._next_given < len(self._given) and self._given[self._next_given][2] <= words[0].start:
            self._next_given += 1
        for mention in self._given[self._next_given :]:
            if mention[1] >= words[-1].end:
                break
            while first < len(words) and words[first].end <= mention[1]:
                first += 1
            last = first
            while last < len(words) and words[last].start < mention[2]:
                last += 1
            if last > first:
                mention = self._trim(mention, words, first, last)
                for number in range(first, last):
                    if words[number].start < mention[2] and words[number].end > mention[1]:
                        entities[number] = entities[number] or mention
        return entities

    def _extract_open(self, open_triples: Sequence[Triple]) -> None:
        """Add every triple between entities, with its phrase as the predicate."""
        for triple in open_triples:
            one, other = self._entity(triple.subject), self._entity(triple.object)
            if one and other and one != other and triple.phrase:
                score = triple.score * min(one[3], other[3])
                self.result.add_relation(one, triple.phrase, other, self._span(triple), score)

    def _entity(self, number: int) -> Mention | None:
        """The entity that a word is part of, or that of its apposition."""
        if self._entity_of[number]:
            return self._entity_of[number]
        word = self._tree.words[number]
        if word.pos == "PROPN":
            return None
        appositions = [*self._tree.dependents(number, "appos"), *([word.head] if word.relation == "appos" else [])]
        return next((self._entity_of[each] for each in appositions if self._entity_of[each]), None)

    def _titles(self) -> list[Triple]:
        """Triples of two entities with a title between them, as in "Apple CEO Tim Cook"."""
        titles = []
        heads = self._entity_heads()
        for (one, first), (other, second) in itertools.pairwise(heads):
            between = [number for number in range(first + 1, second) if not self._entity_of[number]]
            same = all(self._entity_of[number] in (one, other, None) for number in range(first + 1, second))
            nouns = all(self._tree.words[number].pos in ("NOUN", "PROPN") for number in between)
            if between and len(between) < 3 and same and nouns:
                words = tuple(between)
                label = phrase(self._tree, words) + " of"
                titles.append(Triple(second, first, words, label, 0.7, prepositional=True))
        return titles

    def _span(self, triple: Triple) -> tuple[int, int]:
        numbers = (triple.subject, triple.object, *triple.words)
        words = self._tree.words
        return min(words[number].start for number in numbers), max(words[number].end for number in numbers)

    def _match_triples(self, relation: Relation, open_triples: Sequence[Triple]) -> None:
        """Add the triples whose words are a trigger of the relation; of the triples of one verb the best matches."""
        groups: dict[int, list[tuple[float, bool, Triple]]] = defaultdict(list)
        for triple in open_triples:
            best = max(
                (self._match_quality(trigger, triple) for trigger in relation.triggers), key=lambda match: match[0]
            )
            if best[0]:
                groups[triple.words[0]].append((*best, triple))
        for matches in groups.values():
            typed = []
            for quality, reversed_, triple in matches:
                one, other = (triple.object, triple.subject) if reversed_ else (triple.subject, triple.object)
                subject, object_ = self._end(one, relation.subject), self._end(other, relation.object)
                if subject and object_:
                    typed.append((quality, reversed_ and not triple.agent, subject, object_, triple))
            if not typed:
                continue
            best_quality = max(quality for quality, *_ in typed)
            # In "the doctor treats pneumonia with penicillin" the instrument is the subject, and not the doctor.
            has_instrument = any(instrument for _, instrument, *_ in typed)
            for quality, instrument, subject, object_, triple in typed:
                if quality == best_quality and (instrument or not has_instrument or triple.agent):
                    score = triple.score * quality * min(subject[3], object_[3])
                    self._used.update((relation.name, number) for number in triple.words)
                    self.result.add_relation(subject, relation.name, object_, self._span(triple), score)

    def _match_quality(self, trigger: Trigger, triple: Triple) -> tuple[float, bool]:
        """How well the words of a triple match a trigger, 0 for not at all, and whether its ends are reversed."""
        words = [self._tree.words[number] for number in triple.words]
        stems = [{stem(word.lemma), stem(self._text[word.start : word.end])} for word in words]
        if not trigger.stems <= set().union(*stems):
            return 0.0, False
        if trigger.passive_by:
            return (1.0, True) if triple.agent else (0.0, False)
        extra = sum(not (forms & _STOP_STEMS or forms & trigger.stems) for forms in stems)
        preposition = words[-1].lemma.lower() if triple.prepositional else ""
        is_active = not trigger.prepositional and not trigger.inflected
        if triple.passive and preposition in AGENT_PREPOSITIONS and is_active:
            return 1.0, True
        if triple.passive and is_active and len(trigger.stems) < 2:
            return (0.7, False) if preposition else (0.0, False)
        return max(0.3, 1.0 - 0.15 * extra), False

    def _end(self, number: int, types: Sequence[str]) -> Mention | None:
        """The entity at an end of a relation, if it can be of one of the types (empty for any type)."""
        entity = self._entity(number)
        if entity and (not types or entity[0] in types):
            return entity
        word = self._tree.words[number]
        if word.pos not in _NOUN_TAGS or (entity and entity[0] in self._recognized and entity[3] >= 0.5):
            return None
        return self._typed_by_relation(*self._noun_phrase(number), types)

    def _noun_phrase(self, number: int) -> tuple[int, int]:
        """The first and the last word of the noun phrase of a noun, without a trigger at its end."""
        words = self._tree.words
        first, last = self._tree.noun_phrase(number)
        while last > first and self._is_trigger(words[last]):
            last -= 1
        # Parkinson's disease
        possessor = first - 2
        is_genitive = possessor >= 0 and words[first - 1].relation == "case" and words[possessor].pos == "PROPN"
        if is_genitive and not self._entity_of[possessor]:
            first = self._tree.noun_phrase(possessor)[0]
        return first, last

    def _typed_by_relation(self, first: int, last: int, types: Sequence[str]) -> Mention | None:
        """A noun phrase as an entity of one of the types of a relation, if it can be one."""
        start, end = self._tree.words[first].start, self._tree.words[last].end
        text = self._text[start:end].lower()
        mentioned = [type_ for type_ in self._types if type_.lower() in text.split()]
        if mentioned and types and not set(mentioned) & set(types):
            return None
        unrecognized = [type_ for type_ in types if type_ not in self._recognized]
        if not unrecognized:
            # The entity model recognizes such entities and found none here: only a proper noun can still be one.
            if types and self._tree.words[last].pos != "PROPN":
                return None
            return (types[0] if types else None, start, end, _TYPED_BY_RELATION - 0.2)
        if len(types) == 1:
            self._type_of_name.setdefault(text, types[0])
        likely = [type_ for type_ in unrecognized if type_ in mentioned or type_ == self._type_of_name.get(text)]
        return ((likely or unrecognized)[0], start, end, _TYPED_BY_RELATION)

    def _match_adjacent(self, relation: Relation) -> None:
        """Add relations whose trigger stands between two noun phrases, where the parse has no such triple."""
        words = self._tree.words
        for number in range(1, len(words) - 1):
            if (relation.name, number) in self._used or self._tree.is_negated(number):
                continue
            for trigger in relation.triggers:
                size = len(trigger.text.split())
                stems = frozenset(stem(word.lemma) for word in words[number : number + size])
                if trigger.passive_by or not trigger.stems <= stems or number + size >= len(words):
                    continue
                subject = self._adjacent_phrase(number - 1, -1, relation.subject)
                object_ = self._adjacent_phrase(number + size, 1, relation.object)
                if subject and object_:
                    span = words[number].start, words[number + size - 1].end
                    self._used.update((relation.name, each) for each in range(number, number + size))
                    score = _BY_PATH * min(subject[3], object_[3])
                    self.result.add_relation(subject, relation.name, object_, span, score)

    def _adjacent_phrase(self, number: int, step: int, types: Sequence[str]) -> Mention | None:
        """The noun phrase that begins at a word, or with step -1 ends there, as an entity of one of the types."""
        words = self._tree.words
        if step > 0 and words[number].pos == "DET" and number + 1 < len(words):
            number += 1
        entity = self._entity_of[number]
        if entity and (not types or entity[0] in types):
            return entity
        last = number
        while 0 <= last < len(words) and abs(last - number) < _MAX_NAME_WORDS:
            # A wrong parse may take the noun after a verb for another verb.
            misparsed = step > 0 and last == number and words[last].tag in ("VB", "VBP")
            if words[last].pos not in _NOUN_PHRASE_TAGS and not misparsed:
                break
            last += step
        if last == number:
            return None
        ends = sorted((number, last - step))
        if words[ends[1]].pos not in _NOUN_TAGS:
            return None
        return self._typed_by_relation(ends[0], ends[1], types)

    def _match_remaining(self, open_triples: Sequence[Triple]) -> None:
        """Add relations of entities that no triple relates: by their dependency path or the words between them."""
        triple_of = {(triple.subject, triple.object): triple for triple in open_triples}
        heads = self._entity_heads()
        for position, (one, first) in enumerate(heads):
            for other, second in heads[position + 1 : position + 1 + _MAX_ENTITIES_BETWEEN]:
                is_near = second - first <= _MAX_WORDS_BETWEEN
                if not is_near or self._tree.sentence[first] != self._tree.sentence[second]:
                    break
                if not self.result.are_related(one, other):
                    self._match_pair(one, first, other, second, triple_of)

    def _entity_heads(self) -> list[tuple[Mention, int]]:
        """The entities of the window in order, each with its syntactic head."""
        heads: dict[Mention, int] = {}
        for number, mention in enumerate(self._entity_of):
            if mention and (mention not in heads or self._entity_of[self._tree.words[number].head] != mention):
                heads[mention] = number
        return sorted(heads.items(), key=lambda item: item[1])

    def _match_pair(
        self, one: Mention, first: int, other: Mention, second: int, triple_of: dict[tuple[int, int], Triple]
    ) -> None:
        """Add the relations whose trigger connects two entities, or an open question where there are none."""
        assert self._relations is not None
        candidates = [
            (relation, reversed_)
            for relation in self._relations
            for reversed_ in (False, True)
            if (relation.fits(other[0], one[0]) if reversed_ else relation.fits(one[0], other[0]))
        ]
        if not candidates:
            return
        path = self._tree.path(first, second)
        inner = [number for number in path if self._entity_of[number] not in (one, other)]
        if any(self._tree.is_negated(number) for number in inner):
            return
        has_agent = any(self._tree.words[number].relation == "agent" for number in inner)
        between = [number for number in range(first + 1, second) if not self._entity_of[number]]
        span = min(one[1], other[1]), max(one[2], other[2])
        for relation, reversed_ in candidates:
            on_path = self._unused_stems(relation, inner if len(path) <= _MAX_PATH else ())
            in_between = self._unused_stems(relation, between if len(between) <= _MAX_PHRASE else ())
            ends = (other, one) if reversed_ else (one, other)
            # Where both directions are possible, the passive voice tells which one is meant.
            symmetric = relation.fits(other[0], one[0]) and relation.fits(one[0], other[0])
            for trigger in relation.triggers:
                by_path = trigger.stems <= on_path
                if not by_path and not trigger.stems <= in_between:
                    continue
                if not symmetric or reversed_ == (has_agent != trigger.passive_by):
                    score = min(one[3], other[3]) * (_BY_PATH if by_path else _BY_WORDS)
                    self.result.add_relation(ends[0], relation.name, ends[1], span, score)
        if not self.result.are_related(one, other):
            names = [(relation.name, reversed_) for relation, reversed_ in candidates]
            self._ask(one, other, names, between, triple_of.get((first, second)), triple_of.get((second, first)))

    def _unused_stems(self, relation: Relation, numbers: Sequence[int]) -> set[str]:
        """The stems of those words that have not been used as a trigger of the relation."""
        return {stem(self._tree.words[number].lemma) for number in numbers if (relation.name, number) not in self._used}

    def _ask(
        self,
        one: Mention,
        other: Mention,
        candidates: list[tuple[str, bool]],
        between: Sequence[int],
        forward: Triple | None,
        backward: Triple | None,
    ) -> None:
        """Add an open question with the phrase of a triple of the two entities, or with the words between them."""
        confidence = min(one[3], other[3])
        if forward:
            self.result.add_open_question(one, other, forward.phrase, confidence * _BY_PATH, candidates)
        elif backward:
            candidates = [(name, not reversed_) for name, reversed_ in candidates]
            self.result.add_open_question(other, one, backward.phrase, confidence * _BY_PATH, candidates)
        elif between and len(between) <= _MAX_PHRASE:
            text = " ".join(self._tree.words[number].lemma.lower() for number in between)
            self.result.add_open_question(one, other, text, confidence * _BY_WORDS, candidates)
