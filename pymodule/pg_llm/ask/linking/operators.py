"""The closed-class words of English and Chinese that say what to do with names and values: one table for each."""

from __future__ import annotations

from pg_llm.ask import words

# Kind and meaning, then the phrases. Words are compared by their stems.
_ENGLISH = """
count: how many, number of, the number of, count of, the count of, count, total number of, the total number of,
  quantity of
agg sum: total, total of, the total, sum of, sum, how much, in total, combined
agg avg: average, mean, average of, on average, avg, the average of
agg median: median
agg max: maximum, max
agg min: minimum, min
sup desc most: most, the most, most number of, largest number of, highest number of, greatest number of
sup asc most: fewest, the fewest, least, the least, lowest number of, smallest number of
sup desc: highest, largest, greatest, biggest
sup desc top: top
sup asc: lowest, smallest
sup asc top: bottom
sup desc big: biggest, largest
sup desc rating: best
sup asc rating: worst
sup desc price: most expensive, priciest, costliest
sup asc price: cheapest, least expensive
sup desc long: longest
sup asc long: shortest
sup desc tall: tallest, highest
sup desc heavy: heaviest
sup asc heavy: lightest
sup desc fast: fastest
sup asc fast: slowest
sup desc date: latest, newest, most recent, most recently
sup asc date: earliest, first
sup desc age: oldest
sup asc age: youngest
cmp >: >, more than, over, above, greater than, higher than, larger than, exceed, exceeding, in excess of, bigger
  than
cmp >=: >=, at least, no less than, not less than, no fewer than, minimum of, a minimum of
cmp <: <, less than, fewer than, under, below, lower than, smaller than
cmp <=: at most, no more than, not more than, up to, maximum of, a maximum of
cmp =: exactly, equal to, equal, =
cmp > price: more expensive than, pricier than, cost more than, cost over, cost above, charge more than
cmp < price: cheaper than, cost less than, cost under, cost below, charge less than
cmp > pay: earn more than, earn over, earn above
cmp < pay: earn less than, earn under, earn below
sup desc pay: highest paid, best paid
sup asc pay: lowest paid
cmp > date: after, later than
cmp < date: before, earlier than, prior to
cmp > long: longer than
cmp < long: shorter than
cmp > tall: taller than
cmp > heavy: heavier than
cmp < heavy: lighter than
cmp > age: older than
cmp < age: younger than
above >=: or more, or higher, or above, or greater, and above, and up, or over
above <=: or less, or fewer, or lower, or below, or under
between: between
group each: per, each, every, for each, for every, in each, in every, of each, by each, at each, across, across
  each, broken down by, grouped by, group by, break down by, split by, for each of the
group by: by
unit year: which year, what year, in which year, yearly, annually, annual, by year, per year, each year, every year,
  in each year, for each year, over the year
unit quarter: which quarter, what quarter, in which quarter, quarterly, by quarter, per quarter, each quarter, every
  quarter, in each quarter, for each quarter
unit month: which month, what month, in which month, monthly, by month, per month, each month, every month, in each
  month, for each month, month by month
unit week: which week, weekly, by week, per week, each week, every week, for each week
unit day: which day, what day, on which day, daily, by day, per day, each day, every day, for each day
order: order by, sort by, rank by, in order of, order the result by, order result by, sort the result by
direction desc: descending order, in decreasing order, order from highest to lowest, sorted from highest to lowest,
  order from largest to smallest, descending, in descending order, from highest to lowest, highest first, desc,
  highest number first, largest number first, largest first, biggest first
direction asc: order alphabetically, sorted alphabetically, in alphabetical order, ascending order, ascending, in
  ascending order, from lowest to highest, lowest first, alphabetically, asc, lowest number first, smallest first
not: no, not, without, without any, never, have no, do not have, do not have any, not any,
  lack, not yet, with no, have not, none, no longer
except: except, except for, excluding, exclude, other than, apart from
ratio 100: percentage of, percent of, percentage, percent, what percentage of, what percent of,
  how many percent, by how many percent, by what percentage, by what percent
ratio 1: share of, proportion of, fraction of, what share, what proportion, what fraction
quotient: ratio of, the ratio of, ratio
distinct: different, distinct, unique
contrast: with and without, with or without
label: name, full name, first and last name, first name and last name
or: or
"""
_CHINESE = """
count: 多少,数量,总数,个数,人数,次数,总数量
agg sum: 总和,总计,合计,总额,总,总共,一共
agg avg: 平均值,平均,均值,平均数
agg max: 最大值
agg min: 最小值
sup desc most: 最多
sup asc most: 最少
sup desc: 最高,最大,最强
sup asc: 最低,最小
sup desc price: 最贵
sup asc price: 最便宜
sup desc long: 最长
sup asc long: 最短
sup desc date: 最新,最近,最晚
sup asc date: 最早
sup desc age: 最年长
sup asc age: 最年轻
sup desc top: 前
cmp >: 大于,多于,高于,超过,超出
cmp >=: 不少于,不低于,不小于,至少,大于等于
cmp <: 小于,少于,低于,不到,不足
cmp <=: 不超过,不多于,不高于,不大于,至多,最多不超过,小于等于
cmp =: 等于
range: 到,至
above >=: 以上,及以上
above <=: 以下,及以下,以内
group each: 每个,每位,每名,每家,每种,每类,每一个,每,各个,各,按照,按,不同,分别
unit year: which year, what year, in which year, 哪一年,哪年,每年,各年,按年,逐年
unit month: which month, what month, in which month, 哪个月,每月,每个月,各月,按月,逐月
unit quarter: which quarter, what quarter, in which quarter, 每季度,按季度,各季度
unit week: which week, 每周,按周
unit day: which day, what day, on which day, 哪一天,哪天,每天,每日,按天,按日
order: 排序,排列
direction desc: 降序,从高到低,从大到小,从多到少
direction asc: 升序,从低到高,从小到大,从少到多
not: 没有,未,没,从未,从来没有,从没,不是,不,无
except: 除了,除,不含,不包括
ratio 100: 百分比,占比,百分之几,百分之多少
ratio 1: 比例,比率,多大比例,多少比例
distinct: 不同的
or: 或者,或
"""
# What adds nothing: articles, prepositions, pronouns, forms of be, have and do, requests and interrogatives.
_GLUE = """
a an the of in on at to for from with into onto via through during within among this that these those their its it his
her he she they them there here all any some as than is be have do can could will would should may might must been and
also then such which who whom whose what how me us i we our my you your please so out up down about if
whether ones one just only? either anything something anyone somebody everyone everything
s ' and/or respectively together along let
"""
# Verbs and nouns that carry no meaning of their own beside a name; a value of the rows comes before them.
_SUPPORT = """
make place take get give receive belong come go hold contain include exist happen occur use has record entry row
list detail information data database located locate live based base work appear associate associated called
overall altogether list show carry following follow existing offer serve bring own
"""
# Verbs that ask for an answer, where they begin a sentence or follow a pronoun.
_REQUESTS = (
    "show list give find display return get tell name see want need know like identify provide report compute calculate"
)
_CHINESE_GLUE = """
的 了 过 着 吗 呢 吧 啊 在 中 里 有 是 为 由 被 对 给 把 将 我 我们 请问 请 列出 显示 查询 给出 找出 告诉我
查找 什么 哪些 哪 哪个 哪位 哪家 谁 何 有哪些 是谁 是什么 是多少 和 与 及 以及 并 且 的人 所有 全部
共有 其中 属于 来自 位于 个 名 位 条 件 家 张 种 次 人? 叫什么 名单 列表 统计 一下 看 帮我 我想知道 也 都 占
各有 各是 那些 这些 、 元 下 之间 里面 之中 当中 分别是 分别 现在 平方米
"""

