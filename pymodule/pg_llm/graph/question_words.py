"""Questions about an entity: which of the ways that lead on from it a question means."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pg_llm.graph import name_folding

# Words that say that something is asked, not what; the Chinese ones are cut out of a text without spaces.
_ASKING = frozenset(
    re.findall(
        r"\w+",
        "a an and are at be been by can could did do does for from give had has have he her his how i in is it its list"
        " me of on or s she show tell that the their them there these they this those to was we were what when where"
        " which who whom whose why will with would you",
    )
)
_ASKING_CHINESE = (
    "什么时候",
    "是什么",
    "有哪些",
    "什么",
    "哪些",
    "哪个",
    "哪里",
    "哪儿",
    "哪",
    "谁",
    "多少",
    "几",
    "怎么",
    "如何",
    "为什么",
    "请问",
    "告诉我",
    "列出",
    "是否",
    "是",
    "有",
    "的",
    "了",
    "吗",
    "呢",
    "和",
    "与",
    "在",
    "被",
    "由",
    "对",
    "请",
    "我",
)
_WORD = re.compile(r"[^\W_]+")
# Letters that two forms of a word have in common at least: treat, treats, treated, treatment.
_STEM = 4


def rest(question: str, named: Iterable[str]) -> str:
    """What a question asks beside the entities that it names; folded, without the words that only ask."""
    text = name_folding.whole(question)
    for name in sorted(map(name_folding.whole, named), key=len, reverse=True):
        text = text.replace(name, " ")
    for word in sorted(_ASKING_CHINESE, key=len, reverse=True):
        text = text.replace(word, " ")
    return " ".join(word for word in _WORD.findall(text) if word not in _ASKING)


def coverage(asked: str, said: str) -> float:
    """The share, from 0 to 1, of the words that are asked for which a way speaks of; 1 where nothing else is asked."""
    words = asked.split()
    if not words:
        return 1.0
    others = _WORD.findall(name_folding.whole(said))
    return sum(any(_same(word, other) for other in others) for word in words) / len(words)


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    if one.isascii() and other.isascii():
        common = min(len(one), len(other))
        return common >= _STEM and one[: max(_STEM, common - 2)] == other[: max(_STEM, common - 2)]
    # No spaces tell where a word ends.
    return (len(other) > 1 and other in one) or (len(one) > 1 and one in other)
