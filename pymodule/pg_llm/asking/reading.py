"""What each mention of a question does in it: what is asked for, counted, compared, grouped by, ordered by, denied."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pg_llm.asking import lexicon
from pg_llm.asking.linking import Linked, Mention

_LABEL = {
    "of",
    "is",
    "name",
    "be",
    "call",
    "the",
    "title",
    "'s",
    "=",
    ":",
    "titled",
    "for",
    "id",
    "with",
    "a",
    "an",
    "的",
    "为",
    "是",
    "叫",
    "名",
    "个",
    "位",
}
_JOINERS = {"and", "or", ",", "、", "和", "与", "及", "以及", "nor", "&", "或", "或者"}
_AGAIN = {
    "return",
    "give",
    "show",
    "include",
    "including",
    "along",
    "together",
    "also",
    "list",
    "provide",
    "display",
    "their",
    "its",
    "respective",
    "corresponding",
}
_GROUPING = {
    "grouped",
    "sorted",
    "ordered",
    "ranked",
    "split",
    "broken",
    "divided",
    "separated",
    "listed",
    "arranged",
    "categorized",
    "aggregated",
    "counted",
    "segmented",
}
_TIMES = {"year", "period", "date", "month"}


@dataclass(slots=True)
class Measure:
    """A count (`count`) or an aggregate of an operand; without one, of the rows. `number` is that of a comparison."""

    said: str
    operand: Mention | None = None
    of: Measure | None = None


@dataclass(slots=True)
class Superlative:
    """The first `n` by a measure, an operand or an attribute, from the largest if `down`."""

    down: bool
    n: int
    attribute: str = ""
    operand: Mention | None = None
    measure: Measure | None = None
    plain: bool = True
    word: str = ""
    by: bool = False
    shown: bool = False


@dataclass(slots=True)
class Comparison:
    """`operand` `op` `values`; `time` where these are times, `measure` where groups are compared."""

    op: str
    values: list[str | float]
    operand: Mention | None = None
    attribute: str = ""
    measure: Measure | None = None
    time: str = ""
    average: bool = False
    place: int = 0


@dataclass(slots=True)
class Named:
    """Values that a column has, or has not; `label` is a mention beside them that says of what."""

    mentions: list[Mention]
    label: Mention | None
    negated: bool
    both: bool
    op: str = ""
    place: int = 0


@dataclass(slots=True)
class Reading:
    """The parts of a question."""

    linked: Linked
    targets: list[Mention] = field(default_factory=list)
    owners: list[Mention] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    groups: list[Mention] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    superlatives: list[Superlative] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    named: list[Named] = field(default_factory=list)
    denied: list[Mention] = field(default_factory=list)
    context: list[Mention] = field(default_factory=list)
    order: list[tuple[Mention | Measure | None, bool]] = field(default_factory=list)
    ratio: tuple[list[Mention], list[Mention], str] | None = None
    share: bool = False
    distinct: bool = False
    unread: list[str] = field(default_factory=list)


def read(linked: Linked) -> Reading:
    """The parts of a question, from its mentions."""
    return _Reader(linked).read()


class _Reader:
    def __init__(self, linked: Linked) -> None:
        self._all = linked.mentions
        self._tokens = linked.tokens
        self._chinese = linked.chinese
        self._found = Reading(linked, unread=list(linked.unknown))
        self._done: set[int] = set()
        self._first_measure = len(linked.tokens)

    def read(self) -> Reading:
        """The parts, those first that bind others most tightly."""
        for step in (
            self._ratios, self._times, self._comparisons, self._patterns, self._superlatives, self._equalities,
            self._orders, self._groups, self._measures, self._values, self._denials, self._rest,
        ):  # fmt: skip
            step()
        return self._found

    def _of_kind(self, *kinds: str) -> Iterable[tuple[int, Mention]]:
        for place, mention in enumerate(self._all):
            if mention.kind in kinds and place not in self._done:
                yield place, mention

    def _take(self, *places: int) -> None:
        self._done |= set(places)

    def _between(self, left: int, right: int) -> list[str]:
        """The words between two mentions."""
        return [token.stem for token in self._tokens[self._all[left].end : self._all[right].start]]

    def _next(
        self, place: int, kinds: Sequence[str] = ("element",), gap: int = 4, past: Sequence[str] = ("distinct", "group")
    ) -> int | None:
        """The mention of these kinds that follows closely; `past` may lie between."""
        for other in range(place + 1, len(self._all)):
            mention = self._all[other]
            if mention.start - self._all[other - 1].end > gap:
                return None
            if mention.kind in kinds and other not in self._done:
                return other
            if mention.kind not in past:
                return None
        return None

    def _before(self, place: int, kinds: Sequence[str] = ("element",), gap: int = 3) -> int | None:
        other = place - 1
        if other >= 0 and other not in self._done and self._all[other].kind in kinds:
            return other if self._all[place].start - self._all[other].end <= gap else None
        return None

    def _word(self, token: int) -> str:
        return self._tokens[token].text.lower() if 0 <= token < len(self._tokens) else ""

    def _ratios(self) -> None:
        for place, mention in self._of_kind("ratio", "share"):
            self._take(place)
            if mention.kind == "share":
                self._found.share = True
                self._found.ratio = ([], [], mention.said)
                continue
            sides: tuple[list[Mention], list[Mention]] = ([], [])
            side = 0
            start = mention.end
            if self._chinese and place and not any(each.kind == "element" for each in self._all[place + 1 :]):
                elements = [n for n in range(place) if self._all[n].kind == "element"]
                if len(elements) >= 2:
                    self._found.ratio = ([self._all[elements[-2]]], [self._all[elements[-1]]], "")
                    self._take(*elements[-2:])
                return
            for other in range(place + 1, len(self._all)):
                its = self._all[other]
                passed = [token.stem for token in self._tokens[start : its.start]]
                if side == 0 and sides[0] and ("to" in passed or "and" in passed or "versus" in passed):
                    side = 1
                if (
                    its.kind in ("group", "order", "super", "cmp", "not")
                    or len(passed) > 4
                    or "?" in passed
                    or "." in passed
                ):
                    break
                if side == 1 and sides[1] and ({"for", "in", "of", "within"} & set(passed)) and its.kind != "value":
                    break
                if its.kind in ("element", "value"):
                    sides[side].append(its)
                    self._take(other)
                elif its.kind in ("count", "agg"):
                    self._take(other)
                start = its.end
            self._found.ratio = (*sides, "")

    def _times(self) -> None:
        """In 2021, after March 2020, from 2015 to 2018, in the last 30 days."""
        for place, mention in self._of_kind("time"):
            number, end = 1.0, mention.end
            following = place + 1
            if (
                following < len(self._all)
                and self._all[following].kind == "number"
                and self._all[following].start == end
            ):
                number, end = self._all[following].number, self._all[following].end
            word = self._tokens[end].stem if end < len(self._tokens) else ""
            if word in lexicon.UNITS:
                self._take(*(n for n, its in enumerate(self._all) if mention.start <= its.start <= end))
                unit = lexicon.UNITS[word]
                op = "this" if mention.said == "this" else "since"
                said = unit if op == "this" else f"{number:g} {'month' if unit == 'quarter' else unit}"
                if unit == "quarter" and op == "since":
                    said = f"{3 * number:g} month"
                self._found.comparisons.append(Comparison(op, [said], time=unit, place=place))
        for place, mention in self._of_kind("year", "period", "date", "month"):
            if place in self._done:
                continue
            before = place - 1
            marker = (
                self._all[before]
                if before >= 0 and before not in self._done and self._all[before].end >= mention.start - 2
                else None
            )
            if (
                marker
                and marker.kind == "cmp"
                and mention.kind == "year"
                and marker.said in (">", "<", ">=", "<=", "<>")
            ):
                # More than 2000 is a number, after 2000 a year.
                continue
            op, values, used = "=", [mention.said], [place]
            until = self._next(place, ("year", "period", "date", "month"), 2, ("and", "cmp"))
            word = self._word(mention.start - 1)
            if until is not None and (
                word in ("between", "from") or (marker and (marker.kind == "between" or marker.said == ">=.time"))
            ):
                op, values = "between", [mention.said, self._all[until].said]
                used += list(range(place, until + 1))
            elif until is not None and self._word(mention.end) in ("and", "or", "和"):
                op, values = "in", [mention.said, self._all[until].said]
                used += list(range(place, until + 1))
            elif marker and marker.kind == "cmp":
                op = marker.said.removesuffix(".time")
            else:
                after = place + 1
                if (
                    after < len(self._all)
                    and self._all[after].kind == "cmp"
                    and self._all[after].start <= mention.end + 1
                    and self._chinese
                ):
                    op = self._all[after].said.removesuffix(".time")
                    used.append(after)
            if marker and marker.kind in ("cmp", "between"):
                used.append(before)
            self._take(*used)
            operand = None
            left = min(used)
            near = self._before(left, gap=2)
            if near is not None and not self._is_group(near):
                operand = self._all[near]
            self._found.comparisons.append(Comparison(op, list(values), operand, time=mention.kind, place=place))

    def _is_group(self, place: int) -> bool:
        return place > 0 and self._all[place - 1].kind == "group"

    def _comparisons(self) -> None:
        for place, _ in self._of_kind("between"):
            first = self._next(place, ("number",), 2, ())
            second = self._next(first, ("number",), 3, ()) if first is not None else None
            if first is None or second is None:
                continue
            self._take(place, first, second)
            values: list[str | float] = [self._all[first].number, self._all[second].number]
            self._compare(place, second, "between", values)
        if self._chinese:
            self._chinese_between()
        for place, mention in self._of_kind("cmp"):
            number = self._next(place, ("number", "year"), 2, ())
            op = mention.said.removesuffix(".time")
            if number is not None:
                self._take(place, number)
                self._compare(place, number, op, [self._all[number].number])
                continue
            average = self._next(place, ("agg",), 3, ())
            if average is not None and self._all[average].said == "avg" and op in (">", "<", ">=", "<="):
                self._take(place, average)
                operand = self._next(average, ("element",), 2, ())
                left = self._before(place)
                if operand is not None:
                    self._take(operand)
                if left is not None and (operand is None or self._all[left].refs[:1] == self._all[operand].refs[:1]):
                    operand = left
                self._found.comparisons.append(
                    Comparison(op, [], self._all[operand] if operand is not None else None,
                               attribute=self._adjective(mention), average=True, place=place)
                )  # fmt: skip
        for place, mention in self._of_kind("above"):
            number = self._before(place, ("number",), 1)
            if number is not None:
                self._take(place, number)
                self._compare(number, place, mention.said, [self._all[number].number])
        # 5 or more, 10 or less
        for place, mention in self._of_kind("number"):
            words = (self._word(mention.end), self._word(mention.end + 1))
            bound = {
                ("or", "more"): ">=",
                ("or", "higher"): ">=",
                ("or", "above"): ">=",
                ("or", "less"): "<=",
                ("or", "fewer"): "<=",
                ("or", "lower"): "<=",
                ("and", "above"): ">=",
                ("or", "below"): "<=",
            }.get(words)
            if bound:
                self._take(place)
                self._compare(place, place, bound, [mention.number])

    def _equalities(self) -> None:
        """With 2 stops, a rating of 5."""
        for place, mention in self._of_kind("number"):
            before = self._word(mention.start - 1)
            right = self._next(place, ("element",), 0, ())
            left = self._before(place, ("element",), 2)
            if (
                right is not None
                and self._all[right].start == mention.end
                and before in ("with", "have", "has", "had", "having", "exactly", "only", "of", "for")
            ):
                self._take(place, right)
                self._found.comparisons.append(Comparison("=", [mention.number], self._all[right], place=place))
            elif (
                left is not None
                and left == place - 1
                and set(self._between(left, place)) <= {"of", "be", "is", "=", ":", "to", "equal", "为", "是"}
            ):
                self._take(place, left)
                self._found.comparisons.append(Comparison("=", [mention.number], self._all[left], place=place))

    def _chinese_between(self) -> None:
        for place, mention in self._of_kind("number"):
            following = place + 2
            if (
                following < len(self._all)
                and self._all[place + 1].kind == "between"
                and self._all[following].kind == "number"
            ):
                self._take(place, place + 1, following)
                self._compare(place, following, "between", [mention.number, self._all[following].number])

    def _adjective(self, mention: Mention) -> str:
        words = [token.text.lower() for token in self._tokens[mention.start : mention.end]]
        return next((lexicon.ADJECTIVES[word] for word in words if word in lexicon.ADJECTIVES), "")

    def _compare(self, first: int, last: int, op: str, values: list[str | float]) -> None:
        """Compare what stands beside: after the number where it touches it, else before the comparison."""
        mention = self._all[first]
        attribute = self._adjective(mention) if mention.kind == "cmp" else ""
        right = (
            self._next(last, ("element",), 1, ())
            if not self._chinese or self._all[last].end < len(self._tokens)
            else None
        )
        if right is not None:
            passed = self._between(last, right)
            if passed and passed[0] not in (
                "different",
                "distinct",
                "个",
                "名",
                "位",
                "条",
                "次",
                "家",
                "本",
                "种",
                "of",
                "unique",
            ):
                right = None
        left = self._before(first)
        if left is None and first > 0 and self._all[first - 1].kind in ("count", "agg") and self._chinese:
            counted = first - 1
            of = self._before(counted)
            self._take(counted)
            if of is not None:
                self._take(of)
            measure = Measure(
                self._all[counted].said if self._all[counted].kind == "agg" else "count",
                self._all[of] if of is not None else None,
            )
            self._found.comparisons.append(Comparison(op, values, measure=measure, place=first))
            return
        if (
            left is not None
            and left > 0
            and not attribute
            and self._measured(left - 1)
            and left - 1 not in self._done
            and self._all[left - 1].end >= self._all[left].start - 1
        ):
            # With an average rating above 4.
            measure = Measure(
                "count" if self._all[left - 1].kind == "count" else self._all[left - 1].said, self._all[left]
            )
            self._take(left, left - 1)
            self._found.comparisons.append(Comparison(op, values, measure=measure, place=first))
            return
        units = {
            "year",
            "day",
            "hour",
            "minute",
            "meter",
            "km",
            "kilometer",
            "dollar",
            "percent",
            "people",
            "old",
            "usd",
            "元",
            "岁",
            "分",
            "米",
            "公里",
        }
        operand: int | None
        if self._chinese:
            operand = left if left is not None else right
        else:
            operand = right if right is not None and not attribute else None
            if attribute and left is not None and self._all[left].refs[0][0][1] >= 0:
                operand = left
            if operand is not None and left is not None and self._tokens[self._all[operand].start].stem in units:
                operand = left if self._all[operand].end - self._all[operand].start == 1 else operand
            if operand is None and not attribute:
                operand = left
            if operand == left and left is not None and self._heads(left) and right is None and left == 0:
                operand = left
        if operand is not None:
            self._take(operand)
        self._found.comparisons.append(
            Comparison(
                op, values, self._all[operand] if operand is not None else None, attribute=attribute, place=first
            )
        )

    def _measured(self, place: int) -> bool:
        """Whether a mention begins a measure; how many does not stand before a comparison of its own."""
        return self._all[place].kind == "agg" or (
            self._all[place].kind == "count" and self._word(self._all[place].start) != "how"
        )

    def _heads(self, place: int) -> bool:
        return all(self._all[n].kind != "element" for n in range(place))

    def _patterns(self) -> None:
        """Names that start with, end with, contain a text."""
        for place, mention in self._of_kind("start", "end", "like"):
            text = self._next(place, ("value",), 4, ("element",))
            text = self._next(place, ("value", "element", "number"), 4, ()) if text is None else text
            said = self._all[text] if text is not None else None
            if said is None and mention.end < len(self._tokens):
                rest = [
                    token
                    for token in self._tokens[mention.end : mention.end + 4]
                    if token.kind == "word" and ((len(token.text) == 1 and token.text != "a") or token.capital)
                ]
                if rest:
                    said = Mention("value", 0, 0, rest[0].text)
            if self._chinese and text is None:
                near = self._before(place, ("value", "number"), 2)
                said, text = (self._all[near], near) if near is not None else (None, None)
            if said is not None and mention.kind == "like" and any(each.whole for each in said.values):
                # Playlists that contain the song Moon: no text is looked for in another.
                continue
            if said is None or (
                said.kind == "element" and self._tokens[said.start].kind != "quoted" and mention.kind == "like"
            ):
                continue
            self._take(place, *([text] if text is not None else []))
            raw = Mention("value", said.start, said.end, said.said)
            self._found.unread = [word for word in self._found.unread if word != said.said]
            label = next(
                (
                    n
                    for n in range((min(place, text) if text is not None else place) - 1, -1, -1)
                    if self._all[n].kind == "element" and n not in self._done
                ),
                None,
            )
            its = self._all[label] if label is not None else None
            if label is not None and label > 0 and not self._heads(label):
                self._take(label)
            negated = place > 0 and self._all[place - 1].kind == "not"
            if negated:
                self._take(place - 1)
            self._found.named.append(Named([raw], its, negated, False, mention.kind, place))

    def _superlatives(self) -> None:
        for place, mention in self._of_kind("super", "top"):
            down, attribute = (
                (True, "")
                if mention.kind == "top"
                else (mention.said.startswith("desc"), mention.said.partition(".")[2])
            )
            used = [place]
            n, plural = 1, False
            number = self._touching(place)
            if number is not None:
                n, plural = max(1, int(self._all[number].number)), True
                used.append(number)
            words = [token.text.lower() for token in self._tokens[mention.start : mention.end]]
            if mention.kind == "super" and words in (["first"], ["last"]) and number is None:
                # The first of many: a time, where a time or a name follows; else nothing is asked by it.
                pass
            more = self._next(number if number is not None else place, ("super",), 2, ())
            if words == ["top"] and more is not None:
                # The top 5 highest paid: the second says by what.
                self._take(place, *used)
                self._all[more].number = float(n)
                self._all[more].role = "n"
                continue
            if mention.role == "n":
                n = int(mention.number)
            super_ = Superlative(down, n, attribute, word=words[0] if words else "", plain=not plural)
            self._operand(place, used, super_)
            self._take(*used)
            self._by(super_)
            self._found.superlatives.append(super_)
        self._merge()

    def _by(self, found: Superlative) -> None:
        """The top 3 products by price: what stands before the by is asked for."""
        if found.measure is not None or found.attribute:
            return
        for place, mention in self._of_kind("group"):
            if self._word(mention.start) != "by" or mention.end - mention.start > 1:
                continue
            of = self._next(place, ("element", "count", "agg"), 2, ())
            if of is None:
                continue
            its = self._all[of]
            measure = None
            if its.kind != "element":
                inner = self._next(of, ("element",), 3, ("count",))
                if inner is None:
                    continue
                measure = Measure("count" if its.kind == "count" else its.said, self._all[inner])
                self._take(*range(of, inner + 1))
            self._take(place, of)
            self._free(found.operand)
            found.operand, found.measure = (None, measure) if measure else (its, None)
            found.by = True
            return

    def _free(self, mention: Mention | None) -> None:
        """Let a mention be read as something else."""
        if mention is not None:
            self._done -= {n for n, each in enumerate(self._all) if each is mention}

    def _merge(self) -> None:
        """The top 3 courses with the highest number of students: how many, and by what; the least and most of one."""
        found = self._found.superlatives
        for first, second in itertools.pairwise(found):
            if (
                first.operand is None
                and first.measure is None
                and not first.attribute
                and second.operand is not None
                and first.plain
                and first.word != "top"
            ):
                first.operand = second.operand
        if (
            len(found) == 2
            and not found[0].attribute
            and found[0].measure is None
            and (not found[0].plain or found[0].word == "top")
            and found[0].down
        ):
            self._free(found[0].operand)
            found[1].n, found[1].plain = found[0].n, found[0].plain
            del found[0]

    def _touching(self, place: int) -> int | None:
        mention = self._all[place]
        for other in (place + 1, place - 1):
            if 0 <= other < len(self._all) and other not in self._done and self._all[other].kind == "number":
                its = self._all[other]
                if 0 <= its.start - mention.end <= 1 or its.end == mention.start:
                    return other
        return None

    def _operand(self, place: int, used: list[int], found: Superlative) -> None:
        """By what: an attribute the word has, a number of things, or a column beside it."""
        last = max(used)
        if self._chinese:
            near = place - 1
            while near >= 0 and near in used:
                near -= 1
            if near >= 0 and near not in self._done and self._all[near].kind == "count":
                of = self._before(near)
                found.measure = Measure("count", self._all[of] if of is not None else None)
                used += [near] + ([of] if of is not None else [])
                return
            if (
                near >= 0
                and near not in self._done
                and self._all[near].kind == "element"
                and self._all[place].start - self._all[near].end <= 1
            ):
                if near > 0 and self._all[near - 1].kind == "agg" and near - 1 not in self._done:
                    found.measure = Measure(self._all[near - 1].said, self._all[near])
                    used += [near - 1, near]
                    return
                found.operand = self._all[near]
                used.append(near)
                return
        counted = self._next(last, ("count", "agg"), 2, ())
        if counted is not None and (not found.attribute or found.attribute == "*"):
            of = self._next(counted, ("element",), 3, ("distinct", "count"))
            said = "count" if self._all[counted].kind == "count" else self._all[counted].said
            if of is not None:
                found.measure = Measure(said, self._all[of])
                used += [counted, of]
                used += list(range(counted, of))
                noun = self._noun(of)
                if noun != of:
                    used.append(noun)
                    found.measure.operand = self._all[noun]
                return
        if found.attribute == "*":
            return
        of = self._next(last, ("element",), 2, ("distinct",))
        if of is not None and not self._far(last, of):
            found.operand = self._all[of]
            used.append(of)

    def _noun(self, place: int) -> int:
        """Enrolled students: the second, where the first only says which."""
        following = place + 1
        if following >= len(self._all) or following in self._done or self._all[following].kind != "element":
            return place
        its, first = self._all[following], self._all[place]
        said = self._word(first.end - 1).endswith(("ed", "ing", "en"))
        said = said or first.score < 0.8
        return following if its.start == first.end and said and its.refs[0][0][1] < 0 and its.score >= 0.75 else place

    def _far(self, left: int, right: int) -> bool:
        return bool(
            {"of", "in", "for", "by", "with", "who", "that", "which", "from", "on"} & set(self._between(left, right))
        )

    def _orders(self) -> None:
        down = None
        for place, mention in self._of_kind("direction"):
            self._take(place)
            down = mention.said == "desc"
        for place, mention in self._of_kind("order"):
            self._take(place)
            if mention.said in ("word", "of"):
                by = self._next(place, ("group",), 1, ())
                of = self._next(by, ("element",), 1, ()) if by is not None else None
                if by is not None and of is not None:
                    self._take(by, of)
                self._found.order.append((self._all[of] if of is not None else None, bool(down)))
                continue
            if self._chinese:
                near = self._before(place, ("element", "count"), 3)
                if near is not None:
                    self._order_chinese(near, bool(down))
                continue
            following = self._next(place, ("element", "count", "agg"), 3, ("distinct",))
            if following is None:
                self._found.order.append((None, bool(down)))
                continue
            its = self._all[following]
            if its.kind == "element":
                self._take(following)
                self._found.order.append((its, bool(down)))
                continue
            of = self._next(following, ("element",), 3, ("distinct", "count"))
            if of is not None:
                self._take(*range(following, of + 1))
                measure = Measure("count" if its.kind == "count" else its.said, self._all[of])
                self._found.order.append((measure, bool(down)))
        if down is not None and not self._found.order:
            self._found.order.append((None, down))

    def _order_chinese(self, near: int, down: bool) -> None:
        its = self._all[near]
        if its.kind == "element":
            self._take(near)
            self._found.order.append((its, down))
        else:
            self._found.order.append((Measure("count"), down))

    def _groups(self) -> None:
        for place, mention in self._of_kind("group"):
            before = self._word(mention.start - 1)
            if (
                self._word(mention.start) == "by"
                and mention.end - mention.start == 1
                and before.endswith(("ed", "en", "wn", "de"))
                and before not in _GROUPING
            ):
                # Written by: who did it, no group.
                self._take(place)
                continue
            if mention.role == "unit":
                self._take(place)
                self._found.units.append(mention.said)
                continue
            following = self._next(place, ("element", "group"), 2, ("distinct",))
            token = self._tokens[mention.end].stem if mention.end < len(self._tokens) else ""
            if token in lexicon.UNITS and (following is None or self._all[following].start == mention.end):
                self._take(place)
                exact = (
                    following is not None
                    and self._all[following].score >= 0.9
                    and self._all[following].kind == "element"
                )
                if exact and following is not None:
                    self._take(following)
                    self._found.groups.append(self._all[following])
                else:
                    self._found.units.append(lexicon.UNITS[token])
                    if following is not None:
                        self._take(following)
                continue
            if following is None:
                self._take(place)
                continue
            if self._all[following].kind == "group":
                self._take(place)
                continue
            self._take(place, following)
            self._found.groups.append(self._all[following])
            while True:
                more = self._next(following, ("element",), 2, ())
                passed = self._between(following, more) if more is not None else []
                if more is None or not passed or passed[0] not in _JOINERS or {"the", "their"} & set(passed):
                    break
                self._take(more)
                self._found.groups.append(self._all[more])
                following = more

    def _measures(self) -> None:
        for place, mention in self._of_kind("count", "agg"):
            if place in self._done:
                continue
            self._take(place)
            self._first_measure = min(self._first_measure, mention.start)
            inner = self._next(place, ("count", "agg"), 1, ())
            if inner is not None and mention.kind == "agg":
                of = self._next(inner, ("element",), 3, ("distinct",))
                self._take(inner, *([of] if of is not None else []))
                said = "count" if self._all[inner].kind == "count" else self._all[inner].said
                measure = Measure(said, self._all[of] if of is not None else None)
                if mention.said == "sum" and said == "count":
                    self._found.measures.append(measure)
                elif said == "count":
                    self._found.measures.append(Measure(mention.said, of=measure))
                else:
                    self._found.measures += [Measure(mention.said, measure.operand), measure]
                continue
            said = "count" if mention.kind == "count" else mention.said
            of = self._next(place, ("element",), 4, ("distinct",))
            if of is None and self._chinese:
                of = self._before(place, ("element",), 2)
            if of is not None and self._crosses(place, of):
                of = None
            if of is None and said == "count" and self._found.superlatives:
                # And how many: that by which the first was found.
                self._found.superlatives[0].shown = True
                continue
            if of is None:
                self._found.measures.append(Measure(said))
                continue
            if place + 1 <= of - 1 and self._all[of - 1].kind == "distinct":
                self._found.distinct = True
            self._take(of)
            noun = self._noun(of)
            if noun != of:
                self._found.context.append(self._all[of])
                self._take(noun)
                of = noun
            self._found.measures.append(Measure(said, self._all[of]))
            while not self._chinese:
                more = self._next(of, ("element",), 2, ())
                passed = self._between(of, more) if more is not None else []
                if more is None or not passed or passed[0] not in _JOINERS or "their" in passed:
                    break
                self._take(more)
                self._found.measures.append(Measure(said, self._all[more]))
                of = more

    def _crosses(self, left: int, right: int) -> bool:
        return bool({"?", ".", ";", "who", "where", "that"} & set(self._between(left, right)))

    def _values(self) -> None:
        values = [n for n, _ in self._of_kind("value")]
        groups: list[list[int]] = []
        for place in values:
            if groups and self._joined(groups[-1][-1], place):
                groups[-1].append(place)
            else:
                groups.append([place])
        for group in groups:
            first, last = group[0], group[-1]
            self._take(*group)
            label = self._label(first, last)
            negated = (
                first > 0
                and self._all[first - 1].kind in ("not", "except")
                and self._all[first].start - self._all[first - 1].end <= 4
            )
            before = first - 1
            if label is not None and label == first - 1:
                before = first - 2
                negated = (
                    before >= 0
                    and self._all[before].kind in ("not", "except")
                    and self._all[label].start - self._all[before].end <= 4
                )
            if (
                not negated
                and before >= 0
                and self._all[before].kind == "cmp"
                and self._all[before].said in ("<>", "=")
            ):
                negated = self._all[before].said == "<>"
                self._take(before)
            if negated:
                self._take(
                    *(n for n in (first - 1, first - 2) if n >= 0 and self._all[n].kind in ("not", "except", "cmp"))
                )
            both = len(group) > 1 and any(self._all[n].kind == "both" for n in range(max(0, first - 3), first))
            its = self._all[label] if label is not None else None
            self._found.named.append(Named([self._all[n] for n in group], its, negated, both, place=first))

    def _joined(self, left: int, right: int) -> bool:
        passed = set(self._between(left, right))
        between = [n for n in range(left + 1, right) if self._all[n].kind == "element"]
        if between:
            same = self._label(left, left) is not None and len(between) == 1
            return (same and bool(passed & {"and", "or"})) or bool(
                same
                and {"and", "or"} & {token.stem for token in self._tokens[self._all[left].end : self._all[right].start]}
            )
        words = {token.stem for token in self._tokens[self._all[left].end : self._all[right].start]}
        return bool(words & _JOINERS) and len(words - _JOINERS - {"the", "in", "to", "a", "an"}) == 0

    def _label(self, first: int, last: int) -> int | None:
        """A mention right before or behind values that says what they are."""
        left = first - 1
        if left >= 0 and self._all[left].kind == "cmp" and self._all[left].said == "=":
            left -= 1
        if left >= 0 and self._all[left].kind == "element" and left not in self._done:
            passed = {token.stem for token in self._tokens[self._all[left].end : self._all[first].start]}
            if self._labels(self._all[left], self._all[first]) and passed <= _LABEL | {
                token.stem for token in self._tokens if token.text == '"'
            }:
                return left
        right = last + 1
        beside = right < len(self._all) and self._all[right].kind == "element" and right not in self._done
        if beside and self._all[right].start == self._all[last].end and self._labels(self._all[right], self._all[last]):
            return right
        return None

    def _labels(self, label: Mention, value: Mention) -> bool:
        """Whether a mention may say what a value is: its column or table."""
        if not value.refs:
            return True
        refs = [ref for ref, _ in value.refs]
        return any(
            ref in refs or (ref[1] < 0 and ref[0] in {its[0] for its in refs})
            for ref, score in label.refs
            if score >= label.score - 0.2
        )

    def _denials(self) -> None:
        for place, mention in self._of_kind("not", "except"):
            self._take(place)
            following = self._next(place, ("element",), 5, ("distinct", "count", "group"))
            if following is None and self._chinese:
                following = self._next(place, ("element",), 6, ("cmp",))
            if following is not None:
                self._take(following)
                self._found.denied.append(self._all[following])
                more = self._next(following, ("element",), 3, ())
                if (
                    more is not None
                    and set(self._between(following, more)) & {"any", "a"}
                    and not {"and", "or", "who", "that"} & set(self._between(following, more))
                ):
                    self._take(more)
                    if self._all[following].role:
                        # Did not leave a review: the verb says nothing that the review does not.
                        self._found.denied[-1] = self._all[more]
            else:
                self._found.unread.append(" ".join(token.text for token in self._tokens[mention.start : mention.end]))

    def _rest(self) -> None:
        """What is asked for comes first, with whose it is; the rest only leads there."""
        rest = [n for n, _ in self._of_kind("element")]
        labels = {id(each.label) for each in self._found.named if each.label is not None}
        free = [n for n in rest if id(self._all[n]) not in labels]
        for kind in ("distinct", "both", "either"):
            for place, _ in list(self._of_kind(kind)):
                self._take(place)
                self._found.distinct |= kind == "distinct"
        for place, mention in list(self._of_kind("number", "cmp", "group", "top", "super", "same")):
            self._take(place)
            if mention.kind in ("number", "same"):
                self._found.unread.append(" ".join(token.text for token in self._tokens[mention.start : mention.end]))
        asks = not self._found.measures and self._found.ratio is None
        if self._chinese:
            self._rest_chinese(free, asks)
            return
        heads: list[int] = []
        chain = False
        for n, place in enumerate(free):
            mention = self._all[place]
            previous = free[n - 1] if n else None
            passed = self._between_any(previous, place)
            again = bool(_AGAIN & set(passed)) and n > 0
            if not heads and self._after_extreme(place):
                self._found.context.append(mention)
                continue
            if not heads and asks and self._begins(mention, "total") and not again:
                self._found.measures.append(Measure("sum", mention))
                asks = False
                continue
            if not heads and (asks or again or (n == 0 and self._listed(mention))):
                heads.append(place)
                chain = True
                continue
            if (
                chain
                and previous is not None
                and passed
                and passed[0] in ("of", "'s", "for", "from", "in")
                and len(passed) <= 4
                and place == previous + 1
            ):
                self._found.owners.append(mention)
                chain = False
            elif (
                chain
                and previous is not None
                and place == previous + 1
                and passed
                and passed[0] in _JOINERS | {"as"}
                and len(passed) <= 5
                and not {"who", "that", "have"} & set(passed)
            ):
                heads.append(place)
            elif again and heads and self._is_column(mention):
                heads.append(place)
                chain = True
            elif (
                chain
                and previous is not None
                and not passed
                and place == previous + 1
                and self._tokens[self._all[previous].end - 1].text.endswith(("'s", "s'", "\u2019s"))
            ):
                # A publication's title: the second is asked for, the first owns it.
                heads.remove(previous)
                self._found.owners.append(self._all[previous])
                heads.append(place)
            elif chain and previous is not None and not passed and place == previous + 1:
                # Author names: a table and its column.
                if self._is_column(mention):
                    heads.remove(previous)
                    self._found.owners.append(self._all[previous])
                    heads.append(place)
                else:
                    self._found.owners.append(mention)
                chain = False
            else:
                chain = False
                self._found.context.append(mention)
        self._found.targets = [self._all[place] for place in heads]
        for place in rest:
            if place not in free and not heads and asks and not (self._found.targets or self._found.superlatives):
                self._found.targets.append(self._all[place])

    def _listed(self, mention: Mention) -> bool:
        """List the writers and the number of their books: what stands before the measure is asked for as well."""
        before = {token.stem for token in self._tokens[: mention.start]}
        asks = bool(before & lexicon.ASKING) and not before & {"for", "among", "in", "of"}
        return asks and mention.end <= self._first_measure < len(self._tokens)

    def _after_extreme(self, place: int) -> bool:
        """The highest salary of employees: the salary is asked for."""
        before = place - 1
        if before < 0 or not any(each.operand is self._all[before] and each.plain for each in self._found.superlatives):
            return False
        passed = self._between(before, place)
        return (
            bool(passed)
            and passed[0] in ("of", "among", "for", "in", "across")
            and self._all[before].refs[0][0][1] >= 0
        )

    def _begins(self, mention: Mention, word: str) -> bool:
        return self._tokens[mention.start].stem == word and mention.end - mention.start > 1

    def _is_column(self, mention: Mention) -> bool:
        return any(ref[1] >= 0 for ref, score in mention.refs[:2] if score > 0.5)

    def _between_any(self, left: int | None, right: int) -> list[str]:
        start = self._all[left].end if left is not None else 0
        return [token.stem for token in self._tokens[start : self._all[right].start]]

    def _rest_chinese(self, free: list[int], asks: bool) -> None:
        """The last is asked for, what stands before a 的 owns it."""
        if not asks:
            self._found.context += [self._all[place] for place in free]
            return
        heads = free[-1:]
        while heads and free and heads[0] != free[0]:
            before = free[free.index(heads[0]) - 1]
            passed = self._between(before, heads[0]) if heads[0] == before + 1 else [""]
            if passed and set(passed) <= _JOINERS | {",", "\uff0c"}:
                heads.insert(0, before)
            else:
                break
        self._found.targets = [self._all[place] for place in heads]
        self._found.owners = [self._all[place] for place in free if place not in heads]
        if not heads:
            labels = [each.label for each in self._found.named if each.label is not None]
            self._found.targets = labels[-1:]
