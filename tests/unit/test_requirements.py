"""The lock of the reference installation holds every requirement, each with a hash."""

import contextlib
import importlib.util
import re
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from database import ROOT


@pytest.fixture(scope="module")
def setup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("requirements", ROOT / "extension" / "setup" / "requirements.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_is_of_the_requirements_as_they_are(setup: ModuleType) -> None:
    lines = setup.locked(["host", "torch", "training", "dev", "models", "ray"])
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    locked = {setup.package(line) for line in lines}
    assert len(locked) == len(lines)
    assert {setup.package(each) for each in setup.requirements(setup.extras())} <= locked


def test_a_lock_of_other_requirements_is_refused(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "pyproject.toml"
    changed.write_text((ROOT / "pyproject.toml").read_text().replace("numpy>=2,", "numpy>=2.1,"))
    monkeypatch.setattr(setup, "PYPROJECT", changed)
    with pytest.raises(ValueError, match="out of date"):
        setup.locked(["host"])


def test_the_lock_names_no_index(setup: ModuleType) -> None:
    assert "://" not in setup.LOCK.read_text()


def test_without_torch_nothing_brings_it_along(setup: ModuleType) -> None:
    found = [setup.package(each) for each in setup.requirements(["host", "training", "dev"], torch=False)]
    assert {"onnxruntime", "scikit-learn"} <= set(found)
    assert not setup.NEEDS_TORCH & set(found)
    needed = {name: requires(setup, name) for name in found}
    assert [name for name, packages in needed.items() if "torch" in packages] == []


def requires(setup: ModuleType, name: str) -> set[str]:
    """The packages that an installed one brings along, itself among them, without its extras."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        if (each := waiting.pop()) not in found:
            found.add(each)
            with contextlib.suppress(metadata.PackageNotFoundError):
                listed = metadata.requires(each) or []
                waiting += [setup.package(line) for line in listed if "extra ==" not in line]
    return found


def test_nothing_that_trains_comes_before_it_is_asked_for(setup: ModuleType) -> None:
    locked = {setup.package(line) for line in setup.locked(["host", "models"])}
    assert {"onnxruntime", "xllamacpp", "numpy"} <= locked
    assert not locked & {*setup.NEEDS_TORCH, "scipy", "scikit-learn", "sympy"}
