"""Runs benchmarks: this project beside a peer, from one run on one machine.

A topic is a module tests/benchmarks/bench_TOPIC.py with `rows(cluster) -> list[dict]`, each row of the keys in `KEYS`.
`python -m workbench.bench [TOPIC …]` prints a table and writes build/bench/TOPIC.json; no topic means all, and
the beginning of a name will do.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from workbench.cluster import Cluster

KEYS: Final = ("what", "peer", "peer_value", "value", "unit", "ratio", "higher_is_better", "command")
SHOWN: Final = ("what", "peer", "peer_value", "value", "unit", "ratio")
FOLDER: Final = Path("tests", "benchmarks")
OUTPUT: Final = Path("build", "bench")


def compared(
    command: str,
    what: str,
    peer: str,
    peer_value: float,
    value: float,
    unit: str,
    higher_is_better: bool,
    digits: int = 2,
) -> dict[str, Any]:
    """Builds a row; the ratio says how many times better this project is than the peer, None over 0."""
    better, worse = (value, peer_value) if higher_is_better else (peer_value, value)
    row = (
        what,
        peer,
        round(peer_value, digits),
        round(value, digits),
        unit,
        round(better / worse, 2) if worse else None,
        higher_is_better,
        command,
    )
    return dict(zip(KEYS, row, strict=True))


def shown(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Prints each row when it is there, for benchmarks that take long, and returns them all."""
    found = []
    for row in rows:
        print(f"  {row['what']}: {row['value']} {row['unit']} ({row['peer']}: {row['peer_value']})", flush=True)
        found.append(row)
    return found


def parts(there: Iterable[str]) -> list[str]:
    """The part of a benchmark that the variable PART names, or all that there are."""
    known = list(there)
    chosen = os.environ.get("PART")
    if chosen is not None and chosen not in known:
        raise SystemExit(f"no part {chosen!r}; there are: {', '.join(known)}")
    return known if chosen is None else [chosen]


def topics() -> list[str]:
    """Names of the benchmarks that are there."""
    return sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


def measure(topic: str, cluster: Cluster) -> list[dict[str, Any]]:
    """Runs one benchmark and returns its rows, each with exactly the keys in `KEYS`."""
    path = FOLDER / f"bench_{topic}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.exists():
        raise SystemExit(f"no benchmark {topic!r}; there are: {', '.join(topics()) or 'none'}")
    module = importlib.util.module_from_spec(spec)
    # A benchmark may import what lies beside it, and what the tests share.
    sys.path[:0] = [str(FOLDER.absolute()), str((FOLDER.parent / "support").absolute())]
    spec.loader.exec_module(module)
    rows: list[dict[str, Any]] = module.rows(cluster)
    for row in rows:
        if set(row) != set(KEYS):
            raise ValueError(f"{path}: a row has the keys {sorted(row)}, not {sorted(KEYS)}")
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lays rows out in columns, numbers to the right."""
    cells = [list(SHOWN), *([_text(row[key]) for key in SHOWN] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [any(isinstance(row[key], int | float) for row in rows) for key in SHOWN]
    cells.insert(1, ["-" * width for width in widths])
    layout = list(zip(widths, right, strict=True))
    lines = [
        [cell.rjust(w) if r else cell.ljust(w) for cell, (w, r) in zip(line, layout, strict=True)] for line in cells
    ]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def main(*arguments: str) -> None:
    """Measures the chosen topics, or all of them, each on a fresh server."""
    parser = argparse.ArgumentParser(prog="./run bench", description="Measures this project beside its peers.")
    parser.add_argument("topic", nargs="*", help=", ".join(topics()))
    parser.add_argument("--data", metavar="FOLDER", help="data of your own, for topics that know some: MovieLens-1M")
    chosen = parser.parse_args(arguments)
    if chosen.data:
        os.environ["BENCH_DATA"] = chosen.data
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for topic in [_topic(name) for name in chosen.topic] or topics():
        with Cluster() as cluster:
            rows = measure(topic, cluster)
        (OUTPUT / f"{topic}.json").write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{topic}\n{table(rows)}\n", flush=True)


def _topic(name: str) -> str:
    """The topic of that name, or the only one that begins so."""
    found = [topic for topic in topics() if topic.startswith(name)]
    return found[0] if len(found) == 1 else name


def _text(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else "" if value is None else str(value)


if __name__ == "__main__":
    main(*sys.argv[1:])
