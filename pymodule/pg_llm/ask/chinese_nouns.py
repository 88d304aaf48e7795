"""Chinese for the nouns of everyday databases: questions name tables and columns whose names are English only."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

# Nouns whose Chinese hardly means another of them; a number of things (数量) is an operator.
_NOUNS = {
    english: tuple(chinese)
    for english, *chinese in (
        entry.split()
        for entry in """
    customer 客户 顾客, client 客户, user 用户, member 会员, guest 客人 宾客, visitor 访客, patient 患者 病人,
    doctor 医生, nurse 护士, student 学生, teacher 教师 老师, employee 员工 雇员, technician 技术员,
    driver 司机, passenger 乘客, author 作者, artist 艺术家 歌手, actor 演员, player 球员 选手, supplier 供应商,
    vendor 供应商, company 公司, hotel 酒店, restaurant 餐厅 餐馆, hospital 医院, clinic 诊所, school 学校,
    university 大学, bank 银行, store 门店 商店, shop 商店, warehouse 仓库, factory 工厂, branch 分店 分行,
    department 部门, team 团队, product 产品 商品, part 零件, machine 机器 设备, device 设备, vehicle 车辆,
    car 汽车, book 图书, movie 电影, film 电影, song 歌曲, album 专辑, course 课程, class 班级, project 项目,
    task 任务, event 活动, order 订单, booking 预订, reservation 预订, appointment 预约, invoice 发票,
    payment 付款, transaction 交易, contract 合同, shipment 货运, delivery 配送, purchase 采购, return 退货,
    review 评论 评价, inspection 检查, donation 捐款, subscription 订阅, flight 航班, airport 机场,
    airline 航空公司, route 路线, room 房间, city 城市, country 国家, region 地区, province 省份, address 地址,
    phone 电话, email 邮箱, name 姓名 名称 名字, age 年龄, gender 性别, birthday 生日, nationality 国籍,
    status 状态, type 类型, category 类别 分类, price 价格, cost 成本, amount 金额, salary 工资 薪水 薪资,
    wage 工资, rating 评分, score 分数 得分, date 日期, year 年份, weight 重量, height 高度, discount 折扣,
    balance 余额, duration 时长, distance 距离, title 标题, position 职位, color 颜色, size 尺寸, stock 库存,
    language 语言, currency 货币, reason 原因, priority 优先级, brand 品牌, channel 渠道, capacity 容量,
    population 人口, area 面积, disease 疾病, diagnosis 诊断, drug 药品, medicine 药品
    """.replace("\n", " ").split(",")
    )
}
_PART = re.compile(r"[A-Z]?[a-z]+")
_PLURALS = (("ies", "y"), ("sses", "ss"), ("s", ""))
_MOST_WORDS = 2


def names(identifier: str) -> Iterator[str]:
    """How an identifier of one or two of these nouns is said; nothing for other ones."""
    parts = [part.lower() for part in _PART.findall(identifier)]
    if 0 < len(parts) <= _MOST_WORDS:
        yield from map("".join, itertools.product(*map(_translations, parts)))


def _translations(word: str) -> tuple[str, ...]:
    """The Chinese of a noun, which may be in the plural; not of its stem, as a booking is no book."""
    ending = next(((old, new) for old, new in _PLURALS if word not in _NOUNS and word.endswith(old)), ("", ""))
    return _NOUNS.get(word[: len(word) - len(ending[0])] + ending[1], ())
