"""Prints the requirements that pyproject.toml lists under the given extras, or the one line of a package name."""

import sys
import tomllib
from pathlib import Path

with Path(sys.argv[1]).open("rb") as file:
    extras = tomllib.load(file)["project"]["optional-dependencies"]
for name in sys.argv[2:]:
    print(*extras[name], sep="\n")
