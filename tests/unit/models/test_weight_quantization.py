"""int4 of a network in ONNX: small, near to fp32, and a vector of its own for each token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from pg_llm.models import weight_quantization

TOKENS, WIDTH = 500, 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table of vectors, and two products: the second with a matrix whose rows do not fill whole blocks."""
    random = np.random.default_rng(1)
    constants = {
        "table": random.normal(0, 1, (TOKENS, WIDTH)),
        "first": random.normal(0, 0.1, (WIDTH, 40)),
        "second": random.normal(0, 0.1, (40, WIDTH)),
    }
    constants["table"][7] = 0
    constants["first"][:32, 5] = 0
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["vectors"], "a"),
        helper.make_node("MatMul", ["vectors", "first"], ["b"], "b"),
        helper.make_node("MatMul", ["b", "second"], ["output"], "c"),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["batch", "tokens"])],
        [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, ["batch", "tokens", WIDTH])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path


def run(folder: Path, ids: Any) -> Any:
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {"ids": ids})[0]


def test_it_is_smaller_and_near_to_the_network(folder: Path) -> None:
    ids = np.random.default_rng(2).integers(0, TOKENS, (4, 9))
    size, expected = (folder / "model.onnx").stat().st_size, run(folder, ids)
    weight_quantization.quantize(folder)
    found = run(folder, ids)
    assert (folder / "model.onnx").stat().st_size < size / 3
    flat = expected.reshape(-1, WIDTH), found.reshape(-1, WIDTH)
    norms = [np.linalg.norm(rows, axis=1) for rows in flat]
    cosines = (flat[0] * flat[1]).sum(axis=1) / np.maximum(norms[0] * norms[1], 1e-12)
    assert cosines[ids.ravel() != 7].min() > 0.97
    kinds = [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]
    assert kinds == ["Gather", "Cast", "Gather", "Mul", "MatMulNBits", "MatMul"]


def test_zeros_stay_zeros(folder: Path) -> None:
    weight_quantization.quantize(folder)
    assert np.abs(run(folder, np.array([[7]]))).max() == 0


def test_a_text_is_the_same_beside_others(folder: Path) -> None:
    weight_quantization.quantize(folder)
    ids = np.random.default_rng(3).integers(0, TOKENS, (8, 5))
    together, alone = run(folder, ids), np.concatenate([run(folder, row[None]) for row in ids])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)
