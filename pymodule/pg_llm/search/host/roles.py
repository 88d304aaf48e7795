"""Who does it and to whom it is done: a sentence that says it the other way round does not answer a question.

Vectors and words are the same for "Who sued Orlen?" and for what Orlen did. English tells the two by the order of its
words and by the passive voice (Jurafsky and Martin, Speech and Language Processing, on semantic roles), which is read
here by rules for the plainest forms. Where one of them does not fit, nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

_BE = frozenset("is are was were be been being gets got get".split())
_DO = frozenset("do does did".split())
_WHO = frozenset("who whom which what".split())
_ASKING = _WHO | frozenset("when where why how".split())
_DETERMINERS = frozenset("a an the his her its their this that these those some any".split())
_PRONOUNS = frozenset("he she it they".split())
_PREPOSITIONS = frozenset("about after against at before by for from in into of on over to under with".split())
# Between a form of "to be" and its participle.
_BETWEEN = re.compile(r"not|never|also|later|then|soon|once|[a-z]+ly")
_WORD = re.compile(r"[^\W_]+(?:[-'’._/][^\W_]+)*|[,;:]")  # noqa: RUF001
# Words that say what somebody is, before the name.
_MOST_TITLES = 2
_BREAKS = frozenset(",;:")


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
    """What a question says is done, by one word, and somebody whose part in it the question tells, by a name."""

    verb: str
    name: str
    role: Role


def read(question: str) -> Asked | None:
    """The parts that a question tells, or None for a question of another form."""
    words = _WORD.findall(question)
    lower = [word.lower() for word in words]
    if not words:
        return None
    return _object_question(words, lower) or _passive_question(words, lower) or _subject_question(words, lower)


def contradicts(asked: Asked, sentence: str, verbs: Collection[str]) -> bool:
    """Whether a sentence gives that name the other part in what one of these words, in lower case, says is done.

    A pronoun stands for the name in a sentence that has it not.
    """
    lower = [word.lower().removesuffix("'s").removesuffix("’s") for word in _WORD.findall(sentence)]  # noqa: RUF001
    done = [place for place, word in enumerate(lower) if word in verbs]
    names = [place for place, word in enumerate(lower) if word == asked.name.lower()]
    names = names or [place for place, word in enumerate(lower) if word in _PRONOUNS]
    if len(names) != 1 or len(done) != 1:
        return False
    return _role(lower, names[0], done[0]) is asked.role.other


def _role(words: list[str], name: int, verb: int) -> Role | None:
    """The part of the name, or None where what stands between may be of something else."""
    between = words[min(name, verb) + 1 : max(name, verb)]
    if between[-1:] == [","] and name > verb:
        # What is said of somebody before the name: "his uncle, Orlen".
        between = between[:-1]
    is_aside = name < verb and between.count(",") == 2 and between[0] == between[-1] == "," and _WHO.isdisjoint(between)
    if not is_aside and not _BREAKS.isdisjoint(between):
        return None
    if _is_passive(words, verb):
        if name < verb:
            return Role.PATIENT
        return Role.AGENT if "by" in words[verb + 1 : name] else None
    return Role.AGENT if name < verb else Role.PATIENT


def _is_passive(words: list[str], verb: int) -> bool:
    place = verb - 1
    while place >= 0 and _BETWEEN.fullmatch(words[place]):
        place -= 1
    return (place >= 0 and words[place] in _BE) or "by" in words[verb + 1 : verb + 2]


def _object_question(words: list[str], lower: list[str]) -> Asked | None:
    """As in "Whom did Orlen sue?", "When did Orlen sue Bexter?"."""
    place = next((place for place, word in enumerate(lower) if word in _DO), None)
    if place is None or lower[0] not in _ASKING:
        return None
    found = _name_from(words, lower, place + 1)
    if found is None or found[1] >= len(words) or not _is_common(words[found[1]]):
        return None
    return Asked(lower[found[1]], found[0], Role.AGENT)


def _passive_question(words: list[str], lower: list[str]) -> Asked | None:
    """As in "Who was Orlen sued by?", "By whom was Orlen sued?", "Who was sued by Orlen?"."""
    place = next((place for place, word in enumerate(lower[:5]) if word in _BE), None)
    if place is None or place + 2 >= len(words):
        return None
    found = _name_from(words, lower, place + 1)
    if found is not None and found[1] < len(words) and _is_participle(lower[found[1]]):
        return Asked(lower[found[1]], found[0], Role.PATIENT)
    if _is_participle(lower[place + 1]) and lower[place + 2] == "by" and lower[0] in _WHO:
        found = _name_from(words, lower, place + 3)
        if found is not None:
            return Asked(lower[place + 1], found[0], Role.AGENT)
    return None


def _subject_question(words: list[str], lower: list[str]) -> Asked | None:
    """As in "Who sued Orlen?", "Which company sued Orlen?"."""
    if lower[0] not in _WHO or set(lower) & (_BE | _DO):
        return None
    for place in range(1, min(len(words) - 1, 5)):
        found = _name_from(words, lower, place + 1)
        if found is not None and _is_common(words[place]) and lower[place] not in _DETERMINERS:
            return Asked(lower[place], found[0], Role.PATIENT)
    return None


def _name_from(words: list[str], lower: list[str], start: int) -> tuple[str, int] | None:
    """The last word of a name that begins there, perhaps after an article and what somebody is, and where it ends."""
    place = start + (start < len(words) and lower[start] in _DETERMINERS)
    for _ in range(_MOST_TITLES):
        if place < len(words) and words[place][0].islower() and lower[place] not in _PREPOSITIONS:
            place += 1
    end = place
    while end < len(words) and words[end][0].isupper():
        end += 1
    return (words[end - 1], end) if end > place else None


def _is_common(word: str) -> bool:
    return word[0].islower() and word.isalpha()


def _is_participle(word: str) -> bool:
    return len(word) > 3 and word.isalpha() and word.endswith(("ed", "en", "t", "n", "ght", "d", "ung", "ught"))
