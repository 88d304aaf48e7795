from __future__ import annotations

import os
from pathlib import Path

import pytest
from pg_llm.models.llama import server


@pytest.mark.parametrize("others", [[], ["of somebody else"]])
def test_it_removes_its_own_files_and_no_other(tmp_path: Path, others: list[str]) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    for name in [*server.FILES, *others]:
        (folder / name).touch()
    server._remove(str(folder))
    assert (os.listdir(folder) if folder.exists() else []) == others
    assert folder.exists() == bool(others)
    # It may be gone.
    server._remove(str(tmp_path / "nowhere"))
