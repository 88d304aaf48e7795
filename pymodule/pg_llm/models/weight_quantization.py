"""Weights of an ONNX network in blocks of four bits, and its tables of vectors in eight: the smallest files.

Each block of a matrix's column has a scale of its own (as in GGUF's Q4_0); onnxruntime rounds the activations of a
batch to eight bits as it comes. What is gained is memory, and no time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

_BLOCK: Final = 32
_DOMAIN: Final = "com.microsoft"
# Of MatMulNBits: activations as int8.
_ACCURACY: Final = 4


def quantize(folder: Path) -> None:
    """Replace model.onnx of an export."""
    file = folder / "model.onnx"
    model = onnx.load(file)
    constants = {constant.name: constant for constant in model.graph.initializer}
    nodes: list[Any] = []
    for node in model.graph.node:
        table = constants.get(node.input[0]) if node.op_type == "Gather" else None
        matrix = constants.get(node.input[1]) if node.op_type == "MatMul" else None
        if table is not None and len(table.dims) == 2:
            nodes += _gather(node, table, constants)
        elif matrix is not None and len(matrix.dims) == 2 and matrix.dims[0] % _BLOCK == 0:
            nodes.append(_product(node, matrix, constants))
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constant for name, constant in constants.items() if name in used)
    if all(opset.domain != _DOMAIN for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    onnx.save(model, file)


def _gather(node: Any, table: Any, constants: dict[str, Any]) -> list[Any]:
    """Rows of int8 that are looked up, and each row's scale."""
    values = numpy_helper.to_array(table)
    scales = np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-12).astype(np.float32) / 127
    name, output = table.name, node.output[0]
    constants[f"{name}.rounded"] = numpy_helper.from_array(np.round(values / scales).astype(np.int8), f"{name}.rounded")
    constants[f"{name}.scale"] = numpy_helper.from_array(scales, f"{name}.scale")
    return [
        helper.make_node("Gather", [f"{name}.rounded", node.input[1]], [f"{output}.rounded"]),
        helper.make_node("Cast", [f"{output}.rounded"], [f"{output}.cast"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Gather", [f"{name}.scale", node.input[1]], [f"{output}.scale"]),
        helper.make_node("Mul", [f"{output}.cast", f"{output}.scale"], [output], node.name),
    ]


def _product(node: Any, matrix: Any, constants: dict[str, Any]) -> Any:
    """A product with a matrix whose columns are kept as blocks: two numbers a byte, the low one first, plus eight."""
    values = numpy_helper.to_array(matrix).astype(np.float32)
    rows, columns = values.shape
    blocks = values.T.reshape(columns, rows // _BLOCK, _BLOCK)
    # The number that is farthest from 0 becomes -8, of which there is no positive twin.
    farthest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=2)[..., None], axis=2)
    scales = np.where(farthest == 0, 1, farthest) / -8
    rounded = np.clip(np.round(blocks / scales) + 8, 0, 15).astype(np.uint8)
    packed = rounded[..., ::2] | rounded[..., 1::2] << 4
    name = matrix.name
    constants[f"{name}.packed"] = numpy_helper.from_array(packed, f"{name}.packed")
    constants[f"{name}.scales"] = numpy_helper.from_array(
        scales.astype(np.float32).reshape(columns, -1), f"{name}.scales"
    )
    inputs = [node.input[0], f"{name}.packed", f"{name}.scales"]
    size = {"K": rows, "N": columns, "bits": 4, "block_size": _BLOCK, "accuracy_level": _ACCURACY}
    return helper.make_node("MatMulNBits", inputs, list(node.output), node.name, domain=_DOMAIN, **size)
