"""What a question says besides what it asks: conditions that it waives, words that only stress others."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pg_llm.ask.grammar.tokens import Token

_WAIVERS = (("no", "matter"), ("regardless", "of"), ("irrespective", "of"), ("regardless",))
_ASKING = {"how", "who", "which", "what", "whether", "where", "when", "if"}
# What goes on with the question behind a condition that is waived.
_GOES_ON = {"and", "by", "for", "per", "in", "with", "who", "that", "which", "where", "sorted", "ordered"}
# Words that restrict what follows only where it is not said by itself: but, where something is the only thing that is
# not meant; still, where no state follows; yet, where nothing is denied; only, where it says what is done.
_BUT = {"all", "nothing", "none", "anything", "everything", "everyone", "nobody", "any", "every"}
_LEADS = {"but", "and", "count", "include", "show", "list", "give", "consider", "need", "want", "take", "use", "return"}
_SAYS = {
    "the",
    "those",
    "these",
    "for",
    "in",
    "if",
    "where",
    "when",
    "with",
    "one",
    "once",
    "from",
    "after",
    "before",
    "between",
    "on",
    "at",
    "count",
    "include",
    "show",
    "list",
    "give",
    "consider",
    "return",
}


def without_waivers(cut: Sequence[Token]) -> list[Token]:
    """The tokens without clauses such as: no matter how those ended."""
    kept: list[Token] = []
    place = 0
    while place < len(cut):
        waiver = next((each for each in _WAIVERS if _said(cut, place, len(each)) == each), None)
        if waiver is None:
            kept.append(cut[place])
            place += 1
            continue
        place += len(waiver)
        clause = place < len(cut) and cut[place].text.lower() in _ASKING
        ends = {"and"} if clause else _GOES_ON
        while place < len(cut) and cut[place].kind != "punct" and cut[place].text.lower() not in ends:
            place += 1
    return kept


def stresses(cut: Sequence[Token], place: int, states: Collection[int]) -> bool:
    """Whether a word that may restrict says nothing here; `states` is where values and yes-or-no columns begin."""
    word, before, after = (cut[n].text.lower() if 0 <= n < len(cut) else "" for n in (place, place - 1, place + 1))
    sentence = {token.text.lower() for token in cut[max(0, place - 12) : place]}
    match word:
        case "but":
            return before not in _BUT
        case "still":
            return place + 1 in states
        case "yet":
            return bool({"not", "no", "never"} & sentence)
        case "only":
            ends = not after or not after[0].isalnum()
            begins = not before or not before[0].isalnum()
            stands = begins or ends or before in _LEADS or after in _SAYS or place + 1 in states
            return stands or cut[place + 1].kind in ("number", "quoted", "date")
    return False


def _said(cut: Sequence[Token], place: int, length: int) -> tuple[str, ...]:
    return tuple(token.text.lower() for token in cut[place : place + length])
