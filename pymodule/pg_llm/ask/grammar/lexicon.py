"""Words that say what is asked, whatever the database is about; what asks in Chinese is in `chinese`.

Each marker has a kind and what it says. English phrases are of stems. Numbers, units and attributes are of both.
"""

from __future__ import annotations

from pg_llm.ask.grammar import words

Marker = tuple[str, str]


def _joined(lines: str) -> list[str]:
    """A line that begins with blanks goes on with the one before."""
    return lines.strip().replace("\n  ", " ").splitlines()


def _of(lines: str) -> dict[tuple[str, ...], Marker]:
    found: dict[tuple[str, ...], Marker] = {}
    for line in _joined(lines):
        head, _, phrases = line.partition(":")
        kind, said = head.split()
        for phrase in phrases.split(","):
            found[tuple(words.stem(word) for word in phrase.split())] = (kind, said)
    return found


ENGLISH = _of("""
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
# Who keeps the database, unless a table is called so: the college has hired, in our shop.
KEEPERS = {
    "company",
    "firm",
    "business",
    "organization",
    "institution",
    "college",
    "university",
    "school",
    "shop",
    "store",
    "dealership",
    "bank",
    "hospital",
    "clinic",
    "library",
    "museum",
    "club",
    "airline",
    "hotel",
    "platform",
    "system",
}
POLITE = {"please", "kindly", "thank", "thanks", "hello", "hi", "hey", "dear"}
FIRST_PERSON = {"i", "me", "my", "mine", "myself", "we", "us", "our", "ours", "ourselves", "let", "lets"}
# Words that stress what others say.
EMPHASIS = {
    "just",
    "so",
    "far",
    "actually",
    "actual",
    "really",
    "already",
    "even",
    "simply",
    "altogether",
    "exactly",
    "specifically",
    "precisely",
    "indeed",
    "ever",
    "always",
    "overall",
    "currently",
    "current",
}
# Words that keep rows out, whatever they are near in meaning.
RESTRICTING = {"but", "only", "still", "yet", "once", "twice", "solely", "exclusively", "otherwise", "instead"}
# Verbs that say no more than that something is there, or is had, or is done.
LIGHT = {
    "be",
    "have",
    "do",
    "come",
    "go",
    "get",
    "take",
    "make",
    "bring",
    "hand",
    "hold",
    "reach",
    "place",
    "run",
    "put",
    "happen",
    "occur",
    "appear",
    "own",
    "use",
    "contain",
    "exist",
    "belong",
    "carry",
    "lie",
    "stand",
    "see",
}
# Verbs and nouns that only say by what, or how, an answer is shown.
SHOWING = {
    "break",
    "down",
    "report",
    "compute",
    "calculate",
    "determine",
    "output",
    "print",
    "pull",
    "fetch",
    "present",
    "enumerate",
    "judge",
    "measure",
    "tabulate",
    "summarize",
    "summarise",
    "count",
    "overview",
    "summary",
    "breakdown",
}
ASKING = {
    "what",
    "which",
    "who",
    "whom",
    "whose",
    "where",
    "when",
    "list",
    "show",
    "give",
    "find",
    "display",
    "return",
    "get",
    "tell",
    "name",
    "provide",
    "select",
    "identify",
    "retrieve",
    "me",
    "please",
    "see",
    "include",
}
# Words that say nothing of what is asked.
EMPTY = (
    ASKING
    | POLITE
    | FIRST_PERSON
    | EMPHASIS
    | LIGHT
    | SHOWING
    | {
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "from",
        "with",
        "by",
        "and",
        "or",
        "that",
        "this",
        "these",
        "those",
        "their",
        "its",
        "it",
        "there",
        "all",
        "any",
        "some",
        "as",
        "into",
        "than",
        "s",
        "t",
        "you",
        "your",
        "they",
        "them",
        "he",
        "she",
        "his",
        "her",
        "him",
        "can",
        "could",
        "will",
        "would",
        "should",
        "may",
        "might",
        "must",
        "been",
        "if",
        "many",
        "much",
        "how",
        "then",
        "also",
        "such",
        "about",
        "between",
        "among",
        "within",
        "during",
        "up",
        "out",
        "over",
        "under",
        "want",
        "need",
        "know",
        "like",
        "look",
        "kind",
        "sort",
        "along",
        "together",
        "respective",
        "respectively",
        "corresponding",
        "follow",
        "following",
        "available",
        "existing",
        "database",
        "table",
        "record",
        "row",
        "data",
        "result",
        "information",
        "value",
        "detail",
        "part",
        "located",
        "based",
        "locate",
        "associate",
        "associated",
        "relate",
        "related",
        "register",
        "registered",
        "receive",
        "received",
        "recorded",
        "order",
        "ordered",
        "total",
        "number",
        "found",
        "made",
        "included",
        "one",
        "per",
        "each",
        "every",
        "whether",
        "who's",
        "what's",
        "he/she",
        "year-wise",
        "various",
        "separate",
        "individual",
        "single",
        "specific",
        "given",
        "particular",
        "not",
        "no",
        "both",
        "either",
        "amount",
        "other",
        "more",
        "less",
        "most",
        "least",
        "having",
        "used",
        "live",
        "work",
        "write",
        "meter",
        "metre",
        "kilometer",
        "km",
        "mile",
        "foot",
        "dollar",
        "usd",
        "euro",
        "percent",
        "minute",
        "hour",
        "second",
        "kg",
        "kilogram",
        "pound",
        "letter",
        "letters",
        "character",
        "dr",
        "mr",
        "mrs",
        "ms",
        "prof",
        "say",
        "group",
        "across",
        "flow",
        "through",
        "cover",
        "differ",
        "different",
        "vary",
        "sorted",
        "ranked",
        "top",
        "first",
        "last",
        "whole",
        "entire",
        "calendar",
        "everyone",
        "everything",
        "anything",
        "nor",
    }
)


def is_empty(word: str) -> bool:
    """Whether a word, as it stands or by its stem, says nothing of what is asked."""
    return word.lower() in EMPTY or words.stem(word) in EMPTY


# What hangs on a word with an apostrophe, and what it stands for: after other words, 's is a genitive.
HUNG = {"n't": "not", "'ve": "have", "'ll": "will", "'re": "are", "'d": "would", "'m": "am", "'s": "is"}
WITH_IS = {"who", "what", "where", "when", "how", "which", "that", "it", "there", "he", "she", "here"}
CLIPPED = {"ca": "can", "wo": "will", "sha": "shall"}

# Values that are written short, and how questions say them.
SHORT_VALUES = {
    "m": r"\b(?:male|men|man)s?\b|男(?:性|的)?",
    "f": r"\b(?:female|women|woman)s?\b|女(?:性|的)?",
    "male": r"\bm[ae]n\b|男(?:性|的)?",
    "female": r"\bwom[ae]n\b|女(?:性|的)?",
    "男": r"\b(?:male|men)s?\b",
    "女": r"\b(?:female|women)s?\b",
}
# What is not asked but ordered; nothing here is ever done.
WRITING = {
    "delete",
    "drop",
    "insert",
    "update",
    "truncate",
    "alter",
    "create",
    "grant",
    "revoke",
    "remove",
    "erase",
    "modify",
    "rename",
    "copy",
    "execute",
    "install",
    "kill",
    "terminate",
    "overwrite",
    "rewrite",
    "删除",
    "修改",
    "更新",
    "插入",
    "清空",
}

NUMBERS = {
    "zero": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "dozen": 12,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "hundred": 100,
    "thousand": 1000,
    "million": 1_000_000,
}
# What a number is multiplied by.
SCALE = {
    "k": 1e3,
    "thousand": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "million": 1e6,
    "bn": 1e9,
    "billion": 1e9,
    "百": 100,
    "千": 1e3,
    "万": 1e4,
    "亿": 1e8,
}
# Words that begin like such a number and are none.
UNSCALED = {"千克", "千米", "千瓦", "百分", "百货"}
ORDINALS = {
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "2nd": 2,
    "3rd": 3,
    "4th": 4,
    "5th": 5,
}
CHINESE_DIGITS = {digit: n for n, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
MONTHS = {
    "january": 1,
    "february": 2,
    "march": 3,
    "april": 4,
    "may": 5,
    "june": 6,
    "july": 7,
    "august": 8,
    "september": 9,
    "october": 10,
    "november": 11,
    "december": 12,
}
MONTHS |= {name[:3]: n for name, n in MONTHS.items()} | {"sept": 9}
# Parts of a year: which of what.
CHINESE_PARTS = {"上半年": (1, "half"), "下半年": (2, "half")} | {
    f"{before}{digit}季度": (n, "quarter") for n, digit in enumerate("一二三四", 1) for before in ("", "第")
}
UNITS = {
    "year": "year",
    "month": "month",
    "week": "week",
    "day": "day",
    "quarter": "quarter",
    "hour": "hour",
    "年": "year",
    "年份": "year",
    "月": "month",
    "月份": "month",
    "周": "week",
    "天": "day",
    "日": "day",
    "季度": "quarter",
}
# What columns an adjective speaks of, the likeliest first.
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
# Columns of these grow with age; of others, as a birth or a foundation, the oldest have the smallest.
AGES = ("age", "年龄")
# An adjective in a question that compares: "older than 30" speaks of the age.
ADJECTIVES = {
    "old": "age",
    "older": "age",
    "young": "age",
    "younger": "age",
    "long": "long",
    "longer": "long",
    "short": "long",
    "shorter": "long",
    "tall": "tall",
    "taller": "tall",
    "heavy": "weight",
    "heavier": "weight",
    "lighter": "weight",
    "cheap": "price",
    "cheaper": "price",
    "expensive": "price",
    "deep": "deep",
    "fast": "speed",
    "faster": "speed",
    "higher": "tall",
    "lower": "tall",
    "populous": "population",
    "populated": "population",
    "rated": "rating",
    "large": "big",
    "larger": "big",
    "big": "big",
    "bigger": "big",
}
