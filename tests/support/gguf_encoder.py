"""all-MiniLM-L6-v2 as an encoder in GGUF: what llama.cpp's converter makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
from safetensors.numpy import load_file
from tokenizers import Tokenizer

# The names of its parts in both formats.
_EMBEDDINGS = {
    "word_embeddings": "token_embd",
    "position_embeddings": "position_embd",
    "token_type_embeddings": "token_types",
    "LayerNorm": "token_embd_norm",
}
_LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


def save(model: Path, file: Path, *, pooling: bool = True) -> None:
    """Write the model in the folder as one file, its weights as they are."""
    config = json.loads((model / "config.json").read_text())
    writer = gguf.GGUFWriter(str(file), "bert")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    if pooling:
        writer.add_pooling_type(gguf.PoolingType.MEAN)
    _add_vocabulary(writer, Tokenizer.from_file(str(model / "tokenizer.json")))
    names = {f"embeddings.{ours}": name for ours, name in _EMBEDDINGS.items()}
    for layer in range(config["num_hidden_layers"]):
        names |= {f"encoder.layer.{layer}.{ours}": f"blk.{layer}.{name}" for ours, name in _LAYER.items()}
    for name, weights in load_file(model / "model.safetensors").items():
        part, _, kind = name.rpartition(".")
        if part in names:
            writer.add_tensor(f"{names[part]}.{kind}", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    """Pieces that begin a word are marked there, not those that go on."""
    numbers = tokenizer.get_vocab()
    pieces = sorted(numbers, key=numbers.__getitem__)
    special = [piece.startswith("[") and piece.endswith("]") and len(piece) > 2 for piece in pieces]
    marked = [
        piece if is_special else piece.removeprefix("##") if piece.startswith("##") else f"\u2581{piece}"
        for piece, is_special in zip(pieces, special, strict=True)
    ]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(marked)
    writer.add_token_types([3 if is_special else 1 for is_special in special])
    writer.add_token_type_count(2)
    for add, piece in (
        (writer.add_unk_token_id, "[UNK]"),
        (writer.add_sep_token_id, "[SEP]"),
        (writer.add_pad_token_id, "[PAD]"),
        (writer.add_bos_token_id, "[CLS]"),
        (writer.add_eos_token_id, "[SEP]"),
        (writer.add_mask_token_id, "[MASK]"),
    ):
        add(numbers[piece])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)
