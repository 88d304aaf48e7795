"""int8 of a network in ONNX: near to fp32, the same beside other texts, and the same without VNNI."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from pg_llm import processor
from pg_llm.models.quantization import _Graph

WIDTH = 64
HAS_VNNI = processor.has_vnni()


def network() -> Any:
    """Two products of the input (as query and key have it), one with a bias, and a product of activations."""
    random = np.random.default_rng(1)
    constants = {
        "first": random.normal(0, 0.1, (WIDTH, WIDTH)),
        "second": random.normal(0, 0.1, (WIDTH, 2 * WIDTH)),
        "third": random.normal(0, 0.1, (2 * WIDTH, WIDTH)),
        "bias": random.normal(0, 1, 2 * WIDTH),
    }
    nodes = [
        helper.make_node("MatMul", ["input", "first"], ["a"], "a"),
        helper.make_node("MatMul", ["input", "second"], ["b"], "b"),
        helper.make_node("Add", ["bias", "b"], ["c"], "c"),
        helper.make_node("Gelu", ["c"], ["d"], "d"),
        helper.make_node("MatMul", ["d", "third"], ["e"], "e"),
        helper.make_node("Add", ["e", "a"], ["output"], "f"),
    ]
    shape = ["batch", "tokens", WIDTH]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])


def run(model: Any, names: list[str], values: Any) -> list[Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(names, {"input": values}))


def inputs(texts: int, seed: int) -> Any:
    values = np.random.default_rng(seed).normal(0, 1, (texts, 8, WIDTH)).astype(np.float32)
    # A few columns are much larger than the others, as in transformers.
    values[..., :3] *= 20
    return values


def quantized(monkeypatch: pytest.MonkeyPatch, vnni: bool) -> Any:
    monkeypatch.setattr(processor, "has_vnni", lambda: vnni)
    graph = _Graph(network())
    names = list(graph.products)
    assert names == ["input", "d"]
    with graph.showing(names) as model:
        seen = run(model, names, np.concatenate([inputs(8, 0), inputs(8, 9) * 1.2]))
    ranges = {name: (value.min(axis=(0, 1)), value.max(axis=(0, 1))) for name, value in zip(names, seen, strict=True)}
    return graph.quantized(ranges)


def test_products_are_in_int8_and_near_to_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    model = quantized(monkeypatch, vnni=True)
    assert [node.op_type for node in model.graph.node].count("MatMulIntegerToFloat") == 3
    # The bias is part of its product; the sum of two activations stays.
    assert [node.op_type for node in model.graph.node].count("Add") == 1
    assert {constant.name for constant in model.graph.initializer}.isdisjoint({"first", "second", "third"})
    values = inputs(4, 3)
    (expected,), (found,) = run(network(), ["output"], values), run(model, ["output"], values)
    cosines = (expected * found).sum(-1) / np.linalg.norm(expected, axis=-1) / np.linalg.norm(found, axis=-1)
    assert cosines.min() > 0.99
    assert not np.array_equal(expected, found)


def test_a_text_has_the_same_vector_beside_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    model = quantized(monkeypatch, vnni=True)
    values = inputs(4, 5)
    values[1] *= 3
    (together,) = run(model, ["output"], values)
    for place in range(4):
        (alone,) = run(model, ["output"], values[place : place + 1])
        np.testing.assert_allclose(alone[0], together[place], atol=1e-5)


def test_a_processor_without_vnni_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = inputs(4, 6)
    (signed,) = run(quantized(monkeypatch, vnni=True), ["output"], values)
    other = quantized(monkeypatch, vnni=False)
    kinds = {constant.data_type for constant in other.graph.initializer if constant.name.endswith("first.rounded")}
    assert kinds == {onnx.TensorProto.UINT8}
    (unsigned,) = run(other, ["output"], values)
    # Where this machine has no VNNI itself, the signed products may overflow.
    if HAS_VNNI:
        np.testing.assert_allclose(signed, unsigned, atol=1e-4)
