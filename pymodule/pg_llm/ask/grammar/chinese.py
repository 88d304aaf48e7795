"""The Chinese lexicon: markers by kind and meaning, verbs, measure words and units.

Chinese is written without spaces, so the context decides what is a word: measure words, units and nouns of one
character are words only in certain places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.lexicon import Marker

_CHARACTER = re.compile(r"[\u3400-\u9fff]")

# Measure words (classifiers): 五件 five pieces, 哪个 which one, 几本 how many, 每位 each one.
MEASURE_WORDS = """
    个 名 位 条 家 本 部 种 次 辆 只 台 件 张 门 款 项 所 间 座 份 笔 单 场 支 套 批 瓶 盒 枚 首 篇 节 层
    栋 户 期 轮 棵
""".split()
# Units of measurement, with the attribute (see lexicon) that they imply where no column is named.
UNITS = dict(
    entry.split(":")
    for entry in """
        元:price 块:price 块钱:price 岁:age 周岁:age 分:rating 米:tall 厘米:tall 公分:tall 公斤:weight 千克:weight
        斤:weight 公里:long 分钟:long 小时:long 页:long 人:
    """.split()
)
_NUMERAL = re.compile(f"[{''.join(lexicon.CHINESE_DIGITS)}十百千万]+")

_MARKERS = """
only these:只看,只算,只要,只统计,只考虑,仅看,仅统计,只查,只列出
count *:多少,有几,共有多少,一共有多少,总共有多少,数量,总数,个数,人数,总人数,次数,数目,总数量,数,量,件数,
  几个人,多少个人
agg avg:平均值,平均,均值,平均数
agg sum:总和,总计,合计,总额,总共,求和,总,一共
agg median:中位数
super desc:最多,最高,最大,最好,最强,最大值,最高值
super asc:最少,最低,最小,最差,最小值,最低值
super desc.long:最长
super asc.long:最短
super desc.weight:最重
super asc.weight:最轻
super desc.price:最贵
super asc.price:最便宜
super desc.age:年龄最大,最年长,最老
super asc.age:年龄最小,最年轻
super desc.date:最新,最近,最晚,最后
super asc.date:最早,最先
super desc.*:最受欢迎,最常见,最热门
cmp >:大于,多于,高于,超过,超出,长于,重于,贵于
cmp >=:不少于,不低于,不小于,至少,大于等于,大于或等于
cmp <:小于,少于,低于,不到,不足,短于
cmp <=:不超过,不多于,不高于,不大于,至多,最多不超过,小于等于,小于或等于
cmp =:等于,为,是,叫,名叫,姓名为,名字是,名为
cmp <>:不等于,不是,不为,不属于
cmp >.time:之后,以后,晚于
cmp <.time:之前,以前,早于
cmp >=.time:以来,自从,起
above >=:以上,及以上,或以上
above <=:以下,以内,及以下,或以下
between and:介于,之间,到,至
group each:每,每一,各,按照,按,根据,不同的,不同
apart each:分别,各自,各有,各是,各为
order asc:排序,排列,排,排个序,排好序
order desc:排名,排行
direction desc:降序,从高到低,从大到小,从多到少,倒序,由高到低,由大到小,由多到少,从晚到早,从新到旧,从贵到便宜
direction asc:升序,从低到高,从小到大,从少到多,由低到高,由小到大,由少到多,从早到晚,从旧到新,从便宜到贵
not no:没有,没,无,不,未,未曾,从未,从没,从来没有,从来没,从来不,没有人,没人,没有谁,并没有,并未
except not:除了,除,不算,不要,不含,不包括,不包含,不计,排除,除去,剔除,去掉
ratio ratio:比率,之比
takes of:占,各占
share 100:百分比,占比,百分之几,百分之多少
share 1:比例,比重,多大比例,多少比例
distinct yes:种类,不重复
both and:同时,既
either or:或者,或
start with:开头,以开头,打头
end with:结尾
surname of:姓
round to:保留,精确到,四舍五入到
like in:包含,含有,包括,含,带,带有,带着
unit year:每年,各年,按年,年度,逐年,按年份
unit month:每月,每个月,各月,各个月,按月,月度,逐月,按月份
unit day:每天,每日,按天,按日,各天
unit week:每周,按周,各周
unit quarter:每季度,每个季度,按季度,各季度,各个季度
when this.year:今年,本年,本年度
when previous.year:去年,上一年
when this.quarter:本季度,这个季度
when previous.quarter:上季度,上个季度
when this.month:本月,这个月
when previous.month:上月,上个月
when this.week:本周,这周,这个星期
when previous.week:上周,上星期,上个星期
when this.day:今天,今日
when previous.day:昨天,昨日
time last:过去,近
ask what:什么,哪些,哪,谁,何,怎样,请问,列出,显示,查询,给出,找出,告诉我,查找,请,是什么,是谁,
  是哪些,是多少,为多少,为什么值,有哪些,叫什么,叫什么名字,名叫什么,叫啥,是几,哪里,哪儿,哪些人,有谁,
  都有谁,都有哪些,想知道,想看,帮我,帮忙,麻烦,给我,查一下,查下,查查,查,看一下,看下,看看,看,统计,
  统计一下,统计下,汇总,算一下,算算,计算,求,求出,列一下,列出来,列,显示出来,展示,返回,输出,查出,问一下,
  导出,筛选,筛选出,选出,罗列,整理,多大,怎么样,如何,是否有,分组,来看,划分
