"""Envelope encryption: what was sealed comes back, and nothing that was changed, moved, or is under another key."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pg_llm.errors import InvalidInput, ModelFilesMissing
from pg_llm.privacy.host import file_encryption

ONE, OTHER = "file:one", "file:other"
DIGEST = "d" * 64


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pg_llm" / "keys").mkdir(parents=True)
    for name in ("one", "other"):
        (tmp_path / "pg_llm" / "keys" / name).write_text(name * 20)


def run(action: str, content: bytes = b"", **options: Any) -> bytes:
    given = {"action": action, "key": ONE, "digest": DIGEST, "path": "a", "part": 0, **options}
    if isinstance(given.get("data_key"), bytes):
        given["data_key"] = base64.b64encode(given["data_key"]).decode()
    (item,) = file_encryption.prepare(None, [base64.b64encode(content).decode()], given)
    return base64.b64decode(str(item.finish(())))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.binary(max_size=2000))
def test_every_byte_comes_back(content: bytes) -> None:
    data_key = run("new")
    sealed = run("seal", content, data_key=data_key)
    assert run("open", sealed, data_key=data_key) == content
    assert sealed != run("seal", content, data_key=data_key)
    rewrapped = run("rewrap", data_key, key=OTHER, old=ONE)
    assert run("open", sealed, data_key=rewrapped, key=OTHER) == content


@pytest.mark.parametrize("change", [{"path": "b"}, {"part": 1}, {"digest": "e" * 64}, {"data_key": None}])
def test_a_part_serves_in_its_own_place_only(change: dict[str, Any]) -> None:
    data_key = run("new")
    sealed = run("seal", b"text", data_key=data_key)
    given = {"data_key": data_key, **change}
    if given["data_key"] is None:
        given["data_key"] = run("new")
    with pytest.raises(ModelFilesMissing, match="were changed and cannot be read"):
        run("open", sealed, **given)


@pytest.mark.parametrize("cut", [0, 5, 20, -1])
def test_what_was_cut_or_changed_is_not_read(cut: int) -> None:
    data_key = run("new")
    sealed = run("seal", b"some text", data_key=data_key)
    with pytest.raises(ModelFilesMissing):
        run("open", sealed[:cut], data_key=data_key)
    with pytest.raises(ModelFilesMissing):
        run("open", sealed, data_key=data_key[:cut])
    changed = bytes([sealed[cut] ^ 1])
    with pytest.raises(ModelFilesMissing):
        run("open", sealed[:cut] + changed + (sealed[cut + 1 :] if cut >= 0 else b""), data_key=data_key)


def test_another_key_is_named_and_told_from_a_changed_one() -> None:
    data_key = run("new")
    assert run("fits", data_key) == b"\x01"
    assert run("fits", data_key, key=OTHER) == b""
    with pytest.raises(InvalidInput, match="another key than the one in file:other") as caught:
        run("open", b"", data_key=data_key, key=OTHER)
    assert "llm_encrypt_model_files" in str(caught.value.hint)
    with pytest.raises(InvalidInput, match="cannot be read"):
        run("new", key="file:nothing")
