"""Who does it and to whom it is done: a sentence that says it the other way round does not answer a question.

Vectors and words are the same for "Who sued Orlen?" and for what Orlen did. English tells the two by the order of its
words and by the passive voice (Jurafsky and Martin, Speech and Language Processing, on semantic roles), which is read
here by rules for the plainest forms. Where one of them does not fit, nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

_BE = frozenset("is are was were be been being gets got get".split())
_DO = frozenset("do does did".split())
_WHO = frozenset("who whom which what".split())
_ASKING = _WHO | frozenset("when where why how from to by for with in".split())
_DETERMINERS = frozenset("a an the his her its their this that these those some any".split())
_PRONOUNS = frozenset("he she it they".split())
_PREPOSITIONS = frozenset(
    "about after against as at before by during for from in into of off on out over to under until up with".split()
)
_CLOSED = _BE | _DO | _DETERMINERS | _PREPOSITIONS | _WHO
# Between a form of "to be" and its participle.
_BETWEEN = re.compile(r"not|never|also|later|then|soon|once|[a-z]+ly")
_WORD = re.compile(r"[^\W_]+(?:[-'’._/][^\W_]+)*|[,;:]")  # noqa: RUF001
_BREAKS = frozenset(",;:")
# Words of a question before what it asks of.
_MOST_BEFORE = 5
# Words that say what somebody is, before the name.
_MOST_TITLES = 2


class Role(Enum):
    """The part that somebody has in what is done."""

    AGENT = "agent"
    PATIENT = "patient"

    @property
    def other(self) -> Role:
        """The part of the other."""
        return Role.PATIENT if self is Role.AGENT else Role.AGENT


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question says is done, by one word, and the part in it of somebody, whom one of the names tells.

    Each name is some words in lower case; a later one counts where the earlier ones are not told once.
    """

    verb: str
    names: tuple[tuple[str, ...], ...]
    role: Role


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Whom a question names, by a name or by common words, and where the words about them end."""

    names: tuple[tuple[str, ...], ...]
    end: int
    is_name: bool


def read(question: str) -> Asked | None:
    """The parts that a question tells, or None for a question of another form."""
    words = _WORD.findall(question)
    if not words:
        return None
    lower = [word.lower() for word in words]
    return _object_question(words, lower) or _passive_question(words, lower) or _subject_question(words, lower)


def contradicts(asked: Asked, sentence: str, verbs: Collection[str]) -> bool:
    """Whether a sentence gives them the other part in what one of these words, in lower case, says is done.

    A pronoun stands for somebody in a sentence that names them not.
    """
    words = [word.lower() for word in _WORD.findall(sentence)]
    done = [place for place, word in enumerate(words) if word in verbs]
    pronouns = [(place, place) for place, word in enumerate(words) if word in _PRONOUNS]
    for named in (*(list(_places(words, name)) for name in asked.names), pronouns):
        if len(named) == 1 and len(done) == 1:
            return _role(words, *named[0], done[0]) is asked.role.other
    return False


def _places(words: Sequence[str], name: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where a name stands, from its first to its last word, but not where it says whose something is."""
    for start in range(len(words) - len(name) + 1):
        is_of = start > 0 and words[start - 1] == "of"
        if tuple(words[start : start + len(name)]) == name and not is_of:
            yield start, start + len(name) - 1


def _role(words: list[str], first: int, last: int, verb: int) -> Role | None:
    """The part of those words, or None where what stands between may be of something else."""
    between = words[last + 1 : verb] if last < verb else words[verb + 1 : first]
    if between[-1:] == [","] and first > verb:
        # What is said of somebody before the name: "his uncle, Orlen".
        between = between[:-1]
    is_aside = last < verb and between.count(",") == 2 and between[0] == between[-1] == "," and _WHO.isdisjoint(between)
    if not is_aside and not _BREAKS.isdisjoint(between):
        return None
    if _is_passive(words, verb):
        if last < verb:
            return Role.PATIENT
        return Role.AGENT if "by" in between else None
    return Role.AGENT if last < verb else Role.PATIENT


