import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pg_llm import installation


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the record would be; there is none yet."""
    monkeypatch.setattr(installation, "_RECORD", tmp_path / "installation.json")
    installation.installation.cache_clear()
    installation.build.cache_clear()
    yield tmp_path / "installation.json"
    installation.installation.cache_clear()
    installation.build.cache_clear()


def test_what_the_installer_recorded_is_used(record: Path) -> None:
    record.write_text(json.dumps({"python": "/p/python", "site_packages": "/p/lib/site-packages", "cache": "/c"}))
    found = installation.installation()
    assert (found.python, found.site_packages, found.cache) == ("/p/python", "/p/lib/site-packages", "/c")


def test_a_source_tree_uses_the_running_interpreter(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    found = installation.installation()
    assert found.python == sys.executable
    assert (Path(found.site_packages) / "numpy").is_dir()
    assert found.cache == "/somewhere/pg_llm"


def test_a_record_that_cannot_be_read_is_no_source_tree(record: Path) -> None:
    record.write_text("{")
    with pytest.raises(ValueError, match="JSON|Expecting"):
        installation.installation()


def test_no_setting_names_the_interpreter(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.write_text(json.dumps({"python": "/p/python", "site_packages": "/s", "cache": "/c"}))
    before = installation.installation()
    installation.installation.cache_clear()
    for name in ("PG_LLM_PYTHON", "PYTHON", "PYTHONHOME", "VIRTUAL_ENV", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "/evil")
    assert installation.installation() == before
