"""Discourse fillers: waived conditions (no matter how …) and focus particles that restrict nothing where they stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pg_llm.ask.grammar.tokenizer import Token

_WAIVERS = (("no", "matter"), ("regardless", "of"), ("irrespective", "of"), ("regardless",))
_QUESTION_WORDS = {"how", "who", "which", "what", "whether", "where", "when", "if"}
# Words that end a waived condition where the question goes on.
_CLAUSE_STARTS = {"and", "by", "for", "per", "in", "with", "who", "that", "which", "where", "sorted", "ordered"}
# Contexts in which a focus particle is only emphasis: `but` after a quantifier, `still` before no state, `yet`
# without a negation, `only` at the edge of a sentence or before a complement.
_QUANTIFIERS = {"all", "nothing", "none", "anything", "everything", "everyone", "nobody", "any", "every"}
_COMMANDS = frozenset(
    """
    but and count include show list give consider need want take use return
""".split()
)
_COMPLEMENTS = frozenset(
    """
    the those these for in if where when with one once from after before between on at count include show list give
    consider return
""".split()
)


def without_waivers(tokens: Sequence[Token]) -> list[Token]:
    """The tokens without waived conditions such as: no matter how those ended."""
    kept: list[Token] = []
    index = 0
    while index < len(tokens):
        waiver = next((phrase for phrase in _WAIVERS if _lower_words(tokens, index, len(phrase)) == phrase), None)
        if waiver is None:
            kept.append(tokens[index])
            index += 1
            continue
        index += len(waiver)
        clause = index < len(tokens) and tokens[index].text.lower() in _QUESTION_WORDS
        ends = {"and"} if clause else _CLAUSE_STARTS
        while index < len(tokens) and tokens[index].kind != "punct" and tokens[index].text.lower() not in ends:
            index += 1
    return kept


def is_filler(tokens: Sequence[Token], index: int, states: Collection[int]) -> bool:
    """True if a focus particle restricts nothing here; `states` are the places of values and boolean columns."""
    word, before, after = (
        tokens[n].text.lower() if 0 <= n < len(tokens) else "" for n in (index, index - 1, index + 1)
    )
    sentence = {token.text.lower() for token in tokens[max(0, index - 12) : index]}
    match word:
        case "but":
            return before not in _QUANTIFIERS
        case "still":
            return index + 1 in states
        case "yet":
            return bool({"not", "no", "never"} & sentence)
        case "only":
            ends = not after or not after[0].isalnum()
            begins = not before or not before[0].isalnum()
            stands = begins or ends or before in _COMMANDS or after in _COMPLEMENTS or index + 1 in states
            return stands or tokens[index + 1].kind in ("number", "quoted", "date")
    return False


def _lower_words(tokens: Sequence[Token], index: int, length: int) -> tuple[str, ...]:
    return tuple(token.text.lower() for token in tokens[index : index + length])
