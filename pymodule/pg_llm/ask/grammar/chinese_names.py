"""Chinese variants of table and column names: without suffixes, synonyms, parts, single characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pg_llm.ask.grammar import chinese

# Synonyms; each matches with less confidence than the name itself.
_SYNONYM_SETS = [
    line.split()
    for line in """
    价格 单价 售价 标价 定价 价钱 价位 多少钱 卖多少钱 多少元
    名称 名字 姓名
    教师 老师
    学生 同学 学员
    客户 顾客 用户 买家
    会员 用户
    员工 职员 雇员 职工
    医生 大夫 医师
    患者 病人 病患
    商品 产品 货品 货物
    公司 企业
    部门 科室
    供应商 供货商 厂商
    手机号 电话 手机 电话号码 手机号码 联系电话 联系方式 号码
    邮箱 电子邮箱 邮件地址 邮件
    地址 住址 住处
    类别 分类 品类 种类 类型
    薪资 薪水 工资 月薪 薪酬
    分数 成绩 得分 多少分 考分
    身高 个子 个头 高度 多高
    体重 重量 多重
    年龄 岁数 多少岁 年纪
    生日 出生日期
    籍贯 老家 家乡
    课程 科目 学科
    学校 院校
    班级 班次
    图书 书籍 书
    电影 影片
    歌曲 曲目
    数量 件数 销量 销售量
    库存 存货 库存量
    费用 花费 开销 收费
    药品 药物 药
    诊断 疾病 病 病症
    评分 打分
    酒店 宾馆 旅馆
    汽车 车辆 车
    职位 岗位 职务
    日期 时间
    在售 在卖
    """.strip().splitlines()
]
_SINGLE_CHARACTERS = {word for line in _SYNONYM_SETS for word in line if len(word) == 1}
_SYNONYM_SCORE, _ENDING_SCORE, _TABLE_PREFIX_SCORE, _SECOND_PART_SCORE, _FIRST_PART_SCORE, _CHARACTER_SCORE = (
    0.92,
    0.85,
    0.97,
    0.8,
    0.74,
    0.9,
)
_NAME_ENDINGS = ("名称", "名字", "姓名", "编号", "数量", "金额", "信息", "日期", "时间", "名", "数", "ID", "id", "号")
_TABLE_ENDINGS = ("信息表", "记录表", "明细表", "档案表", "表", "信息", "记录", "档案")
_NAME_PREFIXES = ("是否", "所在", "所属", "当前", "主要")
_BRACKETS = re.compile(
    r"[(\uff08\[\u3010][^()\uff08\uff09\[\]\u3010\u3011]*[/\u3400-\u9fff][^)\uff09\]\u3011]*[)\uff09\]\u3011]?"
)
_SEPARATORS = re.compile(r"[,;/|:\u3001\uff0c\uff1b\uff1a\u3002]")


def without_brackets(phrase: str) -> str:
    """The comment without parenthesised values and units."""
    return _BRACKETS.sub("", phrase).strip()


def comment_names(phrase: str) -> list[str]:
    """The names that a comment lists."""
    return [part.strip() for part in _SEPARATORS.split(without_brackets(phrase)) if part.strip()]


def table_noun(phrases: Iterable[str]) -> str:
    """The Chinese noun for the rows of a table, from its name or comment."""
    names = (part for phrase in phrases for part in comment_names(phrase) if chinese.contains_chinese(part[0]))
    name = next(names, "")
    ending = next((suffix for suffix in _TABLE_ENDINGS if name.endswith(suffix) and name != suffix), "")
    return name.removesuffix(ending)


def event_verbs(phrases: Iterable[str]) -> set[str]:
    """The events whose time a date column holds: 下单 for 下单时间."""
    names = (part for phrase in phrases for part in comment_names(phrase))
    return {name[:-2] for name in names if name.endswith(("日期", "时间")) and len(name) > 3}


def boolean_states(phrases: Iterable[str]) -> set[str]:
    """The states that a boolean column holds: 住校 for 是否住校."""
    return {part.removeprefix("是否") for phrase in phrases for part in comment_names(phrase) if len(part) > 2}


def is_additive(name: str) -> bool:
    """True if numbers of this name can be added up, unlike prices, rates and marks."""
    return name.endswith(("额", "量", "数", "费", "费用", "收入", "支出", "成本", "利润", "销量"))


def key_referent(name: str) -> str:
    """The entity that a key references, from its name; empty if the name does not say."""
    ending = next((suffix for suffix in ("编号", "ID", "id", "编码", "代码", "号") if name.endswith(suffix)), "")
    return name.removesuffix(ending) if ending and len(name) > len(ending) + 1 else ""


def name_forms(phrase: str, table_name: str, table: bool) -> dict[str, float]:
    """Variants of a name with their scores; `table_name` is the noun of the table that a column belongs to."""
    scores = {phrase: 1.0}

    def add(form: str, score: float) -> None:
        if form and (len(form) > 1 or (table and form in _SINGLE_CHARACTERS)):
            scores[form] = max(score, scores.get(form, 0.0))

    ending = next((suffix for suffix in (_TABLE_ENDINGS if table else _NAME_ENDINGS) if phrase.endswith(suffix)), "")
    if ending and phrase != ending:
        add(phrase.removesuffix(ending), _TABLE_PREFIX_SCORE if table else _ENDING_SCORE)
        add(ending, 0.5)
        phrase = phrase.removesuffix(ending) if table else phrase
    if table_name and phrase.startswith(table_name):
        add(phrase.removeprefix(table_name), _TABLE_PREFIX_SCORE)
    elif table_name:
        add(table_name + phrase, _TABLE_PREFIX_SCORE)
    for before in _NAME_PREFIXES:
        if phrase.startswith(before):
            add(phrase.removeprefix(before), _TABLE_PREFIX_SCORE)
    for middle in range(1, len(phrase) - 1):
        if phrase[middle] == "的":
            add(phrase[middle + 1 :], _ENDING_SCORE)
    # Chinese words have two characters as a rule, so longer names are split at even places.
    for middle in range(2 - len(phrase) % 2, len(phrase), 2 - len(phrase) % 2) if len(phrase) <= 8 else ():
        add(phrase[middle:], _SECOND_PART_SCORE)
        add(phrase[:middle], 0.5 if table else _FIRST_PART_SCORE)
    for form, score in list(scores.items()):
        for line in _SYNONYM_SETS:
            for word in line:
                if form == word or (
                    form.endswith(word) and score > _SECOND_PART_SCORE and word not in _SINGLE_CHARACTERS
                ):
                    for other in line:
                        if table and other.startswith("多少"):
                            continue
                        add(form.removesuffix(word) + other, _SYNONYM_SCORE * score)
    return scores


def short_forms(name: str) -> Iterator[tuple[str, str, float]]:
    """Single characters that may stand for a noun of two, with the context and a score: 班 for 班级, 生 for 学生."""
    for n, character in enumerate(name if len(name) == 2 else ""):
        if character not in chinese.VERBS and not chinese.is_marker(character):
            yield character, "noun", _CHARACTER_SCORE if n == 0 else 0.55 * _CHARACTER_SCORE
            yield character, "behind", 0.95 * _CHARACTER_SCORE if n == 0 else _CHARACTER_SCORE
