"""Survivorship: which value of several rows that are about one thing the golden record gets, column by column."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.errors import InvalidInput

Value = str | None
_HINT = (
    """Write survivorship => '{"default": "most_frequent", "columns": {"email": "most_recent"}, """
    """"time": "updated_at", "source": "system", "sources": ["crm", "shop"]}'; """
    """the rules are most_frequent, most_recent, most_complete, longest and source."""
)
_FIELDS = {"default", "columns", "time", "source", "sources"}


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a cluster: its key, its values by column, and its rank by the column of time, later ones higher."""

    key: str
    values: dict[str, Value]
    recency: int

    @property
    def filled(self) -> int:
        """How many columns have a value."""
        return sum(value is not None for value in self.values.values())


@dataclass(frozen=True, slots=True)
class Survivorship:
    """The rule of each column; `time` is the column that tells how recent a row is, `source` the one of its source.

    `sources` are in the order of trust.
    """

    default: str
    columns: dict[str, str]
    time: str | None
    source: str | None
    sources: Sequence[str]

    def best(self, records: Sequence[Record]) -> Record:
        """The row that stands for all: by the default rule, the most complete, most recent and first one."""
        rule = self.default if self.default in ("most_recent", "source") else "most_complete"
        return min(self._ordered(records), key=lambda record: self._rank(rule, record))

    def value(self, column: str, records: Sequence[Record]) -> Value:
        """The value that survives in a column; NULL only where all are."""
        filled = [record for record in records if record.values[column] is not None]
        if not filled:
            return None
        rule = self.columns.get(column, self.default)
        if rule == "most_frequent":
            counts = Counter(record.values[column] for record in filled)
            most = max(counts.values())
            filled = [record for record in filled if counts[record.values[column]] == most]
        elif rule == "longest":
            longest = max(len(record.values[column] or "") for record in filled)
            filled = [record for record in filled if len(record.values[column] or "") == longest]
        return min(self._ordered(filled), key=lambda record: self._rank(rule, record)).values[column]

    def _ordered(self, records: Sequence[Record]) -> list[Record]:
        return sorted(records, key=lambda record: (-record.filled, -record.recency, record.key))

    def _rank(self, rule: str, record: Record) -> int:
        if rule == "source":
            found = record.values.get(self.source or "")
            return self.sources.index(found) if found in self.sources else len(self.sources)
        return -record.recency if rule == "most_recent" or (self.time and rule != "most_complete") else 0


def parse(given: Any, columns: Collection[str]) -> Survivorship:
    """The rules in a JSON object, for a table with these columns. Raises InvalidInput."""
    rules = arguments.plain_json({} if given is None else given)
    if not isinstance(rules, dict) or rules.keys() - _FIELDS:
        raise InvalidInput(f"not a survivorship: {_shown(rules)}", hint=_HINT)
    by_column = rules.get("columns", {})
    if not isinstance(by_column, dict):
        raise InvalidInput(f"columns of survivorship must be an object, not {_shown(by_column)}", hint=_HINT)
    time, source, sources = rules.get("time"), rules.get("source"), rules.get("sources", [])
    if not isinstance(sources, list) or not all(isinstance(each, str) for each in sources):
        raise InvalidInput(f"sources must be a list of texts, not {_shown(sources)}", hint=_HINT)
    for name in (*by_column, *(each for each in (time, source) if each is not None)):
        if name not in columns:
            raise InvalidInput(f"there is no column {_shown(name)}", hint=f"It has: {', '.join(columns)}.")
    made = Survivorship(rules.get("default", "most_frequent"), by_column, time, source, sources)
    for rule in (made.default, *by_column.values()):
        if not isinstance(rule, str) or rule not in _NEEDS:
            raise InvalidInput(f"there is no rule {_shown(rule)}", hint=_HINT)
        missing = _NEEDS[rule](made)
        if missing:
            raise InvalidInput(f"{rule} needs {missing}", hint=_HINT)
    return made


_NEEDS: dict[str, Callable[[Survivorship], str]] = {
    "most_frequent": lambda _: "",
    "most_complete": lambda _: "",
    "longest": lambda _: "",
    "most_recent": lambda rules: "" if rules.time else "a column of time",
    "source": lambda rules: "" if rules.source and rules.sources else "a column of source, and sources",
}


def _shown(value: object) -> str:
    return json.dumps(value)[:200]
