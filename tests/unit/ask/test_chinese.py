"""Questions in Chinese on tables with Chinese names: classes of words, short names, numbers, denials, shares."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.ask.grammar import chinese_names, synthesis, tokenizer
from pg_llm.ask.mention import ValueMatch
from pg_llm.ask.schema import Edge, Schema, SchemaColumn, SchemaTable

NUMBER, TEXT, DATE, BOOL = "number", "text", "date", "bool"
HOTEL = {
    "酒店": {"酒店编号": NUMBER, "酒店名称": TEXT, "所在城市": TEXT},
    "客人": {"客人编号": NUMBER, "姓名": TEXT, "性别": TEXT, "是否会员": BOOL, "出生日期": DATE},
    "订单": {
        "订单编号": NUMBER,
        "酒店编号": NUMBER,
        "客人编号": NUMBER,
        "下单时间": DATE,
        "金额": NUMBER,
        "状态": TEXT,
    },
}
VALUES = {"男": (1, 2), "女": (1, 2), "已取消": (2, 5), "杭州": (0, 2)}


def hotel() -> Schema:
    tables = [
        SchemaTable(n, name, name, [SchemaColumn(each, each, kind, kind) for each, kind in columns.items()], key=[0])
        for n, (name, columns) in enumerate(HOTEL.items())
    ]
    return Schema(tables, [Edge(2, 0, ((1, 0),), 1.0, True), Edge(2, 1, ((2, 0),), 1.0, True)])


def asked(question: str) -> list[synthesis.ParsedQuery]:
    values = [
        ValueMatch(ref, value, *match.span(), whole=True)
        for value, ref in VALUES.items()
        for match in re.finditer(value, question)
    ]
    return synthesis.candidates(question, hotel(), values)[0]


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("每个城市各有多少家酒店？", "SELECT 所在城市, count(*) AS count FROM 酒店 GROUP BY 所在城市"),
        ("帮我统计一下都有多少家酒店", "SELECT count(*) FROM 酒店"),
        ("姓王的女客人叫什么名字", "SELECT 姓名 FROM 客人 WHERE 姓名 ILIKE '王%' AND 性别 = '女'"),
        ("名称里带“湖”的酒店", "SELECT 酒店名称 FROM 酒店 WHERE 酒店名称 ILIKE '%湖%'"),
        ("不是会员的客人有几位", "SELECT count(*) FROM 客人 WHERE NOT 是否会员"),
        ("金额在100到300元之间的订单有几笔", "SELECT count(*) FROM 订单 WHERE 金额 BETWEEN 100 AND 300"),
        (
            "金额最高的前三笔订单是哪些",
            "SELECT 订单编号, 金额 FROM 订单 ORDER BY 金额 DESC NULLS LAST LIMIT 3",
        ),
        ("按下单时间从晚到早列出订单的金额", "SELECT 金额 FROM 订单 ORDER BY 下单时间 DESC NULLS LAST"),
        ("金额总和，保留一位小数", "SELECT round((sum(金额))::numeric, 1) FROM 订单"),
    ],
)
def test_words_of_chinese_are_read_by_their_classes(question: str, sql: str) -> None:
    assert asked(question)[0].sql == sql


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        (
            "没下过单的客人有哪些",
            "SELECT 姓名 FROM 客人 WHERE NOT EXISTS (SELECT 1 FROM 订单 WHERE 订单.客人编号 = 客人.客人编号)",
        ),
        (
            "哪些酒店没有人住过",
            "SELECT 酒店名称 FROM 酒店 WHERE NOT EXISTS (SELECT 1 FROM 订单 WHERE 订单.酒店编号 = 酒店.酒店编号)",
        ),
        (
            "哪些客人一笔订单都没有",
            "SELECT 姓名 FROM 客人 WHERE NOT EXISTS (SELECT 1 FROM 订单 WHERE 订单.客人编号 = 客人.客人编号)",
        ),
        (
            "至少住过3次的客人",
            "SELECT 客人.姓名 FROM 客人 JOIN 订单 ON 订单.客人编号 = 客人.客人编号"
            " GROUP BY 客人.姓名, 客人.客人编号 HAVING count(*) >= 3",
        ),
    ],
)
def test_verbs_lead_to_the_rows_of_what_happened(question: str, sql: str) -> None:
    assert asked(question)[0].sql == sql


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        (
            "已取消的订单占全部订单的比例",
            "SELECT 1.0 * count(*) FILTER (WHERE 状态 = '已取消') / nullif(count(*), 0) AS ratio FROM 订单",
        ),
        (
            "杭州的订单中，已取消的占比",
            "SELECT 100.0 * count(*) FILTER (WHERE 订单.状态 = '已取消') / nullif(count(*), 0) AS ratio"
            " FROM 订单 JOIN 酒店 ON 订单.酒店编号 = 酒店.酒店编号 WHERE 酒店.所在城市 = '杭州'",
        ),
        (
            "已取消的金额占全部订单的百分比",
            "SELECT 100.0 * sum(金额) FILTER (WHERE 状态 = '已取消') / nullif(sum(金额), 0) AS ratio FROM 订单",
        ),
        (
            "各状态的订单占比",
            "SELECT 状态, 100.0 * count(*) / nullif(sum(count(*)) OVER (), 0) AS ratio FROM 订单 GROUP BY 状态",
        ),
        (
            "男女客人比例",
            "SELECT 1.0 * count(*) FILTER (WHERE 性别 = '男') / nullif(count(*) FILTER (WHERE 性别 = '女'), 0) AS ratio"
            " FROM 客人",
        ),
        (
            "男客人和女客人分别有多少人？",
            "SELECT 性别, count(*) AS count FROM 客人 WHERE 性别 IN ('男', '女') GROUP BY 性别",
        ),
    ],
)
def test_shares_and_what_is_told_apart(question: str, sql: str) -> None:
    assert asked(question)[0].sql == sql


@pytest.mark.parametrize(
    ("said", "condition"),
    [
        ("2023年上半年", "下单时间 >= '2023-01-01' AND 下单时间 < '2023-07-01'"),
        ("2023年第四季度", "下单时间 >= '2023-10-01' AND 下单时间 < '2024-01-01'"),
        ("2023年3月到5月", "下单时间 >= '2023-03-01' AND 下单时间 < '2023-06-01'"),
        ("最近30天", "下单时间 >= current_date - interval '30 day'"),
        ("近三个月", "下单时间 >= current_date - interval '3 month'"),
        ("今年", "date_trunc('year', 下单时间) = date_trunc('year', current_date)"),
        ("上个月", "date_trunc('month', 下单时间) = date_trunc('month', current_date) - interval '1 month'"),
    ],
)
def test_times_are_parts_of_years_or_counted_back(said: str, condition: str) -> None:
    assert asked(f"{said}有多少笔订单？")[0].sql == f"SELECT count(*) FROM 订单 WHERE {condition}"


@pytest.mark.parametrize(
    "question",
    [
        "只有杭州的酒店",
        "投诉过的客人有哪些",
        "金额第二高的订单",
        "每个酒店有多少",
        "连续三天下单的客人",
        "高于会员的客人",
        "2023年完成的订单",
    ],
)
def test_words_that_restrict_are_never_swallowed(question: str) -> None:
    assert all(candidate.score < 0.6 for candidate in asked(question))


def test_an_english_question_may_name_a_chinese_value() -> None:
    said = "How many orders are 已取消?"
    assert not asked(said)[0].linked.chinese
    assert asked("VIP客人有几个")[0].linked.chinese


def test_names_are_said_short_or_by_other_words() -> None:
    forms = chinese_names.name_forms("库存数量", "商品", table=False)
    assert forms["商品库存数量"] > forms["库存"] > forms["数量"] > 0.5
    assert chinese_names.name_forms("当前积分", "", table=False)["积分"] > 0.9
    assert "员工" in chinese_names.name_forms("职员信息表", "", table=True)
    assert chinese_names.comment_names("状态(待付款/已付款)") == ["状态"]
    assert chinese_names.comment_names("金额 (order amount)") == ["金额 (order amount)"]


@given(st.text(alphabet="每个三前名班级人分的没下过单多少男女生最高0123，", max_size=30))
def test_tokens_of_chinese_are_pieces_in_order(question: str) -> None:
    found = tokenizer.tokenize(question, {"班级", "分数", "下单"}, {"班", "分"}, {"男", "女"})
    assert all(left.end <= right.start for left, right in itertools.pairwise(found))
    assert "".join(question[token.start : token.end] for token in found) == question
