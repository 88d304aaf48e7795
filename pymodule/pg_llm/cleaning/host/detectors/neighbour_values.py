"""Missing values that another column of the row holds, as marks show: a column that was never split, a value misplaced.

Programming by example (Gulwani 2011) over the columns of a row: as `Portland OR` gave the state OR in marked rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pg_llm.cleaning.host.detectors import programs
from pg_llm.cleaning.host.detectors.programs import Program
from pg_llm.cleaning.host.table import Finding, Step, Table, Value

DETECTOR = "learnt"
# Different values that must have shown it.
_MIN_EXAMPLES = 2
_MAX_LENGTH = 200
_COPY = Program("the value", lambda value: value)


def detect(table: Table) -> Iterator[Finding]:
    """Cells without a value, with the one that a program makes of another column there."""
    truths: defaultdict[int, dict[int, Value]] = defaultdict(dict)
    for (row, place), truth in table.marks.items():
        if not table.columns[place].value(row):
            truths[place][row] = truth or None
    for place, of_rows in truths.items():
        if sum(truth is not None for truth in of_rows.values()) < _MIN_EXAMPLES:
            continue
        for source in range(len(table.columns)):
            program = _learn(_examples(table, source, of_rows)) if source != place else None
            if program is not None:
                yield from _findings(table, place, source, program, set(of_rows.values()))


def _examples(table: Table, source: int, truths: Mapping[int, Value]) -> list[tuple[str, Value]]:
    """Values of the other column with what is right beside them, each pair once."""
    pairs = ((table.columns[source].value(row), truth) for row, truth in truths.items())
    return list(dict.fromkeys((value, truth) for value, truth in pairs if value and len(value) <= _MAX_LENGTH))


def _learn(examples: Sequence[tuple[str, Value]]) -> tuple[Program, float] | None:
    """The program that makes what is right in all examples, nothing where there is nothing; None without one."""
    known = [(value, truth) for value, truth in examples if truth is not None]
    candidates = {_COPY: None} | {
        program: None for value, truth in known[:_MIN_EXAMPLES] for program in programs.propose(value, truth, 0)
    }
    for program in candidates:
        if program.general or any(program.apply(value) not in (None, truth) for value, truth in examples):
            continue
        made = {value for value, truth in known if program.apply(value) == truth}
        if len(made) >= _MIN_EXAMPLES and len({program.apply(value) for value in made}) >= _MIN_EXAMPLES:
            return program, (len(made) + 0.5) / (len(known) + 1)
    return None


def _findings(
    table: Table, place: int, source: int, learned: tuple[Program, float], shown: set[Value]
) -> Iterator[Finding]:
    program, confidence = learned
    column, other = table.columns[place], table.columns[source]
    # A copy of what no mark, and no row, has there is too bold.
    known = shown | set(column.counts)
    missing = np.flatnonzero(column.codes == 0)
    missing = missing[other.codes[missing] > 0]
    for code in np.unique(other.codes[missing]).tolist():
        value = other.values[code - 1]
        new = program.apply(value) if len(value) <= _MAX_LENGTH else None
        if new and new.strip() and (program != _COPY or new in known):
            rows = missing[other.codes[missing] == code]
            # The SQL is on the other column.
            step = Step(f"{program.description} of {other.name}", program.condition, program.expression)
            reason = f"{other.name} = {value[:50]!r} has it, as in cells that were marked"
            yield Finding(place, rows, new, confidence, DETECTOR, reason, (source, value), step)