Operator = tuple[str, tuple[str, ...]]


def _parse(table: str, chinese: bool) -> dict[tuple[str, ...], list[Operator]]:
    operators: dict[tuple[str, ...], list[Operator]] = {}
    for line in table.strip().replace("\n  ", " ").splitlines():
        head, _, phrases = line.partition(":")
        kind, *meaning = head.split()
        for phrase in phrases.split(","):
            text = phrase.strip()
            key = tuple(text) if chinese else tuple(words.stem(word) for word in text.split() if word != "the")
            found = operators.setdefault(key, [])
            if (kind, tuple(meaning)) not in found:
                found.append((kind, tuple(meaning)))
    return operators


# What stands between a number and a noun, a class of its own in Chinese.
MEASURE_WORDS = "个名位件条张家种次人笔门只头匹本辆台艘架部间套座份棵支"
_COUNTED = "count: " + ",".join(f"{many}{measure}" for many in ("多少", "几") for measure in MEASURE_WORDS)
OPERATORS = _parse(_ENGLISH, False) | _parse(_CHINESE, True) | _parse(_COUNTED, True)
GLUE = frozenset(words.stem(word) for word in _GLUE.split() if not word.endswith("?")) | frozenset(_GLUE.split())
REQUESTS = frozenset(words.stem(word) for word in _REQUESTS.split())
SUPPORT = frozenset(words.stem(word) for word in _SUPPORT.split() if not word.endswith("?"))
# Verbs that say of rows that they are there: how many orders were placed.
EXISTENCE = frozenset(("make", "place", "record", "list", "exist", "happen", "occur"))
CHINESE_GLUE = frozenset(tuple(word) for word in _CHINESE_GLUE.split() if not word.endswith("?"))


def is_empty(word: str) -> bool:
    """True for an English word that says nothing about what is asked for."""
    return word.lower() in GLUE or words.stem(word) in GLUE | REQUESTS


LONGEST = max(map(len, OPERATORS))
UNITS = ("year", "quarter", "month", "week", "day")
# Words in the names of columns that an adjective is about.
ATTRIBUTES = {
    "price": ("price", "cost", "fee", "amount", "rate", "价格", "单价"),
    "pay": ("salary", "wage", "pay", "income", "工资", "薪"),
    "long": ("length", "duration", "distance", "minute", "hour", "长度", "时长"),
    "tall": ("height", "elevation", "altitude", "身高", "高度"),
    "heavy": ("weight", "mass", "重量", "体重"),
    "fast": ("speed", "速度"),
    "date": ("date", "time", "year", "at", "on", "日期", "时间"),
    "age": ("age", "birth", "年龄", "生日", "open", "build", "found", "establish", "construct", "install", "launch"),
    "rating": ("rating", "score", "star", "评分"),
    "big": ("size", "area", "population", "capacity", "面积", "人口"),
}
NUMBER_WORDS = {
    word: number
    for number, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
} | {"twenty": 20, "fifty": 50, "hundred": 100}
CHINESE_DIGITS = {digit: number for number, digit in enumerate("零一二三四五六七八九十")} | {"两": 2}
MULTIPLIERS = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "billion": 1e9, "万": 1e4, "亿": 1e8, "千": 1e3}
# Verbs that say no more than that rows of two tables are related, where they stand beside both.
RELATIONS = frozenset(
    words.stem(word)
    for word in """
    write teach attend visit buy purchase sell own work live study serve play enroll enrol register publish present
    record issue treat assign handle manage lead operate host offer supply produce create submit file raise perform
    flow traverse fly ship order book rent borrow join employ assign cover post log lie
""".split()
)
