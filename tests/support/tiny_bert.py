"""A BERT, or a network like it, of random weights and a few thousand numbers beside its words: learns in no time."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from small_encoder import MODEL
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel


def save(folder: Path, kind: str = "bert", hidden: int = 32) -> Path:
    """A folder as transformers saves it, with the default model's tokenizer."""
    torch.manual_seed(0)
    words = {"vocab_size": 30522, "max_position_embeddings": 64}
    if kind == "bert":
        sizes = {"hidden_size": hidden, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        BertModel(BertConfig(**words, **sizes)).save_pretrained(folder)
    else:
        sizes = {"dim": hidden, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
        DistilBertModel(DistilBertConfig(**words, **sizes)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(MODEL / name, folder / name)
    return folder
