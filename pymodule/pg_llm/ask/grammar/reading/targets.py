"""Targets (what is asked for) and their owners; all other elements are context."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.ask.grammar import chinese, lexicon
from pg_llm.ask.grammar.reading.cursor import CONJUNCTIONS, Cursor
from pg_llm.ask.grammar.reading.parsed_question import Measure
from pg_llm.ask.mention import Mention

# Words before further targets: along with their names.
_MORE_WORDS = frozenset(
    """
    return give show include including along together also list provide display their its respective corresponding
""".split()
)
# Question words, and how many words may stand between one and its target.
_QUESTION_WORDS, _QUESTION_REACH = {"which", "what", "when", "where", "how", "whose"}, 4
# Restrictive kinds that must not be left out; a copula alone restricts nothing.
_RESTRICTING = ("number", "same")
_RESTRICTING_CHINESE = (*_RESTRICTING, *"surname takes cmp above like start end top super time".split())


def read(cursor: Cursor) -> None:
    """In English targets come first and owners follow; in Chinese targets come last."""
    parsed = cursor.parsed
    rest = [n for n, _ in cursor.of_kind("element")]
    labels = {id(part.label) for part in parsed.value_filters if part.label is not None}
    measures = [*parsed.measures, *(part.measure for part in parsed.superlatives if part.measure is not None)]
    labels |= {id(part.operand) for part in measures}
    free = [n for n in rest if id(cursor.mentions[n]) not in labels]
    _read_markers(cursor)
    asks = not parsed.measures and parsed.ratio is None
    if cursor.chinese:
        _read_chinese(cursor, sorted({*free, *_beside_question_word(cursor, rest)}), asks)
        return
    heads = _heads(cursor, free, asks)
    asks = not parsed.measures and parsed.ratio is None
    parsed.targets = [*_ranked_targets(cursor, heads), *(cursor.mentions[index] for index in heads)]
    if cursor.word(0) == "whose":
        # Whose bag is the largest: the bag is context.
        parsed.context += parsed.targets[:1]
        del parsed.targets[:1]
    parsed.asks_person = not parsed.targets and cursor.word(0) in ("who", "whose")
    words = [token.text.lower() for token in cursor.tokens]
    parsed.asks_person_too = any(word == "who" and words[n - 1] == "and" for n, word in enumerate(words) if n)
    parsed.asks_time = cursor.word(0) == "when"
    if asks and not heads and not parsed.superlatives:
        parsed.targets = [cursor.mentions[index] for index in rest if index not in free][:1]


def _read_markers(cursor: Cursor) -> None:
    """Consume markers that no element belongs to."""
    for kind in ("distinct", "both", "either"):
        for index, _ in cursor.of_kind(kind):
            cursor.consume(index)
            cursor.parsed.distinct |= kind == "distinct"
    for index, mention in cursor.of_kind("only", "round"):
        cursor.consume(index)
        digits = cursor.after(index, ("number",), 1, ()) if mention.kind == "round" else None
        if digits is not None:
            cursor.consume(digits)
            cursor.parsed.decimals = int(cursor.mentions[digits].number)
        elif mention.kind == "round" or index + 1 not in cursor.consumed:
            # `only` restricts something that no pass has read.
            cursor.parsed.unread.append(cursor.text(mention))
    restricts = _RESTRICTING_CHINESE if cursor.chinese else _RESTRICTING
    for index, mention in cursor.of_kind("group", *_RESTRICTING_CHINESE):
        cursor.consume(index)
        if mention.kind in restricts and mention.normalized != "=":
            cursor.parsed.unread.append(cursor.text(mention))


def _heads(cursor: Cursor, free: list[int], asks: bool) -> list[int]:
    """The indexes of the targets; other elements become owners or context."""
    parsed = cursor.parsed
    heads: list[int] = []
    chain = False
    for n, index in enumerate(free):
        mention = cursor.mentions[index]
        previous = free[n - 1] if n else None
        passed = cursor.stems(cursor.mentions[previous].end if previous is not None else 0, mention.start)
        asks_more = n > 0 and _asks_for_more(passed)
        besides = index > 0 and _asks_another(cursor.stems_between(index - 1, index), passed)
        beside = previous if chain and previous is not None and index == previous + 1 else None
        if not heads and (_is_of_extreme(cursor, index) or _is_action(cursor, mention)):
            parsed.context.append(mention)
        elif not heads and asks and not asks_more and _is_total(cursor, mention):
            parsed.measures.append(Measure("sum", mention))
            asks = False
        elif not heads and (asks or asks_more or (n == 0 and _is_listed_before_measure(cursor, mention))):
            heads.append(index)
            chain = True
        elif beside is not None and passed and passed[0] in ("of", "'s", "for", "from", "in") and len(passed) <= 4:
            parsed.owners.append(mention)
            chain = False
        elif beside is not None and _is_conjoined(passed):
            heads.append(index)
        elif heads and (besides or (asks_more and (_is_column(mention) or _has_column_after(cursor, index)))):
            heads.append(index)
            chain = True
        elif beside is not None and not passed and mention.role == "verb":
            # Workers hired after 2019: the event is not a target.
            parsed.context.append(mention)
        elif beside is not None and not passed:
            chain = _is_owned(cursor, beside, index)
            if chain:
                heads[-1] = index
            parsed.owners.append(cursor.mentions[beside] if chain else mention)
        else:
            chain = False
            parsed.context.append(mention)
    return heads


def _asks_another(between: Sequence[str], passed: Sequence[str]) -> bool:
    """True if the words ask another question, joined to the first: and from which country, and when."""
    position = max((n for n, word in enumerate(between) if word in _QUESTION_WORDS), default=None)
    if position is None or len(between) - position > _QUESTION_REACH:
        return False
    before = passed[: len(passed) - len(between) + position]
    return bool(CONJUNCTIONS & set(before[-2:]))


def _asks_for_more(passed: Sequence[str]) -> bool:
    """True if the words ask for more: along with their, with the."""
    return bool(_MORE_WORDS & set(passed)) or passed[-1:] == ["with"] or passed[-2:] == ["with", "the"]


def _is_owned(cursor: Cursor, first: int, second: int) -> bool:
    """True if the first of two nouns owns the second: a publication's title, author names."""
    genitive = cursor.tokens[cursor.mentions[first].end - 1].text.endswith(("'s", "s'", "\u2019s"))
    return genitive or _is_column(cursor.mentions[second])


