"""Static int8 quantisation of an ONNX network (Jacob and others 2018), smoothed (Xiao and others 2023, SmoothQuant).

The scales of the activations are fixed beforehand, on random texts of the model's own vocabulary: they need no text in
the right language. Scales that onnxruntime finds for each batch (dynamic quantisation) are slower and make a text's
vector depend on the texts beside it, by a cosine of 0.985 for the default model.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from pg_llm import processor
from pg_llm.models.onnx import OnnxModel

_DOMAIN: Final = "com.microsoft"
# Lengths in tokens of the random texts, and how many there are of each.
_LENGTHS: Final = (2, 4, 8, 16, 32, 64, 128, 250)
_EACH: Final = 8
# How much of the activations' range is moved into the weights. Chosen on our manual's pages; on abstracts and
# queries of Cranfield the mean cosine to fp32 is then 0.998, against 0.994 without.
_SMOOTHING: Final = 0.75
_LEAST: Final = 1e-5


def quantize(folder: Path) -> None:
    """Replace model.onnx of an export: products with constant matrices are computed in int8, all else as before."""
    file, calibration = folder / "model.onnx", folder / "calibration.onnx"
    batches = _random_batches(OnnxModel(folder, threads=0))
    graph = _Graph(onnx.load(file))
    names = list(graph.products)
    # As a file, since a large model is in memory often enough.
    with graph.showing(names) as model:
        onnx.save(model, calibration)
    ranges = _activation_ranges(calibration, names, batches)
    calibration.unlink()
    onnx.save(graph.quantized(ranges), file)


def _random_batches(model: OnnxModel) -> list[dict[str, Any]]:
    """Inputs of the network for texts of random tokens."""
    random, tokenizer = np.random.default_rng(0), model.tokenizer
    size = tokenizer.get_vocab_size()
    batches = []
    for length in _LENGTHS:
        texts = [tokenizer.decode(random.integers(0, size, length).tolist()) for _ in range(_EACH)]
        batches.append(model.padded([windows[0] for windows in model.encode(texts)]))
    return batches


def _activation_ranges(file: Path, names: list[str], batches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The least and largest value, 0 included, of each column of the activations that meet a constant matrix."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    ranges: dict[str, Any] = {}
    for batch in batches:
        read = batch["attention_mask"].astype(bool)
        for name, values in zip(names, session.run(names, batch), strict=True):
            # An activation of one vector per text, as in a pooler, has no padding.
            columns = (values[read] if values.ndim == 3 else values).reshape(-1, values.shape[-1])
            least, most = ranges.get(name, (-_LEAST, _LEAST))
            ranges[name] = np.minimum(least, columns.min(axis=0)), np.maximum(most, columns.max(axis=0))
    return ranges


class _Graph:
    """A network, and its products of an activation and a constant matrix by the name of the activation."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._constants = {constant.name: constant for constant in model.graph.initializer}
        self.products: defaultdict[str, list[Any]] = defaultdict(list)
        self._readers: defaultdict[str, list[Any]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self._readers[name].append(node)
            if node.op_type == "MatMul" and node.input[1] in self._constants:
                self.products[node.input[0]].append(node)

    @contextlib.contextmanager
    def showing(self, names: Sequence[str]) -> Iterator[Any]:
        """The network with these activations among its outputs, for as long as the block runs."""
        outputs = self._model.graph.output
        count, known = len(outputs), {output.name for output in outputs}
        outputs.extend(
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in known
        )
        yield self._model
        del outputs[count:]

    def quantized(self, ranges: dict[str, Any]) -> Any:
        """The network with each product in int8; the activations' scales follow from their ranges."""
        nodes: list[Any] = []
        replaced: set[str] = set()
        for node in self._model.graph.node:
            name = node.input[0] if node.input else ""
            if node in self.products.get(name, ()):
                if name not in replaced:
                    nodes += self._quantize_input(name, *ranges[name])
                addition, bias = self._bias(node) or (node, None)
                nodes.append(self._product(node, addition.output[0], [bias] if bias else []))
                replaced |= {name, addition.output[0]}
            elif node.output[0] not in replaced:
                nodes.append(node)
        used = {name for node in nodes for name in node.input}
        graph = self._model.graph
        del graph.node[:], graph.initializer[:]
        graph.node.extend(nodes)
        graph.initializer.extend(constant for name, constant in self._constants.items() if name in used)
        if all(opset.domain != _DOMAIN for opset in self._model.opset_import):
            self._model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
        return self._model

    def _quantize_input(self, name: str, least: Any, most: Any) -> list[Any]:
        """Nodes that smooth an activation's columns and round them to uint8; the matrices undo the smoothing."""
        matrices = {
            node.input[1]: numpy_helper.to_array(self._constants[node.input[1]]) for node in self.products[name]
        }
        heaviest = np.max([np.abs(matrix).max(axis=1) for matrix in matrices.values()], axis=0)
        smoothing = np.maximum(-least, most) ** _SMOOTHING / np.maximum(heaviest, _LEAST) ** (1 - _SMOOTHING)
        lowest, highest = (least / smoothing).min(), (most / smoothing).max()
        scale = (highest - lowest) / 255
        self._constant(f"{name}.smoothing", 1 / smoothing, np.float32)
        self._constant(f"{name}.scale", scale, np.float32)
        self._constant(f"{name}.zero", np.round(-lowest / scale), np.uint8)
        for matrix, values in matrices.items():
            self._quantize_matrix(f"{name}|{matrix}", values * smoothing[:, None])
        return [
            helper.make_node("Mul", [name, f"{name}.smoothing"], [f"{name}.smooth"]),
            helper.make_node(
                "QuantizeLinear", [f"{name}.smooth", f"{name}.scale", f"{name}.zero"], [f"{name}.rounded"]
            ),
        ]

    def _quantize_matrix(self, name: str, values: Any) -> None:
        """Each column with a scale of its own."""
        scales = np.maximum(np.abs(values).max(axis=0), _LEAST**2) / 127
        # Without VNNI onnxruntime adds products with int8 up in 16 bits, which overflow; with uint8 they are exact.
        kind, zero = (np.int8, 0) if processor.has_vnni() else (np.uint8, 128)
        self._constant(f"{name}.rounded", np.round(values / scales) + zero, kind)
        self._constant(f"{name}.scale", scales, np.float32)
        self._constant(f"{name}.zero", zero, kind)

    def _bias(self, node: Any) -> tuple[Any, str] | None:
        """The node that adds a constant vector to the product and is all that reads it, and the vector."""
        readers = self._readers[node.output[0]]
        if len(readers) == 1 and readers[0].op_type == "Add":
            for name in readers[0].input:
                if name in self._constants and len(self._constants[name].dims) == 1:
                    return readers[0], name
        return None

    def _product(self, node: Any, output: str, bias: Sequence[str]) -> Any:
        """The product of an activation and a matrix that are both rounded, in float32 again and with its bias."""
        parts = node.input[0], f"{node.input[0]}|{node.input[1]}"
        inputs = [f"{part}.{what}" for what in ("rounded", "scale", "zero") for part in parts]
        return helper.make_node("MatMulIntegerToFloat", [*inputs, *bias], [output], node.name, domain=_DOMAIN)

    def _constant(self, name: str, value: Any, dtype: Any) -> None:
        self._constants[name] = numpy_helper.from_array(np.asarray(value).astype(dtype), name)
