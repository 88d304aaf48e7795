"""Other ways of writing the same: units, punctuation, case, dates; and edits that are learnt from known cells.

An edit says how the tokens of a value become those of another: which to keep, in which order, what to put between.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from pg_llm.cleaning.table import Opinion, Table

DETECTOR = "format"
LEARNT = "learnt edit"
_TOKENS = re.compile(r"\d+|[^\W\d_]+|\s+|.", re.DOTALL)
_LEAST = 3
# Of the values that an edit makes, this share occurs in the column already.
_KNOWN_SHARE = 0.6
# A sign of percent or of a currency means less than a word: it may be left out on less evidence.
_SIGNS = frozenset("%$€£¥")
_KNOWN_SHARE_OF_SIGNS = 0.3
# A way of writing that more of the column has than this is not the odd one.
_ODD = 0.4
_DOMINANT = 0.6
# One spelling of several that differ by case and space only, so many times as frequent as another.
_RATIO = 5
_LONGEST = 200
_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d.%m.%Y", "%m/%d/%y",
    "%d/%m/%y", "%d.%m.%y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
)  # fmt: skip

Shape = tuple[str, ...]
# For each token of the result: the place of an old token and what is done to it, or a literal.
Step = tuple[int, str] | str
Edit = tuple[Shape, tuple[Step, ...]]


_CHANGES: dict[str, Callable[[str], str]] = {
    "": lambda token: token,
    "lower": str.lower,
    "upper": str.upper,
    "title": str.capitalize,
    "number": lambda token: token.lstrip("0") or "0",
}


def tokens(value: str) -> list[str]:
    """Numbers, words (each part of camelCase for itself), runs of space, and every other character."""
    found = _TOKENS.findall(value)
    if value.islower() or value.isupper():
        return found
    return [part for token in found for part in _humps(token)]


def _humps(word: str) -> Iterator[str]:
    start = 0
    for place in range(1, len(word)):
        if word[place].isupper() and word[place - 1].islower():
            yield word[start:place]
            start = place
    yield word[start:]


def shape(value: str) -> Shape:
    """What kind of token stands where: 9 a number, a a word, a space, or the character itself."""
    return tuple(
        "9" if token[0].isdigit() else "a" if token[0].isalpha() else " " if token.isspace() else token
        for token in tokens(value)
    )


def edit(old: str, new: str) -> Edit:
    """The edit that makes new of old."""
    found, used, steps = tokens(old), set[int](), list[Step]()
    for token in tokens(new):
        step = next(
            ((place, how) for how, change in _CHANGES.items() for place, its in enumerate(found)
             if place not in used and change(its) == token),
            None,
        )  # fmt: skip
        if step is None:
            steps.append(token)
        else:
            used.add(step[0])
            steps.append(step)
    return shape(old), tuple(steps)


def edited(value: str, how: Edit) -> str:
    """What the edit makes of a value of its shape."""
    found = tokens(value)
    return "".join(step if isinstance(step, str) else _CHANGES[step[1]](found[step[0]]) for step in how[1])


def learnt(table: Table) -> Iterator[Opinion]:
    """What edits of known cells make of the others of their column, as sure as the known cells bear them out."""
    by_column: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for (row, column), truth in table.marks.items():
        old = table.columns[column][row]
        if old and truth and len(old) <= _LONGEST:
            by_column[column].append((old, truth))
    for column, old, new in table.history:
        by_column[column].append((old, new))
    for column, pairs in by_column.items():
        said = Counter(edit(old, new) for old, new in set(pairs) if old != new)
        counts = table.counts[column]
        # A frequent value that one cell should not hold may be right in all others.
        whole = {
            old: new for old, new in pairs
            if old != new and (shape(old) != shape(new) or _RATIO * counts[old] <= counts[new])
        }  # fmt: skip
        trusted = [(how, sure) for how, count in said.items() if (sure := _sure(how, count, pairs)) >= 0.5]
        by_shape: defaultdict[Shape, list[tuple[Edit, float]]] = defaultdict(list)
        for how, sure in sorted(trusted, key=lambda item: item[1]):
            by_shape[how[0]].append((how, sure))
        right = {old for old, new in pairs if old == new}
        for row, value in enumerate(table.columns[column]):
            if not value or value in right or len(value) > _LONGEST or (row, column) in table.marks:
                continue
            if value in whole:
                yield Opinion((row, column), whole[value], 0.9, LEARNT, f"{value!r} was corrected so elsewhere")
                continue
            for how, sure in by_shape.get(shape(value), ()):
                new = edited(value, how)
                if new != value:
                    example = next(pair for pair in pairs if edit(*pair) == how)
                    yield Opinion((row, column), new, sure, LEARNT, f"as {example[0]!r} became {example[1]!r}")


def _sure(how: Edit, count: int, pairs: Sequence[tuple[str, str]]) -> float:
    words = [step for step in how[1] if isinstance(step, str) and step[0].isalnum()]
    # A word that one correction put in says nothing of the next value.
    if words and count < 2:
        return 0.0
    against = sum(shape(old) == how[0] and edited(old, how) != new for old, new in pairs)
    return (count + 0.5) / (count + against + 1)


def opinions(table: Table) -> Iterator[Opinion]:
    """What is written in an odd way, as the rest of the column would write it."""
    for column, counts in enumerate(table.counts):
        table.pulse()
        if not counts:
            continue
        short = {value: count for value, count in counts.items() if len(value) <= _LONGEST}
        odd = _variants(short) | _affixes(short) | _separators(short) | _dates(short)
        for row, value in enumerate(table.columns[column]):
            if value and value in odd:
                new, sure, reason = odd[value]
                yield Opinion((row, column), new, sure, DETECTOR, reason)


Odd = dict[str, tuple[str, float, str]]


def _variants(counts: Mapping[str, int]) -> Odd:
    """Values that are a frequent one but for case and space."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for value in counts:
        groups[" ".join(value.casefold().split())].append(value)
    untidy = sum(" ".join(value.split()) != value for value in counts)
    found: Odd = {}
    for same in groups.values():
        best = max(same, key=lambda value: (counts[value], value))
        for value in same:
            if value != best and counts[best] >= max(_LEAST, _RATIO * counts[value]):
                found[value] = (best, 0.9, f"{best!r} occurs {counts[best]} times")
        # A space too many in a value that comes again and again is how this column writes it.
        tidy = " ".join(best.split()) if counts[best] < _LEAST else best.strip()
        if len(same) == 1 and tidy != best and untidy < _ODD * len(counts):
            found[best] = (tidy, 0.8, "superfluous space")
    return found


