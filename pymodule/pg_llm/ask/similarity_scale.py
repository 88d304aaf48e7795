"""Calibrates the cosine similarities of any embedding model to one scale.

Models differ in what a similarity means: that of unrelated English words is 0.27 in all-MiniLM-L6-v2 and 0.86 in
multilingual-e5-small, and a model trained on English alone says nothing about Chinese words. Each model is measured
once, on pairs of words that are known to be synonyms or translations.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from pg_llm.ask import words
from pg_llm.vectors import inner_product

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
# Everyday words; synonyms within a pair, unrelated between pairs.
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
# Positions on the scale: unrelated words, synonyms within a language (both as all-MiniLM-L6-v2 has them in English),
# and translations.
_UNRELATED, _SYNONYM, _TRANSLATION = 0.27, 0.73, 0.9
# A model that separates synonyms by fewer standard deviations of unrelated pairs does not know the language.
_LEAST_SEPARATION = 3.0


class SimilarityScale:
    """A linear calibration for each pair of languages, measured when it is first needed."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        # Offset and slope; None if the model cannot tell synonyms from unrelated words.
        self._calibrations: dict[tuple[bool, bool], tuple[float, float] | None] = {}

    def nearness(self, one: str, other: str, similarity: float) -> float:
        """The calibrated similarity: 0 unknown, about 0.3 unrelated, from 0.7 synonyms, about 1 the same."""
        languages = (words.contains_chinese(one), words.contains_chinese(other))
        if languages not in self._calibrations:
            self._calibrations[languages] = self._calibrations[languages[::-1]] = self._calibrate(*languages)
        line = self._calibrations[languages]
        return 0.0 if line is None else max(0.0, line[0] + line[1] * similarity)

    def _calibrate(self, one: bool, other: bool) -> tuple[float, float] | None:
        pairs, expected = (_BOTH, _TRANSLATION) if one != other else (_CHINESE if one else _ENGLISH, _SYNONYM)
        vectors = self._embed([word for pair in pairs for word in pair])
        first, second = vectors[::2], vectors[1::2]
        same = statistics.mean(map(inner_product, first, second))
        different = [inner_product(a, b) for i, a in enumerate(first) for j, b in enumerate(second) if i != j]
        unrelated = statistics.mean(different)
        if same - unrelated <= _LEAST_SEPARATION * statistics.pstdev(different):
            return None
        slope = (expected - _UNRELATED) / (same - unrelated)
        return _UNRELATED - slope * unrelated, slope
