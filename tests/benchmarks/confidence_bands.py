"""How often repairs are right by what their confidence says, on tables of drawn columns and damages.

`PYTHONPATH=pymodule:tests/support python tests/benchmarks/confidence_bands.py FIRST LAST STEP` prints it without a
server. Confidences were calibrated on odd seeds and on even ones to 300; even ones to 622 were looked at since.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

import drawn_tables
from dirty import Cell, Pair
from workbench.bench import compared

COMMAND = "./run bench cleaning"
# Seeds that nobody had used.
SEEDS = range(624, 644, 2)
# New value and confidence of each cell with a proposal.
Proposals = Mapping[Cell, tuple[str | None, float]]


def rows(proposals: Callable[[str, Pair], Proposals]) -> Iterator[dict[str, object]]:
    """Rows of a benchmark: for each band of a tenth the mean confidence, and the share that is right."""
    for start, cells, said, right in bands(answers(proposals, SEEDS)):
        label = f"drawn tables, confidence from {start:.1f} ({cells} repairs): right"
        yield compared(COMMAND, label, "confidence", said, right, "share", True, 3)


def answers(proposals: Callable[[str, Pair], Proposals], seeds: Iterable[int]) -> Iterator[tuple[float, bool]]:
    """The confidence of each repair on the tables of these seeds, and whether it is right."""
    for seed in seeds:
        pair = drawn_tables.draw(seed).pair
        for (row, place), (new, confidence) in proposals(f"drawn_{seed}", pair).items():
            yield confidence, (new or "") == pair.clean[row][place]


def bands(found: Iterable[tuple[float, bool]]) -> Iterator[tuple[float, int, float, float]]:
    """For each band of a tenth: where it begins, its repairs, their mean confidence and the share that is right."""
    inside: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, right in found:
        inside[min(int(confidence * 10 + 1e-6), 9)].append((confidence, right))
    for band, repairs in sorted(inside.items()):
        said, shares = zip(*repairs, strict=True)
        yield band / 10, len(repairs), sum(said) / len(repairs), sum(shares) / len(repairs)


def proposed(_: str, pair: Pair) -> Proposals:
    """What is proposed for a table, without a server."""
    from pg_llm.cleaning.host.detectors import ensemble
    from pg_llm.cleaning.host.table import Column, Table, encode

    columns = [[row[place] or None for row in pair.dirty] for place in range(len(pair.names))]
    table = Table([Column(name, *encode(each)) for name, each in zip(pair.names[1:], columns[1:], strict=True)])
    return {
        (row, finding.column + 1): (finding.new, finding.confidence)
        for finding in ensemble.detect(table)
        if finding.confidence is not None and finding.confidence >= ensemble.MIN_CONFIDENCE
        for row in finding.rows.tolist()
    }


if __name__ == "__main__":
    for start, cells, said, right in bands(answers(proposed, range(*map(int, sys.argv[1:4])))):
        print(f"from {start:.1f}: {cells} repairs, said {said:.3f}, right {right:.3f}")
