"""What is asked for, and whose it is; all that is left only leads there."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.ask.grammar import chinese, lexicon
from pg_llm.ask.grammar.reading.cursor import JOINERS, Cursor
from pg_llm.ask.grammar.reading.parts import Measure
from pg_llm.ask.mention import Mention

# Words before more of what is asked for: along with their names.
_AGAIN = {
    "return",
    "give",
    "show",
    "include",
    "including",
    "along",
    "together",
    "also",
    "list",
    "provide",
    "display",
    "their",
    "its",
    "respective",
    "corresponding",
}
# Words that ask anew, with at most so many words to what they ask for.
_ASKS, _NEAR = {"which", "what", "when", "where", "how", "whose"}, 4
# Words that restrict what is asked for, so that they cannot be left out; is and called restrict nothing alone.
_RESTRICTING = ("number", "same")
_RESTRICTING_CHINESE = (
    *_RESTRICTING,
    "surname",
    "takes",
    "cmp",
    "above",
    "like",
    "start",
    "end",
    "top",
    "super",
    "time",
)


def read(cursor: Cursor) -> None:
    """What is asked for comes first, with whose it is; in Chinese it comes last."""
    found = cursor.found
    rest = [n for n, _ in cursor.of_kind("element")]
    labels = {id(each.label) for each in found.named if each.label is not None}
    measures = [*found.measures, *(each.measure for each in found.superlatives if each.measure is not None)]
    labels |= {id(each.operand) for each in measures}
    free = [n for n in rest if id(cursor.mentions[n]) not in labels]
    _markers(cursor)
    asks = not found.measures and found.ratio is None
    if cursor.chinese:
        _chinese(cursor, sorted({*free, *_asked(cursor, rest)}), asks)
        return
    heads = _heads(cursor, free, asks)
    asks = not found.measures and found.ratio is None
    found.targets = [*_first(cursor, heads), *(cursor.mentions[place] for place in heads)]
    if cursor.word(0) == "whose":
        # Whose bag is the largest: the bag only leads to them.
        found.context += found.targets[:1]
        del found.targets[:1]
    found.who = not found.targets and cursor.word(0) in ("who", "whose")
    words = [token.text.lower() for token in cursor.tokens]
    found.who_too = any(word == "who" and words[n - 1] == "and" for n, word in enumerate(words) if n)
    found.when = cursor.word(0) == "when"
    if asks and not heads and not found.superlatives:
        found.targets = [cursor.mentions[place] for place in rest if place not in free][:1]


def _markers(cursor: Cursor) -> None:
    """Words that ask, without anything that they belong to."""
    for kind in ("distinct", "both", "either"):
        for place, _ in cursor.of_kind(kind):
            cursor.take(place)
            cursor.found.distinct |= kind == "distinct"
    for place, mention in cursor.of_kind("only", "round"):
        cursor.take(place)
        digits = cursor.after(place, ("number",), 1, ()) if mention.kind == "round" else None
        if digits is not None:
            cursor.take(digits)
            cursor.found.digits = int(cursor.mentions[digits].number)
        elif mention.kind == "round" or place + 1 not in cursor.done:
            # Only what: that restricts, and nothing that was read.
            cursor.found.unread.append(cursor.text(mention))
    restricts = _RESTRICTING_CHINESE if cursor.chinese else _RESTRICTING
    for place, mention in cursor.of_kind("group", *_RESTRICTING_CHINESE):
        cursor.take(place)
        if mention.kind in restricts and mention.said != "=":
            cursor.found.unread.append(cursor.text(mention))


def _heads(cursor: Cursor, free: list[int], asks: bool) -> list[int]:
    """The places of what is asked for; the others become owners or lead there."""
    found = cursor.found
    heads: list[int] = []
    chain = False
    for n, place in enumerate(free):
        mention = cursor.mentions[place]
        previous = free[n - 1] if n else None
        passed = cursor.stems(cursor.mentions[previous].end if previous is not None else 0, mention.start)
        again = n > 0 and _again(passed)
        besides = place > 0 and _asks_besides(cursor.between(place - 1, place), passed)
        beside = previous if chain and previous is not None and place == previous + 1 else None
        if not heads and (_after_extreme(cursor, place) or _done(cursor, mention)):
            found.context.append(mention)
        elif not heads and asks and not again and _begins_total(cursor, mention):
            found.measures.append(Measure("sum", mention))
            asks = False
        elif not heads and (asks or again or (n == 0 and _listed(cursor, mention))):
            heads.append(place)
            chain = True
        elif beside is not None and passed and passed[0] in ("of", "'s", "for", "from", "in") and len(passed) <= 4:
            found.owners.append(mention)
            chain = False
        elif beside is not None and _goes_on(passed):
            heads.append(place)
        elif heads and (besides or (again and (_is_column(mention) or _owns(cursor, place)))):
            heads.append(place)
            chain = True
        elif beside is not None and not passed and mention.role == "verb":
            # Workers hired after 2019: what was done to them is not asked for.
            found.context.append(mention)
        elif beside is not None and not passed:
            chain = _is_owned(cursor, beside, place)
            if chain:
                heads[-1] = place
            found.owners.append(cursor.mentions[beside] if chain else mention)
        else:
            chain = False
            found.context.append(mention)
    return heads


def _asks_besides(near: Sequence[str], passed: Sequence[str]) -> bool:
    """Whether the words right before ask anew, joined to what was asked: and from which country, and when."""
    asked = max((n for n, word in enumerate(near) if word in _ASKS), default=None)
    if asked is None or len(near) - asked > _NEAR:
        return False
    before = passed[: len(passed) - len(near) + asked]
    return bool(JOINERS & set(before[-2:]))


def _again(passed: Sequence[str]) -> bool:
    """Whether these words ask for more: along with their, with the."""
    return bool(_AGAIN & set(passed)) or passed[-1:] == ["with"] or passed[-2:] == ["with", "the"]


def _is_owned(cursor: Cursor, first: int, second: int) -> bool:
    """Whether of two nouns the second is asked for and the first owns it: a publication's title, author names."""
    genitive = cursor.tokens[cursor.mentions[first].end - 1].text.endswith(("'s", "s'", "\u2019s"))
    return genitive or _is_column(cursor.mentions[second])