def _has_column_after(cursor: Cursor, index: int) -> bool:
    """True if a column follows: the guest name."""
    following = cursor.mention_at(cursor.after(index, ("element",), 0, ()))
    return following is not None and _is_column(following)


def _ranked_targets(cursor: Cursor, heads: Sequence[int]) -> list[Mention]:
    """The ranked rows are targets too if further targets follow: the youngest guests and when they were born."""
    if not heads:
        return []
    begin = cursor.mentions[heads[0]].start
    ranked = [item.operand for item in cursor.parsed.superlatives if item.operand is not None]
    before = [item for item in ranked if item.end <= begin and item.names_table]
    if not before:
        return []
    passed = cursor.stems(before[0].end, begin)
    again = _asks_another(passed, passed) or _asks_for_more(passed) or passed[:1] == ["with"]
    return before[:1] if again or _is_conjoined(passed) else []


def _is_conjoined(passed: list[str]) -> bool:
    """True if the words join targets: the name and the age."""
    joins = bool(passed) and passed[0] in CONJUNCTIONS | {"as"} and len(passed) <= 5
    return joins and not {"who", "that", "have"} & set(passed)


def _is_listed_before_measure(cursor: Cursor, mention: Mention) -> bool:
    """True if an element listed before a measure is a target too: the writers and the number of their books."""
    before = set(cursor.stems(0, mention.start))
    asks = bool(before & lexicon.QUESTION_WORDS) and not before & {"for", "among", "in", "of"}
    return asks and mention.end <= cursor.first_measure < len(cursor.tokens)


