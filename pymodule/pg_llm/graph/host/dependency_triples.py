"""Open information extraction from a dependency parse: triples of subject, words of the relation and object.

Words are given by their numbers in the window; dependency relations are those of ClearNLP's scheme, which spaCy's
English pipelines use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm.models.engine import Word

_NOMINAL = ("NOUN", "PROPN", "PRON", "NUM", "X", "SYM")
_RELATIVE_PRONOUNS = ("who", "which", "that", "whom")
# Dependents before a noun that are part of its name.
_NAME_MODIFIERS = ("compound", "amod", "nmod", "nummod", "quantmod", "punct", "npadvmod", "advmod")
_AUXILIARIES_AND_ARTICLES = frozenset("be have do will would can could may might shall should must the a an".split())
_NAME_PUNCTUATION = ("-", "–", "/", ".")  # noqa: RUF001 - a dash
_MAX_NAME_WORDS = 8
_MAX_CONJUNCTS = 20
# Steps up or down the tree that a search takes at most.
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Triple:
    """A triple of the parse; `words` are those of the relation, and `phrase` their base forms.

    `passive`: the subject undergoes the action, and the object is not its agent; `prepositional`: a preposition leads
    to the object; `agent`: the subject is the agent that "by" introduces.
    """

    subject: int
    object: int
    words: tuple[int, ...]
    phrase: str
    score: float
    passive: bool = False
    prepositional: bool = False
    agent: bool = False


class DependencyTree:
    """The words of a window and their dependents; `sentence` has the root of each word."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = words
        self.children: list[list[int]] = [[] for _ in words]
        for number, word in enumerate(words):
            if word.head != number:
                self.children[word.head].append(number)
        self.sentence = [-1] * len(words)
        for number in range(len(words)):
            self._find_root(number)

    def _find_root(self, number: int) -> None:
        path = []
        while self.sentence[number] < 0 and self.words[number].head != number:
            path.append(number)
            number = self.words[number].head
        root = number if self.sentence[number] < 0 else self.sentence[number]
        for word in (*path, number):
            self.sentence[word] = root

    def dependents(self, number: int, *relations: str) -> list[int]:
        """The dependents of a word with these relations."""
        return [child for child in self.children[number] if self.words[child].relation in relations]

    def conjuncts(self, number: int) -> Iterator[int]:
        """A word and those that are coordinated with it, up to a number that bounds the work for a long list."""
        queue = [number]
        for _ in range(_MAX_CONJUNCTS):
            if not queue:
                return
            conjunct = queue.pop(0)
            yield conjunct
            queue.extend(self.dependents(conjunct, "conj"))

    def is_negated(self, number: int) -> bool:
        """Whether the word has a negation such as 'not', 'no' or 'never'."""
        return bool(self.dependents(number, "neg")) or any(
            self.words[child].lemma == "no" for child in self.children[number]
        )

    def noun_phrase(self, number: int) -> tuple[int, int]:
        """The first and the last word of the noun phrase that ends with its head, without article and possessor."""
        first = number
        while first > 0 and number - first < _MAX_NAME_WORDS and self._belongs(first - 1, first, number):
            first -= 1
        while first < number and self.words[first].pos in ("PUNCT", "ADV"):
            first += 1
        return first, number

    def _belongs(self, word: int, first: int, last: int) -> bool:
        """Whether the word before a phrase modifies one of its words."""
        for _ in range(_MAX_DEPTH):
            modifier = self.words[word]
            is_punctuation = modifier.pos == "PUNCT" and modifier.lemma not in _NAME_PUNCTUATION
            if modifier.relation not in _NAME_MODIFIERS or is_punctuation:
                return False
            if first <= modifier.head <= last:
                return True
            word = modifier.head
        return False

    def path(self, one: int, other: int) -> list[int]:
        """The dependency path between two words, both included; empty for words of two sentences."""
        up, down = self._ancestors(one), self._ancestors(other)
        common = next((word for word in up if word in set(down)), None)
        if common is None:
            return []
        return up[: up.index(common) + 1] + down[: down.index(common)][::-1]

    def _ancestors(self, number: int) -> list[int]:
        """The word and all words above it."""
        ancestors = [number]
        while self.words[number].head != number:
            number = self.words[number].head
            ancestors.append(number)
        return ancestors


def triples(tree: DependencyTree) -> list[Triple]:
    """All triples of a window, whether or not their ends are entities."""
    result: list[Triple] = []
    for number, word in enumerate(tree.words):
        if word.pos in ("VERB", "AUX") and word.relation not in ("aux", "auxpass"):
            result.extend(_verb_triples(tree, number))
        elif word.pos in ("NOUN", "PROPN", "ADJ"):
            result.extend(_noun_triples(tree, number))
    return result


