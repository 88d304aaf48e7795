"""What several recognizers found in one text, put together: parts of names and addresses joined, overlaps decided."""

from __future__ import annotations

import bisect
import re
from collections.abc import Collection, Iterable, Sequence

from pg_llm.privacy import kinds

# Kind, start, end, score and recognizer; positions count from 0.
Found = tuple[str, int, int, float, str]
# A model's label, start, end and score.
Entity = tuple[str, int, int, float | None]

# From this score on a pattern is not asked about again.
_SURE = 0.9
# What a model is sure of may still be a number that a pattern knows.
MODEL_WEIGHT = 0.88
# What may stand between the parts of a name, and between those of an address.
_IN_NAME = re.compile(r"[ \u00a0.'\u2019-]{0,3}")
_IN_ADDRESS = re.compile(r"[\s,;./#()\u2013-]{0,4}(?:\w{1,12}[.:]?[\s,]{1,2})?")
_HAN = re.compile(r"[\u4e00-\u9fff]")
# A given name alone takes the capitalised word behind it along.
_SURNAME = re.compile(r"[ -][^\W\d_a-zà-ÿ][^\W\d_'\u2019]+(?:[-'\u2019][^\W\d_]+)?")
# And a surname the one before it.
_GIVEN_NAME = re.compile(r"(?<![^\W\d_])[^\W\d_a-zà-ÿ][^\W\d_]+[ -]\Z")
_LONGEST_NAME = 30
# Of an address in Chinese, words before it that the pattern may have taken along have so many characters.
_CHINESE_ADDRESS, _LONGEST_BEFORE = "cn_address", 5
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+(?=\S)|(?<=[。！？])|\n+")  # noqa: RUF001 - Chinese
_SHORT = 20
_STREETS, _TOWNS = ("STREET_NAME", "SECONDARY_ADDRESS"), ("CITY", "STATE")


def of_model(text: str, entities: Sequence[Entity], model: str) -> list[Found]:
    """What a model found, as kinds; the parts of a name are one, and so are those of an address."""
    found: list[Found] = []
    run: list[Entity] = []
    for entity in [*sorted(entities, key=lambda each: each[1]), ("", len(text), len(text), None)]:
        if run and not _continues(text, run[-1], entity):
            found.extend(_joined(text, run, model))
            run = []
        run.append(entity)
    return found


def _continues(text: str, last: Entity, entity: Entity) -> bool:
    between = text[last[2] : entity[1]]
    run_kinds = _run_kind(last[0]), _run_kind(entity[0])
    if run_kinds == ("person", "person"):
        return bool(_IN_NAME.fullmatch(between)) and (last[0], entity[0]) != ("SURNAME", "GIVEN_NAME")
    return run_kinds == ("address", "address") and bool(_IN_ADDRESS.fullmatch(between))


def _run_kind(label: str) -> str:
    return "address" if label in _TOWNS else kinds.OF_LABELS.get(label, label if label in kinds.DESCRIPTIONS else "")


def _joined(text: str, run: Sequence[Entity], model: str) -> Iterable[Found]:
    labels = [label for label, *_ in run]
    kind, start, end = _run_kind(labels[0]), run[0][1], run[-1][2]
    if kind == "address" and labels[0] != "address" and not any(label in _STREETS for label in labels):
        towns = [label for label in labels if label in _TOWNS]
        kind = "address" if towns and "ZIP_CODE" in labels else "location" if towns else ""
    if kind == "person" and labels[-1] == "GIVEN_NAME" and (surname := _SURNAME.match(text, end)):
        end = surname.end()
    if kind == "person" and "GIVEN_NAME" not in labels and "SURNAME" in labels:
        before = _GIVEN_NAME.search(text, max(0, start - _LONGEST_NAME), start)
        start = before.start() if before else start
    if kind == "person" and text[start:end].islower() and not re.search(r"\s", text[start:end]):
        kind = ""
    if kind:
        score = min(1.0 if each[3] is None else each[3] for each in run)
        yield kind, start, end, score * MODEL_WEIGHT, model


def sentences(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a text begin and end, short ones with the next.

    Read one by one, 97 of 100 persons are found, and 95 where six sentences follow each other (on the part `dev` of the
    benchmark); one whose name is repeated often is not found at all among them.
    """
    places, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        if match.end() - start >= _SHORT:
            places.append((start, match.end()))
            start = match.end()
    return [*places, (start, len(text))]


def blanked(text: str, found: Iterable[Found]) -> str:
    """The text with noughts in place of what patterns are sure of: no model reads it.

    On the part `dev` of the benchmark persons are found best beside noughts: F2 0.981, beside dashes 0.975, beside what
    was there 0.966.
    """
    characters = list(text)
    for _, start, end, score, _ in found:
        if score >= _SURE:
            characters[start:end] = "0" * (end - start)
    return "".join(characters)


def without_overlaps(text: str, found: Iterable[Found], wanted: Collection[str], least: float) -> list[Found]:
    """The found of the wanted kinds in their order; of those that overlap the surest, then the longest, stays.

    Addresses that touch are one.
    """
    taken: list[Found] = []
    for one in sorted(_from_locations(found), key=lambda each: (-each[3], each[1] - each[2], each[1])):
        # Those taken are in order and apart, so that only the two beside it can overlap.
        place = bisect.bisect_right(taken, one[1], key=_start)
        each = _behind_person(one, taken[place - 1]) if place else one
        is_free = (not place or taken[place - 1][2] <= each[1]) and (place == len(taken) or each[2] <= taken[place][1])
        if each[3] >= least and is_free:
            taken.insert(place, each)
    return [each for each in _addresses_joined(text, taken) if each[0] in wanted]


def _from_locations(found: Iterable[Found]) -> list[Found]:
    """Patterns' addresses in Chinese from the place on that a model sees in them, and no such place beside them."""
    given = list(found)
    places = [each for each in given if each[0] == "location"]
    kept: list[Found] = []
    for each in given:
        if each[4] == _CHINESE_ADDRESS:
            begins = [place[1] for place in places if each[1] <= place[1] < each[2]]
            first = min(begins, default=each[1])
            each = (each[0], first if first - each[1] <= _LONGEST_BEFORE else each[1], *each[2:])
            places = [place for place in places if not each[1] <= place[1] < each[2]]
        kept.append(each)
    return [each for each in kept if each[0] != "location" or each in places]


def _behind_person(found: Found, before: Found) -> Found:
    """An address without the person that it begins with: between the words of Chinese nothing tells where it does."""
    is_part = found[0] == "address" and before[0] == "person" and found[1] < before[2] < found[2]
    return (found[0], before[2], *found[2:]) if is_part else found


def _start(found: Found) -> int:
    return found[1]


def _addresses_joined(text: str, found: Sequence[Found]) -> list[Found]:
    joined: list[Found] = []
    for each in found:
        last = joined[-1] if joined else None
        is_part = each[0] in ("address", "location") and last is not None and last[0] == "address"
        if is_part and last and _IN_ADDRESS.fullmatch(text[last[2] : each[1]]):
            joined[-1] = ("address", last[1], each[2], max(last[3], each[3]), last[4])
        else:
            joined.append(each)
    return joined
