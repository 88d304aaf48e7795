"""The English lexicon: markers by kind and meaning, stop words, numbers, units; the Chinese one is `chinese`.

Markers map phrases, as tuples of stems, to a kind and a meaning. Numbers, units and attributes are of both languages.
"""

from __future__ import annotations

from pg_llm.ask.grammar import words

Marker = tuple[str, str]


def _joined_lines(lines: str) -> list[str]:
    """The lines, of which an indented one continues the one before."""
    return lines.strip().replace("\n  ", " ").splitlines()


def _parse_markers(lines: str) -> dict[tuple[str, ...], Marker]:
    markers: dict[tuple[str, ...], Marker] = {}
    for line in _joined_lines(lines):
        head, _, phrases = line.partition(":")
        kind, meaning = head.split()
        for phrase in phrases.split(","):
            markers[tuple(words.stem(word) for word in phrase.split())] = (kind, meaning)
    return markers


ENGLISH_MARKERS = _parse_markers("""
count *: how many, number of, total number of, count of, total count of, the number of, count, how often,
  number, overall number of
agg avg: average, mean, avg, on average
agg sum: total, sum of, sum, overall, combined, total amount of, total sum of, how much, cumulative,
  aggregate, add up to
agg median: median
super desc: most, highest, largest, biggest, greatest, maximum, max, top, best, largest number of, strongest,
  richest
super asc: least, lowest, fewest, smallest, minimum, min, worst, bottom, poorest
super desc.long: longest
super asc.long: shortest
super desc.tall: tallest
super desc.weight: heaviest
super asc.weight: lightest
super desc.price: most expensive, costliest, priciest
super asc.price: cheapest, least expensive
super desc.age: oldest
super asc.age: youngest
super desc.date: latest, newest, most recent, most recently
super asc.date: earliest, soonest, first
super desc.population: most populous, most populated
super asc.population: least populous, least populated
super desc.deep: deepest
super desc.speed: fastest
super asc.speed: slowest
super desc.rating: best rated, highest rated, top rated, best reviewed
super asc.rating: worst rated, lowest rated
super desc.*: most popular, most common, most frequent, busiest, most frequently, most often, most active
super asc.*: least popular, least common, least frequent, rarest
cmp >: more than, greater than, over, above, exceed, higher than, larger than, longer than, bigger than,
  taller than, older than, heavier than, in excess of, better than, bigger, greater, be over
cmp >=: at least, no less than, not less than, no fewer than, minimum of, greater than or equal to,
  more than or equal to, a minimum of, equal to or more than, equal to or greater than
cmp <: less than, fewer than, under, below, lower than, smaller than, shorter than, younger than, cheaper than,
  lighter than
cmp <=: at most, no more than, not more than, up to, maximum of, a maximum of, less than or equal to,
  equal to or less than
cmp =: exactly, equal to, equal
cmp <>: not equal to, different from, other than
cmp >.time: after, later than
cmp <.time: before, earlier than, prior to
cmp >=.time: since, starting from, from, as from, starting in, beginning in, starting, beginning, on or after,
  no earlier than, not earlier than, not before, ever since
cmp <=.time: until, through, till, on or before, no later than, not later than, not after, up until
above >=: or more, or higher, or above, and above, or greater, or over, and over, and up, or later, or after, or newer,
  and later, and after, or more recent, onward, at the earliest
above <=: or less, or fewer, or lower, or below, and below, or under, and under, or earlier, or before, and earlier,
  at the latest
between and: between
group each: each, per, every, for each, for every, in each, within each, of each, by each, to each, at each,
  from each, with each, group by, broken down by, break down by, across, for different,
  across different, split by, by, according to, differ by, differ across, vary by, vary across, change over,
  over the, across all, based on, in terms of
order asc: order by, sort by, rank by, arrange by, in order of
order word: alphabetically, alphabetical order, in alphabetical order, alphabetical
idle sum: in total, altogether, in all
idle said: on record, on file, in our database, in the database, in this database, in our system, in the system,
  in our records, in the records, in our books, in our files, so far, up to now, to date, until now,
  at all, at least once, as a whole, of ours, by any chance, if any, in question
idle verb: break down, split up
order verb: rank, sort, arrange, order the, order all
direction desc: descending, descending order, in descending order, decreasing order, reverse order, desc,
  from high to low, reverse alphabetical order
direction asc: ascending, ascending order, in ascending order, increasing order, asc, chronologically,
  chronological order, in chronological order, from low to high
not no: not, no, without, never, none, do not, cannot, have not, have no, be not, lack, miss, do not have, not have,
  not have any, do not have any, without any, not any, not be, neither, have never, who have never, that have never,
  be not part of any, not part of any, nobody, no one, nothing, no-one
except not: except, except for, exclude, apart from, but not, aside from, skip, ignore, ignoring, omit,
  disregard, leave out, left out, leave aside, not count, not include, not consider, do not count, do not include,
  do not consider
ratio ratio: ratio of, ratio between, ratio, proportion between, ratio of number of
share 100: percentage of, percentage, percent of, percent, per cent of
share 1: proportion of, fraction of, share of, proportion, fraction
distinct yes: different, distinct, unique, no duplicate, without duplicate, without repetition, no repetition,
  not repeat, do not repeat, not list twice, do not list twice
both and: both
either or: either
start with: start with, begin with
end with: end with, end in
like in: contain, include the word, with the word, contain the word, that include
same as: same, the same, same as
order of: order of
unit year: yearly, annually, annual, year over year, year by year
unit month: monthly, month by month, month over month
unit day: daily, day by day
unit week: weekly, week by week
unit quarter: quarterly, quarter by quarter
time last: in the last, in the past, over the last, over the past, during the last, during the past,
  within the last, within the past, past, within
time this: this
time previous: last
when this.day: today
when previous.day: yesterday
""")
# The organisation that owns the database, unless a table has that name: the college has hired, in our shop.
OWNER_WORDS = frozenset(
    """
    company firm business organization institution college university school shop store dealership bank hospital
    clinic library museum club airline hotel platform system
""".split()
)
POLITE_WORDS = {"please", "kindly", "thank", "thanks", "hello", "hi", "hey", "dear"}
FIRST_PERSON_WORDS = {"i", "me", "my", "mine", "myself", "we", "us", "our", "ours", "ourselves", "let", "lets"}
# Adverbs that add emphasis only.
EMPHATIC_WORDS = frozenset(
    """
    just so far actually actual really already even simply altogether exactly specifically precisely indeed ever
    always overall currently current
""".split()
)
# Focus particles and adverbs that restrict, whatever name they resemble.
RESTRICTIVE_WORDS = {"but", "only", "still", "yet", "once", "twice", "solely", "exclusively", "otherwise", "instead"}
# Light verbs, which add nothing to their nouns.
LIGHT_VERBS = frozenset(
    """
    be have do come go get take make bring hand hold reach place run put happen occur appear own use contain exist
    belong carry lie stand see
""".split()
)
# Verbs and nouns that only ask for a presentation of the answer.
PRESENTATION_WORDS = frozenset(
    """
    break down report compute calculate determine output print pull fetch present enumerate judge measure tabulate
    summarize summarise count overview summary breakdown
""".split()
)
QUESTION_WORDS = frozenset(
    """
    what which who whom whose where when list show give find display return get tell name provide select identify
    retrieve me please see include
""".split()
)
# Words without content for a query.
STOPWORDS = (
    QUESTION_WORDS
    | POLITE_WORDS
    | FIRST_PERSON_WORDS
    | EMPHATIC_WORDS
    | LIGHT_VERBS
    | PRESENTATION_WORDS
    | frozenset(
        """
        a an the of in on at to for from with by and or that this these those their its it there all any some as
        into than s t you your they them he she his her him can could will would should may might must been if many
        much how then also such about between among within during up out over under want need know like look kind
        sort along together respective respectively corresponding follow following available existing database table
        record row data result information value detail part located based locate associate associated relate
        related register registered receive received recorded order ordered total number found made included one per
        each every whether who's what's he/she year-wise various separate individual single specific given
        particular not no both either amount other more less most least having used live work write meter metre
        kilometer km mile foot dollar usd euro percent minute hour second kg kilogram pound letter letters character
        dr mr mrs ms prof say group across flow through cover differ different vary sorted ranked top first last
        whole entire calendar everyone everything anything nor
    """.split()
    )
)


