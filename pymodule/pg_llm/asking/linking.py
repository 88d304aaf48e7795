"""What the words of a question stand for: tables, columns, values of rows, numbers, words that say what is asked."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pg_llm.asking import lexicon, tokens, words
from pg_llm.asking.schema import Ref, Schema
from pg_llm.asking.tokens import Token

# From phrases to columns (or, with -1, tables) that are near in meaning, each with a similarity from 0 to 1.
Similar = Callable[[Sequence[str]], Sequence[Sequence[tuple[Ref, float]]]]

_SUFFIXES = {
    "number",
    "count",
    "name",
    "date",
    "id",
    "code",
    "time",
    "text",
    "value",
    "at",
    "title",
    "year",
    "total",
    "key",
    "type",
}
_PREPOSITIONS = {"in", "at", "on", "to", "from", "for", "with", "by", "per"}
_SKIPPED = {"of", "the", "a", "an", "'s"}
_LONGEST = 5
_MOST = 6
# Below the best candidate by so much, another is not worth a query.
_MARGIN = 0.4
_NEAR = 0.5
# What nearness in meaning is worth beside a name; more for a Chinese word that is clearly nearest to one name, as the
# same word in two languages is.
_MEANT, _TRANSLATED = 0.8, 0.97
_SAME, _APART = 0.75, 0.1
_CJK = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """A value of a column that the question names from `start` to `end`, wholly or by a part of it."""

    ref: Ref
    value: str
    start: int
    end: int
    whole: bool


@dataclass(slots=True)
class Mention:
    """Tokens from `start` to `end`: an element (with candidates), a value, a number, a date or a marker."""

    kind: str
    start: int
    end: int
    said: str = ""
    # Tables have -1 for a column; the best first.
    refs: list[tuple[Ref, float]] = field(default_factory=list)
    values: list[ValueMatch] = field(default_factory=list)
    number: float = 0.0
    role: str = ""

    @property
    def score(self) -> float:
        """That of the best candidate."""
        return self.refs[0][1] if self.refs else 1.0


@dataclass(frozen=True, slots=True)
class Linked:
    """A question with its mentions in order, and the words that nothing stands for."""

    question: str
    tokens: list[Token]
    mentions: list[Mention]
    unknown: list[str]
    chinese: bool
    # Those of the unknown words that say what somebody does, not what there is.
    verbs: frozenset[str] = frozenset()


class _Variants:
    """Word lists that may stand for a table or column, found by any of their words."""

    def __init__(self, schema: Schema) -> None:
        self.by_word: dict[str, list[tuple[Ref, tuple[str, ...], float]]] = defaultdict(list)
        self.chinese: dict[str, list[tuple[Ref, float]]] = defaultdict(list)
        self.names: dict[Ref, tuple[str, ...]] = {}
        for place, table in enumerate(schema.tables):
            self._add((place, -1), table.words, 1.0)
            self.names[place, -1] = table.words
            if len(table.words) > 1:
                self._add((place, -1), table.words[-1:], 0.75)
                self._add((place, -1), table.words[:1], 0.5)
            self._phrases((place, -1), table.phrases)
            own = set(table.words)
            for number, column in enumerate(table.columns):
                ref = (place, number)
                its = column.words
                self.names[ref] = its
                self._add(ref, its, 1.0)
                short = tuple(word for word in its if word not in _SUFFIXES)
                if column.is_key or (number in table.key and column.kind == "number"):
                    # What a key is named after is the row behind it.
                    self._add(ref, short, 0.45)
                    if table.key == [number]:
                        self._add((place, -1), short, 0.85)
                    continue
                self._add(ref, tuple(word for word in its if word not in own), 0.97)
                self._add(ref, short, 0.72 if column.kind in ("date", "time") else 0.86)
                if len(its) > 1:
                    self._add(ref, its[-1:], 0.6)
                    for word in its[:-1]:
                        self._add(ref, (word,), 0.55)
                self._phrases(ref, column.phrases)

    def _add(self, ref: Ref, its: tuple[str, ...], score: float) -> None:
        if its:
            for word in set(its):
                self.by_word[word].append((ref, its, score))

    def _phrases(self, ref: Ref, phrases: Iterable[str]) -> None:
        for phrase in phrases:
            for part in re.split(r"[,;/|(){}\[\]:\u3001\uff0c\uff1b\uff1a\u3002\uff08\uff09]", phrase):
                if _CJK.search(part):
                    self._chinese_phrase(ref, part.strip())
                    continue
                its = tuple(words.stem(word) for word in re.findall(r"[^\W_]+", part))
                its = tuple(word for word in its if word not in lexicon.EMPTY)
                if 0 < len(its) <= 3:
                    self._add(ref, its, 0.95)
                for word in its if len(its) <= 12 else ():
                    self._add(ref, (word,), 0.42)

    def _chinese_phrase(self, ref: Ref, part: str) -> None:
        self.chinese[part].append((ref, 1.0))
        for ending in ("名称", "名字", "姓名", "表", "编号", "数量", "金额", "信息", "日期", "时间", "名", "数"):
            if part.endswith(ending) and len(part) > len(ending):
                self.chinese[part.removesuffix(ending)].append((ref, 0.85))
                self.chinese[ending].append((ref, 0.5))
        for middle in range(1, len(part) - 1):
            if part[middle] == "的":
                self.chinese[part[middle + 1 :]].append((ref, 0.85))


def link(question: str, schema: Schema, values: Sequence[ValueMatch], similar: Similar | None = None) -> Linked:
    """The mentions of a question; `values` are those of rows that it may name."""
    variants = _Variants(schema)
    known = {*variants.chinese, *(question[value.start : value.end] for value in values)}
    cut = tokens.cut(
        question, {word for word in known if _CJK.search(word) and len(word) > 1} | _single(known, values, question)
    )
    chinese = any(token.chinese for token in cut)
    proposals = [*_values(cut, values), *_numbers(cut), *_markers(cut), *_elements(cut, variants)]
    chosen: list[Mention] = []
    taken: set[int] = set()
    for mention, _ in sorted(proposals, key=lambda pair: (-pair[1], pair[0].start)):
        span = set(range(mention.start, mention.end))
        if not span & taken:
            taken |= span
            chosen.append(mention)
    chosen = _without_idle(sorted(chosen, key=lambda mention: mention.start))
    unknown = [n for n, token in enumerate(cut) if n not in taken and _has_content(token, n)]
    chosen += _meant(cut, unknown, similar, taken)
    for mention in chosen:
        if (
            mention.kind == "element"
            and mention.end == mention.start + 1
            and not mention.role
            and _is_past(cut[mention.start])
        ):
            mention.role = "verb"
    chosen = _compound(sorted(chosen, key=lambda mention: mention.start), cut)
    covered = {place for mention in chosen for place in range(mention.start, mention.end)}
    left = [cut[place].text for place in unknown if place not in covered]
    first = next((token for token in cut if token.kind == "word" and token.stem != "please"), None)
    if (
        first is not None
        and (first.stem in lexicon.WRITING or first.text in lexicon.WRITING)
        and first.text not in left
    ):
        # What is ordered is no question, whatever else is called so.
        left.append(first.text)
    verbs = frozenset(cut[place].text for place in unknown if _is_verb(cut, place))
    return Linked(question, cut, chosen, left, chinese, verbs)


def _without_idle(chosen: Sequence[Mention]) -> list[Mention]:
    """Without words such as from and until where no time or number follows them."""
    found = []
    for place, mention in enumerate(chosen):
        following = chosen[place + 1] if place + 1 < len(chosen) else None
        before = chosen[place - 1] if place else None
        timed = ("year", "period", "date", "month", "number")
        if mention.kind == "idle":
            continue
        if mention.kind == "cmp" and mention.said.endswith(".time"):
            near = following is not None and following.kind in timed and following.start - mention.end <= 2
            behind = before is not None and before.kind in timed and mention.start == before.end
            if not near and not behind:
                continue
        found.append(mention)
    return found


def _compound(chosen: Sequence[Mention], cut: Sequence[Token]) -> list[Mention]:
    """A table's name right before one of its columns says whose it is: doctor specialty, the doctor's specialty."""
    found: list[Mention] = []
    for mention in chosen:
        before = found[-1] if found else None
        if (
            before is None
            or {before.kind, mention.kind} != {"element"}
            or before.end != mention.start
            or cut[mention.start].chinese
            or (_plural(cut[before.end - 1]) or cut[mention.start].text.endswith("ed"))
        ):
            found.append(mention)
            continue
        tables = {ref[0] for ref, score in before.refs if ref[1] < 0 and score >= before.score - 0.05}
        inside = [(ref, min(1.0, score + 0.1)) for ref, score in mention.refs if ref[1] >= 0 and ref[0] in tables]
        if inside and inside[0][1] >= mention.score - 0.1 and before.refs[0][0][1] < 0:
            found[-1] = Mention("element", before.start, mention.end, f"{before.said} {mention.said}", inside)
        else:
            found.append(mention)
    return found


def _is_past(token: Token) -> bool:
    return token.text.lower() in words.PAST or token.text.lower().endswith("ed")


def _is_verb(cut: Sequence[Token], place: int) -> bool:
    text = cut[place].text.lower()
    if text.endswith(("ed", "ing", "ly")) or text in words.PAST:
        return True
    before = [token.text.lower() for token in cut[:place]]
    last = place + 1 == len(cut) or cut[place + 1].kind == "punct" or cut[place + 1].text.lower() in _PREPOSITIONS
    asked = bool({"do", "does", "did"} & set(before)) and last
    return asked or before[-1:] in (["to"], ["who"], ["that"], ["which"], ["can"])


def _plural(token: Token) -> bool:
    """Students major, employees earn: what follows is no column of theirs but what they do."""
    return token.text.lower().rstrip("s") != token.text.lower() and not token.text.endswith(("'s", "\u2019s", "ss"))


def _single(known: set[str], values: Sequence[ValueMatch], question: str) -> set[str]:
    """Chinese words of one character, where they are a value or the whole name of a column."""
    return {word for word in known if len(word) == 1 and _CJK.search(word)}


def _has_content(token: Token, place: int) -> bool:
    if token.kind in ("quoted", "date"):
        return True
    if (
        token.kind != "word"
        or token.stem in lexicon.UNITS
        or token.stem in lexicon.EMPTY
        or token.text.lower() in lexicon.EMPTY
    ):
        return False
    if token.chinese:
        return lexicon.CHINESE.get(token.text, ("word", ""))[0] == "word" and token.text not in lexicon.UNITS
    return len(token.stem) > 1 or (token.capital and place > 0)


def _values(cut: Sequence[Token], values: Sequence[ValueMatch]) -> Iterable[tuple[Mention, float]]:
    spans: dict[tuple[int, int], list[ValueMatch]] = defaultdict(list)
    for value in values:
        inside = [n for n, token in enumerate(cut) if token.start < value.end and value.start < token.end]
        if not inside:
            continue
        first, last = cut[inside[0]], cut[inside[-1]]
        slack = 1 if first.kind == "quoted" else 0
        if first.start + slack >= value.start - slack and last.end <= value.end + 2 * slack + _ending(last):
            spans[inside[0], inside[-1] + 1].append(value)
    for (start, end), found in spans.items():
        quoted = cut[start].kind == "quoted"
        named = quoted or any(token.capital or token.chinese or token.kind == "number" for token in cut[start:end])
        plain = all(token.stem in lexicon.EMPTY for token in cut[start:end]) and not quoted
        if plain and not (named and start > 0):
            continue
        whole = any(value.whole for value in found)
        best = [value for value in found if value.whole == whole]
        rank = 10 * (end - start) + (100 if quoted else 6 if named and whole else 2 if whole else -6)
        if start == 0 and not quoted and cut[0].capital and not whole:
            rank -= 5
        yield Mention("value", start, end, best[0].value, values=best), rank
    for place, token in enumerate(cut):
        if token.kind == "quoted":
            yield Mention("value", place, place + 1, token.text), 50


def _ending(last: Token) -> int:
    """How many letters of a plural or genitive may stand behind a value."""
    return 2 if last.text.endswith(("'s", "\u2019s")) else 1 if last.kind == "word" and last.text.endswith("s") else 0


def _numbers(cut: Sequence[Token]) -> Iterable[tuple[Mention, float]]:
    for place, token in enumerate(cut):
        following = cut[place + 1] if place + 1 < len(cut) else None
        before = cut[place - 1].text.lower() if place else ""
        if token.kind == "date":
            yield Mention("date", place, place + 1, token.text.replace("/", "-")), 60
        elif token.kind == "number":
            yield from _number(cut, place, following)
        elif token.stem in lexicon.NUMBERS and not token.chinese:
            number = float(lexicon.NUMBERS[token.stem])
            if token.stem in ("one",) and before in ("the", "which", "only", "this"):
                continue
            yield Mention("number", place, place + 1, token.text, number=number), 12
        elif token.chinese and token.text[0] in lexicon.CHINESE_DIGITS and len(token.text) == 1:
            yield Mention("number", place, place + 1, token.text, number=lexicon.CHINESE_DIGITS[token.text]), 9
        elif (
            token.stem in lexicon.MONTHS
            and token.capital
            and (token.text != "May" or before in ("in", "of", "during", "since", "and", "after", "before"))
        ):
            month = lexicon.MONTHS[token.stem]
            after = cut[place + 1 : place + 3]
            year = next(
                (each for each in after if each.kind == "number" and re.fullmatch(r"(19|20)\d\d", each.text)), None
            )
            if year is None:
                yield Mention("month", place, place + 1, str(month)), 12
            else:
                end = cut.index(year) + 1
                yield Mention("period", place, end, f"{year.text}-{month:02}"), 10 * (end - place) + 15


def _number(cut: Sequence[Token], place: int, following: Token | None) -> Iterable[tuple[Mention, float]]:
    text = cut[place].text.strip("$€£¥").replace(",", "")
    percent = text.endswith("%")
    number = float(text.rstrip("%"))
    end = place + 1
    scale = {
        "k": 1e3,
        "thousand": 1e3,
        "million": 1e6,
        "billion": 1e9,
        "m": 1e6,
        "万": 1e4,
        "亿": 1e8,
        "千": 1e3,
        "百": 100,
    }
    if following is not None and following.text.lower() in scale and not percent:
        number, end = number * scale[following.text.lower()], end + 1
    elif following is not None and following.text in ("年", "年份") and re.fullmatch(r"(19|20)\d\d", text):
        month = cut[place + 2] if place + 3 < len(cut) else None
        if month is not None and month.kind == "number" and cut[place + 3].text in ("月", "月份"):
            yield Mention("period", place, place + 4, f"{text}-{int(month.text):02}"), 70
            return
        yield Mention("year", place, end + 1, text, number=number), 60
        return
    if re.fullmatch(r"(19|20)\d\d", text) and end == place + 1:
        yield Mention("year", place, end, text, number=number), 12
        return
    yield Mention("number", place, end, text, number=number), 12 * (end - place)


def _markers(cut: Sequence[Token]) -> Iterable[tuple[Mention, float]]:
    for start, token in enumerate(cut):
        if token.chinese:
            if token.text in lexicon.CHINESE:
                kind, said = lexicon.CHINESE[token.text]
                if kind == "unit":
                    yield Mention("group", start, start + 1, said, role="unit"), 11
                elif kind not in ("empty", "of", "ask"):
                    yield Mention(kind, start, start + 1, said), 11
            continue
        for end in range(min(len(cut), start + 6), start, -1):
            phrase = tuple(each.stem for each in cut[start:end])
            plain = tuple(each.text.lower() for each in cut[start:end])
            marker = lexicon.ENGLISH.get(phrase) or lexicon.ENGLISH.get(plain)
            if marker and any(each.kind != "word" for each in cut[start:end]):
                marker = None
            if marker:
                kind, said = marker
                if kind == "unit":
                    yield Mention("group", start, end, said, role="unit"), 10 * (end - start) + 1
                else:
                    yield Mention(kind, start, end, said), 10 * (end - start) + 1
                break


def _elements(cut: Sequence[Token], variants: _Variants) -> Iterable[tuple[Mention, float]]:
    like: dict[str, list[tuple[str, float]]] = {}
    for token in cut:
        if token.kind == "word" and not token.chinese and token.stem not in like:
            pairs = ((word, words.likeness(token.stem, word)) for word in variants.by_word)
            like[token.stem] = [(word, score) for word, score in pairs if score]
    for start, token in enumerate(cut):
        if token.chinese:
            if token.text in variants.chinese:
                refs = _best(variants.chinese[token.text])
                yield (
                    Mention("element", start, start + 1, token.text, refs),
                    10 * refs[0][1] + (3 if refs[0][1] > 0.8 else 0),
                )
            continue
        if token.kind != "word" or token.stem in _SKIPPED:
            continue
        for end in range(min(len(cut), start + _LONGEST), start, -1):
            span = [each for each in cut[start:end] if each.stem not in _SKIPPED]
            if cut[end - 1].stem in _SKIPPED or any(each.kind != "word" or each.chinese for each in span):
                continue
            matching = _matching([each.stem for each in span], like, variants)
            if len(span) == 1 and token.stem in lexicon.UNITS:
                # Any column of years is meant by the year: where it stands says which.
                matching = [(ref, max(score, 0.93)) for ref, score in matching]
            refs = _best(matching)
            if not refs:
                continue
            if span[0].stem in ("number", "total") and any(each.stem == "of" for each in cut[start:end]):
                # The number of flights is no flight number.
                refs = [pair for pair in refs if variants.names[pair[0]][:1] == (span[0].stem,)]
                if not refs:
                    continue
            score = refs[0][1]
            if all(each.stem in lexicon.EMPTY for each in span) and (
                score < 0.84 or (start == 0 and len(span) == 1 and token.text.lower() in lexicon.ASKING)
            ):
                continue
            length = (end - start) if score >= 0.7 else 1
            yield (
                Mention("element", start, end, " ".join(each.text for each in span), refs),
                10 * length + 4 * score - 1.5,
            )
    return


def _matching(
    span: list[str], like: dict[str, list[tuple[str, float]]], variants: _Variants
) -> Iterable[tuple[Ref, float]]:
    for word, first in like.get(span[0], ()):
        for ref, its, score in variants.by_word[word]:
            if len(its) != len(span):
                continue
            if len(span) == 1:
                yield ref, score * first
                continue
            total, rest = first, list(its)
            rest.remove(word)
            for other in span[1:]:
                near = max(((likeness, its) for its, likeness in like.get(other, ()) if its in rest), default=None)
                if near is None:
                    break
                total += near[0]
                rest.remove(near[1])
            else:
                yield ref, score * total / len(span)


def _best(found: Iterable[tuple[Ref, float]]) -> list[tuple[Ref, float]]:
    best: dict[Ref, float] = {}
    for ref, score in found:
        best[ref] = max(score, best.get(ref, 0.0))
    ranked = sorted(best.items(), key=lambda pair: -pair[1])
    return [pair for pair in ranked if pair[1] >= ranked[0][1] - _MARGIN][:_MOST]


def _stands_out(near: Sequence[tuple[Ref, float]]) -> bool:
    scores = [score for _, score in near]
    others = [score for score in scores if score < scores[0] - 1e-6]
    return bool(scores) and scores[0] >= _SAME and scores[0] - max(others, default=0.0) >= _APART


def _meant(cut: Sequence[Token], unknown: Sequence[int], similar: Similar | None, taken: set[int]) -> list[Mention]:
    """Mentions of words that no name has, by their meaning."""
    places = [n for n in unknown if cut[n].kind == "word" and not cut[n].capital]
    if similar is None or not places:
        return []
    found = []
    for place, near in zip(places, similar([cut[place].text for place in places]), strict=True):
        worth = _TRANSLATED if cut[place].chinese and _stands_out(near) else _MEANT
        refs = [(ref, worth * score) for ref, score in near if score >= _NEAR]
        if refs:
            found.append(
                Mention(
                    "element",
                    place,
                    place + 1,
                    cut[place].text,
                    _best(refs),
                    role="done" if _is_verb(cut, place) else "meant",
                )
            )
    return found
