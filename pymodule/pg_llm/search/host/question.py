"""What a question asks for: its content words, the names and numbers among them, and the kind of its answer.

Read by rules, in English and Chinese (after the question taxonomies of Li and Roth 2002); of a question in another
language every word is a content word, and the kind of its answer is not known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

CJK = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"\d+(?:[.,:/]\d+)*[^\W\d_]*|[^\W_]+(?:[-'’._/][^\W_]+)*|[\u3400-\u9fff]+")  # noqa: RUF001
_ENGLISH_STOP = frozenset(
    """a an the of in on at to for from by with about into over under and or but not no is are was were be been being am
    do does did done doing have has had having can could may might must shall should will would i you he she it we they
    me him her us them my your his its our their this that these those there here who whom whose what which when where
    why how many much often than then as if so such any some all each every one mean means meant get gets got go goes
    take takes took taken use uses used happen happens need needs tell say says please still ever also kind type
    name called long s t d ll re ve cost costs price""".split()
)
_CHINESE_STOP = re.compile(
    "什么时候|什么时间|什么样|为什么|什么|多长时间|多少钱|多少[天年月人个台次种家名元]?|多久|多长|多大|多高|多远|怎么样|怎样|怎么|如何|哪里|哪儿|哪些|哪个|哪一|"
    "哪位|哪年|哪天|哪|几[天年月人个台次种家名元点]?|谁|何时|何处|是否|能否|可否|可以|请问|需要|应该|吗|呢|吧|的|是|有|要|在|了|由|和|与|被|把|能|会|该|"
    "内|时|个|[？?，,。！!、：:；;]"  # noqa: RUF001 - Chinese
)
_NEGATING = re.compile(r"non-?|un|in|im|il|ir|dis|anti-?|mis")
_MONEY = r"[€$£¥]|\b(?:euros?|dollars?|pounds?|cents?|yen|yuan|usd|eur|gbp|free)\b|[元块圆]|免费|人民币"
_NUMBER_WORDS = (
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|eighteen|"
    r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|half|quarter|once|"
    r"twice|none|no|single|both|several|few)\b"
)
_NUMBER = rf"\d|{_NUMBER_WORDS}|[一二两三四五六七八九十百千万亿半]"
_DURATION = (
    r"\b(?:seconds?|minutes?|hours?|days?|nights?|weeks?|fortnights?|months?|quarters?|years?|decades?|centur(?:y|ies)|"
    r"until|since|lifetime|from .* to)\b|[天日年月周秒]|小时|分钟|星期|终身"
)
_LENGTH = (
    r"\b(?:[cmk]?m|millimet\w+|centimet\w+|kilomet\w+|met(?:re|er)s?|miles?|feet|foot|ft|inch(?:es)?|yards?|"
    r"light[- ]years?)\b|[\d一二两三四五六七八九十百千万半几]\s*(?:[米里寸尺丈]|公里|千米|厘米|毫米|英里)"
)
_WEIGHT = r"\b(?:[mk]?g|grams?|kilograms?|kilos?|tons?|tonnes?|pounds?|ounces?|lbs?|oz)\b|[克斤吨]"
_DATE = (
    r"\b(?:1\d{3}|20\d\d)\b|\d{1,2}[:.]\d\d|\b\d{1,2}\s?[ap]\.?m\b|"
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday|"
    r"wednesday|thursday|friday|saturday|sunday|weekends?|weekdays?|spring|summer|autumn|fall|winter|easter|christmas|"
    r"morning|noon|afternoon|evening|midnight|night|daily|weekly|monthly|yearly|annually|today|tomorrow|yesterday|"
    r"century|centuries|year|month|week|after|before|until|once|every|within|during|upon|when|as soon as|if)\b"
    r"|[年月日号点]|星期|周|早|晚|每天|之前|之后|以前|以后"
)
_FREQUENCY = (
    r"\b(?:once|twice|times|every|each|daily|weekly|monthly|yearly|annually|hourly|per|never|always|"
    r"a (?:day|week|month|year))\b|每|次"
)
# Kinds of answers that cannot be mistaken: a sentence without a sign of one is no answer.
_SIGNS = {
    "money": _MONEY,
    "duration or length": rf"(?:{_DURATION})|(?:{_LENGTH})|\blong\b",
    "duration": _DURATION,
    "length": rf"(?:{_LENGTH})|\b(?:tall|high|deep|wide|long|away|far)\b",
    "weight": _WEIGHT,
    "frequency": _FREQUENCY,
    "temperature": r"\bdegrees?\b|°|celsius|fahrenheit|摄氏|[度℃]",
    "percentage": r"%|\bper ?cent\b|percent|百分之",
    "number": _NUMBER,
    "date": _DATE,
}
_COMPILED = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in _SIGNS.items()}
_NUMERIC = re.compile(_NUMBER, re.IGNORECASE)
# Kinds whose sign must stand beside a number.
_COUNTED = frozenset({"duration or length", "duration", "length", "weight", "temperature", "number"})
# The first that matches is the kind.
_ASKED = [
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (
            r"\bhow much\b.*\b(?:cost|costs|pay|paid|charged?|price)\b|\bwhat (?:do|does|did|would)\b.*\bcosts?\b"
            r"|\b(?:price|cost|fee) of\b|how expensive",
            "money",
        ),
        (r"多少钱|价格|费用|票价|几元|几块|工资|薪水", "money"),
        (r"\bhow long\b", "duration or length"),
        (r"多久|多长时间|几(?:天|年|周|个月|小时|分钟)", "duration"),
        (r"\bhow (?:tall|deep|wide|far|thick|broad)\b|\bwhat (?:height|length|depth|width|distance)\b", "length"),
        (r"多高|多深|多宽|多长|多远", "length"),
        (r"\bhow heavy\b|\bhow much\b.*\bweighs?\b|\bwhat weight\b|多重", "weight"),
        (r"\bhow often\b|\bhow many times\b|多少次|几次|多久一次", "frequency"),
        (r"\b(?:at )?(?:what|which) temperature\b|\bhow (?:hot|cold|warm)\b|温度是多少|多少度", "temperature"),
        (r"\b(?:what|which) (?:percentage|percent|share)\b|百分之几", "percentage"),
        (r"\bhow (?:many|much|old|fast|high|large|big)\b|\b(?:what|which) (?:number|age)\b|多少|几|多大", "number"),
        (r"\bwhen\b|\b(?:what|which|in what|in which) (?:year|day|date|time|month|decade|century)\b", "date"),
        (r"什么时候|什么时间|何时|哪年|哪一年|哪天|哪一天|几点|几月|几号", "date"),
        (r"\bwho(?:m|se)?\b|谁|哪位", "person"),
        (r"\bwhere\b|哪里|哪儿|何处|在哪", "place"),
    )
]
_ADJECTIVE = re.compile(r"\bhow (tall|high|deep|wide|heavy|old|far|fast|thick|hot|cold|large|big)\b", re.IGNORECASE)
# These units say of themselves what is asked.
_SAID_BY_UNIT = frozenset({"heavy", "hot", "cold", "far", "high", "large", "big"})


@dataclass(frozen=True, slots=True)
class Question:
    """The content words in order, which of them are names, numbers or codes, and the kind of the answer."""

    text: str
    content: tuple[str, ...]
    specific: frozenset[str]
    kind: str | None
    is_chinese: bool

    def fits(self, sentence: str) -> bool:
        """Whether a sentence can hold an answer of the kind: a number for how many, money for how much it costs."""
        sign = _COMPILED.get(self.kind or "")
        if sign is None:
            return True
        if self.kind in _COUNTED and not _NUMERIC.search(sentence):
            return False
        return bool(sign.search(sentence))

    def names_something_new(self, sentence: str) -> bool:
        """Whether a sentence holds a name, which the question does not."""
        known = {word.lower() for word in words(self.text)}
        return any(
            is_name(word, place == 0) and word.lower() not in known for place, word in enumerate(words(sentence))
        )


def read(text: str) -> Question:
    """The question as its rules read it."""
    is_chinese = bool(CJK.search(text))
    kind = next((kind for pattern, kind in _ASKED if pattern.search(text)), None)
    if is_chinese:
        parts = [part.strip() for part in _CHINESE_STOP.sub(" ", text).split()]
        content = tuple(dict.fromkeys(word for part in parts for word in words(part)))
        specific = frozenset(word for word in content if not CJK.search(word))
        return Question(text, content, specific, kind, True)
    every = words(text)
    content = tuple(dict.fromkeys(word for word in every if word.lower() not in _ENGLISH_STOP))
    adjective = _ADJECTIVE.search(text)
    if adjective and adjective[1].lower() in _SAID_BY_UNIT:
        content = tuple(word for word in content if word.lower() != adjective[1].lower())
    specific = frozenset(word for place, word in enumerate(every) if is_name(word, place == 0) and word in content)
    return Question(text, content, specific, kind, False)


def words(text: str) -> list[str]:
    """The words, numbers and codes of a text, as written; Chinese in runs of its characters."""
    return _WORD.findall(text)


def content_words(text: str) -> set[str]:
    """The words of a text in lower case, without function words."""
    return {word.lower() for word in words(text)} - _ENGLISH_STOP


def is_opposite(word: str, other: str) -> bool:
    """Whether one word is the other with a negating prefix: directly and indirectly, binary and non-binary."""
    shorter, longer = sorted((word, other), key=len)
    prefix = _NEGATING.match(longer)
    return prefix is not None and len(shorter) > 3 and longer[prefix.end() :] == shorter


def is_name(word: str, is_first: bool) -> bool:
    """Whether a word is a name, a number or a code; of a sentence's first word a capital says nothing."""
    if any(map(str.isdigit, word)) or word[1:].lower() != word[1:]:
        return True
    return word[0].isupper() and not is_first


def bigrams(text: str) -> set[str]:
    """The pairs of neighbouring Chinese characters."""
    runs: Sequence[str] = re.findall(r"[\u3400-\u9fff]+", text)
    return {run[place : place + 2] for run in runs for place in range(len(run) - 1)}
