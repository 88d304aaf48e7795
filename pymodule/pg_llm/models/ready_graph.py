"""Token classifiers that come as an ONNX graph with weights of four bits: the export has them in float32.

Products with weights of four bits are made for reading one text on a phone: on batches onnxruntime takes several
times as long for them as for plain ones, and our own quantisation wants plain ones too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pg_llm.errors import InvalidModel

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def find(folder: Path, task: str) -> Path | None:
    """The graph of a token classifier that has no other weights, or None."""
    graphs = sorted(folder.rglob("*.onnx"))
    is_ready = task == "entities" and len(graphs) == 1 and not any(folder.rglob("*.safetensors"))
    return graphs[0] if is_ready and (folder / "tokenizer.json").is_file() else None


def write(folder: Path, graph: Path, target: Path) -> None:
    """Write model.onnx, tokenizer.json and meta.json, as an export by torch would. Raises InvalidModel."""
    import onnx

    model = onnx.load(graph)
    if sorted(each.name for each in model.graph.input) != sorted(_INPUTS):
        raise InvalidModel(f"the graph reads something else than {', '.join(_INPUTS)}")
    _expand(model)
    onnx.save(model, target / "model.onnx")
    (target / "tokenizer.json").write_text((folder / "tokenizer.json").read_text(encoding="utf-8"), encoding="utf-8")
    (target / "meta.json").write_text(json.dumps(_meta(folder), indent=1), encoding="utf-8")


def _meta(folder: Path) -> dict[str, Any]:
    from tokenizers import Tokenizer

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = {int(number): str(name) for number, name in config["id2label"].items()}
    tags = [names[number] for number in range(len(names))]
    return {
        "task": "entities",
        "inputs": list(_INPUTS),
        "max_tokens": min(int(config["max_position_embeddings"]), 512),
        "pad_id": Tokenizer.from_file(str(folder / "tokenizer.json")).token_to_id("[PAD]") or 0,
        "details": {"labels": sorted({tag[2:] for tag in tags if tag != "O"}), "tags": tags, "tag_scheme": None},
        "prompts": {},
    }


def _expand(model: Any) -> None:
    """Replace each product with a matrix of four bits by one with that matrix in float32."""
    from onnx import helper, numpy_helper

    constants = {each.name: each for each in model.graph.initializer}
    nodes, replaced = [], set()
    for node in model.graph.node:
        if node.op_type == "MatMulNBits":
            size = {each.name: each.i for each in node.attribute}
            if size["bits"] != 4 or len(node.input) != 3:
                raise InvalidModel("the graph has weights in a form that is not read here")
            packed, scales = (numpy_helper.to_array(constants[name]) for name in node.input[1:])
            name = f"{node.input[1]}.float"
            constants[name] = numpy_helper.from_array(_floats(packed, scales, size["N"], size["K"]), name)
            replaced.update(node.input[1:])
            node = helper.make_node("MatMul", [node.input[0], name], list(node.output), node.name)
        nodes.append(node)
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constant for name, constant in constants.items() if name not in replaced)


def _floats(packed: Any, scales: Any, rows: int, columns: int) -> Any:
    """The matrix of shape (columns, rows): two numbers a byte, the low one first, less eight, times a block's scale."""
    import numpy as np

    numbers = np.stack([packed & 15, packed >> 4], axis=-1).reshape(rows, -1, packed.shape[-1] * 2)
    values = (numbers.astype(np.float32) - 8) * scales.reshape(rows, -1, 1)
    return np.ascontiguousarray(values.reshape(rows, -1)[:, :columns].T, dtype=np.float32)
