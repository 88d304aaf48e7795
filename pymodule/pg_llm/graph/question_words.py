"""Content words of a question about an entity, and how many of them a relation's words cover."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pg_llm.graph import name_folding

# Stop words of questions; the Chinese ones are removed from a text without spaces, the longest first.
_STOP_WORDS = frozenset(
    """a an and are at be been by can could did do does for from give had has have he her his how i in is it its list
    me of on or s she show tell that the their them there these they this those to was we were what when where
    which who whom whose why will with would you""".split()
)
_CHINESE_STOP_WORDS = frozenset(
    """什么时候 是什么 有哪些 什么 哪些 哪个 哪里 哪儿 哪 谁 多少 几 怎么 如何 为什么 请问 告诉我 列出 是否
    是 有 的 了 吗 呢 和 与 在 被 由 对 请 我""".split()
)
_WORD = re.compile(r"[^\W_]+")
# Letters that two forms of a word have in common at least: treat, treats, treated, treatment.
_MIN_PREFIX = 4


def content_words(question: str, names: Iterable[str]) -> str:
    """The folded words of a question without the names of entities and without stop words."""
    text = name_folding.normalize(question)
    for name in sorted(map(name_folding.normalize, names), key=len, reverse=True):
        text = text.replace(name, " ")
    for word in sorted(_CHINESE_STOP_WORDS, key=lambda word: (-len(word), word)):
        text = text.replace(word, " ")
    return " ".join(word for word in _WORD.findall(text) if word not in _STOP_WORDS)


def coverage(words: str, label: str) -> float:
    """The share, from 0 to 1, of the words that occur in the label in some form; 1 where there are no words."""
    wanted = words.split()
    if not wanted:
        return 1.0
    others = _WORD.findall(name_folding.normalize(label))
    return sum(any(_same_word(word, other) for other in others) for word in wanted) / len(wanted)


def _same_word(one: str, other: str) -> bool:
    if one == other:
        return True
    if one.isascii() and other.isascii():
        common = min(len(one), len(other))
        return common >= _MIN_PREFIX and one[: max(_MIN_PREFIX, common - 2)] == other[: max(_MIN_PREFIX, common - 2)]
    # In a script without spaces one word may be part of another token.
    return (len(other) > 1 and other in one) or (len(one) > 1 and one in other)
