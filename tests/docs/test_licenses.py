"""Every package that pyproject.toml asks for is on the page of licenses, and copyleft is pointed out there."""

from __future__ import annotations

import importlib.util
import re
from email.message import Message
from types import SimpleNamespace

import pytest
from workbench import licenses

PAGE = licenses.FILE.read_text(encoding="utf-8")
LISTED = dict(re.findall(r"^\| ([\w.-]+) \| .*?([^|]+) \|$", PAGE, re.MULTILINE))

# A set-up may go without PyTorch and what stands on it.
complete = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed here")


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def package(*fields: tuple[str, str]) -> SimpleNamespace:
    about = Message()
    for name, value in fields:
        about[name] = value
    return SimpleNamespace(name="some", metadata=about)


def test_every_requirement_is_listed() -> None:
    listed = {normalized(name) for name in LISTED}
    assert {normalized(name) for name in licenses.required("host", "models", "torch", "dev")} <= listed
    assert set(licenses.MODELS) == set(licenses.required("models"))
    assert set(licenses.FONTS) <= set(licenses.required("host"))


@complete
def test_copyleft_is_pointed_out() -> None:
    for each in licenses.closure(licenses.required("host", "torch")):
        # torch brings NVIDIA's for a GPU only; the page names them as a whole.
        if each.name.lower().startswith("nvidia-"):
            continue
        if re.search("GPL|MPL|proprietary", licenses.license_of(each), re.IGNORECASE):
            assert f"**{each.name}**" in PAGE, each.name


@complete
def test_the_page_is_as_it_would_be_written() -> None:
    rows = licenses.tables()
    written = licenses.with_tables(PAGE, rows)
    assert licenses.with_tables(written, rows) == written
    # Prose stays; only rows may differ, by the versions that are installed here.
    assert re.sub(r"^\|.*\n", "", written, flags=re.MULTILINE) == re.sub(r"^\|.*\n", "", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("License-Expression", "MIT OR Apache-2.0"), ("License", "other")], "MIT OR Apache-2.0"),
        ([("License", "Apache 2.0 License")], "Apache-2.0"),
        ([("License", "MPL-2.0 AND MIT")], "MPL-2.0 AND MIT"),
        ([("License", "Apache License\n    Version 2.0, January 2004\n" + 20 * "terms ")], "Apache-2.0"),
        ([("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
        ([("License", 20 * "terms "), ("Classifier", "License :: OSI Approved :: BSD License")], "BSD"),
    ],
)
def test_a_license_is_what_the_package_states(fields: list[tuple[str, str]], expected: str) -> None:
    assert licenses.license_of(package(*fields)) == expected


def test_a_package_without_a_license_is_an_error() -> None:
    with pytest.raises(ValueError, match="some does not say"):
        licenses.license_of(package(("Classifier", "Topic :: Database")))
