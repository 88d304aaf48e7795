"""What a dependency parse says: who does what to whom, as triples of word numbers.

Relations between words are those of ClearNLP's scheme, which spaCy's English pipelines use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm.models.engine import Word

_NOMINAL = ("NOUN", "PROPN", "PRON", "NUM", "X", "SYM")
_PRONOUNS = ("who", "which", "that", "whom")
# What belongs to a noun's name, when it stands before it.
_MODIFIERS = ("compound", "amod", "nmod", "nummod", "quantmod", "punct", "npadvmod", "advmod")
_SILENT = (
    "be",
    "have",
    "do",
    "will",
    "would",
    "can",
    "could",
    "may",
    "might",
    "shall",
    "should",
    "must",
    "the",
    "a",
    "an",
)
_JOINTS = ("-", "–", "/", ".")  # noqa: RUF001 - a dash
_LONGEST_NAME = 8
_MOST_JOINED = 20
# How far subjects are looked for above a verb that has none.
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class Triple:
    """Subject and object as they stand; `words` say what is between them.

    `passive` is true where the subject is what something is done to, and the object is not who does it.
    """

    subject: int
    object: int
    words: tuple[int, ...]
    phrase: str
    score: float
    passive: bool = False
    # Whether a preposition leads to the object; whether the subject is what "by" led to.
    leads: bool = False
    agent: bool = False


class Tree:
    """A window's words and who depends on whom."""

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
        way = []
        while self.sentence[number] < 0 and self.words[number].head != number:
            way.append(number)
            number = self.words[number].head
        root = number if self.sentence[number] < 0 else self.sentence[number]
        for each in (*way, number):
            self.sentence[each] = root

    def of(self, number: int, *relations: str) -> list[int]:
        """The word's children of these relations."""
        return [child for child in self.children[number] if self.words[child].relation in relations]

    def and_more(self, number: int) -> Iterator[int]:
        """The word and those that are joined to it by conjunctions, so many that no list makes work without end."""
        waiting = [number]
        for _ in range(_MOST_JOINED):
            if not waiting:
                return
            each = waiting.pop(0)
            yield each
            waiting.extend(self.of(each, "conj"))

    def negated(self, number: int) -> bool:
        """Whether the word is denied: by 'not', 'no', 'never' or the like."""
        return bool(self.of(number, "neg")) or any(self.words[child].lemma == "no" for child in self.children[number])

    def name(self, number: int) -> tuple[int, int]:
        """The first and the last word of the noun phrase without what follows its head, its article or its owner."""
        first = number
        while first > 0 and number - first < _LONGEST_NAME and self._belongs(first - 1, first, number):
            first -= 1
        while first < number and self.words[first].pos in ("PUNCT", "ADV"):
            first += 1
        return first, number

    def _belongs(self, word: int, first: int, last: int) -> bool:
        """Whether a word that stands before the others is a modifier of one of them."""
        for _ in range(_DEEPEST):
            its = self.words[word]
            if its.relation not in _MODIFIERS or (its.pos == "PUNCT" and its.lemma not in _JOINTS):
                return False
            if first <= its.head <= last:
                return True
            word = its.head
        return False

    def path(self, one: int, other: int) -> list[int]:
        """The words on the way from one to the other through the tree, both included; none between sentences."""
        ups = [self._up(one), self._up(other)]
        shared = next((each for each in ups[0] if each in set(ups[1])), None)
        if shared is None:
            return []
        left, right = ups[0][: ups[0].index(shared) + 1], ups[1][: ups[1].index(shared)]
        return left + right[::-1]

    def _up(self, number: int) -> list[int]:
        found = [number]
        while self.words[number].head != number:
            number = self.words[number].head
            found.append(number)
        return found


def triples(tree: Tree) -> list[Triple]:
    """All triples of a window; whether their ends are names is for others to say."""
    found: list[Triple] = []
    for number, word in enumerate(tree.words):
        if word.pos in ("VERB", "AUX") and word.relation not in ("aux", "auxpass"):
            found.extend(_of_verb(tree, number))
        elif word.pos in ("NOUN", "PROPN", "ADJ"):
            found.extend(_of_noun(tree, number))
    return found


def meaning(tree: Tree, numbers: Sequence[int]) -> str:
    """The base forms of some words without those that say nothing, in the order of the text."""
    lemmas = [tree.words[number].lemma.lower() for number in sorted(set(numbers))]
    return " ".join(lemma for lemma in lemmas if lemma not in _SILENT) or " ".join(lemmas[:1])


def _of_verb(tree: Tree, verb: int) -> Iterator[Triple]:
    if tree.negated(verb):
        return
    own = (verb, *tree.of(verb, "prt"))
    subjects = [(each, passive) for first, passive in _subjects(tree, verb) for each in tree.and_more(first)]
    for subject, passive in subjects:
        share = 0.9 if tree.words[subject].relation != "conj" else 0.85
        for target, leading, agent, between in _objects(tree, verb):
            for each in tree.and_more(target):
                if each == subject or tree.negated(each):
                    continue
                words = (*own, *between, *leading)
                score = share - (0.05 if tree.words[each].relation == "conj" else 0) - (0.1 if between else 0)
                if agent and passive:
                    yield Triple(each, subject, own, meaning(tree, own), score, agent=True)
                elif not agent:
                    yield Triple(subject, each, words, meaning(tree, words), score, passive, bool(leading))
    yield from _instruments(tree, verb)
    if tree.words[verb].lemma == "be":
        for attribute in tree.of(verb, "attr", "acomp"):
            for each in tree.and_more(attribute):
                for subject, _ in subjects:
                    yield from _described(tree, subject, each, 0.9)