def _is_passive(words: list[str], verb: int) -> bool:
    place = verb - 1
    while place >= 0 and _BETWEEN.fullmatch(words[place]):
        place -= 1
    return (place >= 0 and words[place] in _BE) or words[verb + 1 : verb + 2] == ["by"]


def _object_question(words: list[str], lower: list[str]) -> Asked | None:
    """As in "Whom did Orlen sue?", "When did the mayor of Orlen sue Bexter?"."""
    place = next((place for place, word in enumerate(lower) if word in _DO), None)
    if place is None or lower[0] not in _ASKING:
        return None
    found = _phrase(words, lower, place + 1, with_verb=True)
    if found is None or found.end >= len(words) or not _is_open(words[found.end]):
        return None
    return Asked(lower[found.end], found.names, Role.AGENT)


def _passive_question(words: list[str], lower: list[str]) -> Asked | None:
    """As in "Who was Orlen sued by?", "By whom was Orlen sued?", "Who was sued by Orlen?"."""
    place = next((place for place, word in enumerate(lower[:_MOST_BEFORE]) if word in _BE), None)
    if place is None or place + 2 >= len(words):
        return None
    if _is_open(words[place + 1]) and lower[place + 2] == "by" and lower[0] in _WHO:
        found = _phrase(words, lower, place + 3)
        return Asked(lower[place + 1], found.names, Role.AGENT) if found else None
    found = _phrase(words, lower, place + 1, with_verb=True)
    # Of what is no name it may be said what it is.
    if found is None or not found.is_name or found.end >= len(words) or not _is_open(words[found.end]):
        return None
    return Asked(lower[found.end], found.names, Role.PATIENT)


def _subject_question(words: list[str], lower: list[str]) -> Asked | None:
    """As in "Who sued Orlen?", "Which company sued the mayor of Orlen?"."""
    if lower[0] not in _WHO or set(lower) & (_BE | _DO):
        return None
    for place in range(1, min(len(words) - 1, _MOST_BEFORE)):
        if _is_open(words[place]) and (found := _phrase(words, lower, place + 1)):
            return Asked(lower[place], found.names, Role.PATIENT)
    return None


def _phrase(words: list[str], lower: list[str], start: int, *, with_verb: bool = False) -> _Phrase | None:
    """Whom the words tell that begin there; with a verb after them, which may be the last of several common words."""
    has_article = start < len(words) and lower[start] in _DETERMINERS
    place = start + has_article
    common = _run(words, place, is_name=False)
    named = _run(words, common, is_name=True)
    titles = common - place
    # "the ambassador teach Berthe Olm" tells nobody called so, where no other verb follows.
    has_verb = with_verb and titles > 1 and (named == len(words) or not _is_open(words[named]))
    if named > common and not has_verb:
        name = tuple(lower[common:named])
        return _Phrase((name, name[-1:]), named, True) if titles <= _MOST_TITLES else None
    if not has_article or not titles:
        return None
    if lower[common : common + 1] == ["of"]:
        owner = _phrase(words, lower, common + 1, with_verb=with_verb)
        head = lower[common - 1]
        return _Phrase(((head,), *((head, "of", *name) for name in owner.names)), owner.end, False) if owner else None
    head_place = common - 1 - with_verb
    return _Phrase(((lower[head_place],),), head_place + 1, False) if head_place >= place else None


def _run(words: list[str], start: int, *, is_name: bool) -> int:
    """Where the names, or the common words, that begin there end."""
    end = start
    while end < len(words) and (words[end][0].isupper() if is_name else _is_open(words[end])):
        end += 1
    return end


def _is_open(word: str) -> bool:
    """Whether a word is a common one: no name, number, article or preposition."""
    return word[0].islower() and word.lower() not in _CLOSED