def is_stopword(word: str) -> bool:
    """True if the word or its stem is a stop word."""
    return word.lower() in STOPWORDS or words.stem(word) in STOPWORDS


# English contractions and their expansions; after other words 's is a genitive.
CONTRACTIONS = {"n't": "not", "'ve": "have", "'ll": "will", "'re": "are", "'d": "would", "'m": "am", "'s": "is"}
CONTRACTED_WITH_IS = {"who", "what", "where", "when", "how", "which", "that", "it", "there", "he", "she", "here"}
CONTRACTED_STEMS = {"ca": "can", "wo": "will", "sha": "shall"}

# Abbreviated values, with patterns of what questions say instead.
SHORT_VALUES = {
    "m": r"\b(?:male|men|man)s?\b|男(?:性|的)?",
    "f": r"\b(?:female|women|woman)s?\b|女(?:性|的)?",
    "male": r"\bm[ae]n\b|男(?:性|的)?",
    "female": r"\bwom[ae]n\b|女(?:性|的)?",
    "男": r"\b(?:male|men)s?\b",
    "女": r"\b(?:female|women)s?\b",
}
# Commands to change data: such a text is not a question, and nothing of it is done.
WRITE_COMMANDS = frozenset(
    """
    delete drop insert update truncate alter create grant revoke remove erase modify rename copy execute install
    kill terminate overwrite rewrite 删除 修改 更新 插入 清空
""".split()
)