def _affixes(counts: Mapping[str, int]) -> Odd:
    """Values with something before or after them without which they are of the column's usual shape and in it."""
    shapes: Counter[Shape] = Counter()
    for value, count in counts.items():
        shapes[shape(value)] += count
    if not shapes:
        return {}
    usual, most = shapes.most_common(1)[0]
    total = sum(counts.values())
    # Of words nobody knows which is the one too many.
    if "9" not in usual or "a" in usual:
        return {}
    made: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for value in counts:
        its = shape(value)
        extra = len(its) - len(usual)
        # A number alone is usual in many columns; that a value holds one says little.
        if extra <= 0 or shapes[its] > _ODD * total or most < _DOMINANT / 2 * total:
            continue
        parts = tokens(value)
        for start in range(extra + 1):
            if its[start : start + len(usual)] == usual:
                core = "".join(parts[start : start + len(usual)])
                affix = ("".join(parts[:start]), "".join(parts[start + len(usual) :]))
                if not any(c.isdigit() or c in "+-" for c in "".join(affix)):
                    made[affix][value] = core
                break
    found: Odd = {}
    for affix, cores in made.items():
        known = sum(core in counts for core in cores.values())
        least = _KNOWN_SHARE_OF_SIGNS if set("".join(affix)) <= _SIGNS | {" "} else _KNOWN_SHARE
        if len(cores) >= _LEAST and known >= least * len(cores):
            what = " and ".join(repr(part) for part in affix if part)
            for value, core in cores.items():
                found[value] = (core, 0.5 + 0.4 * known / len(cores), f"without {what} it is as most others are")
    return found


def _separators(counts: Mapping[str, int]) -> Odd:
    """Numbers in groups that other characters part than in most of the column: 555.123.4567 for 555-123-4567."""
    groups: Counter[Shape] = Counter()
    shapes = {value: shape(value) for value in counts}
    for value, its in shapes.items():
        groups[its] += counts[value]
    if not groups:
        return {}
    usual, most = groups.most_common(1)[0]
    total = sum(counts.values())
    # Two numbers and what stands between may be a fraction, which says another thing with another character.
    if usual.count("9") < 3 or most < _DOMINANT * total:
        return {}
    found: Odd = {}
    for value, its in shapes.items():
        differs = [place for place, kind in enumerate(its) if len(its) == len(usual) and kind != usual[place]]
        signs = all(kind not in ("9", "a") for place in differs for kind in (its[place], usual[place]))
        if differs and signs and _LEAST <= groups[its] <= _ODD * total:
            parts = tokens(value)
            for place in differs:
                parts[place] = usual[place]
            found[value] = ("".join(parts), 0.75, f"most others are written {''.join(usual)}")
    return found


def _dates(counts: Mapping[str, int]) -> Odd:
    """Dates that are written otherwise than most of the column's; those that may mean two days are left alone."""
    if not any(any(c.isdigit() for c in value) for value in counts):
        return {}
    read = {value: _read(value) for value in counts}
    total = sum(counts.values())
    written: Counter[str] = Counter()
    for value, readings in read.items():
        for name in readings:
            written[name] += counts[value]
    if not written:
        return {}
    usual, most = written.most_common(1)[0]
    if most < _DOMINANT * total or most == total:
        return {}
    found: Odd = {}
    for value, readings in read.items():
        if readings and usual not in readings and len(set(readings.values())) == 1:
            day = next(iter(readings.values()))
            if new := _written(day, usual, counts):
                found[value] = (new, 0.85, "most others are dates written so")
    return found


def is_date(value: str) -> bool:
    """Whether it is a date, in any of the usual ways."""
    return bool(_read(value))


def _read(value: str) -> dict[str, datetime]:
    if not 6 <= len(value) <= 30 or not any(c.isdigit() for c in value):
        return {}
    found = {}
    for name in _DATES:
        try:
            found[name] = datetime.strptime(value, name)
        except ValueError:
            continue
    return found


def _written(day: datetime, name: str, counts: Mapping[str, int]) -> str:
    if (day.hour or day.minute or day.second) and "%H" not in name:
        return ""
    text = day.strftime(name)
    # Whether the column writes 03 or 3 for March.
    bare = re.sub(r"\b0(\d)", r"\1", text)
    padded = any(re.search(r"(?<!\d)0\d(?!\d)", value) for value in list(counts)[:1000])
    return text if padded or "%Y-" in name or "%H" in name else bare