def phrase(tree: DependencyTree, numbers: Sequence[int]) -> str:
    """The base forms of words without auxiliaries and articles, in the order of the text."""
    lemmas = [tree.words[number].lemma.lower() for number in sorted(set(numbers))]
    return " ".join(lemma for lemma in lemmas if lemma not in _AUXILIARIES_AND_ARTICLES) or " ".join(lemmas[:1])


def _verb_triples(tree: DependencyTree, verb: int) -> Iterator[Triple]:
    if tree.is_negated(verb):
        return
    own = (verb, *tree.dependents(verb, "prt"))
    subjects = [(subject, passive) for first, passive in _subjects(tree, verb) for subject in tree.conjuncts(first)]
    for subject, passive in subjects:
        base = 0.9 if tree.words[subject].relation != "conj" else 0.85
        for first, prepositions, agent, nouns in _objects(tree, verb):
            for object_ in tree.conjuncts(first):
                if object_ == subject or tree.is_negated(object_):
                    continue
                words = (*own, *nouns, *prepositions)
                score = base - (0.05 if tree.words[object_].relation == "conj" else 0) - (0.1 if nouns else 0)
                if agent and passive:
                    yield Triple(object_, subject, own, phrase(tree, own), score, agent=True)
                elif not agent:
                    yield Triple(subject, object_, words, phrase(tree, words), score, passive, bool(prepositions))
    yield from _instruments(tree, verb)
    if tree.words[verb].lemma == "be":
        for attribute in tree.dependents(verb, "attr", "acomp"):
            for noun in tree.conjuncts(attribute):
                for subject, _ in subjects:
                    yield from _predications(tree, subject, noun, 0.9)


def _instruments(tree: DependencyTree, verb: int) -> Iterator[Triple]:
    """Object and instrument of a verb, as in the passive: of "treats pneumonia with penicillin" these two."""
    for direct_object in tree.dependents(verb, "dobj"):
        phrases = (*_prepositional_objects(tree, verb), *_prepositional_objects(tree, direct_object))
        for instrument, prepositions in phrases:
            if tree.words[prepositions[0]].lemma == "with":
                for one in tree.conjuncts(direct_object):
                    for other in tree.conjuncts(instrument):
                        words = (verb, *prepositions)
                        yield Triple(one, other, words, phrase(tree, words), 0.8, True, True)


def _predications(tree: DependencyTree, subject: int, noun: int, score: float) -> Iterator[Triple]:
    """Triples of a subject that a noun describes: 'leader of the party', 'Germany's chancellor'."""
    if tree.is_negated(noun):
        return
    for first, prepositions in _prepositional_objects(tree, noun):
        words = (noun, *prepositions)
        for object_ in tree.conjuncts(first):
            if object_ != subject:
                yield Triple(subject, object_, words, phrase(tree, words), score, prepositional=True)
    for possessor in tree.dependents(noun, "poss", "compound", "nmod"):
        if tree.words[possessor].pos in ("PROPN", "NOUN") and possessor != subject:
            yield Triple(subject, possessor, (noun,), phrase(tree, (noun,)) + " of", score - 0.1, prepositional=True)


def _noun_triples(tree: DependencyTree, noun: int) -> Iterator[Triple]:
    for apposition in tree.dependents(noun, "appos"):
        yield from _predications(tree, noun, apposition, 0.8)
        yield from _predications(tree, apposition, noun, 0.75)
    possessors = tree.dependents(noun, "poss")
    for title in tree.dependents(noun, "compound"):
        # Germany's chancellor Angela Merkel
        if tree.words[title].pos == "NOUN":
            for possessor in (*possessors, *tree.dependents(title, "poss")):
                yield Triple(noun, possessor, (title,), phrase(tree, (title,)) + " of", 0.75, prepositional=True)
    phrases = [
        (object_, prepositions)
        for first, prepositions in _prepositional_objects(tree, noun)
        for object_ in tree.conjuncts(first)
    ]
    yield from _nominalizations(tree, noun, possessors, phrases)
    for object_, prepositions in phrases:
        yield Triple(noun, object_, prepositions, phrase(tree, prepositions), 0.5, prepositional=True)


