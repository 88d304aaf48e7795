"""Writes the ONNX graph of a BERT from its safetensors, without torch: an encoder, a cross-encoder, or one to adapt.

Devlin et al. 2019 (BERT), Reimers and Gurevych 2019 (mean or [CLS] pooling), Nogueira and Cho 2019 (relevance of a
pair), Hu et al. 2021 (low-rank adapters). The outputs are unit vectors with the states of the tokens that they are
pooled from, one logit of relevance each, or the states of the tokens as the adapters among the inputs have them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

_OPSET: Final = 20
_IR_VERSION: Final = 10
_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
_POOLING: Final = ("pooling_mode_mean_tokens", "pooling_mode_cls_token")


def is_supported(folder: Path, task: str = "embedding") -> bool:
    """True for a BERT in one file with its tokenizer, and a head as the task has it.

    For `embedding` that is mean or [CLS] pooling and nothing but a norm, for `ranking` BERT's own pooler and one logit,
    and for `adapted` none.
    """
    config = _json(folder / "config.json")
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and (task != "embedding" or _has_plain_pooling(folder))
        and _has_plain_weights(folder / "model.safetensors", _needed_weights(task, int(config["num_hidden_layers"])))
        and _has_plain_tokenizer(folder)
    )


def _has_plain_pooling(folder: Path) -> bool:
    pooling = _json(folder / "1_Pooling" / "config.json")
    modules = [str(module.get("type")).rsplit(".", 1)[-1] for module in _json(folder / "modules.json") or []]
    poolings = [name for name in pooling if name.startswith("pooling_mode_") and pooling[name] is True]
    return (
        modules in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        and len(poolings) == 1
        and poolings[0] in _POOLING
    )


def _needed_weights(task: str, layers: int) -> list[str]:
    head = ["pooler.dense.weight", "pooler.dense.bias", "classifier.weight"] if task == "ranking" else []
    return ["embeddings.token_type_embeddings.weight", f"encoder.layer.{layers - 1}.output.LayerNorm.bias", *head]


def _has_plain_weights(file: Path, needed: Sequence[str]) -> bool:
    """Whether the needed weights are there, all are floating-point numbers, and a classifier has one output."""
    if not file.is_file():
        return False
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as weights:
        slices = {name.removeprefix("bert."): weights.get_slice(name) for name in weights.keys()}  # noqa: SIM118
        if not all(name in slices for name in needed):
            return False
        if "classifier.weight" in needed and slices["classifier.weight"].get_shape()[0] != 1:
            return False
        return {
            part.get_dtype()
            for name, part in slices.items()
            if name.startswith(("embeddings.", "encoder.", "pooler.", "classifier.")) and "position_ids" not in name
        } <= {"F32", "F16"}


def _has_plain_tokenizer(folder: Path) -> bool:
    """True if tokenizer.json normalizes text as tokenizer_config.json says, which takes precedence in transformers."""
    normalizer = _json(folder / "tokenizer.json").get("normalizer") or {}
    settings = _json(folder / "tokenizer_config.json")
    names = {
        "lowercase": "do_lower_case",
        "strip_accents": "strip_accents",
        "handle_chinese_chars": "tokenize_chinese_chars",
    }
    return normalizer.get("type") == "BertNormalizer" and all(
        normalizer.get(name) == settings.get(setting, normalizer.get(name)) for name, setting in names.items()
    )


def adapter_inputs(name: str) -> tuple[str, str]:
    """What a graph to adapt calls the matrices of a layer's adapter: (inputs, rank) and (rank, outputs)."""
    return f"{name}.down", f"{name}.up"


def write(folder: Path, target: Path, task: str = "embedding") -> None:
    """Write model.onnx, tokenizer.json and meta.json, as an export by torch would."""
    import onnx

    onnx.save(_Graph(folder, task).model(), target / "model.onnx")
    (target / "tokenizer.json").write_text((folder / "tokenizer.json").read_text(encoding="utf-8"), encoding="utf-8")
    (target / "meta.json").write_text(json.dumps(_meta(folder, task), indent=1), encoding="utf-8")


