"""What the words of a question stand for: tables, columns, values of rows, numbers, words that say what is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from pg_llm.ask.grammar import asides, chinese, dates, lexicon, names, numbers, tokens, words
from pg_llm.ask.grammar.tokens import Token
from pg_llm.ask.mention import Linked, Mention, Similar, ValueMatch
from pg_llm.ask.schema import Ref, Schema

_PREPOSITIONS = {"in", "at", "on", "to", "from", "for", "with", "by", "per"}
_NEAR = 0.5
# What nearness in meaning is worth beside a name; more for a word that is clearly nearest to one name, as the same word
# in two languages is.
_MEANT, _CLEARLY_MEANT = 0.8, 0.97
_SAME, _APART = 0.75, 0.1


def link(question: str, schema: Schema, values: Sequence[ValueMatch], similar: Similar | None = None) -> Linked:
    """The mentions of a question; `values` are those of rows that it may name."""
    variants = names.Variants(schema)
    said = {text for value in values if chinese.is_in(text := question[value.start : value.end])}
    said |= variants.states
    nouns = {character for character, _ in variants.nouns}
    known = {word for word in variants.chinese if chinese.is_in(word)}
    cut = asides.without_waivers(tokens.cut(question, known, nouns, said))

    def noun(token: Token) -> str:
        return chinese.noun_stands(question, token.start, said)

    proposals = [
        *_values(question, cut, values),
        *dates.dates(cut),
        *numbers.numbers(cut),
        *_markers(cut),
        *names.elements(cut, variants, noun),
    ]
    found = _best(proposals, cut)
    chosen = _without_idle(found)
    unknown = _unknown(cut, chosen, _covered(found), schema)
    chosen += _meant(cut, unknown, similar)
    for mention in chosen:
        single = mention.kind == "element" and mention.end == mention.start + 1
        if single and not mention.role and _is_past(cut[mention.start].text):
            mention.role = "verb"
    chosen = _compound(sorted(chosen, key=lambda mention: mention.start), cut)
    verbs = frozenset(cut[place].text for place in unknown if _is_verb(cut, place))
    in_chinese = [token.chinese for token in cut if token.kind == "word"]
    mostly = any(in_chinese) and 2 * sum(in_chinese) >= len(in_chinese)
    return Linked(question, cut, chosen, _left(cut, chosen, unknown), mostly, verbs)


def _best(proposals: Iterable[tuple[Mention, float]], cut: Sequence[Token]) -> list[Mention]:
    """Of mentions that share tokens the one with the highest rank, in their order."""
    chosen: list[Mention] = []
    taken: set[int] = set()
    for mention, _ in sorted(proposals, key=lambda pair: (-pair[1], pair[0].start)):
        span = set(range(mention.start, mention.end))
        if not span & taken:
            taken |= span
            chosen.append(mention)
    kept = [each for each in chosen if not _lone_letter(each, chosen, cut)]
    return sorted(kept, key=lambda mention: mention.start)


def _covered(chosen: Iterable[Mention]) -> set[int]:
    return {place for mention in chosen for place in range(mention.start, mention.end)}


def _unknown(cut: Sequence[Token], chosen: Sequence[Mention], taken: Collection[int], schema: Schema) -> list[int]:
    """The places of words that say something, and nothing stands for them."""
    states = {each.start for each in chosen if each.kind == "value" or _is_bool(each, schema)}
    return [
        n
        for n, token in enumerate(cut)
        if n not in taken
        and _has_content(token, n, cut[n - 1 : n])
        and not _keeps(cut, n)
        and not asides.stresses(cut, n, states)
    ]


def _left(cut: Sequence[Token], chosen: Sequence[Mention], unknown: Sequence[int]) -> list[str]:
    """The words that nothing stands for, and one that orders something: that is no question, whatever it is called."""
    covered = _covered(chosen)
    left = [cut[place].text for place in unknown if place not in covered]
    first = next((token for token in cut if token.kind == "word" and token.stem != "please"), None)
    if first is not None and {first.stem, first.text} & lexicon.WRITING and first.text not in left:
        left.append(first.text)
    return left


def _lone_letter(mention: Mention, chosen: Sequence[Mention], cut: Sequence[Token]) -> bool:
    """Whether one letter is taken for a value where neither quotes, its column or table beside it nor an A tells so."""
    token = cut[mention.start]
    if mention.kind != "value" or len(token.text) > 1 or mention.end > mention.start + 1 or not token.text.isascii():
        return False
    if token.kind != "word" or not mention.values or any(len(each.value) > 1 and each.whole for each in mention.values):
        return False
    if any(each.chinese for each in cut[max(0, mention.start - 1) : mention.end + 1]):
        return False
    tables = {each.ref[0] for each in mention.values}
    beside = (
        each
        for each in chosen
        if each.kind == "element" and (each.end in (mention.start, mention.start - 1) or each.start == mention.end)
    )
    if any(ref[0] in tables for each in beside for ref, _ in each.refs):
        return False
    return mention.start == 0 or cut[mention.start - 1].text.lower() not in ("a", "an", "=", ":", "(")


def _is_bool(mention: Mention, schema: Schema) -> bool:
    column = mention.kind == "element" and mention.names_column
    return column and schema.column(mention.refs[0][0]).kind == "bool"


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
        if inside and inside[0][1] >= mention.score - 0.1 and before.names_table:
            found[-1] = Mention("element", before.start, mention.end, f"{before.said} {mention.said}", inside)
        else:
            found.append(mention)
    return found


def _keeps(cut: Sequence[Token], place: int) -> bool:
    """The college, our shop: those whose database it is."""
    return cut[place].stem in lexicon.KEEPERS and place > 0 and cut[place - 1].stem in ("the", "our", "this", "your")


def _is_past(word: str) -> bool:
    return word.lower() in words.PAST or word.lower().endswith("ed")


def _is_verb(cut: Sequence[Token], place: int) -> bool:
    text = cut[place].text.lower()
    if cut[place].capital and place:
        return False
    if cut[place].chinese:
        return text in chinese.VERBS
    if words.acts(text):
        return True
    before = [token.text.lower() for token in cut[:place]]
    last = place + 1 == len(cut) or cut[place + 1].kind == "punct" or cut[place + 1].text.lower() in _PREPOSITIONS
    asked = bool({"do", "does", "did"} & set(before)) and last
    return asked or before[-1:] in (["to"], ["who"], ["that"], ["which"], ["can"])


def _plural(token: Token) -> bool:
    """Students major, employees earn: what follows is no column of theirs but what they do."""
    return token.text.lower().rstrip("s") != token.text.lower() and not token.text.endswith(("'s", "\u2019s", "ss"))


def _has_content(token: Token, place: int, before: Sequence[Token]) -> bool:
    if token.kind in ("quoted", "date"):
        return True
    if token.kind != "word" or token.stem in lexicon.UNITS or lexicon.is_empty(token.text):
        return False
    if token.chinese:
        sex = before and before[0].text in chinese.SEXES and token.text in chinese.PERSONS
        empty = chinese.is_empty(token.text, before[0].text if before else "")
        return not sex and not empty and token.text not in lexicon.UNITS
    return len(token.stem) > 1 or (token.capital and place > 0)


def _values(question: str, cut: Sequence[Token], values: Sequence[ValueMatch]) -> Iterable[tuple[Mention, float]]:
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
        # Of a part, what is said is looked for, not one of the values that hold it.
        said = best[0].value if whole or quoted else question[cut[start].start : best[0].end]
        yield Mention("value", start, end, said, values=best), rank
    for place, token in enumerate(cut):
        if token.kind == "quoted":
            yield Mention("value", place, place + 1, token.text), 50


def _ending(last: Token) -> int:
    """How many letters of a plural or genitive may stand behind a value."""
    return 2 if last.text.endswith(("'s", "\u2019s")) else 1 if last.kind == "word" and last.text.endswith("s") else 0


def _markers(cut: Sequence[Token]) -> Iterable[tuple[Mention, float]]:
    for start, token in enumerate(cut):
        if token.chinese:
            if token.text in chinese.MARKERS:
                kind, said = chinese.MARKERS[token.text]
                if kind == "unit":
                    yield Mention("group", start, start + 1, said, role="unit"), 11
                elif kind == "count" and _asks_what(cut, start):
                    continue
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


def _asks_what(cut: Sequence[Token], place: int) -> bool:
    """The phone number 多少: nothing is counted where the word ends what it is asked of."""
    ends = place + 1 == len(cut) or cut[place + 1].kind == "punct"
    return cut[place].text == "多少" and ends and place > 0 and cut[place - 1].text not in chinese.MARKERS


def _stands_out(near: Sequence[tuple[Ref, float]]) -> bool:
    scores = [score for _, score in near]
    others = [score for score in scores if score < scores[0] - 1e-6]
    return bool(scores) and scores[0] >= _SAME and scores[0] - max(others, default=0.0) >= _APART


def _meant(cut: Sequence[Token], unknown: Sequence[int], similar: Similar | None) -> list[Mention]:
    """Mentions of words that no name has, by their meaning."""
    places = [
        n for n in unknown if cut[n].kind == "word" and not cut[n].capital and cut[n].text not in lexicon.RESTRICTING
    ]
    if similar is None or not places:
        return []
    found = []
    for place, near in zip(places, similar([cut[place].text for place in places]), strict=True):
        worth = _CLEARLY_MEANT if _stands_out(near) else _MEANT
        refs = [(ref, worth * min(1.0, score)) for ref, score in near if score >= _NEAR]
        if refs:
            found.append(
                Mention(
                    "element",
                    place,
                    place + 1,
                    cut[place].text,
                    names.best(refs),
                    role="done" if _is_verb(cut, place) else "meant",
                )
            )
    return found