def _nominalizations(
    tree: DependencyTree, noun: int, possessors: Sequence[int], phrases: Sequence[tuple[int, tuple[int, ...]]]
) -> Iterator[Triple]:
    """Triples between the complements of a noun: "Google's acquisition of YouTube", "the base of Siemens in Munich"."""
    complements = [(possessor, (), "poss") for possessor in possessors] + [
        (object_, prepositions, tree.words[prepositions[0]].lemma) for object_, prepositions in phrases
    ]
    for position, (one, _, role) in enumerate(complements):
        for other, prepositions, other_role in complements[position + 1 :]:
            if role == other_role and role != "poss":
                continue
            if other_role == "by" and role == "of":
                yield Triple(other, one, (noun,), phrase(tree, (noun,)) + " of", 0.7, agent=True)
            else:
                words = (noun, *prepositions)
                passive = role == "of" and other_role == "with"
                yield Triple(one, other, words, phrase(tree, words), 0.65, passive, True)


def _subjects(tree: DependencyTree, verb: int, depth: int = 0) -> list[tuple[int, bool]]:
    """The subjects of a verb, each with whether it is passive; those of the verb above where it has none of its own."""
    word = tree.words[verb]
    own = [(child, tree.words[child].relation == "nsubjpass") for child in tree.dependents(verb, "nsubj", "nsubjpass")]
    resolved = [
        (_antecedent(tree, verb) if tree.words[child].lemma.lower() in _RELATIVE_PRONOUNS else child, passive)
        for child, passive in own
    ]
    if resolved:
        return [(subject, passive) for subject, passive in resolved if subject is not None]
    if depth == _MAX_DEPTH or word.head == verb:
        return []
    passive = bool(tree.dependents(verb, "auxpass")) or (word.tag == "VBN" and not tree.dependents(verb, "aux"))
    above = word.head
    if word.relation in ("acl", "relcl"):
        return [(above, passive)] if tree.words[above].pos in _NOMINAL else []
    if word.relation in ("conj", "xcomp", "advcl", "dep", "ccomp"):
        if word.relation in ("advcl", "ccomp") and word.tag not in ("VBG", "VBN"):
            return []
        return [(subject, passive) for subject, _ in _subjects(tree, above, depth + 1)]
    if word.relation == "pcomp":
        # used for treating
        top = tree.words[above].head
        if tree.words[top].pos in _NOMINAL:
            return [(top, False)]
        return [(subject, False) for subject, _ in _subjects(tree, top, depth + 1)]
    return []


def _antecedent(tree: DependencyTree, verb: int) -> int | None:
    """The noun that the relative clause of a verb modifies."""
    for _ in range(_MAX_DEPTH):
        word = tree.words[verb]
        if word.relation == "relcl":
            return word.head
        if word.relation != "conj":
            return None
        verb = word.head
    return None


def _objects(tree: DependencyTree, verb: int) -> Iterator[tuple[int, tuple[int, ...], bool, tuple[int, ...]]]:
    """The objects of a verb, each with its prepositions, whether it is the agent, and the noun that leads to it."""
    for child in tree.dependents(verb, "dobj", "attr", "oprd", "dative", "obj"):
        if tree.words[child].pos == "ADP":
            for object_ in tree.dependents(child, "pobj"):
                yield object_, (child,), False, ()
            continue
        object_or_none = _antecedent(tree, verb) if tree.words[child].lemma.lower() in _RELATIVE_PRONOUNS else child
        if object_or_none is None:
            continue
        yield object_or_none, (), False, ()
        if tree.words[verb].lemma != "be":
            # has its headquarters in Munich, holds a stake in Porsche
            for object_, prepositions in _prepositional_objects(tree, child):
                yield object_, prepositions, False, (child,)
    for object_, prepositions in _prepositional_objects(tree, verb):
        yield object_, prepositions, tree.words[prepositions[0]].relation == "agent", ()
    for complement in tree.dependents(verb, "acomp"):
        for object_, prepositions in _prepositional_objects(tree, complement):
            yield object_, prepositions, False, (complement,)


def _prepositional_objects(tree: DependencyTree, number: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The objects of the prepositions of a word, each with the chain of prepositions that leads to it."""
    queue: list[tuple[int, ...]] = [(child,) for child in tree.dependents(number, "prep", "agent")]
    while queue:
        prepositions = queue.pop(0)
        for child in tree.children[prepositions[-1]]:
            word = tree.words[child]
            is_preposition = word.relation in ("prep", "pcomp") and word.pos in ("ADP", "SCONJ")
            if word.relation == "pobj":
                yield child, prepositions
            elif is_preposition and len(prepositions) < _MAX_DEPTH:
                queue.append((*prepositions, child))