def _meta(folder: Path, task: str) -> dict[str, Any]:
    from tokenizers import Tokenizer

    config, sentence = _json(folder / "config.json"), _json(folder / "config_sentence_transformers.json")
    settings = _json(folder / "tokenizer_config.json")
    padding = settings.get("pad_token", "[PAD]")
    padding = padding["content"] if isinstance(padding, dict) else padding
    longest = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    positions = int(config["max_position_embeddings"])
    is_encoder = task == "embedding"
    if task == "adapted":
        # Each adapter has a limit of its own, which need not be that of the sentences that the encoder was made for.
        longest = None
    prompts = {"query": "", "document": "", **(sentence.get("prompts") or {})} if is_encoder else {}
    return {
        "task": task,
        "inputs": list(_INPUTS),
        "max_tokens": int(longest or min(int(settings.get("model_max_length", positions)), positions)),
        "pad_id": Tokenizer.from_file(str(folder / "tokenizer.json")).token_to_id(padding) or 0,
        "details": {"dimensions": int(config["hidden_size"])} if is_encoder else {},
        "prompts": {name: prompts[name] for name in ("query", "document") if name in prompts},
    }


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


class _Graph:
    """The nodes and weights of one network; each method that adds a node returns the name of its output."""

    def __init__(self, folder: Path, task: str) -> None:
        from safetensors.numpy import load_file

        self._task = task

        self._config = _json(folder / "config.json")
        self._mean = bool(_json(folder / "1_Pooling" / "config.json").get("pooling_mode_mean_tokens"))
        self._weights = {
            name.removeprefix("bert."): array for name, array in load_file(folder / "model.safetensors").items()
        }
        self._nodes: list[Any] = []
        self._constants: dict[str, np.ndarray[Any, Any]] = {}
        # Inputs beside the tokens: two matrices for each layer that is adapted.
        self._adapters: dict[str, list[str | int]] = {}

    def model(self) -> Any:
        """The whole graph."""
        from onnx import TensorProto, helper, numpy_helper

        hidden = self._embeddings()
        for number in range(self._config["num_hidden_layers"]):
            hidden = self._layer(f"encoder.layer.{number}", hidden)
        size = int(self._config["hidden_size"])
        shape = ["batch", "sequence"]
        outputs: dict[str, list[str | int]]
        if self._task == "ranking":
            self._relevance(hidden)
            outputs = {"output": ["batch", 1]}
        elif self._task == "adapted":
            outputs = {self._add("Identity", hidden, output="output"): [*shape, size]}
        else:
            self._unit_vector(hidden)
            # Computed only for those who ask for them.
            outputs = {"output": ["batch", size], self._add("Identity", hidden, output="states"): [*shape, size]}
        graph = helper.make_graph(
            self._nodes, "bert",
            [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in _INPUTS]
            + [helper.make_tensor_value_info(name, TensorProto.FLOAT, of) for name, of in self._adapters.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, of) for name, of in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in self._constants.items()],
        )  # fmt: skip
        return helper.make_model(
            graph, ir_version=_IR_VERSION, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="pg_llm"
        )

    def _embeddings(self) -> str:
        words = self._add("Gather", self._weight("embeddings.word_embeddings.weight"), "input_ids")
        types = self._add("Gather", self._weight("embeddings.token_type_embeddings.weight"), "token_type_ids")
        length = self._add("Shape", "input_ids", start=1, end=2)
        table = self._weight("embeddings.position_embeddings.weight")
        places = self._add("Slice", table, self._integers(0), length, self._integers(0))
        return self._norm("embeddings.LayerNorm", self._add("Add", self._add("Add", words, types), places))

    def _layer(self, prefix: str, hidden: str) -> str:
        """Attention and feed-forward, each with its residual connection and norm."""
        heads = int(self._config["num_attention_heads"])
        size = int(self._config["hidden_size"]) // heads
        # Keys are laid out for the product with the queries: (batch, head, size, token).
        query, key, value = (
            self._add("Transpose", self._add("Reshape", self._linear(f"{prefix}.attention.self.{name}", hidden),
                                             self._integers(0, 0, heads, size)), perm=order)
            for name, order in (("query", (0, 2, 1, 3)), ("key", (0, 2, 3, 1)), ("value", (0, 2, 1, 3)))
        )  # fmt: skip
        scores = self._add("Mul", self._add("MatMul", query, key), self._float(size**-0.5))
        weights = self._add("Softmax", self._add("Add", scores, self._mask()), axis=-1)
        mixed = self._add("Transpose", self._add("MatMul", weights, value), perm=(0, 2, 1, 3))
        joined = self._add("Reshape", mixed, self._integers(0, 0, heads * size))
        attended = self._add("Add", self._linear(f"{prefix}.attention.output.dense", joined), hidden)
        attended = self._norm(f"{prefix}.attention.output.LayerNorm", attended)
        inner = self._add("Gelu", self._linear(f"{prefix}.intermediate.dense", attended))
        outer = self._add("Add", self._linear(f"{prefix}.output.dense", inner), attended)
        return self._norm(f"{prefix}.output.LayerNorm", outer)

    def _unit_vector(self, hidden: str) -> None:
        pooled = self._pooled(hidden)
        norm = self._add("ReduceL2", pooled, self._integers(-1), keepdims=1)
        self._add("Div", pooled, self._add("Max", norm, self._float(1e-12)), output="output")

    def _relevance(self, hidden: str) -> None:
        """The logit that BERT's classifier reads off its pooler, a layer on the first token."""
        first = self._add("Gather", hidden, self._scalar(0), axis=1)
        pooled = self._add("Tanh", self._linear("pooler.dense", first))
        self._linear("classifier", pooled, output="output")

    def _pooled(self, hidden: str) -> str:
        if not self._mean:
            return self._add("Gather", hidden, self._scalar(0), axis=1)
        mask = self._add("Unsqueeze", self._add("Cast", "attention_mask", to=1), self._integers(-1))
        total = self._add("ReduceSum", self._add("Mul", hidden, mask), self._integers(1), keepdims=0)
        count = self._add("ReduceSum", mask, self._integers(1), keepdims=0)
        return self._add("Div", total, self._add("Max", count, self._float(1e-9)))

    def _mask(self) -> str:
        """0 for a token and the least number for padding, of shape (batch, 1, 1, token); made once."""
        import numpy as np

        if not any("mask" in node.output for node in self._nodes):
            padding = self._add("Equal", "attention_mask", self._scalar(0))
            least = self._float(float(np.finfo(np.float32).min))
            self._add(
                "Unsqueeze", self._add("Where", padding, least, self._float(0.0)), self._integers(1, 2), output="mask"
            )
        return "mask"

    def _linear(self, name: str, value: str, output: str | None = None) -> str:
        product = self._add("MatMul", value, self._constant(f"{name}.kernel", self._weights[f"{name}.weight"].T))
        if self._task == "adapted":
            product = self._add("Add", product, self._low_rank(name, value))
        return self._add("Add", product, self._weight(f"{name}.bias"), output=output)

    def _low_rank(self, name: str, value: str) -> str:
        """The product with two narrow matrices, which are inputs of the graph."""
        outer, inner = self._weights[f"{name}.weight"].shape
        down, up = adapter_inputs(name)
        self._adapters |= {down: [inner, f"{name}.rank"], up: [f"{name}.rank", outer]}
        return self._add("MatMul", self._add("MatMul", value, down), up)

    def _norm(self, name: str, value: str) -> str:
        scale, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._add("LayerNormalization", value, scale, bias, axis=-1, epsilon=self._config["layer_norm_eps"])

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _integers(self, *values: int) -> str:
        return self._constant(f"int{list(values)}", values, "int64")

    def _scalar(self, value: int) -> str:
        return self._constant(f"int {value}", value, "int64")

    def _float(self, value: float) -> str:
        return self._constant(f"float {value}", value)

    def _constant(self, name: str, value: Any, dtype: str = "float32") -> str:
        import numpy as np

        if name not in self._constants:
            self._constants[name] = np.array(value, dtype=dtype, order="C")
        return name

    def _add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        name = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name
