"""How near in meaning words are: the cosine similarities of any embedding model on one scale.

Models differ in what a similarity says: that of unrelated English words is 0.27 in all-MiniLM-L6-v2 and 0.86 in
multilingual-e5-small, and a model that was trained on English alone says nothing of Chinese words. Each is measured
once, on words of which it is known whether they mean the same.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from pg_llm.ask.grammar import chinese

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
# Words of everyday life, each pair far from the others.
_ENGLISH = (
    ("car", "automobile"),
    ("begin", "start"),
    ("wage", "salary"),
    ("rock", "stone"),
    ("forest", "woods"),
    ("error", "mistake"),
    ("film", "movie"),
    ("sofa", "couch"),
    ("garbage", "trash"),
    ("ship", "vessel"),
    ("child", "kid"),
    ("border", "frontier"),
)
_CHINESE = (
    ("汽车", "轿车"),
    ("开始", "起始"),
    ("工资", "薪水"),
    ("石头", "岩石"),
    ("森林", "树林"),
    ("错误", "差错"),
    ("电影", "影片"),
    ("自行车", "单车"),
    ("垃圾", "废物"),
    ("船", "船只"),
    ("孩子", "小孩"),
    ("边界", "边境"),
)
_BOTH = (
    ("mountain", "山"),
    ("music", "音乐"),
    ("teacher", "老师"),
    ("tree", "树木"),
    ("weather", "天气"),
    ("car", "汽车"),
    ("money", "钱"),
    ("kitchen", "厨房"),
    ("dog", "狗"),
    ("winter", "冬天"),
    ("window", "窗户"),
    ("history", "历史"),
    ("river", "河流"),
    ("bread", "面包"),
    ("soldier", "士兵"),
    ("colour", "颜色"),
)
# Where words stand on the scale: unrelated ones, synonyms of one language (both as all-MiniLM-L6-v2 has them in
# English), and the same word in two.
_UNRELATED, _SYNONYM, _TRANSLATION = 0.27, 0.73, 0.9
# A model that cannot tell apart what means the same by so many standard deviations of the unrelated does not know it.
_KNOWN = 3.0


class Scale:
    """What a model's cosine similarities say, each pair of languages measured when it is first asked about."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        # Offset and slope, or None where the model cannot tell.
        self._lines: dict[tuple[bool, bool], tuple[float, float] | None] = {}

    def nearness(self, one: str, other: str, similarity: float) -> float:
        """0 where the model cannot tell, about 0.3 for unrelated words, from 0.7 for synonyms, about 1 for the same."""
        languages = (chinese.is_in(one), chinese.is_in(other))
        if languages not in self._lines:
            self._lines[languages] = self._lines[languages[::-1]] = self._measured(*languages)
        line = self._lines[languages]
        return 0.0 if line is None else max(0.0, line[0] + line[1] * similarity)

    def _measured(self, one: bool, other: bool) -> tuple[float, float] | None:
        pairs, stands = (_BOTH, _TRANSLATION) if one != other else (_CHINESE if one else _ENGLISH, _SYNONYM)
        found = self._embed([word for pair in pairs for word in pair])
        first, second = found[::2], found[1::2]
        same = statistics.mean(map(dot, first, second))
        others = [dot(a, b) for i, a in enumerate(first) for j, b in enumerate(second) if i != j]
        unrelated = statistics.mean(others)
        if same - unrelated <= _KNOWN * statistics.pstdev(others):
            return None
        slope = (stands - _UNRELATED) / (same - unrelated)
        return _UNRELATED - slope * unrelated, slope


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """The inner product, which is the cosine similarity of vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))