def _owns(cursor: Cursor, place: int) -> bool:
    """Whether a column of it follows: the guest name."""
    following = cursor.at(cursor.after(place, ("element",), 0, ()))
    return following is not None and _is_column(following)


def _first(cursor: Cursor, heads: Sequence[int]) -> list[Mention]:
    """The youngest guests and when they were born: what is ranked is shown too, where it is asked for first."""
    if not heads:
        return []
    begin = cursor.mentions[heads[0]].start
    ranked = [each.operand for each in cursor.found.superlatives if each.operand is not None]
    before = [each for each in ranked if each.end <= begin and each.names_table]
    if not before:
        return []
    passed = cursor.stems(before[0].end, begin)
    again = _asks_besides(passed, passed) or _again(passed) or passed[:1] == ["with"]
    return before[:1] if again or _goes_on(passed) else []


def _goes_on(passed: list[str]) -> bool:
    """Whether these words join what is asked for: the name and the age."""
    joins = bool(passed) and passed[0] in JOINERS | {"as"} and len(passed) <= 5
    return joins and not {"who", "that", "have"} & set(passed)


def _listed(cursor: Cursor, mention: Mention) -> bool:
    """List the writers and the number of their books: what stands before the measure is asked for as well."""
    before = set(cursor.stems(0, mention.start))
    asks = bool(before & lexicon.ASKING) and not before & {"for", "among", "in", "of"}
    return asks and mention.end <= cursor.first_measure < len(cursor.tokens)


def _after_extreme(cursor: Cursor, place: int) -> bool:
    """The highest salary of employees: the salary is asked for."""
    if place == 0:
        return False
    before = cursor.mentions[place - 1]
    if not any(each.operand is before and each.plain for each in cursor.found.superlatives):
        return False
    passed = cursor.between(place - 1, place)
    return before.names_column and bool(passed) and passed[0] in ("of", "among", "for", "in", "across")


def _done(cursor: Cursor, mention: Mention) -> bool:
    """Who booked, who has paid: what somebody did is not asked for."""
    before = cursor.stems(0, mention.start)
    return before[:1] == ["who"] and set(before[1:]) <= {"have", "ever"} and mention.role in ("verb", "done")


def _begins_total(cursor: Cursor, mention: Mention) -> bool:
    """The total price, where that is no column's name but a sum."""
    return cursor.tokens[mention.start].stem == "total" and mention.end - mention.start > 1


def _is_column(mention: Mention) -> bool:
    return any(ref[1] >= 0 for ref, score in mention.refs[:2] if score > 0.5)


def _chinese(cursor: Cursor, free: list[int], asks: bool) -> None:
    """What is beside a word that asks, else the last, with what is joined to it; what stands before owns it."""
    found = cursor.found
    heads = _asked(cursor, free) if found.ratio is None else []
    if not asks and not heads:
        labels = [each.label for each in found.named if each.label is not None]
        found.context += [cursor.mentions[place] for place in free]
        found.context += [label for label in labels if label.names_table]
        return
    heads = heads or free[-1:]
    first, last = (free.index(heads[0]), free.index(heads[-1])) if heads else (0, -1)
    while first > 0 and _goes_on_chinese(cursor, free[first - 1], free[first]):
        first -= 1
    while last + 1 < len(free) and _goes_on_chinese(cursor, free[last], free[last + 1]):
        last += 1
    heads = free[first : last + 1]
    found.targets = [cursor.mentions[place] for place in heads]
    others = [cursor.mentions[place] for place in free if place not in heads]
    if asks:
        found.owners = others
    else:
        found.context += others
    if not heads:
        found.targets = [each.label for each in found.named if each.label is not None][-1:]


def _asked(cursor: Cursor, free: list[int]) -> list[int]:
    """Which doctors; the doctors are who."""

    def asks(token: int, words: tuple[str, ...]) -> bool:
        word = cursor.word(token)
        return chinese.asks(word) and any(each in word for each in words)

    behind = [n for n in free if asks(cursor.mentions[n].start - 1, ("哪", "什么"))]
    before = [n for n in free if asks(cursor.mentions[n].end, ("哪", "谁", "叫什么", "是什么"))]
    return behind or before


def _goes_on_chinese(cursor: Cursor, left: int, right: int) -> bool:
    """Whether both are asked for: the name and the age; what is it called, what does it cost."""
    if any(cursor.mentions[n].kind not in ("and", "either") for n in range(left + 1, right)):
        return False
    passed = cursor.between(left, right)
    commas = {"\uff0c", ",", "\uff1b"}
    asks = [word for word in passed if chinese.asks(word)]
    columns = _is_column(cursor.mentions[left]) and _is_column(cursor.mentions[right])
    joins = bool(JOINERS - {","} & set(passed)) or (bool(commas & set(passed)) and (bool(asks) or columns))
    return joins and set(passed) <= JOINERS | commas | chinese.VERBS | {*asks}
