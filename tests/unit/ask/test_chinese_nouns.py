"""English names by their Chinese."""

from __future__ import annotations

import pytest
from pg_llm.ask import chinese_nouns


@pytest.mark.parametrize(
    ("identifier", "said"),
    [
        ("customers", ["客户", "顾客"]),
        ("Category", ["类别", "分类"]),
        ("categories", ["类别", "分类"]),
        ("order_date", ["订单日期"]),
        ("orderStatus", ["订单状态"]),
        ("bookings", ["预订"]),
        ("books", ["图书"]),
        ("order_item_price", []),
        ("flux", []),
        ("s", []),
        ("客户", []),
        ("", []),
    ],
)
def test_a_name_of_known_nouns_is_said_in_chinese(identifier: str, said: list[str]) -> None:
    assert list(chinese_nouns.names(identifier)) == said
