"""The requirements of pyproject.toml as pip takes them, and the lock that pins them with hashes.

`list [--without-torch] EXTRA...` prints the requirements of the extras, `locked EXTRA...` the lock's lines for them, or
fails where it is out of date. `lock EXTRA=REPORT...` prints a lock, from reports of `pip install --dry-run --report`.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = ROOT / "pyproject.toml"
LOCK = Path(__file__).with_name("requirements.lock")
# What is of no use without PyTorch, or would bring it along.
NEEDS_TORCH = frozenset(
    "accelerate captum onnxscript opacus optuna peft pykeen sentence-transformers torch transformers".split()
)
HEADER = """\
# Made by ./run lock, for Python {python} on x86_64 with PyTorch for the CPU. Elsewhere pyproject.toml's ranges hold.
# requirements: {digest}
"""


def extras() -> dict[str, list[str]]:
    """All extras of pyproject.toml."""
    with PYPROJECT.open("rb") as file:
        return dict(tomllib.load(file)["project"]["optional-dependencies"])


def requirements(names: Iterable[str], torch: bool = True) -> list[str]:
    """The requirements of the extras, in their order."""
    listed = extras()
    found = [requirement for name in names for requirement in listed[name]]
    return found if torch else [each for each in found if package(each) not in NEEDS_TORCH]


def package(requirement: str) -> str:
    """The name of the package that a requirement is about, as indexes spell it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def digest() -> str:
    """SHA-256 over the requirements: a lock of others is out of date."""
    return hashlib.sha256(json.dumps(extras(), sort_keys=True).encode()).hexdigest()


def lock(reports: Mapping[str, Path]) -> str:
    """One section per extra; what an earlier extra has brought is not listed again."""
    known: set[str] = set()
    lines = [HEADER.format(python=".".join(map(str, sys.version_info[:2])), digest=digest())]
    for extra, report in reports.items():
        lines.append(f"# extra: {extra}\n")
        for item in sorted(json.loads(report.read_text(encoding="utf-8"))["install"], key=_name):
            if (name := _name(item)) not in known:
                known.add(name)
                sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
                lines.append(f"{name}=={item['metadata']['version']} --hash=sha256:{sha256}\n")
    return "".join(lines)


def locked(names: Iterable[str]) -> list[str]:
    """The pinned requirements of the extras. Raises ValueError where the lock is of other requirements."""
    if f"# requirements: {digest()}\n" not in (text := LOCK.read_text(encoding="utf-8")):
        raise ValueError(f"{LOCK.name} is out of date")
    sections = dict(zip(*[iter(re.split(r"^# extra: (.+)\n", text, flags=re.MULTILINE)[1:])] * 2, strict=True))
    return [line for name in names for line in sections[name].splitlines()]


def _name(item: Mapping[str, Mapping[str, str]]) -> str:
    return package(item["metadata"]["name"])


def main(command: str, *arguments: str) -> int:
    """Command line."""
    if command == "list":
        torch = "--without-torch" not in arguments
        print(*requirements((name for name in arguments if not name.startswith("--")), torch), sep="\n")
    elif command == "lock":
        pairs = (argument.split("=", 1) for argument in arguments)
        print(lock({extra: Path(report) for extra, report in pairs}), end="")
    elif command == "locked":
        try:
            print(*locked(arguments), sep="\n")
        except (OSError, ValueError):
            return 1
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