and and:和,与,以及,并且,且,及,并,、
of of:的,之
empty no:了,过,着,吗,呢,吧,啊,在,中,里,里面,里头,当中,之中,内,上,下,方面,有,所有,全部,全体,整个,被,由,
  对,给,把,将,我,我们,咱们,你,您,共,其,该,这,这些,那,那些,都,还,就,也,又,再,已经,曾经,目前,
  现在,当前,其中,属于,来自,位于,进行,情况,信息,记录,数据,名单,清单,列表,明细,等,于,从,以,患有,得了,
  拥有,一下,出来,一共有,的话,具体,到底,究竟,的人,全校,全院,全公司,全国,全店,全厂,全员,每个人,小数,
  小数点后,相应,对应,本身,它,它们,他,他们,她,她们,自己
top n:前,排前,排名前,排在前,排行前,位列前
"""
# Verbs that only relate two nouns: rows of one table reference rows of the other.
VERBS = frozenset(
    """
    买 购买 卖 选 选修 修 上 教 讲 授 任教 教授 负责 管理 主管 带领 借 借阅 租 租用 订 订购 下 写
    撰写 看 观看 参加 参与 加入 报名 开 做 住 考 销售 售 出 用 使用 去 获得 得 得到 拿 拿到 接 接待
    服务 治疗 治 看病 就诊 开具 收 收到 乘坐 坐 入住 预订 预约 来 花 消费 产生 发生 完成 担任 生产 制造
    发布 出版 贡献 涉及 对应 存
""".split()
)
# Contexts that a noun of one character follows: each class, which class, the class's, the highest mark, no class.
_BEFORE_NOUN = ("每", "各", "哪", "几", "多少", "的", "什么", "哪些", "平均", "最高", "最低", "总", "没有", "没")


def _parse_markers(lines: str) -> dict[str, Marker]:
    markers: dict[str, Marker] = {}
    for line in lines.strip().replace("\n  ", "").splitlines():
        head, _, phrases = line.partition(":")
        kind, meaning = head.split()
        markers |= dict.fromkeys((phrase for phrase in phrases.split(",") if phrase), (kind, meaning))
    return markers


def _measure_word_markers() -> Iterator[tuple[str, Marker]]:
    """Interrogatives and quantifiers with each measure word; people are counted without one."""
    for word in (*MEASURE_WORDS, "人"):
        for begin in ("多少", "几", "有几"):
            yield begin + word, ("count", "*")
        for begin in ("哪", "哪几", "哪一", "是哪", "是哪几", "是哪一"):
            yield begin + word, ("ask", "what")
        for begin in ("每", "每一", "各") if word != "人" else ():
            yield begin + word, ("group", "each")


MARKERS: dict[str, Marker] = dict(_measure_word_markers()) | _parse_markers(_MARKERS)
# The parts of words for a man or a woman: 女生, 男士.
SEX_PREFIXES, PERSON_SUFFIXES = {"男", "女"}, {"生", "性", "士", "人", "孩", "子"}
# Words that are words only after a number.
_AFTER_NUMBER = {*MEASURE_WORDS, *UNITS}
_ALWAYS_FUNCTION_WORDS = {"个", "名", "位", "条", "家"}
MARKERS |= {word: ("empty", "no") for word in _AFTER_NUMBER if word not in MARKERS}


def contains_chinese(text: str) -> bool:
    """True if the text has Chinese characters."""
    return _CHARACTER.search(text) is not None


def numeral(text: str, index: int) -> str:
    """The numeral at this place if it counts something or follows 前 (the first n), else an empty text."""
    match = _NUMERAL.match(text, index)
    if match is None:
        return ""
    after = text[match.end() :]
    return match[0] if text[:index].endswith("前") or after.startswith(tuple(_AFTER_NUMBER)) else ""


def marker_may_stand(text: str, index: int, word: str) -> bool:
    """True if a marker is a word at this place: measure words and units are only after a number."""
    before = text[index - 1 : index]
    return word not in _AFTER_NUMBER or word in _ALWAYS_FUNCTION_WORDS or _is_numeric(before)


def _is_numeric(character: str) -> bool:
    return character.isdigit() or bool(_NUMERAL.fullmatch(character))


def is_question_word(word: str) -> bool:
    """True for interrogatives and requests."""
    return MARKERS.get(word, ("", ""))[0] == "ask"


def is_marker(word: str) -> bool:
    """True if the word is a marker wherever it stands."""
    return word in MARKERS and word not in _AFTER_NUMBER


def is_function_word(text: str, before: str) -> bool:
    """True if the word, after the word `before`, has no content; measure words have none only after numbers."""
    return text in MARKERS and marker_may_stand(before + text, len(before), text)


def noun_context(text: str, index: int, values: Iterable[str]) -> str:
    """The context in which a noun of one character may stand here: `behind` a value, or as a `noun`; empty if none."""
    before = text[:index]
    if before.endswith(tuple(values)):
        return "behind"
    if before.endswith((*_BEFORE_NOUN, *VERBS)):
        return "noun"
    counted = before[-1:] in _AFTER_NUMBER and before[-2:-1] != ""
    return "noun" if counted and (before[-2] in "每各哪几" or _is_numeric(before[-2])) else ""
