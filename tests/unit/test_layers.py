"""What the layers promise: imports go down only, and a backend never pulls in the heavy libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from database import ROOT

HEAVY = ("numpy", "torch", "onnxruntime", "transformers", "tokenizers", "asyncio")


def imported(statement: str) -> set[str]:
    program = f"import sys, types\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_a_backend_imports_nothing_heavy() -> None:
    stub = "m = types.ModuleType('plpy'); m.Error = m.SPIError = Exception; sys.modules['plpy'] = m"
    topics = [file.stem for file in (ROOT / "pymodule/pg_llm/functions").glob("*.py") if file.stem != "__init__"]
    found = imported(f"{stub}\nfrom pg_llm.runtime import client\nfrom pg_llm.functions import {', '.join(topics)}")
    assert "pg_llm.functions.embedding" in found
    assert found.isdisjoint(HEAVY)


def test_embedding_on_the_cpu_needs_no_torch() -> None:
    found = imported("from pg_llm.models import loading, model_cache, onnx\nfrom pg_llm.search.host import embedding")
    assert "onnxruntime" in found
    assert "torch" not in found


def test_the_contracts_of_the_layers_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert "kept, 0 broken" in done.stdout