NUMBER_WORDS = {
    word: int(number)
    for word, number in (
        entry.split(":")
        for entry in """
            zero:0 one:1 two:2 three:3 four:4 five:5 six:6 seven:7 eight:8 nine:9 ten:10 eleven:11 twelve:12 dozen:12
            twenty:20 thirty:30 forty:40 fifty:50 hundred:100 thousand:1000 million:1000000
        """.split()
    )
}
# Multipliers after a number.
MULTIPLIERS = {
    word: float(factor)
    for word, factor in (
        entry.split(":")
        for entry in """
            k:1e3 thousand:1e3 m:1e6 mn:1e6 million:1e6 bn:1e9 billion:1e9 百:1e2 千:1e3 万:1e4 亿:1e8
        """.split()
    )
}
# Words that begin like a multiplier but are other words.
NOT_MULTIPLIED = {"千克", "千米", "千瓦", "百分", "百货"}
ORDINALS = {
    word: number
    for number, pair in enumerate(
        """
            second:2nd third:3rd fourth:4th fifth:5th sixth seventh eighth ninth tenth
        """.split(),
        2,
    )
    for word in pair.split(":")
}
CHINESE_DIGITS = {digit: n for n, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
MONTHS = {
    name: number
    for number, name in enumerate(
        """
            january february march april may june july august september october november december
        """.split(),
        1,
    )
}
MONTHS |= {name[:3]: n for name, n in MONTHS.items()} | {"sept": 9}
# Parts of a year: the ordinal and the kind of part.
CHINESE_YEAR_PARTS = {"上半年": (1, "half"), "下半年": (2, "half")} | {
    f"{before}{digit}季度": (n, "quarter") for n, digit in enumerate("一二三四", 1) for before in ("", "第")
}
TIME_UNITS = dict(
    entry.split(":")
    for entry in """
    year:year month:month week:week day:day quarter:quarter hour:hour 年:year 年份:year 月:month 月份:month 周:week
    天:day 日:day 季度:quarter
""".split()
)
# Words in names of columns that an adjective refers to, most likely first.
ATTRIBUTES = {
    "long": ("length", "duration", "distance", "page", "长度", "时长", "距离", "页数"),
    "tall": ("height", "altitude", "elevation", "身高", "高度", "海拔"),
    "weight": ("weight", "mass", "体重", "重量"),
    "price": ("price", "cost", "fee", "amount", "rate", "rent", "价格", "单价", "费用", "金额", "租金"),
    "worth": ("amount", "value", "total", "price", "cost", "revenue", "金额", "总价", "价值"),
    "age": ("age", "年龄", "birth date", "birth", "birthday", "founded", "year", "date", "出生", "生日", "成立"),
    "date": ("date", "time", "year", "created", "timestamp", "day", "日期", "时间", "年份"),
    "population": ("population", "inhabitant", "人口"),
    "deep": ("depth", "deep", "深度"),
    "speed": ("speed", "velocity", "time", "速度"),
    "rating": ("rating", "score", "star", "grade", "评分", "得分", "分数"),
    "big": ("size", "area", "population", "amount", "capacity", "面积", "人口", "容量"),
}
# Age columns grow with age; in other columns, as birth or foundation, the oldest have the smallest value.
AGE_WORDS = ("age", "年龄")
# Adjectives that imply an attribute in comparisons: "older than 30" compares the age.
COMPARATIVE_ADJECTIVES = dict(
    entry.split(":")
    for entry in """
    old:age older:age young:age younger:age long:long longer:long short:long shorter:long tall:tall taller:tall
    heavy:weight heavier:weight lighter:weight cheap:price cheaper:price expensive:price deep:deep fast:speed
    faster:speed higher:tall lower:tall populous:population populated:population rated:rating large:big larger:big
    big:big bigger:big
""".split()
)
