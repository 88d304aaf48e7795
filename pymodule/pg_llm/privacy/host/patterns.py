"""Personal data that patterns, check digits and the words around tell: a JSON list of [kind, start, end, score, name].

Positions count from 0, the end excluded. Option `kinds` says which kinds are looked for, `languages` whose phone
numbers are known without the code of a country. Spans may overlap: who merges them has other sources too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pg_llm.models.engine import Engine
from pg_llm.privacy.host import addresses, contacts, official_numbers, passwords, secrets
from pg_llm.privacy.host.recognizers import Found
from pg_llm.tasks import Steps, WorkItem, passages, stepwise

# Characters that are read at once: others wait meanwhile, and phone numbers of nine countries in nothing but digits and
# slashes take a tenth of a millisecond a character.
_LONGEST = 5_000
_RECOGNIZERS = (*official_numbers.RECOGNIZERS, *contacts.RECOGNIZERS)


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per text."""
    return [stepwise(_steps(text, options["kinds"], options["languages"])) for text in inputs]


def _steps(text: str, kinds: Sequence[str], languages: Sequence[str]) -> Steps:
    written = []
    for part in passages.ranges(text, _LONGEST):
        written += [json.dumps(found) for found in _within(text, part, kinds, languages)]
        yield ()
    return f"[{', '.join(written)}]"


def find_all(text: str, kinds: Collection[str], languages: Sequence[str]) -> Iterator[Found]:
    """What is found of these kinds in a text of any length."""
    for part in passages.ranges(text, _LONGEST):
        yield from _within(text, part, kinds, languages)


def _within(text: str, part: tuple[int, int], kinds: Collection[str], languages: Sequence[str]) -> Iterator[Found]:
    for kind, start, end, score, name in find(text[slice(*part)], kinds, languages):
        yield kind, start + part[0], end + part[0], score, name


def find(text: str, kinds: Collection[str], languages: Sequence[str]) -> Iterator[Found]:
    """What is found of these kinds, in no order."""
    for recognizer in _RECOGNIZERS:
        if recognizer.kind in kinds:
            yield from recognizer.find(text)
    for found in (
        *contacts.phones(text, languages if "phone" in kinds else ()),
        *contacts.of_networks_and_banks(text),
        *contacts.coordinates(text),
        *addresses.find(text),
        *secrets.keys(text),
        *secrets.passwords(text),
        *passwords.find(text),
        *secrets.links(text),
    ):
        if found[0] in kinds:
            yield found
