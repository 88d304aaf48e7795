"""How often repairs are right by what their confidence says, on tables of drawn columns and damages.

`python confidence_bands.py FIRST LAST STEP` prints it without a server; odd seeds were looked at while confidences were
calibrated, even ones were put away.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import drawn_tables
from drawn_tables import Drawn

# Detector, confidence, whether it is right, whether the cell was wrong, and its kind of damage.
Answer = tuple[str, float, bool, bool, str]


def answers(drawn: Drawn) -> Iterator[Answer]:
    """What is proposed for the cells of a table."""
    from pg_llm.cleaning.host.detectors import ensemble
    from pg_llm.cleaning.host.table import Column, Table, encode

    names = drawn.pair.names
    columns = [list(column) for column in zip(*drawn.pair.dirty, strict=True)]
    table = Table([Column(name, *encode(each or None for each in values))
                   for name, values in zip(names[1:], columns[1:], strict=True)])  # fmt: skip
    for finding in ensemble.detect(table):
        place = finding.column + 1
        for row in finding.rows.tolist():
            kind = drawn.kinds.get((row, place), "")
            confidence = finding.confidence or 0.0
            right = finding.confidence is not None and (finding.new or "") == drawn.pair.clean[row][place]
            yield finding.detector, confidence, right, bool(kind), kind


def bands(found: Iterable[tuple[float, bool]]) -> Iterator[tuple[float, int, float, float]]:
    """For each band of a tenth from .5: where it begins, cells, mean confidence and the share that is right."""
    of: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, right in found:
        of[min(int(confidence * 10 + 1e-6), 9)].append((confidence, right))
    for band, inside in sorted(of.items()):
        said, right = zip(*inside, strict=True)
        yield band / 10, len(inside), sum(said) / len(inside), sum(right) / len(inside)


def main(first: int, last: int, step: int, dump: str | None = None) -> None:
    """Print the bands of all repairs on the tables of these seeds, and F1."""
    found: list[Answer] = []
    wrong = 0
    for seed in range(first, last, step):
        drawn = drawn_tables.draw(seed)
        wrong += len(drawn.kinds)
        for each in answers(drawn):
            found.append(each)
            if dump:
                with Path(dump).open("a") as file:
                    file.write(json.dumps([seed, *each]) + "\n")
    proposed = [each for each in found if each[1] >= 0.5]
    hits, right = sum(each[3] for each in found), sum(each[2] for each in proposed)
    print(f"{wrong} wrong cells: detection F1 {2 * hits / (len(found) + wrong):.3f}", end=", ")
    print(f"repair F1 {2 * right / (len(proposed) + wrong):.3f} (P {right / len(proposed):.3f})")
    for start, cells, said, share in bands((each[1], each[2]) for each in proposed):
        print(f"  from {start:.1f}: {cells} cells, says {said:.3f}, right {share:.3f}")
    applied = Counter(each[2] for each in proposed if each[1] >= 0.95)
    print(f"  by default: {applied.total()} cells, right {applied[True] / max(applied.total(), 1):.4f}")


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "support")]
    main(*(int(each) for each in sys.argv[1:4]), *sys.argv[4:5])