def _instruments(tree: Tree, verb: int) -> Iterator[Triple]:
    """Somebody treats pneumonia with penicillin: what the passive would say of the two."""
    for child in tree.of(verb, "dobj"):
        for target, leading in (*_led(tree, verb), *_led(tree, child)):
            if tree.words[leading[0]].lemma == "with":
                for one in tree.and_more(child):
                    for other in tree.and_more(target):
                        words = (verb, *leading)
                        yield Triple(one, other, words, meaning(tree, words), 0.8, True, True)


def _described(tree: Tree, subject: int, noun: int, score: float) -> Iterator[Triple]:
    """What follows from somebody being called a noun: 'leader of the party', 'Germany's chancellor'."""
    if tree.negated(noun):
        return
    for target, leading in _led(tree, noun):
        for each in tree.and_more(target):
            if each != subject:
                yield Triple(subject, each, (noun, *leading), meaning(tree, (noun, *leading)), score, leads=True)
    for owner in tree.of(noun, "poss", "compound", "nmod"):
        if tree.words[owner].pos in ("PROPN", "NOUN") and owner != subject:
            yield Triple(subject, owner, (noun,), meaning(tree, (noun,)) + " of", score - 0.1, leads=True)


def _of_noun(tree: Tree, noun: int) -> Iterator[Triple]:
    for other in tree.of(noun, "appos"):
        yield from _described(tree, noun, other, 0.8)
        yield from _described(tree, other, noun, 0.75)
    owners = tree.of(noun, "poss")
    for title in tree.of(noun, "compound"):
        # Germany's chancellor Angela Merkel
        if tree.words[title].pos == "NOUN":
            for owner in (*owners, *tree.of(title, "poss")):
                yield Triple(noun, owner, (title,), meaning(tree, (title,)) + " of", 0.75, leads=True)
    led = list(_led(tree, noun))
    ends = [(owner, (), "poss") for owner in owners] + [
        (each, leading, tree.words[leading[0]].lemma) for target, leading in led for each in tree.and_more(target)
    ]
    # Google's acquisition of YouTube, the headquarters of Siemens in Munich
    for position, (one, _, how) in enumerate(ends):
        for other, leading, other_how in ends[position + 1 :]:
            if how == other_how and how != "poss":
                continue
            if other_how == "by" and how == "of":
                yield Triple(other, one, (noun,), meaning(tree, (noun,)) + " of", 0.7, agent=True)
            else:
                words = (noun, *leading)
                yield Triple(one, other, words, meaning(tree, words), 0.65, how == "of" and other_how == "with", True)
    for target, leading in led:
        for each in tree.and_more(target):
            yield Triple(noun, each, leading, meaning(tree, leading), 0.5, leads=True)


def _subjects(tree: Tree, verb: int, depth: int = 0) -> list[tuple[int, bool]]:
    """Who does it, or to whom it is done (true), of a verb; taken from above where it has no subject of its own."""
    word = tree.words[verb]
    own = [(child, tree.words[child].relation == "nsubjpass") for child in tree.of(verb, "nsubj", "nsubjpass")]
    named = [
        (_antecedent(tree, verb) if tree.words[child].lemma.lower() in _PRONOUNS else child, passive)
        for child, passive in own
    ]
    if named:
        return [(subject, passive) for subject, passive in named if subject is not None]
    if depth == _DEEPEST or word.head == verb:
        return []
    passive = bool(tree.of(verb, "auxpass")) or (word.tag == "VBN" and not tree.of(verb, "aux"))
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


def _antecedent(tree: Tree, verb: int) -> int | None:
    """The noun that a relative clause describes."""
    for _ in range(_DEEPEST):
        word = tree.words[verb]
        if word.relation == "relcl":
            return word.head
        if word.relation != "conj":
            return None
        verb = word.head
    return None


def _objects(tree: Tree, verb: int) -> Iterator[tuple[int, tuple[int, ...], bool, tuple[int, ...]]]:
    """What a verb leads to: the word, the prepositions before it, whether it is who does it, the noun between."""
    for child in tree.of(verb, "dobj", "attr", "oprd", "dative", "obj"):
        if tree.words[child].pos == "ADP":
            for target in tree.of(child, "pobj"):
                yield target, (child,), False, ()
            continue
        meant = _antecedent(tree, verb) if tree.words[child].lemma.lower() in _PRONOUNS else child
        if meant is None:
            continue
        yield meant, (), False, ()
        if tree.words[verb].lemma != "be":
            # has its headquarters in Munich, holds a stake in Porsche
            for further, leading in _led(tree, child):
                yield further, leading, False, (child,)
    for target, leading in _led(tree, verb):
        yield target, leading, tree.words[leading[0]].relation == "agent", ()
    for child in tree.of(verb, "acomp"):
        for target, leading in _led(tree, child):
            yield target, leading, False, (child,)


def _led(tree: Tree, number: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """What prepositions of a word lead to, with these."""
    waiting: list[tuple[int, ...]] = [(child,) for child in tree.of(number, "prep", "agent")]
    while waiting:
        leading = waiting.pop(0)
        for child in tree.children[leading[-1]]:
            word = tree.words[child]
            if word.relation == "pobj":
                yield child, leading
            elif word.relation in ("prep", "pcomp") and word.pos in ("ADP", "SCONJ") and len(leading) < _DEEPEST:
                waiting.append((*leading, child))
