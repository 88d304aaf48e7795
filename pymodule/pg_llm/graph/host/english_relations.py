"""Relations in English: triples of a parse, matched with the relations that are asked for.

Where a relation names the types of its ends and its words are there, the noun phrase at an end becomes an entity of
that type, whether or not the entity model knows of it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence

from pg_llm.graph.host.dependency_triples import Tree, Triple, meaning, triples
from pg_llm.graph.host.extraction_result import Found, Mention
from pg_llm.graph.host.relation_types import MEANS, Relation, Trigger
from pg_llm.graph.host.stemming import stem
from pg_llm.models.engine import ParsingEngine, Word
from pg_llm.tasks import batching

_SAYS_NOTHING = frozenset(
    map(
        stem,
        ("be", "is", "are", "was", "were", "been", "being", "has", "have", "had", "a", "an", "the", "to", "of", "it"),
    )
)
_NOUNS = ("NOUN", "PROPN", "X", "NUM", "SYM")
_OUTSIDE = ("CCONJ", "SCONJ", "VERB", "AUX")
_STOPS = (".", ",", ";", ":")
_NOUN_PHRASE = ("NOUN", "PROPN", "X", "NUM", "ADJ")
# Words between two entities, and entities between them, at which a connection is no longer looked for.
_FAR = 40
_NEXT = 10
_LONGEST_PATH = 7
_LONGEST_NAME = 8
_LONGEST_BETWEEN = 8
# How sure it is that a noun phrase is what a relation wants at its end, and a path or mere words a relation.
_BY_ROLE = 0.8
_BY_PATH = 0.6
_BY_WORDS = 0.45


def triggers(model: ParsingEngine, said: Sequence[str]) -> list[Trigger]:
    """Ways of saying a relation, their words by their base forms."""
    windows = [window for found in model.parse([f"It {text}" for text in said]) for window in found[:1]]
    parsed = batching.forward(model.forward, windows, model.batch_tokens, lambda: None)
    return [_trigger(text, words[1:]) for text, words in zip(said, parsed, strict=True)]


def _trigger(text: str, words: Sequence[Word]) -> Trigger:
    stems = {stem(word.lemma) for word in words if word.pos != "PUNCT"} or {stem(text)}
    strong = frozenset(stems - _SAYS_NOTHING) or frozenset(stems)
    last = words[-1] if words else None
    leads = last is not None and last.pos in ("ADP", "SCONJ", "PART") and len(words) > 1
    by = last is not None and last.lemma.lower() == "by" and len(words) > 1
    bent = any(word.lemma.lower() == "be" for word in words[:1]) or any(
        word.tag in ("VBN", "VBD") and word.lemma.lower() != "be" for word in words
    )
    return Trigger(text.lower(), strong - ({stem("by")} if by else set()), leads, by, bent)


class English:
    """One text; `known` are types that the entity model can tell, `relations` None where any is welcome."""

    def __init__(self, text: str, given: Sequence[Mention], relations: list[Relation] | None, known: set[str]) -> None:
        self._text = text
        self._relations = relations
        self._known = known
        self._given = sorted(given, key=lambda mention: mention[1:3])
        self._row = 0
        self._telling = {
            next(iter(trigger.stems))
            for relation in relations or ()
            for trigger in relation.triggers
            if len(trigger.stems) == 1 and not trigger.leads
        }
        self._types = {kind for relation in relations or () for kind in (*relation.subject, *relation.object)}
        # What a relation with one type for an end has said of a name, for relations that leave a choice.
        self._called: dict[str, str] = {}
        self.found = Found(self._given)

    def read(self, words: Sequence[Word]) -> None:
        """Find what a window says."""
        if not words:
            return
        self._tree = Tree(words)
        self._at: list[Mention | None] = self._entities(words)
        said = triples(self._tree)
        if self._relations is None:
            self._all([*said, *self._titles()])
            return
        said = [*said, *self._titles()]
        self._spent: set[tuple[str, int]] = set()
        # Those that leave no choice of types first.
        for relation in sorted(self._relations, key=lambda each: max(len(each.subject), len(each.object)) > 1):
            self._matched(relation, said)
            self._beside(relation)
        self._between_given(said)

    def _trimmed(self, mention: Mention, words: Sequence[Word], first: int, last: int) -> Mention:
        """The entity without a full stop, an "and" or a verb that it took along at its end."""
        while last - first > 1 and self._took_along(words[last - 1]):
            last -= 1
        start, end = mention[1], min(mention[2], words[last - 1].end)
        if (start, end) == mention[1:3]:
            return mention
        better = (mention[0], start, end, mention[3])
        self.found.replace(mention, better)
        return better

    def _took_along(self, word: Word) -> bool:
        text = self._text[word.start : word.end]
        return text in _STOPS or (text.islower() and (word.pos in _OUTSIDE or self._says(word)))

    def _says(self, word: Word) -> bool:
        """Whether a word alone says one of the relations, in a form that is no name's."""
        return word.pos != "PROPN" and stem(word.lemma) in self._telling

    def _entities(self, words: Sequence[Word]) -> list[Mention | None]:
        """The given entity that each word is in."""
        found: list[Mention | None] = [None] * len(words)
        row = 0
        while self._row < len(self._given) and self._given[self._row][2] <= words[0].start:
            self._row += 1
        for mention in self._given[self._row :]:
            if mention[1] >= words[-1].end:
                break
            while row < len(words) and words[row].end <= mention[1]:
                row += 1
            inside = row
            while inside < len(words) and words[inside].start < mention[2]:
                inside += 1
            if inside > row:
                mention = self._trimmed(mention, words, row, inside)
                for number in range(row, inside):
                    if words[number].start < mention[2] and words[number].end > mention[1]:
                        found[number] = found[number] or mention
        return found

    def _all(self, said: Sequence[Triple]) -> None:
        """Every triple between entities, under the words that say it."""
        for triple in said:
            one, other = self._entity(triple.subject), self._entity(triple.object)
            if one and other and one != other and triple.phrase:
                self.found.relate(one, triple.phrase, other, self._place(triple), triple.score * min(one[3], other[3]))

    def _entity(self, number: int) -> Mention | None:
        """The entity that a word stands for: its own, or that of the name beside it."""
        if self._at[number]:
            return self._at[number]
        word = self._tree.words[number]
        if word.pos == "PROPN":
            return None
        beside = [*self._tree.of(number, "appos"), *([word.head] if word.relation == "appos" else [])]
        return next((self._at[each] for each in beside if self._at[each]), None)

    def _titles(self) -> list[Triple]:
        """Apple CEO Tim Cook."""
        found = []
        heads = self._heads()
        for (one, first), (other, second) in itertools.pairwise(heads):
            between = [number for number in range(first + 1, second) if not self._at[number]]
            same = all(self._at[number] in (one, other, None) for number in range(first + 1, second))
            nouns = all(self._tree.words[number].pos in ("NOUN", "PROPN") for number in between)
            if between and len(between) < 3 and same and nouns:
                words = tuple(between)
                found.append(Triple(second, first, words, meaning(self._tree, words) + " of", 0.7, leads=True))
        return found

    def _place(self, triple: Triple) -> tuple[int, int]:
        numbers = (triple.subject, triple.object, *triple.words)
        words = self._tree.words
        return min(words[number].start for number in numbers), max(words[number].end for number in numbers)

    def _matched(self, relation: Relation, said: Sequence[Triple]) -> None:
        """Triples whose words are the relation's; of one verb's the ones that fit best."""
        groups: dict[int, list[tuple[float, bool, Triple]]] = defaultdict(list)
        for triple in said:
            best = max((self._fit(trigger, triple) for trigger in relation.triggers), key=lambda fit: fit[0])
            if best[0]:
                groups[triple.words[0]].append((*best, triple))
        for matches in groups.values():
            ends = []
            for quality, turned, triple in matches:
                one, other = (triple.object, triple.subject) if turned else (triple.subject, triple.object)
                subject, target = self._end(one, relation.subject), self._end(other, relation.object)
                if subject and target:
                    ends.append((quality, turned and not triple.agent, subject, target, triple))
            if not ends:
                continue
            most = max(quality for quality, *_ in ends)
            # Who treats with something is not what treats.
            means = any(turned for _, turned, *_ in ends)
            for quality, turned, subject, target, triple in ends:
                if quality == most and (turned or not means or triple.agent):
                    sure = triple.score * quality * min(subject[3], target[3])
                    self._spent.update((relation.name, number) for number in triple.words)
                    self.found.relate(subject, relation.name, target, self._place(triple), sure)

    def _fit(self, trigger: Trigger, triple: Triple) -> tuple[float, bool]:
        """How well a triple's words are a trigger's, 0 for not at all; whether its ends are to be changed over."""
        words = [self._tree.words[number] for number in triple.words]
        stems = [{stem(word.lemma), stem(self._text[word.start : word.end])} for word in words]
        flat = set().union(*stems)
        if not trigger.stems <= flat:
            return 0.0, False
        if trigger.by:
            return (1.0, True) if triple.agent else (0.0, False)
        content = [its for its in stems if not its & _SAYS_NOTHING]
        extra = sum(not its & trigger.stems for its in content)
        leading = words[-1].lemma.lower() if triple.leads else ""
        if triple.passive and leading in MEANS and not trigger.leads and not trigger.bent:
            return 1.0, True
        if triple.passive and not trigger.leads and not trigger.bent and len(trigger.stems) < 2:
            return (0.7, False) if leading else (0.0, False)
        return max(0.3, 1.0 - 0.15 * extra), False

    def _end(self, number: int, types: Sequence[str]) -> Mention | None:
        """What stands at an end of a relation, if it can be of one of the types (none for any)."""
        entity = self._entity(number)
        if entity and (not types or entity[0] in types):
            return entity
        word = self._tree.words[number]
        if word.pos not in _NOUNS or (entity and entity[0] in self._known and self._sure(entity)):
            return None
        first, last = self._name(number)
        return self._by_role(first, last, types)

    def _name(self, number: int) -> tuple[int, int]:
        """The first and the last word of what a noun names."""
        words = self._tree.words
        first, last = self._tree.name(number)
        while last > first and self._says(words[last]):
            last -= 1
        # Parkinson's disease
        owner = first - 2
        if owner >= 0 and words[first - 1].relation == "case" and words[owner].pos == "PROPN" and not self._at[owner]:
            first = self._tree.name(owner)[0]
        return first, last

    def _by_role(self, first: int, last: int, types: Sequence[str]) -> Mention | None:
        """A noun phrase as an entity of one of the types, if it can be one."""
        start, end = self._tree.words[first].start, self._tree.words[last].end
        text = self._text[start:end].lower()
        said = [kind for kind in self._types if kind.lower() in text.split()]
        if said and types and not set(said) & set(types):
            return None
        told = [kind for kind in types if kind not in self._known]
        if not told:
            # The entity model knows such things and did not see one here: only a name can still be one.
            if types and self._tree.words[last].pos != "PROPN":
                return None
            return (types[0] if types else None, start, end, _BY_ROLE - 0.2)
        if len(types) == 1:
            self._called.setdefault(text, types[0])
        called = [kind for kind in told if kind in said or kind == self._called.get(text)]
        return ((called or told)[0], start, end, _BY_ROLE)

    def _beside(self, relation: Relation) -> None:
        """The relation's words between two noun phrases, where the parse took them for something else."""
        words = self._tree.words
        for number in range(1, len(words) - 1):
            if (relation.name, number) in self._spent or self._tree.negated(number):
                continue
            for trigger in relation.triggers:
                size = len(trigger.text.split())
                said = frozenset(stem(word.lemma) for word in words[number : number + size])
                if trigger.by or not trigger.stems <= said or number + size >= len(words):
                    continue
                subject, target = (
                    self._run(number - 1, -1, relation.subject),
                    self._run(number + size, 1, relation.object),
                )
                if subject and target:
                    place = words[number].start, words[number + size - 1].end
                    self._spent.update((relation.name, each) for each in range(number, number + size))
                    self.found.relate(subject, relation.name, target, place, _BY_PATH * min(subject[3], target[3]))

    def _run(self, number: int, step: int, types: Sequence[str]) -> Mention | None:
        """The noun phrase that ends, or begins, beside a word."""
        words = self._tree.words
        if step > 0 and words[number].pos == "DET" and number + 1 < len(words):
            number += 1
        entity = self._at[number]
        if entity and (not types or entity[0] in types):
            return entity
        last = number
        while 0 <= last < len(words) and abs(last - number) < _LONGEST_NAME:
            # Where the parse went wrong, the word after a verb may be taken for another one.
            verb = step > 0 and last == number and words[last].tag in ("VB", "VBP")
            if words[last].pos not in _NOUN_PHRASE and not verb:
                break
            last += step
        if last == number:
            return None
        ends = sorted((number, last - step))
        if words[ends[1]].pos not in _NOUNS:
            return None
        return self._by_role(ends[0], ends[1], types)

    def _sure(self, entity: Mention) -> bool:
        return entity[3] >= 0.5

    def _between_given(self, said: Sequence[Triple]) -> None:
        """Entities whose connection no triple has told: the way through the tree, the words between them."""
        phrases = {(triple.subject, triple.object): triple for triple in said}
        heads = self._heads()
        for row, (one, first) in enumerate(heads):
            for other, second in heads[row + 1 : row + 1 + _NEXT]:
                if second - first > _FAR or self._tree.sentence[first] != self._tree.sentence[second]:
                    break
                if not self.found.related(one, other):
                    self._connect(one, first, other, second, phrases)

    def _heads(self) -> list[tuple[Mention, int]]:
        """The entities of the window in order, each with the word that the others of it depend on."""
        found: dict[Mention, int] = {}
        for number, mention in enumerate(self._at):
            if mention and (mention not in found or self._at[self._tree.words[number].head] != mention):
                found[mention] = number
        return sorted(found.items(), key=lambda item: item[1])

    def _connect(
        self, one: Mention, first: int, other: Mention, second: int, phrases: dict[tuple[int, int], Triple]
    ) -> None:
        assert self._relations is not None
        able = [
            (relation, turned)
            for relation in self._relations
            for turned in (False, True)
            if (relation.fits(other[0], one[0]) if turned else relation.fits(one[0], other[0]))
        ]
        if not able:
            return
        words = self._tree.words
        path = self._tree.path(first, second)
        inner = [number for number in path if self._at[number] not in (one, other)]
        stems = {number: stem(words[number].lemma) for number in inner if len(path) <= _LONGEST_PATH}
        agent = any(words[number].relation == "agent" for number in inner)
        negated = any(self._tree.negated(number) for number in inner)
        if negated:
            return
        between = [number for number in range(first + 1, second) if not self._at[number]]
        near = {number: stem(words[number].lemma) for number in between if len(between) <= _LONGEST_BETWEEN}
        sure = min(one[3], other[3])
        place = min(one[1], other[1]), max(one[2], other[2])
        for relation, turned in able:
            free = {its for number, its in stems.items() if (relation.name, number) not in self._spent}
            beside = {its for number, its in near.items() if (relation.name, number) not in self._spent}
            for trigger in relation.triggers:
                by_path = trigger.stems <= free
                if not by_path and not trigger.stems <= beside:
                    continue
                backwards = (agent and not trigger.by) or (trigger.by and not agent)
                both = relation.fits(other[0], one[0]) and relation.fits(one[0], other[0])
                if both and turned != backwards:
                    continue
                ends = (other, one) if turned else (one, other)
                self.found.relate(ends[0], relation.name, ends[1], place, sure * (_BY_PATH if by_path else _BY_WORDS))
        if not self.found.related(one, other):
            forward, back = phrases.get((first, second)), phrases.get((second, first))
            names = [(relation.name, turned) for relation, turned in able]
            if forward or back:
                triple = forward or back
                assert triple is not None
                phrase = triple.phrase
                if back and not forward:
                    one, other = other, one
                    names = [(name, not turned) for name, turned in names]
                self.found.ask(one, other, phrase, sure * _BY_PATH, names)
            elif between and len(between) <= _LONGEST_BETWEEN:
                said = " ".join(words[number].lemma.lower() for number in between)
                self.found.ask(one, other, said, sure * _BY_WORDS, names)
