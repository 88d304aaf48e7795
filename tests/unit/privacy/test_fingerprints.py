from __future__ import annotations

import json
from pathlib import Path

import pytest
from pg_llm.errors import Error
from pg_llm.privacy.host import fingerprints


def hashes(*texts: str) -> list[str]:
    return [json.loads(str(item.finish(())))[1] for item in fingerprints.prepare(None, texts, {})]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(fingerprints, "FILE", tmp_path / "pg_llm" / "lineage.key")
    return tmp_path / "pg_llm"


def test_a_text_is_known_again_in_any_case_and_spacing(folder: Path) -> None:
    first, second, other, lone = hashes("Anna  Meier", " anna\nmeier ", "Anna Meyer", "\ud800")
    assert first == second
    assert len({first, other, lone, *hashes("")}) == 4
    assert hashes("Anna Meier") == [first]
    assert [path.name for path in folder.iterdir()] == ["lineage.key"]
    assert (folder / "lineage.key").stat().st_mode & 0o777 == 0o600


def test_another_key_gives_other_hashes(folder: Path) -> None:
    before = fingerprints.prepare(None, ["a"], {})[0].finish(())
    (folder / "lineage.key").unlink()
    assert not set(json.loads(str(before))) & set(json.loads(str(fingerprints.prepare(None, ["a"], {})[0].finish(()))))
    (folder / "lineage.key").write_bytes(b"short")
    with pytest.raises(Error, match="damaged"):
        fingerprints.prepare(None, ["a"], {})
