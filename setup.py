"""Takes the version from the extension's control file, the one place where it is written."""

import re
from pathlib import Path

from setuptools import setup

control = Path(__file__).parent.joinpath("extension", "pg_llm.control").read_text(encoding="utf-8")
setup(version=re.search(r"^default_version = '(.+)'", control, re.MULTILINE)[1])