def _is_of_extreme(cursor: Cursor, index: int) -> bool:
    """The highest salary of employees: the salary is the target."""
    if index == 0:
        return False
    before = cursor.mentions[index - 1]
    if not any(superlative.operand is before and superlative.unnumbered for superlative in cursor.parsed.superlatives):
        return False
    passed = cursor.stems_between(index - 1, index)
    return before.names_column and bool(passed) and passed[0] in ("of", "among", "for", "in", "across")


def _is_action(cursor: Cursor, mention: Mention) -> bool:
    """Who booked, who has paid: the action is not a target."""
    before = cursor.stems(0, mention.start)
    return before[:1] == ["who"] and set(before[1:]) <= {"have", "ever"} and mention.role in ("verb", "done")


def _is_total(cursor: Cursor, mention: Mention) -> bool:
    """`total price` asks for a sum if no column has that name."""
    return cursor.tokens[mention.start].stem == "total" and mention.end - mention.start > 1


def _is_column(mention: Mention) -> bool:
    return any(ref[1] >= 0 for ref, score in mention.refs[:2] if score > 0.5)


def _read_chinese(cursor: Cursor, free: list[int], asks: bool) -> None:
    """The elements beside question words, else the last one, with those joined to it; elements before are owners."""
    parsed = cursor.parsed
    heads = _beside_question_word(cursor, free) if parsed.ratio is None else []
    if not asks and not heads:
        labels = [value_filter.label for value_filter in parsed.value_filters if value_filter.label is not None]
        parsed.context += [cursor.mentions[index] for index in free]
        parsed.context += [label for label in labels if label.names_table]
        return
    heads = heads or free[-1:]
    first, last = (free.index(heads[0]), free.index(heads[-1])) if heads else (0, -1)
    while first > 0 and _is_conjoined_chinese(cursor, free[first - 1], free[first]):
        first -= 1
    while last + 1 < len(free) and _is_conjoined_chinese(cursor, free[last], free[last + 1]):
        last += 1
    heads = free[first : last + 1]
    parsed.targets = [cursor.mentions[index] for index in heads]
    others = [cursor.mentions[index] for index in free if index not in heads]
    if asks:
        parsed.owners = others
    else:
        parsed.context += others
    if not heads:
        parsed.targets = [
            value_filter.label for value_filter in parsed.value_filters if value_filter.label is not None
        ][-1:]


def _beside_question_word(cursor: Cursor, free: list[int]) -> list[int]:
    """Which doctors; the doctors are who."""

    def asks(token: int, words: tuple[str, ...]) -> bool:
        word = cursor.word(token)
        return chinese.is_question_word(word) and any(part in word for part in words)

    after = [n for n in free if asks(cursor.mentions[n].start - 1, ("哪", "什么"))]
    before = [n for n in free if asks(cursor.mentions[n].end, ("哪", "谁", "叫什么", "是什么"))]
    return after or before


def _is_conjoined_chinese(cursor: Cursor, left: int, right: int) -> bool:
    """True if both are targets: the name and the age; what is it called, what does it cost."""
    if any(cursor.mentions[n].kind not in ("and", "either") for n in range(left + 1, right)):
        return False
    passed = cursor.stems_between(left, right)
    commas = {"\uff0c", ",", "\uff1b"}
    asks = [word for word in passed if chinese.is_question_word(word)]
    columns = _is_column(cursor.mentions[left]) and _is_column(cursor.mentions[right])
    joins = bool(CONJUNCTIONS - {","} & set(passed)) or (bool(commas & set(passed)) and (bool(asks) or columns))
    return joins and set(passed) <= CONJUNCTIONS | commas | chinese.VERBS | {*asks}
