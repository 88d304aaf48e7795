"""What is published: the source distribution, the wheel built from it, and PGXN's META.json."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from database import ROOT

CONTROL = (ROOT / "extension" / "pg_llm.control").read_text(encoding="utf-8")
VERSION = re.findall(r"^default_version = '(.+)'", CONTROL, re.MULTILINE)[0]
META = json.loads((ROOT / "extension" / "META.json").read_text(encoding="utf-8"))
BUILT = shutil.ignore_patterns("__pycache__", "*.egg-info")


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked. It is built from a copy: setuptools writes into the folder that it builds."""
    folder = tmp_path_factory.mktemp("sdist")
    copy = folder / "clone"
    copy.mkdir()
    for name in ("extension", "sql", "pymodule", "tests", "docker"):
        shutil.copytree(ROOT / name, copy / name, ignore=BUILT)
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copy(path, copy)
    run(sys.executable, "-c", f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})", cwd=copy)
    run("tar", "-xf", f"pg_llm-{VERSION}.tar.gz", cwd=folder)
    return folder / f"pg_llm-{VERSION}"


@pytest.fixture(scope="module")
def installed(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds only what pip installs from the source distribution."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--isolated"]
    offline = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--no-compile"]
    run(*pip, "install", *offline, "--target", str(folder), str(sdist), cwd=folder)
    return folder


def metadata(installed: Path) -> Message:
    return HeaderParser().parsestr((installed / f"pg_llm-{VERSION}.dist-info" / "METADATA").read_text("utf-8"))


def test_the_source_distribution_holds_the_whole_clone(sdist: Path) -> None:
    for name in ("docker", "extension", "pymodule", "sql", "tests"):
        sources = {path.relative_to(ROOT) for path in (ROOT / name).rglob("*") if path.is_file()}
        missing = {path for path in sources if not (sdist / path).exists()}
        assert {path for path in missing if not re.search("__pycache__|egg-info", path.as_posix())} == set()
    for name in ("run", "LICENSE", "CHANGELOG.md", "README.md", "pyproject.toml", "setup.py", "MANIFEST.in"):
        assert (sdist / name).exists(), name


def test_the_wheel_holds_the_package_and_nothing_else(installed: Path) -> None:
    assert {path.name for path in installed.iterdir()} == {"bin", "pg_llm", f"pg_llm-{VERSION}.dist-info"}
    # The worker's command.
    assert [path.name for path in (installed / "bin").iterdir()] == ["pg_llm"]
    package = ROOT / "pymodule" / "pg_llm"
    expected = {path.relative_to(package) for path in package.rglob("*") if path.is_file()}
    expected = {path for path in expected if "__pycache__" not in path.parts}
    there = {path.relative_to(installed / "pg_llm") for path in (installed / "pg_llm").rglob("*") if path.is_file()}
    assert there == expected
    assert Path("py.typed") in there
    assert not {path for path in there if {"tests", "workbench"} & set(path.parts) or path.suffix == ".sql"}


def test_the_installed_package_imports_without_its_sources(installed: Path) -> None:
    program = f"import sys; sys.path.insert(0, {str(installed)!r}); import pg_llm.settings as s; print(s.__file__)"
    assert run(sys.executable, "-I", "-c", program, cwd=installed).strip().startswith(str(installed))


def test_the_metadata_are_those_of_the_project(installed: Path) -> None:
    about = metadata(installed)
    assert about["Name"] == "pg_llm"
    assert about["Version"] == VERSION
    assert about["License-Expression"] == "PostgreSQL"
    assert about["Author"] == "pg_llm contributors"
    assert about["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in about.get_all("Classifier", [])
    # The backend's half needs the standard library only.
    assert [line for line in about.get_all("Requires-Dist", []) if "extra ==" not in line] == []
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(about.get_all("Provides-Extra", [])) == set(extras)


SEMANTIC_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z][0-9A-Za-z-]*)?")
TERM = re.compile(r"[^\s/\\\x00-\x1f]{2,}")
REQUIRED = {"name", "abstract", "version", "maintainer", "license", "provides", "meta-spec"}
OPTIONAL = {"description", "generated_by", "release_status", "prereqs", "resources", "no_index", "tags"}
PHASES = {"configure", "build", "test", "runtime", "develop"}
RELATIONS = {"requires", "recommends", "suggests", "conflicts"}


def is_url(value: Any) -> bool:
    parts = urlsplit(value)
    return bool(parts.scheme and parts.netloc)


def test_the_pgxn_metadata_follow_the_specification() -> None:
    """The rules of https://rfcs.pgxn.org/0001-meta-spec-v1.html."""
    assert set(META) >= REQUIRED
    assert set(META) <= REQUIRED | OPTIONAL
    assert TERM.fullmatch(META["name"])
    assert META["abstract"]
    assert all(isinstance(each, str) and each for each in META["maintainer"])
    assert META["maintainer"]
    assert all(name and is_url(url) for name, url in META["license"].items())
    assert META["meta-spec"]["version"] == "1.0.0"
    assert is_url(META["meta-spec"]["url"])
    assert META.get("release_status", "stable") in {"stable", "testing", "unstable"}
    assert all(re.fullmatch(r"[^/\\\x00-\x1f]{1,256}", tag) for tag in META["tags"])
    for name, provided in META["provides"].items():
        assert TERM.fullmatch(name)
        assert set(provided) <= {"file", "version", "abstract", "docfile"}
        for path in (provided["file"], provided.get("docfile", provided["file"])):
            assert (ROOT / path).is_file(), path
    assert set(META["prereqs"]) <= PHASES
    for relations in META["prereqs"].values():
        assert set(relations) <= RELATIONS
        for needed in relations.values():
            for name, version in needed.items():
                assert TERM.fullmatch(name)
                assert version == 0 or SEMANTIC_VERSION.fullmatch(version)


def test_the_pgxn_metadata_say_what_the_control_file_says() -> None:
    assert SEMANTIC_VERSION.fullmatch(META["version"])
    assert META["version"] == META["provides"]["pg_llm"]["version"] == VERSION
    requires = re.findall(r"^requires = '(.+)'", CONTROL, re.MULTILINE)[0].split(", ")
    assert set(META["prereqs"]["runtime"]["requires"]) == {"PostgreSQL", *requires}
    comment = re.findall(r"^comment = '(.+)'", CONTROL, re.MULTILINE)[0]
    assert META["abstract"].lower() == META["provides"]["pg_llm"]["abstract"].lower() == comment.lower()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a clone knows what is committed")
def test_the_archive_for_pgxn_has_its_metadata_at_the_top(tmp_path: Path) -> None:
    run("make", "-s", "dist", f"BUILD={tmp_path}", cwd=ROOT / "extension")
    with zipfile.ZipFile(tmp_path / f"pg_llm-{VERSION}.zip") as archive:
        names = set(archive.namelist())
    assert {f"pg_llm-{VERSION}/{name}" for name in ("META.json", "README.md", "extension/pg_llm.control")} <= names
    assert all(name.startswith(f"pg_llm-{VERSION}/") for name in names)
